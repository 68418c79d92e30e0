"""The commands and choices that README and docs name are there."""

import re
import shlex
from pathlib import Path

import pytest

from srlab.cli.arguments import quoted
from srlab.cli.checking import check_values
from srlab.cli.command import prepare
from srlab.cli.configuration import choices, composed

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SETTINGS = {
    "train": "Train",
    "predict": "Predict",
    "evaluate": "Evaluate",
    "summary": "Train",
    "stats": "Stats",
    "verify": "Verify",
}
FLAGS = ("-m", "…", "--help")


def commands():
    """Every command line of srlab in the pages' blocks of code, without the shell's part."""
    for page in PAGES:
        blocks = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
        for block in [text for language, text in blocks if language in ("sh", "bash", "")]:
            for line in block.replace("\\\n", " ").splitlines():
                if found := re.search(r"-m srlab\.(\w+) (.*)", line):
                    given = shlex.split(found[2], comments=True)
                    yield page.name, found[1], [each for each in given if "$" not in each]


@pytest.mark.parametrize(
    ("page", "name", "given"),
    list(commands()),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_command_has_keys_and_values_that_there_are(page, name, given, monkeypatch):
    if "data=tensors" in given:
        pytest.skip("test_your_own_data runs it")
    prepare()
    arguments = quoted([each for each in given if each not in FLAGS])
    swept = [each.partition(",")[0] if "-m" in given else each for each in arguments]
    config = composed({"summary": "train"}.get(name, name), swept)
    check_values(config, settings=f"srlab.cli.settings.{SETTINGS[name]}Settings")


def table_rows():
    text = (ROOT / "README.md").read_text()
    for groups, named in re.findall(r"^\| (`[^|]*`) \| (`[^|]*) \|", text, re.MULTILINE):
        for group, part in zip(re.findall(r"`(\w+)`", groups), named.split(";"), strict=False):
            yield group, re.findall(r"`(\w+)`", part)


@pytest.mark.parametrize(("group", "named"), list(table_rows()), ids=str)
def test_every_choice_of_the_table_is_there(group, named):
    assert named
    assert set(named) <= set(choices(group))


def test_every_generator_of_the_table_is_there():
    text = (ROOT / "README.md").read_text().partition("| `generator=` |")[2].partition("\n\n")[0]
    named = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    variants = {name for name in choices("generator") if "_" in name}
    assert sorted(named) == sorted(set(choices("generator")) - variants)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    links = re.findall(r"\]\(([^)#:]+)(#[^)]*)?\)", page.read_text())
    assert not [target for target, _ in links if not (page.parent / target).exists()]
