import pytest

from srlab.degradations import Area, GaussianMtf, KSpace, Projection, ThickSlices, projection_reach


@pytest.mark.parametrize(
    ("degradation", "expected"),
    [
        (Area(scale=(3, 2)), (0, 0)),  # pixels of LR have nothing in common
        (KSpace(scale=(2, 1)), (None, 0)),  # waves have no end
        (ThickSlices(scale=(3, 1), profile="box", gap=0.3), (0, 0)),
    ],
)
def test_reach_is_that_of_the_degradation(degradation, expected):
    assert projection_reach(Projection(degradation), channels=1) == expected


def test_a_stronger_blur_reaches_further():
    reaches = []
    for mtf in (0.5, 0.3, 0.1):
        projection = Projection(GaussianMtf(scale=(4, 1), mtf=[0.5, mtf]))
        along, across = projection_reach(projection, channels=2)
        assert across == 0
        reaches.append(along)
    assert reaches == sorted(set(reaches))
