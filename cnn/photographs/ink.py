"""Which pixels of a page are ink: a threshold between paper and pen, and which parts of ink have a pen's edges."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .opencv import cv2

Array = np.ndarray[Any, Any]

FAINTEST = 25  # darkness, of 255, that ink has at least
PAPER, NOISE = 0.6, 15  # of the pixels are no darker than a fourth of the noise; how many times that ink is darker
LOWEST = 0.3  # of the pen's darkness: what is fainter is no ink, wherever it is
HALF = 0.45  # of the darkest pixel within reach: where a stroke ends
REACH = 0.005  # of the longer side: how far it is from the middle of an edge to where it has ended, at most
SHADOW, DARKEST_SHADOW = 110, 165  # mean darkness of most shadows, and of any, at most
FAINT = 0.5  # of the mean darkness of the ink: a part of it at least
SHARP = 0.8  # of the own darkness of a part: what it changes by within reach of its edge, if it is no shadow


class Parts(NamedTuple):
    """Parts of ink that do not touch, not even by corners; part 0 is all that is no ink.

    `numbers` is int32 (height, width), the part of each pixel; `stats` int32 (parts, 5): left, top, width, height of
    the box, and the number of pixels.
    """

    numbers: Array
    stats: Array


def ink_of(darkness: Array) -> Array:
    """Ink uint8, 1 or 0, from darkness uint8: Otsu's threshold would miss thin strokes beside thick ones.

    A pixel is ink if it is nearly half as dark as the darkest around it, and if it is not faint for the page's pen.
    """
    counts = cv2.calcHist([darkness], [0], None, [256], [0, 256]).ravel()
    paper = int(np.searchsorted(np.cumsum(counts), PAPER * counts.sum()))
    faintest = max(FAINTEST, min(NOISE * paper, 2 * FAINTEST))
    counts[:faintest] = 0
    if not counts.any():
        return np.zeros_like(darkness)
    pen = int(np.searchsorted(np.cumsum(counts), 0.9 * counts.sum()))
    darkest = cv2.dilate(darkness, _within_reach(darkness))
    lowest = max(faintest, round(LOWEST * pen))
    limit = np.maximum(cv2.convertScaleAbs(darkest, alpha=HALF), np.uint8(lowest))
    return (darkness >= limit).view(np.uint8)


def parts_of(ink: Array) -> Parts:
    """The parts of ink uint8, 1 or 0."""
    _, numbers, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(ink, 8, cv2.CV_32S, cv2.CCL_GRANA)
    return Parts(numbers, stats)


def are_sharp(parts: Parts, darkness: Array) -> Array:
    """Which parts end as ink does, within a few pixels, and not softly as a shadow: bool (parts,)."""
    return _looked_at(parts, darkness)[0]


def are_of_the_pen(parts: Parts, darkness: Array) -> Array:
    """Which parts are ink: sharp, and not much fainter than all that is sharp is on average; bool (parts,)."""
    sharp, own = _looked_at(parts, darkness)
    if not sharp.any():
        return sharp
    return sharp & (own >= FAINT * np.average(own[sharp], weights=parts.stats[sharp, 4]))


def stroke_width(ink: Array) -> float:
    """Of the broadest stroke, in pixels."""
    return 2 * float(cv2.distanceTransform(ink, cv2.DIST_L2, 3).max())


def _looked_at(parts: Parts, darkness: Array) -> tuple[Array, Array]:
    """Which parts are sharp, bool (parts,), and the mean darkness of each, float (parts,).

    What is as thin as printed lines is left out of the comparison: no shadow is, and lines may cross one. What is
    darker than any shadow is ink, too, and in a picture that has been enlarged, so that nothing broad is sharp, what
    is darker than most.
    """
    window = _within_reach(darkness)
    broad = cv2.morphologyEx(darkness, cv2.MORPH_OPEN, window)
    change = cv2.morphologyEx(broad, cv2.MORPH_GRADIENT, window)
    ink = (parts.numbers > 0).view(np.uint8)
    inside = cv2.erode(ink, np.ones((3, 3), np.uint8))
    pixels = np.flatnonzero(ink.view(bool))
    numbers, count = parts.numbers.ravel()[pixels], len(parts.stats)
    broad_at = broad.ravel()[pixels]
    is_broad = broad_at >= FAINTEST
    at_edge = is_broad & (inside.ravel()[pixels] == 0)
    own = _means(broad_at[is_broad], numbers[is_broad], count)
    sharp = _means(change.ravel()[pixels[at_edge]], numbers[at_edge], count) >= SHARP * own
    is_enlarged = not (sharp & (own > 0)).any()
    sharp |= own >= (SHADOW if is_enlarged else DARKEST_SHADOW)
    sharp[0] = False
    return sharp, _means(darkness.ravel()[pixels], numbers, count)


def _within_reach(page: Array) -> Array:
    size = 2 * max(2, round(REACH * max(page.shape))) + 1
    return np.ones((size, size), np.uint8)


def _means(values: Array, numbers: Array, count: int) -> Array:
    """The mean of the values (n,) of each part, of which `numbers` (n,) says which are whose; 0 where it has none."""
    return np.bincount(numbers, values, count) / np.maximum(np.bincount(numbers, minlength=count), 1)
