"""`repr` of whatever users hold says what it is, and fits a screen."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest

import cnn
import cnn.datasets
import cnn.reference
from cnn.datasets import Dataset, LabelledImages, Shard
from cnn.training.history import History

pytestmark = pytest.mark.usefixtures("one_thread")

LINES, CHARACTERS = 24, 120
MANY = np.zeros((60_000, 28, 28), np.uint8)  # memory that is never written


class Watcher(cnn.Callback):
    """Keeps what a callback can look at."""

    def on_epoch_end(self, net, logs):
        fit = net.current_fit
        self.seen = [(type(part).__name__, repr(part)) for part in (fit, fit.data, fit.settings, fit.history)]


def held_by_a_fit():
    net = cnn.Sequential([cnn.Flatten(), *(cnn.Dense(3) for _ in range(99))], (28, 28, 1), seed=0)
    watcher, few = Watcher(), (MANY[:20], np.arange(20) % 3)
    history = net.fit(*few, validation_data=few, callbacks=[watcher], progress=False)
    return [*watcher.seen, *((type(part).__name__, repr(part)) for part in (net, history, net.inputs, net.executor))]


def objects():
    """One of each public class that can be made by itself."""
    layers = [cnn.Rescaling(1 / 255), cnn.Conv2D(8, 3), cnn.MaxPool2D(2), cnn.AvgPool2D(2)]
    layers += [cnn.GlobalAvgPool2D(), cnn.GlobalMaxPool2D(), cnn.BatchNorm(), cnn.Dropout(0.5), cnn.Dense(10)]
    layers += [cnn.Flatten(), cnn.ReLU(), cnn.LeakyReLU(), cnn.Sigmoid(), cnn.Tanh(), cnn.GELU(), cnn.SiLU()]
    layers += [cnn.Softplus(), cnn.LayerNorm(), cnn.DepthwiseConv2D(3), cnn.Residual([cnn.ReLU()])]
    layers += [cnn.Conv3x3(8), cnn.MaxPool2(), cnn.Softmax(8, 10)]
    cycle = cnn.schedules.OneCycle(0.05)
    optimizers = [cnn.SGD(cycle, 0.9, True, 5e-4), cnn.Adam(cycle), cnn.AdamW(cycle), cnn.RMSprop(cycle)]
    optimizers += [cnn.Adadelta(), cnn.Lion(cycle, weight_decay=0.1)]
    schedules = [cycle, cnn.schedules.Constant(1), cnn.schedules.Step(1, 2, 0.5), cnn.schedules.Cosine(1)]
    callbacks = [cnn.EarlyStopping(), cnn.CSVLogger("a.csv"), cnn.TensorBoard("logs"), cnn.Checkpoint("a.run")]
    callbacks += [cnn.ReduceLROnPlateau(), cnn.TimeLimit(60), cnn.ExponentialAverage(), cnn.LearningRateFinder()]
    callbacks += [cnn.OptunaPruning(SimpleNamespace(number=7))]
    callbacks += [cnn.Callback(), Watcher(), cnn.Checkpoint("folder/" * 100)]
    nets = [
        cnn.models.wide(),
        cnn.models.resnet_small(),
        cnn.ConvolutionalNeuralNetwork(),
        cnn.reference.ConvolutionalNeuralNetwork(),
    ]
    names = tuple(f"the class number {i}, which has a long name" for i in range(200))
    data = [Dataset(MANY, MANY[:, 0, 0], MANY, MANY[:, 0, 0]), LabelledImages(MANY, MANY[:, 0, 0], names)]
    data.append(Shard(MANY, MANY[:, 0, 0], 0))
    histories = [History(*[[0.123456789] * 10_000] * 6), History([], [], [], [], [], [])]
    augments = [cnn.Augment(), cnn.Augment(1, 2, 0.1, 3, 0.5, 6)]
    return [*layers, *optimizers, *schedules, *callbacks, *nets, *data, *histories, *augments]


def test_everything_public_says_what_it_is_and_fits_a_screen():
    told = [(type(thing).__name__, repr(thing)) for thing in objects()] + held_by_a_fit()
    for name, text in told:
        assert text.startswith(f"{name}("), text
        assert not re.search(r"\bat 0x", text), text
        assert len(text.splitlines()) <= LINES, text
        assert max(map(len, text.splitlines())) <= CHARACTERS, text


def test_every_public_class_is_among_these():
    public = {value for module in (cnn, cnn.datasets) for name in module.__all__ for value in [getattr(module, name)]}
    shown = {kind for thing in objects() for kind in type(thing).__mro__}
    assert {value for value in public if isinstance(value, type)} <= shown | {cnn.Sequential, cnn.ScaleWarning}


def test_a_history_tells_the_last_epoch_and_the_seconds_of_all():
    history = History([0.5, 0.03125], [0.9, 0.99], [0.4, 0.0345678], [0.9, 0.98], [1.0, 0.5], [9.0, 9.0])
    assert repr(history) == (
        "History(epochs=2, loss=0.03125, accuracy=0.99, val_loss=0.03457, val_accuracy=0.98, seconds=1.5)"
    )
    loss, *_, speed = history  # a tuple as before
    assert (loss, speed) == (history.loss, history.images_per_second)


def test_a_data_set_tells_dtypes_and_shapes():
    dataset = Dataset(MANY, MANY[:, 0, 0], MANY[:100], MANY[:100, 0, 0])
    assert repr(dataset).split("\n") == [
        "Dataset(",
        "    train_images=uint8 (60000, 28, 28),",
        "    train_labels=uint8 (60000,),",
        "    test_images=uint8 (100, 28, 28),",
        "    test_labels=uint8 (100,),",
        ")",
    ]
    x, y, *test = dataset
    assert (x.shape, y.shape, len(test)) == (MANY.shape, (60_000,), 2)


def test_callbacks_show_the_arguments_that_make_them():
    assert repr(cnn.EarlyStopping("loss", 5)) == (
        "EarlyStopping(monitor='loss', patience=5, min_delta=0.0, restore_best=True)"
    )
    assert repr(cnn.Checkpoint("a.run", 2)) == "Checkpoint(path='a.run', every=2)"
    assert repr(cnn.CSVLogger("a.csv")) == "CSVLogger(path='a.csv', append=False)"


def test_a_callback_of_somebody_else_shows_what_it_has_kept():
    class Mine(cnn.Callback):
        def __init__(self, limit, *rest, unit="s", **more):
            self.limit = limit

    assert repr(Mine(3, 4, x=5)) == "Mine(limit=3)"


def test_a_deep_net_shows_its_first_and_its_last_layers():
    net = cnn.Sequential([cnn.Flatten(), *(cnn.Dense(units) for units in range(1, 100))], (2, 2, 1), seed=0)
    lines = repr(net).splitlines()
    assert lines[:3] == ["Sequential([", "    Flatten(),", "    Dense(units=1, bias=True),"]
    assert lines[11] == "    # ... 81 more layers"
    assert lines[-2] == "    Dense(units=99, bias=True),"
