"""What kernels and runners are given beside a plan: what a net has learned, batches of images, the rule of an update,
augmentation, an elementwise function. All is plain data.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .python_calls import LossCall, UpdateCall

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

    kind: str  # as registered in cnn/training/optimizers.py, or "python", of an optimiser that computes there
    weight_decay: float = 0.0
    momentum: float = 0.0  # of Adam, beta1
    nesterov: bool = False
    beta2: float = 0.0
    epsilon: float = 0.0


# The three arguments of a runner's steps.


class Learned(NamedTuple):
    """All that a net has learned, in flat arrays, which steps change in place."""

    parameters: np.ndarray
    gradients: np.ndarray  # for the parameters, of layers in Python; of all where an update takes them together
    statistics: np.ndarray  # running means and variances


class Update(NamedTuple):
    """How a step changes the parameters; velocities and moments are changed in place."""

    rule: Rule
    first: np.ndarray | None  # velocities, or first moments, as large as the parameters
    second: np.ndarray | None  # second moments
    step_scalars: np.ndarray  # (steps, 3) float64: step length, factor of the second moment's root, what decay leaves
    clip_norm: float = 0.0  # the largest norm of all gradients together; 0 for any
    clip_value: float = 0.0  # the largest value of each; 0 for any
    call: UpdateCall | None = None  # of an optimiser in Python


class LossRule(NamedTuple):
    """What the arithmetic of a loss takes, beside outputs and targets."""

    kind: str  # "softmax_cross_entropy", ... or "python"
    targets: (
        str  # "labels", "bits" or "values"; of a function of somebody else's "any", of which none is right or wrong
    )
    constant: float = 0.0  # label smoothing, or the delta of Huber's loss


class Batches(NamedTuple):
    """Images for some steps, a batch each, and room for what becomes of them.

    Every image has random numbers of its own, made from `seed` and its position in the epoch.
    """

    x: np.ndarray  # images, uint8 or float
    targets: np.ndarray  # int64 labels, one for each of x; or rows of the net's dtype; whatever a loss in Python takes
    order: np.ndarray  # int64: which images the steps take, one after the other
    losses: np.ndarray  # float64, written: the loss of each image in `order`
    correct: np.ndarray  # uint8, written: whether it was classified correctly
    seed: int = 0
    position: int = 0  # in the epoch, of the first image in `order`
    warp: Warp | None = None
    weights: np.ndarray | None = None  # float64, of each of x in the mean over its batch
    loss: LossRule = LossRule("softmax_cross_entropy", "labels")
    loss_call: LossCall | None = None  # of a loss in Python
    exchange: Any = None  # an `Exchange` with the processes that train on parts of the same batches

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
