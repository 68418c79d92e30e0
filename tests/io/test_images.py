"""A name chooses an image of a file by its name or its number."""

import pytest

from srlab.files import file_and_image
from srlab.io import open_reader
from srlab.io.images import Chosen, chosen_image
from srlab.mistakes import Mistake, SeveralImages

NAMES = ["Plate/cell", "ctrl", "Cell", "ctrl", "2", "a\nb", ""]


@pytest.mark.parametrize(
    ("wanted", "place"),
    [
        *[("Plate/cell", 0), ("cell", 0), ("Cell", 2), ("CELL", 2), ("CTRL", 1)],
        *[("ctrl (2)", 3), ("2", 4), ("3", 2), ("a b", 5), ("image", 6), ("7", 6)],
    ],
)
def test_a_name_counts_before_a_number_and_its_last_part_will_do(wanted, place):
    assert chosen_image(NAMES, wanted, "a.lif").index == place


def test_each_name_that_is_told_chooses_its_own_image():
    with pytest.raises(
        SeveralImages, match=r"a.lif holds 7 images \(Plate/cell, .* a.lif#1"
    ) as told:
        chosen_image(NAMES, "", "a.lif")
    chosen = [chosen_image(NAMES, name, "a.lif") for name in told.value.names]
    assert chosen == [Chosen(place, name) for place, name in enumerate(told.value.names)]


def test_an_only_image_needs_no_name_and_keeps_none():
    assert chosen_image(["cell"], "", "a.lif") == chosen_image(["cell"], "1", "") == Chosen(0, "")
    for wanted, names in (("8", NAMES), ("0", NAMES), ("Cell", ["a/Cell", "b/Cell"])):
        with pytest.raises(
            Mistake, match=r"a.lif has (no image|several images named) .* from 1 to"
        ):
            chosen_image(names, wanted, "a.lif")


@pytest.mark.parametrize("file", ["a.lif", "a #1.lif", "b#/a.lif", "b#/#"])
def test_a_sign_in_a_files_own_name_chooses_nothing(tmp_path, file):
    (tmp_path / "b#").mkdir()
    for name in ("a.lif", "a #1.lif", "b#/a.lif", "b#/#"):
        (tmp_path / name).touch()
    path = f"{tmp_path}/{file}"
    for image in ("", "cell", "2", "Plate/cell #3"):
        name = f"{path}#{image}" if image else path
        assert file_and_image(name) == (path, image)


def test_a_format_of_single_images_offers_no_choice(tmp_path):
    (tmp_path / "a.png").touch()
    with pytest.raises(Mistake, match=r"a.png is of the format PNG, .*: leave #2 out"):
        open_reader(f"{tmp_path}/a.png#2")
