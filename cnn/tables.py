"""Tables as plain text, for what a net prints about itself and for the command line."""

from __future__ import annotations

from collections.abc import Sequence


def text_table(rows: Sequence[Sequence[str]], left: int) -> str:
    """Rows of cells, ruled below the first row and above the last; `left` columns are words, the others numbers."""
    lines = aligned(rows, left)
    rule = "-" * len(lines[0])
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def aligned(rows: Sequence[Sequence[str]], left: int) -> list[str]:
    """A line for each row of cells, its columns as wide as their widest; the first `left` are words."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:{'<' if i < left else '>'}{widths[i]}}" for i, cell in enumerate(row)) for row in rows]
