"""A third party's data and callback, for runs of one and of several processes."""

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from lightning import Callback
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from srlab.data.pairing.pairs import Pairing
from srlab.data.places.cropping import Cropping
from srlab.data.places.crops import RandomCrops
from srlab.data.places.fixed_views import FixedViews
from srlab.data.places.regions import Region
from srlab.io import Axis
from srlab.io.array.memory import ArrayReader


class Holes:
    """Noise with holes, more of them in some crops than in others.

    Nearly half of the crops see nothing else.
    """

    unit, data_range, axes = "signal", 1.0, (Axis("y"), Axis("x"))
    bands, channel_names = (1, 2), ("1", "2")

    def __init__(self, *, bands, scale, degradation, crop_size, seed, holes, views):
        array = np.random.default_rng(0).random((2, 64, 64), dtype=np.float32).cumsum(1) / 64
        pairing = Pairing(degradation, (scale, scale), seed)
        parts = [array[:, : 20 + 8 * view] for view in range(views)]
        regions = [Region.whole(ArrayReader(part)) for part in parts]
        self.validation = self.test = FixedViews(regions, pairing)
        array = array.copy()
        if holes:
            array[:, np.random.default_rng(1).random((64, 64)) < np.linspace(0, 2.5, 64)] = np.nan
        regions = [Region.whole(ArrayReader(array))]
        self.training = RandomCrops(regions, pairing, Cropping(crop_size=crop_size))


class Witness(Callback):
    """Notes each rank's weights after each step, and the exchanges of more than one number.

    Counted are our own exchanges, and those of data parallelism within backward passes.
    """

    def __init__(self, *, folder):
        self.folder, self.seen, self.sent = Path(folder), [], 0

    def on_train_start(self, trainer, module):
        all_reduce = distributed.all_reduce

        def counted(tensor, *given, **named):
            self.sent += tensor.numel() > 1
            return all_reduce(tensor, *given, **named)

        def in_backward(state, bucket):
            self.sent += 1
            future = torch.futures.Future()
            future.set_result(bucket.buffer())
            return future

        distributed.all_reduce = counted
        assert isinstance(trainer.model, DistributedDataParallel)
        trainer.model.register_comm_hook(None, in_backward)

    def on_train_batch_end(self, trainer, module, *_):
        digest = hashlib.sha256()
        for network in module.networks.values():
            for tensor in network.state_dict().values():
                digest.update(tensor.numpy().tobytes())
        self.seen.append(digest.hexdigest())

    def on_train_end(self, trainer, module):
        text = json.dumps({"seen": self.seen, "sent": self.sent})
        (self.folder / f"witness_{trainer.global_rank}.json").write_text(text)
