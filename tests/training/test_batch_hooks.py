"""`on_batch_end`: when it is called and with what, and what an end in the middle of an epoch leaves."""

from __future__ import annotations

import numpy as np
import pytest

import cnn

from .killed_fits import bits, data, figures, small

pytestmark = pytest.mark.usefixtures("one_thread")


class Batches(cnn.Callback):
    """Writes down what it is told of each batch, and the net."""

    def __init__(self, stop_at=None):
        self.seen, self.nets, self.stop_at = [], [], stop_at

    def on_batch_end(self, net, logs):
        self.seen.append(logs)
        self.nets.append(bits(net))
        if (logs["epoch"], logs["batch"]) == self.stop_at:
            net.stop_training = True


def fitted(net, callbacks, **options):
    options = {"epochs": 3, "batch_size": 8, "seed": 0, "progress": False} | options
    return net.fit(*data(30), callbacks=callbacks, **options)


@pytest.mark.parametrize("backend", ["compiled", "numpy"])
def test_it_is_called_after_every_batch_with_the_figures_of_that_batch(backend):
    batches, net, by_hand = Batches(), small(backend=backend), small(backend=backend)
    fitted(net, [batches], epochs=1, shuffle=False, optimizer=cnn.SGD(cnn.schedules.Cosine(0.1)))
    x, y = data(30)
    rates = cnn.schedules.Cosine(0.1).at(np.arange(4) / 4)
    assert [logs["learning_rate"] for logs in batches.seen] == rates.tolist()
    for i, (logs, after) in enumerate(zip(batches.seen, batches.nets, strict=True)):
        part = slice(8 * i, 8 * i + 8)
        accuracy = by_hand.evaluate(x[part], y[part]).accuracy
        loss = by_hand.train_on_batch(x[part], y[part], cnn.SGD(rates[i]))
        assert logs["loss"] == loss
        assert logs["accuracy"] == accuracy
        assert {name: logs[name] for name in ("epoch", "epochs", "batch", "batches")} == {
            "epoch": 1, "epochs": 1, "batch": i + 1, "batches": 4,
        }  # fmt: skip
        assert after == bits(by_hand)


def test_a_fit_whose_calls_end_at_each_batch_has_the_same_bits_and_figures():
    nets = [small(), small()]
    histories = [fitted(net, callbacks) for net, callbacks in zip(nets, ([Batches()], []), strict=True)]
    assert bits(nets[0]) == bits(nets[1])
    assert figures(histories[0]) == figures(histories[1])


@pytest.mark.parametrize("callbacks", [[], [cnn.Callback()], [cnn.TimeLimit(9)], [cnn.EarlyStopping("loss")]])
def test_without_one_who_listens_a_call_is_many_batches(callbacks):
    net, calls = small(), []
    train = net.executor.train
    net.executor.train = lambda *arguments: calls.append(arguments) or train(*arguments)
    net.fit(*data(2000), batch_size=1, callbacks=callbacks, seed=0, progress=False)
    assert len(calls) < 200


def test_any_object_with_the_method_alone_is_a_callback():
    class Counts:
        count = 0

        def on_batch_end(self, net, logs):
            self.count += 1

    counts = Counts()
    fitted(small(), [counts])
    assert counts.count == 12


def test_a_rate_that_it_assigns_is_that_of_the_next_batch():
    class Halving(cnn.Callback):
        rates = ()

        def on_batch_end(self, net, logs):
            self.rates += (logs["learning_rate"],)
            net.current_fit.optimizer.learning_rate /= 2

    halving = Halving()
    fitted(small(), [halving], optimizer=cnn.SGD(1.0), epochs=1)
    assert halving.rates == (1.0, 0.5, 0.25, 0.125)


class Ends(cnn.Callback):
    calls = ()

    def on_epoch_end(self, net, logs):
        self.calls += (("epoch", logs["epoch"]),)

    def on_fit_end(self, net, logs):
        self.calls += (("fit", logs["epoch"]),)


def test_an_end_after_a_batch_leaves_its_epoch_out_of_the_history():
    stopping, ends, net, whole = Batches(stop_at=(2, 3)), Ends(), small(), Batches()
    history = fitted(net, [stopping, ends])
    fitted(small(), [whole])
    assert bits(net) == whole.nets[6] == stopping.nets[-1]
    assert len(history.loss) == len(net.history.loss) == 1
    assert ends.calls == (("epoch", 1), ("fit", 1))
    assert len(fitted(net, []).loss) == 3  # the next fit is another one


def test_an_end_after_the_last_batch_of_an_epoch_counts_it():
    ends = Ends()
    assert len(fitted(small(), [Batches(stop_at=(2, 4)), ends], validation_data=data(8)).val_loss) == 2
    assert ends.calls == (("epoch", 1), ("epoch", 2), ("fit", 2))


def test_an_end_that_another_hook_asked_for_waits_for_the_epoch():
    class Stop(cnn.Callback):
        def on_epoch_begin(self, net, logs):
            net.stop_training = True

    batches = Batches()
    assert len(fitted(small(), [Stop(), batches]).loss) == 1
    assert len(batches.seen) == 4


@pytest.mark.parametrize("stop_at", [(3, 1), (3, 3)])
def test_a_fit_that_ended_after_a_batch_goes_on_from_its_last_epoch_to_the_same_bits(path, stop_at):
    expected, net = small(), small()
    history = fitted(expected, [], epochs=5)
    fitted(small(), [Batches(stop_at), cnn.Checkpoint(path)], epochs=5)
    assert figures(fitted(net, [], epochs=5, resume=path)) == figures(history)
    assert bits(net) == bits(expected)


@pytest.mark.parametrize("batches", [24, 8])
@pytest.mark.filterwarnings("ignore:overflow")
def test_a_loss_that_is_nan_is_told_before_the_fit_fails_and_may_end_it(batches):
    x, y = np.full((batches, 6, 6, 1), np.nan), data(batches)[1]

    class Ends(cnn.Callback):
        losses = ()

        def on_batch_end(self, net, logs):
            self.losses += (logs["loss"],)
            net.stop_training = self.stop

    for stop in (False, True):
        ends, net = Ends(), small()
        ends.stop = stop
        if stop:
            assert net.fit(x, y, batch_size=8, callbacks=[ends], progress=False).loss == []
        else:
            with pytest.raises(FloatingPointError, match=r"^the loss became NaN or infinite in epoch 1, step 1;"):
                net.fit(x, y, batch_size=8, callbacks=[ends], progress=False)
        assert len(ends.losses) == 1
        assert np.isnan(ends.losses[0])
        assert bits(net) == bits(small())


def test_an_error_in_it_ends_the_fit_and_leaves_a_net_that_can_be_used():
    class Fails:
        def on_batch_end(self, net, logs):
            raise ArithmeticError

    net = small()
    with pytest.raises(ArithmeticError):
        fitted(net, [Fails()])
    assert net.current_fit is None
    assert len(fitted(net, []).loss) == 3
