"""Weights of another network are refused, by one line that says what to set."""

import logging
import re

import pytest
import torch
import torch.nn.functional as F
from published import (
    RRDB_NAMES,
    WIDTH,
    compact,
    compact_state,
    msrresnet_state,
    rrdb,
    rrdb_reference,
    rrdb_state,
    saved,
)

from srlab.generators import RRDB, SRResNet
from srlab.models.pretrained.weights import load_weights


def refused(generator, path, message, match="exact"):
    with pytest.raises(ValueError, match=message) as caught:
        load_weights(generator, path, match=match)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 1500
    return text


def test_misfit_is_told_in_one_bounded_line_and_changes_nothing(tmp_path):
    state = compact_state(blocks=9)
    state["body.0.weight"] = state["body.0.weight"][:, :, :1]
    generator = compact(blocks=3)
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    path = saved(tmp_path, state)
    assert refused(generator, path, "whose weights do not fit") == (
        f"{path} holds an SRVGGNetCompact of Real-ESRGAN, whose weights do not fit this run's "
        "generator: 18 left over (body.8.weight, body.8.bias, body.10.weight, body.10.bias, "
        "body.12.weight and 13 more); 1 of another shape (head.0.weight: (8, 3, 1, 3) for "
        "(8, 3, 3, 3)); check generator, channels, blocks and scale, or set weights_match=partial "
        "to load what fits."
    )
    assert all(torch.equal(tensor, before[name]) for name, tensor in generator.state_dict().items())
    path = saved(tmp_path, compact_state(blocks=3))
    refused(compact(blocks=9), path, r"18 missing \(trunk\.3\.0\.weight, .* and 13 more\); check")


def test_long_names_do_not_make_long_messages(tmp_path):
    state = {f"{n}\n" + 10_000 * "x": torch.zeros(1) for n in range(300)}
    refused(compact(), saved(tmp_path, state), "300 left over")


@pytest.mark.parametrize(("kind", "match"), [(SRResNet, "exact"), (RRDB, "inflate")])
def test_other_network_is_named(tmp_path, kind, match):
    generator = kind(in_channels=3, out_channels=3, scale=4, channels=WIDTH, blocks=2)
    path = saved(tmp_path, {"params": msrresnet_state()})
    message = "holds an MSRResNet of BasicSR, whose weights do not fit this run's generator, a "
    refused(generator, path, f"{message}{kind.__name__}; set generator=msrresnet", match)


UNSHUFFLED = [("BasicSR", 2, 2), ("numbered", 4, 1)]


@pytest.mark.parametrize(("naming", "unshuffle", "scale"), UNSHUFFLED)
def test_pixel_unshuffle_of_another_factor_is_refused(tmp_path, naming, unshuffle, scale):
    path = saved(tmp_path, {"params_ema": rrdb_state(*RRDB_NAMES[naming], bands=3 * unshuffle**2)})
    message = (
        f"RRDBNet of {naming.replace('numbered', 'ESRGAN')} that rearranges its input by "
        f"{(unshuffle,) * 2} (pixel-unshuffle), and this run's generator by {{}}; set "
        f"generator.unshuffle={unshuffle} and scale={scale}, or weights_match=partial to load what "
        "fits."
    )
    four_bands = {"scale": scale, "in_channels": 4, "out_channels": 4}
    for given in ({"scale": 2}, {"scale": 4}, four_bands):
        for match in ("exact", "inflate"):
            refused(rrdb(**given), path, re.escape(message.format((1, 1))), match)
    # as many channels as the file's, but cells of another shape
    cells = (unshuffle**2, 1)
    generator = rrdb(scale=(1, 4), unshuffle=cells)
    refused(generator, path, re.escape(message.format(cells)))


def test_plain_weights_do_not_fit_an_unshuffled_network(tmp_path):
    path = saved(tmp_path, rrdb_state(*RRDB_NAMES["BasicSR"]))
    message = (
        "by (1, 1) (pixel-unshuffle), and this run's generator by (2, 2); set "
        "generator.unshuffle=1 and scale=4,"
    )
    refused(rrdb(scale=2, unshuffle=2), path, re.escape(message))


@pytest.mark.parametrize(("naming", "unshuffle", "scale"), UNSHUFFLED)
@torch.no_grad()
def test_unshuffled_rrdb_is_the_published_network(tmp_path, caplog, naming, unshuffle, scale):
    names = RRDB_NAMES[naming]
    state = rrdb_state(*names, bands=3 * unshuffle**2)
    path = saved(tmp_path, {"params_ema": state})
    generator = rrdb(scale=scale, unshuffle=unshuffle)
    with caplog.at_level(logging.INFO):
        load_weights(generator, path)
    assert "(100.0 %) and" in caplog.text
    assert "parameters (100.0 %)" in caplog.text
    lr = torch.rand(1, 3, 8, 4, dtype=torch.float64)
    expected = rrdb_reference(F.pixel_unshuffle(lr, unshuffle), state, *names)
    assert expected.shape[2:] == (8 * scale, 4 * scale)
    torch.testing.assert_close(generator(lr), expected, rtol=0, atol=1e-10)
    message = f"model for scale {(scale,) * 2} and this run has scale (8, 8)"
    refused(rrdb(scale=8, unshuffle=unshuffle), path, re.escape(message))


def test_plain_network_of_guides_is_not_taken_for_an_unshuffled_one(tmp_path):
    state = rrdb_state(*RRDB_NAMES["BasicSR"], bands=12)
    generator = rrdb(in_channels=12)
    load_weights(generator, saved(tmp_path, state))
    assert torch.equal(generator.head.weight, state["conv_first.weight"])


@pytest.mark.parametrize("match", ["exact", "inflate"])
def test_published_model_of_another_scale_is_refused(tmp_path, match):
    message = "scale (4, 4) and this run has scale ({0}, {0})"
    path = saved(tmp_path, rrdb_state(*RRDB_NAMES["ESRGAN"]))
    for scale in (2, 9):
        refused(rrdb(scale=scale), path, re.escape(message.format(scale)), match)
    path = saved(tmp_path, compact_state())
    refused(compact(scale=2), path, re.escape(message.format(2)), match)


class TestPartial:
    def test_percentages_are_those_counted_by_hand(self, tmp_path, caplog):
        # 4 of 5 layers of a compact network fit: all but the last convolution, and the run has one
        # more block
        state = compact_state(scale=2, blocks=3)
        generator = compact(scale=4, blocks=4)
        fresh = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
        with caplog.at_level(logging.INFO):
            load_weights(generator, saved(tmp_path, state), match="partial")
        assert torch.equal(generator.trunk[2][0].weight, state["body.6.weight"])
        assert torch.equal(generator.trunk[3][0].weight, fresh["trunk.3.0.weight"])
        assert torch.equal(generator.tail[0].weight, fresh["tail.0.weight"])
        first, block, last = 3 * 8 * 9 + 8 + 8, 8 * 8 * 9 + 8 + 8, 8 * 48 * 9 + 48
        assert first + 3 * block == 2008
        assert first + 4 * block + last == 6104
        text = caplog.text
        assert "loaded 12 of 17 tensors (70.6 %) and 2008 of 6104 parameters (32.9 %)" in text
        assert "3 missing (trunk.3.0.weight, trunk.3.0.bias, trunk.3.1.weight)" in text
        assert "2 of another shape (tail.0.weight: (12, 8, 3, 3) for (48, 8, 3, 3), tail" in text

    def test_nothing_at_all_is_refused(self, tmp_path):
        path = saved(tmp_path, compact_state())
        message = "none of its weights fits.*It is a network of generator=compact"
        refused(rrdb(), path, message, match="partial")

    def test_trunk_of_a_pixel_unshuffle_network_is_used(self, tmp_path):
        state = rrdb_state(*RRDB_NAMES["BasicSR"], bands=12)
        generator = rrdb()
        load_weights(generator, saved(tmp_path, state), match="partial")
        assert torch.equal(generator.trunk[2].weight, state["conv_body.weight"])
