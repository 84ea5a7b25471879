"""`Evaluation`: how well a net reads labelled images."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Evaluation(NamedTuple):
    """What `Sequential.evaluate` returns: the mean loss in nats, and the fraction of right labels."""

    loss: float
    accuracy: float


def evaluation(logits: np.ndarray, labels: np.ndarray, operations: Any) -> Evaluation:
    """That of logits (n, classes) and checked labels (n,), by the operations of a backend; NaN is never right."""
    loss, probabilities, _ = operations.softmax_cross_entropy(logits, labels)
    is_right = (probabilities.argmax(axis=1) == labels) & ~np.isnan(probabilities[:, 0])  # a row is NaN as a whole
    return Evaluation(loss, float(np.mean(is_right)))
