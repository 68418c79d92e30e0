"""Values in YAMLs that follow from others, as ``${input_channels:${data}}``."""

from __future__ import annotations

from math import prod

from omegaconf import DictConfig, ListConfig

from srlab.axes import per_axis


def input_channels(data: DictConfig) -> int:
    """Return the channels of LR: the bands, and after them each pixel of the guides.

    See `srlab.io.guided.Layout`; most data have no guides.
    """
    guides = data.get("guides") or []
    if not guides:
        return len(data.bands)
    return len(data.bands) + len(guides) * prod(per_axis(data.guide_ratio, data.spatial_dims))


def continued_channels(data: DictConfig) -> ListConfig | None:
    """Return the channels of LR, from 1, that HR's correspond to; None where these are all."""
    if not data.get("guides"):
        return None
    return ListConfig([*range(1, len(data.bands) + 1)])


def integers_up_to(highest: float | None) -> ListConfig | None:
    """Return the integers that a full scale speaks of, such as [0, 255]; None for that of floats.

    A full scale that is still open gives None as well.
    """
    if highest is None or highest <= 1 or highest != int(highest):
        return None
    return ListConfig([0, int(highest)])
