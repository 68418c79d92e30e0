"""A pretrained network for other bands: on a grey image, as it was."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from model_examples import model
from published import (
    RRDB_NAMES,
    compact,
    compact_state,
    rrdb,
    rrdb_reference,
    rrdb_state,
    saved,
)

from srlab import generators
from srlab.models.pretrained.weights import load_weights


def exported():
    kinds = {name: getattr(generators, name) for name in generators.__all__}
    networks = {name: kind for name, kind in kinds.items() if isinstance(kind, type)}
    others = {"Generator", "Interpolation", "Reduced", "Spandrel"}
    return sorted(networks.keys() - others)


def small(name, bands, scale=2, **arguments):
    sizes = {"channels": 4, "blocks": 1}
    if name == "RCAB":
        sizes |= {"groups": 2, "reduction": 4}
    torch.manual_seed(bands)
    given = {"in_channels": bands, "out_channels": bands, "scale": scale} | sizes | arguments
    generator = getattr(generators, name)(**given).double().eval()
    for tensor in generator.parameters():
        tensor.data.copy_(0.2 * torch.randn(tensor.shape, dtype=tensor.dtype))
    return generator


@torch.no_grad()
def assert_grey_gives_the_mean(pretrained, generator, bands, *size):
    grey = torch.rand(1, 1, *size, dtype=torch.float64)
    mean = pretrained(grey.expand(1, 3, *size)).mean(dim=1, keepdim=True)
    sr = generator(grey.expand(1, bands, *size))
    assert mean.std() > 1e-3
    torch.testing.assert_close(sr, mean.expand_as(sr), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", exported())
def test_inflated_network_answers_a_grey_image_with_the_mean(tmp_path, name):
    for bands in [5, 1]:
        pretrained, generator = small(name, 3), small(name, bands)
        load_weights(generator, saved(tmp_path, pretrained.state_dict()), match="inflate")
        assert_grey_gives_the_mean(pretrained, generator, bands, 3, 4)


@pytest.mark.parametrize("name", ["Compact", "Residual"])
def test_inflated_volume_network_answers_a_grey_image_with_the_mean(tmp_path, name):
    given = {"scale": (1, 2, 3), "spatial_dims": 3}
    pretrained, generator = small(name, 3, **given), small(name, 5, **given)
    load_weights(generator, saved(tmp_path, pretrained.state_dict()), match="inflate")
    assert_grey_gives_the_mean(pretrained, generator, 5, 3, 4, 2)


@pytest.mark.parametrize(("unshuffle", "scale", "bands"), [(2, 2, 4), (4, 1, 1)])
def test_inflated_unshuffled_network_answers_a_grey_image_with_the_mean(
    tmp_path, unshuffle, scale, bands
):
    names = RRDB_NAMES["BasicSR"]
    state = rrdb_state(*names, bands=3 * unshuffle**2)
    generator = rrdb(scale=scale, unshuffle=unshuffle, in_channels=bands, out_channels=bands)
    load_weights(generator, saved(tmp_path, state), match="inflate")

    def published(lr):
        return rrdb_reference(F.pixel_unshuffle(lr, unshuffle), state, *names)

    assert_grey_gives_the_mean(published, generator, bands, 4, 8)


@pytest.mark.parametrize("name", exported())
def test_inflation_changes_nothing_for_as_many_bands(tmp_path, name):
    pretrained, generator = small(name, 3), small(name, 3)
    for tensor in generator.parameters():
        tensor.data.zero_()
    load_weights(generator, saved(tmp_path, pretrained.state_dict()), match="inflate")
    for key, tensor in generator.state_dict().items():
        assert torch.equal(tensor, pretrained.state_dict()[key]), key


def test_exact_advises_inflation_where_bands_alone_differ(tmp_path):
    path = saved(tmp_path, compact_state())
    message = "weights_match=inflate to adapt the first and last layer to this run's bands"
    with pytest.raises(ValueError, match=message):
        load_weights(compact(bands=4), path)
    load_weights(compact(bands=4), path, match="inflate")
    for match in ("exact", "inflate"):
        with pytest.raises(ValueError, match="weights_match=partial to load what fits"):
            load_weights(compact(bands=4, blocks=5), path, match=match)


def test_another_scale_is_not_taken_for_other_bands(tmp_path):
    path = saved(tmp_path, compact(scale=4).state_dict())
    for bands in (3, 4):
        message = r"2 of another shape \(tail\.0\.weight: \(48, 8, 3, 3\)"
        with pytest.raises(ValueError, match=message):
            load_weights(compact(bands=bands, scale=2), path, match="inflate")


def test_filters_by_hand(tmp_path):
    # one feature, 1 × 1 of a 3 × 3 kernel in use: R, G, B weigh 1, 2, 6: mean 3, and 3 · 3/4 = 2.25
    # for each of 4
    state = compact_state(width=1, blocks=0, scale=1)
    state["body.0.weight"] = torch.zeros(1, 3, 3, 3)
    state["body.0.weight"][0, :, 1, 1] = torch.tensor([1.0, 2.0, 6.0])
    state["body.2.bias"] = torch.tensor([1.0, 2.0, 6.0])
    for bands, weight in ((4, 2.25), (1, 9.0), (9, 1.0)):
        generator = compact(bands=bands, scale=1, blocks=0, channels=1)
        load_weights(generator, saved(tmp_path, state), match="inflate")
        assert generator.head[0].weight[0, :, 1, 1].tolist() == pytest.approx([weight] * bands)
        assert generator.tail[0].bias.tolist() == pytest.approx([3.0] * bands)


class TestNamedBands:
    """R, G, B weigh 1, 2, 6 and have the biases 10, 20, 60."""

    @pytest.fixture
    def inflated(self, tmp_path):
        def load(names, before=("red", "green", "blue")):
            trained = model("RRDB", seed=3)
            filters = torch.tensor([1.0, 2.0, 6.0]).view(1, 3, 1, 1)
            trained.generator.head.weight.data.copy_(filters.expand(4, 3, 3, 3))
            trained.generator.tail.bias.data.copy_(torch.tensor([10.0, 20.0, 60.0]))
            trained.card = replace(trained.card, input_names=before)
            trained.save(tmp_path / "model.safetensors")
            run = model("RRDB", in_channels=len(names), out_channels=len(names)).generator
            load_weights(run, tmp_path / "model.safetensors", match="inflate", names=names)
            return run.head.weight[0, :, 1, 1].tolist(), run.tail.bias.tolist()

        return load

    @pytest.mark.parametrize(
        ("names", "filters", "biases"),
        [
            (("blue", "green", "red", "nir"), [6, 2, 1, 0], [60, 20, 10, 30]),
            (("blue", "green", "red"), [6, 2, 1], [60, 20, 10]),
            (("red", "nir", "swir", "blue"), [1, 1, 1, 6], [10, 30, 30, 60]),
            (("red", "green"), [4, 5], [10, 20]),
            (("nir", "swir", "lwir"), [1, 2, 6], [10, 20, 60]),
            (("a", "b", "c", "d", "e", "f"), [1.5] * 6, [30] * 6),
        ],
    )
    def test_band_of_the_same_name_keeps_its_filters(self, inflated, names, filters, biases):
        assert inflated(names) == (pytest.approx(filters), pytest.approx(biases))

    def test_numbers_are_no_names(self, inflated):
        filters, _ = inflated(("1", "2", "3", "4"), before=("1", "2", "3"))
        assert filters == pytest.approx([2.25] * 4)
