"""Which turns of a crop may be drawn: a group known from NumPy's quarter turns and mirroring."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from srlab.data.places.symmetries import drawn_turn
from srlab.io import Axis

BOTH = ("flips", "quarter_turns")


def numbered(*shape):
    return np.arange(np.prod(shape)).reshape(1, *shape)


def axes(names, *spacings, unit="m"):
    spacings = spacings or [None] * len(names)
    return [Axis(name, spacing, unit) for name, spacing in zip(names, spacings, strict=True)]


def check_drawn(symmetries, axes, shape, expected, *, scale=(1, 1, 1)):
    """Each of the expected images, and no other, is drawn, all equally often."""
    image, random = numbered(*shape), np.random.default_rng(0)
    draws = 150 * len(expected)
    seen = Counter()
    for _ in range(draws):
        turn = drawn_turn(symmetries, axes, shape, scale[: len(shape)], random)
        seen[turn(image).tobytes()] += 1
    assert set(seen) == expected
    chance = 1 / len(expected)
    allowed = 5 * (draws * chance * (1 - chance)) ** 0.5
    assert all(abs(count - draws * chance) <= allowed for count in seen.values())


def reached(image, *steps):
    """All images to which steps lead from one, by any way."""
    found, new = {}, [image]
    while new:
        found |= {each.tobytes(): each for each in new}
        further = [step(each) for step in steps for each in new]
        new = [each for each in further if each.tobytes() not in found]
    return set(found)


def flip(*places):
    return [lambda image, place=place: np.flip(image, place + 1) for place in places]


def quarter(*planes):
    return [
        lambda image, plane=plane: np.rot90(image, axes=(plane[0] + 1, plane[1] + 1))
        for plane in planes
    ]


@pytest.mark.parametrize(
    ("symmetries", "steps", "size"),
    [
        ((), [], 1),
        (["flips"], flip(0, 1), 4),
        (["quarter_turns"], quarter((0, 1)), 4),
        (BOTH, [*flip(0), *quarter((0, 1))], 8),
    ],
    ids=["none", "flips", "turns", "both"],
)
def test_a_square_has_the_symmetries_asked_for(symmetries, steps, size):
    expected = reached(numbered(4, 4), *steps)
    assert len(expected) == size
    check_drawn(symmetries, axes("yx"), (4, 4), expected)


def test_unequal_axes_are_never_exchanged():
    cases = [
        (axes("yx"), (4, 6), (1, 1)),
        (axes("yx"), (4, 4), (2, 1)),
        (axes("yx", 20.0, 10.0), (4, 4), (1, 1)),
        (axes("yx", None, 10.0), (4, 4), (1, 1)),
        ([Axis("y", 1.0, "m"), Axis("x", 1.0, "s")], (4, 4), (1, 1)),
    ]
    for spatial, shape, scale in cases:
        expected = reached(numbered(*shape), *flip(0, 1))
        check_drawn(BOTH, spatial, shape, expected, scale=scale)
        check_drawn(["quarter_turns"], spatial, shape, {numbered(*shape).tobytes()}, scale=scale)


def test_spacings_that_differ_by_rounding_count_as_equal():
    expected = reached(numbered(4, 4), *flip(0), *quarter((0, 1)))
    check_drawn(BOTH, axes("yx", 10.0, 9.99), (4, 4), expected)


@pytest.mark.parametrize(("symmetries", "size"), [(["quarter_turns"], 24), (BOTH, 48)])
def test_a_volume_of_equal_spacing_turns_in_every_plane(symmetries, size):
    planes = quarter(*combinations(range(3), 2))
    mirrored = flip(0) if "flips" in symmetries else []
    expected = reached(numbered(3, 3, 3), *planes, *mirrored)
    assert len(expected) == size
    check_drawn(symmetries, axes("zyx", 0.5, 0.5, 0.5), (3, 3, 3), expected)


@pytest.mark.parametrize("spacings", [(4.0, 0.5, 0.5), ()], ids=["thick", "unknown"])
def test_slices_of_another_or_unknown_distance_are_flipped_and_never_turned(spacings):
    expected = reached(numbered(3, 3, 3), *flip(0, 1), *quarter((1, 2)))
    assert len(expected) == 16
    check_drawn(BOTH, axes("zyx", *spacings), (3, 3, 3), expected)


@pytest.mark.parametrize("spacings", [(1.0, 1.0, 1.0), ()], ids=["equal", "unknown"])
def test_time_is_neither_flipped_nor_turned(spacings):
    expected = reached(numbered(3, 3, 3), *flip(1), *quarter((1, 2)))
    assert len(expected) == 8
    check_drawn(BOTH, axes("tyx", *spacings), (3, 3, 3), expected)
