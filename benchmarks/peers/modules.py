"""The layers of a net as modules of PyTorch: a function for each kind of layer."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from .case import Arrays
from .nets import Layer

NAMES = {"gamma": "weight", "beta": "bias", "mean": "running_mean", "variance": "running_var", "weights": "weight"}


class FlattenChannelsLast(nn.Module):
    """Each image as one row, ordered h, w, c: of a tensor in channels-last format a view, where Flatten copies."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).flatten(1)


class Residual(nn.Module):
    """The sum of two chains."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.branch, self.shortcut = branch, shortcut

    def forward(self, x: Tensor) -> Tensor:
        return self.branch(x) + self.shortcut(x)


class Modules:
    """Makes modules with our values in them.

    Attributes
    ----------
    tensors : dict of str to tensor
        The modules' parameters and statistics by our names, as views in our layout.
    """

    def __init__(self, state: Arrays, memory_format: torch.memory_format) -> None:
        self.state, self.memory_format = state, memory_format
        self.channels_last = memory_format is torch.channels_last
        self.flattened: tuple[int, ...] = ()  # the maps (h, w, c) that the next dense layer takes as rows c, h, w
        self.tensors: dict[str, Tensor] = {}

    def chain(self, layers: Iterable[Layer]) -> nn.Sequential:
        """Layers one after the other."""
        return nn.Sequential(*(getattr(self, layer.kind.lower())(layer) for layer in layers))

    def residual(self, layer: Layer) -> nn.Module:
        return Residual(self.chain(layer.branch), self.chain(layer.shortcut))

    # ---- with parameters ----

    def conv2d(self, layer: Layer) -> nn.Module:
        names = ("kernel_size", "stride", "padding", "dilation", "groups", "bias")
        options = {name: layer.options[name] for name in names}
        module = nn.Conv2d(layer.input_shape[-1], layer.options["filters"], **options)
        module.to(memory_format=self.memory_format)
        return self.filled(layer, module, module.weight.permute(2, 3, 1, 0))

    def dense(self, layer: Layer) -> nn.Module:
        units = layer.options["units"]
        module = nn.Linear(layer.input_shape[0], units, bias=layer.options["bias"])
        weights = module.weight.T
        if self.flattened:
            h, w, c = self.flattened
            weights = module.weight.view(units, c, h, w).permute(2, 3, 1, 0)
        self.flattened = ()
        return self.filled(layer, module, weights)

    def batchnorm(self, layer: Layer) -> nn.Module:
        options = {"eps": layer.options["epsilon"], "momentum": 1 - layer.options["momentum"]}
        module = nn.BatchNorm2d(layer.input_shape[-1], **options)
        module.num_batches_tracked = None  # PyTorch would count them, which needs a kernel
        return self.filled(layer, module)

    def filled(self, layer: Layer, module: nn.Module, weights: Tensor | None = None) -> nn.Module:
        """The module with our values of this layer; `weights` is a view of its weight in our layout."""
        for name, value in self.state.items():
            owner, _, own = name.rpartition(".")
            if owner == layer.name:
                tensor = weights if own == "weights" else getattr(module, NAMES.get(own, own))
                self.tensors[name] = tensor.detach()
                self.tensors[name].copy_(torch.from_numpy(value.copy()).view(tensor.shape))
        return module

    def values(self) -> Arrays:
        """What the modules hold now, by our names and in our layout."""
        return {name: tensor.numpy().reshape(self.state[name].shape) for name, tensor in self.tensors.items()}

    # ---- without ----

    def relu(self, layer: Layer) -> nn.Module:
        return nn.ReLU(inplace=True)

    def maxpool2d(self, layer: Layer) -> nn.Module:
        return nn.MaxPool2d(layer.options["pool_size"], layer.options["stride"])

    def globalavgpool2d(self, layer: Layer) -> nn.Module:
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def flatten(self, layer: Layer) -> nn.Module:
        if self.channels_last:
            return FlattenChannelsLast()
        self.flattened = layer.input_shape
        return nn.Flatten()

    def dropout(self, layer: Layer) -> nn.Module:
        return nn.Dropout(layer.options["rate"])
