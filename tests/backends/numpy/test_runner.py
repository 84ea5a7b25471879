"""A net run by NumPy: its layers one after the other, with random numbers by position, and no trace of a failed step.

That whole steps are those of the compiled kernels is tested in `tests/plan`.
"""

from __future__ import annotations

import numpy as np
import pytest

import cnn


def net_of(*layers, **options):
    return cnn.Sequential(list(layers), (4, 3, 1), dtype="float64", seed=0, backend="numpy", **options)


def images(n: int):
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, 4, 3, 1)), rng.integers(0, 3, n)


def bits(net) -> dict[str, bytes]:
    return {name: value.tobytes() for name, value in net.state().items()}


def test_a_layer_draws_from_its_stream_in_a_step_alone():
    net = net_of(cnn.Flatten(), cnn.Dropout(0.5), cnn.Dense(3))
    alone = cnn.Dropout(0.5)
    x = np.ones((5, 12))
    net.train_on_batch(*images(8), cnn.SGD(0.1))
    assert all(layer.stream is None for layer in net.layers)
    dropout = net.layers[1]
    first, second = dropout.forward(x), dropout.forward(x)
    assert not np.array_equal(first, second)
    assert alone.build((12,), dtype="float64").stream is None


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("layer", [0, 2])
def test_an_interrupted_step_leaves_the_net_as_it_was(monkeypatch, layer):
    def interrupt(*arguments):
        raise Interrupted

    net = net_of(cnn.BatchNorm(), cnn.Flatten(), cnn.Dropout(0.5), cnn.Dense(3))
    before = bits(net)
    monkeypatch.setattr(type(net.layers[layer]), "apply_gradient", interrupt)
    with pytest.raises(Interrupted):
        net.train_on_batch(*images(8), cnn.SGD(0.1))
    assert bits(net) == before
    assert all(each.stream is None for each in net.layers)
    monkeypatch.undo()
    net.train_on_batch(*images(8), cnn.SGD(0.1))
    assert bits(net) != before


def test_a_loss_that_is_not_finite_leaves_parameters_and_running_statistics():
    net = net_of(cnn.BatchNorm(), cnn.Flatten(), cnn.Dense(3))
    before = bits(net)
    x, y = images(8)
    x[3] = np.nan
    with pytest.raises(FloatingPointError):
        net.train_on_batch(x, y, cnn.SGD(0.1))
    assert bits(net) == before


def test_gradients_go_no_further_down_than_the_lowest_layer_that_learns(monkeypatch):
    asked = []
    net = net_of(cnn.Rescaling(2.0), cnn.Flatten(), cnn.Dense(5), cnn.ReLU(), cnn.Dense(3))
    for kind in {type(layer) for layer in net.layers}:
        monkeypatch.setattr(kind, "apply_gradient", recorded(kind.apply_gradient, asked))
    net.train_on_batch(*images(8), cnn.SGD(0.1))
    assert asked == list(net.layers[:1:-1])


def recorded(function, calls: list):
    def call(layer, *arguments):
        calls.append(layer)
        return function(layer, *arguments)

    return call


def test_a_net_that_learns_nothing_is_stepped_all_the_same():
    net = net_of(cnn.Flatten(), cnn.Rescaling(0.5))
    assert net.train_on_batch(images(8)[0], np.arange(8), cnn.SGD(0.1)) > 0
