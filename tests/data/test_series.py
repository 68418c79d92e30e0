"""Which files show one place, and in which order of dates."""

import pytest

from srlab.data.finding.series import by_place
from srlab.mistakes import Mistake

SUFFIXES = [".tif", ".SAFE"]


def test_folders_are_places_and_the_latest_date_comes_first(caplog):
    paths = ["/d/a/2023-01-02.tif", "/d/a/2024-01-01.tif", "/d/b/2022-05-05.tif", "loose.tif"]
    assert by_place(paths, "{place}/{date}", SUFFIXES) == [
        ["/d/a/2024-01-01.tif", "/d/a/2023-01-02.tif"],
        ["/d/b/2022-05-05.tif"],
    ]
    assert "1 files have another name than {place}/{date}: loose.tif" in caplog.text


def test_products_are_told_apart_by_their_tile():
    name = "S2{}_MSIL2A_{}_N0400_R108_{}_20220414T165533.SAFE"
    paths = [
        name.format("A", "20220414T110751", "T26EMU"),
        name.format("B", "20220501T1", "T26EMU"),
    ]
    other = name.format("A", "20220414T110751", "T31TCJ")
    found = by_place([*paths, other], "S2*_MSIL2A_{date}_N*_R*_{place}_*", SUFFIXES)
    assert found == [paths[::-1], [other]]


def test_all_files_are_of_one_place_without_a_place_in_the_pattern():
    assert by_place(["b/1.tif", "b/10.tif"], "{date}", SUFFIXES) == [["b/10.tif", "b/1.tif"]]


def test_patterns_that_tell_nothing_are_refused():
    cases = [
        ("{place}", r"data\.name is '\{place\}'; it must hold \{date\}"),
        (
            "{place}_{date}",
            r"no file has a name like data\.name=.*; there are 1\.tif",
        ),
        ("{date}", r"/a/1\.tif and /b/1\.tif are both of the date '1' by data\.name=\{date\}"),
    ]
    for pattern, message in cases:
        with pytest.raises(Mistake, match=message):
            by_place(["/a/1.tif", "/b/1.tif"], pattern, SUFFIXES)
