"""``--help`` says what each key means, in the words of the YAMLs."""

import re
from pathlib import Path

import pytest
import yaml

from srlab.cli.command import prepare
from srlab.cli.comments import comments_of
from srlab.cli.configuration import choices, composed, config_dir
from srlab.cli.help import help_text

CONF = Path(config_dir())
COMMANDS = ["train", "predict", "evaluate", "stats", "verify"]
RECIPES = ("experiment", "sweep", "hydra")
WITH_KEYS = [path for path in sorted(CONF.rglob("*.yaml")) if not {*path.parts} & {*RECIPES}]


def values(node: dict, place: str = ""):
    """The dotted names of the values below a node."""
    for key, value in node.items():
        name = f"{place}.{key}".lstrip(".")
        if isinstance(value, dict) and value:
            yield from values(value, name)
        else:
            yield name, value


def without_comment(path):
    """The keys of a YAML that have no comment and should have one."""
    text = path.read_text()
    node = yaml.safe_load(text)
    if path.parent != CONF and "defaults" in node:
        return set()  # a variant of another file, which says it
    names = [
        name
        for name, value in values({key: node[key] for key in node if key not in RECIPES})
        if not name.startswith("defaults") and not name.endswith(("_target_", "_partial_"))
        if not str(value).startswith("${")
    ]
    return {*names} - {*comments_of(text).keys}


def test_every_key_has_a_comment_where_it_is_first_named():
    assert len(WITH_KEYS) > 100
    missing = {str(path.relative_to(CONF)): without_comment(path) for path in WITH_KEYS}
    assert {name: keys for name, keys in missing.items() if keys} == {}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_each_key_of_the_top_level_with_its_comment(command):
    prepare()
    text = help_text(command, [])
    comments = comments_of((CONF / f"{command}.yaml").read_text()).keys
    for key in composed(command):
        (line,) = re.findall(rf"^  {key}:.*$", text, re.MULTILINE)
        assert line.endswith(f"# {comments.get(str(key)) or comments[f'defaults.{key}']}")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_lists_what_every_group_offers(command):
    prepare()
    text = " ".join(help_text(command, []).split())
    for entry in yaml.safe_load((CONF / f"{command}.yaml").read_text())["defaults"]:
        for group in (name for name in entry if isinstance(entry, dict)):
            if not group.startswith("override"):
                assert f" {group}=" in text
                assert ", ".join(choices(group.partition("@")[0])) in text


def test_help_shows_the_keys_of_a_choice():
    prepare()
    text = help_text("train", ["generator=rrdb", "loss=[ssim]", "generator.channels=7"])
    assert re.search(r"^    channels: 7 +# the width: the channels of each", text, re.MULTILINE)
    assert re.search(r"^  loss=\[ssim\] ", text, re.MULTILINE)
    assert "growth_channels: 32 " in text
    assert "growth_channels" not in help_text("train", [])


def test_help_of_a_variant_has_its_value_and_the_comment_of_what_it_varies():
    prepare()
    text = help_text("train", ["generator=rrdb_small"])
    assert re.search(r"^    growth_channels: 16 +# the channels that each", text, re.MULTILINE)
    assert "# A small one for trials on a CPU: it is trained in minutes instead of days." in text


@pytest.mark.parametrize("name", [*COMMANDS, "summary"])
def test_command_prints_its_help(command, capsys, name):
    assert command(name, "-h").code == 0
    text = capsys.readouterr().out
    assert f"usage: srlab {name} " in text
    assert f"python -m srlab.{name} " in text
    assert "Example" in text


def test_mistake_beside_help_ends_in_one_line(command):
    assert command("train", "generator=rrdbb", "--help").error.startswith(
        "error: generator=rrdbb does not exist; choose one of"
    )
