"""What a fit is given beside its optimiser and its callbacks, checked."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..backends import checks
from ..backends.tables import call
from ..losses import rule_of
from .augment import Augment


class Data(NamedTuple):
    """What a fit trains on and validates with; both in the form that the runners read."""

    x: np.ndarray
    y: np.ndarray
    validation: tuple[np.ndarray, np.ndarray] | None
    weights: np.ndarray | None = None  # what each image counts
    first: int | None = None  # of all images, the first of those in x; None where x holds all

    @property
    def images(self) -> int:
        """Of an epoch."""
        return len(self.y)

    def __repr__(self) -> str:
        return call(type(self), self._asdict())


class Settings(NamedTuple):
    """How a fit trains, beside its optimiser."""

    epochs: int
    batch_size: int  # 0 where batches are given
    shuffle: bool
    seed: Any
    augment: Augment | None
    label_smoothing: float | None  # None leaves it to the loss


def checked_settings(
    images: int,
    *,
    epochs: Any,
    batch_size: Any,
    shuffle: Any,
    seed: Any,
    augment: Any,
    label_smoothing: Any,
    loss: Any,
) -> Settings:
    """The settings of a fit on so many images, 0 for batches; TypeError and ValueError name the argument."""
    if augment is not None and not isinstance(augment, Augment):
        raise TypeError(f"augment must be a cnn.Augment or None, got {augment!r}")
    if label_smoothing is not None:
        label_smoothing = checks.number("label_smoothing", label_smoothing, maximum=1.0)
        if label_smoothing and rule_of(loss).kind != "softmax_cross_entropy":
            raise ValueError(f"label_smoothing is of cnn.losses.SoftmaxCrossEntropy, and the net's loss is {loss!r}")
    return Settings(
        checks.integer("epochs", epochs, minimum=0),
        min(32 if batch_size is None else checks.integer("batch_size", batch_size, minimum=1), images),
        shuffle is None or bool(shuffle),
        seed,
        augment,
        label_smoothing,
    )
