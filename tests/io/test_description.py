"""Descriptions of outputs, made from those of inputs."""

import numpy as np
import pytest

from srlab.io import Axis, Channel, Description, Provenance


class Origin:
    """A geometry that counts how often it was scaled."""

    def __init__(self, factors=()):
        self.factors = factors

    def scaled(self, scale):
        return Origin((*self.factors, tuple(scale)))


AXES = (Axis("z", 3.0, "mm"), Axis("y", 1.0, "mm"), Axis("x", 0.5, "mm"))
CHANNELS = (Channel("t1", dtype=np.dtype("int16")), Channel("t2", dtype=np.dtype("uint16")))
SCAN = Description((10, 20, 30), AXES, CHANNELS, Origin(), {"PATIENT": "none"})


def test_scaled_has_more_and_smaller_pixels_of_the_same_scene():
    fine = SCAN.scaled((3, 1, 2))
    assert fine.shape == (30, 20, 60)
    assert fine.pixel_size == (1.0, 1.0, 0.25)
    assert fine.geometry.factors == ((3, 1, 2),)
    assert (fine.channels, fine.tags) == (SCAN.channels, SCAN.tags)
    assert Description((4, 5), (Axis("y"), Axis("x")), CHANNELS).scaled((2, 2)).geometry is None


def test_a_scale_of_other_axes_is_an_error():
    with pytest.raises(ValueError, match="zip"):
        SCAN.scaled((2, 2))


def test_the_pixel_size_is_known_if_every_spacing_is():
    assert SCAN.pixel_size == (3.0, 1.0, 0.5)
    assert Description((4, 5), (Axis("y", 1.0), Axis("x")), CHANNELS).pixel_size is None


def test_channels_and_types_are_replaced():
    assert (SCAN.names, SCAN.dtype) == (("t1", "t2"), np.int32)
    assert SCAN.with_dtype("float32").dtype == np.float32
    one = SCAN.with_channels([Channel("pd", unit="s")])
    assert (one.names, one.shape, one.geometry) == (("pd",), SCAN.shape, SCAN.geometry)


def test_provenance_becomes_text():
    made = Provenance("srlab 1", "0a", settings={"tile": (256, 256), "blend": True})
    assert made.tags() == {
        "SOFTWARE": "srlab 1",
        "MODEL_SHA256": "0a",
        "DESCRIPTION": "super-resolved",
        "SETTINGS": '{"blend": true, "tile": [256, 256]}',
    }
