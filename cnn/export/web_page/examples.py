"""The pictures on a page: some of each class to start from, and those that the net reads worst."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from ...backends.numpy.loss import softmax

ROW = 20  # pictures to start from
WORST = 10  # mistakes


def row(images: np.ndarray, labels: np.ndarray | None, classes: int) -> list[dict[str, Any]]:
    """Pictures to start from: the first of each class in turns, or the first ones where labels are not known."""
    if labels is None:
        return [{"pixels": pixels(image)} for image in images[:ROW]]
    count = max(1, ROW // classes)
    chosen = [i for label in range(min(classes, ROW)) for i in np.flatnonzero(labels == label)[:count]]
    return [{"pixels": pixels(images[i]), "label": int(labels[i])} for i in chosen]


def worst(images: np.ndarray, labels: np.ndarray, logits: np.ndarray) -> list[dict[str, Any]]:
    """What the net reads wrong, the worst first: by the probability that it gives to the true class."""
    read = logits.argmax(axis=1)
    wrong = np.flatnonzero(read != labels)
    probabilities = softmax(logits[wrong].astype(np.float64))[np.arange(len(wrong)), labels[wrong]]
    chosen = wrong[np.argsort(probabilities, kind="stable")][:WORST]
    return [{"pixels": pixels(images[i]), "label": int(labels[i]), "read": int(read[i])} for i in chosen]


def pixels(image: np.ndarray) -> dict[str, str]:
    """An image in base64: bytes as they are, anything else as little-endian float32."""
    kind = "uint8" if image.dtype == np.uint8 else "float32"
    values = np.ascontiguousarray(image, np.dtype(kind).newbyteorder("<"))
    return {kind: base64.b64encode(values.tobytes()).decode()}
