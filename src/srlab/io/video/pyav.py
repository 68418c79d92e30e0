"""PyAV, which is an extra, and its errors as one line for the user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from srlab.mistakes import MissingPackage, Mistake

try:
    import av
except ModuleNotFoundError as error:
    raise MissingPackage(
        "videos are read and written by PyAV, which is not installed: "
        "python -m pip install 'srlab[video]'."
    ) from error

__all__ = ["FREE_ROOM", "av", "pyav"]

FREE_ROOM = "Free some room on its disk, or write elsewhere."
"""What to do about a video that cannot be written."""


@contextmanager
def pyav(failure: str, *, advice: str) -> Iterator[None]:
    """Turn PyAV's errors into a `Mistake`.

    Its message is `failure`, followed by the reason in brackets and by `advice`.
    """
    try:
        yield
    except Mistake:
        raise
    except (av.FFmpegError, OSError, ValueError, OverflowError, MemoryError) as problem:
        reason = str(getattr(problem, "strerror", None) or problem or type(problem).__name__)
        reason = " ".join(reason.split()).rstrip(".")
        raise Mistake(f"{failure} ({reason}). {advice}") from problem
