"""Softmax and the cross-entropy in NumPy, which belong to no layer."""

from __future__ import annotations

import numpy as np

from .operations import numpy_operation


@numpy_operation
def softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(_shifted(logits))
    probabilities: np.ndarray = exponentials / exponentials.sum(axis=1, keepdims=True)
    return probabilities


@numpy_operation
def softmax_cross_entropy(
    logits: np.ndarray, labels: np.ndarray, smoothing: float = 0.0
) -> tuple[float, np.ndarray, np.ndarray]:
    """Mean loss, probabilities, and the gradient for the logits; so much of each label is for all classes."""
    probabilities = softmax(logits)
    dlogits = probabilities - logits.dtype.type(smoothing / logits.shape[1])
    dlogits[np.arange(len(logits)), labels] -= logits.dtype.type(1 - smoothing)
    dlogits /= len(logits)
    return float(cross_entropies(logits, labels, smoothing).mean(dtype=np.float64)), probabilities, dlogits


@numpy_operation
def cross_entropies(logits: np.ndarray, labels: np.ndarray, smoothing: float = 0.0) -> np.ndarray:
    """The loss of every row."""
    shifted = _shifted(logits)
    # log(sum) - logit rather than -log(probability): finite even where the probability underflows to 0.
    losses: np.ndarray = np.log(np.exp(shifted).sum(axis=1)) - (1 - smoothing) * shifted[np.arange(len(logits)), labels]
    return losses - smoothing * shifted.mean(axis=1) if smoothing else losses


def _shifted(logits: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # inf - inf: the documented NaN
        shifted: np.ndarray = logits - logits.max(axis=1, keepdims=True)
    return shifted
