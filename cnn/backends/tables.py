"""Plain text: tables, for what a net prints about itself and for the command line; and calls, for `repr`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


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
    """The call that makes an object of a class with these arguments."""
    return f"{kind.__name__}({', '.join(f'{name}={value!r}' for name, value in arguments.items())})"
