import numpy as np
import pytest
import rasterio
from model_examples import card as example

from srlab.io import open_reader
from srlab.models.band_order import warn_of_order

COLOUR = {"input_names": ("R", "G", "B"), "output_names": ("R", "G", "B"), "unit": "8-bit value"}
CARD = example(bands=(1, 2, 3), training_range=((0.0, 255.0),) * 3, **COLOUR)
NAMED = example(bands=("R", "G", "B"), training_range=((0.0, 255.0),) * 3, **COLOUR)


@pytest.mark.parametrize(
    ("dtype", "count", "top", "card", "force", "told"),
    [
        ("uint16", 4, 1600, CARD, [], "by force=[dtype,value_range] that these are meant"),
        ("uint16", 4, 200, CARD, [], "by force=[dtype] that"),
        ("uint16", 4, 200, CARD, ["dtype"], None),
        ("uint8", 4, 200, CARD, [], None),
        ("uint16", 3, 1600, CARD, [], None),  # nothing is left out
        ("uint16", 4, 1600, NAMED, [], None),
    ],
)
def test_of_more_bands_the_first_are_not_taken_silently_if_of_another_kind(
    tmp_path, caplog, dtype, count, top, card, force, told
):
    path = tmp_path / "scene.tif"
    profile = {"width": 8, "height": 8, "count": count, "dtype": dtype, "photometric": "minisblack"}
    with rasterio.open(path, "w", **profile) as file:
        file.write(np.full((count, 8, 8), top, dtype))
    warn_of_order(card, path, open_reader(path, bands=[1, 2, 3]), force=force)
    assert len(caplog.messages) == (told is not None)
    if told is not None:
        assert (
            f"scene.tif: bands 1, 2, 3 of 4 are taken for R, G, B by their order, and reach {top}"
            in caplog.text
        )
        assert told in caplog.text
