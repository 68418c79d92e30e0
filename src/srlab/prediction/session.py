"""From the names of a model, an input and an output to the finished file."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import srlab
from srlab.files import PathLike, content_hash, is_remote, new_file
from srlab.io import Writer, create_writer
from srlab.models.bundle import file_hash
from srlab.models.compatibility import open_input, refuse_stranger
from srlab.models.super_resolver import SuperResolver
from srlab.prediction.device import chosen_device
from srlab.prediction.engines import Engine, Local
from srlab.prediction.job import Job
from srlab.prediction.journal import Journal
from srlab.prediction.matching import matching_input
from srlab.prediction.memory import OUT_OF_MEMORY, halved_tile
from srlab.prediction.outcome import Outcome
from srlab.prediction.output import output_description, provenance, scene_of
from srlab.prediction.planning import plan_tiles
from srlab.prediction.precision import DTYPES, chosen_precision
from srlab.prediction.request import Request
from srlab.prediction.tiles import TileGrid
from srlab.prediction.transparency import alpha_of

log = logging.getLogger(__name__)


def super_resolve_file(
    model: SuperResolver,
    path: PathLike,
    source: PathLike,
    output: PathLike,
    *,
    request: Request | None = None,
    engine: Engine | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> Outcome:
    """Super-resolve the file `source` to the file `output` by the `model` of the file `path`.

    What is done is kept beside the output until it is whole. A later call that asks for the same
    goes on from there. With `overwrite` an output that exists is replaced, and so is one that was
    begun otherwise. The caller has the output `srlab.io.reserved`.

    Raises a `Mistake` if the input is not of the model's kind, or the output cannot be written.
    """
    request = request or Request()
    if request.guide is not None:
        new_file(output, overwrite=overwrite, source=request.guide)
    session = _Session(model, path, source, output, request, overwrite=overwrite)
    return session.run(engine or Local(), progress=progress)


class _Session:
    """One input, opened for one model, and its output."""

    def __init__(
        self,
        model: SuperResolver,
        path: PathLike,
        source: PathLike,
        output: PathLike,
        request: Request,
        *,
        overwrite: bool,
    ) -> None:
        self._model, self._source, self._request = model, source, request
        self._path, self._overwrite = path, overwrite
        self._output = Path(output).absolute()
        self._reader = open_input(
            model.card,
            source,
            bands=request.bands,
            guide=request.guide,
            guides=request.guides,
            dates=request.dates,
        )
        refuse_stranger(model.card, self._reader, force=request.force)
        self._alpha = alpha_of(source, self._reader)
        self._noise = None
        if request.noise_seed is not None:
            self._noise = model.draw_noise(request.noise_seed)
        self._device = chosen_device(request.device)
        self._hashes = {"model": file_hash(path), "input": _hash(source)}
        self._journal = Journal(self._output, self._asked())
        self._scene = scene_of(model, self._reader)

    def run(self, engine: Engine, *, progress: bool) -> Outcome:
        """Make the output; where the memory does not suffice, with smaller tiles."""
        journal = self._journal
        if not journal.read(anew=self._overwrite):
            journal.settled = self._settled()
        while True:
            job = self._job(journal.settled)
            try:
                return engine(self._model, job, journal=journal, progress=progress)
            except OUT_OF_MEMORY as error:
                tile = halved_tile(job.tiles, error)
                log.warning("out of memory: beginning anew with tiles of %s", tile)
                journal.settled = {**journal.settled, "tile": tile}
                journal.done = ()

    def _asked(self) -> dict[str, Any]:
        versions = {"srlab": srlab.__version__, "torch": str(torch.__version__)}
        device = {"device": str(self._device)}
        return self._request.as_asked() | self._hashes | versions | device

    def _settled(self) -> dict[str, Any]:
        """Settle what was left open, once for the whole output."""
        request = self._request
        precision = chosen_precision(
            request.precision, self._model, self._reader, self._device, scene=self._scene
        )
        tiles = plan_tiles(
            self._model,
            self._reader,
            tile=request.tile,
            overlap=request.overlap,
            edges=request.edges,
            join=request.join,
            scene=self._scene,
        )
        return {
            "tile": list(tiles.tile[tiles.leading :]),
            "overlap": list(tiles.overlap[tiles.leading :]),
            "join": tiles.join,
            "batch": request.batch,
            "precision": precision,
        }

    def _job(self, settled: Mapping[str, Any]) -> Job:
        tiles = plan_tiles(
            self._model,
            self._reader,
            tile=settled["tile"],
            overlap=settled["overlap"],
            edges=self._request.edges,
            join=settled["join"],
            scene=self._scene,
        )
        return Job(
            reader=self._reader,
            writer=self._writer(tiles, settled),
            tiles=tiles,
            alpha=self._alpha,
            noise=self._noise,
            scene=self._scene,
            batch=settled["batch"],
            precision=DTYPES[settled["precision"]],
            device=str(self._device),
        )

    def _writer(self, tiles: TileGrid, settled: Mapping[str, Any]) -> Writer:
        request, reader, card = self._request, self._reader, self._model.card
        description = output_description(self._model, reader.description, alpha=self._alpha)
        writer = create_writer(
            self._output,
            description,
            provenance=provenance(
                tiles,
                request,
                hashes=self._hashes,
                device=self._device,
                precision=settled["precision"],
                training_data=card.training_data,
                scene=self._scene,
            ),
            source=self._source,
            overwrite=self._overwrite,
            options=request.options,
        )
        if not request.match_histogram:
            return writer
        return matching_input(writer, self._output, description, card=card, reader=reader)


def _hash(path: PathLike) -> str:
    """Return the hash of an input, or the name of one that GDAL resolves."""
    return str(path) if is_remote(path) else content_hash(path)
