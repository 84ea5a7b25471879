"""`Evaluation`: how near a net's outputs are to their targets."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..backends.numpy.loss import correct, target_rows, values_and_gradients
from ..losses import has_accuracy, is_known, rule_of, targets_of


class Evaluation(NamedTuple):
    """What `Sequential.evaluate` returns: the mean loss, and the fraction of images that are right.

    The accuracy is NaN for a loss for which no output is right or wrong.
    """

    loss: float
    accuracy: float


def evaluation(loss: Any, outputs: np.ndarray, targets: np.ndarray, operations: Any) -> Evaluation:
    """That of outputs (n, outputs) and checked targets, by the operations of a backend; NaN is never right."""
    if targets.ndim == 1 and is_known(loss) and not loss.label_smoothing:
        mean, probabilities, _ = operations.softmax_cross_entropy(outputs, targets)
        return Evaluation(mean, float(np.mean(correct("labels", probabilities, targets))))
    if is_known(loss):
        losses, _ = values_and_gradients(rule_of(loss), outputs, target_rows(targets, outputs))
        mean = float(losses.mean(dtype=np.float64))
    else:
        mean = float(loss(outputs, targets)[0])
    accuracy = float(correct(targets_of(loss), outputs, targets).mean()) if has_accuracy(loss) else math.nan
    return Evaluation(mean, accuracy)
