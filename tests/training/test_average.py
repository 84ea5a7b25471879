"""`ExponentialAverage`: what it averages, who sees it, and what a checkpoint keeps of it."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cnn

from .killed_fits import Kill, Killed, bits, data, figures, small

pytestmark = pytest.mark.usefixtures("one_thread")


def fitted(net, callbacks, **options):
    options = {"epochs": 3, "batch_size": 8, "seed": 0, "progress": False, "validation_data": data(10, 1)} | options
    return net.fit(*data(30), callbacks=callbacks, **options)


def with_normalisation():
    layers = [cnn.Conv2D(3, 3), cnn.BatchNorm(), cnn.ReLU(), cnn.Flatten(), cnn.Dense(4)]
    return cnn.Sequential(layers, (6, 6, 1), seed=0)


class Steps(cnn.Callback):
    """The parameters after each batch."""

    def __init__(self):
        self.after = []

    def on_batch_end(self, net, logs):
        self.after.append({name: value.astype(np.float64) for name, value in net.parameters().items()})


def averages(steps, decay, every):
    """In float64, after each batch; every decay that is taken."""
    average = {name: value.astype(np.float64) for name, value in small().parameters().items()}
    result = []
    for i, parameters in enumerate(steps, 1):
        if i % every == 0:
            n = i // every
            d = min(decay, (1 + n) / (10 + n))
            average = {name: d * value + (1 - d) * parameters[name] for name, value in average.items()}
        result.append(average)
    return result


@pytest.mark.parametrize(("decay", "every"), [(0.999, 1), (0.3, 1), (0.5, 5), (0.0, 1), (0.9, 100)])
def test_the_net_ends_with_the_average_of_its_steps(decay, every):
    steps, net, alone = Steps(), small(), small()
    fitted(alone, [steps])
    fitted(net, [cnn.ExponentialAverage(decay, every)])
    expected = averages(steps.after, decay, every)[-1]
    for name, value in net.parameters().items():
        # Each of 12 updates rounds three times, by 2^-24 of values below 2.
        np.testing.assert_allclose(value, expected[name], rtol=0, atol=12 * 3 * 2 * 2.0**-24)


def test_a_decay_of_zero_is_the_net_itself():
    net, alone = small(), small()
    histories = [fitted(net, [cnn.ExponentialAverage(0)]), fitted(alone, [])]
    assert histories[0][:2] == histories[1][:2]
    assert histories[0].val_loss == pytest.approx(histories[1].val_loss, rel=1e-6)
    np.testing.assert_allclose(net.predict_proba(data(9)[0]), alone.predict_proba(data(9)[0]), atol=1e-6)


def test_validation_and_other_callbacks_see_the_average_and_the_steps_go_on_without_it():
    class Looking(cnn.Callback):
        def __init__(self):
            self.ends, self.begins = [], []

        def on_epoch_begin(self, net, logs):
            self.begins.append(net.snapshot())

        def on_epoch_end(self, net, logs):
            self.ends.append((net.snapshot(), net.evaluate(*data(10, 1)), logs["val_loss"]))

    looking, steps, net = Looking(), Steps(), small()
    history = fitted(net, [looking, cnn.ExponentialAverage(0.9)])  # whatever their order
    alone = fitted(small(), [steps])
    assert history[:2] == alone[:2]
    assert history.val_loss != alone.val_loss
    expected = averages(steps.after, 0.9, 1)[3::4]
    for i, (learned, evaluation, val_loss) in enumerate(looking.ends):
        assert evaluation.loss == val_loss == history.val_loss[i]
        for name, value in learned.items():
            np.testing.assert_allclose(value, expected[i][name], rtol=0, atol=1e-5)
    for begin, after in zip(looking.begins[1:], steps.after[3::4], strict=False):
        assert all((value == after[name]).all() for name, value in begin.items())


def test_early_stopping_goes_back_to_the_best_average():
    class Kept(cnn.Callback):
        nets = ()

        def on_epoch_end(self, net, logs):
            self.nets += (bits(net),)

    kept, net = Kept(), small()
    options = {"epochs": 8, "optimizer": cnn.SGD(0.5)}
    history = fitted(net, [cnn.EarlyStopping(patience=8), kept, cnn.ExponentialAverage(0.5)], **options)
    assert bits(net) == kept.nets[int(np.argmin(history.val_loss))]


def test_running_statistics_are_those_of_the_steps():
    net, alone = with_normalisation(), with_normalisation()
    fitted(net, [cnn.ExponentialAverage(0.5)])
    fitted(alone, [])
    names = [name for name in net.state() if name not in net.parameters()]
    assert len(names) == 2
    assert all((net.state()[name] == alone.state()[name]).all() for name in names)
    assert bits(net) != bits(alone)


def test_after_an_epoch_that_is_cut_short_the_net_holds_the_average():
    class Stop(cnn.Callback):
        def on_batch_end(self, net, logs):
            net.stop_training = (logs["epoch"], logs["batch"]) == (2, 2)

    steps, net = Steps(), small()
    fitted(small(), [steps])
    fitted(net, [Stop(), cnn.EarlyStopping(restore_best=False), cnn.ExponentialAverage(0.5)])
    for name, value in net.parameters().items():
        np.testing.assert_allclose(value, averages(steps.after, 0.5, 1)[5][name], rtol=0, atol=1e-5)


def test_one_callback_serves_several_fits():
    average, nets = cnn.ExponentialAverage(0.5), [small(), small()]
    for net in nets:
        fitted(net, [average])
    assert bits(nets[0]) == bits(nets[1])


def test_no_epochs_change_nothing():
    net = small()
    fitted(net, [cnn.ExponentialAverage()], epochs=0)
    assert bits(net) == bits(small())


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("make", [small, with_normalisation])
@pytest.mark.parametrize("after_epoch", [1, 2])
def test_a_fit_that_is_resumed_ends_with_the_same_bits(path, make, after_epoch, every):
    def callbacks():
        return [cnn.ExponentialAverage(0.8, every), cnn.EarlyStopping()]

    expected, net, killed = make(), make(), make()
    history = fitted(expected, callbacks(), optimizer=cnn.Adam())
    with pytest.raises(Killed):
        fitted(killed, [*callbacks(), cnn.Checkpoint(path), Kill(after_epoch)], optimizer=cnn.Adam())
    assert bits(cnn.load(path)) == bits(killed)  # the average
    assert figures(fitted(net, callbacks(), optimizer=cnn.Adam(), resume=path)) == figures(history)
    assert bits(net) == bits(expected)


def test_the_file_of_a_finished_fit_holds_the_average(path):
    net = small()
    fitted(net, [cnn.ExponentialAverage(0.8), cnn.Checkpoint(path)])
    assert bits(cnn.load(path)) == bits(net)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"decay": 1}, ValueError),
        ({"decay": math.nan}, ValueError),
        ({"every": 0}, ValueError),
        ({"every": 1.5}, TypeError),
    ],
)
def test_an_argument_out_of_range_is_named(options, error):
    (name,) = options
    with pytest.raises(error, match=f"^{name} must"):
        cnn.ExponentialAverage(**options)
