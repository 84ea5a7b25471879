"""A digit as MNIST lays it out: its ink in a box of 20 pixels, with lines as broad as MNIST's, in an image of 28."""

from __future__ import annotations

from typing import Any

import numpy as np

from .centring import BOX, CANVAS
from .opencv import cv2

Array = np.ndarray[Any, Any]

THINNEST = 2.0  # pixels of 20: thinner lines are made so broad
BLACK, PAPER = 0.7, 0.25  # of the darkest ink: what is all ink, and what is none
SQUARE = np.ones((3, 3), np.uint8)


def drawn_on_canvas(darkness: Array, own: Array) -> Array:
    """A digit scaled into the box in the middle of a canvas uint8 (CANVAS, CANVAS), for `centred`.

    Parameters
    ----------
    darkness : uint8 (height, width)
        The page around the digit, with a margin.
    own : uint8 (height, width)
        1 at the digit's own ink, 0 elsewhere.
    """
    darkest = cv2.minMaxLoc(cv2.blur(darkness, (3, 3)), own)[1]
    stretched = cv2.convertScaleAbs(
        cv2.subtract(darkness, PAPER * darkest), alpha=255 / max(1.0, (BLACK - PAPER) * darkest)
    )
    ink = cv2.multiply(stretched, cv2.dilate(own, SQUARE))
    left, top, width, height = cv2.boundingRect(cv2.compare(ink, 127, cv2.CMP_GT))
    if not width:
        left, top, width, height = cv2.boundingRect(own)
    missing = _missing_breadth(ink, max(height, width))
    if missing:
        ink = cv2.dilate(ink, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (missing + 1, missing + 1)))
        left, top, width, height = cv2.boundingRect(cv2.compare(ink, 127, cv2.CMP_GT))
    return _boxed(ink[top : top + height, left : left + width])


def margin_of(box: tuple[int, int, int, int]) -> int:
    """How much of the page around its box (top, left, height, width) a digit needs, so that its lines can grow."""
    return 2 + round(THINNEST * max(box[2:]) / BOX / 2)


def _missing_breadth(ink: Array, longer: int) -> int:
    """By how many pixels the lines of ink are thinner than MNIST's, of a digit with such a longer side."""
    inked = cv2.compare(ink, 127, cv2.CMP_GT)
    area = cv2.countNonZero(inked)
    edge = area - cv2.countNonZero(cv2.erode(inked, SQUARE))
    broad = 2 * area / max(edge, 1)  # a line's area is its length by its breadth, its edge is two lengths
    return max(0, round(THINNEST * longer / BOX - broad))


def _boxed(ink: Array) -> Array:
    height, width = (max(1, round(BOX * side / max(ink.shape))) for side in ink.shape)
    method = cv2.INTER_AREA if max(ink.shape) > BOX else cv2.INTER_CUBIC
    canvas = np.zeros((CANVAS, CANVAS), np.uint8)
    top, left = (CANVAS - height) // 2, (CANVAS - width) // 2
    canvas[top : top + height, left : left + width] = cv2.resize(ink, (width, height), interpolation=method)
    return canvas
