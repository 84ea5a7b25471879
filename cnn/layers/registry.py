"""The one list of the package's layers: exports, plans, saved nets and the reference's twins follow from it.

A class is known by itself. A subclass computes something else than its parent, as far as anybody knows, and is not
taken for it; but for the twins in `cnn.reference`, which differ in their backend alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard, TypeVar

from .base import Layer

Class = TypeVar("Class", bound=type[Layer])
Kind = TypeVar("Kind", bound=Layer)

LAYERS: dict[str, type[Layer]] = {}
_ORIGINALS: dict[type, type[Layer]] = {}


def register(layer: Class) -> Class:
    """Decorator: the class is a layer of the package, under its own name."""
    LAYERS[layer.__name__] = layer
    _ORIGINALS[layer] = layer
    return layer


def add_twin(twin: type[Layer], original: type[Layer]) -> None:
    """Let `twin`, a class that differs from `original` in its backend alone, be known as that one."""
    _ORIGINALS[twin] = original


def original(kind: type) -> type[Layer]:
    """The package's class that `kind` is, or whose twin it is.

    Raises
    ------
    TypeError
        It is neither; a subclass is not its parent.
    """
    if kind in _ORIGINALS:
        return _ORIGINALS[kind]
    name, rule = kind.__name__, "a net holds the package's own layers only"
    for base in kind.__mro__:
        if base in _ORIGINALS:
            known = f"cnn.{_ORIGINALS[base].__name__}"
            raise TypeError(
                f"{rule}; {name} changes {known} and would be ignored; use {known} itself, or call {name} outside of it"
            )
    raise TypeError(f"{rule}, {', '.join(LAYERS)}; {name} is none of them; call it outside of the net")


def begins_with(layers: Sequence[Layer], kind: type[Kind]) -> TypeGuard[Sequence[Kind]]:
    """Whether the first of the layers, if there is one, is of exactly this class."""
    return bool(layers) and original(type(layers[0])) is kind
