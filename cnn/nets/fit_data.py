"""What `Sequential.fit` trains on and validates with, checked: arrays, of which a part may be kept, or batches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, SupportsFloat, SupportsIndex, cast

from ..backends import checks
from ..datasets.shard import Shard
from ..training.batches import BatchSource
from ..training.settings import Data
from ..training.weights import image_weights

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from .inputs import Inputs


_INSTEAD = {  # of arguments that have no meaning for batches
    "batch_size": "they have sizes of their own",
    "shuffle": "they come in an order of their own",
    "class_weight": "their labels are not known before; weigh inside of a loss of your own",
    "sample_weight": "weigh inside of a loss of your own",
    "resume": "a fit is resumed with arrays x and y",
}


def checked_data(
    inputs: Inputs,
    loss: Any,
    x: ArrayLike | Iterable[Any],
    y: ArrayLike | None,
    validation_data: tuple[ArrayLike, ArrayLike] | None,
    validation_split: SupportsFloat,
    epochs: SupportsIndex,
    steps_per_epoch: SupportsIndex | None,
    *,
    class_weight: Any,
    sample_weight: Any,
    **for_arrays: Any,
) -> Data | BatchSource:
    """The data of a fit; TypeError and ValueError name the argument, also one of `for_arrays` where y is left out."""
    validation = None if validation_data is None else inputs.pair("validation_data", validation_data)
    split = checks.number("validation_split", validation_split, maximum=1.0)
    if split and validation is not None:
        raise ValueError(f"validation_split cannot be given with validation_data, got {split:g}")
    if isinstance(x, Shard):
        return _of_shard(inputs, loss, x, y, validation, split, class_weight, sample_weight)
    if y is not None:
        if steps_per_epoch is not None:
            raise ValueError(f"steps_per_epoch needs batches for x, and y left out, got {steps_per_epoch!r}")
        images = inputs.images("x", cast("ArrayLike", x))
        targets = inputs.targets("y", y, len(images))
        weights = image_weights(loss, targets, inputs.outputs, class_weight, sample_weight)
        data = Data(images, targets, validation, weights)
        return _with_split(data, split) if split else data
    if hasattr(x, "__array__") or not isinstance(x, Iterable):
        raise TypeError(f"y must be labels: they are left out where x gives batches (x, y), got x {type(x).__name__}")
    if split:
        raise ValueError(f"validation_split has no meaning where x gives batches, got {split:g}; give validation_data")
    for_arrays |= {"class_weight": class_weight, "sample_weight": sample_weight}
    for name, value in for_arrays.items():
        if value is not None:
            raise ValueError(f"{name} has no meaning where x gives batches, got {value!r}: {_INSTEAD[name]}")
    return BatchSource(x, inputs, validation, checks.integer("epochs", epochs, minimum=0), steps_per_epoch)


def _of_shard(
    inputs: Inputs,
    loss: Any,
    shard: Shard,
    y: Any,
    validation: Any,
    split: float,
    class_weight: Any,
    sample_weight: Any,
) -> Data:
    """What one process holds of the images, with the targets of all."""
    if y is not None or split:
        name, value = ("validation_split", f"{split:g}") if y is None else ("y", type(y).__name__)
        raise ValueError(f"{name} cannot be given where x is a Shard, got {value}")
    images = inputs.images("x", shard.x)
    first = checks.integer("x.first", shard.first, minimum=0)
    targets = inputs.targets("x.y", shard.y, len(shard.y))
    if first + len(images) > len(targets):
        raise ValueError(
            f"x.y must be the targets of all images, got {len(targets)} for images {first} to {len(images)}"
        )
    weights = image_weights(loss, targets, inputs.outputs, class_weight, sample_weight)
    return Data(images, targets, validation, weights, first)


def _with_split(data: Data, split: float) -> Data:
    """The last part of the images kept for the validation."""
    (x, y, _, weights, _), images = data, data.images
    first = int(images * (1.0 - split))  # as Keras rounds it
    if not 0 < first < images:
        raise ValueError(
            f"validation_split must leave an image or more to train on and one to validate with, got {split:g}, "
            f"which leaves {first} and {images - first} of {images}"
        )
    return Data(x[:first], y[:first], (x[first:], y[first:]), None if weights is None else weights[:first])
