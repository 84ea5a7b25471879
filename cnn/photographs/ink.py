"""Which pixels of a page are ink: a threshold between paper and pen, and which parts of ink have a pen's edges."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .opencv import cv2

Array = np.ndarray[Any, Any]

FAINTEST = 25  # darkness, of 255, that ink has at least
LOWEST = 0.3  # of the pen's darkness: what is fainter is no ink, wherever it is
HALF = 0.45  # of the darkest pixel within reach: where a stroke ends
REACH = 0.005  # of the longer side: how far it is from the middle of an edge to where it has ended, at most
DARKEST_SHADOW = 110  # mean darkness
FAINT = 0.45  # of the mean darkness of the ink: a part of it at least
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
    counts[:FAINTEST] = 0
    if not counts.any():
        return np.zeros_like(darkness)
    pen = int(np.searchsorted(np.cumsum(counts), 0.9 * counts.sum()))
    darkest = cv2.dilate(darkness, _within_reach(darkness))
    lowest = max(FAINTEST, round(LOWEST * pen))
    limit = np.maximum(cv2.convertScaleAbs(darkest, alpha=HALF), np.uint8(lowest))
    return (darkness >= limit).view(np.uint8)


def parts_of(ink: Array) -> Parts:
    """The parts of ink uint8, 1 or 0."""
    _, numbers, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(ink, 8, cv2.CV_32S, cv2.CCL_GRANA)
    return Parts(numbers, stats)


def are_sharp(parts: Parts, darkness: Array) -> Array:
    """Which parts end as ink does, within a few pixels, and not softly as a shadow: bool (parts,).

    What is as thin as printed lines is left out of the comparison: no shadow is, and lines may cross one. In a picture
    without any sharp part, which has been enlarged, ink is what is darker than shadows are.
    """
    broad = cv2.morphologyEx(darkness, cv2.MORPH_OPEN, _within_reach(darkness))
    change = cv2.morphologyEx(broad, cv2.MORPH_GRADIENT, _within_reach(darkness))
    ink = (parts.numbers > 0).view(np.uint8)
    is_broad = broad >= FAINTEST
    own = _means(broad, parts, ink & is_broad)
    at_edge = _means(change, parts, (ink - cv2.erode(ink, np.ones((3, 3), np.uint8))) & is_broad)
    sharp = at_edge >= SHARP * own
    sharp[0] = False
    if not (sharp & (own > 0)).any():
        sharp |= own >= DARKEST_SHADOW
        sharp[0] = False
    return sharp


def are_of_the_pen(parts: Parts, darkness: Array) -> Array:
    """Which parts are ink: sharp, and not much fainter than all that is sharp is on average; bool (parts,)."""
    sharp = are_sharp(parts, darkness)
    if not sharp.any():
        return sharp
    own = _means(darkness, parts, parts.numbers > 0)
    return sharp & (own >= FAINT * np.average(own[sharp], weights=parts.stats[sharp, 4]))


def stroke_width(ink: Array) -> float:
    """Of the broadest stroke, in pixels."""
    return 2 * float(cv2.distanceTransform(ink, cv2.DIST_L2, 3).max())


def _within_reach(page: Array) -> Array:
    size = 2 * max(2, round(REACH * max(page.shape))) + 1
    return np.ones((size, size), np.uint8)


def _means(values: Array, parts: Parts, where: Array) -> Array:
    """The mean of values (height, width) in each part, of the pixels that `where` names."""
    pixels = np.flatnonzero(where)
    numbers = parts.numbers.ravel()[pixels]
    sums = np.bincount(numbers, values.ravel()[pixels], len(parts.stats))
    return sums / np.maximum(np.bincount(numbers, minlength=len(parts.stats)), 1)
