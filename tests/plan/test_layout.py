"""Where tensors lie: each operation gets the layout that it asks for, and no two tensors overlap."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cnn
from cnn.layers.base import layer_names
from cnn.plan.fusion import fuse
from cnn.plan.layout import Memory, lay_out, place
from cnn.plan.make import make_plan

from .nets import NETS
from .random_nets import stacks


def laid_out(layers, training: bool):
    return lay_out(fuse(layers, layer_names(layers), training))


@given(stacks(), st.booleans())
def test_an_operation_takes_what_the_one_before_gives(stack, training):
    layers, shape = stack
    operations = laid_out(cnn.Sequential([make() for make in layers], shape).layers, training)
    for before, after in itertools.pairwise(operations):
        assert after.x == before.y
        assert math.prod(after.fused.in_shape) == math.prod(before.fused.out_shape)
    for fused, x, y in operations:
        shape, (top, left, bottom, right) = fused.in_shape, fused.lowering.frame or (0, 0, 0, 0)
        if len(shape) == 3 and x.pitch:
            h, w, c = shape
            assert x.pitch >= w + max(left, right)
            assert x.lead >= (top * x.pitch + left) * c
            assert x.size >= x.lead + ((h + bottom - 1) * x.pitch + w) * c
        if fused.lowering.least_pitch is not None:
            assert y.pitch >= fused.lowering.least_pitch
        elif len(fused.out_shape) == 3 and fused.lowering.layers:
            assert y.pitch == fused.out_shape[1]


@given(stacks(), st.booleans())
def test_places_of_tensors_do_not_overlap(stack, training):
    layers, shape = stack
    operations = laid_out(cnn.Sequential([make() for make in layers], shape).layers, training)
    geometries = [o.fused.lowering.geometry(o.x, o.y, 1) for o in operations]
    scratch, persistent = Memory(), Memory()
    places = place(operations, geometries, scratch, persistent)
    taken: dict[bool, list[tuple[int, int]]] = {False: [], True: []}
    for (_, x, y), where, before in zip(operations, places, [None, *places[:-1]], strict=True):
        taken[where.y.persistent].append((where.y.at - y.lead, y.size))
        if before is None or (where.dy != before.dy or x != y):
            taken[where.dy.persistent].append((where.dy.at - y.lead, y.size))
    for (fused, _, _), where, geometry in zip(operations, places, geometries, strict=True):
        sizes = fused.lowering.kept_sizes(geometry)
        taken[False] += [(at, size) for at, size in zip((where.kept, where.argmax), sizes, strict=True) if size]
    for in_persistent, memory in ((False, scratch), (True, persistent)):
        end = 0
        for at, size in sorted(taken[in_persistent]):
            assert at >= end
            end = at + size
        assert end <= memory.size


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("training", [True, False])
def test_operations_know_their_first_layer_and_their_stream(name, training):
    net = NETS[name]()
    names = layer_names(net.layers)
    operations = make_plan(net.layers, names, 32, training).operations
    assert [o.stream for o in operations] == list(range(1, len(operations) + 1))
    for o in operations:
        assert (o.first_layer == -1) == (o.layers == "")
        if o.layers:
            count = len(o.layers.split(", "))
            assert ", ".join(names[o.first_layer : o.first_layer + count]) == o.layers
