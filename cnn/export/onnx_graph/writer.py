"""`cnn.export.onnx`: a net as an ONNX file."""

from __future__ import annotations

from importlib.metadata import version
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex

from ...backends import checks
from ...losses import has_accuracy, targets_of
from ...storage.atomic import write_atomically
from ..layers import at_one_moment
from . import metadata
from .package import onnx_package

if TYPE_CHECKING:
    from .graph import Graph

OLDEST_OPSET, NEWEST_OPSET = 17, 21  # the first has LayerNormalization; every release of ONNX Runtime reads it
_MOST_BYTES = 2**31 - 1  # of a protocol buffer


def onnx(
    net: Any,
    path: str | PathLike[str],
    *,
    opset: SupportsIndex = OLDEST_OPSET,
    input_dtype: Literal["float32", "uint8"] = "float32",
    softmax: bool = False,
) -> None:
    """Write a net as an ONNX file, for ONNX Runtime and all that reads this format.

    The graph takes `images`, (n, channels, height, width) for a net of images (height, width, channels) and n as one
    likes, and gives `logits`; a net of rows takes (n, inputs). Channels come first because ONNX's convolution wants
    them so: of a dense layer behind a `Flatten` the weights are permuted, and no map is transposed for it. Everything
    is in float32, also of a float64 net: ONNX Runtime has no convolution in float64. `Dropout` does nothing in a
    prediction and is left out. Nodes and tensors have the names of `net.layer_names`.

    The model's metadata are texts of JSON: `classes`, `rescaling` (of the first layer: scale and offset),
    `image_range` (of the last fit's images), `loss`. `cnn.from_onnx` reads the file back.

    Parameters
    ----------
    net : Sequential
    path : str or pathlib.Path
        An old file is replaced in one moment; whatever happens, there is that one or the new one.
    opset : int from 17 to 21
        The version of ONNX's operations. With 17, the file has IR version 8, which ONNX Runtime 1.12 reads.
    input_dtype : "float32" or "uint8"
        Of the images that the graph takes.
    softmax : bool
        Whether it gives `probabilities` and not logits: their softmax, or sigmoids, as `predict_proba` does.

    Raises
    ------
    TypeError, ValueError
        Options that are none; `softmax` for a net whose loss has no probabilities; a layer that has no `to_onnx`,
        which is named; a net of more than 2 GB.
    OSError
        The file cannot be written.
    ImportError
        The package onnx is not installed: `pip install 'cnn-c[onnx]'`.
    """
    path, net = checks.path("path", path), at_one_moment(net)
    opset = checks.integer("opset", opset, minimum=OLDEST_OPSET, maximum=NEWEST_OPSET)
    if input_dtype not in ("float32", "uint8"):
        raise ValueError(f'input_dtype must be "float32" or "uint8", got {input_dtype!r}')
    if checks.flag("softmax", softmax) and not has_accuracy(net.loss):
        raise ValueError(f"softmax must be False for a net trained by {net.loss!r}, which gives no probabilities")
    write_atomically(path, model(net, opset, input_dtype, softmax))


def model(net: Any, opset: int, input_dtype: str, softmax: bool) -> bytes:
    """The bytes of the file; arguments as for `onnx`, and right."""
    package = onnx_package()
    from .graph import Graph

    graph = Graph(opset, "images")
    if input_dtype == "uint8":
        graph.add("Cast", to=package.TensorProto.FLOAT)
        graph.rename_output("images_float32")
    graph.chain(net.layers, net.layer_names)
    _add_output(graph, net, softmax)
    return _bytes(package, graph, net, input_dtype)


def _add_output(graph: Graph, net: Any, softmax: bool) -> None:
    """Name the graph's output; with its softmax or sigmoids, if asked for."""
    targets = targets_of(net.loss)
    if softmax and targets == "labels":
        graph.add("Softmax", axis=1)
    elif softmax:
        graph.add("Sigmoid")
    elif not graph.nodes or graph.nodes[-1].output[0] != graph.output:
        graph.add("Identity")
    graph.rename_output("probabilities" if softmax else "logits" if targets in ("labels", "bits") else "outputs")


def _bytes(package: Any, graph: Graph, net: Any, input_dtype: str) -> bytes:
    helper, types = package.helper, package.TensorProto
    shape = net.input_shape if len(net.input_shape) != 3 else (net.input_shape[2], *net.input_shape[:2])
    kind = types.UINT8 if input_dtype == "uint8" else types.FLOAT
    described = helper.make_graph(
        graph.nodes,
        "net",
        [helper.make_tensor_value_info("images", kind, ["n", *shape])],
        [helper.make_tensor_value_info(graph.output, types.FLOAT, ["n", *net.output_shape])],
        graph.constants,
    )
    opsets = [helper.make_opsetid("", graph.opset)]
    made = helper.make_model(
        described,
        opset_imports=opsets,
        ir_version=helper.find_min_ir_version_for(opsets),
        producer_name=metadata.PRODUCER,
        producer_version=version("cnn-c"),
    )
    helper.set_model_props(made, metadata.entries(net))
    if made.ByteSize() > _MOST_BYTES:
        raise ValueError(f"a net must take at most {_MOST_BYTES:,} bytes as ONNX, got {made.ByteSize():,}")
    package.checker.check_model(made)
    result: bytes = made.SerializeToString()
    return result
