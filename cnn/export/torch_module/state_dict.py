"""A `state_dict` of PyTorch for a net of the same layers: by position, each tensor's layout turned."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ...backends import checks
from ...layers.base import Layer, layer_names
from ...layers.convolution import Convolution
from ...layers.dense import Dense
from ...layers.reshape import Flatten
from ...storage.archive import reading
from ...storage.regular import open_regular
from ..order import flattened

Group = dict[str, np.ndarray]  # the tensors of one module, by the last part of their names
_NAMES = {"weights": "weight", "gamma": "weight", "beta": "bias", "mean": "running_mean", "variance": "running_var"}
_COUNTER = "num_batches_tracked"  # of a BatchNorm, which has no counterpart here


def learned(layers: Sequence[Layer], source: Any) -> dict[str, np.ndarray]:
    """What the state of a module of PyTorch says of a net's parameters and statistics, by their names in `state()`.

    Parameters
    ----------
    layers : sequence of Layer
        Of the net, built.
    source : mapping of str to tensor, or path of a safetensors file
        A mapping in the order of the modules. A file has lost that order: its modules are sorted by their names,
        numbers in them by their value.

    Raises
    ------
    TypeError, ValueError
        What is no such thing; tensors that are not those of these layers, of which the first is named.
    OSError
        The file is missing or cannot be read.
    """
    if isinstance(source, Mapping):
        groups = _grouped({name: _array(name, tensor) for name, tensor in source.items()})
        return _by_position(layers, groups)
    path = checks.path("source", source)
    with reading(path):
        groups = _grouped(_read(path))
        return _by_position(layers, dict(sorted(groups.items(), key=lambda item: _natural(item[0]))))


def _array(name: str, tensor: Any) -> np.ndarray:
    value = np.asarray(tensor.detach().cpu().numpy() if hasattr(tensor, "detach") else tensor)
    if value.dtype.kind not in "fiu":
        raise TypeError(f"{name!r} must be a tensor of numbers, got {type(tensor).__name__}")
    return value


def _read(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    with open_regular(path) as file:
        data = file.read()
    try:
        return load(data)
    except SafetensorError as error:
        raise ValueError(f"it is no file of safetensors: {error}") from error


def _natural(name: str) -> list[tuple[int, str]]:
    """A key by which "conv10" comes after "conv2"."""
    return [(int(part) if part.isdigit() else -1, part) for part in re.split(r"(\d+)", name)]


def _grouped(tensors: Mapping[str, np.ndarray]) -> dict[str, Group]:
    groups: dict[str, Group] = {}
    for name, value in tensors.items():
        module, _, last = name.rpartition(".")
        if last != _COUNTER:
            groups.setdefault(module, {})[last] = value
    return groups


def _by_position(layers: Sequence[Layer], groups: dict[str, Group]) -> dict[str, np.ndarray]:
    """The first group for the first layer that has parameters, and so on."""
    result: dict[str, np.ndarray] = {}
    left, order = list(groups.items()), None
    for name, layer in _leaves(layers, ""):
        if isinstance(layer, Flatten):
            order = flattened(layer.input_shape, (2, 0, 1)) if len(layer.input_shape) == 3 else None
        own = layer.parameters | layer.statistics
        if not own:
            continue
        if not left:
            raise ValueError(f"source must have tensors for {name}, got only those of {', '.join(groups)}")
        module, group = left.pop(0)
        given = {_NAMES.get(key, key): key for key in own}
        if group.keys() != given.keys():
            raise ValueError(f"{module!r} must have {', '.join(given)} for {name}, got {', '.join(group)}")
        for last, key in given.items():
            turned = _turned(layer, group[last], order)
            if turned.shape != own[key].shape:
                raise ValueError(
                    f"{module}.{last} must fit {name}.{key} {own[key].shape}, got shape {group[last].shape}"
                )
            result[f"{name}.{key}"] = turned.astype(own[key].dtype)
        order = None if isinstance(layer, Dense) else order
    if left:
        raise ValueError(f"source must have no tensors beside those of the net's layers, got {left[0][0]!r}")
    return result


def _leaves(layers: Sequence[Layer], prefix: str) -> Iterator[tuple[str, Layer]]:
    """The layers by name; in place of residual blocks, their parts."""
    for name, layer in zip(layer_names(layers), layers, strict=True):
        if layer.parts:
            yield from _leaves(layer.parts, f"{prefix}{name}.")
        else:
            yield prefix + name, layer


def _turned(layer: Layer, value: np.ndarray, order: np.ndarray | None) -> np.ndarray:
    """A tensor in the layout of a layer's array; `order` is that of the row that the layer takes."""
    if isinstance(layer, Convolution) and value.ndim == 4:
        return value.transpose(2, 3, 1, 0)
    is_matrix = isinstance(layer, Dense) and value.ndim == 2
    value = value.T if is_matrix else value
    if order is None or len(order) != len(value) or (isinstance(layer, Dense) and not is_matrix):
        return value
    result = np.empty_like(value)
    result[order] = value
    return result
