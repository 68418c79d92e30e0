"""Composition of configurations from the folder of YAMLs, and questions about its contents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from srlab.cli.arguments import NOTHING
from srlab.mistakes import Mistake


def config_dir() -> str:
    """Return the folder of YAMLs: inside the installed package, or beside `src` in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "conf"
    return str(installed if installed.is_dir() else package.parents[1] / "conf")


def commands() -> dict[str, str]:
    """Return each command's name and description, from the YAMLs in ``hydra/help``."""
    helps = sorted((Path(config_dir()) / "hydra" / "help").glob("*.yaml"))
    texts = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in helps}
    return {name: str(text["header"]) for name, text in texts.items()}


def composed(name: str, overrides: Sequence[str] = (), *, with_hydra: bool = False) -> DictConfig:
    """Compose the configuration of a command; `with_hydra` adds Hydra's own part."""
    with _hydra():
        return compose(name, overrides=list(overrides), return_hydra_config=with_hydra)


@dataclass(frozen=True)
class Part:
    """A YAML file that takes part in a composition."""

    name: str
    """Its path in the folder of YAMLs, without an ending, such as ``generator/rrdb``."""

    place: str
    """The key under which its contents are placed; empty for the top level."""

    chosen_by: str
    """The name of the YAML whose defaults list chooses it."""

    text: str
    """The text of the file."""


def parts(name: str, overrides: Sequence[str] = ()) -> list[Part]:
    """Return the YAMLs of a command's composition in order, without Hydra's own."""
    with _hydra():
        loader = GlobalHydra.instance().config_loader()
        defaults = loader.compute_defaults_list(name, [*overrides], RunMode.RUN).defaults
        sources = [each for each in loader.get_sources() if each.scheme() in ("file", "pkg")]
    roots = [_root(source.scheme(), source.path) for source in sources]
    composition = []
    for default in defaults:
        path = str(default.config_path)
        place = str(default.package or "").removeprefix("_global_")
        if place.partition(".")[0] != "hydra":
            text = _text(roots, f"{path}.yaml")
            composition.append(Part(path, place, str(default.parent), text))
    return composition


def _root(scheme: str, path: str) -> Traversable:
    return Path(path) if scheme == "file" else files(path)


def _text(roots: Sequence[Traversable], path: str) -> str:
    """Return the text of a YAML in the first folder that has it."""
    for root in roots:
        if root.joinpath(path).is_file():
            return root.joinpath(path).read_text(encoding="utf-8")
    return ""


def choices(group: str) -> list[str]:
    """Return the choices of a group, including third parties'; none if there is no such group."""
    with _hydra():
        return GlobalHydra.instance().config_loader().get_group_options(group)


def keys(config: DictConfig) -> list[str]:
    """Return the names of all values of a configuration."""
    names = _leaves(OmegaConf.to_container(config, resolve=False))
    return [name for name in names if not name.endswith("._target_")]


def check_choices(arguments: Sequence[str]) -> None:
    """Raise a `Mistake` for a group whose choice is null or empty."""
    for argument in arguments:
        key, equals, value = argument.partition("=")
        group = key.lstrip("+").partition("@")[0]
        if not equals or value not in (*NOTHING, "null") or group in ("experiment", "sweep"):
            continue
        if choices(group):
            raise Mistake(f"{argument} chooses nothing; choose one of {', '.join(choices(group))}.")


def check_lists(arguments: Sequence[str]) -> None:
    """Raise a `Mistake` for a list of choices that names one of them twice."""
    for argument in arguments:
        key, _, value = argument.partition("=")
        names = [name.strip() for name in value.strip("[] ").split(",")]
        twice = [name for name in names if names.count(name) > 1]
        if value.startswith("[") and twice and choices(key.lstrip("+").partition("@")[0]):
            raise Mistake(f"{argument} names {twice[0]} twice; name it once.")


def _hydra() -> AbstractContextManager[object]:
    """Return a context with an initialised Hydra: the running one, or a temporary one."""
    if GlobalHydra.instance().is_initialized():
        return nullcontext()
    return initialize_config_dir(config_dir(), version_base="1.3")


def _leaves(node: object, prefix: str = "") -> Iterator[str]:
    if not isinstance(node, dict):
        yield prefix
        return
    for name, value in node.items():
        yield from _leaves(value, f"{prefix}.{name}".lstrip("."))
