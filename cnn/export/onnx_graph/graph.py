"""`Graph`: the nodes and constants of an ONNX graph, as layers add them one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from ...layers.base import Layer, layer_names
from ..layers import method_of
from ..order import check_channels, flattened, reaches_dense

CHANNELS_FIRST, CHANNELS_LAST = (0, 3, 1, 2), (0, 2, 3, 1)  # as `perm` of Transpose


class Graph:
    """What a layer's `to_onnx` is given: it adds its nodes, of which the first takes what the layer below gave.

    A node, and the tensor that it gives, has its layer's name; of several, the last one has, the others' names have
    their operation behind it.

    Attributes
    ----------
    opset : int
    output : str
        The tensor that the last node gave.
    nodes, constants : list
        What was added, in its order.
    """

    def __init__(self, opset: int, output: str) -> None:
        self.opset, self.output = opset, output
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self._name = ""  # of the layer that is being written
        self._above: Sequence[Layer] = ()  # the layers that follow it
        self._order: np.ndarray | None = None  # of the last row's numbers, where it is not that of the net

    def add(self, operation: str, *others: str, **attributes: Any) -> None:
        """Add a node that takes the last one's output, and then the tensors `others`."""
        of_layer = sum(node.name.startswith(f"{self._name}.") for node in self.nodes)
        name = f"{self._name}.{operation.lower()}_{of_layer + 1}"
        self.nodes.append(helper.make_node(operation, [self.output, *others], [name], name, **attributes))
        self.output = name

    def constant(self, name: str, value: Any) -> str:
        """Add an array, in float32, under the layer's name and its own; the name of the tensor."""
        name = f"{self._name}.{name}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, np.float32, order="C"), name))
        return name

    def constants_of(self, learned: dict[str, np.ndarray | None]) -> list[str]:
        """Add several, by name, except for those that are None; the names of the tensors."""
        return [self.constant(name, value) for name, value in learned.items() if value is not None]

    # ---- layers ----

    def chain(self, layers: Sequence[Layer], names: Sequence[str]) -> None:
        """Write layers one after the other."""
        outside, above = self._name, self._above
        for i, (layer, name) in enumerate(zip(layers, names, strict=True)):
            self._name, self._above, before = name, layers[i + 1 :], len(self.nodes)
            check_channels(layer, name)
            method_of(layer, name, "to_onnx", "ONNX")(self)
            if len(self.nodes) > before:
                self.rename_output(name)
        self._name, self._above = outside, above

    def branches(self, layers: Sequence[Layer], shortcut: Sequence[Layer]) -> tuple[str, str]:
        """Write two chains that begin at the last output, under the layer's name; the outputs of both."""
        start, outputs = self.output, []
        names = [f"{self._name}.{name}" for name in layer_names([*layers, *shortcut])]
        for chain, own in ((layers, names[: len(layers)]), (shortcut, names[len(layers) :])):
            self.output = start
            self.chain(chain, own)
            outputs.append(self.output)
        return outputs[0], outputs[1]

    def rename_output(self, name: str) -> None:
        """Give the last node, and the tensor that it gives, another name."""
        self.nodes[-1].name = self.nodes[-1].output[0] = self.output = name

    # ---- rows ----

    def flatten(self, shape: tuple[int, ...]) -> None:
        """Make rows of images of this shape, (h, w, c) of maps.

        A map lies with its channels first. Its row is left in that order, if it goes to a dense layer, which asks
        `in_order_of_row`; else the map is transposed.
        """
        order = flattened(shape, (2, 0, 1)) if len(shape) == 3 else None
        if order is not None and reaches_dense(self._above):
            self._order = order
        elif order is not None:
            self.add("Transpose", perm=CHANNELS_LAST)
        if len(shape) > 1:
            self.add("Flatten", axis=1)

    def in_order_of_row(self, weights: np.ndarray) -> np.ndarray:
        """Weights (inputs, units), in the order in which the last row has the inputs; later rows are in the net's."""
        order, self._order = self._order, None
        return weights if order is None else weights[order]
