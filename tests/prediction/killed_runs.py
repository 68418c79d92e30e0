"""A prediction in a process of its own, slow enough to be killed in the middle."""

import time
from dataclasses import replace

import torch
from prediction_examples import Repeat, repeat, resolver

from srlab.prediction import Opened, Request, super_resolve_file
from srlab.prediction.engines import making


class Slow(Repeat):
    """Tiles differ by their means, so that a wrong grid would show; each takes a moment."""

    def forward(self, lr):
        time.sleep(0.004)
        return repeat(lr + lr.mean() / 64, self.scale)


def run(source, output, settings):
    """Predict with tiles of 16 pixels; each block is noted at once."""
    torch.set_num_threads(1)
    making.SECONDS = 0.0
    settings = dict(settings)
    scale, channels = settings.pop("scale"), settings.pop("channels")
    model = resolver(Slow(scale, in_channels=channels), top=1)
    shrinking = {"_target_": "srlab.degradations.Area", "scale": scale, "spatial_dims": len(scale)}
    model.card = replace(model.card, degradation=shrinking)
    options = {name: settings.pop(name) for name in ("layout", "codec") if name in settings}
    given = {"tile": [16] * len(scale), "overlap": 2} | settings
    request = Request(
        bands=list(range(1, channels + 1)),
        join="crop",
        force=["value_range", "dtype", "pixel_size"],
        options=options,
        **given,
    )
    super_resolve_file([Opened(__file__, model)], source, output, request=request)


def nothing():
    """Start the process, and that alone."""
