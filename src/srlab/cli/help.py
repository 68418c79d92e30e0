"""The help of a command: its groups with their choices, and the meaning of each key.

All texts are in the YAML files: in the comments behind their keys, and in the templates of the
group ``hydra/help``.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from string import Template
from typing import Any

import yaml
from omegaconf import OmegaConf

from srlab.cli.comments import comments_of
from srlab.cli.configuration import Part, choices, composed, parts

_WIDTH, _COLUMN = 110, 38
_OF_THE_CLASS = ("_target_", "_partial_")
"""Keys of a node that are not arguments of its class."""


@dataclass(frozen=True)
class _Notes:
    """The comments of the YAMLs of a configuration."""

    keys: dict[str, str] = field(default_factory=dict)
    """The comment behind each key, by its dotted name."""

    heads: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The comment lines at the top of the YAMLs of each node, by the node's dotted name."""


def help_text(command: str, overrides: Sequence[str]) -> str:
    """Return the help of a command as it is composed with `overrides`."""
    config = composed(command, overrides, with_hydra=True)
    composition = parts(command, overrides)
    notes = _notes(composition, command)
    chosen = _chosen(composition, command)
    for group, choice in config.hydra.runtime.choices.items():
        if not str(group).startswith("hydra/"):
            chosen[str(group)] = str(choice or "null")
    template = Template(config.hydra.help.template)
    values = OmegaConf.to_container(config, resolve=False)
    assert isinstance(values, dict)
    del values["hydra"]
    return template.substitute(
        GROUPS="\n".join(_groups(chosen, notes)), KEYS="\n".join(_keys(values, notes))
    )


def _notes(composition: Sequence[Part], command: str) -> _Notes:
    """Gather comments; if several YAMLs have a key, the last one counts, as for its value."""
    notes = _Notes()
    for part in composition:
        comments = comments_of(part.text)
        for name, comment in comments.keys.items():
            notes.keys[_joined(part.place, name)] = comment
        if part.name != command:
            notes.heads[part.place] = notes.heads.get(part.place, ()) + comments.head
    _name_groups(notes)
    return notes


def _name_groups(notes: _Notes) -> None:
    """Use a group's comment in the defaults list for the key under which the group is placed."""
    for name in [*notes.keys]:
        head, _, group = name.partition(".")
        if head == "defaults":
            notes.keys.setdefault(group.partition("@")[2] or group, notes.keys[name])


def _chosen(composition: Sequence[Part], command: str) -> dict[str, str]:
    """Return each group of a command's defaults list, with the list of names chosen from it."""
    own = next(part for part in composition if part.name == command)
    entries = [entry for entry in yaml.safe_load(own.text)["defaults"] if isinstance(entry, dict)]
    groups = [str(group) for group in chain.from_iterable(entries)]
    chosen_parts = [part.name for part in composition if part.chosen_by == command]
    chosen = {}
    for group in groups:
        if group.startswith("override "):
            continue
        in_group = [name for name in chosen_parts if name.startswith(f"{group}/")]
        names = [name.partition("/")[2] for name in in_group]
        chosen[group] = f"[{','.join(names)}]"
    return chosen


def _groups(chosen: Mapping[str, str], notes: _Notes) -> Iterator[str]:
    """Yield the lines about groups: the choice, the comment, and all choices."""
    for group, choice in chosen.items():
        yield _line(f"  {group}={choice}", notes.keys.get(f"defaults.{group}"))
        offered = ", ".join(choices(group.partition("@")[0]))
        yield textwrap.fill(offered, _WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)


def _keys(values: Mapping[Any, Any], notes: _Notes, place: str = "") -> Iterator[str]:
    """Yield the lines about keys: key, value and comment; values come before nested nodes."""
    indent = "  " * (1 + place.count(".") + bool(place))
    yield from (f"{indent}# {line}" for line in notes.heads.get(place, ()))
    nodes = {}
    for key, value in values.items():
        name = _joined(place, str(key))
        if isinstance(value, dict) and value:
            nodes[name] = value
        elif key not in _OF_THE_CLASS:
            yield _line(f"{indent}{key}: {_shown(value)}", notes.keys.get(name))
    for name, node in nodes.items():
        yield _line(f"{indent}{name.rpartition('.')[2]}:", notes.keys.get(name))
        yield from _keys(node, notes, name)


def _joined(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _line(text: str, comment: str | None) -> str:
    return f"{text:<{_COLUMN}}  # {comment}" if comment else text


def _shown(value: object) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, width=math.inf, allow_unicode=True)
    return text.removesuffix("...\n").strip()
