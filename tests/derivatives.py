"""Derivatives by finite differences, which gradients are compared with."""

from __future__ import annotations

import numpy as np


def numerical_gradient(f, x: np.ndarray, step: float) -> np.ndarray:
    """Central differences of the number f() for every element of `x`, which is changed and changed back."""
    gradient = np.empty(x.shape)
    for at in np.ndindex(x.shape):
        before = x[at]
        x[at] = before + step
        above = f()
        x[at] = before - step
        below = f()
        x[at] = before
        gradient[at] = (above - below) / (2 * step)
    return gradient
