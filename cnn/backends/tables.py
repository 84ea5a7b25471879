"""Plain text: tables, for what a net prints about itself and for the command line; and calls, for `repr`."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

LINE = 120  # characters that a line of a `repr` may have

T = TypeVar("T")


def text_table(rows: Sequence[Sequence[str]], left: int) -> str:
    """Rows of cells, ruled below the first row and above the last; `left` columns are words, the others numbers."""
    lines = aligned(rows, left)
    rule = "-" * len(lines[0])
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def aligned(rows: Sequence[Sequence[str]], left: int) -> list[str]:
    """A line for each row of cells, its columns as wide as their widest; the first `left` are words."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:{'<' if i < left else '>'}{widths[i]}}" for i, cell in enumerate(row)) for row in rows]


def call(kind: type, arguments: Mapping[str, Any]) -> str:
    """The call that makes an object of a class with these arguments, those with many elements abbreviated.

    If it is longer than a line, each argument gets a line of its own.
    """
    told = [f"{name}={_VALUES.repr(value)}" for name, value in arguments.items()]
    line = f"{kind.__name__}({', '.join(told)})"
    if len(line) <= LINE and "\n" not in line:
        return line
    return "\n".join([f"{kind.__name__}(", *(f"    {one_line(text, LINE - 5)}," for text in told), ")"])


def one_line(text: str, longest: int) -> str:
    """A text without line breaks, its end cut off if it is longer than so many characters."""
    text = " ".join(map(str.strip, text.splitlines())) if "\n" in text else text
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def without_middle(items: Sequence[T], most: int, gap: Callable[[int], T]) -> list[T]:
    """The items, or of more than `most` the first and the last, and between them `gap` of the number of the others."""
    omitted = len(items) - most + 1
    if omitted <= 1:
        return list(items)
    return [*items[: most // 2], gap(omitted), *items[most // 2 + omitted :]]


class _Values(reprlib.Repr):
    """Values in few characters: arrays as dtype and shape, functions as their names; long strings and sequences cut."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 90

    def repr_ndarray(self, array: np.ndarray, level: int) -> str:
        return f"{array.dtype} {array.shape}"

    def repr_function(self, function: Any, level: int) -> str:
        return str(function.__qualname__)


_VALUES = _Values()
