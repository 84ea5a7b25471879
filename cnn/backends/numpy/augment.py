"""Augmentation in NumPy: what `cnn.Augment` describes and `src/cnn_c/augment.pxd` computes."""

from __future__ import annotations

import numpy as np

from ..calls import KNOTS, Warp
from . import random

_AFFINE = 5  # random numbers before those of the bend


def augment(x: np.ndarray, warp: Warp, seed: int, first: int = 0) -> np.ndarray:
    """Images x (n, h, w, c) -> y, warped each by its own numbers; the first has the position `first` in the epoch."""
    h, w, c = warp.shape
    numbers = random.words(seed, first + np.arange(len(x)), 0, _AFFINE + 2 * KNOTS**2 + h * w * c)
    down, across = _places(warp, numbers)
    i, row_share = _cell(down, h)
    j, column_share = _cell(across, w)
    images = np.arange(len(x))[:, None, None]
    below, beside = np.minimum(i + 1, h - 1), np.minimum(j + 1, w - 1)
    a, b = row_share[..., None], column_share[..., None]
    y = (1 - a) * ((1 - b) * x[images, i, j] + b * x[images, i, beside])
    y = y + a * ((1 - b) * x[images, below, j] + b * x[images, below, beside])
    y = y + warp.noise * random.normal(numbers[:, _AFFINE + 2 * KNOTS**2 :]).reshape(y.shape)
    return y.astype(warp.rows.dtype)


def _places(warp: Warp, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where in its image each pixel comes from: rows and columns (n, h, w)."""
    h, w, _ = warp.shape
    u = random.uniform(numbers[:, :_AFFINE]).T[:, :, None, None]
    angle, factor, slant = warp.rotate * u[2], np.exp(warp.scale * u[3]), np.tan(warp.shear * u[4])
    i, j = np.arange(h)[:, None] - (h - 1) / 2, np.arange(w) - (w - 1) / 2
    down = (h - 1) / 2 + warp.shift * u[0] + factor * (np.cos(angle) * i + np.sin(angle) * j)
    across = (w - 1) / 2 + warp.shift * u[1]
    across = across + factor * ((slant * np.cos(angle) - np.sin(angle)) * i)
    across = across + factor * ((slant * np.sin(angle) + np.cos(angle)) * j)
    bend = random.normal(numbers[:, _AFFINE : _AFFINE + 2 * KNOTS**2]).reshape(-1, 2, KNOTS, KNOTS) * warp.elastic
    field = warp.rows @ bend @ warp.columns
    return down + field[:, 0], across + field[:, 1]


def _cell(place: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The pixel before a place along one axis, and how much the next one counts."""
    place = np.clip(place, 0, size - 1)
    before = np.minimum(place.astype(np.int64), max(size - 2, 0))
    return before, place - before
