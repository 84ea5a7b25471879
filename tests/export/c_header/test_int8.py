"""Headers in int8: the integers of Python bit for bit, the accuracy of the floats, and what does not fit."""

from __future__ import annotations

import re
import subprocess

import numpy as np
import pytest

import cnn
import cnn.export

from .compilers import C99, PROGRAM, SANITIZED, build, predictions
from .nets import images, layers_of, random_nets
from .test_float32 import EVERY_LAYER, SHAPES, net_of

WITHOUT = {"LayerNorm"}  # layers that int8 lacks


def assert_same_bits(net, folder, stem, x, compiler="gcc"):
    """The header's logits are those of Python's integers; returns them."""
    header = cnn.export.c(net, folder / f"{stem}.h", dtype="int8", calibration=x[:100])
    logits, classes = predictions(folder / f"{stem}.h", stem, x, net.output_shape[0], compiler)
    expected = header.predict_logits(x)
    assert logits.tobytes() == expected.tobytes()
    assert np.array_equal(classes, expected.argmax(axis=1))
    return expected


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_the_nets_of_the_benchmarks_have_the_bits_of_the_integers_in_python(
    quickly_trained, compiler, mnist_dataset, tmp_path
):
    name, net = quickly_trained
    x = mnist_dataset.test_images[:200, ..., None]
    logits = assert_same_bits(net, tmp_path, name, x, compiler)
    assert (logits.argmax(axis=1) == net.predict(x)).mean() > 0.98


@pytest.mark.slow
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_all_test_images_have_the_bits_of_the_integers_in_python_and_the_accuracy_of_floats(
    well_trained, compiler, mnist_dataset, tmp_path
):
    name, net = well_trained
    x, y = mnist_dataset.test_images[..., None], mnist_dataset.test_labels
    cnn.export.c(net, tmp_path / f"{name}.h", dtype="int8", calibration=mnist_dataset.train_images[:500])
    logits = assert_same_bits(net, tmp_path, name, x, compiler)
    assert abs(net.evaluate_logits(logits, y).accuracy - net.evaluate(x, y).accuracy) <= 0.001


def check_random_nets(nets, folder):
    for i, net in enumerate(nets):
        if not WITHOUT & layers_of(net):
            assert_same_bits(net, folder, f"net{i}", images(net, np.random.default_rng(i)))


def test_random_nets_have_the_bits_of_the_integers_in_python(tmp_path):
    check_random_nets(random_nets(7), tmp_path)


@pytest.mark.slow
def test_many_random_nets_have_the_bits_of_the_integers_in_python(tmp_path):
    check_random_nets(random_nets(200, number=1), tmp_path)


@pytest.mark.parametrize("name", EVERY_LAYER.keys() - WITHOUT)
def test_every_layer_has_the_bits_of_the_integers_in_python_and_is_near_the_floats(name, tmp_path):
    net = net_of(*(layer.anew() for layer in EVERY_LAYER[name]))
    x = images(net, np.random.default_rng(0))
    logits, expected = assert_same_bits(net, tmp_path, "net", x), net.predict_logits(x)
    assert np.sqrt(((logits - expected) ** 2).mean()) < 0.03 * expected.std()


@pytest.mark.parametrize("name", SHAPES)
def test_nets_of_unusual_shapes(name, tmp_path):
    net = SHAPES[name]
    x = images(net, np.random.default_rng(0))
    logits, expected = assert_same_bits(net, tmp_path, "net", x), net.predict_logits(x)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=0.05 * np.abs(expected).max())


EXTREMES = [0.0, 1e30, -1e30, np.inf, -np.inf, np.nan, 127.5, 128.5, 1e-40]


@pytest.mark.parametrize("value", EXTREMES)
def test_images_beyond_those_of_the_calibration_saturate(value, tmp_path):
    net = net_of(cnn.Conv2D(3, 3, padding="same"), cnn.Tanh(), cnn.AvgPool2D(3, stride=2, padding=1))
    x = images(net, np.random.default_rng(0), 101)
    x[100] = value  # behind the images of the calibration
    assert np.isfinite(assert_same_bits(net, tmp_path, "net", x)).all()


def test_a_pruned_channel_and_one_of_tiny_weights_keep_their_bias(tmp_path):
    net = net_of(cnn.Conv2D(4, 3), cnn.ReLU(), cnn.Conv2D(3, 2))
    convolution = net.layers[0]
    convolution.weights[..., 0] = 0
    convolution.weights[..., 1] *= 1e-12
    convolution.bias[...] = [1, 2, 3, 0]
    x = images(net, np.random.default_rng(0))
    logits, expected = assert_same_bits(net, tmp_path, "net", x), net.predict_logits(x)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=0.03 * np.abs(expected).max())


def test_a_relu_that_changes_nothing_of_what_is_read_twice(tmp_path):
    net = cnn.Sequential([cnn.Residual([cnn.ReLU()]), cnn.Flatten(), cnn.Dense(3)], (4, 4, 2), seed=0)
    assert_same_bits(net, tmp_path, "net", np.abs(images(net, np.random.default_rng(0))))


def test_sanitizers_find_nothing(tmp_path):
    for i, net in enumerate(each for each in random_nets(4) if not WITHOUT & layers_of(each)):
        x = images(net, np.random.default_rng(i), 3)
        header = cnn.export.c(net, tmp_path / "net.h", dtype="int8", calibration=x[:2])
        build(PROGRAM.format(header="net.h", stem="net"), tmp_path / "program", "gcc", [*C99, *SANITIZED])
        done = subprocess.run([tmp_path / "program"], input=x.tobytes(), capture_output=True)
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout == header.predict_logits(x).tobytes()


# ---- what is refused ----


@pytest.mark.parametrize(
    ("dtype", "calibration", "message"),
    [
        ("int8", None, 'calibration must be images for dtype "int8"'),
        ("int8", np.zeros((0, 9, 8, 2)), "calibration must hold at least one image, got none"),
        ("int8", np.zeros((3, 9, 9, 2)), r"calibration must have shape \(N, 9, 8, 2\)"),
        ("int8", np.full((1, 9, 8, 2), np.nan), "calibration must give finite numbers, got nan to nan in input"),
        ("float32", np.zeros((1, 9, 8, 2)), 'calibration must be None for dtype "float32"'),
        ("int4", None, 'dtype must be "float32" or "int8", got \'int4\''),
    ],
)
def test_arguments_that_do_not_fit_are_refused(dtype, calibration, message, tmp_path):
    net = net_of(cnn.Conv2D(2, 3))
    with pytest.raises(ValueError, match=message):
        cnn.export.c(net, tmp_path / "net.h", dtype=dtype, calibration=calibration)
    assert list(tmp_path.iterdir()) == []


def test_a_layer_without_an_integer_form_is_named(tmp_path):
    net = net_of(cnn.Residual([cnn.LayerNorm()]))
    with pytest.raises(ValueError, match=r"^residual_1\.layernorm_1 cannot be written as C in int8, .* in float32$"):
        cnn.export.c(net, tmp_path / "net.h", dtype="int8", calibration=images(net, np.random.default_rng(0)))
    assert list(tmp_path.iterdir()) == []


def test_a_calibration_on_another_scale_than_the_fit_is_refused(bars, tmp_path):
    net = cnn.Sequential([cnn.Rescaling(1 / 255), cnn.Flatten(), cnn.Dense(10)], (28, 28, 1), seed=0)
    net.fit(bars.train_images, bars.train_labels, progress=False)
    message = "calibration must be on the scale that the net was fitted on, uint8 images from 0 to 255, got 0 to 1"
    with pytest.raises(ValueError, match=re.escape(message)):
        cnn.export.c(net, tmp_path / "net.h", dtype="int8", calibration=bars.train_images / 255)
    assert_same_bits(net, tmp_path, "net", bars.train_images[..., None])


def test_weights_that_are_not_finite_in_float32_are_refused(tmp_path):
    net = net_of(cnn.Conv2D(2, 3), dtype="float64")
    net.layers[0].weights[0, 0, 0, 0] = 1e300
    for options in ({}, {"dtype": "int8", "calibration": np.zeros((1, 9, 8, 2))}):
        with pytest.raises(ValueError, match="conv2d_1 cannot be written as C: its weights must be finite in float32"):
            cnn.export.c(net, tmp_path / "net.h", **options)


def test_sums_that_could_exceed_32_bits_are_refused(tmp_path):
    net = cnn.Sequential([cnn.Dense(1)], (70_000,), seed=0)
    net.layers[0].weights[...] = 1
    with pytest.raises(ValueError, match="dense_1 cannot be written as C in int8: its sums may exceed 32 bits"):
        cnn.export.c(net, tmp_path / "net.h", dtype="int8", calibration=np.ones((1, 70_000)))


def test_a_net_too_large_for_an_int_is_refused(tmp_path):
    net = cnn.Sequential([cnn.MaxPool2D(1000), cnn.Flatten(), cnn.Dense(2)], (30_000, 30_000, 1), seed=0)
    with pytest.raises(ValueError, match="the net is too large for C's int"):
        cnn.export.c(net, tmp_path / "net.h")
