"""Printed lines and squares, taken out of the ink without cutting the digits that cross them.

Ruled paper has several straight, thin lines across the page, which may slope a little together. Of their pixels those
go where the ink is no higher than a line and no darker: where a stroke crosses or covers a line, it is.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .opencv import cv2

Array = np.ndarray[Any, Any]

STRIPS = 3  # in which lines are looked for: within a strip they are straight, whatever the paper and the lens do
SLOPES = np.linspace(-0.1, 0.1, 41)  # pixels down for one across: up to 6 degrees
FILLED = 0.25  # of a strip's width: the ink of a line at least
LEAST = 3  # lines in a strip of ruled paper,
RULED = 2  # and strips with lines
THICK = 0.006  # of the page's longer side: a line at most
DARKER = 1.4  # times as dark as the lines: a pen that has covered one
MOST_POINTS = 5000  # by which the slope is found


class Lines(NamedTuple):
    """Where lines go from left to right: bool (height, width); how thick they are, in pixels."""

    on_line: Array
    thickness: float


def without_ruling(ink: Array, darkness: Array) -> Array:
    """Ink uint8, 1 or 0, without lines across the page and down it; darkness is uint8 (height, width)."""
    across = _ruled(ink, darkness)
    down = _ruled(cv2.transpose(ink), cv2.transpose(darkness))
    return ink & ~across & ~cv2.transpose(down)


def _ruled(ink: Array, darkness: Array) -> Array:
    """What of the ink is lines from left to right and nothing else, uint8, 1 or 0."""
    longer = max(ink.shape)
    thickest = max(5, round(THICK * longer))
    thin = _no_higher(ink, thickest)
    edges = np.linspace(0, ink.shape[1], STRIPS + 1).astype(int)
    strips = list(map(slice, edges[:-1], edges[1:]))
    upper = thin.copy()
    upper[1:] &= ~thin[:-1]  # of each line one pixel in a column
    crossed = cv2.reduce(upper, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[0] >= LEAST
    found = [
        _lines(thin[:, strip], upper[:, strip]) if crossed[strip].any() and crossed[strip].mean() >= FILLED else None
        for strip in strips
    ]
    ruled = np.zeros_like(ink)
    if sum(lines is not None for lines in found) < RULED:
        return ruled
    for strip, lines in zip(strips, found, strict=True):
        if lines is not None:
            on_line = lines.on_line & thin[:, strip]
            darkest = DARKER * np.median(darkness[:, strip][on_line > 0])
            no_higher = _no_higher(np.ascontiguousarray(ink[:, strip]), round(lines.thickness) + 1)
            ruled[:, strip] = lines.on_line & no_higher & (darkness[:, strip] <= darkest)
    return ruled


def _no_higher(ink: Array, height: int) -> Array:
    """Ink of which no more than `height` pixels are above each other."""
    return ink - cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((height + 1, 1), np.uint8))


def _lines(thin: Array, upper: Array) -> Lines | None:
    """The lines that thin ink shows, uint8 (height, width), and of it the upper pixels; None for less than LEAST."""
    height, width = thin.shape
    rows, columns = np.divmod(np.flatnonzero(upper.view(bool)), width)  # of bool, which is the fastest
    margin = int(np.abs(SLOPES).max() * width) + 1  # so that no row is negative

    def level(y: Array, x: Array, slope: float | Array) -> Array:
        """The row in which a line through (y, x) begins."""
        return np.rint(y + margin - slope * x).astype(np.intp)

    some = slice(None, None, -(-len(rows) // MOST_POINTS))
    levels = height + 2 * margin
    of_all = level(rows[some], columns[some], SLOPES[:, None]) + levels * np.arange(len(SLOPES))[:, None]
    profiles = np.bincount(of_all.ravel(), minlength=levels * len(SLOPES)).reshape(-1, levels)
    slope = SLOPES[np.argmax(np.square(profiles).sum(axis=1))]
    profile = np.bincount(level(rows, columns, slope), minlength=levels)
    is_line = np.convolve(profile, np.ones(3), "same") > FILLED * width
    if np.count_nonzero(np.diff(is_line.astype(np.int8)) > 0) < LEAST:
        return None
    thickness = np.count_nonzero(thin) / len(rows)
    near = np.convolve(is_line, np.ones(2 * round(thickness) + 1), "same") > 0
    y, x = np.mgrid[:height, :width]
    return Lines(near[level(y, x, slope)].view(np.uint8), thickness)
