"""What makes it doubtful that a net has read a picture right, in words for `cnn predict`.

The limits were measured on MNIST's test images: `python benchmarks/doubts.py`.
"""

from __future__ import annotations

import numpy as np

from ..datasets.picture import EDGE, FAINTEST

# The net of `cnn train`: of what it reads with a probability from 85 to 90 % it is right in 84 %, from 90 to 95 % in
# 92 %. Of what is below, which is 2 % of all, it is right in 71 %.
UNSURE = 0.9
# Of the ink; what has less is no digit, nor a part of one. Of MNIST's digits 1.3 % have two parts that are no specks,
# of pages with two digits beside each other all have.
SPECK = 0.05


def doubts(image: np.ndarray, probability: float, is_laid_out: bool) -> list[str]:
    """Why a prediction may be wrong.

    Parameters
    ----------
    image : uint8 (height, width)
        The picture as the net reads it, light on dark.
    probability : float
        Of the class that is predicted.
    is_laid_out : bool
        Whether the picture was laid out as a single digit, so that it should hold one.

    Returns
    -------
    list of str
        Empty for a prediction that is as good as they come.
    """
    if np.ptp(image) < FAINTEST:
        return ["it shows no ink"]
    found = []
    if not probability >= UNSURE:  # NaN is no better
        found.append("the net is unsure")
    parts = ink_parts(image) if is_laid_out else 1
    if parts > 1:
        found.append(f"{parts} separate parts of ink")
    return found


def ink_parts(image: np.ndarray) -> int:
    """How many parts the ink of an image uint8 (height, width) has that do not touch, not even by corners."""
    inked = image > EDGE * image.max()
    left = set(zip(*(indices.tolist() for indices in np.nonzero(inked)), strict=True))
    sizes = []
    while left:
        pending = [left.pop()]
        size = 0
        while pending:
            row, column = pending.pop()
            size += 1
            around = {(row + down, column + across) for down in (-1, 0, 1) for across in (-1, 0, 1)} & left
            left -= around
            pending += around
        sizes.append(size)
    return sum(size >= SPECK * sum(sizes) for size in sizes)
