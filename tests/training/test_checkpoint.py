"""Checkpoints: a fit that was killed at any moment and resumed ends with the bits of one that was not."""

from __future__ import annotations

import csv
import json
import math
import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

import cnn
from cnn.storage import archive
from cnn.training import saved_fit

pytestmark = pytest.mark.usefixtures("one_thread")

SHAPE = (6, 6, 1)
TIME_LIMIT = 60


class Killed(Exception):
    pass


class Kill(cnn.Callback):
    """Ends the fit as an error would, after its checkpoint of that epoch or before it."""

    def __init__(self, after_epoch, comes_last=True):
        self.after_epoch, self.comes_last = after_epoch, comes_last

    def on_epoch_end(self, net, logs):
        if logs["epoch"] == self.after_epoch:
            raise Killed


def small(dtype="float32", backend="compiled"):
    layers = [
        cnn.Rescaling(1 / 255, -0.5), cnn.Conv2D(3, 3), cnn.ReLU(), cnn.MaxPool2D(2), cnn.Flatten(), cnn.Dense(4),
    ]  # fmt: skip
    return cnn.Sequential(layers, SHAPE, dtype=dtype, seed=0, backend=backend)


def noisy(backend="compiled"):
    """With running statistics, and random numbers in every step."""
    layers = [
        cnn.Conv2D(3, 3), cnn.BatchNorm(), cnn.ReLU(), cnn.AvgPool2D(2), cnn.Flatten(), cnn.Dropout(0.4), cnn.Dense(4),
    ]  # fmt: skip
    return cnn.Sequential(layers, SHAPE, seed=0, backend=backend)


def data(n=30, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, *SHAPE), dtype=np.uint8), rng.integers(0, 4, n)


OPTIMIZERS = {
    "SGD": lambda: cnn.SGD(0.05),
    "momentum": lambda: cnn.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=1e-4),
    "cosine": lambda: cnn.SGD(cnn.schedules.Cosine(0.1), momentum=0.9),
    "Adam": lambda: cnn.Adam(cnn.schedules.Cosine(0.01)),
    "AdamW": lambda: cnn.AdamW(cnn.schedules.OneCycle(0.01)),
}


def fitted(net, callbacks=(), optimizer="cosine", **options):
    options = {"epochs": 6, "batch_size": 8, "seed": 5, "validation_data": data(10, 1), "progress": False} | options
    x, y = options.pop("data", data())
    return net.fit(x, y, callbacks=callbacks, optimizer=OPTIMIZERS[optimizer](), **options)


def bits(net) -> bytes:
    return b"".join(value.tobytes() for value in net.state().values())


def figures(history):
    """What does not depend on the clock."""
    return history.loss, history.accuracy, history.val_loss, history.val_accuracy


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint"


def killed(path, after_epoch, every=1, callbacks=(), net=None, **options):
    """The net of a fit that was killed, and its checkpoint in `path`."""
    net = small() if net is None else net
    with pytest.raises(Killed):
        fitted(net, [*callbacks, cnn.Checkpoint(path, every), Kill(after_epoch)], **options)
    return net


# ---- the same bits ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("backend", ["compiled", "numpy"])
def test_a_killed_fit_goes_on_to_the_same_bits(path, dtype, backend, optimizer):
    straight = small(dtype, backend)
    expected = fitted(straight, optimizer=optimizer)
    killed(path, 3, net=small(dtype, backend), optimizer=optimizer)
    resumed = small(dtype, backend)
    history = fitted(resumed, optimizer=optimizer, resume=path)
    assert bits(resumed) == bits(straight)
    assert figures(history) == figures(expected)
    assert len(history.seconds) == len(history.images_per_second) == 6


@pytest.mark.parametrize(("every", "after_epoch", "goes_on_from"), [(1, 5, 5), (2, 5, 4), (4, 5, 4), (3, 3, 3)])
def test_a_fit_goes_on_from_the_last_checkpoint(path, every, after_epoch, goes_on_from):
    class Begins(cnn.Callback):
        def on_fit_begin(self, net, logs):
            self.logs = logs

    straight, resumed, begins = small(), small(), Begins()
    expected = fitted(straight)
    killed(path, after_epoch, every)
    history = fitted(resumed, [begins, cnn.Checkpoint(path, every)], resume=path)
    assert begins.logs == {"epoch": goes_on_from, "epochs": 6}
    assert (bits(resumed), figures(history)) == (bits(straight), figures(expected))


def test_there_is_no_checkpoint_before_the_first_is_due(path):
    killed(path, 2, every=3)
    assert not path.exists()


@pytest.mark.parametrize("every", [1, 4, 100])
def test_a_fit_that_was_killed_again_and_again_ends_the_same(path, every):
    straight = small()
    fitted(straight)
    killed(path, 4, every=2)
    killed(path, 5, every, resume=path)
    resumed = small()
    fitted(resumed, [cnn.Checkpoint(path)], resume=path)
    assert bits(resumed) == bits(straight)


@pytest.mark.parametrize(
    "options",
    [
        {"shuffle": False},
        {"seed": np.int64(3)},
        {"seed": [1, 2, 3]},
        {"validation_data": None},
        {"batch_size": 1000},
        {"label_smoothing": 0.1},
        {"augment": cnn.Augment(shift=1, rotate=20, elastic=0.5, noise=3)},
    ],
)
def test_a_fit_of_any_arguments_goes_on(path, options):
    straight, resumed = small(), small()
    expected = fitted(straight, **options)
    killed(path, 3, **options)
    history = fitted(resumed, resume=path, **options)
    assert (bits(resumed), figures(history)) == (bits(straight), figures(expected))


@pytest.mark.parametrize("backend", ["compiled", "numpy"])
def test_running_statistics_and_random_masks_go_on(path, backend):
    straight, resumed = noisy(backend), noisy(backend)
    expected = fitted(straight, optimizer="AdamW")
    with pytest.raises(Killed):
        fitted(noisy(backend), [cnn.Checkpoint(path), Kill(4)], optimizer="AdamW")
    history = fitted(resumed, optimizer="AdamW", resume=path)
    assert (bits(resumed), figures(history)) == (bits(straight), figures(expected))


def test_a_fit_without_a_seed_goes_on_with_its_own_numbers(path):
    killed(path, 3, seed=None)
    nets = small(), small()
    losses = [fitted(net, seed=None, resume=path).loss for net in nets]
    assert losses[0] == losses[1]
    assert bits(nets[0]) == bits(nets[1])


@pytest.mark.parametrize("kind", ["PCG64", "MT19937", "Philox", "SFC64", "PCG64DXSM"])
def test_a_generator_of_any_kind_goes_on(path, kind):
    def seed():
        return np.random.Generator(getattr(np.random, kind)(7))

    straight, resumed = small(), small()
    fitted(straight, seed=seed())
    killed(path, 2, seed=seed())
    killed(path, 4, seed=seed(), resume=path)
    fitted(resumed, seed=seed(), resume=path)
    assert bits(resumed) == bits(straight)


def test_the_net_that_resumes_need_not_be_as_it_was(path):
    straight, resumed = small(), small()
    fitted(straight)
    killed(path, 3)
    for value in resumed.parameters().values():
        value[...] = np.nan
    fitted(resumed, resume=path)
    assert bits(resumed) == bits(straight)


def test_a_killed_fit_may_go_on_in_the_net_that_it_left(path):
    straight = small()
    fitted(straight)
    net = killed(path, 3)
    fitted(net, resume=path)
    assert bits(net) == bits(straight)


def test_a_checkpoint_changes_nothing(path):
    with_checkpoints, without = small(), small()
    assert figures(fitted(with_checkpoints, [cnn.Checkpoint(path)])) == figures(fitted(without))
    assert bits(with_checkpoints) == bits(without)


# ---- the file --------------------------------------------------------------------------------------------------


def test_a_checkpoint_is_a_file_of_its_net(path):
    net = killed(path, 3, optimizer="Adam")
    loaded = cnn.load(path)
    assert bits(loaded) == bits(net)
    assert np.array_equal(loaded.predict(data()[0]), net.predict(data()[0]))


def test_a_fit_that_has_ended_is_not_done_again(path):
    class Never(cnn.Callback):
        def on_fit_begin(self, net, logs):
            raise AssertionError

    net, resumed = small(), small()
    expected = fitted(net, [cnn.Checkpoint(path, every=4)])
    assert fitted(resumed, [Never()], resume=path) == expected
    assert bits(resumed) == bits(net)


@pytest.mark.parametrize("every", [1, 4])
def test_a_fit_that_a_callback_has_ended_goes_on_where_it_was(path, every):
    class TimeLimit(cnn.Callback):
        def on_epoch_end(self, net, logs):
            net.stop_training = logs["epoch"] == 2

    def callbacks():
        return [cnn.EarlyStopping(patience=9), cnn.Checkpoint(path, every=every)]

    straight, resumed = small(), small()
    expected = fitted(straight, callbacks())
    stopped = fitted(small(), [TimeLimit(), *callbacks()])
    assert len(stopped.loss) == 2
    assert not saved_fit.read_status(path).finished
    assert fitted(resumed, callbacks(), resume=path).loss == expected.loss
    assert bits(resumed) == bits(straight)
    assert saved_fit.read_status(path).finished


def test_a_fit_that_goes_on_at_another_level_is_warned(path, monkeypatch):
    killed(path, 3)
    monkeypatch.setattr("cnn_c.LEVEL", "v0")
    with pytest.warns(RuntimeWarning, match=f"^the run in '{path}' began at level .* and goes on at v0: its last bits"):
        fitted(small(), resume=path)


def test_a_fit_of_no_epochs_has_a_checkpoint(path):
    fitted(small(), [cnn.Checkpoint(path)], epochs=0)
    assert fitted(small(), epochs=0, resume=path).loss == []
    assert bits(cnn.load(path)) == bits(small())


def test_only_the_checkpoint_is_left_in_its_folder(path):
    fitted(small(), [cnn.Checkpoint(path)])
    assert os.listdir(path.parent) == [path.name]


def test_a_checkpoint_that_cannot_be_written_is_an_error_before_the_first_epoch(tmp_path):
    net = small()
    for bad in (tmp_path, tmp_path / "missing" / "checkpoint"):
        with pytest.raises(OSError, match=str(bad)):
            fitted(net, [cnn.Checkpoint(bad)])
    assert bits(net) == bits(small())


def test_a_disk_that_is_full_leaves_the_last_checkpoint(path, monkeypatch):
    class Full(cnn.Callback):
        def on_epoch_end(self, net, logs):
            if logs["epoch"] == 4:
                monkeypatch.setattr(os, "fsync", self.fails)

        def fails(self, descriptor):
            raise OSError(28, "No space left on device")

    straight, resumed = small(), small()
    fitted(straight)
    with pytest.raises(OSError, match="No space left"):
        fitted(small(), [Full(), cnn.Checkpoint(path)])
    monkeypatch.undo()
    assert fitted(resumed, resume=path).loss
    assert bits(resumed) == bits(straight)


@pytest.mark.parametrize(("arguments", "error"), [((3,), TypeError), ((b"a",), TypeError), (("a", 0), ValueError)])
def test_arguments_out_of_range_are_named(arguments, error):
    with pytest.raises(error, match=r"^(path|every) must"):
        cnn.Checkpoint(*arguments)


# ---- what the callbacks remember -------------------------------------------------------------------------------


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


# ---- another fit -----------------------------------------------------------------------------------------------


def other_data():
    x, y = data()
    x[17, 3, 3, 0] ^= 1
    return x, y


def other_labels():
    x, y = data()
    y[17] = (y[17] + 1) % 4
    return x, y


OTHERS = {
    "epochs": ({"epochs": 7}, r"epochs 6, not 7"),
    "batch_size": ({"batch_size": 4}, r"batch_size 8, not 4"),
    "shuffle": ({"shuffle": False}, r"shuffle true, not false"),
    "seed": ({"seed": 6}, r"seed 5, not 6"),
    "no seed": ({"seed": None}, r"seed 5, not null"),
    "a generator": ({"seed": np.random.default_rng(5)}, r"seed 5, not an array or generator$"),
    "label_smoothing": ({"label_smoothing": 0.5}, r"label_smoothing 0.0, not 0.5"),
    "augment": (
        {"augment": cnn.Augment(shift=3)},
        r'augment null, not {"name": "Augment", "shift": 3.0, "rotate": 0.0',
    ),
    "an optimizer": ({"optimizer": "Adam"}, r'optimizer {"name": "SGD".*}, not {"name": "Adam"'),
    "its arguments": (
        {"optimizer": "momentum"},
        r"optimizer\.nesterov false, not true; optimizer\.weight_decay 0\.0, not",
    ),
    "fewer images": ({"data": data(29)}, r"images 30, not 29"),
    "images": ({"data": other_data()}, r"had another x$"),
    "images of another dtype": ({"data": (data()[0].astype(np.float32), data()[1])}, r"had another x$"),
    "labels": ({"data": other_labels()}, r"had another y$"),
    "validation_data": (
        {"validation_data": data(10, 2)},
        r"had another validation_data\[0\]; another validation_data\[1\]",
    ),
    "no validation_data": ({"validation_data": None}, r"had validation_data\[0\] an array or generator, not null; "),
    "several at once": ({"epochs": 7, "seed": 1}, r"had epochs 6, not 7; seed 5, not 1$"),
}


@pytest.mark.parametrize(("options", "message"), OTHERS.values(), ids=OTHERS)
def test_a_fit_with_other_arguments_does_not_go_on_and_says_which(path, options, message):
    killed(path, 3)
    net = small()
    with pytest.raises(ValueError, match=message) as error:
        fitted(net, resume=path, **options)
    assert str(error.value).startswith(f"resume: the run in '{path}' had ")
    assert bits(net) == bits(small())
    assert net.current_fit is None


def test_a_fit_of_another_net_does_not_go_on_and_says_where_it_differs(path):
    killed(path, 3)
    layers = [cnn.Rescaling(1 / 255, -0.5), cnn.Conv2D(3, 3), cnn.ReLU(), cnn.Flatten(), cnn.Dense(4)]
    with pytest.raises(
        ValueError, match=r'layers\[3\] {"layer": "MaxPool2D".*}, not {"layer": "Flatten"}; layers\[4\]'
    ):
        fitted(cnn.Sequential(layers, SHAPE), resume=path)
    with pytest.raises(ValueError, match=r'dtype "float32", not "float64"$'):
        fitted(small("float64"), resume=path)
    with pytest.raises(ValueError, match=r'backend "compiled", not "numpy"$'):
        fitted(small(backend="numpy"), resume=path)


def test_generators_are_told_apart_by_their_states(path):
    killed(path, 3, seed=np.random.default_rng(5))
    with pytest.raises(ValueError, match=r"had another seed$"):
        fitted(small(), seed=np.random.default_rng(6), resume=path)
    assert len(fitted(small(), seed=np.random.default_rng(5), resume=path).loss) == 6


def test_schedules_are_told_apart_by_their_public_attributes(path):
    class Own:
        def __init__(self, rates):
            self.rates, self._asked = rates, 0

        def at(self, done, epochs):
            self._asked += 1
            return self.rates[np.asarray(done, int)]

    def fit(schedule, **options):
        return small().fit(*data(), epochs=3, seed=0, progress=False, optimizer=cnn.SGD(schedule), **options)

    rates = np.array([0.1, 0.2])
    schedule = Own(rates)
    with pytest.raises(Killed):
        fit(schedule, callbacks=[cnn.Checkpoint(path), Kill(2)])
    assert len(fit(schedule, resume=path).loss) == 3
    # Other numbers; the same bytes in another shape, and of another dtype.
    for other in (np.array([0.1, 0.3]), rates[None], rates.view(np.int64)):
        with pytest.raises(ValueError, match=r"had another optimizer\.learning_rate\.rates$"):
            fit(Own(other), resume=path)


# ---- what is no checkpoint -------------------------------------------------------------------------------------


def test_a_checkpoint_that_is_missing_is_not_found(path):
    with pytest.raises(FileNotFoundError):
        fitted(small(), resume=path)


@pytest.mark.parametrize("bad", [b"checkpoint", 3, True])
def test_what_is_no_path_cannot_be_resumed(bad):
    with pytest.raises(TypeError, match=r"^resume must be a str"):
        fitted(small(), resume=bad)


def test_a_nets_file_is_no_checkpoint(path):
    small().save(path)
    with pytest.raises(ValueError, match="it holds a net, but no fit to go on with"):
        fitted(small(), resume=path)


def test_a_damaged_checkpoint_is_refused_and_nothing_is_changed(path):
    killed(path, 3)
    content = path.read_bytes()
    rng = random.Random(0)
    net = small()
    for i in sorted(rng.sample(range(len(content)), 300)):
        damaged = bytearray(content)
        damaged[i] ^= 1 << rng.randrange(8)
        path.unlink()
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="checkpoint' cannot be loaded"):
            fitted(net, resume=path)
        path.unlink()
        path.write_bytes(content[:i])
        with pytest.raises(ValueError, match="checkpoint' cannot be loaded"):
            fitted(net, resume=path)
    assert bits(net) == bits(small())


def changed(path, change) -> None:
    """Write the checkpoint anew, with a right digest, after `change(document, tensors)`."""
    with archive.Archive(str(path)) as file:
        document, tensors = file.document, file.tensors()
    change(document["run"], tensors)
    archive.write(path, document, tensors)


def without(name):
    return lambda document, tensors: (document.pop(name, None), tensors.pop(name, None))


def with_entries(**entries):
    return lambda document, tensors: document.update(json.loads(json.dumps(entries, default=np.ndarray.tolist)))


def with_tensor(name, value):
    return lambda document, tensors: tensors.update({name: value})


CRAFTED = {
    **{f"no {name}": without(name) for name in ("fingerprint", "epoch", "finished", "steps", "level", "generator")},
    "no callbacks": without("callbacks"),
    "an epoch that is true": with_entries(epoch=True),
    "an epoch that is text": with_entries(epoch="3"),
    "an epoch after the end": with_entries(epoch=99),
    "an epoch after the end, with its figures": lambda d, t: (
        d.update(epoch=7), t.update({name: np.zeros(7) for name in t if name.startswith("run/history/")})
    ),
    "an epoch before the beginning": with_entries(epoch=-1),
    "negative steps": with_entries(steps=-1),
    "a generator of another kind": with_entries(generator=np.random.MT19937(0).state | {"state": 3}),
    "a generator that is empty": with_entries(generator={}),
    "a generator of too large a state": with_entries(
        generator=np.random.PCG64(0).state | {"state": {"state": 1 << 400, "inc": 1}}
    ),
    "a generator without a state": with_entries(generator={"bit_generator": "PCG64"}),
    "callbacks that are numbers": with_entries(callbacks=[3]),
    "a callback without a state": with_entries(callbacks=[{"callback": "EarlyStopping"}]),
    "no velocities": without("run/optimizer/0"),
    "velocities of another size": with_tensor("run/optimizer/0", np.zeros(3, np.float32)),
    "velocities of another dtype": lambda d, t: t.update({"run/optimizer/0": t["run/optimizer/0"].astype(np.float64)}),
    "velocities too many": lambda d, t: t.update({"run/optimizer/1": t["run/optimizer/0"]}),
    "no losses": without("run/history/loss"),
    "losses too few": with_tensor("run/history/loss", np.zeros(2)),
    "losses that are a table": with_tensor("run/history/loss", np.zeros((3, 1))),
    "losses that are integers": with_tensor("run/history/loss", np.zeros(3, np.int64)),
    "figures that nobody knows": with_tensor("run/history/more", np.zeros(3)),
    "no weights": without("dense_1.weights"),
    "weights of another size": with_tensor("dense_1.weights", np.zeros((3, 3), np.float32)),
    "weights of a layer that there is not": with_tensor("dense_2.weights", np.zeros((4, 4), np.float32)),
}  # fmt: skip


@pytest.mark.parametrize("change", CRAFTED.values(), ids=CRAFTED)
def test_a_crafted_checkpoint_is_refused_and_nothing_is_changed(path, change):
    killed(path, 3)
    changed(path, change)
    net = small()
    with pytest.raises(ValueError, match="checkpoint' cannot be loaded"):
        fitted(net, resume=path)
    assert bits(net) == bits(small())


# ---- SIGKILL ---------------------------------------------------------------------------------------------------

TRAINS = """
    import sys, os
    import numpy as np
    import cnn
    cnn.set_num_threads(1)
    checkpoint, result = sys.argv[1:]
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (400, 8, 8), dtype=np.uint8), rng.integers(0, 4, 400)
    layers = [
        cnn.Rescaling(1 / 255), cnn.Conv2D(4, 3), cnn.BatchNorm(), cnn.ReLU(), cnn.MaxPool2D(2), cnn.Flatten(),
        cnn.Dropout(0.2), cnn.Dense(4),
    ]
    net = cnn.Sequential(layers, (8, 8, 1), seed=0)
    print("ready", flush=True)
    history = net.fit(
        x, y, epochs=150, batch_size=16, seed=1, progress=False, validation_data=(x[:50], y[:50]),
        optimizer=cnn.SGD(cnn.schedules.Cosine(0.05), momentum=0.9), augment=cnn.Augment(shift=1, elastic=0.5),
        callbacks=[cnn.EarlyStopping(patience=140), cnn.Checkpoint(checkpoint)],
        resume=checkpoint if os.path.exists(checkpoint) else None,
    )
    np.savez(result, *net.state().values(), *history[:4])
"""


def train(checkpoint, result, kill_after: float | None = None) -> bool:
    """Train in a process of its own; whether it came to its end before it was killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(TRAINS), str(checkpoint), str(result)], stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"ready\n"
    if kill_after is not None:
        time.sleep(kill_after)
        process.send_signal(signal.SIGKILL)
    process.communicate(timeout=TIME_LIMIT)
    assert process.returncode in (0, -signal.SIGKILL)
    return process.returncode == 0


def kill_and_resume(tmp_path, kills: int, longest: float) -> None:
    rng = random.Random(kills)
    train(tmp_path / "straight", tmp_path / "straight.npz")
    for i in range(kills):
        if train(tmp_path / "killed", tmp_path / "killed.npz", rng.uniform(0, longest)):
            assert i > 0
            break
        if (tmp_path / "killed").exists():
            cnn.load(tmp_path / "killed")  # whole
    train(tmp_path / "killed", tmp_path / "killed.npz")
    with np.load(tmp_path / "straight.npz") as straight, np.load(tmp_path / "killed.npz") as resumed:
        assert len(straight.files) == 12
        for name in straight.files:
            assert straight[name].tobytes() == resumed[name].tobytes()


def test_a_fit_that_is_killed_at_any_moment_and_resumed_ends_with_the_same_bits(tmp_path):
    kill_and_resume(tmp_path, 4, 0.15)


@pytest.mark.slow
def test_a_fit_that_is_killed_at_many_moments_and_resumed_ends_with_the_same_bits(tmp_path):
    kill_and_resume(tmp_path, 25, 0.1)
