"""What kernels and runners are given beside a plan: what a net has learned, batches of images, the rule of an update,
augmentation, an elementwise function. All is plain data.
"""

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


class Rule(NamedTuple):
    """What the arithmetic of an optimiser takes, except for the learning rate."""

    kind: str  # as registered in cnn/training/optimizers.py
    weight_decay: float = 0.0
    momentum: float = 0.0  # of Adam, beta1
    nesterov: bool = False
    beta2: float = 0.0
    epsilon: float = 0.0


# The three arguments of a runner's steps.


class Learned(NamedTuple):
    """All that a net has learned, in flat arrays; steps change both in place."""

    parameters: np.ndarray
    statistics: np.ndarray  # running means and variances


class Update(NamedTuple):
    """How a step changes the parameters; velocities and moments are changed in place."""

    rule: Rule
    first: np.ndarray | None  # velocities, or first moments, as large as the parameters
    second: np.ndarray | None  # second moments
    step_scalars: np.ndarray  # (steps, 3) float64: step length, factor of the second moment's root, what decay leaves


class Batches(NamedTuple):
    """Images for some steps, a batch each, and room for what becomes of them.

    Every image has random numbers of its own, made from `seed` and its position in the epoch.
    """

    x: np.ndarray  # images, uint8 or float
    labels: np.ndarray  # int64, one for each of x
    order: np.ndarray  # int64: which images the steps take, one after the other
    losses: np.ndarray  # float64, written: the loss of each image in `order`
    correct: np.ndarray  # uint8, written: whether it was classified correctly
    seed: int = 0
    position: int = 0  # in the epoch, of the first image in `order`
    warp: Warp | None = None
    label_smoothing: float = 0.0

    def part(self, start: int, stop: int) -> Batches:
        """The images from `start` to `stop` of `order`; what is written of them is written here, too."""
        part = slice(start, stop)
        return self._replace(
            order=self.order[part],
            losses=self.losses[part],
            correct=self.correct[part],
            position=self.position + start,
        )


class Elementwise(NamedTuple):
    """An elementwise function of `src/cnn_c/ops/elementwise.pxd` by name, and its constants."""

    function: str
    constants: tuple[float, ...] = ()
