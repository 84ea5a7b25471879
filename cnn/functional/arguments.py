"""What the functions' checks have in common, beside those that layers share: arrays by their axes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..backends import checks


def with_axes(name: str, value: ArrayLike, axes: tuple[str, ...], dtype: np.dtype | None = None) -> np.ndarray:
    """`value` as a real array with one dimension for each of `axes`."""
    value = checks.real(name, value, dtype)
    if value.ndim != len(axes):
        raise ValueError(f"{name} must have shape ({', '.join(axes)}), got {value.shape}")
    return value


def bias(b: ArrayLike | None, w: np.ndarray) -> np.ndarray | None:
    """`b` as one number for each output of `w`. To be called after the checks of w, or `b` would be blamed for it."""
    if b is None:
        return None
    b = checks.real("b", b, w.dtype)
    checks.shape("b", b, w.shape[-1:], "one for each output of w")
    return b
