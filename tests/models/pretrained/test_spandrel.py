"""A published architecture, rebuilt from its tensors, trains, predicts and goes into a bundle like ours."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import TINY, Outcome
from PIL import Image
from skimage.data import chelsea

import srlab
from srlab.generators import Spandrel
from srlab.nn.receptive_field import receptive_field

pytest.importorskip("spandrel")

FEATURES, CONVOLUTIONS, SCALE = 8, 2, 2


def published():
    """A state dict with the names of Real-ESRGAN's SRVGGNetCompact, random and small."""
    torch.manual_seed(0)
    widths = [3, *[FEATURES] * (CONVOLUTIONS + 1), 3 * SCALE**2]
    tensors = {}
    for index, (before, after) in enumerate(itertools.pairwise(widths)):
        tensors[f"body.{2 * index}.weight"] = torch.randn(after, before, 3, 3) / (3 * before**0.5)
        tensors[f"body.{2 * index}.bias"] = torch.randn(after) / 10
        if index <= CONVOLUTIONS:
            tensors[f"body.{2 * index + 1}.weight"] = torch.rand(after)
    return tensors


def reference(tensors, lr):
    features = lr
    for index in range(CONVOLUTIONS + 2):
        features = F.conv2d(
            features,
            tensors[f"body.{2 * index}.weight"],
            tensors[f"body.{2 * index}.bias"],
            padding=1,
        )
        if index <= CONVOLUTIONS:
            features = F.prelu(features, tensors[f"body.{2 * index + 1}.weight"])
    return F.pixel_shuffle(features, SCALE) + F.interpolate(lr, scale_factor=SCALE, mode="nearest")


def filled(tensors=None):
    generator = Spandrel(in_channels=3, scale=SCALE)
    generator.load_state_dict(tensors or published())
    return generator


def test_computes_what_the_published_network_does():
    lr = torch.rand(2, 3, 7, 5)
    torch.testing.assert_close(filled()(lr), reference(published(), lr))


def test_is_rebuilt_from_its_own_tensors():
    generator = filled()
    again = filled(generator.state_dict())
    lr = torch.rand(1, 3, 6, 6)
    assert torch.equal(again(lr), generator(lr))
    assert all(parameter.requires_grad for parameter in again.parameters())


def test_receptive_field_is_measured_like_ours():
    assert receptive_field(filled()) == (CONVOLUTIONS + 2,) * 2


def test_mistakes_are_named():
    with pytest.raises(
        ValueError, match="has no architecture yet: name a published model by weights=PATH"
    ):
        Spandrel(in_channels=3, scale=2)(torch.rand(1, 3, 4, 4))
    with pytest.raises(ValueError, match="no architecture that spandrel recognises"):
        filled({"nothing.weight": torch.zeros(3)})
    with pytest.raises(
        ValueError, match=r"for scale 2 and 3 channels; the run has scale \(4, 4\) and 3 channels"
    ):
        Spandrel(in_channels=3, scale=4).load_state_dict(published())
    with pytest.raises(ValueError, match="2D architectures"):
        Spandrel(in_channels=3, scale=2, spatial_dims=3)


def test_trains_bundles_and_predicts(command, tmp_path):
    torch.save({"params_ema": published()}, tmp_path / "published.pth")
    small = [line for line in TINY if not line.startswith("generator")]
    steps = [
        "trainer.max_steps=2",
        "schedule.pretrain_steps=1",
        "schedule.ramp_steps=1",
        "optimiser.generator.lr=1e-3",
    ]
    given = ["generator=spandrel", "weights=published.pth", f"scale={SCALE}", *small, *steps]
    assert command("train", *given, "hydra.run.dir=run") == Outcome(0, "")
    pixels = chelsea()[100:140, 100:150]
    Image.fromarray(pixels).save(tmp_path / "small.png")
    assert command(
        "predict", "model=run/model.safetensors", "input=small.png", "output=x2.png"
    ) == Outcome(0, "")
    assert Image.open(tmp_path / "x2.png").size == (100, 80)
    lr = torch.from_numpy(np.moveaxis(pixels, -1, 0).astype(np.float32))[None]
    trained = srlab.load(tmp_path / "run" / "model.safetensors")
    untrained = reference(published(), lr / 255) * 255
    change = (trained(lr) - untrained).abs().max()
    assert 0 < change < 64  # two steps moved the weights a little, from the published ones


def test_checkpoint_holds_the_whole_network_and_is_gone_on_with(command, tmp_path, monkeypatch):
    torch.save(published(), tmp_path / "published.pth")
    small = [line for line in TINY if not line.startswith("generator")]
    steps = [
        "trainer.max_steps=4",
        "callbacks.checkpoints.every=2",
        "schedule.pretrain_steps=0",
        "schedule.ramp_steps=1",
    ]
    given = ["generator=spandrel", "weights=published.pth", f"scale={SCALE}", *small, *steps]
    assert command("train", *given, "hydra.run.dir=run") == Outcome(0, "")
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    state = torch.load(last, weights_only=True)
    names = [name for name in state["state_dict"] if name.startswith("ema.average.network.")]
    assert len(names) == len(published())

    from srlab.training.module import GAN

    step = GAN.training_step

    def broken(self, *batch):
        if self.global_step == 3:
            raise RuntimeError("the power is gone")
        step(self, *batch)

    with monkeypatch.context() as patched:
        patched.setattr(GAN, "training_step", broken)
        with pytest.raises(RuntimeError, match="the power is gone"):
            command("train", *given, "hydra.run.dir=cut")
    assert command("train", "resume=last", "hydra.run.dir=cut") == Outcome(0, "")
    resumed = torch.load(tmp_path / "cut" / "checkpoints" / "last.ckpt", weights_only=True)[
        "state_dict"
    ]
    assert all(torch.equal(resumed[name], tensor) for name, tensor in state["state_dict"].items())


@pytest.mark.slow
def test_real_file_is_the_same_as_through_the_library(shared_data):
    from spandrel import ModelLoader

    path = shared_data("weights/realesr-animevideov3.pth")
    theirs = ModelLoader(device="cpu").load_from_file(path).model
    ours = Spandrel(in_channels=3, scale=4)
    ours.load_state_dict(torch.load(path, weights_only=True, map_location="cpu")["params"])
    lr = torch.rand(1, 3, 24, 31)
    torch.testing.assert_close(ours(lr), theirs(lr), atol=1e-6, rtol=0)
