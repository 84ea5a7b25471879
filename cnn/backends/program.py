"""The contract with what runs a net, compiled or NumPy: a plan, its operations and where their tensors lie; and what is
given with it: what the net has learned, batches of images, the rule of an update, augmentation. All is plain data.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .tables import text_table

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

    kind: str  # "sgd", "sgd_momentum" or "adam"
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


# ---- a plan: what a net and a batch size become ------------------------------------------------------------


class Elementwise(NamedTuple):
    """An elementwise function of `src/cnn_c/ops/elementwise.pxd` by name, and its constants."""

    function: str
    constants: tuple[float, ...] = ()


class Tensor(NamedTuple):
    """Where a tensor of one image begins, and how many reals from there the kernels of the operation may touch."""

    persistent: bool = False  # in the image's persistent memory, or in its transient one
    at: int = 0
    size: int = 0


class Room(NamedTuple):
    """A part of another memory than those of tensors."""

    at: int = 0
    size: int = 0


class Sizes(NamedTuple):
    """All that the kernels of an operation touch, in reals from where each begins. The kernels say so themselves."""

    x: int  # tensors of an image, with what registers read and write past their end
    y: int
    dx: int
    dy: int
    kept: int  # of an image: what the backward pass needs beside x and y
    argmax: int  # of an image, int32: which element of its window each maximum was
    workspace: int  # of a thread, for this operation alone
    scratch: int  # of a thread, for whichever operation is at work
    sums: int  # of a chunk: gradients for the operation's parameters
    moments: int  # of a chunk, doubles: sums over the batch


class Operation(NamedTuple):
    """One step of the plan."""

    kind: str  # the operation's row in the compiled table
    label: str  # as it is printed
    layers: str  # that it computes, by name
    geometry: Any = ()  # the numbers that the kernels take, a named tuple
    x: Tensor = Tensor()
    y: Tensor = Tensor()
    dx: Tensor = Tensor()
    dy: Tensor = Tensor()
    out_shape: tuple[int, ...] = ()
    out_size: int = 0
    kept: Room = Room()  # in transient memory
    argmax: Room = Room()
    workspace: Room = Room()
    sums: Room = Room()
    moments: Room = Room()
    w: int = -1  # where the weights begin among the net's parameters; the bias follows
    b: int = -1
    w_size: int = 0
    channels: int = 0
    gamma: int = -1  # where those of a normalisation begin, its own or of a convolution that has it in its weights
    statistics: int = -1  # and its running means among the net's statistics; the variances follow
    epsilon: float = 0.0
    with_dx: bool = False  # whether any parameter lies below
    macs: int = 0  # multiply-adds of an image
    whole_batch: bool = False  # whether it needs all images of a batch before it has an output of any
    first_layer: int = -1  # of the net's layers, the first that it computes; -1 if it computes none
    stream: int = 0  # of random numbers; that of number 0 is the augmentation's


class Plan(NamedTuple):
    """The operations of a net for batches of at most `batch_size` images, and the memory that they take, in reals."""

    operations: tuple[Operation, ...]
    batch_size: int
    image_size: int
    classes: int
    transient: int  # of an image, reused from block to block
    persistent: int  # of an image, until the update: what dense layers take, and the gradients for what they give
    workspace: int  # of a thread
    scratch: int  # of a thread
    sums: int  # of a chunk
    moments: int  # of a chunk, doubles
    block: int  # images that a thread takes at a time
    chunks: int  # parts of a batch whose gradients are summed apart
    lowest: int  # the first operation with parameters
    parameters: int  # how many the net has
    statistics: int

    def table(self, itemsize: int) -> str:
        """The plan as text, a line an operation: what it fuses, shapes, bytes written, multiply-adds of an image."""
        rows = [("operation", "layers", "output", "bytes", "MACs")]
        for o in self.operations:
            shape = " x ".join(map(str, o.out_shape))
            rows.append((o.label, o.layers, shape, f"{o.out_size * itemsize:,}", f"{o.macs:,}"))
        total = sum(o.macs for o in self.operations)
        rows.append(("total", "", "", f"{(self.transient + self.persistent) * itemsize:,}", f"{total:,}"))
        chunk = -(-self.batch_size // self.chunks)
        # Where an operation needs the whole batch, no image's memory is free for another before the update.
        until_update = self.persistent + self.transient * any(o.whole_batch for o in self.operations)
        within_block = self.persistent + self.transient - until_update
        foot = (
            f"{self.batch_size} images: {self.chunks} chunks of at most {chunk}, blocks of {self.block}; "
            f"{until_update * itemsize:,} bytes an image until the update, {within_block * itemsize:,} within a block"
        )
        return f"{text_table(rows, left=3)}\n\n{foot}"
