"""`ReduceLROnPlateau`: when the rate falls, against PyTorch, and what a checkpoint keeps of it."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cnn

from .killed_fits import Kill, Killed, bits, data, small

pytestmark = pytest.mark.usefixtures("one_thread")


class Scripted(cnn.Callback):
    """Shows a callback figures of its own, and writes down the rate after each epoch."""

    def __init__(self, figures, of):
        self.figures, self.of, self.rates = figures, of, []

    def on_fit_begin(self, net, logs):
        self.of.on_fit_begin(net, logs)

    def on_epoch_end(self, net, logs):
        self.of.on_epoch_end(net, logs | {self.of.monitor: self.figures[logs["epoch"] - 1]})
        self.rates.append(net.current_fit.optimizer.learning_rate)


def rates(figures, plateau, rate=1.0):
    scripted = Scripted(figures, plateau)
    net = cnn.Sequential([cnn.Flatten(), cnn.Dense(4)], (6, 6, 1), seed=0)
    x, y = data(4)
    options = {"epochs": len(figures), "optimizer": cnn.SGD(rate), "callbacks": [scripted], "progress": False}
    net.fit(x / 255, y, validation_data=(x / 255, y), **options)
    return scripted.rates


@pytest.mark.parametrize(
    ("figures", "options", "expected"),
    [
        ([5, 4, 3, 2], {"patience": 1}, [1, 1, 1, 1]),
        ([5, 5, 5, 5], {"patience": 1, "factor": 0.5}, [1, 0.5, 0.25, 0.125]),
        ([5, 5, 5, 5, 5], {"patience": 2, "factor": 0.5}, [1, 1, 0.5, 0.5, 0.25]),
        ([5, 5, 5, 5, 5, 5], {"patience": 1, "factor": 0.5, "cooldown": 2}, [1, 0.5, 0.5, 0.5, 0.25, 0.25]),
        ([5, 5, 5, 5], {"patience": 1, "factor": 0.5, "minimum_rate": 0.3}, [1, 0.5, 0.3, 0.3]),
        ([5, 4.9, 4.8], {"patience": 1, "factor": 0.5, "min_delta": 0.15}, [1, 0.5, 0.5]),
        ([5, math.nan, 4], {"patience": 1, "factor": 0.5}, [1, 0.5, 0.5]),
        ([5, 5], {"patience": 1, "factor": 0}, [1, 0]),
    ],
)
def test_the_rate_falls_after_so_many_epochs_that_were_no_better(figures, options, expected):
    assert rates(figures, cnn.ReduceLROnPlateau(**options)) == expected


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("monitor", ["val_loss", "val_accuracy"])
def test_it_falls_where_that_of_pytorch_falls(monitor, seed):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    figures = rng.integers(0, 40, 60) / 8
    patience, cooldown = int(rng.integers(1, 4)), int(rng.integers(0, 4))
    plateau = cnn.ReduceLROnPlateau(monitor, 0.5, patience, min_delta=0.25, cooldown=cooldown, minimum_rate=1e-3)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, "max" if "accuracy" in monitor else "min", 0.5, patience - 1, 0.25, "abs", cooldown, 1e-3, eps=0
    )  # whose patience is the number of epochs that may be no better without any fall
    expected = []
    for figure in figures:
        theirs.step(figure)
        expected.append(optimizer.param_groups[0]["lr"])
    assert rates(figures.tolist(), plateau) == expected
    assert expected[-1] < 1


@pytest.mark.parametrize("rate", [cnn.schedules.Cosine(0.1), lambda step, steps: 0.1])
def test_an_optimiser_with_a_schedule_is_a_type_error_before_any_epoch(rate):
    net = small()
    with pytest.raises(TypeError, match=r"^ReduceLROnPlateau needs an optimizer whose learning_rate is no schedule"):
        net.fit(*data(), optimizer=cnn.SGD(rate), callbacks=[cnn.ReduceLROnPlateau("loss")], progress=False)
    assert bits(net) == bits(small())


def test_a_figure_of_validation_without_validation_data_is_told_before_any_epoch():
    with pytest.raises(ValueError, match=r"^monitor 'val_loss' needs validation_data, got none$"):
        small().fit(*data(), callbacks=[cnn.ReduceLROnPlateau()], progress=False)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"factor": 1}, ValueError),
        ({"factor": -0.1}, ValueError),
        ({"factor": "0.1"}, TypeError),
        ({"patience": 0}, ValueError),
        ({"min_delta": math.nan}, ValueError),
        ({"cooldown": -1}, ValueError),
        ({"cooldown": 0.5}, TypeError),
        ({"minimum_rate": -1}, ValueError),
        ({"monitor": 3}, TypeError),
    ],
)
def test_an_argument_out_of_range_is_named(options, error):
    (name,) = options
    with pytest.raises(error, match=f"^{name} must"):
        cnn.ReduceLROnPlateau(**options)


@pytest.mark.parametrize("after_epoch", [1, 2, 3, 4, 5])
def test_a_fit_that_is_resumed_ends_with_the_same_bits(path, after_epoch):
    def fitted(*others, **options):
        net, plateau = small(), cnn.ReduceLROnPlateau("loss", 0.5, 1, min_delta=9, cooldown=1)
        net.fit(
            *data(), epochs=6, batch_size=8, seed=5, optimizer=cnn.SGD(0.1), callbacks=[plateau, *others],
            progress=False, **options,
        )  # fmt: skip
        return bits(net)

    expected = fitted()
    with pytest.raises(Killed):
        fitted(cnn.Checkpoint(path), Kill(after_epoch))
    assert fitted(resume=path) == expected


@pytest.mark.parametrize("state", [{}, {"best": 0.5, "waited": 1}, {"best": 0.5, "waited": 1, "rests": -1}])
def test_it_goes_on_only_from_a_state_of_its_own(state):
    with pytest.raises((ValueError, TypeError), match=r"^(best|rests) must"):
        cnn.ReduceLROnPlateau().restore(state)
