"""`cnn.export.torch`: a net as a module of PyTorch."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...layers.base import Layer, layer_names
from ..layers import at_one_moment, method_of
from ..order import check_channels, flattened, reaches_dense
from .package import torch_package

if TYPE_CHECKING:
    from torch import nn


def torch(net: Any) -> nn.Sequential:
    """A net as a `torch.nn.Sequential` with the same parameters, to predict or to train on with PyTorch.

    It takes tensors (n, channels, height, width) for a net of images (height, width, channels), as all of PyTorch does,
    in the net's dtype, and gives logits. Modules have the names of `net.layer_names`; their weights are laid out as
    PyTorch's, those of a dense layer behind a `Flatten` permuted. Everything is copied. The module comes in evaluation
    mode: before a training, call its `train()`.

    `requires_grad` of parameters is `trainable` of their layer. `MaxPool2D(ties="all")` becomes a `MaxPool2d`, which
    gives the whole gradient to the first of equal maxima.

    Parameters
    ----------
    net : Sequential

    Returns
    -------
    torch.nn.Sequential

    Raises
    ------
    TypeError, ValueError
        What is no net; a layer that has no `to_torch`, which is named.
    ImportError
        PyTorch is not installed: `pip install 'cnn-c[torch]'`.
    """
    package, net = torch_package(), at_one_moment(net)
    writer = Modules(package, package.float64 if net.dtype == np.float64 else package.float32)
    return writer.chain(net.layers, net.layer_names).eval()


class Modules:
    """What a layer's `to_torch` is given: it adds its modules, of which the first takes what the layer below gave.

    A module has its layer's name; of several, the last one has, the others' names have their kind behind it.
    """

    def __init__(self, package: Any, dtype: Any) -> None:
        from . import modules as own  # which needs PyTorch

        self._torch, self._own, self._dtype = package, own, dtype
        self._made: list[Any] = []  # of the layer that is being written
        self._layer: Layer
        self._above: Sequence[Layer] = ()  # the layers that follow it
        self._order: np.ndarray | None = None  # of the last row's numbers, where it is not that of the net

    def add(self, kind: str, *arguments: Any, learned: Mapping[str, Any] | None = None, **options: Any) -> None:
        """Add a module of this kind, one of `torch.nn` or of `modules`, made with these arguments.

        Parameters
        ----------
        kind : str
        arguments, options
            Of its constructor.
        learned : mapping of str to array or None
            What its parameters and buffers hold, None for one that it has not.
        """
        module = getattr(self._own if hasattr(self._own, kind) else self._torch.nn, kind)(*arguments, **options)
        module.to(self._dtype)
        state = {name: self._tensor(value) for name, value in (learned or {}).items() if value is not None}
        for name, tensor in state.items():
            module.get_buffer(name).copy_(tensor) if "running" in name else self._set(module, name, tensor)
        self._made.append(module)

    def add_residual(self, layers: Sequence[Layer], shortcut: Sequence[Layer]) -> None:
        """Add the sum of two chains that take the same input."""
        names = layer_names([*layers, *shortcut])
        made, above = self._made, self._above
        chains = self.chain(layers, names[: len(layers)]), self.chain(shortcut, names[len(layers) :])
        self._made, self._above = [*made, self._own.Residual(*chains)], above

    def chain(self, layers: Sequence[Layer], names: Sequence[str]) -> Any:
        """Layers one after the other, as a Sequential."""
        named: OrderedDict[str, Any] = OrderedDict()
        for i, (layer, name) in enumerate(zip(layers, names, strict=True)):
            self._made, self._layer, self._above = [], layer, layers[i + 1 :]
            check_channels(layer, name)
            method_of(layer, name, "to_torch", "a module of PyTorch")(self)
            for module in self._made:
                is_last = module is self._made[-1]
                named[name if is_last else f"{name}_{type(module).__name__.lower()}"] = module
        return self._torch.nn.Sequential(named)

    # ---- rows ----

    def flatten(self, shape: tuple[int, ...]) -> None:
        """Add what makes rows of images of this shape, (h, w, c) of maps; see `Graph.flatten` of ONNX."""
        order = flattened(shape, (2, 0, 1)) if len(shape) == 3 else None
        if order is not None and reaches_dense(self._above):
            self._order = order
        self.add("Flatten" if order is None or self._order is not None else "FlattenChannelsLast")

    def in_order_of_row(self, weights: np.ndarray) -> np.ndarray:
        """Weights (inputs, units), in the order in which the last row has the inputs; later rows are in the net's."""
        order, self._order = self._order, None
        return weights if order is None else weights[order]

    def _tensor(self, value: np.ndarray) -> Any:
        return self._torch.from_numpy(np.array(value, order="C"))

    def _set(self, module: Any, name: str, value: Any) -> None:
        parameter = self._torch.nn.Parameter(value, requires_grad=self._layer.trainable)
        setattr(module, name, parameter)
