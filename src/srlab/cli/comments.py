"""Reading of a YAML's comments, which are the help of its keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import yaml

_BLOCK_TEXT = ("|", ">")


@dataclass(frozen=True)
class Comments:
    """The comments of a YAML file."""

    head: tuple[str, ...]
    """The comment lines above its first key, without Hydra's own such as ``@package``."""

    keys: dict[str, str]
    """The comment behind each key that has one, by its dotted name.

    Entries of a list of defaults are named ``defaults.GROUP``.
    """


def comments_of(text: str) -> Comments:
    """Read the comments of a YAML from its text."""
    lines = text.splitlines()
    root = yaml.compose(text)
    return Comments(_head(lines), dict(_behind_keys(root, lines)))


def _head(lines: list[str]) -> tuple[str, ...]:
    head = []
    for line in lines:
        if not line.startswith("#"):
            break
        head.append(line.lstrip("#").strip())
    return tuple(line for line in head if not line.startswith("@package"))


def _behind_keys(
    node: yaml.Node | None, lines: list[str], prefix: str = ""
) -> Iterator[tuple[str, str]]:
    if isinstance(node, yaml.SequenceNode):
        for entry in node.value:
            yield from _behind_keys(entry, lines, prefix)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = f"{prefix}.{key.value}".lstrip(".")
            comment = _behind(key, value, lines)
            if comment:
                yield name, comment
            yield from _behind_keys(value, lines, name)


def _behind(key: yaml.Node, value: yaml.Node, lines: list[str]) -> str:
    """Return the comment at the end of a key's line, or of the last line of its inline value."""
    if isinstance(value, yaml.ScalarNode):
        short = value.style not in _BLOCK_TEXT
    else:
        short = value.flow_style
    mark = value.end_mark if short else key.end_mark
    rest = lines[mark.line][mark.column :] if mark.line < len(lines) else ""
    before, sign, comment = rest.partition("#")
    return comment.strip() if sign and not before.strip(" :|>") else ""
