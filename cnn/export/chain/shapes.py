"""What only changes shapes: transposes, flattening, axes of one."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...layers.reshape import Flatten
from ..order import flattened
from . import moments
from .tensor import CHANNELS_FIRST, CHANNELS_LAST, Step, Tensor


def channels_first(x: Tensor) -> None:
    """ValueError for maps whose channels are not the first axis."""
    if len(x.shape) == 3 and x.axes != CHANNELS_FIRST:
        raise ValueError(f"its input must have channels first, got {x.sizes} with axes (height, width, channels)")
    if len(x.shape) not in (1, 3):
        raise ValueError(f"its input must be maps or rows, got {x.sizes}")


def start(sizes: Sequence[int], place: str, axes: tuple[int, ...] = CHANNELS_FIRST) -> Tensor:
    """The input of a graph, maps with these axes or rows."""
    if len(sizes) != 3:
        axes = tuple(range(len(sizes)))
    shape = tuple(sizes[axes.index(axis)] for axis in range(len(sizes)))
    return Tensor(Step(None, None, place, detail=shape), shape, axes)


def likely_axes(sizes: Sequence[int]) -> tuple[int, ...]:
    """Those of maps of these sizes, by which of them is small."""
    is_last = len(sizes) == 3 and sizes[2] < min(sizes[:2])
    return CHANNELS_LAST if is_last else CHANNELS_FIRST


def transpose(x: Tensor, axes: Sequence[int]) -> Tensor:
    """Another order of the axes, of which the batch's, 0, has to stay the first."""
    if sorted(axes) != list(range(len(x.axes) + 1)) or axes[0] != 0:
        raise ValueError(f"a transpose must keep the batch as the first of {len(x.axes) + 1} axes, got {list(axes)}")
    return x._replace(axes=tuple(x.axes[axis - 1] for axis in axes[1:]))


def flatten(x: Tensor) -> Tensor:
    """Rows: of maps, in the order in which the tensor has them."""
    if len(x.shape) == 1:
        return x
    if isinstance(x.step.detail, type):  # a pooling of whole maps
        layer = x.step.detail()
        shape = x.shape[2:]
        return Tensor(Step(x.step.below, layer, x.step.place), shape, (0,), None, x.place)
    order = flattened(x.shape, x.axes)
    return x._replace(axes=(0,), order=order, shape=(math.prod(x.shape),), step=Step(x.step, Flatten(), x.place))


def reshape(x: Tensor, sizes: Sequence[int]) -> Tensor:
    """Other sizes, without the batch's, for the same numbers; one of them may be -1.

    Raises
    ------
    ValueError
        What is neither a flattening nor adds or removes axes of one; except for the graph's input, which may be rows of
        which maps are made, for the net then takes those.
    """
    if moments.moment(x):
        return moments.reshape(x, tuple(sizes))
    known = -math.prod(sizes)
    total = math.prod(x.shape)
    wanted = tuple(total // known if size == -1 and known > 0 else size for size in sizes)
    if math.prod(wanted) != total or min(wanted, default=1) < 1:
        raise ValueError(f"a reshape must keep all numbers of an image, got {x.sizes} to {tuple(sizes)}")
    if wanted == x.sizes:
        return x
    if x.step.below is None and len(x.shape) < len(wanted) == 3:
        return start(wanted, x.step.place, likely_axes(wanted))._replace(place=x.place)
    is_pixel = isinstance(x.step.detail, type) and len(wanted) < 3  # of a pooled map, an axis of one may be left
    if len(wanted) == 1 or is_pixel:
        return flatten(x)
    without_ones = [axis for axis in x.axes if x.shape[axis] > 1]
    for axes in (CHANNELS_FIRST, CHANNELS_LAST):
        same = tuple(x.shape[axis] for axis in axes) == wanted if len(x.shape) == 3 else False
        if same and without_ones == [axis for axis in axes if x.shape[axis] > 1]:
            return x._replace(axes=axes)
    raise ValueError(f"a reshape must make rows of maps, got {x.sizes} to {wanted}")
