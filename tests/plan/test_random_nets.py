"""The random nets hold every layer of the package, and every row of the compiled table comes of them."""

from __future__ import annotations

import functools

from hypothesis import given, seed, settings

import cnn
from cnn.layers import registry
from cnn.layers.base import layer_names
from cnn.plan.make import make_plan

from .random_nets import ARGUMENTS, WITH_PARTS, stacks


def test_every_layer_of_the_package_has_random_arguments():
    assert ARGUMENTS.keys() | WITH_PARTS == registry.LAYERS.keys()


@functools.cache
def seen() -> tuple[set[str], set[str]]:
    """Names of layers, and kinds of operations, of a few hundred random nets."""
    names, kinds = set(), set()

    @seed(0)
    @settings(max_examples=600, database=None)
    @given(stacks())
    def look(stack):
        layers, shape = stack
        net = cnn.Sequential([make() for make in layers], shape)
        names.update(type(layer).__name__ for layer in net.layers)
        kinds.update(o.kind for o in make_plan(net.layers, layer_names(net.layers), 32, training=True).operations)

    look()
    return names, kinds


def test_every_layer_of_the_package_is_in_some_random_net():
    assert seen()[0] == set(registry.LAYERS)


def test_every_kind_of_operation_is_in_some_random_net():
    fused = {"conv+pool", "image conv+pool", "conv"}
    assert seen()[1] == fused | {
        "load", "maxpool", "maxpool, ties", "avgpool", "batchnorm", "dropout", "elementwise", "copy", "dense", "sum",
        "layernorm", "batchnorm+pool",
    }  # fmt: skip
