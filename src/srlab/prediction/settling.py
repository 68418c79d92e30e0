"""The settings that a user leaves open, settled once for the whole output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import torch
from torch import Tensor

from srlab.files import PathLike
from srlab.io import Reader
from srlab.mistakes import Mistake
from srlab.models.super_resolver import SuperResolver
from srlab.prediction.grid.footprint import fitting_batch
from srlab.prediction.grid.planning import check_input, plan_tiles
from srlab.prediction.grid.seams import seams
from srlab.prediction.grid.shots import cuts_of, longest_shot
from srlab.prediction.grid.tiles import Join, TileGrid
from srlab.prediction.network.device import told_of
from srlab.prediction.network.memory import OUT_OF_MEMORY, halved_tile
from srlab.prediction.network.precision import chosen_precision
from srlab.prediction.opened import common_grid
from srlab.prediction.request import PerAxis, Request


@dataclass(frozen=True, kw_only=True)
class Settling:
    """Settles tiles, precision and other open settings for an input and its models."""

    models: Sequence[SuperResolver]
    reader: Reader
    request: Request
    device: torch.device

    scene: Tensor | None
    """The statistics of the whole input, if a normaliser needs them."""

    def settled(self, source: PathLike, *, threads: int) -> dict[str, Any]:
        """Return the settings of the output, with a value for each that was left open.

        JSON can hold them. `source` is the file of the input. `threads` is the number of threads
        that the engine gives the network on a CPU.
        """
        request, model = self.request, self.models[0]
        leading = check_input(model, self.reader)
        cuts = cuts_of(source, self.reader, request.cut_threshold, leading=leading)
        sampled = longest_shot(self.reader, cuts, axis=leading)
        precision = chosen_precision(
            request.precision, model, sampled, self.device, scene=self.scene
        )
        tiles = self._grid(request.tile, request.overlap, request.join, cuts)
        return {
            "tile": list(tiles.tile[tiles.leading :]),
            "overlap": list(tiles.overlap[tiles.leading :]),
            "join": tiles.join,
            "batch": self._batch(tiles),
            "precision": precision,
            "threads": threads,
            "cuts": cuts,
            "seams": self._seams(sampled, tiles),
        }

    def tiles(self, settled: Mapping[str, Any]) -> TileGrid:
        """Return the grid of the `settled` tiles."""
        cuts = settled.get("cuts", ())
        return self._grid(settled["tile"], settled["overlap"], settled["join"], cuts)

    def with_smaller_tiles(self, settled: Mapping[str, Any]) -> dict[str, Any]:
        """Return what was `settled`, but for tiles of half the length along each axis.

        An axis that was undivided until now needs no overlap to avoid seams, and gets one here.

        Raises a `Mistake` where smaller tiles cannot be used.
        """
        before = self.tiles(settled)
        tile = halved_tile(before)
        try:
            anew = self._grid(tile, self.request.overlap, self.request.join, before.cuts)
            divided, pairs = before.divided_axes, zip(before.overlap, anew.overlap, strict=True)
            both = [old if axis in divided else new for axis, (old, new) in enumerate(pairs)]
            overlap = both[before.leading :]
            tiles = self._grid(tile, overlap, anew.join, before.cuts)
        except Mistake as error:
            raise Mistake(
                f"out of memory with tiles of {list(before.tile[before.leading :])}, and smaller "
                "ones cannot be used: free memory, or choose another device."
            ) from error
        sampled = longest_shot(self.reader, before.cuts, axis=before.leading)
        changed = {"tile": tile, "overlap": overlap, "join": tiles.join}
        return {**settled, **changed, "seams": self._seams(sampled, tiles)}

    def _seams(self, reader: Reader, tiles: TileGrid) -> str:
        """Say which seams the output has, if there is memory to measure them."""
        try:
            with told_of(self.device):
                return seams(self.models, reader, tiles, scene=self.scene)
        except OUT_OF_MEMORY:
            return "seams not measured (out of memory)"

    def _batch(self, tiles: TileGrid) -> int:
        """Return the number of tiles at a time."""
        if self.request.batch != "auto":
            return int(self.request.batch)
        return fitting_batch(self.models[0], self.device, prod(tiles.sides))

    def _grid(
        self, tile: PerAxis, overlap: PerAxis, join: Join | Literal["auto"], cuts: Sequence[int]
    ) -> TileGrid:
        """Return one grid that suits all models."""
        grids = self._grids(tile, overlap, join, cuts)
        if len({grid.join for grid in grids}) > 1:
            # If the tiles of one model must fade, those of all do, which takes more overlap.
            grids = self._grids(tile, overlap, "blend", cuts)
        return common_grid(grids)

    def _grids(
        self, tile: PerAxis, overlap: PerAxis, join: Join | Literal["auto"], cuts: Sequence[int]
    ) -> list[TileGrid]:
        """Return a grid for each model."""
        return [
            plan_tiles(
                model,
                self.reader,
                tile=tile,
                overlap=overlap,
                join=join,
                edges=self.request.edges,
                scene=self.scene,
                device=self.device,
                cuts=cuts,
            )
            for model in self.models
        ]
