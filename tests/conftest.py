import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported, as in commands
# Networks in tests are tiny, and pytest runs as many processes as there are cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The same examples in every run, however busy the machine is.
settings.register_profile(
    "fixed", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("fixed")

TINY = [
    "generator.channels=8",
    "generator.blocks=1",
    "discriminator.channels=4",
    "discriminator.pooled_size=1",
    "discriminator.dense_channels=8",
    "data.crop_size=32",
    "loader.batch_size=2",
    "loader.num_workers=0",
]
"""Overrides that make the default networks and crops small."""


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Look up a real file kept beside the project; skip the test where it is missing."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    root = Path(os.environ.get("SRLAB_TEST_DATA") or beside)

    def find(name: str) -> Path:
        path = root / name
        if not path.exists():
            pytest.skip(f"{path} is missing; SRLAB_TEST_DATA names the folder of real test data.")
        return path

    return find


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep decoded files out of the user's cache."""
    os.environ["SRLAB_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@dataclass(frozen=True)
class Outcome:
    code: int
    error: str


def run_command(command: str, arguments: Sequence[str]) -> Outcome:
    """Run ``python -m srlab.<command>`` in this process, in the current folder."""
    import importlib

    module = importlib.import_module(f"srlab.{command}")
    before, sys.argv = sys.argv, [f"srlab.{command}", *map(str, arguments)]
    try:
        module.main()
    except SystemExit as exit_:
        code = exit_.code
        return Outcome(code if isinstance(code, int) else 1, code if isinstance(code, str) else "")
    finally:
        sys.argv = before
    return Outcome(0, "")


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Run a command in an empty folder, `tmp_path`."""
    monkeypatch.chdir(tmp_path)
    return lambda name, *arguments: run_command(name, arguments)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a short finished run of a small GAN at scale 4 on the demo's photographs."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    steps = [
        "trainer.max_steps=6",
        "schedule.pretrain_steps=2",
        "schedule.ramp_steps=2",
        "trainer.val_check_interval=4",
    ]
    outcome = run_command(
        "train", [*TINY, *steps, "generator.skip=cubic", f"hydra.run.dir={folder}"]
    )
    assert outcome == Outcome(0, "")
    return folder
