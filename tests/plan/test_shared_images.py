"""An image that several threads share: the same bits as with one thread, in predictions and in steps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cnn
import cnn.models

from .nets import NETS, flat, net_of, noise
from .random_nets import stacks
from .steps import RULES, fitted


@pytest.fixture(scope="module", autouse=True)
def small_images_are_shared():
    """All operations that can be shared are, however small they are."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_SHARED_NET", "_SHARED_OPERATION", "_SHARED_OUTPUTS"):
            patch.setattr(f"cnn.plan.make.{name}", 0)
        before = cnn.get_num_threads()
        yield
        cnn.set_num_threads(before)


def residual(seed=0, dtype="float32") -> cnn.Sequential:
    return cnn.models.resnet_small((9, 8, 3), 5, seed=seed, dtype=dtype)


def grouped(seed=0, dtype="float32") -> cnn.Sequential:
    """A net with groups, a dilation, strides and kernels of one pixel."""
    layers = [
        cnn.Conv2D(8, 3, stride=2, padding=1), cnn.LayerNorm(), cnn.GELU(),
        cnn.Conv2D(8, 3, padding="same", groups=2), cnn.DepthwiseConv2D(3, padding="same", multiplier=2), cnn.SiLU(),
        cnn.Conv2D(40, 1), cnn.Conv2D(17, 3, padding="same", dilation=2), cnn.Conv2D(9, 3, stride=3, padding=1),
        cnn.Flatten(), cnn.Dense(18), cnn.ReLU(), cnn.Dense(5),
    ]  # fmt: skip
    return cnn.Sequential(layers, input_shape=(19, 18, 2), seed=seed, dtype=dtype)


def wide(seed=0, dtype="float32") -> cnn.Sequential:
    """A net of many channels: 3x3 kernels by Winograd's algorithm, alone and before a pooling; kernels of 1x1."""
    layers = [
        cnn.Conv2D(33, 3, padding="same"), cnn.ReLU(), cnn.Conv2D(40, 3, padding=1), cnn.BatchNorm(), cnn.ReLU(),
        cnn.Conv2D(37, 1), cnn.ReLU(), cnn.Conv2D(48, 3, padding="same"), cnn.ReLU(), cnn.MaxPool2D(2),
        cnn.Conv2D(33, 3, padding=1), cnn.Flatten(), cnn.Dense(5),
    ]  # fmt: skip
    return cnn.Sequential(layers, input_shape=(13, 14, 2), seed=seed, dtype=dtype)


SHARED = NETS | {"residual": residual, "grouped": grouped, "wide": wide}


def trained(net: cnn.Sequential, threads: int, images: int, batch_size: int, rule: str = "nesterov") -> tuple:
    """All bits of a fit on so many threads, and of predictions of the images one by one and together."""
    cnn.set_num_threads(threads, fixed=True)
    x, y = noise(net, images)
    history = fitted(net, x, y, batch_size, rule, steps=4, label_smoothing=0.1)
    alone = [net.predict_proba(x[i : i + 1]).tobytes() for i in range(3)]
    return flat(net).tobytes(), *history.loss, *alone, net.predict_proba(x[:2]).tobytes()


@pytest.mark.parametrize("name", SHARED)
@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_steps_and_predictions_are_the_same_bits_for_any_number_of_threads(level, dtype, name, batch_size):
    runs = {trained(SHARED[name](seed=1, dtype=dtype), n, 5, batch_size) for n in (1, 2, 3, 7)}
    assert len(runs) == 1


@pytest.mark.parametrize("rule", RULES)
def test_any_optimiser_takes_the_same_step(level, dtype, rule):
    runs = {trained(NETS["B"](seed=1, dtype=dtype), n, 3, 1, rule) for n in (1, 3)}
    assert len(runs) == 1


@settings(max_examples=25)
@given(stacks(), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_so_it_is_for_any_net(level, dtype, stack, batch_size, seed):
    runs = {trained(net_of(*stack, dtype=dtype, seed=seed), n, batch_size + 1, batch_size) for n in (1, 2, 4)}
    assert len(runs) == 1


def test_a_group_of_threads_has_more_than_one_image_of_a_chunk():
    runs = {trained(NETS["L"](seed=1), threads, 37, 34) for threads in (1, 33)}  # two chunks of three images, 14 of two
    assert len(runs) == 1


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("name", ["L", "normalised"])
def test_a_loss_that_is_not_finite_leaves_all_as_before_its_step(level, dtype, name, threads):
    net = SHARED[name](seed=1, dtype=dtype)
    x, y = noise(net, 3)
    cnn.set_num_threads(threads, fixed=True)
    before = flat(net).tobytes()
    with pytest.raises(FloatingPointError):
        net.train_on_batch(np.full(x[:1].shape, np.nan), y[:1], cnn.SGD(0.1))
    assert flat(net).tobytes() == before


@pytest.mark.parametrize("name", ["L", "normalised", "residual"])
def test_frozen_layers_stay_and_the_others_learn_the_same(level, dtype, name):
    runs = set()
    for threads in (1, 3):
        net = SHARED[name](seed=1, dtype=dtype)
        for layer in net.layers[1:3]:
            layer.trainable = False
        frozen = [value.copy() for layer in net.layers[1:3] for value in layer.parameters.values()]
        runs.add(trained(net, threads, 3, 1))
        now = [value for layer in net.layers[1:3] for value in layer.parameters.values()]
        assert all(np.array_equal(a, b) for a, b in zip(frozen, now, strict=True))
    assert len(runs) == 1
