"""Building of objects from nodes of a configuration, with errors that name the node's key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, MissingMandatoryValue, OmegaConf

from srlab.mistakes import Mistake

LIBRARIES = ("torch", "lightning", "torchmetrics")
"""Packages whose constructors raise errors of their own for a bad argument."""


def built(node: Any, **more: Any) -> Any:
    """Instantiate a node with `more` arguments; lists and dictionaries become Python's own.

    If the node is null, the result is None. The key of the node is added to a `Mistake` that the
    class raises. An error of a library's constructor becomes such a `Mistake`. Any other error is a
    bug in the class, and is raised with its traceback.
    """
    if node is None:
        return None
    try:
        return instantiate(node, _convert_="all", **more)
    except InstantiationException as error:
        cause = _first_cause(error)
        key = str(error).partition("\nfull_key: ")[2] or str(node._get_full_key(""))
        key = _own_key(node._get_root(), key)
        if isinstance(cause, Mistake):
            failed = OmegaConf.select(node._get_root(), key)
            arguments = failed if isinstance(failed, DictConfig) else ()
            raise of_key(cause, key, [str(name) for name in arguments]) from None
        if _is_missing(cause):
            raise Mistake(
                f"{key}._target_ names what is not there: {_one_line(error)} Check its spelling, "
                "or install its package."
            ) from error
        if _is_of_library(node, key):
            raise Mistake(f"{key}: {_one_line(cause)}") from error
        raise
    except MissingMandatoryValue as error:
        key = _own_key(node._get_root(), str(error.full_key))
        raise Mistake(f"{key} must be given: {key}=….") from None


def _own_key(root: Any, key: str) -> str:
    """Return the key by which the user sets a value.

    Below a node that refers to another one (``${…}``), that is the key of the other node.
    """
    names = key.split(".")
    for length in range(1, len(names) + 1):
        place, last = names[: length - 1], names[length - 1]
        parent = OmegaConf.select(root, ".".join(place)) if place else root
        if not isinstance(parent, DictConfig) or not OmegaConf.is_interpolation(parent, last):
            continue
        text = str(parent._get_node(last))
        if text.startswith("${") and ":" not in text:
            return ".".join([text[2:-1], *names[length:]])
    return key


def of_key(mistake: Mistake, key: str, arguments: Sequence[str] = ()) -> Mistake:
    """Add the key of a node before a message, which may begin with the name of an argument."""
    text = str(mistake)
    if not key or key in text:
        return mistake
    is_argument = text.partition(" ")[0] in arguments
    return type(mistake)(f"{key}.{text}" if is_argument else f"{key}: {text}")


def _is_missing(cause: BaseException) -> bool:
    """Whether a target's module does not exist; a module that fails to import is a bug in it."""
    missing = cause.__cause__
    if not isinstance(missing, ModuleNotFoundError) or missing.name is None:
        return False
    return f"Error loading '{missing.name}" in str(cause)


def _first_cause(error: BaseException) -> BaseException:
    while isinstance(error, InstantiationException) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _is_of_library(node: Any, key: str) -> bool:
    """Whether the class at a key, at or below `node`, belongs to a library."""
    failed = OmegaConf.select(node._get_root(), key) if key else node
    if not isinstance(failed, DictConfig):
        return False
    return str(failed.get("_target_", "")).partition(".")[0] in LIBRARIES


def _one_line(error: BaseException) -> str:
    text = str(error).partition("\nfull_key: ")[0].partition(", set env var HYDRA_FULL_ERROR")[0]
    return " ".join(text.split()) or type(error).__name__


@contextmanager
def refused_by_library(key: str) -> Iterator[None]:
    """Add the key to errors that torch raises when a partially built class is finally called."""
    try:
        yield
    except Mistake as error:
        raise of_key(error, key) from None
    except (ValueError, TypeError, LookupError, RuntimeError) as error:
        raise Mistake(f"{key}: {_one_line(error)}") from error


def named(nodes: DictConfig) -> dict[str, Any]:
    """Instantiate the nodes of a group of several choices, by name; null nodes are left out."""
    return {name: item for name, item in built(nodes).items() if item is not None}
