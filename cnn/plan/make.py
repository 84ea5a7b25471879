"""Plans: a net and a batch size as the flat list of operations, and the layout of memory, that the runners take.

Python plans, C runs. A plan is plain data: `Sequential.plan(batch_size)` prints it. Layers are fused into operations,
these get layouts and the numbers that their kernels take, and places in memory of the sizes that the kernels give.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from cnn_c import KERNELS

from ..backends import checks
from ..backends.parts import leaves
from ..backends.program import Operation, Plan, Sizes
from ..layers.base import Layer
from .fusion import fuse
from .layout import LaidOut, Memories, lay_out, place

BLOCK = 16  # images that a thread takes at a time: enough for the matrix products, few enough for the second cache
# Threads share an image of a net of so many multiply-adds, in operations of so many, or of so many outputs: these take
# a core some microseconds, and the threads a part of one to wait for each other.
_SHARED_NET, _SHARED_OPERATION, _SHARED_OUTPUTS = 2_000_000, 100_000, 4_096


class LearnedPlaces(NamedTuple):
    """Where what a layer learns begins in the net's flat arrays; -1 for what it does not have."""

    w: int = -1
    w_size: int = 0
    b: int = -1
    statistics: int = -1


def make_plan(
    layers: Sequence[Layer],
    names: Sequence[str],
    batch_size: int,
    training: bool,
    loss_in_python: bool = False,
    exchanged: bool = False,
) -> Plan:
    """The plan of a net's layers for batches of at most `batch_size` images.

    Parameters
    ----------
    layers, names
    batch_size : int
    training : bool
        Whether it is for steps, or for predictions.
    loss_in_python : bool
        Whether the loss takes the outputs of a whole batch.
    exchanged : bool
        Whether other processes train on parts of the same batches.

    Raises
    ------
    TypeError
        A layer that computes nothing.
    ValueError
        The net's memory is more than an index reaches.
    """
    classes = math.prod(layers[-1].output_shape)
    laid_out = lay_out(fuse(layers, names, training))
    learning = leaves(layers)
    drafts = _drafts(laid_out, _learned_places(learning), exchanged)
    kernels = KERNELS[layers[0].dtype.char]
    sizes = [Sizes(*kernels.operation_sizes(draft, training)) for draft in drafts]
    sizes[-1] = _with_loss(sizes[-1], classes, training)
    memories = Memories()
    whole_loss = training and loss_in_python
    operations = place(laid_out, drafts, sizes, memories, whole_loss)
    of_image = memories.transient.size + memories.persistent.size
    checks.elements("the net's memory for a block of images", BLOCK, of_image)
    checks.elements("the net's memory for a batch", batch_size, of_image)
    return Plan(
        tuple(operations),
        batch_size,
        image_size=math.prod(layers[0].input_shape),
        classes=classes,
        transient=memories.transient.size,
        persistent=memories.persistent.size,
        workspace=memories.workspace.size,
        scratch=max(classes, *(size.scratch for size in sizes)),
        sums=memories.image_sums.size + memories.sums_by_chunk.size,
        image_sums=memories.image_sums.size,
        moments=memories.moments.size,
        block=min(BLOCK, batch_size),
        chunks=kernels.chunks_of(batch_size),
        exchanged=exchanged,
        lowest=next((k for k, o in enumerate(operations) if o.w >= 0 and not o.frozen), len(operations)),
        whole_batch=whole_loss or any(o.whole_batch for o in operations),
        parameters=sum(value.size for layer in learning for value in layer.parameters.values()),
        statistics=sum(value.size for layer in learning for value in layer.statistics.values()),
    )


def _drafts(laid_out: Sequence[LaidOut], learned: dict[int, LearnedPlaces], exchanged: bool) -> list[Operation]:
    """The operations without their places in memory."""
    drafts: list[Operation] = []
    large = sum(layer.macs for fused, _, _ in laid_out for layer in fused.layers) >= _SHARED_NET
    for k, (fused, x, y) in enumerate(laid_out):
        lowering, macs = fused.lowering, sum(layer.macs for layer in fused.layers)
        own = learned[id(fused.layers[0])] if fused.layers else LearnedPlaces()
        norm = learned[id(lowering.normalisation)] if lowering.normalisation else LearnedPlaces()
        drafts.append(
            Operation(
                kind=lowering.kind,
                label=lowering.label or lowering.kind,
                layers=", ".join(fused.names),
                geometry=lowering.geometry(x, y),
                out_shape=fused.out_shape,
                out_size=math.prod(fused.out_shape),
                w=own.w,
                b=own.b,
                w_size=own.w_size,
                channels=fused.out_shape[-1],
                gamma=norm.w,
                statistics=norm.statistics,
                epsilon=lowering.epsilon,
                with_dx=any(draft.w >= 0 and not draft.frozen for draft in drafts),
                frozen=bool(fused.layers) and not fused.layers[0].trainable,
                macs=macs,
                whole_batch=lowering.whole_batch,
                by_chunk=exchanged and lowering.matrix and own.w >= 0 and fused.layers[0].trainable,
                shared=large and (macs >= _SHARED_OPERATION or math.prod(fused.out_shape) >= _SHARED_OUTPUTS),
                has_also_x=bool(lowering.x_of),
                has_also_dy=bool(lowering.dy_of),
                first_layer=fused.first_layer,
                stream=1 + k,
            )
        )
    return drafts


def _with_loss(last: Sizes, classes: int, training: bool) -> Sizes:
    """The last operation's sizes: the loss reads the logits, and writes their gradient."""
    return last._replace(y=max(last.y, classes), dy=max(last.dy, classes if training else 0))


def _learned_places(layers: Sequence[Layer]) -> dict[int, LearnedPlaces]:
    """For each layer, by its id; weights and bias of a normalisation are its gamma and beta."""
    places, parameter, statistic = {}, 0, 0
    for layer in layers:
        sizes = [value.size for value in layer.parameters.values()]
        if layer.in_python and sizes:
            sizes = [sum(sizes)]  # its update takes them together
        statistics = sum(value.size for value in layer.statistics.values())
        places[id(layer)] = LearnedPlaces(
            w=parameter if sizes else -1,
            w_size=sizes[0] if sizes else 0,
            b=parameter + sizes[0] if len(sizes) == 2 else -1,
            statistics=statistic if statistics else -1,
        )
        parameter, statistic = parameter + sum(sizes), statistic + statistics
    return places
