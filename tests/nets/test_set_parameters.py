"""`parameters`, `state` and `set_parameters`: views that are written to, and entries that are not replaced in vain."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import cnn
import cnn.nets.state

from .cases import bits, data, fitted, small

pytestmark = pytest.mark.usefixtures("one_thread")


def normalising():
    return cnn.Sequential([cnn.Flatten(), cnn.Dense(6), cnn.BatchNorm(), cnn.Dense(5)], (8, 9, 1), seed=0)


def test_some_or_all_of_what_a_net_has_learned_can_be_set(either):
    x, y = data(20)
    one, other = small(backend=either), small(seed=1, backend=either)
    other.set_parameters(one.parameters())
    assert bits(other) == bits(one)
    bias = np.arange(5, dtype=np.float32)
    other.set_parameters({"dense_2.bias": bias})
    bias[...] = 9  # copied
    assert other.layers[-1].bias.tolist() == [0, 1, 2, 3, 4]
    one.layers[-1].bias = np.arange(5, dtype=np.float32)
    for net in (one, other):
        fitted(net, x, y)
    assert bits(one) == bits(other)


def test_running_statistics_can_be_set_too():
    one, other = normalising(), normalising()
    one.fit(*data(20), seed=0, progress=False)
    other.set_parameters(one.snapshot())
    x, _ = data(9)
    assert np.array_equal(one.predict_proba(x), other.predict_proba(x))
    other.set_parameters(
        {"batchnorm_1.mean": np.full(6, 3, np.float32), "dense_2.bias": np.full(5, np.nan, np.float32)}
    )
    assert (other.layers[2].statistics["mean"] == 3).all()
    assert np.isnan(other.layers[3].bias).all()


def test_values_that_are_views_of_the_net_are_read_before_any_is_set():
    net = cnn.Sequential([cnn.Dense(4), cnn.Dense(4)], (4,), seed=0)
    views, before = net.parameters(), net.snapshot()
    net.set_parameters({"dense_1.weights": views["dense_2.weights"], "dense_2.weights": views["dense_1.weights"]})
    assert np.array_equal(views["dense_1.weights"], before["dense_2.weights"])
    assert np.array_equal(views["dense_2.weights"], before["dense_1.weights"])


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"dense_2.bais": np.ones(5)}, ValueError, r"got 'dense_2\.bais'; did you mean 'dense_2\.bias'\?$"),
        ({3: np.ones(5)}, ValueError, "values must have names of state"),
        ({"dense_2.bias": np.ones(4, np.float32)}, ValueError, r"^dense_2\.bias must have shape \(5,\)"),
        ({"dense_2.bias": np.ones(5)}, ValueError, r"dtype float32, got \(5,\) and float64"),
        ({"dense_2.bias": "five"}, TypeError, r"^dense_2\.bias must be an array of numbers"),
        ([("dense_2.bias", np.ones(5))], TypeError, "values must be a mapping from names to arrays, got list"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_changed(values, error, message):
    net = small()
    good = {"dense_1.bias": np.ones(7, np.float32)}
    with pytest.raises(error, match=message):
        net.set_parameters(good | values if isinstance(values, dict) else values)
    assert bits(net) == bits(small())


VIEWS = {
    "parameters": (lambda net: net.parameters(), "dense_2.bias"),
    "state": (lambda net: net.state(), "dense_2.bias"),
    "parameters of a layer": (lambda net: net.layers[-1].parameters, "bias"),
    "gradients of a layer": (lambda net: net.layers[-1].gradients, "bias"),
    "statistics of a layer": (lambda net: net.layers[2].statistics, "mean"),
}
EVERY_VIEW = pytest.mark.parametrize(("views_of", "name"), VIEWS.values(), ids=VIEWS)


@EVERY_VIEW
@pytest.mark.parametrize("copied", [False, True])
def test_an_entry_cannot_be_replaced_which_the_net_would_not_see(views_of, name, copied):
    net = pickle.loads(pickle.dumps(normalising())) if copied else normalising()
    views = views_of(net)
    before = dict(views)
    with pytest.raises(
        TypeError, match=rf"^the entry '{name}' is a view .* \['{name}'\]\[\.\.\.\] = value, or call net"
    ):
        views[name] = np.ones(5, np.float32)
    for change in (
        lambda: views.pop(name), lambda: views.update({name: 1}), views.clear, views.popitem,
        lambda: views.setdefault("new", 1), lambda: views.__delitem__(name), lambda: views.__ior__({name: 1}),
    ):  # fmt: skip
        with pytest.raises(TypeError, match="none can be added or removed"):
            change()
    assert all(views[key] is value for key, value in before.items())


@EVERY_VIEW
def test_elements_can_be_set_and_all_else_is_that_of_a_dict(views_of, name):
    net = normalising()
    views = views_of(net)
    views[name][...] = 3
    views[name] += 1
    assert (views_of(net)[name] == 4).all()
    assert type(views | {"more": 1}) is dict
    assert list(views.items()) == [(key, views[key]) for key in views]
    for copy_of in (copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))):
        assert np.array_equal(copy_of(views)[name], views[name])
    own = dict(views)
    own[name] = None
    assert views[name] is not None


def test_the_arrays_of_a_layer_that_is_in_no_net_can_be_replaced():
    layer = cnn.Dense(3).build((2,))
    layer.parameters["weights"] = np.ones((2, 3), np.float32)
    assert layer.forward(np.ones((1, 2)))[0].tolist() == [2, 2, 2]
