"""`Lowering`: what a layer becomes in a plan, said by the layer; the plan itself knows no kind of operation by name.

The two operations that a plan adds of its own are here as well: reading the images, and copying a tensor from one
layout to another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

Frame = tuple[int, int, int, int]  # rows and columns of zeros: top, left, bottom, right


class Layout(NamedTuple):
    """How a tensor of one image lies: rows of pixels `pitch` apart, the first one `lead` reals after the frame's."""

    pitch: int = 0
    lead: int = 0
    frame: Frame = (0, 0, 0, 0)


Geometry = Callable[[Layout, Layout], Any]  # of the layouts of x and y


def constant(geometry: Any) -> Geometry:
    """A geometry that no layout changes."""
    return lambda x, y: geometry


class Lowering(NamedTuple):
    """One operation of a plan, before it is known where its tensors lie."""

    kind: str  # the operation's row in the compiled table
    layers: int = 1  # how many of the net's layers it computes: the one that is asked and those above it
    geometry: Geometry = constant(())
    label: str = ""  # as it is printed, if not as its kind
    frame: Frame | None = None  # of zeros around x that it reads, and around dx that it writes; None: there is none
    least_pitch: int | None = None  # of y, whose rows may lie further apart; None: its rows follow each other
    in_place: bool = False  # whether dx may be written over dy
    matrix: bool = False  # whether it takes a block of images as a matrix, and so wants x, y, dy in persistent memory
    whole_batch: bool = False  # whether it needs all images of a batch before it has an output of any
    reads_images: bool = False  # whether its x are the images themselves
    key: str = ""  # by which another operation names this one
    x_of: str = ""  # the operation whose x it reads beside its own, or instead
    dy_of: str = ""  # and the one whose dy
    normalisation: Any = None  # the layer whose slopes, shifts and running statistics it reads, if any,
    epsilon: float = 0.0  # and what is added to the variance there


class LoadGeometry(NamedTuple):
    """The images' shape, zeros for inputs that are no images, and how they are rescaled."""

    h: int = 0
    w: int = 0
    c: int = 0
    scale: float = 1.0
    offset: float = 0.0


class CopyGeometry(NamedTuple):
    """Rows of `width` reals, from one pitch in reals to another."""

    rows: int
    width: int
    x_pitch: int
    y_pitch: int


def load(shape: tuple[int, ...], layers: int = 0, scale: float = 1.0, offset: float = 0.0) -> Lowering:
    """Reading the images, of whatever dtype, rescaled."""
    h, w, c = shape if len(shape) == 3 else (0, 0, 0)
    return Lowering("load", layers, constant(LoadGeometry(h, w, c, scale, offset)), reads_images=True)


def copy(shape: tuple[int, ...]) -> Lowering:
    """Copying a map into another layout."""
    h, w, c = shape
    return Lowering("copy", 0, lambda x, y: CopyGeometry(h, w * c, x.pitch * c, y.pitch * c))
