"""What is random within a training step, and how its labels are taken: the same for any number of threads."""

from __future__ import annotations

from typing import NamedTuple

from .augment import Warp


class Noise(NamedTuple):
    """Given with the images of some steps.

    Every image has random numbers of its own, made from `seed` and its position in the epoch: `first` is that of the
    first image given.
    """

    seed: int = 0
    first: int = 0
    warp: Warp | None = None
    label_smoothing: float = 0.0
