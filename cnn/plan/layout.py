"""Where tensors lie: in which layout each operation gives its output, with copies between those that do not agree,
and at which place in an image's memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..backends.program import Operation, Room, Sizes, Tensor
from ..layers.lowering import Frame, Layout, copy
from .fusion import Fused

_LINE = 16  # reals: places begin with a cache line of the smaller dtype


class LaidOut(NamedTuple):
    """An operation with the layouts of what it takes and what it gives."""

    fused: Fused
    x: Layout
    y: Layout


class Memory:
    """Hands out places one after the other."""

    def __init__(self) -> None:
        self.size = 0

    def take(self, size: int) -> int:
        at = self.size
        self.size += -(-size // _LINE) * _LINE
        return at

    def room(self, size: int) -> Room:
        return Room(self.take(size), size)


class Memories:
    """All memory of a plan: of an image, of a thread, of a chunk."""

    def __init__(self) -> None:
        self.transient, self.persistent = Memory(), Memory()
        self.workspace, self.moments = Memory(), Memory()
        self.image_sums, self.sums_by_chunk = Memory(), Memory()  # which follow each other

    def begin(self, persistent: bool, size: int) -> Tensor:
        """A new tensor."""
        return Tensor(persistent, (self.persistent if persistent else self.transient).take(size), size)


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
        return Layout()
    (_, w, c), (top, left, _, right) = shape, frame
    pitch = max(w + max(left, right), least_pitch)
    return Layout(pitch, (top * pitch + left) * c, frame)


def place(
    laid_out: Sequence[LaidOut],
    drafts: Sequence[Operation],
    sizes: Sequence[Sizes],
    memories: Memories,
    whole_loss: bool,
) -> list[Operation]:
    """The drafts with places for all that their kernels touch, of the sizes that these have given.

    Images pass the operations a block at a time, up to one that needs the whole batch, or to a loss that does
    (`whole_loss`). What is needed of the operations up to there after another block has passed is persistent.
    """
    passed_first = len(drafts) if whole_loss else max((k for k, o in enumerate(drafts) if o.whole_batch), default=-1)
    result: list[Operation] = []
    x, dx = Tensor(), Tensor()  # from the beginning of their frames on
    for k, (laid, draft, size) in enumerate(zip(laid_out, drafts, sizes, strict=True)):
        lowering, following = laid.fused.lowering, k + 1 < len(drafts)
        next_lead = _lead(laid_out[k + 1], laid.y) if following else 0
        next_size = sizes[k + 1] if following else Sizes(*(0 for _ in Sizes._fields))
        first = k <= passed_first
        lasts = first or lowering.matrix or (following and laid_out[k + 1].fused.lowering.matrix)
        y = memories.begin(lasts, max(laid.y.lead + size.y, next_lead + next_size.x))
        needed = max(laid.y.lead + size.dy, next_lead + next_size.dx)
        fits = laid.x == laid.y and size.dx == size.dy and needed <= dx.size and not draft.whole_batch
        if lowering.in_place and (fits or not size.dy):
            dy = dx  # dx overwrites dy; where nothing below learns, there is neither
        else:
            # Another block of images may pass before a residual block's fork reads the gradient of its join.
            awaited = bool(lowering.key) and passed_first >= 0
            dy = memories.begin(lowering.matrix or draft.whole_batch or awaited, needed)
        lead = _lead(laid, laid.x)
        result.append(
            draft._replace(
                x=_part(x, lead, size.x),
                y=_part(y, laid.y.lead, size.y),
                dx=_part(dx, lead, size.dx),
                dy=_part(dy, laid.y.lead, size.dy),
                kept=memories.begin(first, size.kept),
                argmax=memories.begin(first, size.argmax),
                workspace=memories.workspace.room(size.workspace),
                sums=(memories.sums_by_chunk if draft.by_chunk else memories.image_sums).room(size.sums),
                moments=memories.moments.room(size.moments),
            )
        )
        x, dx = y, dy
    return _linked(laid_out, [_behind(o, memories.image_sums.size) if o.by_chunk else o for o in result])


def _behind(operation: Operation, size: int) -> Operation:
    """With its sums behind those of images."""
    return operation._replace(sums=operation.sums._replace(at=size + operation.sums.at))


def _linked(laid_out: Sequence[LaidOut], operations: Sequence[Operation]) -> list[Operation]:
    """The operations of residual blocks with the tensors of others that they read."""
    named = {laid.fused.lowering.key: o for laid, o in zip(laid_out, operations, strict=True)}
    return [
        o._replace(
            also_x=named[laid.fused.lowering.x_of].x if laid.fused.lowering.x_of else Tensor(),
            also_dy=named[laid.fused.lowering.dy_of].dy if laid.fused.lowering.dy_of else Tensor(),
        )
        for laid, o in zip(laid_out, operations, strict=True)
    ]


def _lead(laid: LaidOut, x: Layout) -> int:
    """Where an operation's x begins: with the frame, for one that reads it, else with the map inside."""
    return 0 if laid.fused.lowering.frame is not None else x.lead


def _part(tensor: Tensor, lead: int, size: int) -> Tensor:
    return Tensor(tensor.persistent, tensor.at + lead, size)
