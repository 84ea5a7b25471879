"""Which layers a plan makes one operation of."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import cnn
from cnn.plan.make import make_plan

from .nets import MODELS, averaged, counterpart, flat, noise, normalised

pytestmark = pytest.mark.usefixtures("two_threads")


def operations(net, training=True) -> list[tuple[str, str]]:
    return [(o.label, o.layers) for o in make_plan(net.layers, net.layer_names, 32, training).operations]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("A", [
            ("load", "rescaling_1"), ("image conv+pool", "conv2d_1, maxpool2d_1"), ("copy", ""), ("dense", "dense_1"),
        ]),
        ("B", [
            ("load", "rescaling_1"), ("image conv+pool", "conv2d_1, relu_1, maxpool2d_1"),
            ("conv+pool", "conv2d_2, relu_2, maxpool2d_2"), ("dense", "dense_1, relu_3"), ("dense", "dense_2"),
        ]),
        ("L", [
            ("load", "rescaling_1"), ("image conv+pool", "conv2d_1, relu_1, maxpool2d_1"),
            ("conv+pool", "conv2d_2, relu_2, maxpool2d_2"), ("dense", "dense_1, relu_3"), ("dense", "dense_2, relu_4"),
            ("dense", "dense_3"),
        ]),
    ],
)  # fmt: skip
def test_the_models_are_a_few_fused_operations(model, expected):
    assert operations(MODELS[model]()) == expected


def test_while_training_a_normalisation_its_relu_and_its_pooling_are_one_operation_and_dropout_is_one():
    assert operations(normalised()) == [
        ("load", "rescaling_1"),
        ("conv", "conv2d_1"), ("batchnorm+pool", "batchnorm_1, relu_1, maxpool2d_1"),
        ("conv", "conv2d_2"), ("batchnorm+pool", "batchnorm_2, maxpool2d_2"),
        ("dense", "dense_1"), ("batchnorm", "batchnorm_3, relu_2"), ("dropout", "dropout_1"), ("dense", "dense_2"),
    ]  # fmt: skip


def test_for_predictions_a_normalisation_is_in_the_convolution_below_it_and_dropout_is_gone():
    assert [step for step in operations(normalised(), training=False) if step[0] != "copy"] == [
        ("load", "rescaling_1"),
        ("image conv+pool", "conv2d_1, batchnorm_1, relu_1, maxpool2d_1"),
        ("conv+pool", "conv2d_2, batchnorm_2, maxpool2d_2"),
        ("dense", "dense_1"), ("batchnorm", "batchnorm_3, relu_2"), ("dense", "dense_2"),
    ]  # fmt: skip
    assert operations(averaged(), training=False) == [
        ("load", ""), ("conv", "conv2d_1"), ("relu", "relu_1"), ("avgpool", "avgpool2d_1"),
        ("conv", "conv2d_2"), ("avgpool", "avgpool2d_2"), ("relu", "relu_2"), ("dense", "dense_1"),
    ]  # fmt: skip


@pytest.mark.parametrize("layers", [[cnn.Conv2D(4, 3, stride=2)], [cnn.Conv2D(4, 3), cnn.ReLU(), cnn.MaxPool2D(3)]])
def test_a_convolution_that_is_not_pooled_takes_its_normalisation_alone(layers):
    layers = [layers[0], cnn.BatchNorm(), *layers[1:], cnn.Flatten(), cnn.Dense(3)]
    net = cnn.Sequential(layers, input_shape=(12, 12, 2))
    assert operations(net, training=False)[1] == ("conv", "conv2d_1, batchnorm_1")
    assert operations(net)[1:3] == [
        ("conv", "conv2d_1"),
        ("batchnorm", "batchnorm_1, relu_1" if len(layers) > 4 else "batchnorm_1"),
    ]


@pytest.mark.parametrize(
    ("convolution", "pooling"),
    [
        ({"stride": 2}, {}),
        ({"stride": (1, 2)}, {}),
        ({"dilation": 2}, {}),
        ({"dilation": (1, 2)}, {}),
        ({}, {"pool_size": 3}),
        ({}, {"pool_size": (2, 3)}),
        ({}, {"stride": 1}),
        ({}, {"padding": 1}),
        ({}, {"ties": "all"}),
    ],
)
def test_a_convolution_with_a_stride_a_dilation_or_another_pooling_stays_by_itself(convolution, pooling):
    layers = [cnn.Conv2D(4, 3, **convolution), cnn.ReLU(), cnn.MaxPool2D(**pooling), cnn.Flatten(), cnn.Dense(3)]
    net = cnn.Sequential(layers, input_shape=(12, 12, 1))
    pool = ("maxpool, ties" if "ties" in pooling else "maxpool", "maxpool2d_1")
    assert operations(net) == [("load", ""), ("conv", "conv2d_1"), ("relu", "relu_1"), pool, ("dense", "dense_1")]


def test_a_convolution_with_groups_stays_by_itself():
    layers = [cnn.Conv2D(4, 3, groups=2), cnn.ReLU(), cnn.MaxPool2D(), cnn.Flatten(), cnn.Dense(3)]
    net = cnn.Sequential(layers, input_shape=(12, 12, 2))
    assert operations(net)[1:4] == [("conv", "conv2d_1"), ("relu", "relu_1"), ("maxpool", "maxpool2d_1")]


@pytest.mark.parametrize(
    ("channels", "size", "kind"),
    [(1, 3, "image conv+pool"), (1, 5, "image conv+pool"), (1, 4, "conv+pool"), (2, 3, "conv+pool")],
)
def test_images_of_one_channel_have_an_operation_of_their_own_for_the_usual_kernels(channels, size, kind):
    layers = [cnn.Conv2D(4, size), cnn.MaxPool2D(), cnn.Flatten(), cnn.Dense(3)]
    net = cnn.Sequential(layers, input_shape=(12, 12, channels))
    assert (kind, "conv2d_1, maxpool2d_1") in operations(net)


@pytest.mark.parametrize("learns", [cnn.BatchNorm, functools.partial(cnn.Conv2D, 1, 1)], ids=["norm", "convolution"])
@pytest.mark.parametrize("size", [3, 5])
def test_below_a_fused_convolution_of_one_channel_what_learns_gets_its_gradient(level, learns, size):
    layers = [learns(), cnn.Conv2D(4, size), cnn.MaxPool2D(2), cnn.Flatten(), cnn.Dense(10)]
    net = cnn.Sequential(layers, (12, 12, 1), dtype="float64", seed=0)
    assert ("conv+pool", f"{net.layer_names[1]}, maxpool2d_1") in operations(net)
    reference = counterpart(net)
    before = [value.copy() for value in net.layers[0].parameters.values()]
    for either in (net, reference):
        either.train_on_batch(*noise(net, 20, "float64"), cnn.SGD(0.1))
    # Sums of fewer than 10,000 terms, of numbers below 10, times the rate.
    np.testing.assert_allclose(flat(net), flat(reference), rtol=0, atol=10_000 * np.finfo(float).eps)
    for value, old in zip(net.layers[0].parameters.values(), before, strict=True):
        assert (np.abs(value - old) > 1e-6).all()
