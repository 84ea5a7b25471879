"""A net as a file: its layers as plain JSON, its parameters and running statistics as tensors.

A file is read against a closed list of layers and their arguments, and its tensors are compared with what these layers
would have before anything is made. Nothing of it is ever executed or unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backends import checks
from ..backends.select import operations
from ..layers.base import Layer, layer_names
from ..layers.registry import LAYERS, original
from . import archive

if TYPE_CHECKING:
    from ..nets.sequential import Sequential

VERSION = 1
RUN = "run"  # the entry, and the beginning of the tensors' names, of what a checkpoint has beside the net
_MOST_LAYERS = 1000


def load(path, backend="compiled") -> Sequential:
    """The net in a file that `Sequential.save` or a `Checkpoint` wrote, ready to predict or to train on.

    Parameters
    ----------
    path : str or pathlib.Path
    backend : "compiled" or "numpy"

    Raises
    ------
    OSError
        There is no such file, or it cannot be read.
    ValueError
        It holds no net, or is damaged; nothing of it is executed, and nothing taken that the file does not hold.
    """
    from ..nets.sequential import Sequential

    path = checks.path("path", path)
    operations(backend)
    with reading(path), archive.Archive(path) as file:
        shape, dtype, stack = _described(file.document)
        compare_shapes(_learned_shapes(stack, shape), file)
        tensors = file.tensors()
        net = Sequential(stack, shape, dtype=dtype, seed=0, backend=backend)
        set_state(net, tensors)
    return net


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Let errors in what the file holds name the file; they may quote all of it."""
    try:
        yield
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
        raise ValueError(f"{path!r} cannot be loaded: {str(error)[:500]}") from error


# ---- the net in JSON -----------------------------------------------------------------------------------------


def document(net: Sequential) -> dict[str, Any]:
    """What a net's file says beside its tensors."""
    return {"version": VERSION, "net": description(net)}


def description(net: Sequential) -> dict[str, Any]:
    """Shape, precision and layers of a net, in values that JSON has.

    Raises
    ------
    ValueError
        More layers than a file may name: it could not be read back.
    """
    if len(net.layers) > _MOST_LAYERS:
        raise ValueError(f"a net to be saved must have at most {_MOST_LAYERS:,} layers, got {len(net.layers):,}")
    return {
        "input_shape": list(net.input_shape),
        "dtype": net.dtype.name,
        "layers": [{"layer": original(type(layer)).__name__, **layer.configuration()} for layer in net.layers],
    }


def _described(document: Mapping[str, Any]) -> tuple[tuple[int, ...], str, list[Layer]]:
    """A file's net: input_shape, dtype and layers, which have been made but not built."""
    check_version(document)
    described = archive.mapping("net", document["net"])
    if described.keys() != {"input_shape", "dtype", "layers"}:
        raise ValueError(f"its net must have input_shape, dtype and layers, got {', '.join(described)}")
    shape = archive.sizes("input_shape", described["input_shape"])
    dtype, entries = described["dtype"], described["layers"]
    if not shape:
        raise ValueError("input_shape must have at least one size, got none")
    if dtype not in ("float32", "float64"):
        raise ValueError(f'dtype must be "float32" or "float64", got {dtype!r}')
    if not isinstance(entries, list) or len(entries) > _MOST_LAYERS:
        raise ValueError(f"layers must be a list of at most {_MOST_LAYERS}, got {entries!r}")
    return shape, dtype, [_layer(f"layers[{i}]", entry) for i, entry in enumerate(entries)]


def check_version(document: Mapping[str, Any]) -> None:
    """ValueError for a file of another version, or with entries that nobody knows."""
    if json.dumps(document.get("version")) != json.dumps(VERSION):  # true is not 1
        raise ValueError(f"its version must be {VERSION}, got {document.get('version')!r}; a later cnn-c may read it")
    if document.keys() - {RUN} != {"version", "net"}:
        raise ValueError(f"its entries must be those of a net, got {', '.join(document)}")


def _layer(name: str, entry: Any) -> Layer:
    given = dict(archive.mapping(name, entry))
    kind = given.pop("layer", None)
    if not isinstance(kind, str) or kind not in LAYERS:
        raise ValueError(f"{name} must be one of {', '.join(LAYERS)}, got {kind!r}")
    try:
        layer = LAYERS[kind](**given)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name}, a {kind}: {error}") from error
    made = json.loads(json.dumps(layer.configuration()))
    if any(json.dumps(made[argument]) != json.dumps(value) for argument, value in given.items()):  # true is not 1
        raise ValueError(f"{name}, a {kind}: its arguments must be {made}, got {given}")
    return layer


# ---- the tensors ---------------------------------------------------------------------------------------------


def _learned_shapes(stack: list[Layer], shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Of everything that a net of these layers would learn, by name; no memory is taken."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, layer in zip(layer_names(stack), stack, strict=True):
        shapes |= {f"{name}.{learned}": of for learned, of in layer.fix_shapes(shape).items()}
        shape = layer.output_shape
    return shapes


def compare_shapes(expected: Mapping[str, tuple[int, ...]], file: archive.Archive) -> None:
    """ValueError where the file's tensors, except for those of a checkpoint's run, are not those of the net."""
    declared = {
        name: shape for name, shape in file.shapes.items() if not (RUN in file.document and name.startswith(f"{RUN}/"))
    }
    if expected.keys() != declared.keys():
        lacking, unknown = sorted(expected.keys() - declared.keys()), sorted(declared.keys() - expected.keys())
        raise ValueError(f"its tensors must be those of its layers; lacking are {lacking}, unknown are {unknown}")
    for name, shape in expected.items():
        if declared[name] != shape:
            raise ValueError(f"{name!r} must have shape {shape} for a net of these layers, got {declared[name]}")


def set_state(net: Sequential, tensors: Mapping[str, np.ndarray]) -> None:
    """Give a net the parameters and statistics among `tensors`; ValueError, before any, where they do not fit."""
    state = net.state()
    for name, value in state.items():
        checks.parameter(name, tensors[name], value)
    for name, value in state.items():
        value[...] = tensors[name]
