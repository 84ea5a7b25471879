"""The one list of the package's layers: exports, plans, saved nets and the reference's twins follow from it.

A class is known by itself. A subclass is taken for its parent where it computes what that does: the twins in
`cnn.reference`, which differ in their backend alone, and classes of somebody else's that only add to the parent. One
that overrides what is computed is a layer in Python.
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


def original(kind: type[Layer]) -> type[Layer] | None:
    """The package's class that `kind` is, or computes the same as; None for a layer in Python.

    Raises
    ------
    TypeError
        It is neither: it has no `apply`.
    """
    if kind.in_python:
        return None
    for base in kind.__mro__:
        if base in _ORIGINALS:
            return _ORIGINALS[base]
    raise TypeError(f"{kind.__name__} computes nothing: a layer needs apply and apply_gradient")


def name_in_files(kind: type[Layer]) -> str:
    """The name by which a saved net names a class: its own.

    Raises
    ------
    ValueError
        It is one of somebody else's, and has the name of one of the package's.
    """
    known = _ORIGINALS.get(kind)
    if known is not None:
        return known.__name__
    if kind.__name__ in LAYERS:
        raise ValueError(
            f"a net with {kind.__qualname__} of {kind.__module__} cannot be saved: rename the class, for "
            f"cnn.{kind.__name__} is another one"
        )
    return kind.__name__


def begins_with(layers: Sequence[Layer], kind: type[Kind]) -> TypeGuard[Sequence[Kind]]:
    """Whether the first of the layers, if there is one, is of exactly this class."""
    return bool(layers) and original(type(layers[0])) is kind
