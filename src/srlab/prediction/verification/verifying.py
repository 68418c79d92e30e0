"""Verification of an output: random blocks are computed anew and compared with the file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from srlab.axes import Window
from srlab.files import PathLike
from srlab.io import Description, Reader, open_reader
from srlab.io.array import ArrayWriter
from srlab.io.array.axes import stated
from srlab.io.array.staged import plain
from srlab.io.formats import find_format
from srlab.io.lossy import Lossy
from srlab.io.provenance import read_provenance
from srlab.mistakes import Mistake
from srlab.prediction.blocks import block_windows
from srlab.prediction.network.threads import computing_threads
from srlab.prediction.network.transparency import Transparent
from srlab.prediction.opened import Opened
from srlab.prediction.request import Request
from srlab.prediction.session import Session
from srlab.prediction.verification.anew import Anew
from srlab.prediction.verification.checks import check_hashes, check_place
from srlab.prediction.verification.comparison import Comparison, as_read
from srlab.prediction.verification.encoded import Encoded
from srlab.prediction.verification.verdict import Verdict


def verify(
    models: Sequence[Opened],
    output: PathLike,
    source: PathLike,
    *,
    blocks: int = 8,
    seed: int = 0,
    guide: str | None = None,
    dates: str | None = None,
    device: str = "auto",
) -> Verdict:
    """Check that `output` is what `models` make of the file `source`, by the note in it.

    Model and input must have the hashes that the note names, and the output the size and place that
    the input gives it. A number of `blocks`, which the `seed` draws, are computed anew. Where the
    format changes values, they are encoded anew, too. On the kind of machine that made the output
    they must be equal; elsewhere they may differ as rounding does. `guide` and `dates` say where
    these files are now.

    Raises a `Mistake` that says what is not as it should be.
    """
    tags = read_provenance(output)
    settings = json.loads(tags.get("SETTINGS", "{}"))
    request = _request(settings, guide=guide, dates=dates, device=device)
    if request.match_histogram:
        raise Mistake(f"{output} was matched to its input as a whole, and has no blocks to verify.")
    session = Session(models, source, output, request, overwrite=True)
    check_hashes(tags, settings, session.hashes, output)
    described, places = session.contents(settings.get("part", ""))
    if _is_of_arrays(output):
        described = plain(Path(output), described)
    reader = _opened(output, described)
    check_place(output, reader.description, described)
    job = session.job(settings, writer=ArrayWriter(0, (0,)))  # nothing is to be kept
    windows = list(block_windows(job.tiles, chunks=(1,) * len(described.shape)))
    drawn = _drawn(windows, blocks, seed)
    with computing_threads(job.threads):
        anew = Anew(job, [each.model for each in models], places)
        lossy = _lossy(output, settings)
        if lossy is None:
            verdict = _compared(anew, reader, described, drawn, of=len(windows))
        else:
            encoded = Encoded(anew, described, lossy, windows, _options(output, settings))
            verdict = encoded.compared(reader, drawn)
    verdict = replace(verdict, elsewhere=_elsewhere(settings, lossy))
    verdict.check(output)
    return verdict


def _lossy(output: PathLike, settings: Mapping[str, Any]) -> Lossy | None:
    """Return how the format of an output changes values, if it does."""
    form = find_format(str(output), "writer")
    return None if form is None else form.loss(settings.get("codec"))


def _options(output: PathLike, settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the noted settings that the format of an output offers."""
    form = find_format(str(output), "writer")
    offered = () if form is None else form.options
    return {name: settings[name] for name in offered if name in settings}


def _is_of_arrays(output: PathLike) -> bool:
    """Whether an output holds mere arrays, perhaps one for each channel, by its name."""
    path = Path(output)
    return path.suffix.lower() == ".npz" or stated(path) is not None


def _opened(output: PathLike, described: Description) -> Reader:
    """Open an output with the channels that it should have."""
    names = described.names
    if _is_of_arrays(output) and not all(name.isdigit() for name in names):
        return open_reader(output, bands=names)
    count = len(described.channels)
    if described.channels[-1].colour != "alpha":
        return open_reader(output)
    colours = open_reader(output, bands=range(1, count))
    return Transparent(colours, open_reader(output, bands=[count]))


def _drawn(windows: Sequence[Window], count: int, seed: int) -> list[Window]:
    """Draw at most a number of windows."""
    random = np.random.default_rng(seed)
    numbers = random.choice(len(windows), min(count, len(windows)), replace=False)
    return [windows[number] for number in numbers]


def _compared(
    anew: Anew, reader: Reader, described: Description, windows: Sequence[Window], *, of: int
) -> Verdict:
    """Compare windows of an output with what is computed anew."""
    found = Comparison(described.channels)
    for window in windows:
        found.add(window, reader.read(window), as_read(anew(window), described.channels))
    return found.verdict(len(windows), of)


def _request(
    settings: Mapping[str, Any], *, guide: str | None, dates: str | None, device: str
) -> Request:
    """Return what was asked for, by the note."""
    names = {each.name for each in fields(Request)}
    noted = {name: value for name, value in settings.items() if name in names}
    here = {"device": device, "guide": guide or noted.get("guide")}
    return Request(**(noted | here | {"dates": dates or noted.get("dates")}))


def _elsewhere(settings: Mapping[str, Any], lossy: Lossy | None) -> tuple[str, ...]:
    """Name how the machine that made an output differs from this one."""
    here = {
        "torch": str(torch.__version__),
        "cpu": torch.backends.cpu.get_cpu_capability(),
    }
    if lossy is not None:
        here["encoder"] = lossy.version
    found = [f"{name} {settings.get(name)}" for name in here if settings.get(name) != here[name]]
    if settings.get("device", "cpu") != "cpu":
        found.append(f"device {settings['device']}")
    return tuple(found)
