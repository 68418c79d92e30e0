"""The message for a key that a configuration does not have."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from srlab.cli.arguments import overrides
from srlab.cli.configuration import choices, composed, keys


def unknown_key(key: str, command: str, arguments: Sequence[str]) -> str:
    """Return a line that says what the key's group takes instead, or which keys are similar."""
    config = _chosen(command, arguments)
    group, _, name = key.rpartition(".")
    chosen = config.hydra.runtime.choices
    choice = chosen.get(group)
    names = map(str, config.get(group) or {})
    offered = [own_name for own_name in names if not own_name.startswith("_")]
    if choice is not None and not difflib.get_close_matches(name, offered, n=1):
        has = f"which takes {', '.join(offered)}" if offered else "which takes none"
        return (
            f"{key} is no key of the configuration with {group}={choice}, {has}; leave it out or "
            f"choose another {group}."
        )
    del config["hydra"]
    groups = {str(name).partition("@")[0] for name in chosen}
    known = [*keys(config), *(str(name) for name in config), *groups]
    close = difflib.get_close_matches(key, dict.fromkeys(known), n=3)
    similar = f"; did you mean {' or '.join(close)}?" if close else ";"
    return f"{key} is no key of the configuration{similar} --help lists them all."


def _chosen(command: str, arguments: Sequence[str]) -> DictConfig:
    """Compose a command with those overrides of a command line that choose from groups."""
    groups = [line for line in overrides(arguments) if _chooses(line)]
    try:
        return _open(composed(command, groups, with_hydra=True))
    except HydraException:
        return _open(composed(command, with_hydra=True))


def _open(config: DictConfig) -> DictConfig:
    OmegaConf.set_struct(config, False)
    OmegaConf.set_readonly(config, False)
    return config


def _chooses(line: str) -> bool:
    """Whether an override chooses from a group."""
    return bool(choices(line.partition("=")[0].lstrip("+").partition("@")[0]))
