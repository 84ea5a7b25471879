"""What the runners are given beside arrays: augmentation in the kernels' units, random numbers, label smoothing."""

from __future__ import annotations

from typing import Any, NamedTuple

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


class Learned(NamedTuple):
    """What a net has learned: flat arrays of all parameters, and of all running statistics."""

    parameters: np.ndarray
    statistics: np.ndarray


class Update(NamedTuple):
    """How parameters follow their gradients in some steps."""

    rule: Any
    first: np.ndarray | None  # velocities or first moments, as many as parameters
    second: np.ndarray | None
    step_scalars: np.ndarray  # float64 (steps, 3): what changes from step to step


class Batches(NamedTuple):
    """The images of some steps, and where their losses go.

    Every image has random numbers of its own, made from `seed` and its position in the epoch: `position` is that of the
    first image.
    """

    x: np.ndarray
    labels: np.ndarray
    order: np.ndarray  # int64, of the images
    losses: np.ndarray  # float64, as long as order
    correct: np.ndarray  # uint8, likewise
    seed: int = 0
    position: int = 0
    warp: Warp | None = None
    label_smoothing: float = 0.0


# ---- a plan ------------------------------------------------------------------------------------------------


class Tensor(NamedTuple):
    """Where a tensor of one image begins, and how many reals from there the operation's kernels may touch."""

    persistent: bool = False
    at: int = 0
    size: int = 0


class Room(NamedTuple):
    """A part of some memory, in reals (of moments: in doubles)."""

    at: int = 0
    size: int = 0


class Sizes(NamedTuple):
    """What the kernels of an operation touch, in reals; `src/cnn_c/step/program.pxd` says of what."""

    x: int
    y: int
    dx: int
    dy: int
    kept: int
    argmax: int
    workspace: int
    scratch: int
    sums: int
    moments: int


class LoadGeometry(NamedTuple):
    """An image of the data set, rescaled; zeros for inputs that are no images."""

    h: int = 0
    w: int = 0
    c: int = 0
    scale: float = 1.0
    offset: float = 0.0


class Elementwise(NamedTuple):
    """An elementwise function of `src/cnn_c/ops/elementwise.pxd`, with its constants."""

    function: str
    a: float = 0.0
    b: float = 0.0
