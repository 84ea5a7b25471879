"""Checkpoints: what is written, when, and that a fit that goes on from there ends with the same bits."""

from __future__ import annotations

import os

import numpy as np
import pytest

import cnn
from cnn.training import saved_fit

from .killed_fits import OPTIMIZERS, SHAPE, Kill, Killed, bits, data, figures, fitted, killed, small

pytestmark = pytest.mark.usefixtures("one_thread")


def noisy(backend="compiled"):
    """With running statistics, and random numbers in every step."""
    layers = [
        cnn.Conv2D(3, 3), cnn.BatchNorm(), cnn.ReLU(), cnn.AvgPool2D(2), cnn.Flatten(), cnn.Dropout(0.4), cnn.Dense(4),
    ]  # fmt: skip
    return cnn.Sequential(layers, SHAPE, seed=0, backend=backend)


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
    with pytest.warns(RuntimeWarning, match=f"^the run in '{path}' began at level .* and goes on at v0") as caught:
        fitted(small(), resume=path)
    assert caught[0].filename == fitted.__code__.co_filename


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
