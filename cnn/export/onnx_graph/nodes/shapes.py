"""What changes no number: transposes, reshapes, zeros around a map, and what does nothing in a prediction."""

from __future__ import annotations

from ...chain import arithmetic, layers, shapes
from ...chain.tensor import Tensor
from ..node import Node
from .table import reads


@reads("Identity", "Cast")
def _identity(node: Node) -> Tensor:
    return node.x


@reads("Dropout")
def _dropout(node: Node) -> Tensor:
    """In a prediction it does nothing; trained on, the net drops as much."""
    ratio, training = node.optional(1), node.optional(2)
    if training is not None and training.any():
        raise ValueError("training_mode must be False")
    return layers.dropout(node.x, node.get("ratio", 0.5) if ratio is None else arithmetic.number(ratio.ravel()[0]))


@reads("Transpose")
def _transpose(node: Node) -> Tensor:
    return shapes.transpose(node.x, node.get("perm", tuple(reversed(range(len(node.x.axes) + 1)))))


@reads("Flatten")
def _flatten(node: Node) -> Tensor:
    node.expect("axis", 1)
    return shapes.flatten(node.x)


@reads("Squeeze")
def _squeeze(node: Node) -> Tensor:
    x, axes = node.x, node.integers("axes", 1)
    count = len(x.axes) + 1
    removed = {i for i, size in enumerate(x.sizes, 1) if size == 1} if axes is None else {axis % count for axis in axes}
    if 0 in removed:
        raise ValueError("the batch must stay the first axis")
    return shapes.reshape(x, [size for i, size in enumerate(x.sizes, 1) if i not in removed])


@reads("Unsqueeze")
def _unsqueeze(node: Node) -> Tensor:
    sizes, axes = list(node.x.sizes), node.integers("axes", 1) or ()
    count = len(sizes) + 1 + len(axes)
    for axis in sorted(axis % count for axis in axes):
        if not axis:
            raise ValueError("the batch must stay the first axis")
        sizes.insert(axis - 1, 1)
    return shapes.reshape(node.x, sizes)


@reads("Pad")
def _pad(node: Node) -> Tensor:
    x, pads, value = node.x, node.integers("pads", 1), node.optional(2)
    node.expect("mode", b"constant")
    if node.get("value", 0.0) or (value is not None and value.any()) or node.optional(3) is not None:
        raise ValueError("it must put zeros around maps")
    if pads is None or len(pads) != 8 or any(pads[i] for i in (0, 1, 4, 5)) or min(pads) < 0:
        raise ValueError(f"it must put zeros around maps (n, channels, height, width), got pads {pads}")
    return layers.zeros(x, ((pads[2], pads[6]), (pads[3], pads[7])))
