"""Where tensors lie: each operation gets the layout that it asks for, and no two tensors that are in use overlap."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cnn
from cnn.backends.program import Plan
from cnn.plan.fusion import fuse
from cnn.plan.layout import lay_out
from cnn.plan.make import make_plan

from .nets import NETS
from .random_nets import stacks


@given(stacks(), st.booleans())
def test_an_operation_takes_what_the_one_before_gives(stack, training):
    layers, shape = stack
    net = cnn.Sequential([make() for make in layers], shape)
    operations = lay_out(fuse(net.layers, net.layer_names, training))
    for before, after in itertools.pairwise(operations):
        assert after.x == before.y
        assert math.prod(after.fused.in_shape) == math.prod(before.fused.out_shape)
    for fused, x, y in operations:
        top, left, _, right = frame = fused.lowering.frame or (0, 0, 0, 0)
        if len(fused.in_shape) == 3 and x.pitch:
            _, w, c = fused.in_shape
            assert x.pitch >= w + max(left, right)
            assert x.lead == (top * x.pitch + left) * c
            assert x.frame == frame
        if fused.lowering.least_pitch is not None:
            assert y.pitch >= fused.lowering.least_pitch
        elif len(fused.out_shape) == 3 and fused.lowering.layers:
            assert y.pitch == fused.out_shape[1]


def overlap(one, other) -> bool:
    return one.persistent == other.persistent and one.at < other.at + other.size and other.at < one.at + one.size


def kept_apart(plan: Plan) -> None:
    """Of each operation, what is written lies apart from what is still to be read."""
    operations = plan.operations
    for o in operations:
        assert not overlap(o.x, o.y) or o.kind == "load"
        for tensor in (o.dx, o.dy):
            assert not overlap(tensor, o.x)
            assert not overlap(tensor, o.y)
    outputs = [o.y for o in operations]
    assert not any(overlap(*pair) for pair in itertools.combinations(outputs, 2))
    for (i, below), (k, above) in itertools.combinations(enumerate(operations), 2):
        if overlap(below.dy, above.dy):  # each number has made way for the one that came of it
            assert all(o.dx[:2] == o.dy[:2] for o in operations[i + 1 : k + 1])


@given(stacks(), st.booleans())
def test_places_of_tensors_that_are_in_use_do_not_overlap(stack, training):
    layers, shape = stack
    net = cnn.Sequential([make() for make in layers], shape)
    kept_apart(make_plan(net.layers, net.layer_names, 32, training))


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("training", [True, False])
def test_operations_know_their_first_layer_and_their_stream(name, training):
    net = NETS[name]()
    names = net.layer_names
    operations = make_plan(net.layers, names, 32, training).operations
    assert [o.stream for o in operations] == list(range(1, len(operations) + 1))
    for o in operations:
        assert (o.first_layer == -1) == (o.layers == "")
        if o.layers:
            count = len(o.layers.split(", "))
            assert ", ".join(names[o.first_layer : o.first_layer + count]) == o.layers
