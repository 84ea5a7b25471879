"""Nets there and back: a file gives the same net to the bit, whatever its layers, dtype and backend."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import cnn
import cnn.reference
from cnn.storage import description as saving

from ..nets.own_layers import Scale
from .cases import bits, crafted, tiny

pytestmark = pytest.mark.usefixtures("one_thread")


SHAPE = (8, 9, 1)
CLASSES = 5


GLOBAL_POOLINGS = ["GlobalAvgPool2D", "GlobalMaxPool2D"]  # of which a net has one


def net_of_all_layers(dtype="float32", backend="compiled", ns=cnn, pooling="GlobalAvgPool2D"):
    """A net with every layer but the other global poolings, and many values of their arguments."""
    layers = [
        ns.Rescaling(1 / 3, -0.1), ns.Conv2D(3, 3), ns.ReLU(), ns.MaxPool2D(2),
        ns.Conv2D(4, (2, 3), padding="same", bias=False), ns.ReLU(),
        ns.MaxPool2D((2, 3), stride=1, padding=(1, 0), ties="all"),
        ns.Conv2D(6, (2, 1), padding="same", dilation=(1, 2), groups=2),
        ns.Conv2D(2, 1, stride=(2, 1), padding=(0, 2)), ns.BatchNorm(momentum=0.5, epsilon=1e-3),
        ns.DepthwiseConv2D((1, 2), multiplier=2, padding="same", dilation=2),
        ns.AvgPool2D(2, stride=1, padding=1), ns.Residual([ns.Conv2D(4, 1), ns.Residual([ns.ReLU()], ns.Conv2D(4, 1))]),
        getattr(ns, pooling)(), ns.Flatten(),
        ns.Dense(7), ns.BatchNorm(), ns.ReLU(), ns.LeakyReLU(0.2), ns.Sigmoid(), ns.Tanh(), ns.Dropout(0.25),
        ns.GELU(), ns.SiLU(), ns.Softplus(), ns.LayerNorm(1e-3),
        ns.Dense(CLASSES, bias=False),
    ]  # fmt: skip
    return cnn.Sequential(layers, SHAPE, dtype=dtype, seed=0, backend=backend)


def images(n=4):
    return np.random.default_rng(0).integers(0, 9, (n, *SHAPE), dtype=np.uint8)


@pytest.mark.parametrize("pooling", GLOBAL_POOLINGS)
@pytest.mark.parametrize("backend", ["compiled", "numpy"])
def test_a_loaded_net_is_the_saved_one_to_the_bit(path, dtype, backend, pooling):
    net = net_of_all_layers(dtype, backend, pooling=pooling)
    net.fit(images(), [0, 1, 2, 3], seed=0, progress=False)
    net.save(path)
    twin = cnn.load(path, backend=backend)
    assert saving.describe(twin) == saving.describe(net)
    assert (bits(twin), twin.dtype, twin.backend) == (bits(net), dtype, backend)
    assert np.array_equal(twin.predict_proba(images()), net.predict_proba(images()))
    for one in (net, twin):
        one.fit(images(), [3, 2, 1, 0], optimizer=cnn.Adam(), seed=1, progress=False)
    assert bits(twin) == bits(net)


def test_every_layer_of_the_package_is_saved():
    kinds = {kind for kind in vars(cnn).values() if isinstance(kind, type) and issubclass(kind, cnn.Layer)} - {
        cnn.Layer
    }
    assert kinds == set(saving.LAYERS.values())
    assert kinds == {type(layer) for pooling in GLOBAL_POOLINGS for layer in net_of_all_layers(pooling=pooling).layers}


def test_a_layer_says_what_it_will_learn_without_learning_it():
    for layer in net_of_all_layers().layers:
        twin = layer.anew()
        learned = layer.parameters | layer.statistics
        assert twin.fix_shapes(layer.input_shape) == {name: value.shape for name, value in learned.items()}
        assert twin.output_shape == layer.output_shape
        assert twin.parameters == {}


@pytest.mark.parametrize("ns", [cnn, cnn.reference])
@pytest.mark.parametrize("backend", ["compiled", "numpy"])
def test_a_file_may_be_loaded_for_either_backend(path, ns, backend):
    net = net_of_all_layers(ns=ns)
    net.save(path)
    assert bits(cnn.load(path, backend)) == bits(net)


def test_the_reference_is_not_needed_to_load_a_net_that_it_saved(path):
    net_of_all_layers(backend="numpy", ns=cnn.reference).save(path)
    program = """
        import sys, cnn
        net = cnn.load(sys.argv[1])
        assert "cnn.reference" not in sys.modules
        assert "numpy.testing" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program), str(path)], check=True, timeout=60)


def test_the_models_are_saved_and_loaded(path):
    for make in (cnn.models.tutorial, cnn.models.two_conv, cnn.models.lenet5, cnn.models.resnet_small):
        net = make(seed=1)
        net.save(path)
        assert bits(cnn.load(path)) == bits(net)


def test_a_file_from_before_an_argument_of_a_layer_is_that_of_its_default(path):
    net = cnn.Sequential([cnn.Conv2D(2, 3), cnn.Flatten(), cnn.Dense(3)], SHAPE, seed=0)
    layers = saving.describe(net)["layers"]
    old = [{name: entry[name] for name in ("layer", "filters", "kernel_size", "stride", "padding", "bias")}
           for entry in layers[:1]]  # fmt: skip
    net.save(path)
    described = {"input_shape": list(SHAPE), "layers": old + layers[1:]}
    assert bits(crafted(path, described, net.state())) == bits(net)


def test_a_net_that_has_learned_nothing_is_saved_too(path):
    cnn.Sequential([cnn.MaxPool2D(2), cnn.Flatten()], SHAPE).save(path)
    assert cnn.load(path).predict(images()).shape == (4,)


def test_numbers_that_are_none_come_back_as_they_were(path):
    net = tiny()
    net.parameters()["dense_1.weights"][0] = np.nan, -np.inf
    net.save(path)
    assert bits(cnn.load(path)) == bits(net)


def test_a_net_is_the_same_bytes_each_time_it_is_saved(path):
    contents = set()
    for _ in range(5):
        net_of_all_layers().save(path)
        contents.add(path.read_bytes())
    assert len(contents) == 1


def test_the_tensors_are_those_that_other_readers_of_the_format_see(path):
    net = net_of_all_layers()
    net.save(path)
    tensors = safetensors.numpy.load_file(path)
    assert tensors.keys() == net.state().keys()
    assert all(np.array_equal(tensors[name], value) for name, value in net.state().items())


@pytest.mark.parametrize("as_path", [str, Path])
@pytest.mark.parametrize("name", ["net", "ü ß", "net.pkl"])
def test_a_path_may_be_a_str_or_a_path_of_any_name(tmp_path, as_path, name):
    tiny().save(as_path(tmp_path / name))
    assert bits(cnn.load(as_path(tmp_path / name))) == bits(tiny())


@pytest.mark.parametrize("bad", [b"net", None, 3, io.BytesIO()])
def test_what_is_no_path_is_a_type_error(bad):
    with pytest.raises(TypeError, match=r"^path must be a str"):
        tiny().save(bad)
    with pytest.raises(TypeError, match=r"^path must be a str"):
        cnn.load(bad)


def test_a_backend_that_there_is_not_is_named(path):
    tiny().save(path)
    with pytest.raises(ValueError, match=r'^backend must be "compiled" or "numpy"'):
        cnn.load(path, backend="torch")


def test_a_net_of_more_layers_than_can_be_read_back_is_not_saved(tmp_path):
    layers = [cnn.Flatten(), *(cnn.ReLU() for _ in range(1000))]
    with pytest.raises(ValueError, match=r"^a net to be saved must have at most 1,000 layers, got 1,001$"):
        cnn.Sequential(layers, (2, 1, 1)).save(tmp_path / "deep")
    assert not list(tmp_path.iterdir())


class Narrow(cnn.Dense):
    """A layer that is its parent, but for its constructor."""

    def __init__(self):
        super().__init__(3)


@pytest.mark.parametrize("backend", ["compiled", "numpy"])
def test_layers_of_somebody_else_are_read_back_by_those_who_give_their_classes(path, backend):
    layers = [Scale(0.5), cnn.Residual([Scale()]), cnn.Flatten(), Narrow()]
    net = cnn.Sequential(layers, (4, 4, 2), backend=backend)
    x = np.random.default_rng(0).standard_normal((9, 4, 4, 2))
    net.fit(x, np.arange(9) % 3, progress=False)
    net.save(path)
    twin = cnn.load(path, backend, layers=[Scale, Narrow])
    assert bits(twin) == bits(net)
    assert twin.layers[0].first == 0.5
    assert twin.predict_proba(x).tobytes() == net.predict_proba(x).tobytes()
    for known, lacking in (([], "Scale"), ([Narrow], "Scale"), ([Scale], "Narrow")):
        with pytest.raises(
            ValueError, match=rf"got '{lacking}'; a layer of your own is read with .*layers=\[{lacking}\]"
        ):
            cnn.load(path, layers=known)


@pytest.mark.parametrize("given", [Scale, [3], [Scale()], [int]])
def test_what_is_no_class_of_a_layer_is_a_type_error(path, given):
    tiny().save(path)
    with pytest.raises(TypeError, match=r"^layers"):
        cnn.load(path, layers=given)


def test_a_layer_of_somebody_else_is_not_saved_under_our_name(path):
    class Dense(cnn.Dense):
        pass

    for kind in (Dense, type("ReLU", (Scale,), {})):
        layer = kind(2)
        with pytest.raises(ValueError, match=f"{kind.__qualname__} .* cannot be saved: rename the class"):
            cnn.Sequential([cnn.Flatten(), layer, cnn.Dense(2)], (2, 1, 1)).save(path)
        with pytest.raises(ValueError, match="rename the class"):
            cnn.load(path, layers=[kind])
    assert not path.exists()


def test_a_layer_whose_arguments_cannot_be_written_is_not_saved(path):
    class Power(Scale):
        def __init__(self, exponent):
            super().__init__()
            self.power = exponent

    class Table(Scale):
        def __init__(self, table):
            super().__init__()
            self.table = table

    for layer in (Power(2), Table(np.ones(3))):
        net = cnn.Sequential([cnn.Flatten(), layer, cnn.Dense(2)], (2, 1, 1))
        with pytest.raises((AttributeError, TypeError), match=r"^layers\[1\], a .*, cannot be saved: "):
            net.save(path)
    assert not path.exists()


def test_a_frozen_layer_is_frozen_in_the_loaded_net_too(path):
    net = tiny()
    net.layers[-1].trainable = False
    net.save(path)
    assert [layer.trainable for layer in cnn.load(path).layers] == [layer.trainable for layer in net.layers]


def mine(outputs, targets):
    return float((outputs**2).mean()), 2 * outputs / outputs.size


@pytest.mark.parametrize(
    "loss", [cnn.losses.SoftmaxCrossEntropy(0.25), cnn.losses.BinaryCrossEntropy(), cnn.losses.Huber(0.5)], ids=repr
)
def test_the_loss_is_saved_with_the_net(path, loss):
    net = cnn.Sequential([cnn.Flatten(), cnn.Dense(2)], (2, 1, 1), loss=loss)
    net.save(path)
    assert repr(cnn.load(path).loss) == repr(loss)
    with pytest.raises(ValueError, match="loss is for a net with a loss of your own"):
        cnn.load(path, loss=mine)


def test_a_loss_of_somebody_else_is_given_when_the_net_is_read(path):
    cnn.Sequential([cnn.Flatten(), cnn.Dense(2)], (2, 1, 1), loss=mine).save(path)
    assert cnn.load(path, loss=mine).loss is mine
    for given in (None, abs):
        with pytest.raises(ValueError, match=r"its loss is 'mine', one of your own: read it with .*loss=mine"):
            cnn.load(path, loss=given)


def test_a_save_that_fails_leaves_the_old_net(path, monkeypatch):
    tiny().save(path)
    net = tiny()
    net.parameters()["dense_1.weights"][...] = 7

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        net.save(path)
    assert bits(cnn.load(path)) == bits(tiny())
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("value", [np.nan, np.inf, "a"])
def test_a_layer_whose_argument_was_assigned_what_its_constructor_refuses_is_in_no_net(value):
    layer = cnn.LeakyReLU()
    layer.slope = value
    with pytest.raises((ValueError, TypeError), match=r"^slope must be"):
        cnn.Sequential([cnn.Flatten(), layer, cnn.Dense(2)], (2, 2, 1))


def test_arguments_that_were_assigned_before_are_those_of_the_net_in_the_file(path):
    convolution, pool, dropout = cnn.Conv2D(2, 3), cnn.MaxPool2D(3), cnn.Dropout(0.5)
    convolution.padding, pool.stride, dropout.rate = 1, 1, 0
    net = cnn.Sequential([convolution, pool, dropout, cnn.Flatten(), cnn.Dense(2)], (8, 8, 1), seed=0)
    assert (net.layers[0].padding, net.layers[1].stride, net.layers[2].rate) == ((1, 1), (1, 1), 0.0)
    net.save(path)
    loaded = cnn.load(path)
    assert repr(loaded) == repr(net)
    assert loaded.layers[1].output_shape == (6, 6, 2)
