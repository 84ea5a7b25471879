"""The public names of `cnn.reference`: made of those of `cnn`, alike but for what runs them."""

from __future__ import annotations

import copy
import inspect
import pickle

import numpy as np
import pytest

import cnn
import cnn.functional
import cnn.reference
from cnn.backends import compiled
from cnn.layers.base import Layer

LAYERS = cnn.reference.layers.__all__
NETS = cnn.reference.nets.__all__
TUTORIAL = ["Conv3x3", "MaxPool2", "Softmax"]
COPIES = [lambda value: pickle.loads(pickle.dumps(value)), copy.copy, copy.deepcopy]


def net(backend_of):
    layers = [backend_of.Conv2D(2, 3), backend_of.ReLU(), backend_of.Flatten(), backend_of.Dense(3)]
    return backend_of.Sequential(layers, input_shape=(6, 6, 1), seed=0)


def test_every_layer_of_the_package_has_a_twin_and_every_name_is_listed_once():
    kinds = [getattr(cnn, name) for name in cnn.__all__]
    assert {kind.__name__ for kind in kinds if inspect.isclass(kind) and issubclass(kind, Layer)} == {*LAYERS, "Layer"}
    assert sorted(cnn.reference.__all__) == sorted([*LAYERS, *NETS, *TUTORIAL, *cnn.functional.__all__])


@pytest.mark.parametrize("name", [*LAYERS, *NETS])
def test_a_class_is_a_subclass_with_the_same_name_signature_and_docstrings(name):
    compiled_kind, kind = getattr(cnn, name), getattr(cnn.reference, name)
    assert kind is not compiled_kind
    assert issubclass(kind, compiled_kind)
    assert (kind.__name__, kind.__qualname__, kind.__module__) == (name, name, "cnn.reference")
    assert kind.__doc__ == compiled_kind.__doc__
    ours, theirs = (inspect.signature(one).parameters.values() for one in (kind, compiled_kind))
    assert [p.replace(default=None) for p in ours] == [p.replace(default=None) for p in theirs]
    assert {p.name for p, q in zip(ours, theirs, strict=True) if p != q} == ({"backend"} if name in NETS else set())
    own = {member for member in vars(kind) if not member.startswith("_")}
    assert own == ({"backend"} if name in LAYERS else set())


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_runs_on_numpy(name):
    assert getattr(cnn.reference, name).backend == "numpy"
    assert getattr(cnn, name).backend == "compiled"


def test_a_net_runs_on_numpy_unless_told_otherwise():
    layers = [cnn.Flatten(), cnn.Dense(3)]
    assert cnn.reference.Sequential(layers, (2, 2, 1)).backend == "numpy"
    assert cnn.reference.Sequential([cnn.Flatten()], (2, 2, 1), "float64", 0, "compiled").backend == "compiled"
    assert cnn.reference.ConvolutionalNeuralNetwork().net.backend == "numpy"
    assert cnn.reference.ConvolutionalNeuralNetwork(backend="compiled").net.backend == "compiled"
    assert cnn.Sequential([cnn.Flatten()], (2, 2, 1)).backend == "compiled"


@pytest.mark.parametrize("name", cnn.functional.__all__)
@pytest.mark.parametrize("copied", COPIES)
def test_a_function_is_pickled_and_copied_as_itself(name, copied):
    function = getattr(cnn.reference, name)
    assert function.__module__ == "cnn.reference.functional"
    assert copied(function) is function


@pytest.mark.parametrize("copied", COPIES)
def test_layers_are_pickled_and_copied_with_their_parameters(copied):
    x = np.random.default_rng(0).standard_normal((2, 6, 6, 1))
    layer = cnn.reference.Conv2D(2, 3).build((6, 6, 1), seed=0)
    another = copied(layer)
    assert type(another) is cnn.reference.Conv2D
    assert another.backend == "numpy"
    assert np.array_equal(another.forward(x), layer.forward(x))


@pytest.mark.parametrize("copied", COPIES)
def test_nets_are_pickled_and_copied_with_their_parameters(copied):
    x = np.random.default_rng(0).standard_normal((2, 6, 6, 1))
    first = net(cnn.reference)
    second = copied(first)
    assert type(second) is cnn.reference.Sequential
    assert second.backend == "numpy"
    assert [type(layer) for layer in second.layers] == [type(layer) for layer in first.layers]
    assert np.array_equal(second.predict_proba(x), first.predict_proba(x))


def test_functions_layers_and_nets_of_the_reference_call_no_kernel(monkeypatch):
    x = np.random.default_rng(0).standard_normal((2, 6, 6, 1))
    nets = net(cnn.reference), net(cnn)
    monkeypatch.setattr(compiled, "KERNELS", {})
    y, switches = cnn.reference.maxpool2d_forward(x, 2)
    assert cnn.reference.maxpool2d_backward(y, switches, x.shape, 2).shape == x.shape
    assert cnn.reference.Conv2D(2, 3).build((6, 6, 1)).forward(x).shape == (2, 4, 4, 2)
    nets[0].fit(x, [0, 1], progress=False)
    for call in (
        lambda: cnn.functional.maxpool2d_forward(x, 2),
        lambda: cnn.Conv2D(2, 3).build((6, 6, 1)).forward(x),
        lambda: nets[1].layers[0].forward(x),
    ):
        with pytest.raises(KeyError):
            call()
