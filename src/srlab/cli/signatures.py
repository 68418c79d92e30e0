"""Signatures of classes and functions, read from their source without importing them.

A message about a misspelt value should not wait for the import of Lightning, which takes seconds.
Only annotations of values that a YAML can hold are understood: numbers, text, booleans, null,
choices, and lists of these.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

_SEQUENCES = ("Sequence", "list", "tuple", "List", "Tuple", "Iterable", "Collection", "set")
_MAPPINGS = ("Mapping", "dict", "Dict")
_SCALARS = ("int", "float", "bool", "str")
_WRAPPERS = ("Annotated", "Final", "ClassVar", "Required", "NotRequired")


@dataclass(frozen=True)
class Values:
    """The values that an annotation allows. Without kinds and choices, it allows any value."""

    kinds: frozenset[str] = frozenset()
    """Some of ``int``, ``float``, ``bool``, ``str``, ``none``, ``list`` and ``mapping``."""

    choices: tuple[object, ...] = ()
    """The values of a ``Literal``."""

    entries: Values | None = None
    """The values that a list may hold; None: any."""

    length: int | None = None
    """The required number of entries of a list; None: any."""

    def __bool__(self) -> bool:
        return bool(self.kinds or self.choices)

    def __or__(self, other: Values) -> Values:
        length = self.length or other.length
        if "list" in self.kinds & other.kinds and self.length != other.length:
            length = None
        return Values(
            kinds=self.kinds | other.kinds,
            choices=self.choices + other.choices,
            entries=self.entries or other.entries,
            length=length,
        )


@dataclass(frozen=True)
class Signature:
    """The keyword arguments that a class or function takes."""

    arguments: dict[str, Values]
    required: frozenset[str] = frozenset()

    takes_any: bool = False
    """Whether it accepts any further keyword arguments (``**kwargs``)."""


@dataclass(frozen=True)
class _Module:
    """A parsed source file."""

    name: str
    path: Path
    tree: ast.Module = field(repr=False)

    def base(self, level: int) -> str:
        """Return the package at which a relative import of some `level` starts."""
        parts = self.name.split(".")
        if self.path.name == "__init__.py":
            level -= 1
        return ".".join(parts[: len(parts) - level])


@dataclass(frozen=True)
class _Found:
    """A definition, and the module in which its names are to be looked up."""

    module: _Module
    node: ast.AST


def signature_of(target: str) -> Signature | None:
    """Return the signature of ``package.module.Name``; None if no source of it is found."""
    found = _definition(target)
    if found is None:
        return None
    if isinstance(found.node, ast.FunctionDef):
        return _of_function(found, skip_self=False)
    if isinstance(found.node, ast.ClassDef):
        return _of_class(found.module, found.node)
    return None


def _of_class(module: _Module, node: ast.ClassDef) -> Signature | None:
    for part in node.body:
        if isinstance(part, ast.FunctionDef) and part.name == "__init__":
            return _of_function(_Found(module, part), skip_self=True)
    if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        return _of_dataclass(module, node)
    for base in node.bases:
        found = _definition(f"{module.name}.{ast.unparse(base)}")
        if found is not None and isinstance(found.node, ast.ClassDef):
            return _of_class(found.module, found.node)
    return None


def _of_dataclass(module: _Module, node: ast.ClassDef) -> Signature:
    arguments, required = {}, set()
    for part in node.body:
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
            arguments[part.target.id] = _values(module, part.annotation)
            if part.value is None:
                required.add(part.target.id)
    return Signature(arguments, frozenset(required))


def _of_function(found: _Found, *, skip_self: bool) -> Signature:
    assert isinstance(found.node, ast.FunctionDef)
    given = found.node.args
    positional = given.args[1:] if skip_self and not given.posonlyargs else given.args
    without_default = len(positional) - len(given.defaults)
    defaults = [None] * without_default + [*given.defaults]
    pairs = [*zip(positional, defaults[-len(positional) :], strict=True)] if positional else []
    pairs += zip(given.kwonlyargs, given.kw_defaults, strict=True)

    arguments = {}
    for argument, default in pairs:
        values = _values(found.module, argument.annotation)
        if values and isinstance(default, ast.Constant) and default.value is None:
            values |= Values(frozenset({"none"}))  # libraries often omit it from the annotation
        arguments[argument.arg] = values
    required = frozenset(argument.arg for argument, default in pairs if default is None)
    return Signature(arguments, required, takes_any=given.kwarg is not None)


def _values(module: _Module, annotation: ast.AST | None) -> Values:
    """Return the values that an annotation allows, as far as it is understood."""
    if annotation is None:
        return Values()
    if isinstance(annotation, ast.Constant):
        return _of_constant(module, annotation.value)
    if isinstance(annotation, ast.BinOp):
        return _values(module, annotation.left) | _values(module, annotation.right)
    if isinstance(annotation, ast.Subscript):
        return _of_subscript(module, annotation)
    name = ast.unparse(annotation)
    if name in _SCALARS:
        return Values(frozenset({name}))
    if name.rpartition(".")[2] in _SEQUENCES:
        return Values(frozenset({"list"}))
    if name.rpartition(".")[2] in _MAPPINGS:
        return Values(frozenset({"mapping"}))
    return _of_alias(module, name)


def _of_constant(module: _Module, value: object) -> Values:
    if value is None:
        return Values(frozenset({"none"}))
    if isinstance(value, str):  # an annotation in quotes
        return _values(module, ast.parse(value, mode="eval").body)
    return Values()


def _of_subscript(module: _Module, annotation: ast.Subscript) -> Values:
    name = ast.unparse(annotation.value).rpartition(".")[2]
    inner = annotation.slice
    parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    if name == "Literal":
        return Values(choices=tuple(ast.literal_eval(part) for part in parts))
    if name == "Optional":
        return _values(module, inner) | Values(frozenset({"none"}))
    if name == "Union":
        return _united(module, parts)
    if name in _WRAPPERS:
        return _values(module, parts[0])
    if name in _SEQUENCES:
        entries, length = _united(module, parts), _length(name, parts)
        return Values(frozenset({"list"}), entries=entries, length=length)
    if name in _MAPPINGS:
        return Values(frozenset({"mapping"}))
    return Values()


def _length(name: str, parts: list[ast.expr]) -> int | None:
    """Return the number of entries of ``tuple[A, B]``; None for sequences of any length."""
    free = any(isinstance(part, ast.Constant) and part.value is ... for part in parts)
    if name not in ("tuple", "Tuple") or free:
        return None
    return len(parts)


def _united(module: _Module, parts: list[ast.expr]) -> Values:
    united = Values()
    for part in parts:
        united |= _values(module, part)
    return united


def _of_alias(module: _Module, name: str) -> Values:
    """Return the values of an alias such as ``Norm = Literal["l1", "l2"]``."""
    found = _definition(f"{module.name}.{name}")
    if found is None or not isinstance(found.node, ast.Assign | ast.AnnAssign):
        return Values()
    return _values(found.module, found.node.value)


@cache
def _definition(dotted: str) -> _Found | None:
    """Find the class, function or assignment of a dotted name, following imports."""
    module, names = _split(dotted)
    if module is None or not names:
        return None
    name, _, rest = names.partition(".")
    for node in _statements(module.tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name and not rest:
            return _Found(module, node)
        if isinstance(node, ast.Assign | ast.AnnAssign) and not rest and name in _assigned(node):
            return _Found(module, node)
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    origin = node.module or ""
                    if node.level:
                        origin = _dotted(module.base(node.level), origin)
                    return _definition(_dotted(origin, alias.name, rest))
    return None


def _dotted(*parts: str) -> str:
    """Join the parts of a dotted name that are not empty."""
    return ".".join(filter(None, parts))


def _statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield a module's statements, those under ``if`` and ``try`` included."""
    pending = list(reversed(tree.body))
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, ast.If | ast.Try):
            pending += reversed([*node.body, *node.orelse])


def _assigned(node: ast.Assign | ast.AnnAssign) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _split(dotted: str) -> tuple[_Module | None, str]:
    """Split a dotted name into the longest part that is a module, and the names in it."""
    parts = dotted.split(".")
    for count in range(len(parts), 0, -1):
        module = _module(".".join(parts[:count]))
        if module is not None:
            return module, ".".join(parts[count:])
    return None, dotted


@cache
def _module(name: str) -> _Module | None:
    """Parse a module on Python's path, without running it or its packages."""
    top, *inner = name.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin)
    for part in inner:
        folder = path.parent / part
        path = folder / "__init__.py"
        if not path.is_file():
            path = folder.with_suffix(".py")
        if not path.is_file():
            return None
    if path.suffix != ".py":
        return None
    return _Module(name, path, ast.parse(path.read_text(encoding="utf-8")))
