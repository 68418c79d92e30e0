"""Prediction from Python: of files, of arrays, and by Lightning."""

import numpy as np
import pytest
import torch
from conftest import Outcome
from lightning import Trainer
from PIL import Image
from prediction_examples import resolver, scene, srresnet
from torch import nn
from torch.utils.data import DataLoader

import srlab
from srlab.normalisers import ZScore
from srlab.normalisers.statistics import Statistics


def test_a_file_is_super_resolved_as_by_the_command(command, tmp_path, trained):
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    model = trained / "model.safetensors"
    given = (f"model={model}", "input=in.png", "output=a.png", "tile=32")
    assert command("predict", *given) == Outcome(0, "")
    outcome = srlab.super_resolve(tmp_path / "in.png", tmp_path / "b.png", model=model, tile=32)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (outcome.pixels, outcome.empty) == (160 * 200, 0)
    assert len(outcome.settled["tile"]) == 2
    with pytest.raises(ValueError, match="exists: give another name"):
        srlab.super_resolve(tmp_path / "in.png", tmp_path / "b.png", model=model)


def test_an_array_in_tiles_equals_the_whole():
    model = resolver(srresnet((2, 2)), normaliser=ZScore(channels=2, scope="scene"))
    image = scene(2, 57, 49)
    statistics = Statistics.of(image).as_tensor()[None]
    whole = model(torch.from_numpy(image)[None], scene=statistics)[0].numpy()
    tiled = model.tiled(image, tile=37, overlap=10)
    np.testing.assert_allclose(tiled, whole, atol=1e-5 * np.ptp(whole), rtol=0)
    volume = np.stack([image, image[:, ::-1]], axis=1)
    assert model.tiled(volume, tile=37).shape == (2, 2, 114, 98)


def test_lightning_predicts_with_a_module_that_is_trained(tmp_path):
    from srlab.training.module import GAN

    module = GAN.__new__(GAN)
    super(GAN, module).__init__()
    model = resolver(srresnet((2, 2)))
    module.super_resolver = lambda: model
    module.setup = lambda stage: None
    module.layer = nn.Identity()
    images = torch.from_numpy(scene(2, 20, 18))[None].repeat(3, 1, 1, 1)
    trainer = Trainer(
        accelerator="cpu", logger=False, enable_progress_bar=False, default_root_dir=tmp_path
    )
    batches = trainer.predict(module, DataLoader([{"lr": image} for image in images], batch_size=2))
    torch.testing.assert_close(torch.cat(batches), model(images), rtol=0, atol=1e-4)
