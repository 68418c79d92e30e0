"""Where the configuration lies, what is in it, and what fits it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from srlab.mistakes import Mistake

LIBRARIES = ("trainer.", "hydra.")
"""Keys of Lightning and Hydra, which take text beside numbers, as ``trainer.devices=auto``."""


def config_dir() -> str:
    """The folder of YAMLs: inside the installed package, or beside `src` in a checkout."""
    package = Path(__file__).parents[1]
    return str(
        next(
            folder for folder in (package / "conf", package.parents[1] / "conf") if folder.is_dir()
        )
    )


def composed(name: str, overrides: Sequence[str] = (), *, with_hydra: bool = False) -> DictConfig:
    """Compose the configuration of a command, within one that runs or without; `with_hydra` adds Hydra's own."""
    with _hydra():
        return compose(name, overrides=list(overrides), return_hydra_config=with_hydra)


def choices(group: str) -> list[str]:
    """What can be chosen from a group, third parties' included; nothing, if there is no such group."""
    with _hydra():
        return GlobalHydra.instance().config_loader().get_group_options(group)


def keys(config: DictConfig) -> list[str]:
    """The names of all values of a configuration."""
    return [
        key
        for key, _ in _leaves(OmegaConf.to_container(config, resolve=False))
        if not key.endswith("._target_")
    ]


def check_kinds(config: DictConfig, *, name: str, overrides: Sequence[str]) -> None:
    """Raise a ``ValueError`` for text in place of a number, and for anything but true or false in place of these.

    What a key has without the values among the `overrides` says what it takes. Null and lists are left to whoever gets
    them.
    """
    chosen = [
        line
        for line in overrides
        if line.lstrip("+").startswith("hydra.searchpath=") or _chooses(line)
    ]
    usual = dict(_leaves(OmegaConf.to_container(composed(name, chosen), resolve=False)))
    for key, value in _leaves(OmegaConf.to_container(config, resolve=False)):
        if (
            not key.startswith(LIBRARIES)
            and not _fits(value, usual.get(key))
            and not _takes_text(config, key)
        ):
            wanted = (
                "true or false" if isinstance(usual[key], bool) else f"a number, as {usual[key]}"
            )
            raise Mistake(f"{key} is {value!r}; give {wanted}.")


def check_choices(arguments: Sequence[str]) -> None:
    """Raise a ``ValueError`` for a group from which nothing is chosen, by null or an empty value."""
    for argument in arguments:
        key, equals, value = argument.partition("=")
        group = key.lstrip("+").partition("@")[0]
        if (
            equals
            and value in ("", "null")
            and group not in ("experiment", "sweep")
            and choices(group)
        ):
            raise Mistake(f"{argument} chooses nothing; choose one of {', '.join(choices(group))}.")


def _hydra() -> AbstractContextManager[object]:
    """A Hydra that knows the configuration: the one that runs a command, or one for the time being."""
    runs = GlobalHydra.instance().is_initialized()
    return nullcontext() if runs else initialize_config_dir(config_dir(), version_base="1.3")


def _chooses(override: str) -> bool:
    """Whether an override chooses from a group, as ``generator=rrdb`` does."""
    key = override.partition("=")[0].lstrip("+~")
    return "@" in key or bool(choices(key))


def _fits(value: object, usual: object) -> bool:
    if isinstance(value, str) and "${" in value:
        return True
    if isinstance(usual, bool):
        return value is None or isinstance(value, bool)
    return not (isinstance(usual, int | float) and isinstance(value, str | bool))


def _takes_text(config: DictConfig, key: str) -> bool:
    """Whether the class or function that gets a value is annotated to take text beside numbers."""
    node, _, name = key.rpartition(".")
    target = OmegaConf.select(config, f"{node}._target_") if node else None
    if target is None:
        return False
    made: Any = get_object(target)
    try:
        hint = get_type_hints(made.__init__ if inspect.isclass(made) else made).get(name)
    except NameError:  # of what is imported for the type checker alone
        return True
    return any(each is str or get_origin(each) is Literal for each in (hint, *get_args(hint)))


def _leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        for name, value in node.items():
            yield from _leaves(value, f"{prefix}.{name}" if prefix else str(name))
    else:
        yield prefix, node
