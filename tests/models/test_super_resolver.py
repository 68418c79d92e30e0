import hashlib
import re
from dataclasses import replace

import pytest
import torch

import srlab
from srlab import generators
from srlab.generators import RRDB, SRResNet
from srlab.models.bundle import ModelCard
from srlab.models.super_resolver import SuperResolver, file_hash
from srlab.normalisers import Identity, MinMax, Reflectance

GENERATORS = {
    "RRDB": (RRDB, {"channels": 4, "blocks": 1, "growth_channels": 2}),
    "SRResNet": (SRResNet, {"channels": 4, "blocks": 1}),
}
NORMALISERS = {
    "Identity": (Identity, {}),
    "MinMax": (MinMax, {"minimum": [0.0, -1.0, 2.0], "maximum": [255.0, 1.0, 10.0]}),
    "Reflectance": (Reflectance, {"quantification": 10_000.0, "offset": -1000.0}),
}


def model(generator="SRResNet", normaliser="Identity", *, scale=(2, 2), seed=0, **arguments):
    """A small model with weights, batch-norm statistics and a card that names it."""
    torch.manual_seed(seed)
    kind, sizes = GENERATORS[generator]
    recipe = {
        "in_channels": 3,
        "out_channels": 3,
        "scale": scale,
        "spatial_dims": len(scale),
        **sizes,
        **arguments,
    }
    network = kind(**recipe)
    for name, tensor in network.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            tensor.copy_(0.5 + torch.rand(tensor.shape))
    normalise, statistics = NORMALISERS[normaliser]
    card = ModelCard(
        generator={"_target_": f"srlab.generators.{generator}", **recipe},
        normaliser={"_target_": f"srlab.normalisers.{normaliser}", **statistics},
        scale=scale,
        bands=(1, 2, 3),
        channels=("red", "green", "blue"),
        unit="counts",
        training_range=((0.0, 255.0),) * 3,
        pixel_size=None,
        versions={"srlab": srlab.__version__, "torch": str(torch.__version__)},
    )
    return SuperResolver(generator=network, normaliser=normalise(**statistics), card=card).eval()


def image(*size, seed=1):
    return 255 * torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("normaliser", NORMALISERS)
@pytest.mark.parametrize("generator", GENERATORS)
@pytest.mark.parametrize("scale", [(2, 2), (3, 4), (2, 2, 2), (1, 4, 4), (3, 1, 1)], ids=str)
@pytest.mark.parametrize("skip", ["none", "cubic"])
def test_loaded_bundle_gives_the_bits_of_the_saved_model(
    tmp_path, generator, normaliser, scale, skip
):
    saved = model(generator, normaliser, scale=scale, skip=skip)
    torch.nn.init.normal_(saved.generator.tail.weight)  # a cubic skip starts with a tail of zeros
    saved.save(tmp_path / "model.safetensors")
    loaded = srlab.load(tmp_path / "model.safetensors")
    lr = image(*(4, 5, 6)[: len(scale)])
    assert torch.equal(loaded(lr), saved(lr))
    assert loaded(lr).shape == (
        2,
        3,
        *(factor * length for factor, length in zip(scale, (4, 5, 6), strict=False)),
    )
    # JSON knows no tuples
    assert loaded.card == replace(
        saved.card, generator={**saved.card.generator, "scale": list(scale)}
    )


# one option of each kind that is not the default
OTHERS = {
    "Compact": {"channels": 4, "blocks": 1, "skip": "linear"},
    "Interpolation": {"kind": "linear"},
    "LKA": {"channels": 4, "blocks": 1, "expansion": 3, "skip": "cubic"},
    "MSRResNet": {"channels": 4, "blocks": 1, "upsampler": "transposed"},
    "RCAB": {"channels": 4, "blocks": 1, "groups": 2, "reduction": 2, "residual_scale": 0.5},
    "Residual": {
        "channels": 4,
        "blocks": 1,
        "skip": "linear",
        "skip_channels": [3, 2, 1],
        "checkpointing": True,
    },
    "Stochastic": {"channels": 4, "blocks": 1, "noise_channels": 3, "upsampler": "nearest"},
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("scale", [(2, 3), (1, 2, 2)], ids=str)
def test_every_other_generator_comes_back_from_its_bundle(tmp_path, name, scale):
    torch.manual_seed(0)
    channels = (
        {"in_channels": 3} if name == "Interpolation" else {"in_channels": 3, "out_channels": 3}
    )
    recipe = {**channels, "scale": list(scale), "spatial_dims": len(scale), **OTHERS[name]}
    network = getattr(generators, name)(**recipe)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    card = replace(
        model(scale=scale).card, generator={"_target_": f"srlab.generators.{name}", **recipe}
    )
    saved = SuperResolver(generator=network, normaliser=Identity(), card=card).eval()
    saved.save(tmp_path / "model.safetensors")
    loaded = srlab.load(tmp_path / "model.safetensors")
    assert type(loaded.generator) is type(network)
    lr = image(*(4, 5, 6)[: len(scale)])
    assert torch.equal(loaded(lr), saved(lr))


def test_every_generator_is_saved_and_loaded():
    networks = {
        n for n in generators.__all__ if issubclass(getattr(generators, n), torch.nn.Module)
    }
    assert networks - {"Spandrel"} == set(GENERATORS) | set(
        OTHERS
    )  # Spandrel is empty without weights


def stochastic(noise_channels=3):
    torch.manual_seed(0)
    network = generators.Stochastic(
        in_channels=3, out_channels=3, scale=2, channels=4, blocks=1, noise_channels=noise_channels
    )
    return SuperResolver(generator=network, normaliser=Identity(), card=model().card)


def test_noise_reaches_the_generator():
    resolver = stochastic()
    lr, noise = image(4, 5), torch.randn(2, 3)
    assert torch.equal(resolver(lr, noise), resolver.generator(lr, noise).detach())
    assert not torch.equal(resolver(lr, noise), resolver(lr))


def test_a_seed_draws_one_noise_whatever_was_drawn_before():
    resolver = stochastic()
    drawn = []
    for global_seed in (0, 1):
        torch.manual_seed(global_seed)
        state = torch.get_rng_state()
        drawn.append(resolver.draw_noise(7))
        assert torch.equal(torch.get_rng_state(), state)
    assert drawn[0].shape == (1, 3)
    assert torch.equal(*drawn)
    assert resolver(image(4, 5)[:1], drawn[0]).shape == (1, 3, 8, 10)


def test_every_seed_draws_another_noise():
    seeds = [0, 1, 7, 2**16, 2**31, 2**32 - 1]
    assert len({tuple(stochastic().draw_noise(seed).flatten().tolist()) for seed in seeds}) == len(
        seeds
    )


def test_noise_is_standard_normal():
    number = 10_000
    noise = stochastic(number).draw_noise(0)
    assert abs(noise.mean()) < 5 / number**0.5
    assert abs(noise.square().mean() - 1) < 5 * (2 / number) ** 0.5
    assert abs((noise.abs() < 1).double().mean() - 0.6827) < 5 * (0.6827 * 0.3173 / number) ** 0.5


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, 1.5, True, "7", None], ids=repr)
def test_wrong_noise_seeds_are_refused(seed):
    message = f"noise_seed is {seed!r}; give a whole number from 0 to 4294967295."
    with pytest.raises(ValueError, match=re.escape(message)):
        stochastic().draw_noise(seed)


def test_noise_of_a_generator_that_takes_none_is_refused():
    message = "noise_seed is 7 and SRResNet takes no noise; leave noise_seed out, or use a model with a stochastic"
    with pytest.raises(ValueError, match=re.escape(message)):
        model("SRResNet").draw_noise(7)


def test_loaded_model_is_for_use_and_not_for_training(tmp_path):
    saved = model("SRResNet").train()
    saved.save(tmp_path / "model.safetensors")
    loaded = srlab.load(tmp_path / "model.safetensors")
    assert not any(module.training for module in loaded.modules())
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_result_carries_no_gradient():
    lr = image(4, 5).requires_grad_()
    assert not model()(lr).requires_grad


def test_fitted_statistics_come_from_the_tensors(tmp_path):
    saved = model(normaliser="MinMax")
    saved.normaliser.maximum.copy_(torch.tensor([100.0, 20.0, 30.0]))
    saved.save(tmp_path / "model.safetensors")
    loaded = srlab.load(tmp_path / "model.safetensors")
    assert loaded.normaliser.maximum.tolist() == [100.0, 20.0, 30.0]
    assert torch.equal(loaded(image(4, 5)), saved(image(4, 5)))


def test_values_pass_through_the_network_range():
    # by hand: 100 is (100 - 50) / (250 - 50) = 0.25 to the network, which triples it; 0.75·200 + 50 = 200
    seen = []

    class Triple(torch.nn.Module):
        in_channels, scale = 1, (1, 1)

        def forward(self, lr):
            seen.append(lr)
            return 3 * lr

    resolver = SuperResolver(
        generator=Triple(),
        normaliser=MinMax(minimum=50.0, maximum=250.0),
        card=replace(model().card, scale=(1, 1)),
    )
    sr = resolver(torch.full((1, 1, 2, 2), 100.0))
    torch.testing.assert_close(seen[0], torch.full((1, 1, 2, 2), 0.25))
    torch.testing.assert_close(sr, torch.full((1, 1, 2, 2), 200.0))


@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 2, 4, 5), (1, 3, 4, 5, 6), (4, 5)], ids=str)
def test_image_of_another_shape_is_refused(shape):
    message = (
        f"got an array of shape {shape}; this model takes (batch, 3 channels, 2 spatial axes)."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        model()(torch.zeros(shape))


def checkpoint(path, **networks):
    """What a run leaves: the trained network, other modules, and perhaps the average."""
    trained = networks["trained"]
    state = {f"generator.{name}": tensor for name, tensor in trained.generator.state_dict().items()}
    state |= {
        f"normaliser.{name}": tensor for name, tensor in trained.normaliser.state_dict().items()
    }
    state |= {"discriminator.weight": torch.ones(3), "loss.terms.vgg.weight": torch.ones(2)}
    if "average" in networks:
        average = networks["average"].generator.state_dict()
        state |= {f"ema.average.{name}": tensor for name, tensor in average.items()}
        state |= {"ema.updates": torch.tensor(7)}
    torch.save({"state_dict": state, "srlab": trained.card.to_json(), "global_step": 7}, path)
    return path


@pytest.mark.parametrize("generator", GENERATORS)
def test_checkpoint_opens_as_its_average(tmp_path, generator):
    trained, average = (model(generator, "MinMax", seed=seed) for seed in (0, 1))
    lr = image(4, 5)
    assert not torch.equal(trained(lr), average(lr))
    both = srlab.load(checkpoint(tmp_path / "both.ckpt", trained=trained, average=average))
    assert torch.equal(both(lr), average(lr))
    alone = srlab.load(checkpoint(tmp_path / "alone.ckpt", trained=trained))
    assert torch.equal(alone(lr), trained(lr))


def test_saving_over_a_bundle_replaces_it(tmp_path):
    path = tmp_path / "model.safetensors"
    for seed in (0, 1):
        model(seed=seed).save(path)
    assert torch.equal(srlab.load(path)(image(4, 5)), model(seed=1)(image(4, 5)))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("broken", ["os.replace", "pathlib.Path.write_bytes"])
def test_failed_save_leaves_the_earlier_model(tmp_path, monkeypatch, broken):
    path = tmp_path / "model.safetensors"
    model(seed=0).save(path)

    def fail(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(broken, fail)
    with pytest.raises(OSError, match="No space left on device"):
        model(seed=1).save(path)
    monkeypatch.undo()
    assert torch.equal(srlab.load(path)(image(4, 5)), model(seed=0)(image(4, 5)))


def test_hash_is_sha256_of_the_bytes(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc" * 100_000)
    assert file_hash(path) == hashlib.sha256(b"abc" * 100_000).hexdigest()
