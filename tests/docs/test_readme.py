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


def commands(page):
    """Every command line of srlab in a page's blocks of code, without the shell's part."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    for block in [text for language, text in blocks if language in ("sh", "bash", "")]:
        for line in block.replace("\\\n", " ").splitlines():
            if found := re.search(r"-m srlab\.(\w+) (.*)", line):
                given = shlex.split(found[2], comments=True)
                yield found[1], [each for each in given if "$" not in each]


def problem(name, given):
    """What is wrong with a command line, or None."""
    arguments = quoted([each for each in given if each not in FLAGS])
    swept = [each.partition(",")[0] if "-m" in given else each for each in arguments]
    try:
        config = composed({"summary": "train"}.get(name, name), swept)
        check_values(config, settings=f"srlab.cli.settings.{SETTINGS[name]}Settings")
    except Exception as error:
        return f"{name} {' '.join(given)}: {error}"
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_has_keys_and_values_that_there_are(page):
    prepare()
    # test_your_own_data runs those of a data source that the reader writes
    lines = [line for line in commands(page) if "data=tensors" not in line[1]]
    found = [problem(name, given) for name, given in lines]
    assert [each for each in found if each] == []


def test_pages_have_commands():
    assert sum(len(list(commands(page))) for page in PAGES) > 50


def table_rows():
    text = (ROOT / "README.md").read_text()
    for groups, named in re.findall(r"^\| (`[^|]*`) \| (`[^|]*) \|", text, re.MULTILINE):
        for group, part in zip(re.findall(r"`(\w+)`", groups), named.split(";"), strict=False):
            yield group, re.findall(r"`(\w+)`", part)


def test_every_choice_of_the_table_is_there():
    rows = list(table_rows())
    assert rows
    for group, named in rows:
        assert named
        assert set(named) <= set(choices(group)), group


def test_every_generator_of_the_table_is_there():
    text = (ROOT / "README.md").read_text().partition("| `generator=` |")[2].partition("\n\n")[0]
    named = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    variants = {name for name in choices("generator") if "_" in name}
    assert sorted(named) == sorted(set(choices("generator")) - variants)


def test_every_link_leads_somewhere():
    for page in PAGES:
        links = re.findall(r"\]\(([^)#:]+)(#[^)]*)?\)", page.read_text())
        assert not [target for target, _ in links if not (page.parent / target).exists()], page
