"""What the runners are given beside arrays: augmentation in the kernels' units, random numbers, label smoothing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

KNOTS = 7  # of the cubic B-splines that bend an image, a side: four intervals


class Warp(NamedTuple):
    """An `Augment` for images of one shape, in the kernels' units: radians, and the logarithm of the largest factor."""

    shape: tuple[int, int, int]
    shift: float
    rotate: float
    scale: float
    shear: float
    elastic: float
    noise: float
    rows: np.ndarray  # (h, KNOTS): how much each knot's vector counts in a row
    columns: np.ndarray  # (KNOTS, w)


class Noise(NamedTuple):
    """Given with the images of some steps.

    Every image has random numbers of its own, made from `seed` and its position in the epoch: `first` is that of the
    first image given.
    """

    seed: int = 0
    first: int = 0
    warp: Warp | None = None
    label_smoothing: float = 0.0
