"""What callbacks remember is in a checkpoint, and a fit that is resumed goes on with it."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest

import cnn

from .killed_fits import Kill, Killed, bits, figures, fitted, killed, small

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("after_epoch", range(1, 7))
@pytest.mark.parametrize("checkpoint_first", [True, False])
def test_stopping_early_remembers_its_best_net(path, after_epoch, checkpoint_first):
    def callbacks(*more):
        both = [cnn.EarlyStopping(patience=3), cnn.Checkpoint(path)]
        return [*(both[::-1] if checkpoint_first else both), *more]

    class Worse(cnn.Callback):  # from the third epoch on the validation gets worse
        def on_epoch_begin(self, net, logs):
            if logs["epoch"] > 3:
                net.current_fit.data.validation[1][...] = (net.current_fit.data.validation[1] + 1) % 4

    options = {"optimizer": "momentum", "epochs": 12}
    straight = small()
    expected = fitted(straight, [cnn.EarlyStopping(patience=3)], **options)
    assert len(expected.loss) < 12
    resumed = small()
    killed_after = min(after_epoch, len(expected.loss) - 1)
    with pytest.raises(Killed):
        fitted(small(), callbacks(Kill(killed_after)), **options)
    history = fitted(resumed, callbacks(), resume=path, **options)
    assert (bits(resumed), figures(history)) == (bits(straight), figures(expected))
    assert bits(cnn.load(path)) == bits(straight)  # the best net, not the last
    again = small()
    assert figures(fitted(again, callbacks(), resume=path, **options)) == figures(expected)
    assert bits(again) == bits(straight)


def test_rows_of_epochs_that_are_done_again_are_in_the_file_once(path, tmp_path):
    def callbacks():
        return [cnn.CSVLogger(tmp_path / "log"), cnn.Checkpoint(path, every=2)]

    with pytest.raises(Killed):
        fitted(small(), [*callbacks(), Kill(5)])
    history = fitted(small(), callbacks(), resume=path)
    with open(tmp_path / "log", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [float(row["loss"]) for row in rows] == history.loss


def test_rows_of_another_fit_are_not_taken_away(path, tmp_path):
    def callbacks():
        return [cnn.CSVLogger(tmp_path / "log", append=True), cnn.Checkpoint(path)]

    with pytest.raises(Killed):
        fitted(small(), [*callbacks(), Kill(2)])
    fitted(small(), [cnn.CSVLogger(tmp_path / "log", append=True)])
    before = (tmp_path / "log").read_text()
    with pytest.raises(ValueError, match=f"^'{tmp_path / 'log'}' has rows of another fit after those of this one"):
        fitted(small(), callbacks(), resume=path)
    assert (tmp_path / "log").read_text() == before


class Remembering(cnn.Callback):
    def __init__(self):
        self.seen = {"texts": [], "mean": np.zeros(2), "count": np.array(0), "none": None, "ü": 0.1, "inf": -math.inf}

    def on_epoch_end(self, net, logs):
        self.seen["texts"].append("ß")
        self.seen["mean"] += logs["loss"]
        self.seen["count"] += 1

    def state(self):
        return self.seen

    def restore(self, state):
        self.seen = state


def test_a_callback_of_the_users_own_may_remember_what_it_likes(path):
    straight, resumed = Remembering(), Remembering()
    fitted(small(), [straight])
    killed(path, 3, callbacks=[Remembering()])
    fitted(small(), [resumed], resume=path)
    assert resumed.seen.keys() == straight.seen.keys()
    assert resumed.seen["texts"] == ["ß"] * 6
    assert np.array_equal(resumed.seen["mean"], straight.seen["mean"])
    assert (resumed.seen["count"], resumed.seen["none"], resumed.seen["inf"]) == (6, None, -math.inf)


@pytest.mark.parametrize("bad", [{1, 2}, np.zeros(2, np.int8), object()])
def test_what_a_checkpoint_cannot_hold_is_a_type_error(path, bad):
    remembering = Remembering()
    remembering.seen["bad"] = bad
    with pytest.raises(TypeError, match=r"must be (arrays|of float32)"):
        fitted(small(), [remembering, cnn.Checkpoint(path)])
    assert not path.exists()


def test_callbacks_that_remember_something_have_to_be_the_same(path):
    killed(path, 3, callbacks=[Remembering(), cnn.EarlyStopping()])
    for callbacks in ([], [Remembering()], [cnn.EarlyStopping(), Remembering()]):
        with pytest.raises(ValueError, match=r'had callbacks \["Remembering", "EarlyStopping"\], not'):
            fitted(small(), callbacks, resume=path)
    fitted(small(), [Kill(99), Remembering(), cnn.Callback(), cnn.EarlyStopping()], resume=path)
