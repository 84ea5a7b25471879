"""Layers that are made of others, such as residual blocks: by their parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:

    class HasParts(Protocol):
        """A layer, as far as that goes."""

        parts: Any


Part = TypeVar("Part", bound="HasParts")


def leaves(layers: Sequence[Part]) -> list[Part]:
    """The layers, and in place of those that are made of others, their parts."""
    return [leaf for layer in layers for leaf in (leaves(layer.parts) if layer.parts else [layer])]
