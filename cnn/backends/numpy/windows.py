"""Padding, and the windows of convolution and pooling as views.

Loops are over the few positions of the kernel, never over the many of the image: seen from one kernel position, a
whole batch is a strided view of the padded input.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..geometry import ConvGeometry, PoolGeometry


def views(padded: np.ndarray, g: ConvGeometry | PoolGeometry) -> Iterator[tuple[int, int, np.ndarray]]:
    """For every kernel position (u, v) in row order: what all windows hold there, a view (n, oh, ow, c)."""
    rows, columns = (g.oh - 1) * g.sh + 1, (g.ow - 1) * g.sw + 1
    down, across = g.dilation
    for u in range(g.kh):
        for v in range(g.kw):
            top, left = u * down, v * across
            yield u, v, padded[:, top : top + rows : g.sh, left : left + columns : g.sw]


def padded_shape(n: int, c: int, g: ConvGeometry | PoolGeometry) -> tuple[int, int, int, int]:
    """Room for the padded image and for all windows; a stride may leave rows that no window reaches."""
    down, across = g.dilation
    rows = max(g.ph + g.h, (g.oh - 1) * g.sh + (g.kh - 1) * down + 1)
    columns = max(g.pw + g.w, (g.ow - 1) * g.sw + (g.kw - 1) * across + 1)
    return n, rows, columns, c


def pad(x: np.ndarray, g: ConvGeometry | PoolGeometry, value: float) -> np.ndarray:
    padded = np.full(padded_shape(len(x), x.shape[3], g), value, x.dtype)
    inside(padded, g)[...] = x
    return padded


def inside(padded: np.ndarray, g: ConvGeometry | PoolGeometry) -> np.ndarray:
    """The image without its padding, a view."""
    return padded[:, g.ph : g.ph + g.h, g.pw : g.pw + g.w]
