"""`cnn.from_onnx`, `cnn.from_torch`: nets from the files and modules of other programs."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

from ..backends import checks
from ..backends.select import operations
from ..export.chain.parsed import Parsed
from ..export.torch_module.package import torch_package
from ..layers.activation import Sigmoid
from ..layers.registry import begins_with
from ..losses import targets_of
from ..storage.archive import reading
from ..training.scale import ImageRange
from .sequential import Sequential

if TYPE_CHECKING:
    from torch import nn

    from ..backends.annotations import Backend, Shape
    from ..losses import AnyLoss


def from_onnx(path: str | PathLike[str], backend: Backend = "compiled", *, loss: AnyLoss | None = None) -> Sequential:
    """The net in an ONNX file, whose graph is one of layers that are here, one after the other.

    Such are the files of `cnn.export.onnx`, which come back with the same bits, and those of PyTorch's and Keras'
    exporters for nets of such layers. Images have channels last here, whatever the graph takes; the memory's order is
    turned, and weights of dense layers behind a flattening are permuted. A softmax at the end is left out: the net
    gives logits. Numbers for each channel that images are multiplied with, or added to, become a frozen `BatchNorm`.
    Where a graph of images makes rows of them at once, nothing in it says which axis the channels are: the last one, if
    that is the smallest, else the first.

    Parameters
    ----------
    path : str or pathlib.Path
    backend : "compiled" or "numpy"
    loss : Loss, callable or None
        None stands for that of the file, if it was written here, else for `cnn.losses.SoftmaxCrossEntropy()`. With one
        for yes and no, such as `cnn.losses.BinaryCrossEntropy()`, a sigmoid at the end is left out, too.

    Returns
    -------
    Sequential
        In float32 or float64, as the graph's output.

    Raises
    ------
    ValueError
        The file is no valid model of ONNX, or has data in other files; a node that no layer here is, or which stands
        where no net here has one: it is named with its operation and place.
    OSError
        There is no such file, or it cannot be read.
    ImportError
        The package onnx is not installed: `pip install 'cnn-c[onnx]'`.
    """
    path = checks.path("path", path)
    operations(backend)  # a wrong name is no error of the file
    from ..export.onnx_graph.reader import read

    with reading(path):
        return _made(read(path), backend, loss)


def from_torch(
    module: nn.Module, input_shape: Shape, backend: Backend = "compiled", *, loss: AnyLoss | None = None
) -> Sequential:
    """A net with the layers and the parameters of a module of PyTorch, which are copied.

    The module is an `nn.Sequential`, one of `cnn.export.torch`, or any other whose `forward` calls modules and
    functions one after the other, residual additions included: `torch.fx` records them, and no image is needed. It is
    read as in evaluation; `Dropout` keeps its rate, also that of whole channels (`Dropout2d`). A softmax at the end is
    left out: the net gives logits. Numbers for each channel that images are multiplied with, or added to, become a
    frozen `BatchNorm`.

    Parameters
    ----------
    module : torch.nn.Module
        Of parameters in float32 or float64.
    input_shape : tuple of int
        Of one image as the net takes it, (height, width, channels), though the module takes channels first; or
        (inputs,).
    backend : "compiled" or "numpy"
    loss : Loss, callable or None
        None stands for `cnn.losses.SoftmaxCrossEntropy()`. With one for yes and no, such as
        `cnn.losses.BinaryCrossEntropy()`, a sigmoid at the end is left out, too.

    Returns
    -------
    Sequential

    Raises
    ------
    TypeError
        What is no module.
    ValueError
        A `forward` that is no fixed sequence of calls; a module or function that no layer here is, or which stands
        where no net here has one: it is named with its kind and place.
    ImportError
        PyTorch is not installed: `pip install 'cnn-c[torch]'`.
    """
    shape = checks.image_shape("input_shape", input_shape)
    torch_package()
    from ..export.torch_module.reader import read

    return _made(read(module, shape), backend, loss)


def _made(parsed: Parsed, backend: Backend, loss: AnyLoss | None) -> Sequential:
    ends_with_sigmoid = begins_with(parsed.layers[-1:], Sigmoid)
    net = Sequential(
        parsed.layers[:-1] if ends_with_sigmoid and targets_of(loss) == "bits" else parsed.layers,
        parsed.input_shape,
        parsed.dtype,
        seed=0,
        backend=backend,
        loss=parsed.loss if loss is None else loss,
    )
    for layer, values in parsed.learned:
        arrays = layer.parameters | layer.statistics
        for name, value in values.items():
            arrays[name][...] = checks.parameter(name, value, arrays[name])
    net.classes = parsed.classes
    if parsed.images is not None:
        net.inputs.fit_to(ImageRange(*parsed.images))
    return net
