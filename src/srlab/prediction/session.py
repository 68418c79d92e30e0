"""From the names of models, an input and an output to the finished files."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import srlab
from srlab.files import PathLike, file_and_image, is_remote, new_file, sole_writer
from srlab.io import Description, Provenance, Writer, create_writer
from srlab.io.formats import find_format
from srlab.models.band_order import warn_of_order
from srlab.models.bundle import file_hash
from srlab.models.compatibility import open_input, refuse_stranger
from srlab.models.super_resolver import SuperResolver
from srlab.prediction.engines import Engine, Local
from srlab.prediction.grid.tiles import TileGrid
from srlab.prediction.job import Job
from srlab.prediction.journal import Journal
from srlab.prediction.network.device import chosen_device, chosen_devices
from srlab.prediction.network.memory import OUT_OF_MEMORY
from srlab.prediction.network.precision import DTYPES
from srlab.prediction.network.projection import bounds_of
from srlab.prediction.network.transparency import alpha_of
from srlab.prediction.opened import Opened, check_alike, noises, projected
from srlab.prediction.outcome import Outcome
from srlab.prediction.output.beside import Beside, beside, of_floats, part_of
from srlab.prediction.output.description import output_description, provenance, scene_of
from srlab.prediction.output.hashes import files_of, further_hashes, input_hash
from srlab.prediction.output.matching import matching_input
from srlab.prediction.request import Request
from srlab.prediction.settling import Settling

log = logging.getLogger(__name__)


def super_resolve_file(
    models: Sequence[Opened],
    source: PathLike,
    output: PathLike,
    *,
    request: Request | None = None,
    engine: Engine | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> Outcome:
    """Super-resolve the file `source` to the file `output` by a model, or by the mean of several.

    Finished blocks are kept beside the output until it is complete. A later call with the same
    request goes on from there. With `overwrite` an existing output is replaced, and so is one that
    was begun with other settings. The caller must hold `srlab.io.reserved` for the output.

    Raises a `Mistake` if the input is not of the models' kind, or the output cannot be written.
    """
    request = request or Request()
    if request.guide is not None:
        new_file(output, overwrite=overwrite, source=request.guide)
    session = Session(models, source, output, request, overwrite=overwrite)
    with ExitStack() as held:
        for path in session.further_outputs:
            held.enter_context(sole_writer(path))
        return session.run(engine or Local(), progress=progress)


class Session:
    """One input, opened for its models, and the output that they make of it."""

    def __init__(
        self,
        models: Sequence[Opened],
        source: PathLike,
        output: PathLike,
        request: Request,
        *,
        overwrite: bool,
    ) -> None:
        check_alike(models)
        self._models = [projected(each.model, request) for each in models]
        self._paths = tuple(os.path.abspath(each.path) for each in models)
        self._source, self._request, self._overwrite = source, request, overwrite
        self._named = Path(output)
        self._output = self._named.absolute()
        self._noises = noises(self._model, request)
        self._reader = open_input(
            self._model.card,
            source,
            bands=request.bands,
            guide=request.guide,
            guides=request.guides,
            dates=request.dates,
        )
        for model in self._models:
            refuse_stranger(model.card, self._reader, force=request.force)
        if request.bands is None:
            warn_of_order(self._model.card, source, self._reader, force=request.force)
        self._alpha = alpha_of(source, self._reader)
        self._device = chosen_device(request.device)
        self.hashes = self._hashed()
        self._journal = Journal(self._output, self._asked())
        self._scene = scene_of(self._models, self._reader)
        self._settling = Settling(
            models=self._models,
            reader=self._reader,
            request=request,
            device=self._device,
            scene=self._scene,
        )

    @property
    def _model(self) -> SuperResolver:
        """The first model, which stands for all in what they have in common."""
        return self._models[0]

    @property
    def _input(self) -> PathLike:
        """The name of the input; of one image of several the same, by its number or its name."""
        if is_remote(self._source) or not file_and_image(self._source)[1]:
            return self._source
        return str(self._reader)

    def run(self, engine: Engine, *, progress: bool) -> Outcome:
        """Make the output; where the memory does not suffice, with smaller tiles."""
        journal = self._journal
        devices = chosen_devices(self._request.device, engine.devices(self._request.devices))
        if not journal.read(anew=self._overwrite):
            # Asking a cluster for its threads first reports a missing one before all measurements.
            threads = self._threads(engine, devices=len(devices))
            journal.settled = self._settling.settled(self._source, threads=threads)
        while True:
            job = replace(self.job(journal.settled), devices=devices)
            outcome = self._made(engine, job, progress=progress)
            if outcome is not None:
                outcome.settled = journal.settled
                for path in self.further_outputs:
                    log.info("wrote %s", self._named.with_name(path.name))
                return outcome
            journal.settled = self._settling.with_smaller_tiles(journal.settled)
            journal.done = []
            log.warning("out of memory: beginning anew with tiles of %s", journal.settled["tile"])

    def _threads(self, engine: Engine, *, devices: int) -> int:
        """Return the threads of the network on each device: as asked, or a fair share."""
        asked = self._request.threads
        fair = max(engine.threads() // devices, 1)
        return fair if asked == "auto" else asked

    def _made(self, engine: Engine, job: Job, *, progress: bool) -> Outcome | None:
        """Make the output by the tiles of a job; None: the memory does not suffice for these.

        The error is not kept, since its traceback holds the tensors of the failed tile.
        """
        try:
            return engine(self._models, job, journal=self._journal, progress=progress)
        except OUT_OF_MEMORY:
            return None
        except BaseException:
            if self._journal.done:
                log.info("%s", self._journal)
            raise

    def _hashed(self) -> dict[str, str]:
        """Hash the files of the models, the input and any further inputs."""
        models = [file_hash(path) for path in self._paths]
        return {
            "model": " ".join(models),
            "input": input_hash(self._input),
            **further_hashes(self._model.card, self._source, self._request),
        }

    def _asked(self) -> dict[str, Any]:
        versions = {"srlab": srlab.__version__, "torch": str(torch.__version__)}
        device = {"device": self._device.type}
        return self._request.as_asked() | self.hashes | versions | device

    def job(self, settled: Mapping[str, Any], *, writer: Writer | None = None) -> Job:
        """Return what a process needs to compute the output with the `settled` tiles.

        A `writer` replaces the one that writes the output.
        """
        tiles = self._settling.tiles(settled)
        return Job(
            reader=self._reader,
            writer=writer or self._writer(tiles, settled),
            tiles=tiles,
            paths=self._paths,
            inputs=files_of(self._model.card, self._input, self._request, self.hashes),
            trust=self._request.trust,
            alpha=self._alpha,
            noises=self._noises,
            turned=self._request.tta,
            scene=self._scene,
            batch=settled.get("batch", 1),
            precision=DTYPES[settled["precision"]],
            threads=settled.get("threads"),
            devices=(str(self._device),),
            project=self._request.project,
            degradation=self._request.degradation,
            bounds=bounds_of(self.description.channels[: self._model.out_channels]),
            parts=self._request.parts,
        )

    @property
    def description(self) -> Description:
        """The contents of the output."""
        source = self._reader.description
        description = output_description(self._model, source, alpha=self._alpha)
        if self._request.dtype == "input":
            return description
        return description.with_dtype(self._request.dtype)

    def contents(self, part: str = "") -> tuple[Description, list[int]]:
        """Return the description of the output, and the numbers of its predicted channels.

        With `part` they are those of the file of that name beside the output.

        Raises a `Mistake` if there is no such part.
        """
        count = self._model.out_channels
        if part:
            return part_of(self.description, self._output, part, parts=self._parts, count=count)
        alpha = [] if self._alpha is None else [-1]
        return self.description, [*range(count), *alpha]

    def _writer(self, tiles: TileGrid, settled: Mapping[str, Any]) -> Writer:
        """Return what writes the output, and the files beside it."""
        request = self._request
        made = provenance(
            tiles,
            request,
            hashes=self.hashes,
            device=self._device,
            settled=settled,
            training_data=self._model.card.training_data,
            scene=self._scene,
        )
        form = find_format(self._output.name, "writer")
        lossy = form.loss(request.options.get("codec")) if form else None
        noted = made if lossy is None else made.noting(encoder=lossy.version)
        main = self._created(self._output, self.description, noted, request.options)
        if request.match_histogram:
            card = self._model.card
            main = matching_input(
                main, self._output, self.description, card=card, reader=self._reader
            )
        return self._with_further(main, made) if self.further_outputs else main

    def _with_further(self, main: Writer, made: Provenance) -> Writer:
        """Return what writes the further outputs beside the main one."""
        count = self._model.out_channels
        channels = self.description.channels[:count]
        writers = [main]
        for part, path in zip(self._parts, self.further_outputs, strict=True):
            described = of_floats(self.description, path, channels)
            writers.append(self._created(path, described, made.noting(part=part), {}))
        paths = [self._output, *self.further_outputs]
        return Beside(writers, paths=paths, count=count, has_alpha=self._alpha is not None)

    def _created(
        self,
        path: Path,
        description: Description,
        made: Provenance,
        options: Mapping[str, str | None],
    ) -> Writer:
        # Where an earlier run failed at its very end, the files beside the output may be complete.
        may_be_complete = path != self._output and bool(self._journal.done)
        return create_writer(
            path,
            description,
            provenance=made,
            source=self._source,
            overwrite=self._overwrite or may_be_complete,
            options=options,
        )

    @property
    def further_outputs(self) -> list[Path]:
        """The paths of the files that are written beside the output."""
        return [beside(self._output, word, self.description) for word in self._parts]

    @property
    def _parts(self) -> list[str]:
        """The words that name these files, in the order of their channels."""
        words = ["deviation"] if self._has_deviation else []
        return words + (["measured", "inferred"] if self._request.parts else [])

    @property
    def _has_deviation(self) -> bool:
        """Whether there are several predictions, and so a deviation."""
        return len(self._models) > 1 or len(self._noises) > 1 or self._request.tta
