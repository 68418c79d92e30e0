import re
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from model_examples import GENERATORS, NORMALISERS, card, checkpoint, image, model

import srlab
from srlab import generators
from srlab.models.super_resolver import SuperResolver
from srlab.normalisers import Identity, MinMax, Statistics, ZScore

SIZE = (3, 4, 5)


@pytest.mark.parametrize(
    ("generator", "scale", "skip"),
    [
        ("RRDB", (2, 2), "cubic"),
        ("SRResNet", (3, 4), "none"),
        ("SRResNet", (3, 1, 1), "cubic"),
    ],
    ids=str,
)
def test_loaded_bundle_gives_the_bits_of_the_saved_model(tmp_path, generator, scale, skip):
    saved = model(generator, "MinMax", scale=scale, skip=skip)
    torch.nn.init.normal_(saved.generator.tail.weight)  # a cubic skip starts with a tail of zeros
    saved.save(tmp_path / "model.safetensors")
    loaded = srlab.load(tmp_path / "model.safetensors")
    lr = image(*SIZE[: len(scale)])
    sizes = [factor * length for factor, length in zip(scale, SIZE, strict=False)]
    sr = loaded(lr)
    assert torch.equal(sr, saved(lr))
    assert sr.shape == (2, 3, *sizes)
    # JSON knows no tuples
    recipe = saved.card.generator | {"scale": list(scale)}
    assert loaded.card == replace(saved.card, generator=recipe)


@pytest.mark.parametrize("name", sorted(NORMALISERS))
def test_every_normaliser_comes_back_from_its_bundle(tmp_path, name):
    saved = model(normaliser=name)
    if saved.normaliser.scope == "training":
        measured = Statistics.of(image(4, 5).movedim(1, 0))
        saved.normaliser.fit(hr=lambda: measured, lr=lambda: measured)
    saved.save(tmp_path / "model.safetensors")
    loaded = srlab.load(tmp_path / "model.safetensors")
    lr = image(4, 5)
    assert torch.equal(loaded(lr), saved(lr))
    assert type(loaded.normaliser) is type(saved.normaliser)


# one option of each kind that is not the default
OTHERS = {
    "Compact": {"channels": 4, "blocks": 1, "skip": "linear"},
    "Interpolation": {"kind": "linear"},
    "LKA": {"channels": 4, "blocks": 1, "expansion": 3, "skip": "cubic"},
    "MSRResNet": {"channels": 4, "blocks": 1, "upsampler": "transposed"},
    "RCAB": {"channels": 4, "blocks": 1, "groups": 2, "reduction": 2, "residual_scale": 0.5},
    "Residual": {"channels": 4, "blocks": 1, "skip_channels": [3, 2, 1], "checkpointing": True},
    "Stochastic": {"channels": 4, "blocks": 1, "noise_channels": 3, "upsampler": "nearest"},
}
OTHERS["Residual"]["skip"] = "linear"


@pytest.mark.parametrize("name", OTHERS)
def test_every_other_generator_comes_back_from_its_bundle(tmp_path, name):
    for scale in [(2, 3), (1, 2, 2)]:
        torch.manual_seed(0)
        recipe = {
            "in_channels": 3,
            "scale": list(scale),
            "spatial_dims": len(scale),
            **OTHERS[name],
        }
        if name != "Interpolation":
            recipe["out_channels"] = 3
        network = getattr(generators, name)(**recipe)
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
        described = card(
            generator={"_target_": f"srlab.generators.{name}", **recipe},
            scale=scale,
            training_range=((0.0, 255.0),) * 3,
        )
        saved = SuperResolver(generator=network, normaliser=Identity(), card=described).eval()
        saved.save(tmp_path / "model.safetensors")
        loaded = srlab.load(tmp_path / "model.safetensors")
        assert type(loaded.generator) is type(network)
        lr = image(*SIZE[: len(scale)])
        assert torch.equal(loaded(lr), saved(lr))


def modules(package):
    exported = {name: getattr(package, name) for name in package.__all__}
    kinds = {name: kind for name, kind in exported.items() if isinstance(kind, type)}
    return {name for name, kind in kinds.items() if issubclass(kind, torch.nn.Module)}


def test_every_class_that_a_card_may_name_is_saved_and_loaded():
    # Spandrel is empty without weights, and Reduced is made of another: both are tried elsewhere
    assert modules(generators) - {"Reduced", "Spandrel"} == set(GENERATORS) | set(OTHERS)
    # those that are made of others, or of functions, are tried in runs
    made_of_others = {"Custom", "HistogramMatching", "Paired"}
    assert modules(srlab.normalisers) - made_of_others == set(NORMALISERS)


def test_outputs_may_be_other_channels_than_inputs(tmp_path):
    model(in_channels=4, out_channels=1).save(tmp_path / "model.safetensors")
    loaded = srlab.load(tmp_path / "model.safetensors")
    assert loaded(torch.rand(1, 4, 3, 3)).shape == (1, 1, 6, 6)
    assert loaded.out_channels == 1
    assert (len(loaded.card.input_names), loaded.card.output_names) == (4, ("red",))


CONTINUED = [("RRDB", (3, 3)), ("SRResNet", (2, 2)), ("SRResNet", (1, 2, 2))]


@pytest.mark.parametrize(("generator", "scale"), CONTINUED, ids=str)
def test_a_constant_image_stays_constant_up_to_its_rim(generator, scale):
    for edges in ["replicate", "reflect"]:
        resolver = model(generator, "MinMax", scale=scale)
        size = (4, 9, 7)[-len(scale) :]
        flat = torch.full((1, 3, *size), 200.0)
        sr = resolver(flat, edges=edges)
        assert (resolver(flat, edges="zeros") - sr).abs().max() > 1  # the rim of the network itself
        phases = sr[(..., *(slice(0, factor) for factor in scale))]
        expected = phases.repeat(1, 1, *size)
        torch.testing.assert_close(sr, expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize(("edges", "mode"), [("replicate", "replicate"), ("reflect", "reflect")])
def test_an_image_is_continued_as_far_as_the_network_sees(edges, mode):
    resolver, lr = model(), image(13, 11)
    radius = generators.receptive_field(resolver.generator)[0]
    assert radius == 10
    padded = F.pad(lr, (10, 10, 10, 10), mode=mode)
    expected = resolver.tile(padded)[..., 20:-20, 20:-20]
    torch.testing.assert_close(resolver(lr, edges=edges), expected, atol=1e-3, rtol=0)
    assert torch.equal(resolver(lr, edges="zeros"), resolver.tile(lr))


def test_pixels_without_data_are_missing_in_sr_alone():
    resolver, lr = model(), image(12, 12)
    flat = torch.full_like(lr, 100)
    for values in (lr, flat):
        values[0, 1, 3:7, 4:9] = torch.tensor([float("nan"), float("inf"), -float("inf"), 1, 0])
        values[0, 1, 3:7, 7:9] = float("nan")
        sr = resolver(values)
        hidden = torch.zeros_like(sr, dtype=torch.bool)
        hidden[0, :, 6:14, 8:18] = True
        assert torch.equal(sr.isnan(), hidden)
    # the network sees the values around a hole in it
    whole = resolver(torch.full_like(lr, 100))
    torch.testing.assert_close(sr[~hidden], whole[~hidden], atol=1e-3, rtol=0)


def test_unknown_edges_are_refused():
    with pytest.raises(ValueError, match="edges is 'black'; it must be one of replicate, reflect"):
        model()(image(4, 4), edges="black")


def stochastic(noise_channels=3):
    torch.manual_seed(0)
    network = generators.Stochastic(
        in_channels=3, out_channels=3, scale=2, channels=4, blocks=1, noise_channels=noise_channels
    )
    return SuperResolver(generator=network, normaliser=Identity(), card=card())


def test_noise_reaches_the_generator():
    resolver = stochastic()
    lr, noise = image(4, 5), torch.randn(2, 3)
    assert torch.equal(resolver.tile(lr, noise), resolver.generator(lr, noise).detach())
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
    drawn = {tuple(stochastic().draw_noise(seed).flatten().tolist()) for seed in seeds}
    assert len(drawn) == len(seeds)


def test_noise_is_standard_normal():
    number = 10_000
    noise = stochastic(number).draw_noise(0)
    assert abs(noise.mean()) < 5 / number**0.5
    assert abs(noise.square().mean() - 1) < 5 * (2 / number) ** 0.5
    assert abs((noise.abs() < 1).double().mean() - 0.6827) < 5 * (0.6827 * 0.3173 / number) ** 0.5


def test_wrong_noise_seeds_are_refused():
    for seed in [-1, 2**32, 1.0, 1.5, True, "7", None]:
        message = f"noise_seed is {seed!r}; give a whole number from 0 to 4294967295."
        with pytest.raises(ValueError, match=re.escape(message)):
            stochastic().draw_noise(seed)


def test_noise_of_a_generator_that_takes_none_is_refused():
    message = "SRResNet takes no noise, so it makes no samples; leave noise_seed and samples out"
    with pytest.raises(ValueError, match=message):
        model("SRResNet").draw_noise(7)


class Triple(torch.nn.Module):
    in_channels, scale = 1, (1, 1)

    def forward(self, lr):
        self.seen = lr
        return 3 * lr


def test_values_pass_through_the_network_range():
    # by hand: 100 is (100 - 50) / (250 - 50) = 0.25 to the network; 0.75·200 + 50 = 200
    triple, normaliser = Triple(), MinMax(minimum=50.0, maximum=250.0)
    resolver = SuperResolver(generator=triple, normaliser=normaliser, card=card(scale=(1, 1)))
    sr = resolver(torch.full((1, 1, 2, 2), 100.0))
    torch.testing.assert_close(triple.seen, torch.full((1, 1, 2, 2), 0.25))
    torch.testing.assert_close(sr, torch.full((1, 1, 2, 2), 200.0))


class TestScene:
    """By hand: 0 and 8 have the mean 4 and the deviation 4; 6 is (6 - 4) / 4 = 0.5, tripled 10."""

    @pytest.fixture
    def resolver(self):
        normaliser = ZScore(channels=1, scope="scene")
        return SuperResolver(generator=Triple(), normaliser=normaliser, card=card(scale=(1, 1)))

    def test_statistics_of_the_scene_reach_the_normaliser(self, resolver):
        scene = Statistics.of(torch.tensor([[0.0, 8.0]])).as_tensor()
        ten_times = Statistics.of(torch.tensor([[0.0, 80.0]])).as_tensor()
        lr = torch.tensor([6.0, 60.0]).view(2, 1, 1, 1)
        sr = resolver(lr, scene=torch.stack([scene, ten_times]))
        torch.testing.assert_close(resolver.generator.seen.flatten(), torch.tensor([0.5, 0.5]))
        torch.testing.assert_close(sr.flatten(), torch.tensor([10.0, 100.0]))

    def test_missing_statistics_are_asked_for(self, resolver):
        message = (
            "this model needs the statistics of each whole image, never those of a tile; give "
            "scene=Statistics.of(image).as_tensor()[None], with srlab.normalisers.Statistics."
        )
        with pytest.raises(ValueError, match=re.escape(message)):
            resolver(torch.ones(1, 1, 2, 2))


def test_loaded_model_is_for_use_and_not_for_training(tmp_path):
    saved = model("SRResNet").train()
    saved.save(tmp_path / "model.safetensors")
    loaded = srlab.load(tmp_path / "model.safetensors")
    assert not any(module.training for module in loaded.modules())
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_result_carries_no_gradient():
    lr = image(4, 5).requires_grad_()
    assert not model()(lr).requires_grad


def test_fitted_numbers_come_from_the_tensors(tmp_path):
    saved = model(normaliser="MinMax")
    saved.normaliser.maximum.copy_(torch.tensor([100.0, 20.0, 30.0]))
    saved.save(tmp_path / "model.safetensors")
    loaded = srlab.load(tmp_path / "model.safetensors")
    assert loaded.normaliser.maximum.tolist() == [100.0, 20.0, 30.0]
    assert torch.equal(loaded(image(4, 5)), saved(image(4, 5)))


def test_image_of_another_shape_is_refused():
    for shape in [(3, 4, 5), (1, 2, 4, 5), (1, 3, 4, 5, 6), (4, 5)]:
        message = (
            f"got an array of shape {shape}; this model takes (batch, 3 channels, 2 spatial axes)"
        )
        with pytest.raises(ValueError, match=re.escape(message)):
            model()(torch.zeros(shape))


def test_checkpoint_opens_as_its_average(tmp_path):
    trained, average = (model(normaliser="MinMax", seed=seed) for seed in (0, 1))
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
