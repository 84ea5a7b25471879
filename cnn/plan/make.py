"""Plans: a net and a batch size as the flat list of operations, and the layout of memory, that the kernels run.

Python plans, C runs. A plan is plain data: `Sequential.plan(batch_size)` prints it, the compiled `Runner` executes it,
and so does the reference. Layers are fused here: an image is rescaled as it is read; a convolution, its ReLU and its
2x2 max pooling are one operation; so are a dense layer and its ReLU. For predictions a normalisation is part of the
convolution below it, and dropout is nothing; in training they are operations of their own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..backends import checks
from ..backends.geometry import ConvGeometry, PoolGeometry
from ..backends.tables import text_table
from ..layers.base import AvgPool2D, BatchNorm, Conv2D, Dense, Dropout, Flatten, Layer, MaxPool2D, ReLU, Rescaling

_WIDEST = 16  # reals to which sizes are rounded: the widest register, or cache line, of the smaller dtype
BLOCK = 16  # images that a thread takes at a time: enough for the matrix products, few enough for the second cache
_ELEMENTWISE = ("batchnorm", "dropout", "relu", "rescale")
_CHUNKS = 16  # parts of a batch whose convolution gradients are summed apart, and the most threads of use


class Place(NamedTuple):
    """Where a tensor of one image begins: in the image's row or in its cell, and at which real."""

    in_row: bool = False
    at: int = 0


class ConvPoolGeometry(NamedTuple):
    """A convolution of stride 1, a ReLU and a 2x2 max pooling in one.

    Pitches are pixels from one row to the next, of the padded input and of the output.
    """

    h: int
    w: int
    c_in: int
    c_out: int
    kh: int
    kw: int
    ph: int
    pw: int
    oh: int
    ow: int
    x_pitch: int
    y_pitch: int
    relu: bool

    @property
    def conv(self) -> ConvGeometry:
        """The convolution of the pixels that are pooled."""
        return ConvGeometry(*self[:6], 1, 1, self.ph, self.pw, 2 * self.oh, 2 * self.ow)

    @property
    def pool(self) -> PoolGeometry:
        return PoolGeometry(2 * self.oh, 2 * self.ow, self.c_out, 2, 2, 2, 2, 0, 0, self.oh, self.ow)


class DenseGeometry(NamedTuple):
    inputs: int
    units: int
    relu: bool


class CopyGeometry(NamedTuple):
    """Rows of `width` reals, from one pitch in reals to another."""

    rows: int
    width: int
    x_pitch: int
    y_pitch: int


class ImageGeometry(NamedTuple):
    h: int
    w: int
    c: int


class NormGeometry(NamedTuple):
    """A batch normalisation, and a ReLU if one follows."""

    positions: int  # of one image
    c: int
    relu: bool
    keep: float  # of the running statistics, in a step


class DropoutGeometry(NamedTuple):
    rate: float
    threshold: int  # of a random word, below which a value is dropped
    stream: int  # of random numbers; that of number 0 is the augmentation's


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
    kept: int = 0  # in the cell, from the forward to the backward pass: the image's planes
    codes: int = 0  # and who won every pooling window
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


class Plan(NamedTuple):
    operations: tuple[Operation, ...]
    batch_size: int
    image_size: int
    classes: int
    cell: int  # reals of an image's memory in a block, reused from block to block
    row: int  # reals of an image that last until the update: inputs of dense layers, gradients of their outputs
    block: int
    chunks: int
    lowest: int  # the first operation with parameters
    parameters: int  # how many the net has
    statistics: int

    @property
    def waits(self) -> bool:
        """Whether images wait for the whole batch, so that each needs a cell of its own."""
        return any(o.kind == "batchnorm" for o in self.operations)

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
        kept, passing = (self.cell + self.row, 0) if self.waits else (self.row, self.cell)
        foot = (
            f"{self.batch_size} images: {self.chunks} chunks of at most {chunk}, blocks of {self.block}; "
            f"{kept * itemsize:,} bytes an image until the update, {passing * itemsize:,} within a block"
        )
        return f"{text_table(rows, left=3)}\n\n{foot}"


# ---- layers to steps, some of several layers ---------------------------------------------------------------


class _Step(NamedTuple):
    kind: str
    names: tuple[str, ...]
    layers: tuple[Any, ...]  # none for a copy
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]

    @property
    def relu(self) -> bool:
        return any(isinstance(layer, ReLU) for layer in self.layers[1:])

    @property
    def norm(self) -> BatchNorm | None:
        return next((layer for layer in self.layers if isinstance(layer, BatchNorm)), None)


def _steps(layers: Sequence[Layer], names: list[str], training: bool) -> list[_Step]:
    steps = []
    k = 0
    while k < len(layers):
        kind, count = _next(layers, k, training)
        if k == 0 and kind != "load":
            steps.append(_Step("load", (), (), layers[0].input_shape, layers[0].input_shape))
        taken = tuple(layers[k : k + count])
        if kind != "nothing":
            shapes = taken[0].input_shape, taken[-1].output_shape
            steps.append(_Step(kind, tuple(names[k : k + count]), taken, *shapes))
        k += count
    return steps


def _next(layers: Sequence[Layer], k: int, training: bool) -> tuple[str, int]:
    """The operation that begins with layer k, and how many layers it takes."""
    layer, rest = layers[k], layers[k + 1 :]
    if isinstance(layer, Conv2D):
        return _next_conv(layer, rest, any(below.parameters for below in layers[:k]), training)
    has_relu = bool(rest) and isinstance(rest[0], ReLU)
    if isinstance(layer, Dense):
        return "dense", 1 + has_relu
    if isinstance(layer, BatchNorm):
        return "batchnorm", 1 + has_relu
    if isinstance(layer, Rescaling):
        return ("rescale" if k else "load"), 1
    if isinstance(layer, Dropout):
        return ("dropout" if training else "nothing"), 1
    if isinstance(layer, MaxPool2D):
        return ("maxpool" if layer.ties == "first" else "maxpool, ties"), 1
    for kind, type_ in (("relu", ReLU), ("nothing", Flatten), ("avgpool", AvgPool2D)):
        if isinstance(layer, type_):
            return kind, 1
    raise TypeError(f"{type(layer).__name__} has no operation in a plan")


def _next_conv(layer: Conv2D, rest: Sequence[Layer], gradient_below: bool, training: bool) -> tuple[str, int]:
    count = 1 + (not training and bool(rest) and isinstance(rest[0], BatchNorm))
    has_relu = len(rest) >= count and isinstance(rest[count - 1], ReLU)
    if layer.stride == (1, 1) and _pools_2x2(rest[count - 1 + has_relu :]):
        one_channel = layer.input_shape[2] == 1 and layer.kernel_size in ((3, 3), (5, 5)) and not gradient_below
        return ("image conv+pool" if one_channel else "conv+pool"), count + has_relu + 1
    return "conv", count


def _pools_2x2(layers: Sequence[Layer]) -> bool:
    pool = layers[0] if layers else None
    return (
        isinstance(pool, MaxPool2D)
        and pool.pool_size == pool.stride == (2, 2)
        and pool.padding == (0, 0)
        and pool.ties == "first"
    )


# ---- tensors in memory -------------------------------------------------------------------------------------


class _Layout(NamedTuple):
    """How a tensor lies: rows of pixels `pitch` apart, the first one after `lead` reals, in `size` reals."""

    pitch: int
    lead: int
    size: int


def _layout(shape: tuple[int, ...], frame: tuple[int, int, int, int] = (0, 0, 0, 0), pitch: int = 0) -> _Layout:
    """A map inside a frame of zeros (top, left, bottom, right); a row's right border is the next one's left border."""
    if len(shape) != 3:
        return _Layout(0, 0, math.prod(shape))
    (h, w, c), (top, left, bottom, right) = shape, frame
    pitch = pitch or w + max(left, right)
    lead = (top * pitch + left) * c
    framed = ((top + h + bottom) * pitch + left + right) * c + _WIDEST  # registers read, and write, past the end
    return _Layout(pitch, lead, max(framed, lead + _rounded((h - 1) * pitch + w) * c))


def _wanted(step: _Step, following: _Step | None) -> _Layout:
    """The layout in which the next step takes what `step` gives."""
    if following is None or following.kind != "conv+pool":
        return _layout(step.out_shape)
    g = following.layers[0].geometry
    rows, columns = (2 * size for size in following.out_shape[:2])  # of the convolution, as far as they are pooled
    bottom, right = max(rows + g.kh - 1 - g.ph - g.h, 0), max(columns + g.kw - 1 - g.pw - g.w, 0)
    pitch = max(g.w + max(g.pw, right), _least_pitch(step))
    return _layout(step.out_shape, (g.ph, g.pw, bottom, right), pitch)


def _given(step: _Step, wanted: _Layout) -> _Layout:
    """The layout in which `step` gives it: the wanted one, if it can."""
    if step.kind == "conv+pool" or wanted.pitch >= _least_pitch(step) > 0:
        return wanted
    return _layout(step.out_shape, pitch=_least_pitch(step))


def _least_pitch(step: _Step) -> int:
    # Lanes run over the end of a row into the next: the planes' rows, which are wider, set the pitch.
    return step.out_shape[1] + step.layers[0].kernel_size[1] // 2 if step.kind == "image conv+pool" else 0


def _rounded(size: int) -> int:
    return -(-size // _WIDEST) * _WIDEST


class _Memory:
    """Hands out places one after the other."""

    def __init__(self) -> None:
        self.size = 0

    def take(self, size: int) -> int:
        at = self.size
        self.size += _rounded(size)
        return at


# ---- the plan ----------------------------------------------------------------------------------------------


def make_plan(layers: Sequence[Layer], names: list[str], batch_size: int, training: bool) -> Plan:
    """The plan of a net's layers for batches of at most `batch_size` images."""
    steps = _with_copies(_steps(layers, names, training))
    cell, row = _Memory(), _Memory()
    parameters, statistics = _parameter_places(layers), _statistic_places(layers)
    operations: list[Operation] = []
    lowest = None
    layout_in, value_in, gradient_in = _Layout(0, 0, 0), Place(), Place()
    for (step, layout), (following, _) in zip(steps, [*steps[1:], (None, None)], strict=True):
        dense = step.kind == "dense"
        in_row = dense or (following is not None and following.kind == "dense")
        value = Place(in_row, (row if in_row else cell).take(layout.size))
        if step.kind in _ELEMENTWISE and layout == layout_in:
            gradient = gradient_in  # each number makes way for the one that comes of it
        else:
            gradient = Place(dense, (row if dense else cell).take(layout.size))
        geometry = _geometry(step, layout_in, layout, stream=1 + len(operations))
        kept, codes = (cell.take(size) for size in _kept_sizes(step, geometry))
        w, w_size, b = parameters.get(id(step.layers[0]), (-1, 0, -1)) if step.layers else (-1, 0, -1)
        with_dx = lowest is not None
        if w >= 0 and lowest is None:
            lowest = len(operations)
        rescaling = step.layers[0] if step.kind in ("load", "rescale") and step.layers else Rescaling(1.0)
        framed = step.kind == "conv+pool"  # it takes the frame, all others the map inside
        operations.append(
            Operation(
                kind=step.kind,
                layers=", ".join(step.names),
                geometry=geometry,
                x=value_in if framed else _inside(value_in, layout_in),
                dx=gradient_in if framed else _inside(gradient_in, layout_in),
                y=_inside(value, layout),
                dy=_inside(gradient, layout),
                out_shape=step.out_shape,
                out_size=math.prod(step.out_shape),
                frame_size=layout_in.size,
                kept=kept,
                codes=codes,
                w=w,
                b=b,
                w_size=w_size,
                channels=step.out_shape[-1],
                gamma=parameters[id(step.norm)][0] if step.norm else -1,
                statistics=statistics[id(step.norm)] if step.norm else -1,
                epsilon=step.norm.epsilon if step.norm else 0.0,
                scale=rescaling.scale,
                offset=rescaling.offset,
                with_dx=with_dx,
                macs=sum(layer.macs for layer in step.layers),
            )
        )
        layout_in, value_in, gradient_in = layout, value, gradient
    checks.elements("the net's memory for a block of images", BLOCK, cell.size + row.size)
    checks.elements("the net's memory for a batch", batch_size, row.size + cell.size)
    return Plan(
        tuple(operations),
        batch_size,
        image_size=math.prod(layers[0].input_shape),
        classes=math.prod(layers[-1].output_shape),
        cell=cell.size,
        row=row.size,
        block=min(BLOCK, batch_size),
        chunks=min(_CHUNKS, batch_size),
        lowest=len(operations) if lowest is None else lowest,
        parameters=sum(value.size for layer in layers for value in layer.parameters.values()),
        statistics=sum(value.size for layer in layers for value in layer.statistics.values()),
    )


def _with_copies(steps: list[_Step]) -> list[tuple[_Step, _Layout]]:
    """The steps with the layouts that they give, and copies where the next one wants another."""
    result = []
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        wanted = _wanted(step, following)
        given = _given(step, wanted)
        result.append((step, given))
        if given != wanted:
            result.append((_Step("copy", (), (), step.out_shape, step.out_shape), wanted))
    return result


def _inside(place: Place, layout: _Layout) -> Place:
    return Place(place.in_row, place.at + layout.lead)


def _geometry(step: _Step, layout_in: _Layout, layout: _Layout, stream: int) -> Any:
    if step.kind in ("conv+pool", "image conv+pool"):
        g = step.layers[0].geometry
        pitch = layout.pitch if step.kind == "image conv+pool" else layout_in.pitch
        h, w = step.out_shape[:2]
        return ConvPoolGeometry(g.h, g.w, g.c_in, g.c_out, g.kh, g.kw, g.ph, g.pw, h, w, pitch, layout.pitch, step.relu)
    if step.kind == "dense":
        return DenseGeometry(step.in_shape[0], step.out_shape[0], step.relu)
    if step.kind == "load" and len(step.in_shape) == 3:
        return ImageGeometry(*step.in_shape)
    if step.kind == "batchnorm":
        layer, channels = step.layers[0], step.in_shape[-1]
        return NormGeometry(math.prod(step.in_shape) // channels, channels, step.relu, layer.momentum)
    if step.kind == "dropout":
        rate = step.layers[0].rate
        return DropoutGeometry(rate, min(round(rate * 2**32), 2**32 - 1), stream)
    if step.kind == "copy":
        h, w, c = step.in_shape
        return CopyGeometry(h, w * c, layout_in.pitch * c, layout.pitch * c)
    return getattr(step.layers[0], "geometry", ()) if step.layers else ()


def _kept_sizes(step: _Step, geometry: Any) -> tuple[int, int]:
    """Reals of what the backward pass of one image needs beside the tensors: its planes, the windows' winners."""
    g = geometry
    if isinstance(g, ConvPoolGeometry):
        pixels = _rounded((g.oh - 1) * g.y_pitch + g.ow)
        if step.kind == "conv+pool":
            return 0, g.oh * g.ow * g.c_out
        return 4 * _rounded((g.oh + g.kh // 2) * g.x_pitch + g.kw // 2 + _WIDEST), pixels * g.c_out
    return 0, math.prod(step.out_shape) if step.kind == "maxpool" else 0


def _parameter_places(layers: Sequence[Layer]) -> dict[int, tuple[int, int, int]]:
    """For each layer with parameters: where its weights begin, their number, and where its bias begins or -1.

    Weights and bias of a normalisation are its gamma and beta.
    """
    places, start = {}, 0
    for layer in layers:
        sizes = [value.size for value in layer.parameters.values()]
        if sizes:
            places[id(layer)] = start, sizes[0], start + sizes[0] if len(sizes) == 2 else -1
            start += sum(sizes)
    return places


def _statistic_places(layers: Sequence[Layer]) -> dict[int, int]:
    """For each layer with running statistics: where they begin."""
    places, start = {}, 0
    for layer in layers:
        places[id(layer)] = start
        start += sum(value.size for value in layer.statistics.values())
    return places
