"""The command lines of a page of docs/, and how a test runs them in a short time."""

import re
import shlex
import shutil
from pathlib import Path

from conftest import run_command

DOCS = Path(__file__).parents[2] / "docs"

SHORT = [
    *("trainer.max_steps=2", "trainer.val_check_interval=2", "schedule.pretrain_steps=1"),
    *("schedule.ramp_steps=1", "loader.batch_size=1", "loader.num_workers=0"),
    *("logger=[csv]", "cache=none"),
]
"""Overrides that make any training short."""

SMALL_GENERATOR = ["generator.channels=16", "generator.blocks=1"]
SMALL_ADVERSARY = ["discriminator=patchgan", "discriminator.channels=4", "discriminator.layers=1"]


def commands(page):
    """Yield the page's command lines in their order, as words without comments."""
    text = (DOCS / page).read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    for line in "".join(blocks).replace("\\\n", " ").splitlines():
        if words := shlex.split(line, comments=True):
            yield words


def run(words, small=SMALL_GENERATOR):
    """Run a line of srlab's in the current folder, a training anew, and with `SHORT` and `small`.

    A training that names no folder is kept in RUN, which is what pages call the run of a reader.
    """
    assert words[:2] == ["python", "-m"], words
    name, given = words[2].removeprefix("srlab."), words[3:]
    if name == "train":
        folders = [word.partition("=")[2] for word in given if word.startswith("hydra.run.dir=")]
        folder, *_ = [*folders, "RUN"]
        shutil.rmtree(folder, ignore_errors=True)
        given = [*given, *SHORT, *small, f"hydra.run.dir={folder}"]
    outcome = run_command(name, given)
    assert outcome.code == 0, (words, outcome.error)
