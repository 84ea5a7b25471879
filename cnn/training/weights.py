"""What each image counts in the loss of its batch: from the weights of classes and of images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backends import checks
from ..losses import is_known

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def image_weights(
    loss: Any, targets: np.ndarray, outputs: int, class_weight: Any, sample_weight: ArrayLike | None
) -> np.ndarray | None:
    """Weights of the images (n,), float64; None where none were given.

    Parameters
    ----------
    loss : callable
    targets : array
        Checked ones.
    outputs : int
        Of the net.
    class_weight, sample_weight
        As `Sequential.fit` takes them.

    Raises
    ------
    TypeError, ValueError
        Weights that are no numbers of at least 0, or all 0, or of another shape; classes that there are not, or targets
        that have none; a loss that takes no weights.
    """
    if class_weight is None and sample_weight is None:
        return None
    if not is_known(loss):
        raise ValueError("class_weight and sample_weight need a loss of cnn.losses; weigh inside of your own instead")
    weights = np.ones(len(targets))
    if sample_weight is not None:
        weights = checks.real("sample_weight", sample_weight, checks.FLOAT64).copy()
        checks.shape("sample_weight", weights, (len(targets),), "a weight for each image")
        good = np.isfinite(weights) & (weights >= 0)
        if not good.all():
            first = int(np.argmin(good))
            raise ValueError(f"sample_weight[{first}] must be finite and at least 0, got {weights[first]}")
    if class_weight is not None:
        if targets.ndim != 1:
            raise ValueError("class_weight needs labels, one for each image, and y has rows; use sample_weight")
        weights *= _of_classes(class_weight, targets, outputs)[targets]
    if not weights.any():
        raise ValueError("class_weight and sample_weight must leave an image that counts, got 0 for all")
    return weights


def _of_classes(class_weight: Any, labels: np.ndarray, classes: int) -> np.ndarray:
    """The weight of each class (classes,)."""
    if isinstance(class_weight, str) and class_weight == "balanced":
        counts = np.bincount(labels, minlength=classes)
        present = int((counts > 0).sum())
        return np.where(counts > 0, len(labels) / (present * np.maximum(counts, 1)), 1.0)
    if not isinstance(class_weight, Mapping):
        raise TypeError(f'class_weight must be a dict of class to weight, or "balanced", got {class_weight!r}')
    weights = np.ones(classes)
    for key, value in class_weight.items():
        label = checks.integer("a class of class_weight", key, minimum=0, maximum=classes - 1)
        weights[label] = checks.number(f"class_weight[{label}]", value)
    return weights
