"""What a user asks of a prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from srlab.axes import is_count
from srlab.io.agreement import Check
from srlab.mistakes import Mistake
from srlab.nn.edges import Edges
from srlab.prediction.tiles import Join

PerAxis = int | Sequence[int] | Literal["auto"]
"""LR pixels, for all axes or for each; ``auto``: as the model and the device need."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """Everything but model, input and output; ``predict.yaml`` says what each value means."""

    bands: Sequence[int | str] | None = None
    guide: str | None = None
    guides: Sequence[int | str] | None = None
    dates: str | None = None
    tile: PerAxis = "auto"
    overlap: PerAxis = "auto"
    edges: Edges = "replicate"
    join: Join | Literal["auto"] = "auto"
    batch: int = 1
    precision: str = "32"
    noise_seed: int | None = None
    samples: int = 1
    tta: bool = False
    dtype: Literal["input", "float32"] = "input"
    match_histogram: bool = False
    device: str = "auto"
    force: Sequence[Check] = ()
    trust: bool = False

    options: Mapping[str, str | None] = field(default_factory=dict)
    """Of the format that is written; see `srlab.io.create_writer`."""

    def __post_init__(self) -> None:
        if not is_count(self.samples, least=1):
            raise Mistake(f"samples is {self.samples!r}; give a number of samples >= 1.")

    def as_asked(self) -> dict[str, Any]:
        """Return the values that have a part in the output's bytes, as JSON can hold them."""
        values = asdict(self)
        for name in ("trust", "options"):
            del values[name]
        chosen = {name: value for name, value in self.options.items() if value is not None}
        return values | chosen
