"""What `Sequential.summary` prints and a notebook shows: a row a layer, and the totals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..backends.tables import text_table, without_middle
from ..layers.base import Layer, layer_names

MOST_ROWS = 24  # of layers, that a notebook shows
TIMES = "\N{MULTIPLICATION SIGN}"


class Row(NamedTuple):
    """A layer's name and output shape, its parameters, and the multiply-adds of one image's forward pass."""

    name: str
    shape: str
    parameters: int
    macs: int


def summary_rows(layers: Sequence[Layer], times: str = "x") -> list[Row]:
    """A row for each layer of a net, and one for all; `times` stands between the sizes of a shape."""

    def sizes(shape: tuple[int, ...]) -> str:
        return f" {times} ".join(map(str, shape))

    rows = [
        Row(name, sizes(layer.output_shape), sum(value.size for value in layer.parameters.values()), layer.macs)
        for name, layer in zip(layer_names(layers), layers, strict=True)
    ]
    parameters, macs = sum(row.parameters for row in rows), sum(row.macs for row in rows)
    return [*rows, Row("total", f"from {sizes(layers[0].input_shape)}", parameters, macs)]


def summary_table(layers: Sequence[Layer]) -> str:
    """The rows as text."""
    return text_table(_cells(summary_rows(layers)), left=2)


def summary_html(layers: Sequence[Layer], kind: str, dtype: str) -> str:
    """The rows as HTML, of many layers the first and the last ones."""
    from ..backends.html import table, view  # with ElementTree, which not every program needs

    head, *rows, total = _cells(summary_rows(layers, TIMES))
    rows = without_middle(rows, MOST_ROWS, lambda omitted: (f"... {omitted:,} more layers", "", "", ""))
    return view(kind, dtype, table([head, *rows, total], left=2))


def _cells(rows: Sequence[Row]) -> list[tuple[str, str, str, str]]:
    """A head, and the rows in words."""
    told = ((name, shape, f"{parameters:,}", f"{macs:,}") for name, shape, parameters, macs in rows)
    return [("layer", "output shape", "parameters", "MACs"), *told]
