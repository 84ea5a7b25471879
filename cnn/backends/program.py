"""What the runners are given: a plan, its operations and where their tensors lie; and, beside the arrays of a call,
augmentation in the kernels' units, random numbers, label smoothing. All is plain data.
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


class Noise(NamedTuple):
    """Given with the images of some steps.

    Every image has random numbers of its own, made from `seed` and its position in the epoch: `first` is that of the
    first image given.
    """

    seed: int = 0
    first: int = 0
    warp: Warp | None = None
    label_smoothing: float = 0.0


# ---- a plan: what a net and a batch size become -------------------------------------------------------------

WIDEST = 16  # reals to which sizes are rounded: the widest register, or cache line, of the smaller dtype


def rounded(size: int) -> int:
    """The next multiple of `WIDEST`."""
    return -(-size // WIDEST) * WIDEST


class Layout(NamedTuple):
    """How a tensor of one image lies: rows of pixels `pitch` apart, the first after `lead` reals, in `size` reals."""

    pitch: int = 0
    lead: int = 0
    size: int = 0


class Place(NamedTuple):
    """Where a tensor of one image begins: in the image's persistent or its scratch memory, and at which real."""

    persistent: bool = False
    at: int = 0


class Operation(NamedTuple):
    """One step of the plan. Sizes and places are in reals, of one image."""

    kind: str
    layers: str
    geometry: Any = ()  # the numbers that the kernel takes, a named tuple
    x: Place = Place()
    y: Place = Place()
    dx: Place = Place()
    dy: Place = Place()
    out_shape: tuple[int, ...] = ()
    out_size: int = 0
    frame_size: int = 0  # of dx, which is added up and therefore zeroed
    kept: int = 0  # in scratch memory, from the forward to the backward pass: the image's planes
    codes: int = 0  # and the argmax of every pooling window
    w: int = -1  # where the weights begin among the net's parameters; the bias follows
    b: int = -1
    w_size: int = 0
    channels: int = 0
    gamma: int = -1  # where those of a normalisation begin, its own or of a convolution that has it in its weights
    statistics: int = -1  # and its running means among the net's statistics; the variances follow
    epsilon: float = 0.0
    scale: float = 1.0
    offset: float = 0.0
    with_dx: bool = False  # whether any parameter lies below
    macs: int = 0
    whole_batch: bool = False  # whether it needs all images of a batch before it has an output of any
    first_layer: int = -1  # of the net's layers, the first that it computes; -1 if it computes none
    stream: int = 0  # of random numbers; that of number 0 is the augmentation's


class Plan(NamedTuple):
    """The operations of a net for batches of at most `batch_size` images, and the memory that they take."""

    operations: tuple[Operation, ...]
    batch_size: int
    image_size: int
    classes: int
    cell: int  # reals of an image's scratch memory, reused from block to block
    row: int  # of its persistent memory, which lasts until the update: what dense layers take, and give gradients of
    block: int
    chunks: int
    lowest: int  # the first operation with parameters
    parameters: int  # how many the net has
    statistics: int

    def table(self, itemsize: int) -> str:
        """The plan as text, a line an operation: what it fuses, shapes, bytes written, multiply-adds of an image."""
        rows = [("operation", "layers", "output", "bytes", "MACs")]
        for o in self.operations:
            rows.append(
                (o.kind, o.layers, " x ".join(map(str, o.out_shape)), f"{o.out_size * itemsize:,}", f"{o.macs:,}")
            )
        total = sum(o.macs for o in self.operations)
        rows.append(("total", "", "", f"{(self.cell + self.row) * itemsize:,}", f"{total:,}"))
        chunk = -(-self.batch_size // self.chunks)
        # Where an operation needs the whole batch, no image's memory is free for another before the update.
        until_update = self.row + self.cell * any(o.whole_batch for o in self.operations)
        within_block = self.row + self.cell - until_update
        foot = (
            f"{self.batch_size} images: {self.chunks} chunks of at most {chunk}, blocks of {self.block}; "
            f"{until_update * itemsize:,} bytes an image until the update, {within_block * itemsize:,} within a block"
        )
        return f"{text_table(rows, left=3)}\n\n{foot}"
