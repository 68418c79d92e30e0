"""A published architecture, rebuilt from its tensors, trains, predicts and is bundled like ours."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import TINY, Outcome, run_command
from PIL import Image
from skimage.data import chelsea

import srlab
from srlab.generators import Spandrel, receptive_field
from srlab.models.pretrained.weights import load_weights

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
    for index in range(0, 2 * CONVOLUTIONS + 4, 2):
        weight, bias = tensors[f"body.{index}.weight"], tensors[f"body.{index}.bias"]
        features = F.conv2d(features, weight, bias, padding=1)
        if index <= 2 * CONVOLUTIONS:
            features = F.prelu(features, tensors[f"body.{index + 1}.weight"])
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


def test_mistakes_are_named(tmp_path):
    with pytest.raises(ValueError, match="has no architecture yet: name a published model by"):
        Spandrel(in_channels=3, scale=2)(torch.rand(1, 3, 4, 4))
    with pytest.raises(ValueError, match="no architecture that spandrel recognises"):
        filled({"nothing.weight": torch.zeros(3)})
    message = r"for scale 2 and 3 channels; the run has scale \(4, 4\) and 3 channels"
    with pytest.raises(ValueError, match=message):
        Spandrel(in_channels=3, scale=4).load_state_dict(published())
    with pytest.raises(ValueError, match="2D architectures"):
        Spandrel(in_channels=3, scale=2, spatial_dims=3)
    torch.save(published(), tmp_path / "published.pth")
    with pytest.raises(ValueError, match="weights_match=partial has no meaning"):
        load_weights(Spandrel(in_channels=3, scale=2), tmp_path / "published.pth", match="partial")


def run(folder):
    """Train two steps from published weights, with a checkpoint after each."""
    torch.save({"params_ema": published()}, folder.parent / "published.pth")
    small = [line for line in TINY if not line.startswith("generator")]
    start = ["generator=spandrel", f"weights={folder.parent / 'published.pth'}", f"scale={SCALE}"]
    schedule = ["schedule.pretrain_steps=1", "schedule.ramp_steps=1", "logger=[csv]"]
    small += ["metric=[psnr]", "+trainer.limit_val_batches=1"]
    steps = ["trainer.max_steps=2", "callbacks.checkpoints.every=1", "optimiser.generator.lr=1e-3"]
    return run_command("train", [*start, *small, *schedule, *steps, f"hydra.run.dir={folder}"])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spandrel") / "run"
    assert run(folder) == Outcome(0, "")
    return folder


def test_bundle_predicts_with_trained_weights(whole, command, tmp_path):
    pixels = chelsea()[100:120, 100:125]
    Image.fromarray(pixels).save(tmp_path / "small.png")
    given = [f"model={whole / 'model.safetensors'}", "input=small.png", "output=x2.png"]
    assert command("predict", *given) == Outcome(0, "")
    assert Image.open(tmp_path / "x2.png").size == (50, 40)
    lr = torch.from_numpy(np.moveaxis(pixels, -1, 0).astype(np.float32))[None]
    trained = srlab.load(whole / "model.safetensors")
    untrained = reference(published(), lr / 255) * 255
    change = (trained.tile(lr) - untrained).abs().max()
    assert 0 < change < 64  # two steps moved the weights a little, from the published ones


def test_checkpoint_holds_the_whole_network_and_is_gone_on_with(whole, tmp_path, monkeypatch):
    from srlab.training.module import GAN

    state = torch.load(whole / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    names = [name for name in state if name.startswith("ema.average.network.")]
    assert len(names) == len(published())
    step = GAN.training_step

    def broken(self, *batch):
        if self.global_step == 1:
            raise RuntimeError("the power is gone")
        step(self, *batch)

    with monkeypatch.context() as patched:
        patched.setattr(GAN, "training_step", broken)
        with pytest.raises(RuntimeError, match="the power is gone"):
            run(tmp_path / "cut")
    resume = ["resume=last", f"hydra.run.dir={tmp_path / 'cut'}"]
    assert run_command("train", resume) == Outcome(0, "")
    resumed = torch.load(tmp_path / "cut" / "checkpoints" / "last.ckpt", weights_only=True)
    assert all(torch.equal(resumed["state_dict"][name], state[name]) for name in state)


@pytest.mark.slow
def test_real_file_is_the_same_as_through_the_library(shared_data):
    from spandrel import ModelLoader

    path = shared_data("weights/realesr-animevideov3.pth")
    theirs = ModelLoader(device="cpu").load_from_file(path).model
    ours = Spandrel(in_channels=3, scale=4)
    ours.load_state_dict(torch.load(path, weights_only=True, map_location="cpu")["params"])
    lr = torch.rand(1, 3, 24, 31)
    torch.testing.assert_close(ours(lr), theirs(lr), atol=1e-6, rtol=0)
