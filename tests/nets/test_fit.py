"""`fit`: the same bits for a seed, the figures of its epochs, its callbacks, and the options that it refuses."""

from __future__ import annotations

import numpy as np
import pytest

import cnn
import cnn.models
import cnn.reference

from .cases import SHAPE, HasStep, bits, data, fitted, small

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_seed_repeats_a_fit_to_the_bit(backend, dtype):
    x, y = data(45)
    nets = [small(dtype, backend=backend) for _ in range(3)]
    histories = [fitted(net, x, y, seed=seed) for net, seed in zip(nets, (3, 3, 4), strict=True)]
    assert bits(nets[0]) == bits(nets[1])
    assert histories[0].loss == histories[1].loss
    assert histories[0].accuracy == histories[1].accuracy
    assert bits(nets[0]) != bits(nets[2])


def test_any_number_of_threads_gives_the_same_bits(level, dtype, thread_counts):
    x, y = data(45)
    runs = set()
    for _ in thread_counts:
        net = small(dtype)
        history = fitted(net, x, y, batch_size=19, validation_data=(x[:20], y[:20]))
        runs.add((bits(net), *history.loss, *history.accuracy, *history.val_loss, net.predict_proba(x).tobytes()))
    assert len(runs) == 1


def test_a_fit_without_shuffling_takes_batches_in_order_and_a_smaller_last_one(backend, dtype):
    x, y = data(21)
    net, by_hand = small(dtype, backend=backend), small(dtype, backend=backend)
    history = fitted(net, x, y, shuffle=False, epochs=1, optimizer=cnn.SGD(0.1))
    optimizer = cnn.SGD(0.1)
    losses = [by_hand.train_on_batch(x[i : i + 8], y[i : i + 8], optimizer) for i in (0, 8, 16)]
    assert bits(net) == bits(by_hand)
    assert history.loss == pytest.approx([np.average(losses, weights=(8, 8, 5))], rel=1e-15)


def test_layers_of_the_reference_make_the_same_net(either, dtype):
    x, y = data(20)
    nets = [small(dtype, backend=either, ns=ns) for ns in (cnn, cnn.reference)]
    for net in nets:
        fitted(net, x, y)
    assert bits(nets[0]) == bits(nets[1])
    assert np.array_equal(nets[0].predict_proba(x), nets[1].predict_proba(x))


@pytest.mark.parametrize("shuffle", [True, False])
def test_an_epochs_figures_are_means_over_every_image_once(either, shuffle):
    x, y = data(45)
    net = small("float64", backend=either)
    history = fitted(net, x, y, epochs=3, shuffle=shuffle, optimizer=cnn.SGD(0.0))
    evaluation = net.evaluate(x, y)
    assert history.loss == pytest.approx([evaluation.loss] * 3, rel=100 * np.finfo(float).eps)
    assert history.accuracy == pytest.approx([evaluation.accuracy] * 3, rel=1e-15)
    assert bits(net) == bits(small("float64"))


def test_every_epoch_has_a_new_order():
    x, y = data(16)
    two, one = small("float64"), small("float64")
    fitted(two, x, y, epochs=2)
    fitted(one, x, y, epochs=1)
    fitted(one, x, y, epochs=1)
    assert bits(two) != bits(one)


def test_no_epochs_change_nothing(either):
    net = small(backend=either)
    history = fitted(net, *data(9), epochs=0)
    assert bits(net) == bits(small())
    assert all(figures == [] for figures in history)


def test_a_batch_larger_than_the_data_is_all_of_it(either):
    x, y = data(9)
    nets = [small(backend=either) for _ in range(2)]
    for net, batch_size in zip(nets, (9, 2**40), strict=True):
        fitted(net, x, y, batch_size=batch_size)
    assert bits(nets[0]) == bits(nets[1])


def test_a_net_without_parameters_is_evaluated_as_it_is(either):
    net = cnn.Sequential([cnn.Rescaling(2.0, 1.0)], input_shape=(3,), backend=either)
    x, y = np.eye(3), np.arange(3)
    history = fitted(net, x, y)
    assert history.accuracy == [1, 1]
    assert net.predict(x).tolist() == [0, 1, 2]
    assert net.parameters() == {}


def test_validation_is_an_evaluation_after_every_epoch(either):
    x, y = data(30)
    xv, yv = data(13, seed=1)

    class Evaluations:
        def __init__(self):
            self.seen = []

        def on_epoch_end(self, net, logs):
            self.seen.append(net.evaluate(xv, yv))
            assert (logs["val_loss"], logs["val_accuracy"]) == self.seen[-1]

    evaluations = Evaluations()
    net = small(backend=either)
    history = fitted(net, x, y, epochs=3, validation_data=(xv, yv), callbacks=[evaluations])
    assert list(zip(history.val_loss, history.val_accuracy, strict=True)) == evaluations.seen
    without = small(backend=either)
    plain = fitted(without, x, y, epochs=3)
    assert bits(net) == bits(without)  # looking changes nothing
    assert plain.val_loss == plain.val_accuracy == []


def test_callbacks_are_called_in_order_after_every_epoch_with_its_figures(either):
    calls = []

    class Callback:
        def __init__(self, name):
            self.name = name

        def on_epoch_end(self, net, logs):
            calls.append((self.name, net, dict(logs)))

    net = small(backend=either)
    history = fitted(net, *data(20), epochs=2, callbacks=[Callback("a"), Callback("b")])
    assert [(name, of) for name, of, _ in calls] == [("a", net), ("b", net)] * 2
    for epoch, (_, _, logs) in enumerate(calls[::2]):
        assert (logs.pop("epoch"), logs.pop("epochs"), logs.pop("learning_rate")) == (epoch + 1, 2, 0.1)
        assert logs.keys() == {"loss", "accuracy", "seconds", "images_per_second"}
        assert all(getattr(history, name)[epoch] == figure for name, figure in logs.items())


def test_an_error_in_a_callback_ends_the_fit_and_the_net_stays_usable(either):
    class Stop(Exception):
        pass

    class Stopping:
        def on_epoch_end(self, net, logs):
            raise Stop

    x, y = data(20)
    net = small(backend=either)
    with pytest.raises(Stop):
        fitted(net, x, y, epochs=5, callbacks=[Stopping()])
    once = small(backend=either)
    fitted(once, x, y, epochs=1)
    assert bits(net) == bits(once)
    fitted(net, x, y)


def test_seconds_and_images_per_second_belong_together(either):
    history = fitted(small(backend=either), *data(20))
    for seconds, speed in zip(history.seconds, history.images_per_second, strict=True):
        assert seconds > 0
        assert speed == pytest.approx(20 / seconds)


def test_a_fit_prints_an_epoch_a_line_or_nothing(capsys):
    fitted(small(), *data(9), progress=True)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    fitted(small(), *data(9), progress=False)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"epochs": -1}, "epochs"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": -8}, "batch_size"),
        ({"progress": "bar"}, "progress"),
        ({"seed": -1}, "seed"),
    ],
)
def test_an_option_out_of_range_is_a_value_error(either, options, named):
    net = small(backend=either)
    with pytest.raises(ValueError, match=f"^{named} must"):
        fitted(net, *data(9), **options)
    assert bits(net) == bits(small())


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"epochs": 1.5}, "epochs"),
        ({"epochs": None}, "epochs"),
        ({"batch_size": "32"}, "batch_size"),
        ({"optimizer": "sgd"}, "optimizer"),
        ({"optimizer": 0.1}, "optimizer"),
        ({"optimizer": cnn.SGD}, "optimizer"),
        ({"optimizer": HasStep()}, "optimizer"),
        ({"validation_data": 5}, "validation_data"),
        ({"validation_data": (np.zeros((3, *SHAPE)),)}, "validation_data"),
        ({"validation_data": (np.zeros((3, *SHAPE)), [0, 1, 2], [1, 1, 1])}, "validation_data"),
        ({"seed": "a"}, "seed"),
    ],
)
def test_an_option_of_another_type_is_a_type_error(either, options, named):
    with pytest.raises(TypeError, match=f"^{named} must"):
        fitted(small(backend=either), *data(9), **options)
