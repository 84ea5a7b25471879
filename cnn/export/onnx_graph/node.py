"""`Node`: one node of a graph that is read, with the values of its inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..chain.arithmetic import number
from ..chain.tensor import Tensor

Value = Tensor | np.ndarray | None  # of a tensor in a graph; None for an input that is left out


class Node:
    """What a node says of itself.

    Attributes
    ----------
    operation : str
    place : str
        Its name, operation and number, for errors.
    values : list
        Of its inputs: a Tensor of images, a constant, or None.
    """

    def __init__(self, proto: Any, place: str, values: Sequence[Value], attributes: dict[str, Any]) -> None:
        self.operation: str = proto.op_type
        self.place, self.values = place, list(values)
        self._attributes = attributes

    @property
    def x(self) -> Tensor:
        """The first input, images."""
        return self.tensor(0)

    def tensor(self, i: int) -> Tensor:
        value = self.values[i] if i < len(self.values) else None
        if not isinstance(value, Tensor):
            raise ValueError(f"input {i} must be computed from the images, got a constant")
        return value._replace(place=self.place)

    def constant(self, i: int) -> np.ndarray:
        """An input that must be a constant."""
        value = self.optional(i)
        if value is None:
            raise ValueError(f"input {i} must be a constant, got none")
        return value

    def optional(self, i: int) -> np.ndarray | None:
        """An input that must be a constant, if it is there."""
        value = self.values[i] if i < len(self.values) else None
        if isinstance(value, Tensor):
            raise ValueError(f"input {i} must be a constant, got what is computed from the images")
        return value

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute: a float as the shortest number that it stands for, integers as a tuple."""
        value = self._attributes.get(name, default)
        if isinstance(value, float) and name in self._attributes:
            return number(np.float32(value))
        return tuple(value) if isinstance(value, list) else value

    def integers(self, name: str, i: int) -> tuple[int, ...] | None:
        """An attribute, which later versions of the operation have as an input."""
        if name in self._attributes:
            value = self._attributes[name]
            return tuple(value) if isinstance(value, list) else (int(value),)
        given = self.optional(i)
        return None if given is None else tuple(int(each) for each in given.ravel())

    def expect(self, name: str, expected: Any) -> None:
        """ValueError for an attribute that has another value."""
        value = self.get(name, expected)
        if value != expected:
            raise ValueError(f"{name} must be {expected!r}, got {value!r}")
