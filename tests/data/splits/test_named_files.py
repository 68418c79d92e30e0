"""Splits by the names of files: groups by a pattern, and lists."""

import numpy as np
import pytest
from omegaconf import OmegaConf
from split_examples import Placed

from srlab.cli.configuration import config_dir
from srlab.data.places.regions import Region
from srlab.data.splits import Groups, Listed
from srlab.io.array.memory import ArrayReader

SUBJECTS = [
    f"/bids/sub-{number:02}/anat/sub-{number:02}_{kind}.nii"
    for number in range(10)
    for kind in "ab"
]
CLIPS = [f"clips/{clip}/{frame:03}.png" for clip in "abcd" for frame in range(5)]


def files(names):
    return [Region.whole(ArrayReader(np.zeros((1, 4, 4)), name=name)) for name in names]


def names(regions):
    return [str(region.reader) for region in regions]


def pattern(choice):
    return OmegaConf.load(f"{config_dir()}/split/{choice}.yaml").pattern


@pytest.mark.parametrize(
    ("choice", "paths", "size", "count"), [("subject", SUBJECTS, 2, 3), ("clip", CLIPS, 5, 1)]
)
def test_groups_fall_on_one_side(choice, paths, size, count):
    training, held = Groups(pattern=pattern(choice), fraction=0.3)(files(paths))
    sides = [{path.rpartition("/")[0] for path in names(part)} for part in (training, held)]
    assert sides[0].isdisjoint(sides[1])
    assert len(sides[1]) == count
    assert len(held) == count * size
    assert sorted(names(training) + names(held)) == sorted(paths)


def test_a_pattern_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"x.nii is of no group by split.pattern=sub-"):
        Groups(pattern="sub-[0-9]+", fraction=0.3)(files([*SUBJECTS, "x.nii"]))
    with pytest.raises(ValueError, match=r"all 2 files are of one group, 'sub-00', by split"):
        Groups(pattern=pattern("subject"), fraction=0.3)(files(SUBJECTS[:2]))
    with pytest.raises(ValueError, match=r"pattern is '\(', no regular expression: missing \)"):
        Groups(pattern="(", fraction=0.3)


def test_files_without_a_subject_are_each_one_of_their_own():
    paths = [f"/scans/{name}.nii.gz" for name in "abcd"]
    training, held = Groups(pattern=pattern("subject"), fraction=0.25)(files(paths))
    assert (len(training), len(held)) == (3, 1)


def test_of_a_single_file_the_end_is_held_out():
    for path in ("/scans/t1.nii", SUBJECTS[0]):
        training, held = Groups(pattern=pattern("subject"), fraction=0.25)(files([path]))
        assert training[0].window == (slice(0, 3), slice(0, 4))
        assert held[0].window == (slice(3, 4), slice(0, 4))


def test_named_files_are_held_out(tmp_path):
    paths = ["root/a.tif", "root/north/a.tif", "root/north/b.tif", "root/c[1].tif"]
    (tmp_path / "held out.txt").write_text("# by hand\n\nroot/a.tif\n  north/b.tif \n")
    for given, wanted in [
        (["root/a.tif"], [0]),
        (["a.tif"], [0, 1]),
        (["north/*"], [1, 2]),
        ("[ab].tif", [0, 1, 2]),
        (["c[1].tif", "north/b.tif"], [2, 3]),
        (f"{tmp_path}/held out.txt", [0, 2]),
    ]:
        training, held = Listed(files=given)(files(paths))
        assert names(held) == [paths[place] for place in wanted]
        assert names(training) == [path for path in paths if path not in names(held)]


def test_a_list_that_does_not_fit_is_refused():
    cases = [
        (["z.tif"], "names z.tif, and no file of data.root has that name, such as root/a.tif"),
        (["if"], "names if, and no file"),
        (["*.tif"], "names all 2 files, and none is left to train on"),
        (["none.txt"], "split.files=none.txt does not exist"),
        ([], "files names nothing to hold out"),
    ]
    for given, error in cases:
        with pytest.raises(ValueError, match=error) as raised:
            Listed(files=given)(files(["root/a.tif", "root/b.tif"]))
        assert "\n" not in str(raised.value)


def test_a_list_that_separates_files_of_one_ground_is_refused():
    scenes = [
        *map(Region.whole, [Placed((20, 20)), Placed((20, 20), 15, 3), Placed((9, 9), 0, 90)])
    ]
    with pytest.raises(ValueError, match="holds out 0,0, and 15,3 covers the same ground: name"):
        Listed(files=["0,0"])(scenes)
    assert names(Listed(files=["0,0", "15,3"])(scenes).held_out) == ["0,0", "15,3"]


def test_groups_of_one_ground_are_one():
    scenes = [Placed((20, 20)), Placed((20, 20), 15, 3), Placed((9, 9), 0, 90)]
    training, held = Groups(pattern=".*", fraction=0.5)([*map(Region.whole, scenes)])
    assert sorted([len(training), len(held)]) == [1, 2]
