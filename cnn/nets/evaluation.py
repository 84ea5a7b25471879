"""`Evaluation`: how well a net reads labelled images."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Evaluation(NamedTuple):
    """What `Sequential.evaluate` returns: the mean loss in nats, and the fraction of right labels."""

    loss: float
    accuracy: float


def evaluation(logits: np.ndarray, labels: np.ndarray, operations: Any) -> Evaluation:
    """That of logits (n, classes) and checked labels (n,), by the operations of a backend."""
    loss, probabilities, _ = operations.softmax_cross_entropy(logits, labels)
    return Evaluation(loss, float(np.mean(probabilities.argmax(axis=1) == labels)))
