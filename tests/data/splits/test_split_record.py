from types import SimpleNamespace

import numpy as np
import pytest
from split_examples import Placed

from srlab.cli.assembly import check_files
from srlab.data.places.regions import Region
from srlab.data.splits import Blocks, Saved, WholeFiles
from srlab.data.splits.record import SPLIT, difference, read_record, record_of, write_record
from srlab.io.array.memory import ArrayReader


def by_file(regions):
    found = {}
    for region in regions:
        found.setdefault(str(region.reader), []).append(region)
    return found


def test_a_saved_split_is_split_again_alike(tmp_path):
    files = [
        *map(Region.whole, [Placed((40, 30)), Placed((30, 30), 20, 9), Placed((9, 50), 0, 99)])
    ]
    parted = Blocks(size=7, gap=2, fraction=0.3, seed=0)(files)
    write_record(record_of(parted), tmp_path / SPLIT)
    again = Saved(path=str(tmp_path / SPLIT))(files)
    for side, other in zip(parted, again, strict=True):
        assert by_file(side) == by_file(other)
    with pytest.raises(ValueError, match=r"other is none of the files of .*split.json, so that it"):
        Saved(path=str(tmp_path / SPLIT))(
            [Region.whole(ArrayReader(np.zeros((1, 9, 9)), name="other"))]
        )


def test_a_spoilt_record_is_told_in_a_line(tmp_path):
    for text in ('{"a": 1}', "[]", "{"):
        (tmp_path / SPLIT).write_text(text)
        with pytest.raises(ValueError, match=r"split.json is no record of a split"):
            read_record(tmp_path / SPLIT)
    with pytest.raises(FileNotFoundError, match=r"none.json does not exist; name the split.json"):
        Saved(path=f"{tmp_path}/none.json")


class Source:
    """Files of so many bytes in a folder, split by a fraction."""

    def __init__(self, root, sizes, fraction=0.4):
        for path in root.glob("*.dat"):
            path.unlink()
        for name, size in sizes.items():
            (root / f"{name}.dat").write_bytes(bytes(size))
        readers = [ArrayReader(np.zeros((1, 9, 9)), name=f"{root}/{name}.dat") for name in sizes]
        parted = WholeFiles(fraction=fraction)([*map(Region.whole, readers)])
        self.parts = SimpleNamespace(parted=parted)


@pytest.mark.parametrize(
    ("sizes", "fraction", "message"),
    [
        ({"a": 5, "b": 6}, 0.4, "c.dat is gone"),
        ({"a": 5, "b": 6, "c": 7, "d": 8}, 0.4, "d.dat is new"),
        ({"a": 5, "b": 60, "c": 7}, 0.4, "b.dat has 60 bytes and had 6. Put them back"),
        ({"a": 5, "b": 6, "c": 7}, 0.7, "a.dat are held out"),
    ],
)
def test_a_run_does_not_go_on_with_other_files(tmp_path, sizes, fraction, message):
    began = {"a": 5, "b": 6, "c": 7}
    write_record(record_of(Source(tmp_path, began).parts.parted), tmp_path / SPLIT)
    check_files(Source(tmp_path, began), tmp_path)
    with pytest.raises(
        ValueError, match="the files are not those that the run began with"
    ) as error:
        check_files(Source(tmp_path, sizes, fraction), tmp_path)
    assert message in str(error.value)


def test_equal_records_do_not_differ(tmp_path):
    record = record_of(Source(tmp_path, {"a": 5, "b": 6}).parts.parted)
    assert difference(record, record) is None
