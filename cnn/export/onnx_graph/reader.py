"""An ONNX graph as layers: its nodes in their order, from the images to the logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...layers.activation import Sigmoid
from ...losses import targets_of
from ..chain import shapes
from ..chain.parsed import Parsed, parsed
from ..chain.tensor import CHANNELS_FIRST, CHANNELS_LAST, Tensor
from . import metadata
from .constants import ANY_BATCH, FOLDED, Folding
from .file import read_model
from .node import Node, Value
from .nodes import NODES
from .package import onnx_package

_ELEMENTWISE = frozenset(["Add", "Cast", "Div", "Identity", "LeakyRelu", "Mul", "Relu", "Sigmoid", "Sub", "Tanh"])

_OLDEST_OPSET = 7  # before, additions had other rules for shapes


def read(path: str) -> Parsed:
    """The net in an ONNX file; see `cnn.from_onnx` for what is raised. The message does not name the file."""
    return Graph(read_model(path)).parsed()


class Graph:
    """A model that is read."""

    def __init__(self, model: Any) -> None:
        self._package = onnx_package()
        self._model, self._graph = model, model.graph
        opsets = [each.version for each in model.opset_import if each.domain in ("", "ai.onnx")]
        if max(opsets, default=1) < _OLDEST_OPSET:
            raise ValueError(f"its opset must be at least {_OLDEST_OPSET}, got {max(opsets, default=1)}")
        self._fold = Folding(max(opsets))
        self._dtype = self._checked_dtype()
        to_array = self._package.numpy_helper.to_array
        self._values: dict[str, Value] = {"": None} | {each.name: to_array(each) for each in self._graph.initializer}
        self._batch = ANY_BATCH

    def parsed(self) -> Parsed:
        """The net that the graph computes."""
        self._take_input()
        for i, proto in enumerate(self._graph.node):
            self._take(
                proto, f"node {proto.name or proto.output[0]!r} ({proto.op_type}, {i + 1} of {len(self._graph.node)})"
            )
        if len(self._graph.output) != 1:
            raise ValueError(f"it must have one output, the logits, got {len(self._graph.output)}")
        y = self._values.get(self._graph.output[0].name)
        if not isinstance(y, Tensor):
            raise ValueError("its output is not computed from the images")
        classes, images, loss = metadata.read(self._texts())
        if targets_of(loss) == "bits" and self._graph.output[0].name == "probabilities":
            y = _without_sigmoid(y)
        return parsed(y, self._dtype)._replace(classes=classes, images=images, loss=loss)

    @property
    def _is_ours(self) -> bool:
        return bool(self._model.producer_name == metadata.PRODUCER)

    def _texts(self) -> dict[str, str]:
        """The metadata, of a file that was written here."""
        return {each.key: each.value for each in self._model.metadata_props} if self._is_ours else {}

    def _checked_dtype(self) -> str:
        kinds = {self._package.TensorProto.FLOAT: "float32", self._package.TensorProto.DOUBLE: "float64"}
        kind = self._graph.output[0].type.tensor_type.elem_type
        if kind not in kinds:
            raise ValueError("its output must be of float32 or float64")
        return kinds[kind]

    # ---- the input ----

    def _take_input(self) -> None:
        inputs = [each for each in self._graph.input if each.name not in self._values]
        if len(inputs) != 1:
            raise ValueError(f"it must have one input, images, got {[each.name for each in inputs]}")
        (images,) = inputs
        sizes = [size.dim_value for size in images.type.tensor_type.shape.dim]
        if len(sizes) < 2 or min(sizes[1:]) < 1:
            raise ValueError(f"its input {images.name!r} must have a fixed shape, the batch excepted, got {sizes}")
        self._batch = sizes[0] or ANY_BATCH
        axes = CHANNELS_LAST if self._has_channels_last(images.name, sizes[1:]) else CHANNELS_FIRST
        self._values[images.name] = shapes.start(sizes[1:], f"input {images.name!r}", axes)

    def _has_channels_last(self, name: str, sizes: Sequence[int]) -> bool:
        """Whether an input is maps (n, h, w, c): as its first convolution or pooling says, else by its sizes."""
        for proto in self._graph.node:
            if name not in proto.input:
                continue
            if proto.op_type == "Transpose":
                return list(_attributes(self._package, proto).get("perm", ())) == [0, 3, 1, 2]
            if proto.op_type not in _ELEMENTWISE:
                break
            name = proto.output[0]
        else:
            return False
        says_nothing = proto.op_type in ("Flatten", "Reshape") and not self._is_ours
        return says_nothing and shapes.likely_axes(sizes) == CHANNELS_LAST

    # ---- nodes ----

    def _take(self, proto: Any, place: str) -> None:
        try:
            self._values[proto.output[0]] = self._value(proto, place)
        except (ValueError, TypeError, LookupError, ArithmeticError) as error:
            raise ValueError(f"{place}: {error}") from error

    def _value(self, proto: Any, place: str) -> Value:
        """The first output of a node."""
        missing = [name for name in proto.input if name not in self._values]
        if missing:
            raise ValueError(f"nothing that can be read here gives {missing[0]!r}")
        values, attributes = [self._values[name] for name in proto.input], _attributes(self._package, proto)
        if proto.domain not in ("", "ai.onnx"):
            raise ValueError(f"operations of the domain {proto.domain!r} are no layers here")
        if proto.op_type == "Constant":
            return _constant(attributes, self._package)
        if proto.op_type == "Shape" and isinstance(values[0], Tensor):
            shape = [self._batch, *values[0].sizes]
            return np.array(shape[attributes.get("start", 0) : attributes.get("end")], np.int64)
        if not any(isinstance(value, Tensor) for value in values) and proto.op_type in FOLDED:
            return self._fold(proto, values)  # type: ignore[arg-type]
        node = Node(proto, place, [self._checked(value) for value in values], attributes)
        if proto.op_type == "Reshape":
            return self._reshaped(node)
        if proto.op_type == "Cast":
            self._check_cast(attributes["to"])
        if proto.op_type not in NODES:
            raise ValueError("no layer here computes that")
        return NODES[proto.op_type](node)

    def _checked(self, value: Value) -> Value:
        """An input of a node; ValueError for numbers of another precision than the net's."""
        if isinstance(value, np.ndarray) and value.dtype.kind not in "iub" and value.dtype.name != self._dtype:
            raise ValueError(f"its constants must be of {self._dtype}, as the output, got {value.dtype}")
        return value

    def _check_cast(self, kind: int) -> None:
        if self._package.helper.tensor_dtype_to_np_dtype(kind).name != self._dtype:
            raise ValueError(f"it must cast to {self._dtype}, as the output has")

    def _reshaped(self, node: Node) -> Tensor:
        """A reshape, whose first size is the batch's: as it is, 0 or -1."""
        sizes, x = [int(size) for size in node.constant(1)], node.x
        if not node.get("allowzero", 0):
            own = [self._batch, *x.sizes]
            sizes = [own[i] if size == 0 else size for i, size in enumerate(sizes)]
        if sizes[:1] == [-1] and -1 not in sizes[1:]:
            sizes[0] = self._batch
        if len(sizes) < 2 or sizes[0] != self._batch:
            raise ValueError(f"the batch must stay the first axis, got the shape {sizes}")
        return shapes.reshape(x, sizes[1:])


def _attributes(package: Any, proto: Any) -> dict[str, Any]:
    return {each.name: package.helper.get_attribute_value(each) for each in proto.attribute}


def _constant(attributes: dict[str, Any], package: Any) -> np.ndarray:
    ((name, value),) = attributes.items()
    if name == "value":
        array: np.ndarray = package.numpy_helper.to_array(value)
        return array
    if name not in ("value_float", "value_floats", "value_int", "value_ints"):
        raise ValueError(f"a constant must be numbers, got {name}")
    return np.array(value, np.float32 if "float" in name else np.int64)


def _without_sigmoid(y: Tensor) -> Tensor:
    """What a net gives whose probabilities were written."""
    return y._replace(step=y.step.below) if isinstance(y.step.layer, Sigmoid) and y.step.below is not None else y
