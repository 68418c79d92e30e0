"""The settings of a prediction, as a user gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from srlab.axes import is_count
from srlab.data.places.cuts import check_threshold
from srlab.io.agreement import Check
from srlab.mistakes import Mistake
from srlab.nn.edges import Edges
from srlab.prediction.grid.tiles import Join
from srlab.prediction.network.device import Devices

PerAxis = int | Sequence[int] | Literal["auto"]
"""LR pixels, for all axes or for each; ``auto``: what suits the model and the device."""

_SETTLED = frozenset({"tile", "overlap", "join", "batch", "precision", "threads", "device"})
"""Settings that are settled for each output, so that its provenance has the final values."""

_COUNTS = {"threads": "threads", "devices": "devices", "batch": "tiles"}
"""Settings that are a number or ``auto``, with the things that they count."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """All settings but model, input and output; ``predict.yaml`` explains each of them."""

    bands: Sequence[int | str] | None = None
    guide: str | None = None
    guides: Sequence[int | str] | None = None
    dates: str | None = None
    tile: PerAxis = "auto"
    overlap: PerAxis = "auto"
    edges: Edges | Literal["auto"] = "auto"
    cut_threshold: float | None = 3.0
    join: Join | Literal["auto"] = "auto"
    batch: int | Literal["auto"] = "auto"
    precision: str = "32"
    threads: int | Literal["auto"] = "auto"
    noise_seed: int | None = None
    samples: int = 1
    tta: bool = False
    dtype: Literal["input", "float32"] = "input"
    project: bool = False
    degradation: Mapping[str, Any] | None = None
    parts: bool = False
    match_histogram: bool = False
    device: str = "auto"
    devices: Devices = "auto"
    force: Sequence[Check] = ()
    trust: bool = False

    options: Mapping[str, str | None] = field(default_factory=dict)
    """Settings of the format that is written; see `srlab.io.create_writer`."""

    def __post_init__(self) -> None:
        if not is_count(self.samples, least=1):
            raise Mistake(f"samples is {self.samples!r}; give a number of samples >= 1.")
        for name, counted in _COUNTS.items():
            value = getattr(self, name)
            if value != "auto" and not is_count(value, least=1):
                raise Mistake(f"{name} is {value!r}; give a number of {counted} >= 1, or auto.")
        if self.cut_threshold is not None:
            check_threshold(self.cut_threshold, key="cut_threshold")
        if self.degradation and not self.project:
            raise Mistake(
                "degradation= is what a projected output agrees with the input by: add "
                "project=true, or leave it out."
            )
        if self.project and self.match_histogram:
            raise Mistake(
                "match_histogram=true would undo project=true, by which the output agrees with "
                "the input; leave one of them out."
            )

    def as_asked(self) -> dict[str, Any]:
        """Return the settings that the output's bytes depend on, in types that JSON can hold."""
        values = asdict(self)
        for name in ("devices", "trust", "options"):
            del values[name]
        return values | self._chosen_options()

    def noted(self) -> dict[str, Any]:
        """Return the settings that differ from their defaults, for the provenance of an output.

        Settings that are settled for each output, such as the tiles, are left out.
        """
        values = self.as_asked()
        for each in fields(self):
            if each.name in _SETTLED or values.get(each.name) == each.default:
                values.pop(each.name, None)
        return {name: value for name, value in values.items() if value not in ((), [])}

    def _chosen_options(self) -> dict[str, str]:
        return {name: value for name, value in self.options.items() if value is not None}
