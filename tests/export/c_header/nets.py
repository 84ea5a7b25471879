"""Random nets of all layers for the tests of C, with parameters and running statistics that are no beginner's."""

from __future__ import annotations

import functools

import numpy as np
from hypothesis import HealthCheck, given, seed, settings

import cnn

from ...plan.random_nets import stacks

IMAGES = 40


def randomised(net: cnn.Sequential, rng: np.random.Generator) -> cnn.Sequential:
    """The net, after its biases, slopes and running statistics have moved away from zero and one."""
    for name, value in net.state().items():
        if name.endswith("variance"):
            value[...] = rng.uniform(0.5, 2, value.shape)
        elif not name.endswith("weights"):
            value[...] += 0.3 * rng.standard_normal(value.shape)
    return net


def images(net: cnn.Sequential, rng: np.random.Generator, n: int = IMAGES) -> np.ndarray:
    return rng.standard_normal((n, *net.input_shape)).astype(np.float32)


@functools.cache
def random_nets(count: int, number: int = 0) -> list[cnn.Sequential]:
    """So many different nets, the same each time."""
    found: list[cnn.Sequential] = []

    @seed(number)
    @settings(max_examples=count, database=None, suppress_health_check=list(HealthCheck))
    @given(stacks())
    def collect(stack):
        layers, shape = stack
        rng = np.random.default_rng(len(found))
        found.append(randomised(cnn.Sequential([make() for make in layers], shape, seed=len(found)), rng))

    collect()
    return found[:count]


def layers_of(net: cnn.Sequential) -> set[str]:
    """The names of the classes in a net, parts of layers included."""

    def walk(layers):
        for layer in layers:
            yield type(layer).__name__
            yield from walk(layer.parts)

    return set(walk(net.layers))
