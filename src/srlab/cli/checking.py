"""Checks of a configuration's values against the annotations of their constructors."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from omegaconf import DictConfig, ListConfig, OmegaConf

from srlab.cli.signatures import Signature, Values, signature_of
from srlab.mistakes import Mistake

_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "list": "a list",
    "none": "null",
}


def check_values(config: DictConfig, *, settings: str) -> None:
    """Raise a `Mistake` that names the first key whose value its constructor does not accept.

    `settings` is the dotted name of the class of the top-level values. Nothing is built or
    imported. Whole numbers written as floats, such as 1e5, become integers where integers are
    wanted. Interpolations (``${...}``) are skipped, since the values that they refer to are
    checked.
    """
    signature = signature_of(settings)
    assert signature is not None
    for name in signature.arguments:
        if name in config:
            _check(config, name, signature.arguments[name], key=name)
    _refuse_unused(config, signature)
    for key, node in _nodes(config):
        if "_target_" in node:
            _check_node(node, key)


def _refuse_unused(config: DictConfig, signature: Signature) -> None:
    """Raise a `Mistake` for an added top-level value that no other value refers to."""
    for each in config:
        name = str(each)
        if name in signature.arguments or OmegaConf.is_missing(config, name):
            continue
        if isinstance(config._get_node(name), DictConfig) or config[name] is None:
            continue
        if f"${{{name}" not in OmegaConf.to_yaml(config):
            raise Mistake(f"+{name} adds a key that nothing reads; --help lists all keys.")


def _nodes(config: DictConfig) -> Iterator[tuple[str, DictConfig]]:
    """Yield every node below a configuration, with its dotted key, in the order of the YAML."""
    for each in config:
        name = str(each)
        if OmegaConf.is_interpolation(config, name) or OmegaConf.is_missing(config, name):
            continue
        child = config[name]
        if isinstance(child, DictConfig):
            yield name, child
            yield from ((f"{name}.{key}", node) for key, node in _nodes(child))


def _check_node(node: DictConfig, key: str) -> None:
    target = str(node["_target_"])
    signature = signature_of(target)
    if signature is None:
        return
    for name in node:
        argument = str(name)
        if argument.startswith("_") and argument.endswith("_"):
            continue
        if argument not in signature.arguments:
            if not signature.takes_any:
                raise Mistake(_unknown(argument, signature, key, target))
            continue
        _check(node, argument, signature.arguments[argument], key=f"{key}.{argument}")
    missing = sorted(signature.required - {str(name) for name in node})
    if missing and not node.get("_partial_", False):
        raise Mistake(f"{key} lacks {', '.join(missing)}, which {target} needs.")


def _unknown(argument: str, signature: Signature, key: str, target: str) -> str:
    similar = difflib.get_close_matches(argument, signature.arguments, n=3)
    hint = f"did you mean {' or '.join(similar)}?"
    if not similar:
        hint = f"it takes {', '.join(signature.arguments)}."
    return f"{key}.{argument} is no argument of {target}; {hint}"


def _check(node: DictConfig, name: str, allowed: Values, *, key: str) -> None:
    if OmegaConf.is_interpolation(node, name) or OmegaConf.is_missing(node, name):
        return
    value = node[name]
    if _has_nan(value):
        raise Mistake(f"{key} is {_shown(value)}; give {_wanted(allowed)}, and not nan.")
    if isinstance(value, float) and _wants_integer(value, allowed):
        node[name] = int(value)
    elif not _fits(value, allowed):
        raise Mistake(f"{key} is {_shown(value)}; give {_wanted(allowed)}.")


def _has_nan(value: object) -> bool:
    """Whether a value, or an entry of a list, is NaN, which does not equal itself."""
    if isinstance(value, ListConfig):
        entries = OmegaConf.to_container(value, resolve=False)
        return isinstance(entries, list) and any(entry != entry for entry in entries)
    return value != value


def _wants_integer(value: float, allowed: Values) -> bool:
    return "int" in allowed.kinds and "float" not in allowed.kinds and value.is_integer()


def _fits(value: object, allowed: Values) -> bool:
    if not allowed or isinstance(value, DictConfig):  # a node becomes an object of its own
        return True
    if isinstance(value, ListConfig):
        right_length = allowed.length in (None, len(value))
        return "list" in allowed.kinds and right_length and _entries_fit(value, allowed.entries)
    if value is None:
        return "none" in allowed.kinds
    if isinstance(value, bool):  # by identity, since True equals 1
        return "bool" in allowed.kinds or any(choice is value for choice in allowed.choices)
    if value in allowed.choices:
        return True
    if isinstance(value, int):
        return bool({"int", "float"} & allowed.kinds)
    return type(value).__name__ in allowed.kinds


def _entries_fit(entries: ListConfig, allowed: Values | None) -> bool:
    if allowed is None:
        return True
    for number in range(len(entries)):
        if OmegaConf.is_interpolation(entries, number):
            continue
        if not _fits(entries[number], allowed):
            return False
    return True


def _shown(value: object) -> str:
    plain = OmegaConf.to_container(value) if isinstance(value, ListConfig) else value
    return repr(plain)


def _wanted(allowed: Values) -> str:
    """Return the allowed values in words, for a message."""
    kinds = set(allowed.kinds)
    if "float" in kinds:
        kinds.discard("int")
    words = [str(choice) for choice in allowed.choices if choice is not None]
    words += [word for kind, word in _WORDS.items() if kind in kinds and kind != "list"]
    if "list" in kinds:
        words.append(_list_of(allowed.entries, allowed.length))
    if None in allowed.choices and "null" not in words:
        words.append("null")
    return " or ".join(dict.fromkeys(words)) or "a node with a _target_"


def _list_of(entries: Values | None, length: int | None) -> str:
    if length is not None:
        return f"a list of {length} values"
    if entries is None or not entries:
        return "a list"
    if entries.choices:
        names = [str(choice) for choice in entries.choices]
        return f"a list of {', '.join(names)}, such as [{names[0]}]"
    if entries.kinds == {"int"}:
        return "a list of whole numbers"
    if entries.kinds and entries.kinds <= {"int", "float"}:
        return "a list of numbers"
    return "a list"
