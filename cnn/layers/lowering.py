"""`Lowering`: what a layer becomes in a plan, said by the layer; the plan itself knows no kind of operation by name.

The two operations that a plan adds of its own are here as well: reading the images, and copying a tensor from one
layout to another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..backends.program import Layout

Frame = tuple[int, int, int, int]  # rows and columns of zeros: top, left, bottom, right
Geometry = Callable[[Layout, Layout, int], Any]  # of the layouts of x and y, and the number of the random stream
KeptSizes = Callable[[Any], tuple[int, int]]


def constant(geometry: Any) -> Geometry:
    """A geometry that no layout changes."""
    return lambda x, y, stream: geometry


def nothing_kept(geometry: Any) -> tuple[int, int]:
    return 0, 0


class Lowering(NamedTuple):
    """One operation of a plan, before it is known where its tensors lie."""

    kind: str  # the operation's row in the compiled table
    layers: int = 1  # how many of the net's layers it computes: the one that is asked and those above it
    geometry: Geometry = constant(())
    kept_sizes: KeptSizes = nothing_kept  # from its geometry: reals of an image kept for the backward pass, of argmax
    frame: Frame | None = None  # of zeros around x that it reads, and around dx that it writes; None: there is none
    least_pitch: int | None = None  # of y, whose rows may lie further apart; None: its rows follow each other
    in_place: bool = False  # whether dx may be written over dy
    matrix: bool = False  # whether it takes a block of images as a matrix, and so wants x, y, dy in persistent memory
    whole_batch: bool = False  # whether it needs all images of a batch before it has an output of any
    reads_images: bool = False  # whether its x are the images themselves
    normalisation: Any = None  # the layer whose slopes, shifts and running statistics it reads, if any,
    epsilon: float = 0.0  # and what is added to the variance there
    scale: float = 1.0
    offset: float = 0.0


class ImageGeometry(NamedTuple):
    h: int
    w: int
    c: int


class CopyGeometry(NamedTuple):
    """Rows of `width` reals, from one pitch in reals to another."""

    rows: int
    width: int
    x_pitch: int
    y_pitch: int


def load(shape: tuple[int, ...], layers: int = 0, scale: float = 1.0, offset: float = 0.0) -> Lowering:
    """Reading the images, of whatever dtype, rescaled."""
    geometry = ImageGeometry(*shape) if len(shape) == 3 else ()
    return Lowering("load", layers, constant(geometry), reads_images=True, scale=scale, offset=offset)


def copy(shape: tuple[int, ...]) -> Lowering:
    """Copying a map into another layout."""
    h, w, c = shape
    return Lowering("copy", 0, lambda x, y, stream: CopyGeometry(h, w * c, x.pitch * c, y.pitch * c))
