"""What `Sequential.fit` trains on and validates with, checked; a part of the images may be kept for the validation."""

from __future__ import annotations

from typing import TYPE_CHECKING, SupportsFloat

from ..backends import checks
from ..training.settings import Data

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from .inputs import Inputs


def checked_data(
    inputs: Inputs,
    x: ArrayLike,
    y: ArrayLike,
    validation_data: tuple[ArrayLike, ArrayLike] | None,
    validation_split: SupportsFloat,
) -> Data:
    """The data of a fit, in the form that the runners read; TypeError and ValueError name the argument."""
    x = inputs.images("x", x)
    y = inputs.labels("y", y, len(x))
    split = checks.number("validation_split", validation_split, maximum=1.0)
    if validation_data is not None:
        if split:
            raise ValueError(f"validation_split cannot be given with validation_data, got {split:g}")
        return Data(x, y, inputs.pair("validation_data", validation_data))
    if not split:
        return Data(x, y, None)
    first = int(len(x) * (1.0 - split))  # as Keras rounds it
    if not 0 < first < len(x):
        raise ValueError(
            f"validation_split must leave an image or more to train on and one to validate with, got {split:g}, "
            f"which leaves {first} and {len(x) - first} of {len(x)}"
        )
    return Data(x[:first], y[:first], (x[first:], y[first:]))
