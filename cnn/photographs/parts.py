"""From parts of ink to digits: which parts are too small, which belong together, which are no digits."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .ink import Parts

Array = np.ndarray[Any, Any]

SMALLEST = 0.012  # of the page's longer side: the height of a digit at least
SMALL = 0.22  # of the usual height: a digit at least; what is lower is a speck, or part of a digit
SPECK = 0.12  # of the usual height: the longer side of a part of a digit at least
MOST = 400  # parts of a page that are looked at, the largest
SPARSE, FRAME = 0.015, 0.04  # of its box: the ink of a part at least, and of one as large as most of the page,
MOST_OF_PAGE = 0.5  # which else is a frame
FLAT = 2.2  # times as broad as high: a dash, or several digits that touch
ALONG = 0.6  # of its length: a part along the border
GAP = 0.15  # of the usual height: between parts of one digit at most
HIGH = 1.5  # times the usual height: a digit of several parts at most
SHORT = 0.75  # of the height of a digit of two parts: the lower one at most
SHARED = 0.5  # of the narrower part's width, which the other one has below or above it


Box = tuple[int, int, int, int]  # top, left, height, width


class Digit(NamedTuple):
    """The parts of one digit, and its box (top, left, height, width) in the page of working size."""

    parts: tuple[int, ...]
    box: Box


def digits_of(parts: Parts, may_be_digit: Array) -> list[Digit]:
    """The digits among the parts of a page's ink, bool (parts,) of which may be one, in no order."""
    longer = max(parts.numbers.shape)
    width, height, area = parts.stats[:, 2:].T
    least = max(3, round(SMALLEST * longer))
    box = height * width
    inked = np.where(box > MOST_OF_PAGE * parts.numbers.size, FRAME, SPARSE) * box
    is_large = (np.maximum(height, width) >= least) & (area >= np.maximum(least, inked)) & may_be_digit
    found = np.flatnonzero(is_large & ~_along_the_border(parts))
    if not len(found):
        found = np.flatnonzero(is_large)
    found = found[np.argsort(-area[found], kind="stable")[:MOST]]
    if not len(found):
        return []
    usual = _usual_height(height[found], area[found])
    found = found[np.maximum(height, width)[found] >= SPECK * usual]
    boxes = parts.stats[:, [1, 0, 3, 2]].tolist()  # top, left, height, width
    digits = _joined([Digit((int(i),), tuple(boxes[i])) for i in found], usual)
    return [digit for digit in digits if _may_be_digit(digit.box, usual)]


def _along_the_border(parts: Parts) -> Array:
    """Which parts lie along the border of the page for most of their length: edges of the paper, bool (parts,)."""
    numbers, count = parts.numbers, len(parts.stats)
    sides = (numbers[0], numbers[-1], numbers[:, 0], numbers[:, -1])
    contact = np.max([np.bincount(side, minlength=count) for side in sides], axis=0)
    return contact > ALONG * np.maximum(parts.stats[:, 2], parts.stats[:, 3])


def _usual_height(heights: Array, areas: Array) -> float:
    """Of the digits, among parts of them and specks: the median of the heights, weighted by them and by the ink."""
    order = np.argsort(heights)
    weights = np.cumsum((areas * heights)[order], dtype=np.int64)
    return float(heights[order[np.searchsorted(weights, weights[-1] / 2)]])


def _may_be_digit(box: Box, usual: float) -> bool:
    _, _, height, width = box
    return height >= SMALL * usual and width <= FLAT * height


def _joined(digits: list[Digit], usual: float) -> list[Digit]:
    """Digits of which those are one that `_belong` together; the largest parts come first."""
    joined: list[Digit] = []
    for digit in digits:
        for i, other in enumerate(joined):
            if _belong(digit.box, other.box, usual):
                joined[i] = Digit(other.parts + digit.parts, _around(digit.box, other.box))
                break
        else:
            joined.append(digit)
    return joined


def _belong(part: Box, other: Box, usual: float) -> bool:
    """Whether a part is a piece of a larger one: above, below or within it, or a short stroke that all but touches it.

    What is as high as a digit and stands beside one is another digit.
    """
    across = _overlap(part[1], part[3], other[1], other[3])
    down = _overlap(part[0], part[2], other[0], other[2])
    _, _, height, width = _around(part, other)
    if height > HIGH * max(usual, other[2]) or width > FLAT * height or min(part[2], other[2]) > SHORT * height:
        return False
    gap = GAP * min(usual, other[2])
    if min(part[2], other[2]) < height / 2 and min(across, down) >= -gap:
        return True
    return across >= SHARED * min(part[3], other[3]) and down >= -gap


def _overlap(first: int, length: int, other_first: int, other_length: int) -> int:
    """How much two stretches have in common; negative for the gap between them."""
    return min(first + length, other_first + other_length) - max(first, other_first)


def _around(box: Box, other: Box) -> Box:
    top, left = min(box[0], other[0]), min(box[1], other[1])
    bottom = max(box[0] + box[2], other[0] + other[2])
    right = max(box[1] + box[3], other[1] + other[3])
    return top, left, bottom - top, right - left
