"""Building of networks and normalisers from a model card, without running foreign code.

Only classes that srlab itself defines and exports are built, and only from plain JSON values.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

import srlab
from srlab.mistakes import Mistake
from srlab.models.card import JSON, LARGEST
from srlab.models.messages import first_sentence, shortened

UNFIT = (
    ArithmeticError,
    AttributeError,
    IndexError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""Errors that wrong arguments may cause in a constructor or in torch's allocation of memory."""


def build(
    recipe: Mapping[str, JSON], *, package: str, kind: type = nn.Module, trust: bool = False
) -> Any:
    """Build an object from a recipe ``{"_target_": ..., **arguments}``.

    The target must be a class that `package` defines and exports, and that derives from `kind`.
    Each argument must be a plain JSON value, a recipe of the same form, or a list of recipes.
    Nothing else is imported or called. With `trust`, any class and any arguments are allowed.

    Raises a `Mistake` if the recipe is not allowed, or its arguments do not fit.
    """
    target = recipe.get("_target_")
    arguments = {name: value for name, value in recipe.items() if name != "_target_"}
    if trust:
        trusted_class = _foreign(str(target))
        return trusted_class(**_values(arguments, package, kind, trust=True))
    own_class = _exported_class(target, package, kind)
    try:
        return own_class(**_values(arguments, package, kind, trust=False))
    except UNFIT as error:
        raise Mistake(
            f"the model card's arguments do not fit {target} of srlab {srlab.__version__}: "
            f"{first_sentence(error)}"
        ) from error


def check_fit(recipe: Mapping[str, JSON], tensors: Mapping[str, Tensor], *, package: str) -> None:
    """Raise an error if a file's tensors do not fit a network, before memory is allocated for it.

    The network is built on the meta device, where tensors have shapes but no values. A constructor
    must therefore not read values of tensors, for example by ``.item()``. Building stops when the
    network has many more tensors than the file.
    """
    for name, value in recipe.items():
        entries = value if isinstance(value, list) else [value]
        if any(isinstance(entry, int) and abs(entry) > LARGEST for entry in entries):
            raise Mistake(
                f"the model card's argument {name!r} is {shortened(value, 200)}; no network is "
                "that large."
            )
    with _at_most(len(tensors)), torch.device("meta"):
        rehearsed = build(recipe, package=package)
    rehearsed.load_state_dict(dict(tensors), assign=True)


@contextmanager
def _at_most(number: int) -> Iterator[None]:
    """Raise a `Mistake` when constructors make many more parameters than a file has tensors."""
    left = 2 * number  # a constructor may replace parameters

    def count(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Mistake(f"the network has more tensors than the file, which has {number}.")

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()


def _foreign(target: str) -> Callable[..., Any]:
    """Import the class that a trusted card names, from any package."""
    module, _, name = target.rpartition(".")
    try:
        made: Callable[..., Any] = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise Mistake(
            f"the model card names {target!r}, which cannot be imported here: "
            f"{first_sentence(error)}; install the package that defines it."
        ) from error
    return made


def _exported_class(target: JSON, package: str, kind: type) -> type:
    """Return the class that `package` itself defines and exports under the target's last name."""
    module = importlib.import_module(package)
    exported = {f"{package}.{name}": getattr(module, name) for name in module.__all__}
    found: Any = exported.get(target) if isinstance(target, str) else None
    is_own = isinstance(found, type) and found.__module__.startswith(f"{package}.")
    if not is_own or not issubclass(found, kind):
        raise Mistake(
            f"the model card names {shortened(repr(target), 200)}, which is not a class of "
            f"{package}, and was not run. If you know where the file comes from, trust=true allows "
            "it."
        )
    made: type = found
    return made


def _values(
    arguments: Mapping[str, JSON], package: str, kind: type, *, trust: bool
) -> dict[str, Any]:
    """Build the recipes among a constructor's arguments, and check that the others are plain."""
    values: dict[str, Any] = {}
    for name, value in arguments.items():
        if _is_recipe(value):
            values[name] = build(value, package=package, kind=kind, trust=trust)
            continue
        if _is_recipes(value):
            steps = [build(each, package=package, kind=kind, trust=trust) for each in value]
            values[name] = steps
            continue
        if not trust:
            _check_plain(name, value)
        values[name] = value
    return values


def _is_recipe(value: JSON) -> TypeGuard[dict[str, JSON]]:
    """Whether a value is a recipe."""
    return isinstance(value, dict) and "_target_" in value


def _is_recipes(value: JSON) -> TypeGuard[list[dict[str, JSON]]]:
    """Whether a value is a list of recipes only."""
    if not isinstance(value, list) or not value:
        return False
    return all(map(_is_recipe, value))


def _check_plain(name: str, value: JSON) -> None:
    """Raise a `Mistake` for a value that could be a path, a dotted name or a nested target."""
    if name.startswith("_"):
        raise Mistake(
            f"there is an argument {name!r}; names with a leading underscore are not allowed."
        )
    if isinstance(value, dict):
        raise Mistake(
            f"the argument {name!r} is nested ({shortened(value, 200)}); only plain values are "
            "allowed."
        )
    if isinstance(value, str) and not re.fullmatch(r"[A-Za-z0-9_+-]*", value):
        raise Mistake(
            f"the argument {name!r} is {shortened(repr(value), 200)}; only plain words are "
            "allowed; if you know where the file comes from, trust=true allows others."
        )
    if isinstance(value, list):
        if len(value) > LARGEST:
            raise Mistake(
                f"the argument {name!r} has {len(value)} entries; at most {LARGEST} are allowed."
            )
        for entry in value:
            _check_plain(name, entry)
