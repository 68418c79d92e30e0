import os
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Look up a real file or folder that is kept beside the project; skip the test where it is missing."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    root = Path(os.environ.get("SRLAB_TEST_DATA") or beside)

    def find(name: str) -> Path:
        path = root / name
        if not path.exists():
            pytest.skip(f"{path} is missing; SRLAB_TEST_DATA names the folder of real test data.")
        return path

    return find
