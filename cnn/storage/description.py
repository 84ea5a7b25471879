"""A net in a file: its layers described in plain JSON and read back, its parameters and statistics as tensors.

A description is read against a closed list of layers and losses and their arguments, those of the package and those
that the reader gives, and a file's tensors are compared with what these layers would have before anything is made.
Nothing of it is ever executed, imported or unpickled.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from ..backends.parts import leaves
from ..layers.base import Layer, layer_names
from ..layers.registry import LAYERS, name_in_files
from ..losses import KNOWN as LOSSES
from ..losses import checked_loss, is_known
from . import archive

VERSION = 1
IMAGES = "images"  # the entry of what the net was fitted on, if it was
CLASSES = "classes"  # the entry of the classes' names, if they have any
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
    def loss(self) -> Any: ...
    @property
    def image_range(self) -> Any: ...

    @property
    def classes(self) -> tuple[str, ...] | None: ...


class Known(NamedTuple):
    """What a description may name beside the package's own: classes of layers, and a loss."""

    layers: tuple[type[Layer], ...] = ()
    loss: Any = None


_NOTHING = Known()


class Described(NamedTuple):
    """The net of a file; its layers have been made, but not built."""

    layers: list[Layer]
    input_shape: tuple[int, ...]
    dtype: Literal["float32", "float64"]
    images: tuple[str, float, float] | None  # that the net was fitted on: dtype, minimum, maximum
    loss: Any
    classes: tuple[str, ...] | None

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
    result = {"version": VERSION, "net": describe(net)}
    if net.image_range is not None:
        result[IMAGES] = net.image_range._asdict()
    if net.classes is not None:
        result[CLASSES] = list(net.classes)
    return result


def describe(net: Net) -> dict[str, Any]:
    """Shape, precision and layers of a net, in values that JSON has.

    Raises
    ------
    TypeError, ValueError
        What could not be read back: a layer whose arguments are no attributes of it, no values that JSON has, or were
        assigned values that its constructor does not take; more layers than a file may name.
    """
    count = len(leaves(net.layers))
    if count > _MOST_LAYERS:
        raise ValueError(f"a net to be saved must have at most {_MOST_LAYERS:,} layers, got {count:,}")
    entries = [_entry(f"layers[{i}]", layer) for i, layer in enumerate(net.layers)]
    known = Known(tuple(type(layer) for layer in leaves(net.layers) if type(layer).__name__ not in LAYERS))
    for i, entry in enumerate(json.loads(json.dumps(entries))):
        _layer(f"layers[{i}]", entry, known)
    loss = net.loss
    described = {"input_shape": list(net.input_shape), "dtype": net.dtype.name, "layers": entries}
    if repr(loss) == repr(checked_loss("loss", None)):  # the default, which files of earlier versions have
        return described
    return described | {"loss": describe_loss(loss)}


def _entry(name: str, layer: Layer) -> dict[str, Any]:
    """A layer in values that JSON has."""
    kind = type(layer)
    try:
        entry: dict[str, Any] = {"layer": name_in_files(kind)}
        for argument, value in layer.configuration().items():
            entry[argument] = [_entry(name, each) for each in value] if _are_layers(value) else value
        json.dumps(entry)
    except (AttributeError, TypeError, ValueError) as error:
        raise type(error)(
            f"{name}, a {kind.__name__}, cannot be saved: {error}; each argument of its constructor must be an "
            "attribute of the same name, of a value that JSON has, or configuration() must return such values"
        ) from error
    return entry if layer.trainable else entry | {"trainable": False}


def describe_loss(loss: Any) -> dict[str, Any]:
    """A loss by its name; with arguments, if it is one of the package's."""
    name = getattr(loss, "__name__", type(loss).__name__)
    return {"loss": name, **loss.configuration()} if is_known(loss) else {"loss": name, "given": True}


def read(document: Mapping[str, Any], known: Known = _NOTHING) -> Described:
    """The net that a file's document describes; ValueError and others where it describes none."""
    check_version(document)
    described = archive.mapping("net", document["net"])
    if described.keys() - {"loss"} != {"input_shape", "dtype", "layers"}:
        raise ValueError(f"its net must have input_shape, dtype and layers, got {', '.join(described)}")
    shape = archive.sizes("input_shape", described["input_shape"])
    dtype, entries = described["dtype"], described["layers"]
    if not shape:
        raise ValueError("input_shape must have at least one size, got none")
    if dtype not in ("float32", "float64"):
        raise ValueError(f'dtype must be "float32" or "float64", got {dtype!r}')
    if not isinstance(entries, list) or len(entries) > _MOST_LAYERS:
        raise ValueError(f"layers must be a list of at most {_MOST_LAYERS}, got {entries!r}")
    layers = [_layer(f"layers[{i}]", entry, known) for i, entry in enumerate(entries)]
    images = read_images(document[IMAGES]) if IMAGES in document else None
    loss = read_loss(described.get("loss"), known.loss)
    return Described(layers, shape, dtype, images, loss, document.get(CLASSES))  # once there is a net, they are checked


def check_version(document: Mapping[str, Any]) -> None:
    """ValueError for a file of another version, or with entries that nobody knows."""
    if json.dumps(document.get("version")) != json.dumps(VERSION):  # true is not 1
        raise ValueError(f"its version must be {VERSION}, got {document.get('version')!r}; a later cnn-c may read it")
    if document.keys() - {FIT, IMAGES, CLASSES} != {"version", "net"}:
        raise ValueError(f"its entries must be those of a net, got {', '.join(document)}")


def read_images(entry: Any) -> tuple[str, float, float]:
    """The dtype and the range of images that an entry describes; ValueError where it describes none."""
    images = archive.mapping(IMAGES, entry)
    if images.keys() != {"dtype", "minimum", "maximum"}:
        raise ValueError(f"{IMAGES} must have dtype, minimum and maximum, got {', '.join(images)}")
    dtype, minimum, maximum = images["dtype"], images["minimum"], images["maximum"]
    if dtype not in ("uint8", "float32", "float64"):
        raise ValueError(f"{IMAGES}' dtype must be uint8, float32 or float64, got {dtype!r}")
    if type(minimum) is not float or type(maximum) is not float or not -math.inf < minimum <= maximum < math.inf:
        raise ValueError(f"{IMAGES} must go from a finite number to one that is no smaller, got {minimum} to {maximum}")
    return dtype, minimum, maximum


def _layer(name: str, entry: Any, known: Known) -> Layer:
    given = dict(archive.mapping(name, entry))
    kind, trainable = given.pop("layer", None), given.pop("trainable", True)
    classes = LAYERS | {each.__name__: each for each in known.layers}
    if not isinstance(kind, str) or kind not in classes:
        raise ValueError(
            f"{name} must be one of {', '.join(classes)}, got {kind!r}; a layer of your own is read with "
            f"cnn.load(path, layers=[{kind if isinstance(kind, str) else '...'}])"
        )
    if "activation" in given:  # a shorthand for users: in a net it is a layer of its own
        raise ValueError(f"{name}, a {kind}: activation must be a layer of its own, got {given['activation']!r}")
    for argument, value in given.items():
        if isinstance(value, list) and any(isinstance(each, dict) for each in value):
            given[argument] = [_layer(f"{name}.{argument}[{i}]", each, known) for i, each in enumerate(value)]
    try:
        layer = classes[kind](**given)
        if trainable is not True:  # of a residual block, each part has its own
            layer.trainable = trainable
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name}, a {kind}: {error}") from error
    plain = {argument: value for argument, value in given.items() if not _are_layers(value)}
    made = json.loads(json.dumps({argument: layer.configuration()[argument] for argument in plain}))
    if any(json.dumps(made[argument]) != json.dumps(value) for argument, value in plain.items()):  # true is not 1
        raise ValueError(f"{name}, a {kind}: its arguments must be {made}, got {plain}")
    return layer


def _are_layers(value: Any) -> bool:
    """Whether an argument is layers, as that of a residual block."""
    return isinstance(value, list | tuple) and any(isinstance(each, Layer) for each in value)


def read_loss(entry: Any, given: Any) -> Any:
    """The loss that an entry describes, or the given one, if it has the entry's name; ValueError for neither."""
    arguments = dict(archive.mapping("loss", entry)) if entry is not None else {"loss": "SoftmaxCrossEntropy"}
    name = arguments.pop("loss", None)
    if arguments == {"given": True}:
        if given is None or getattr(given, "__name__", type(given).__name__) != name:
            raise ValueError(
                f"its loss is {name!r}, one of your own: read it with cnn.load(path, loss={name}), got {given!r}"
            )
        return checked_loss("loss", given)
    if given is not None:
        raise ValueError(f"loss is for a net with a loss of your own; the loss of this one is {name!r}")
    if not isinstance(name, str) or name not in LOSSES:
        raise ValueError(f"its loss must be one of {', '.join(LOSSES)}, got {name!r}")
    try:
        loss = LOSSES[name](**arguments)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"its loss, a {name}: {error}") from error
    if json.dumps(loss.configuration()) != json.dumps({**loss.configuration(), **arguments}):
        raise ValueError(f"its loss, a {name}: its arguments must be {loss.configuration()}, got {arguments}")
    return loss


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
