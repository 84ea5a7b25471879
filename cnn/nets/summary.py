"""What `Sequential.summary` prints: a row a layer, and the totals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..backends.tables import text_table
from ..layers.base import Layer, layer_names


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


def summary_table(rows: Sequence[Row]) -> str:
    """The rows as text."""
    cells = [(name, shape, f"{parameters:,}", f"{macs:,}") for name, shape, parameters, macs in rows]
    return text_table([("layer", "output shape", "parameters", "MACs"), *cells], left=2)
