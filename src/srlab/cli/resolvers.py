"""Values in YAMLs that follow from others, as ``${input_channels:${data}}``."""

from __future__ import annotations

from math import prod

from omegaconf import DictConfig, ListConfig

from srlab.axes import per_axis


def input_channels(data: DictConfig) -> int:
    """Return the channels of LR: the bands of each date, or after them each pixel of the guides.

    See `srlab.io.guided.Layout`; most data have no guides, and a single date.
    """
    if data.get("dates"):
        return len(data.bands) * int(data.dates)
    guides = data.get("guides") or []
    if not guides:
        return len(data.bands)
    return len(data.bands) + len(guides) * prod(per_axis(data.guide_ratio, data.spatial_dims))


def output_channels(data: DictConfig) -> int:
    """Return the channels of HR: the bands, unless HR has bands of its own."""
    return len(data.get("hr_bands") or data.bands)


def continued_channels(data: DictConfig) -> ListConfig | None:
    """Return the channels of LR, from 1, that HR's correspond to; None where these are all.

    None stands as well where HR has a band of its own, which no channel of LR continues.
    """
    bands, hr_bands = list(data.bands), list(data.get("hr_bands") or data.bands)
    if not data.get("guides") and not data.get("dates") and hr_bands == bands:
        return None
    # The same number may be another band in the files of another sensor.
    if hr_bands != bands and not all(isinstance(each, str) and each in bands for each in hr_bands):
        return None
    return ListConfig([bands.index(each) + 1 for each in hr_bands])


def integers_up_to(highest: float | None) -> ListConfig | None:
    """Return the integers that a full scale speaks of, such as [0, 255]; None for that of floats.

    A full scale that is still open gives None as well.
    """
    if highest is None or highest <= 1 or highest != int(highest):
        return None
    return ListConfig([0, int(highest)])
