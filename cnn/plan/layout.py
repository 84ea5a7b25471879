"""Where tensors lie: in which layout each operation gives its output, with copies between those that do not agree,
and at which place in an image's memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..backends.program import WIDEST, Layout, Place, rounded
from ..layers.lowering import Frame, copy
from .fusion import Fused


class LaidOut(NamedTuple):
    """An operation with the layouts of what it takes and what it gives."""

    fused: Fused
    x: Layout
    y: Layout


class Places(NamedTuple):
    """Where an operation's tensors begin, and what it keeps in scratch memory for the backward pass."""

    x: Place
    y: Place
    dx: Place
    dy: Place
    kept: int
    argmax: int


class Memory:
    """Hands out places one after the other."""

    def __init__(self) -> None:
        self.size = 0

    def take(self, size: int) -> int:
        at = self.size
        self.size += rounded(size)
        return at


def lay_out(operations: Sequence[Fused]) -> list[LaidOut]:
    """The operations with their layouts, and copies where one wants another layout than the one before can give."""
    result: list[LaidOut] = []
    x = Layout()
    for fused, following in zip(operations, [*operations[1:], None], strict=True):
        wanted = _wanted(fused, following)
        given = _given(fused, wanted)
        result.append(LaidOut(fused, x, given))
        if given != wanted:
            shape = fused.out_shape
            result.append(LaidOut(Fused(copy(shape), shape, shape), given, wanted))
        x = wanted
    return result


def _wanted(fused: Fused, following: Fused | None) -> Layout:
    """The layout in which the next operation takes what this one gives."""
    frame = following.lowering.frame if following else None
    if frame is None:
        return _layout(fused.out_shape)
    return _layout(fused.out_shape, frame, fused.lowering.least_pitch or 0)


def _given(fused: Fused, wanted: Layout) -> Layout:
    """The layout in which this one gives it: the wanted one, if it can."""
    least = fused.lowering.least_pitch
    if least is not None and wanted.pitch >= least:
        return wanted
    return _layout(fused.out_shape, least_pitch=least or 0)


def _layout(shape: tuple[int, ...], frame: Frame = (0, 0, 0, 0), least_pitch: int = 0) -> Layout:
    """A map inside a frame of zeros; a row's right border is the next one's left border."""
    if len(shape) != 3:
        return Layout(size=math.prod(shape))
    (h, w, c), (top, left, bottom, right) = shape, frame
    pitch = max(w + max(left, right), least_pitch)
    lead = (top * pitch + left) * c
    with_frame = ((top + h + bottom) * pitch + left + right) * c + WIDEST  # registers read, and write, past the end
    return Layout(pitch, lead, max(with_frame, lead + rounded((h - 1) * pitch + w) * c))


def place(
    operations: Sequence[LaidOut], geometries: Sequence[Any], scratch: Memory, persistent: Memory
) -> list[Places]:
    """Places for the tensors of all operations in an image's memory."""
    result: list[Places] = []
    x, dx = Place(), Place()
    for k, ((fused, x_layout, y_layout), geometry) in enumerate(zip(operations, geometries, strict=True)):
        lowering = fused.lowering
        lasts = lowering.matrix or (k + 1 < len(operations) and operations[k + 1].fused.lowering.matrix)
        y = Place(lasts, (persistent if lasts else scratch).take(y_layout.size))
        if lowering.in_place and x_layout == y_layout:
            dy = dx  # each number makes way for the one that comes of it
        else:
            dy = Place(lowering.matrix, (persistent if lowering.matrix else scratch).take(y_layout.size))
        kept, argmax = (scratch.take(size) for size in lowering.kept_sizes(geometry))
        has_frame = lowering.frame is not None  # it takes the frame, all others the map inside
        begins = [tensor if has_frame else _inside(tensor, x_layout) for tensor in (x, dx)]
        result.append(Places(begins[0], _inside(y, y_layout), begins[1], _inside(dy, y_layout), kept, argmax))
        x, dx = y, dy
    return result


def _inside(place: Place, layout: Layout) -> Place:
    """Where the map begins, given where its frame does."""
    return Place(place.persistent, place.at + layout.lead)
