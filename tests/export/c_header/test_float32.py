"""Headers in float32, compiled: the same logits as the net's own, whatever the net, the compiler and the language."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest

import cnn
import cnn.export
from cnn.layers.registry import LAYERS

from .compilers import C99, PROGRAM, SANITIZED, STRICT, build, predictions
from .nets import images, layers_of, random_nets, randomised

TOLERANCE = 1e-5  # of the largest logit, for sums in another order


def assert_same(net, header, stem, x, compiler="gcc"):
    expected = net.predict_logits(x)
    logits, classes = predictions(header, stem, x, net.output_shape[0], compiler)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())
    assert np.array_equal(classes, logits.argmax(axis=1))


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_the_nets_of_the_benchmarks_give_the_same_logits(quickly_trained, compiler, mnist_dataset, tmp_path):
    name, net = quickly_trained
    cnn.export.c(net, tmp_path / f"{name}.h")
    assert_same(net, tmp_path / f"{name}.h", name, mnist_dataset.test_images[:200, ..., None], compiler)


@pytest.mark.slow
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_the_nets_of_the_benchmarks_give_the_same_logits_for_all_test_images(
    well_trained, compiler, mnist_dataset, tmp_path
):
    name, net = well_trained
    cnn.export.c(net, tmp_path / f"{name}.h")
    assert_same(net, tmp_path / f"{name}.h", name, mnist_dataset.test_images[..., None], compiler)


def check_random_nets(nets, folder):
    for i, net in enumerate(nets):
        cnn.export.c(net, folder / f"net{i}.h")
        assert_same(net, folder / f"net{i}.h", f"net{i}", images(net, np.random.default_rng(i)))


def test_random_nets_give_the_same_logits(tmp_path):
    check_random_nets(random_nets(7), tmp_path)


@pytest.mark.slow
def test_many_random_nets_give_the_same_logits(tmp_path):
    nets = random_nets(200, number=1)
    assert set().union(*map(layers_of, nets)) == LAYERS.keys()
    check_random_nets(nets, tmp_path)


def net_of(*layers, shape=(9, 8, 2), dtype="float32"):
    net = cnn.Sequential([*layers, cnn.Flatten(), cnn.Dense(4)], shape, seed=0, dtype=dtype)
    return randomised(net, np.random.default_rng(0))


EVERY_LAYER = {
    "AvgPool2D": (cnn.AvgPool2D((3, 2), stride=(1, 3), padding=1),),
    "BatchNorm": (cnn.MaxPool2D(2), cnn.BatchNorm(), cnn.Conv2D(3, 3, padding="same")),
    "Conv2D": (cnn.Conv2D(6, (2, 3), stride=(2, 1), padding="same", dilation=(3, 2), groups=2),),
    "Dense": (cnn.Flatten(), cnn.Dense(5, bias=False)),
    "DepthwiseConv2D": (cnn.DepthwiseConv2D((2, 4), multiplier=3, padding=(1, 3)),),
    "Dropout": (cnn.Conv2D(3, 3), cnn.Dropout(0.5)),
    "Flatten": (cnn.Flatten(), cnn.Flatten()),
    "GELU": (cnn.GELU(),),
    "GlobalAvgPool2D": (cnn.Conv2D(3, 2), cnn.GlobalAvgPool2D()),
    "GlobalMaxPool2D": (cnn.GlobalMaxPool2D(),),
    "LayerNorm": (cnn.Conv2D(5, 1), cnn.LayerNorm()),
    "LeakyReLU": (cnn.LeakyReLU(-0.5), cnn.Conv2D(3, 3), cnn.LeakyReLU(0.1), cnn.AvgPool2D()),
    "MaxPool2D": (cnn.Conv2D(3, 1), cnn.MaxPool2D(3, stride=1, padding=1), cnn.ReLU(), cnn.MaxPool2D((2, 1))),
    "ReLU": (cnn.ReLU(), cnn.Conv2D(3, 3, activation="relu"), cnn.MaxPool2D(3, stride=4, padding=1)),
    "Rescaling": (cnn.Rescaling(-2, 1), cnn.Conv2D(3, 3, padding=2), cnn.Rescaling(3), cnn.Conv2D(3, 3)),
    "Residual": (cnn.Residual([cnn.BatchNorm(), cnn.Residual([cnn.Tanh()]), cnn.ReLU()], cnn.BatchNorm()),),
    "SiLU": (cnn.Conv2D(3, 3), cnn.SiLU(), cnn.MaxPool2D()),
    "Sigmoid": (cnn.Sigmoid(),),
    "Softplus": (cnn.Softplus(),),
    "Tanh": (cnn.Conv2D(3, 3), cnn.Tanh(), cnn.AvgPool2D()),
}


def test_every_layer_of_the_package_can_be_written():
    assert EVERY_LAYER.keys() == LAYERS.keys()
    assert [name for name, kind in LAYERS.items() if not hasattr(kind, "to_c")] == []


@pytest.mark.parametrize("name", EVERY_LAYER)
def test_every_layer_gives_the_same_logits(name, tmp_path):
    net = net_of(*(layer.anew() for layer in EVERY_LAYER[name]))
    cnn.export.c(net, tmp_path / "net.h")
    assert_same(net, tmp_path / "net.h", "net", images(net, np.random.default_rng(0)))


SHAPES = {
    "rows": cnn.Sequential([cnn.Dense(5, activation="tanh"), cnn.BatchNorm(), cnn.Dense(3)], (7,), seed=0),
    "one pixel": cnn.Sequential([cnn.Conv2D(3, 1), cnn.MaxPool2D(1), cnn.Flatten()], (1, 1, 1), seed=0),
    "one number": cnn.Sequential([cnn.Dense(1)], (1,), seed=0),
    "no layer that computes": cnn.Sequential([cnn.Flatten(), cnn.Dropout(0.5)], (2, 3, 1)),
    "an affine map alone": cnn.Sequential([cnn.Rescaling(2, 1)], (5,)),
    "a sum of an image and itself": cnn.Sequential([cnn.Residual([cnn.Dropout(0.1)]), cnn.Flatten()], (2, 2, 1)),
    "float64": net_of(cnn.Conv2D(3, 3), cnn.ReLU(), dtype="float64"),
    "the reference's": cnn.Sequential([cnn.reference.Conv2D(2, 3), cnn.reference.Flatten()], (4, 4, 1), seed=0),
    "in NumPy": cnn.Sequential([cnn.Conv2D(2, 3), cnn.GELU(), cnn.Flatten()], (4, 4, 1), seed=0, backend="numpy"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_nets_of_unusual_shapes(name, tmp_path):
    net = SHAPES[name]
    cnn.export.c(net, tmp_path / "net.h")
    assert_same(net, tmp_path / "net.h", "net", images(net, np.random.default_rng(0)))


def test_nan_goes_through_poolings_and_activations(tmp_path):
    net = cnn.Sequential(
        [cnn.Conv2D(2, 1), cnn.ReLU(), cnn.MaxPool2D(2), cnn.MaxPool2D(3, stride=1), cnn.Flatten()], (6, 6, 1), seed=0
    )
    x = np.full((1, 6, 6, 1), np.nan, np.float32)
    cnn.export.c(net, tmp_path / "net.h")
    logits, classes = predictions(tmp_path / "net.h", "net", x, 2)
    assert np.isnan(logits).all()
    assert classes.tolist() == [0]


class Cubed(cnn.Layer):
    def apply(self, x, training):
        return x**3, x.copy()

    def apply_gradient(self, dy, x):
        return 3 * x**2 * dy


class Written(Cubed):
    def to_c(self, program):
        program.elementwise("x * x * x", {}, lambda x: x**3)


def test_a_layer_of_ones_own_may_say_how_it_is_written(tmp_path):
    net = net_of(Written(), cnn.Conv2D(2, 3, padding="same"), Written())
    cnn.export.c(net, tmp_path / "net.h")
    assert_same(net, tmp_path / "net.h", "net", images(net, np.random.default_rng(0)))


def test_a_layer_that_does_not_say_it_is_named_and_no_file_is_written(tmp_path):
    net = net_of(cnn.Residual([cnn.ReLU(), Cubed()]))
    with pytest.raises(ValueError, match=r"residual_1\.cubed_1, a Cubed, cannot be written as C: .* no to_c"):
        cnn.export.c(net, tmp_path / "net.h")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_a_header_is_good_c_plus_plus(compiler, tmp_path):
    net = net_of(*(layer.anew() for name in ("Conv2D", "Tanh", "LayerNorm", "Residual") for layer in EVERY_LAYER[name]))
    cnn.export.c(net, tmp_path / "net.h")
    cnn.export.c(net_of(cnn.Conv2D(2, 3), cnn.Tanh(), cnn.AvgPool2D(3)), tmp_path / "small.h")
    text = '#include "net.h"\n#include "small.h"\n#include "net.h"\n'
    text += (
        "int main() { float x[net_INPUT] = {0}, y[net_OUTPUT]; return net_predict(x, y) + small_predict(x, y) < 0; }\n"
    )
    build(text, tmp_path / "program", compiler, ["-std=c++11", *STRICT])
    assert subprocess.run([tmp_path / "program"]).returncode == 0


def test_several_files_may_include_a_header_and_need_not_call_it(tmp_path):
    cnn.export.c(net_of(cnn.Conv2D(2, 3)), tmp_path / "net.h")
    other = tmp_path / "other.c"
    other.write_text('#include "net.h"\nint other(void);\nint other(void) { return net_OUTPUT; }\n')
    text = PROGRAM.format(header="net.h", stem="net")
    build(text, tmp_path / "program", "gcc", [*C99, str(other)])


def test_sanitizers_find_nothing(tmp_path):
    for i, net in enumerate(random_nets(4)):
        x = images(net, np.random.default_rng(i), 3)
        cnn.export.c(net, tmp_path / "net.h")
        build(PROGRAM.format(header="net.h", stem="net"), tmp_path / "program", "gcc", [*C99, *SANITIZED])
        done = subprocess.run([tmp_path / "program"], input=x.tobytes(), capture_output=True)
        assert (done.returncode, done.stderr) == (0, b"")
        logits, expected = np.frombuffer(done.stdout, np.float32).reshape(3, -1), net.predict_logits(x)
        np.testing.assert_allclose(logits, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())
