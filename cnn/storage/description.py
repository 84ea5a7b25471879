"""A net in a file: its layers described in plain JSON and read back, its parameters and statistics as tensors.

A description is read against a closed list of layers and their arguments, and a file's tensors are compared with what
these layers would have before anything is made. Nothing of it is ever executed or unpickled.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from ..layers.base import Layer, layer_names
from ..layers.registry import LAYERS, original
from . import archive

VERSION = 1
IMAGES = "images"  # the entry of what the net was fitted on, if it was
FIT = "run"  # the entry, and the beginning of the tensors' names, of what a checkpoint has beside the net
_MOST_LAYERS = 1000


class Net(Protocol):
    """A net, as far as it is described; `cnn.Sequential` is one."""

    @property
    def layers(self) -> Sequence[Layer]: ...
    @property
    def input_shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype: ...
    @property
    def image_range(self) -> Any: ...


class Described(NamedTuple):
    """The net of a file; its layers have been made, but not built."""

    layers: list[Layer]
    input_shape: tuple[int, ...]
    dtype: Literal["float32", "float64"]
    images: tuple[str, float, float] | None  # that the net was fitted on: dtype, minimum, maximum

    def learned_shapes(self) -> dict[str, tuple[int, ...]]:
        """Of everything that a net of these layers would learn, by name; no memory is taken."""
        shapes: dict[str, tuple[int, ...]] = {}
        shape = self.input_shape
        for name, layer in zip(layer_names(self.layers), self.layers, strict=True):
            shapes |= {f"{name}.{learned}": of for learned, of in layer.fix_shapes(shape).items()}
            shape = layer.output_shape
        return shapes


# ---- the net in JSON -----------------------------------------------------------------------------------------


def document(net: Net) -> dict[str, Any]:
    """What a net's file says beside its tensors."""
    images = net.image_range
    return {"version": VERSION, "net": describe(net)} | ({} if images is None else {IMAGES: images._asdict()})


def describe(net: Net) -> dict[str, Any]:
    """Shape, precision and layers of a net, in values that JSON has.

    Raises
    ------
    TypeError, ValueError
        What could not be read back: a layer that is none of this package, or whose arguments were assigned values that
        its constructor does not take; more layers than a file may name.
    """
    if len(net.layers) > _MOST_LAYERS:
        raise ValueError(f"a net to be saved must have at most {_MOST_LAYERS:,} layers, got {len(net.layers):,}")
    entries = [{"layer": original(type(layer)).__name__, **layer.configuration()} for layer in net.layers]
    for i, entry in enumerate(json.loads(json.dumps(entries))):
        _layer(f"layers[{i}]", entry)
    return {"input_shape": list(net.input_shape), "dtype": net.dtype.name, "layers": entries}


def read(document: Mapping[str, Any]) -> Described:
    """The net that a file's document describes; ValueError and others where it describes none."""
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
    layers = [_layer(f"layers[{i}]", entry) for i, entry in enumerate(entries)]
    return Described(layers, shape, dtype, _images(document[IMAGES]) if IMAGES in document else None)


def check_version(document: Mapping[str, Any]) -> None:
    """ValueError for a file of another version, or with entries that nobody knows."""
    if json.dumps(document.get("version")) != json.dumps(VERSION):  # true is not 1
        raise ValueError(f"its version must be {VERSION}, got {document.get('version')!r}; a later cnn-c may read it")
    if document.keys() - {FIT, IMAGES} != {"version", "net"}:
        raise ValueError(f"its entries must be those of a net, got {', '.join(document)}")


def _images(entry: Any) -> tuple[str, float, float]:
    images = archive.mapping(IMAGES, entry)
    if images.keys() != {"dtype", "minimum", "maximum"}:
        raise ValueError(f"{IMAGES} must have dtype, minimum and maximum, got {', '.join(images)}")
    dtype, minimum, maximum = images["dtype"], images["minimum"], images["maximum"]
    if dtype not in ("uint8", "float32", "float64"):
        raise ValueError(f"{IMAGES}' dtype must be uint8, float32 or float64, got {dtype!r}")
    if type(minimum) is not float or type(maximum) is not float or not -math.inf < minimum <= maximum < math.inf:
        raise ValueError(f"{IMAGES} must go from a finite number to one that is no smaller, got {minimum} to {maximum}")
    return dtype, minimum, maximum


def _layer(name: str, entry: Any) -> Layer:
    given = dict(archive.mapping(name, entry))
    kind = given.pop("layer", None)
    if not isinstance(kind, str) or kind not in LAYERS:
        raise ValueError(f"{name} must be one of {', '.join(LAYERS)}, got {kind!r}")
    if "activation" in given:  # a shorthand for users: in a net it is a layer of its own
        raise ValueError(f"{name}, a {kind}: activation must be a layer of its own, got {given['activation']!r}")
    try:
        layer = LAYERS[kind](**given)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name}, a {kind}: {error}") from error
    made = json.loads(json.dumps(layer.configuration()))
    if any(json.dumps(made[argument]) != json.dumps(value) for argument, value in given.items()):  # true is not 1
        raise ValueError(f"{name}, a {kind}: its arguments must be {made}, got {given}")
    return layer


# ---- the tensors ---------------------------------------------------------------------------------------------


def compare_shapes(expected: Mapping[str, tuple[int, ...]], file: archive.Archive) -> None:
    """ValueError where the file's tensors, except for those of a checkpoint's fit, are not those of the net."""
    declared = {
        name: shape for name, shape in file.shapes.items() if not (FIT in file.document and name.startswith(f"{FIT}/"))
    }
    if expected.keys() != declared.keys():
        lacking, unknown = sorted(expected.keys() - declared.keys()), sorted(declared.keys() - expected.keys())
        raise ValueError(f"its tensors must be those of its layers; lacking are {lacking}, unknown are {unknown}")
    for name, shape in expected.items():
        if declared[name] != shape:
            raise ValueError(f"{name!r} must have shape {shape} for a net of these layers, got {declared[name]}")
