"""Plans: a net and a batch size as the flat list of operations, and the layout of memory, that the runners take.

Python plans, C runs. A plan is plain data: `Sequential.plan(batch_size)` prints it. Four steps make it: layers are
fused into operations, these get layouts, then the numbers that their kernels take, then places in memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from ..backends import checks
from ..backends.program import Operation, Plan
from ..layers.base import Layer
from .fusion import Fused, fuse
from .layout import Memory, Places, lay_out, place

BLOCK = 16  # images that a thread takes at a time: enough for the matrix products, few enough for the second cache
_CHUNKS = 16  # parts of a batch whose convolution gradients are summed apart, and the most threads of use


class Learned(NamedTuple):
    """Where what a layer learns begins in the net's flat arrays; -1 for what it does not have."""

    w: int = -1
    w_size: int = 0
    b: int = -1
    statistics: int = -1


def make_plan(layers: Sequence[Layer], names: Sequence[str], batch_size: int, training: bool) -> Plan:
    """The plan of a net's layers for batches of at most `batch_size` images.

    Raises
    ------
    TypeError
        A layer that is none of the package.
    ValueError
        The net's memory is more than an index reaches.
    """
    laid_out = lay_out(fuse(layers, names, training))
    geometries = [o.fused.lowering.geometry(o.x, o.y, 1 + k) for k, o in enumerate(laid_out)]
    scratch, persistent = Memory(), Memory()
    places = place(laid_out, geometries, scratch, persistent)
    checks.elements("the net's memory for a block of images", BLOCK, scratch.size + persistent.size)
    checks.elements("the net's memory for a batch", batch_size, persistent.size + scratch.size)
    learned = _learned_places(layers)
    operations: list[Operation] = []
    lowest = None  # operation with parameters
    for k, ((fused, x, _), geometry, where) in enumerate(zip(laid_out, geometries, places, strict=True)):
        operations.append(
            _operation(fused, where, learned)._replace(
                geometry=geometry, frame_size=x.size, with_dx=lowest is not None, stream=1 + k
            )
        )
        if operations[k].w >= 0 and lowest is None:
            lowest = k
    return Plan(
        tuple(operations),
        batch_size,
        image_size=math.prod(layers[0].input_shape),
        classes=math.prod(layers[-1].output_shape),
        cell=scratch.size,
        row=persistent.size,
        block=min(BLOCK, batch_size),
        chunks=min(_CHUNKS, batch_size),
        lowest=len(operations) if lowest is None else lowest,
        parameters=sum(value.size for layer in layers for value in layer.parameters.values()),
        statistics=sum(value.size for layer in layers for value in layer.statistics.values()),
    )


def _operation(fused: Fused, places: Places, learned: dict[int, Learned]) -> Operation:
    """All of an operation that does not hang on the others."""
    lowering = fused.lowering
    own = learned[id(fused.layers[0])] if fused.layers else Learned()
    norm = learned[id(lowering.normalisation)] if lowering.normalisation else Learned()
    return Operation(
        kind=lowering.kind,
        layers=", ".join(fused.names),
        x=places.x,
        y=places.y,
        dx=places.dx,
        dy=places.dy,
        out_shape=fused.out_shape,
        out_size=math.prod(fused.out_shape),
        kept=places.kept,
        codes=places.argmax,
        w=own.w,
        b=own.b,
        w_size=own.w_size,
        channels=fused.out_shape[-1],
        gamma=norm.w,
        statistics=norm.statistics,
        epsilon=lowering.epsilon,
        scale=lowering.scale,
        offset=lowering.offset,
        macs=sum(layer.macs for layer in fused.layers),
        whole_batch=lowering.whole_batch,
        first_layer=fused.first_layer,
    )


def _learned_places(layers: Sequence[Layer]) -> dict[int, Learned]:
    """For each layer, by its id; weights and bias of a normalisation are its gamma and beta."""
    places, parameter, statistic = {}, 0, 0
    for layer in layers:
        sizes = [value.size for value in layer.parameters.values()]
        statistics = sum(value.size for value in layer.statistics.values())
        places[id(layer)] = Learned(
            w=parameter if sizes else -1,
            w_size=sizes[0] if sizes else 0,
            b=parameter + sizes[0] if len(sizes) == 2 else -1,
            statistics=statistic if statistics else -1,
        )
        parameter, statistic = parameter + sum(sizes), statistic + statistics
    return places
