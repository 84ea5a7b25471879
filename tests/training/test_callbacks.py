"""Callbacks: when they are called and with what, and those that the package has."""

from __future__ import annotations

import copy
import math
import sys
import types

import numpy as np
import pytest

import cnn

pytestmark = pytest.mark.usefixtures("one_thread")

SHAPE = (4, 4, 1)


def small(backend="compiled"):
    return cnn.Sequential([cnn.Flatten(), cnn.Dense(6), cnn.ReLU(), cnn.Dense(3)], SHAPE, seed=0, backend=backend)


def data(n=24, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((n, *SHAPE)), rng.integers(0, 3, n)


def fitted(net, callbacks, **options):
    options = {"epochs": 4, "batch_size": 8, "seed": 0, "progress": False} | options
    if isinstance(callbacks, list) and any(isinstance(callback, Scripted) for callback in callbacks):
        options = {"validation_data": data(8)} | options
    return net.fit(*data(), callbacks=callbacks, **options)


def bits(net) -> bytes:
    return b"".join(value.tobytes() for value in net.state().values())


class Recorder(cnn.Callback):
    """Writes down every call, and what the net was then."""

    def __init__(self, calls=None, name=""):
        self.calls = [] if calls is None else calls
        self.name = name

    def record(self, hook, net, logs):
        self.calls.append((self.name + hook, dict(logs), bits(net)))

    def on_fit_begin(self, net, logs):
        self.record("fit_begin", net, logs)

    def on_epoch_begin(self, net, logs):
        self.record("epoch_begin", net, logs)

    def on_epoch_end(self, net, logs):
        self.record("epoch_end", net, logs)

    def on_fit_end(self, net, logs):
        self.record("fit_end", net, logs)


class Scripted(cnn.Callback):
    """Shows a callback figures of its own, and a net whose parameters are all the epoch's number."""

    def __init__(self, figures, of, name="val_loss"):
        self.figures, self.of, self.name = figures, of, name

    def on_fit_begin(self, net, logs):
        self.of.on_fit_begin(net, logs)

    def on_epoch_end(self, net, logs):
        for value in net.parameters().values():
            value[...] = logs["epoch"]
        self.of.on_epoch_end(net, logs | {self.name: self.figures[logs["epoch"] - 1]})

    def on_fit_end(self, net, logs):
        self.of.on_fit_end(net, logs)


# ---- the protocol ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["compiled", "numpy"])
def test_the_hooks_are_called_around_the_fit_and_its_epochs(backend):
    recorder, net = Recorder(), small(backend)
    before = bits(net)
    fitted(net, [recorder], epochs=2)
    hooks, logs, nets = zip(*recorder.calls, strict=True)
    assert hooks == ("fit_begin", "epoch_begin", "epoch_end", "epoch_begin", "epoch_end", "fit_end")
    assert (logs[0], logs[-1]) == ({"epoch": 0, "epochs": 2}, {"epoch": 2, "epochs": 2})
    assert nets[0] == nets[1] == before
    assert nets[2] == nets[3] != before
    assert nets[4] == nets[5] == bits(net)


def test_an_epoch_knows_its_number_its_rate_and_its_figures():
    recorder = Recorder()
    history = fitted(small(), [recorder], optimizer=cnn.SGD(cnn.schedules.Cosine(0.1)), validation_data=data(8, 1))
    begins = [logs for hook, logs, _ in recorder.calls if hook == "epoch_begin"]
    ends = [logs for hook, logs, _ in recorder.calls if hook == "epoch_end"]
    for i, (begin, end) in enumerate(zip(begins, ends, strict=True)):
        assert begin == {"epoch": i + 1, "epochs": 4, "learning_rate": cnn.schedules.Cosine(0.1).at(i / 4)}
        assert end == begin | {name: figures[i] for name, figures in history._asdict().items()}


def test_many_callbacks_are_called_in_their_order():
    calls = []
    fitted(small(), [Recorder(calls, "a "), Recorder(calls, "b ")], epochs=1)
    hooks = [hook for hook, _, _ in calls]
    assert hooks[::2] == ["a fit_begin", "a epoch_begin", "a epoch_end", "a fit_end"]
    assert hooks[1::2] == ["b fit_begin", "b epoch_begin", "b epoch_end", "b fit_end"]


def test_an_object_with_one_of_the_methods_is_a_callback():
    class Ends:
        count = 0

        def on_fit_end(self, net, logs):
            self.count += 1

    ends = Ends()
    fitted(small(), (callback for callback in [ends]))
    assert ends.count == 1


@pytest.mark.parametrize("bad", [None, print, object(), cnn.EarlyStopping])
def test_an_object_with_none_of_the_methods_is_none(bad):
    net = small()
    with pytest.raises(TypeError, match=r"^callbacks\[1\] must have one of on_fit_begin"):
        fitted(net, [cnn.Callback(), bad])
    assert bits(net) == bits(small())


@pytest.mark.parametrize("bad", [None, cnn.Callback(), 3])
def test_callbacks_that_are_no_sequence_are_a_type_error(bad):
    with pytest.raises(TypeError, match=r"^callbacks must be a sequence"):
        fitted(small(), bad)


def test_a_net_that_a_callback_copies_has_no_part_in_the_fit():
    class Copying(cnn.Callback):
        def on_epoch_end(self, net, logs):
            self.twin, self.bits = copy.deepcopy(net), bits(net)

    copying = Copying()
    fitted(small(), [copying])
    assert copying.twin.current_fit is None
    assert bits(copying.twin) == copying.bits
    assert len(fitted(copying.twin, []).loss) == 4


def test_a_base_callback_changes_nothing():
    net, alone = small(), small()
    fitted(net, [cnn.Callback()])
    fitted(alone, [])
    assert bits(net) == bits(alone)


def test_the_logs_of_one_callback_are_not_those_of_the_next():
    class Greedy(cnn.Callback):
        def on_epoch_end(self, net, logs):
            logs.clear()

    recorder = Recorder()
    history = fitted(small(), [Greedy(), recorder], epochs=1)
    assert recorder.calls[2][1]["loss"] == history.loss[0]


@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_epoch_end"])
def test_a_callback_may_end_the_fit_after_its_epoch(hook):
    class Stop(cnn.Callback):
        pass

    def stop(net, logs):
        net.stop_training = logs["epoch"] == 2

    callback, recorder, net = Stop(), Recorder(), small()
    setattr(callback, hook, stop)
    history = fitted(net, [callback, recorder])
    assert len(history.loss) == 2
    assert recorder.calls[-1][:2] == ("fit_end", {"epoch": 2, "epochs": 4})
    assert len(fitted(net, []).loss) == 4  # the next fit is another one


def test_a_fit_that_is_stopped_before_it_begins_has_no_epochs():
    class Stop(cnn.Callback):
        def on_fit_begin(self, net, logs):
            net.stop_training = True

    net = small()
    assert fitted(net, [Stop()]).loss == []
    assert bits(net) == bits(small())


@pytest.mark.parametrize("hook", ["on_fit_begin", "on_epoch_begin", "on_epoch_end", "on_fit_end"])
def test_an_error_in_any_hook_ends_the_fit_and_leaves_a_net_that_can_be_used(hook):
    def fails(net, logs):
        assert net.current_fit is not None
        raise ArithmeticError(hook)

    callback, net = cnn.Callback(), small()
    setattr(callback, hook, fails)
    with pytest.raises(ArithmeticError, match=hook):
        fitted(net, [callback])
    assert net.current_fit is None
    assert len(fitted(net, []).loss) == 4


def test_a_callback_sees_the_run_of_its_fit():
    class Looking(cnn.Callback):
        def on_epoch_end(self, net, logs):
            self.seen = (
                net.current_fit.epoch,
                net.current_fit.history.loss[-1] == logs["loss"],
                net.current_fit.optimizer.done,
            )

    looking, net = Looking(), small()
    fitted(net, [looking])
    assert looking.seen == (4, True, 12)
    assert net.current_fit is None


def test_a_history_is_drawn_by_the_plots(monkeypatch):
    plot = types.ModuleType("cnn.plot")
    plot.training_curves = lambda history, path: ("drawn", history, path)
    monkeypatch.setitem(sys.modules, "cnn.plot", plot)
    history = fitted(small(), [], epochs=1)
    assert history.plot() == ("drawn", history, None)
    assert history.plot("curves.png") == ("drawn", history, "curves.png")


# ---- early stopping --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("figures", "options", "epochs", "best"),
    [
        ([5, 4, 3, 2, 1, 0], {}, 6, 6),
        ([5, 4, 4, 4, 4, 0], {}, 5, 2),
        ([5, 4, 6, 4.5, 3, 4, 4, 4, 0], {}, 8, 5),
        ([5, 4, 4, 0], {"patience": 1}, 3, 2),
        ([5, 4.9, 4.8, 4.7, 0], {"patience": 2, "min_delta": 0.5}, 3, 1),
        ([5, 4.5, 4.5, 4.5, 0], {"patience": 2, "min_delta": 0.25}, 4, 2),
        ([5, 4, math.nan, 3, math.nan, math.nan, 0], {"patience": 2}, 6, 4),
        ([math.nan, 4, 5, 5, 0], {"patience": 2}, 4, 2),
    ],
)
def test_a_fit_ends_after_so_many_epochs_that_were_no_better_and_goes_back_to_its_best(figures, options, epochs, best):
    net, stopping = small(), cnn.EarlyStopping(**options)
    history = fitted(net, [Scripted(figures, stopping)], epochs=len(figures))
    assert len(history.loss) == epochs
    assert {float(value.ravel()[0]) for value in net.parameters().values()} == {best}
    assert stopping.best == figures[best - 1]


def test_the_last_net_is_kept_if_that_is_asked_for():
    net = small()
    fitted(net, [Scripted([1, 2, 3, 4], cnn.EarlyStopping(patience=2, restore_best=False))])
    assert net.layers[-1].weights[0, 0] == 3


@pytest.mark.parametrize(
    ("monitor", "figures", "best"),
    [("accuracy", [0.1, 0.3, 0.2, 0.2], 2), ("val_accuracy", [0.1, 0.1, 0.1, 0.9], 4), ("loss", [3, 1, 2, 2], 2)],
)
def test_more_is_better_for_an_accuracy_and_less_for_anything_else(monitor, figures, best):
    net = small()
    fitted(net, [Scripted(figures, cnn.EarlyStopping(monitor), monitor)])
    assert net.layers[-1].weights[0, 0] == best


def test_a_fit_without_a_number_to_go_by_keeps_its_last_net():
    net = small()
    fitted(net, [Scripted([math.nan] * 4, cnn.EarlyStopping(patience=3))])
    assert net.layers[-1].weights[0, 0] == 3


def test_a_figure_that_there_is_not_is_named_beside_those_that_there_are():
    with pytest.raises(ValueError, match=r"^monitor must be one of .*\bloss, accuracy.*, got 'f1'$"):
        fitted(small(), [cnn.EarlyStopping("f1")])


def test_a_figure_of_validation_without_validation_data_is_told_before_any_epoch():
    recorder = Recorder()
    with pytest.raises(ValueError, match=r"^monitor 'val_loss' needs validation_data, got none$"):
        fitted(small(), [cnn.EarlyStopping(), recorder])
    assert not recorder.calls


def test_a_callback_for_stopping_may_be_used_again():
    stopping = cnn.EarlyStopping("loss", patience=1)
    for _ in range(2):
        net = small()
        history = fitted(net, [Scripted([1, 2], stopping, "loss")])
        assert len(history.loss) == 2


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"patience": 0}, ValueError),
        ({"patience": 1.5}, TypeError),
        ({"min_delta": -1}, ValueError),
        ({"min_delta": math.nan}, ValueError),
        ({"min_delta": "1"}, TypeError),
        ({"monitor": None}, TypeError),
    ],
)
def test_an_argument_of_stopping_out_of_range_is_named(options, error):
    (name,) = options
    with pytest.raises(error, match=f"^{name} must"):
        cnn.EarlyStopping(**options)


# ---- TensorBoard -----------------------------------------------------------------------------------------------


def test_a_folder_for_tensorboard_that_is_no_path_is_a_type_error():
    with pytest.raises(TypeError, match=r"^log_dir must be a str"):
        cnn.TensorBoard(3)


def events(path) -> list:
    """What a file of TensorBoard holds."""
    from tensorboardX.proto.event_pb2 import Event

    content, held, at = path.read_bytes(), [], 0
    while at < len(content):  # records: length, its checksum, the event, its checksum
        length = int.from_bytes(content[at : at + 8], "little")
        held.append(Event.FromString(content[at + 12 : at + 12 + length]))
        at += length + 16
    return held


def test_the_figures_are_written_for_tensorboard(tmp_path):
    pytest.importorskip("tensorboardX")
    history = fitted(small(), [cnn.TensorBoard(tmp_path / "log")], validation_data=data(8, 1))
    (path,) = (tmp_path / "log").iterdir()
    scalars = {}
    for event in events(path):
        assert not event.HasField("session_log")  # there is nothing to take back
        for value in event.summary.value:
            scalars.setdefault(value.tag, []).append((event.step, value.simple_value))
    assert scalars.keys() == {*history._fields, "learning_rate"}
    for name, figures in history._asdict().items():
        assert scalars[name] == list(enumerate(np.float32(figures).tolist(), start=1))


class Failing(cnn.Callback):
    def on_epoch_end(self, net, logs):
        if logs["epoch"] == 3:
            raise ZeroDivisionError


def test_epochs_that_a_resumed_fit_does_again_are_taken_back(tmp_path):
    pytest.importorskip("tensorboardX")
    from tensorboardX.proto.event_pb2 import SessionLog

    checkpoint = cnn.Checkpoint(tmp_path / "checkpoint", every=2)
    with pytest.raises(ZeroDivisionError):
        fitted(small(), [cnn.TensorBoard(tmp_path / "killed"), checkpoint, Failing()])
    fitted(small(), [cnn.TensorBoard(tmp_path / "resumed"), checkpoint], resume=tmp_path / "checkpoint")
    (path,) = (tmp_path / "resumed").iterdir()
    assert [event.step for event in events(path) if event.session_log.status == SessionLog.START] == [3]
    assert {event.step for event in events(path) if event.summary.value} == {3, 4}


def test_a_file_that_a_failed_fit_left_open_is_closed_by_the_next_one(tmp_path, monkeypatch):
    class Writer:
        are_open = 0

        def __init__(self, log_dir, purge_step):
            Writer.are_open += 1

        def add_scalar(self, name, value, step):
            pass

        def flush(self):
            pass

        def close(self):
            Writer.are_open -= 1

    monkeypatch.setitem(sys.modules, "tensorboardX", types.SimpleNamespace(SummaryWriter=Writer))
    board = cnn.TensorBoard(tmp_path / "log")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            fitted(small(), [board, Failing()])
        assert Writer.are_open == 1
    fitted(small(), [board])
    assert Writer.are_open == 0


def test_without_tensorboardx_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    net = small()
    with pytest.raises(ImportError, match=r"pip install 'cnn-c\[tensorboard\]'"):
        fitted(net, [cnn.TensorBoard(tmp_path / "log")])
    assert bits(net) == bits(small())


@pytest.mark.parametrize(
    "state",
    [{}, {"best": 0.5}, {"best": "a", "waited": 1}, {"best": 10**400, "waited": 1}, {"best": 0.5, "waited": []}],
)
def test_early_stopping_goes_on_only_from_a_state_of_its_own(state):
    with pytest.raises(ValueError, match=r"^best must be a float or None, and waited an integer"):
        cnn.EarlyStopping().restore(state)
