"""What `Sequential.fit` trains on and validates with, checked: arrays, of which a part may be kept, or batches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, SupportsFloat, SupportsIndex, cast

import numpy as np

from ..backends import checks
from ..training.batches import BatchSource
from ..training.settings import Data

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from .inputs import Inputs


_INSTEAD = {  # of arguments that have no meaning for batches
    "batch_size": "they have sizes of their own",
    "shuffle": "they come in an order of their own",
    "resume": "a fit is resumed with arrays x and y",
}


def checked_data(
    inputs: Inputs,
    x: ArrayLike | Iterable[Any],
    y: ArrayLike | None,
    validation_data: tuple[ArrayLike, ArrayLike] | None,
    validation_split: SupportsFloat,
    epochs: SupportsIndex,
    steps_per_epoch: SupportsIndex | None,
    **for_arrays: Any,
) -> Data | BatchSource:
    """The data of a fit; TypeError and ValueError name the argument, also one of `for_arrays` where y is left out."""
    validation = None if validation_data is None else inputs.pair("validation_data", validation_data)
    split = checks.number("validation_split", validation_split, maximum=1.0)
    if split and validation is not None:
        raise ValueError(f"validation_split cannot be given with validation_data, got {split:g}")
    if y is not None:
        if steps_per_epoch is not None:
            raise ValueError(f"steps_per_epoch needs batches for x, and y left out, got {steps_per_epoch!r}")
        images = inputs.images("x", cast("ArrayLike", x))
        labels = inputs.labels("y", y, len(images))
        return _with_split(images, labels, split) if split else Data(images, labels, validation)
    if hasattr(x, "__array__") or not isinstance(x, Iterable):
        raise TypeError(f"y must be labels: they are left out where x gives batches (x, y), got x {type(x).__name__}")
    if split:
        raise ValueError(f"validation_split has no meaning where x gives batches, got {split:g}; give validation_data")
    for name, value in for_arrays.items():
        if value is not None:
            raise ValueError(f"{name} has no meaning where x gives batches, got {value!r}: {_INSTEAD[name]}")
    return BatchSource(x, inputs, validation, checks.integer("epochs", epochs, minimum=0), steps_per_epoch)


def _with_split(x: np.ndarray, y: np.ndarray, split: float) -> Data:
    """The last part of the images kept for the validation."""
    first = int(len(x) * (1.0 - split))  # as Keras rounds it
    if not 0 < first < len(x):
        raise ValueError(
            f"validation_split must leave an image or more to train on and one to validate with, got {split:g}, "
            f"which leaves {first} and {len(x) - first} of {len(x)}"
        )
    return Data(x[:first], y[:first], (x[first:], y[first:]))
