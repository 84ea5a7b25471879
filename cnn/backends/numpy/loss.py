"""Softmax and the losses in NumPy, which belong to no layer."""

from __future__ import annotations

import numpy as np

from ..calls import Batches, LossRule
from .operations import numpy_operation


@numpy_operation
def softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(shifted(logits))
    probabilities: np.ndarray = exponentials / exponentials.sum(axis=1, keepdims=True)
    return probabilities


@numpy_operation
def softmax_cross_entropy(logits: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Mean loss, probabilities, and the gradient for the logits."""
    probabilities, z, rows = softmax(logits), shifted(logits), np.arange(len(logits))
    dlogits = probabilities.copy()
    dlogits[rows, labels] -= 1
    dlogits /= len(logits)
    # log(sum) - logit rather than -log(probability): finite even where the probability underflows to 0.
    losses = np.log(np.exp(z).sum(axis=1)) - z[rows, labels]
    return float(losses.mean(dtype=np.float64)), probabilities, dlogits


def shifted(logits: np.ndarray) -> np.ndarray:
    """Logits, the largest of each row taken off."""
    with np.errstate(invalid="ignore"):  # inf - inf: the documented NaN
        result: np.ndarray = logits - logits.max(axis=1, keepdims=True)
    return result


# ---- the losses of `cnn.losses`: of every row (n,), and the gradient of each for the row's outputs ----

Values = tuple[np.ndarray, np.ndarray]


def soft_cross_entropy(outputs: np.ndarray, rows: np.ndarray, smoothing: float) -> Values:
    smoothed = (1 - smoothing) * rows + smoothing / rows.shape[1]
    z = shifted(outputs)
    with np.errstate(invalid="ignore"):  # 0 * inf, which counts nothing
        terms = np.where(smoothed == 0, 0, smoothed * (np.log(np.exp(z).sum(axis=1, keepdims=True)) - z))
    return terms.sum(axis=1), softmax(outputs) * smoothed.sum(axis=1, keepdims=True) - smoothed


def binary_cross_entropy(outputs: np.ndarray, rows: np.ndarray, constant: float) -> Values:
    small = np.exp(-np.abs(outputs))  # never above 1
    losses = np.maximum(outputs, 0) - outputs * rows + np.log1p(small)
    return losses.mean(axis=1), (sigmoid(outputs) - rows) / outputs.shape[1]


def squared_error(outputs: np.ndarray, rows: np.ndarray, constant: float) -> Values:
    distances = outputs - rows
    return (distances**2).mean(axis=1), distances * (2 / outputs.shape[1])


def huber(outputs: np.ndarray, rows: np.ndarray, delta: float) -> Values:
    distances = outputs - rows
    size = np.abs(distances)
    losses = np.where(size <= delta, distances**2 / 2, delta * (size - delta / 2))
    return losses.mean(axis=1), np.clip(distances, -delta, delta) / outputs.shape[1]


_LOSSES = {
    "softmax_cross_entropy": soft_cross_entropy,
    "binary_cross_entropy": binary_cross_entropy,
    "squared_error": squared_error,
    "huber": huber,
}


def values_and_gradients(rule: LossRule, outputs: np.ndarray, rows: np.ndarray) -> Values:
    """By the rule of a loss; `rows` are targets of the outputs' shape."""
    losses, gradients = _LOSSES[rule.kind](outputs, rows, rule.constant)
    return losses, gradients.astype(outputs.dtype)


def target_rows(targets: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Checked targets as rows (n, outputs) of the dtype of `like`: of a label, one 1."""
    if targets.ndim == 2:
        return targets.astype(like.dtype, copy=False)
    rows = np.zeros((len(targets), like.shape[-1]), like.dtype)
    rows[np.arange(len(targets)), targets] = 1
    return rows


def correct(kind: str, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Which images are right (n,), all outputs of an image at once; none where that has no meaning.

    `kind` is that of the targets, see `LossRule`.
    """
    if kind == "labels":
        labels = targets if targets.ndim == 1 else targets.argmax(axis=1)
        right: np.ndarray = (outputs.argmax(axis=1) == labels) & ~np.isnan(outputs).any(axis=1)
        return right
    if kind == "bits":
        right = ((outputs > 0) == (targets > 0.5)).all(axis=1)
        return right
    return np.zeros(len(outputs), np.bool_)


def sigmoid(x: np.ndarray) -> np.ndarray:
    small = np.exp(-np.abs(x))
    result: np.ndarray = np.where(x < 0, small, x.dtype.type(1)) / (1 + small)
    return result


def loss_gradient(outputs: np.ndarray, batch: Batches) -> np.ndarray:
    """The gradient of a batch's mean loss for its outputs; fills its losses, and which images are right."""
    if batch.loss_call is not None:
        return batch.loss_call.gradient(outputs, batch)
    targets = batch.targets[batch.order]
    losses, gradients = values_and_gradients(batch.loss, outputs, target_rows(targets, outputs))
    batch.losses[...], batch.correct[...] = losses, correct(batch.loss.targets, outputs, targets)
    weights = np.ones(len(losses)) if batch.weights is None else batch.weights[batch.order]
    return (gradients * (weights / (weights.sum() or 1.0))[:, None]).astype(outputs.dtype)
