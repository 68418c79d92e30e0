"""Resolvers of values in YAMLs that follow from others, such as ``${input_channels:${data}}``."""

from __future__ import annotations

from math import prod

from omegaconf import DictConfig, ListConfig

from srlab.axes import per_axis


def input_channels(data: DictConfig) -> int:
    """Return the number of LR's channels.

    These are the bands of each date, or the bands followed by the pixels of the guides
    (`srlab.io.guided.Layout`). Most data have no guides and a single date.
    """
    if data.get("dates"):
        return len(data.bands) * int(data.dates)
    guides = data.get("guides") or []
    if not guides:
        return len(data.bands)
    return len(data.bands) + len(guides) * prod(per_axis(data.guide_ratio, data.spatial_dims))


def output_channels(data: DictConfig) -> int:
    """Return the number of HR's channels: that of ``hr_bands`` if set, otherwise of ``bands``."""
    return len(data.get("hr_bands") or data.bands)


def continued_channels(data: DictConfig) -> ListConfig | None:
    """Return the LR channels, numbered from 1, that HR's channels correspond to.

    None means that LR and HR have the same channels, or that HR has a band that LR lacks.
    """
    bands, hr_bands = list(data.bands), list(data.get("hr_bands") or data.bands)
    if not data.get("guides") and not data.get("dates") and hr_bands == bands:
        return None
    # Names tell bands; the same number may be another band in the files of another sensor.
    by_name = all(isinstance(band, str) and band in bands for band in hr_bands)
    if hr_bands != bands and not by_name:
        return None
    return ListConfig([bands.index(band) + 1 for band in hr_bands])


def integers_up_to(highest: float | None) -> ListConfig | None:
    """Return the range of integers of a full scale, such as [0, 255].

    None for the full scale of floats, and for one that is not known yet.
    """
    if highest is None or highest <= 1 or highest != int(highest):
        return None
    return ListConfig([0, int(highest)])
