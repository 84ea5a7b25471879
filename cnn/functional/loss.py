"""Softmax and cross-entropy."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..backends import checks
from ..backends import compiled as ops
from .arguments import with_axes

__all__ = [
    "softmax",
    "softmax_cross_entropy",
]


def softmax(logits: ArrayLike) -> np.ndarray:
    """Each row's ``exp(logits)``, divided by its sum.

    The row's maximum is subtracted first, so that no finite logit overflows. A row that holds NaN or +inf, or
    nothing but -inf, becomes NaN.

    Parameters
    ----------
    logits : (n, classes), float32 or float64
        Other dtypes are converted: to float32 where that is exact, else to float64.

    Returns
    -------
    probabilities : (n, classes), dtype of `logits`

    Raises
    ------
    TypeError
        `logits` is no array of real numbers, or is masked.
    ValueError
        Another number of dimensions, or no class at all.
    """
    return ops.softmax(_logits(logits))


def softmax_cross_entropy(logits: ArrayLike, labels: ArrayLike) -> tuple[float, np.ndarray, np.ndarray]:
    """Mean over the batch of ``-log(softmax(logits)[label])``, the probabilities, and the loss's gradient.

    A row of logits that holds NaN or +inf, or nothing but -inf, makes the loss NaN and its rows of the
    results. A label whose logit is -inf makes the loss inf.

    Parameters
    ----------
    logits : (n, classes), float32 or float64
        Other dtypes are converted: to float32 where that is exact, else to float64.
    labels : (n,) whole numbers from 0 to classes - 1, or (n, classes) one-hot

    Returns
    -------
    loss : float
        In nats.
    probabilities : (n, classes), dtype of `logits`
    dlogits : (n, classes), dtype of `logits`
        Gradient of the mean: ``(probabilities - one_hot(labels)) / n``.

    Raises
    ------
    TypeError
        An argument that is no array of real numbers, or is masked.
    ValueError
        A batch of 0; no class at all; labels that are no classes (the first bad index is named), or of another
        length.

    Examples
    --------
    >>> import cnn
    >>> loss, probabilities, dlogits = cnn.functional.softmax_cross_entropy([[0.0, 0.0]], [1])
    >>> probabilities, dlogits
    (array([[0.5, 0.5]]), array([[ 0.5, -0.5]]))
    """
    logits = _logits(logits)
    n, classes = logits.shape
    if n == 0:
        raise ValueError(f"logits must have at least one row to take the mean over, got shape {logits.shape}")
    return ops.softmax_cross_entropy(logits, checks.labels("labels", labels, n, classes))


def _logits(logits: ArrayLike) -> np.ndarray:
    logits = with_axes("logits", logits, ("n", "classes"))
    if logits.shape[1] == 0:
        raise ValueError(f"logits must have at least one class, got shape {logits.shape}")
    return logits
