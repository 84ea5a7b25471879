"""Frozen layers: they stay to the bit, nobody computes gradients that only they would need, and the others learn."""

from __future__ import annotations

import numpy as np
import pytest

import cnn
from cnn.backends.parts import leaves

from ..nets import own_layers as own
from .cases import LAYERS

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore:the loss of epoch:RuntimeWarning"),  # nets that need not learn anything
]

EITHER = pytest.mark.parametrize("backend", ["compiled", "numpy"])
SHAPE, CLASSES = (8, 9, 2), 4
LEARNING = [name for name in LAYERS if any(word in name for word in ("convolution", "dense", "norm", "padding"))] + [
    "residual block", "residual block with a shortcut",
]  # fmt: skip


def data(n=21, shape=SHAPE):
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, *shape)).astype(np.float32), rng.integers(0, CLASSES, n)


def fitted(net, optimizer=None, n=21, **options):
    options = {"epochs": 2, "batch_size": 8, "seed": 0} | options
    optimizer = optimizer or cnn.SGD(0.05, momentum=0.9, weight_decay=0.1)
    return net.fit(*data(n, net.input_shape), optimizer=optimizer, progress=False, **options)


def learned(layer) -> list[bytes]:
    return [value.tobytes() for value in [*layer.parameters.values(), *layer.statistics.values()]]


def deep(backend="compiled", dtype="float32"):
    """Layers of all kinds that learn, in their fused forms and alone."""
    layers = [
        cnn.Conv2D(3, 3), cnn.BatchNorm(), cnn.ReLU(), cnn.MaxPool2D(2),
        cnn.Residual([cnn.Conv2D(5, 3, padding="same"), cnn.BatchNorm(), cnn.ReLU()], cnn.Conv2D(5, 1)),
        cnn.Conv2D(4, 2), cnn.LayerNorm(), cnn.MaxPool2D(2), own.Scale(), own.Standardised(), cnn.Flatten(),
        cnn.Dense(7),
        cnn.BatchNorm(), cnn.ReLU(), cnn.Dense(5), own.Scale(), cnn.Dense(CLASSES),
    ]  # fmt: skip
    return cnn.Sequential(layers, SHAPE, dtype=dtype, seed=0, backend=backend)


CAN_LEARN = [i for i, layer in enumerate(leaves(deep().layers)) if layer.parameters or layer.statistics]
OPTIMIZERS = {
    "momentum and decay": lambda: cnn.SGD(0.05, momentum=0.9, weight_decay=0.1),
    # An epsilon above the gradients of biases below a normalisation, which are rounding alone.
    "AdamW": lambda: cnn.AdamW(0.01, epsilon=1e-3, weight_decay=0.5),
    "clipped": lambda: cnn.SGD(0.05, weight_decay=0.1, clip_norm=0.1),
}


@EITHER
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("batch_size", [1, 8])
@pytest.mark.parametrize("frozen", [*CAN_LEARN, range(4), range(4, 99), range(0, 99, 2), range(99)], ids=str)
def test_frozen_layers_stay_to_the_bit_and_the_others_learn(backend, optimizer, batch_size, frozen):
    net = deep(backend)
    layers = leaves(net.layers)
    chosen = [layers[frozen]] if isinstance(frozen, int) else [layers[i] for i in frozen if i < len(layers)]
    for layer in chosen:
        layer.trainable = False
    before = [learned(layer) for layer in layers]
    fitted(net, OPTIMIZERS[optimizer](), batch_size=batch_size, epochs=1)
    for layer, values in zip(layers, before, strict=True):
        if layer in chosen or not values:
            assert learned(layer) == values
        else:
            assert learned(layer) != values


@EITHER
@pytest.mark.parametrize("name", LEARNING)
def test_a_frozen_layer_of_each_kind_stays_and_passes_its_gradient_on(backend, name):
    def net_of(trainable):
        make, shape = LAYERS[name]
        below = [cnn.Rescaling(0.5), cnn.LayerNorm(), make(cnn)]  # something learns below
        layers = [*below, cnn.Flatten(), cnn.Dense(CLASSES)]
        net = cnn.Sequential(layers, shape, dtype="float64", seed=0, backend=backend)
        layers[2].trainable = trainable
        return net, layers[1], layers[2]

    (net, below, layer), (other, below_other, _) = net_of(False), net_of(True)
    before = learned(layer)
    fitted(net)
    assert learned(layer) == before
    # In one step a frozen layer changes nothing for those below; a normalisation takes other moments, though.
    (net, below, layer), (other, below_other, _) = net_of(False), net_of(True)
    for each in (net, other):
        fitted(each, n=8, epochs=1)
    same = learned(below) == learned(below_other)
    assert same or "normalisation" in name


@EITHER
def test_a_frozen_net_computes_its_loss_and_nothing_else(backend):
    net = deep(backend)
    for layer in net.layers:
        layer.trainable = False
    x, y = data()
    before = net.snapshot()
    loss = net.train_on_batch(x, y, cnn.SGD(0.1))
    assert loss == pytest.approx(net.evaluate(x, y).loss, rel=1000 * float(np.finfo(np.float32).eps))
    assert all(np.array_equal(value, before[name]) for name, value in net.state().items())


@EITHER
@pytest.mark.parametrize("batch_size", [1, 8])
def test_a_layer_in_python_below_all_that_learn_is_asked_for_no_gradient(backend, batch_size):
    net = cnn.Sequential(
        [own.Shift(), cnn.Conv2D(3, 3), own.Shift(), cnn.Flatten(), cnn.Dense(CLASSES), own.Shift()],
        SHAPE, seed=0, backend=backend,
    )  # fmt: skip
    steps = -(-21 // batch_size)
    for frozen, asked in ((), 2), ((1,), 1), ((1, 4), 0):
        for i, layer in enumerate(net.layers):
            layer.trainable = i not in frozen
        own.Shift.gradients_asked_for = 0
        fitted(net, epochs=1, batch_size=batch_size)
        assert own.Shift.gradients_asked_for == asked * steps


@EITHER
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_layers_that_callbacks_freeze_between_epochs_stay_from_then_on_and_learn_again(backend, optimizer):
    class Freeze(cnn.Callback):
        def __init__(self):
            self.seen = []

        def on_epoch_begin(self, net, logs):
            for layer in net.layers[:6]:
                layer.trainable = logs["epoch"] not in (2, 3)

        def on_epoch_end(self, net, logs):
            self.seen.append([b"".join(learned(layer)) for layer in (net.layers[0], net.layers[4], net.layers[-1])])

    freeze = Freeze()
    fitted(deep(backend), OPTIMIZERS[optimizer](), epochs=4, callbacks=[freeze])
    (first, inner, last) = zip(*freeze.seen, strict=True)
    for values in (first, inner):
        assert values[0] == values[1] == values[2] != values[3]
    assert len(set(last)) == 4


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_both_backends_agree_where_layers_are_frozen_for_a_while(optimizer):
    class Freeze(cnn.Callback):
        def on_epoch_begin(self, net, logs):
            for layer in net.layers[:6]:
                layer.trainable = logs["epoch"] != 2

    nets = [deep(backend, "float64") for backend in ("compiled", "numpy")]
    for net in nets:
        fitted(net, OPTIMIZERS[optimizer](), epochs=4, callbacks=[Freeze()])
    for name, value in nets[0].state().items():
        np.testing.assert_allclose(value, nets[1].state()[name], rtol=1e-9, atol=1e-9, err_msg=name)


def test_a_frozen_layer_takes_no_part_in_the_norm_by_which_gradients_are_clipped():
    nets = [deep(backend, "float64") for backend in ("compiled", "numpy")]
    for net in nets:
        leaves(net.layers)[10].trainable = leaves(net.layers)[11].trainable = False
        net.layers[8].trainable = False
        fitted(net, cnn.SGD(0.5, clip_norm=0.01), epochs=1)
    for name, value in nets[0].state().items():
        np.testing.assert_allclose(value, nets[1].state()[name], rtol=1e-9, atol=1e-9, err_msg=name)
