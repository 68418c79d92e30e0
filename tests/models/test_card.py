import json
import re

import pytest
from model_examples import OLD, axes, card, fields_of

import srlab
from srlab.io import Axis
from srlab.models.card import ModelCard


def refusal(text):
    """The message by which a card is refused: of one line, and not too long."""
    with pytest.raises(ValueError, match=r"^[^\n]{1,800}$") as caught:
        ModelCard.from_json(text)
    return str(caught.value)


def test_json_restores_the_card():
    cases = [
        {"scale": (1, 4, 4), "axes": (Axis("t", 0.04, "s"), Axis("y"), Axis("x", 1e-7, "µm"))},
        {"bands": ("B04", 2), "unit": "Ω — “arbitrary”", "input_names": ("a b", "ç", "")},
        {"output_names": ("pan",), "scope": "scene", "licence": "CC0", "limits": "no snow"},
        {"training_data": "12 scenes of 2024", "metrics": {"psnr": 31.5, "lpips": 0.2}},
    ]
    for changes in cases:
        given = card(**changes)
        assert ModelCard.from_json(given.to_json()) == given
        assert given.spatial_dims == len(given.scale)


def test_pixel_size_is_in_metres_where_all_axes_have_a_length():
    cases = [
        ((10.0, 20.0), "m", (10.0, 20.0)),
        ((3.0, 0.5, 0.5), "mm", (3e-3, 5e-4, 5e-4)),
        ((0.25, 0.25), "µm", (2.5e-7, 2.5e-7)),
        ((1.0, 1.0), "s", None),
        ((1.0, None), "m", None),
        ((1.0, 1.0), None, None),
    ]
    for spacings, unit, metres in cases:
        dims = len(spacings)
        size = card(scale=(2,) * dims, axes=axes(dims, *spacings, unit=unit)).pixel_size
        assert size == (metres and pytest.approx(metres))


class TestFormat1:
    def test_card_has_all_that_it_had(self):
        read = ModelCard.from_json(json.dumps(OLD))
        for name in ("generator", "normaliser", "unit", "versions"):
            assert getattr(read, name) == OLD[name]
        assert (read.scale, read.bands, read.pixel_size) == ((2, 2), (1, 2, 3), (10.0, 20.0))
        assert read.input_names == read.output_names == ("R", "G", "B")
        assert read.training_range == ((0.0, 255.0), (0.0, 237.0), (0.0, 237.0))
        assert read.axes == axes(2, 10.0, 20.0)
        assert (read.scope, read.metrics, read.format) == ("fixed", {}, 2)
        assert ModelCard.from_json(read.to_json()) == read

    def test_axes_of_unknown_spacing_have_no_unit(self):
        given = OLD | {"scale": [1, 2, 2], "pixel_size": None}
        assert ModelCard.from_json(json.dumps(given)).axes == axes(3)

    def test_outputs_are_numbered_where_they_are_not_the_inputs(self):
        for made, names in [(1, ("1",)), (3, ("R", "G", "B")), ("x", None)]:
            given = OLD | {"generator": OLD["generator"] | {"out_channels": made}}
            read = ModelCard.from_json(json.dumps(given))
            assert read.output_names == (names or ("R", "G", "B"))

    def test_card_must_be_complete(self):
        for field in OLD:
            given = {name: value for name, value in OLD.items() if name != field}
            message = f"the model card cannot be read: it lacks {field}; give a model.safetensors"
            assert message in refusal(json.dumps(given))


def test_newer_format_is_refused_by_name():
    for number in [3, 10**9]:
        newer = {"format": number, "versions": {"srlab": "9.1.0"}, "whatever": 5}
        message = refusal(json.dumps(newer))
        assert f"it was made by a newer srlab: its model card has the format {number}" in message
        assert "{'srlab': '9.1.0'}" in message
        assert f"srlab {srlab.__version__} reads formats up to 2; install that srlab" in message


def test_card_must_be_complete():
    whole = fields_of(card())
    optional = {
        "degradation",
        "projection",
        "scope",
        "training_data",
        "licence",
        "metrics",
        "limits",
    }
    optional |= {"guides", "guide_ratio", "guide_degradation", "dates", "across", "edges"}
    for field in whole.keys() - {"format"}:
        text = json.dumps({name: value for name, value in whole.items() if name != field})
        if field in optional:
            assert ModelCard.from_json(text) == card()
        else:
            assert f"the model card cannot be read: it lacks {field};" in refusal(text)


DEEP = ["[" * 100_000, '{"a":' * 100_000]


def test_card_must_be_a_json_object():
    for text in [
        "",
        "{nope",
        "[]",
        "5",
        "null",
        "true",
        '"card"',
        "NaN",
        "9" * 5000,
        "[[1]]",
        *DEEP,
    ]:
        assert refusal(text).startswith("the model card cannot be read: ")


def test_card_of_the_wrong_shape_is_refused():
    cases = [
        *[{"generator": 5}, {"generator": [1]}, {"normaliser": "srlab.normalisers.Identity"}],
        *[{"scale": 2}, {"scale": []}, {"scale": [2]}, {"scale": [2, 2, 2, 2]}, {"scale": [0, 2]}],
        *[{"scale": [float("inf"), 2]}, {"scale": [None, 2]}, {"scale": [2, 10**7]}],
        *[{"bands": [None]}, {"bands": 3}, {"versions": 5}],
        *[{"guides": ["B02"]}, {"guides": [None]}, {"guide_ratio": [2, 2]}],
        *[{"input_names": []}, {"input_names": ["red"]}, {"output_names": []}, {"output_names": 3}],
        *[{"training_range": [[0, 1]]}, {"training_range": [[0, 1], [0, 1], [0]]}],
        *[{"training_range": [[0, 1], [0, 1], [0, float("nan")]]}, {"training_range": 5}],
        *[{"axes": []}, {"axes": {"a": 1}}, {"axes": [{"name": "y"}] * 2}, {"axes": [5, 5]}],
        *[{"scope": "tile"}, {"scope": None}, {"metrics": {"psnr": "high"}}, {"metrics": 5}],
        *[{"format": 0}, {"format": "2"}, {"format": None}, {"format": -3}, {"format": [2]}],
    ]
    for changed in cases:
        message = refusal(json.dumps(fields_of(card()) | changed))
        assert message.startswith("the model card cannot be read: ")
        assert message.endswith("give a model.safetensors or a .ckpt of a run.")


def test_spacings_are_positive_numbers():
    for spacing in [0, -10.0, float("inf"), float("nan"), "ten", []]:
        entry = {"name": "y", "spacing": spacing, "unit": "m"}
        text = json.dumps(fields_of(card()) | {"axes": [entry, entry]})
        assert "the model card cannot be read: " in refusal(text)
        old = json.dumps(OLD | {"pixel_size": [10.0, spacing]})
        assert "the model card cannot be read: " in refusal(old)


def test_refusal_names_the_field_and_its_value():
    text = json.dumps(fields_of(card()) | {"scope": "tile"})
    assert re.match("the model card cannot be read: its scope is tile; give", refusal(text))
