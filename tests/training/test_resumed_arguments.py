"""A fit whose callbacks assign arguments of its optimiser goes on from its checkpoint and ends with the same bits."""

from __future__ import annotations

import pytest

import cnn
from cnn.storage import archive

from .killed_fits import Kill, Killed, bits, data, small

pytestmark = pytest.mark.usefixtures("one_thread")


class Assigning(cnn.Callback):
    """Assigns arguments after some epochs, and at the beginning."""

    def __init__(self, after, at_begin=None):
        self.after, self.at_begin = after, at_begin or {}

    def assign(self, net, arguments):
        for name, value in arguments.items():
            setattr(net.current_fit.optimizer, name, value)

    def on_fit_begin(self, net, logs):
        self.assign(net, self.at_begin)

    def on_epoch_end(self, net, logs):
        self.assign(net, self.after.get(logs["epoch"], {}))


def fitted(net, optimizer, callbacks, **options):
    net.fit(
        *data(), epochs=6, batch_size=8, optimizer=optimizer, seed=5, callbacks=callbacks, progress=False, **options
    )
    return bits(net)


RATE = {2: {"learning_rate": 0.01}}
CASES = {
    "a rate": (lambda: cnn.SGD(0.05, momentum=0.9), lambda: Assigning(RATE)),
    "a rate at the beginning, too": (lambda: cnn.Adam(0.01), lambda: Assigning(RATE, {"learning_rate": 0.02})),
    "back to the first rate": (
        lambda: cnn.SGD(0.05),
        lambda: Assigning({2: {"learning_rate": 0.05}}, {"learning_rate": 0.01}),
    ),
    "a rate in place of a schedule": (lambda: cnn.SGD(cnn.schedules.Cosine(0.1)), lambda: Assigning(RATE)),
    "a schedule in place of a rate": (
        lambda: cnn.Adam(0.01),
        lambda: Assigning({2: {"learning_rate": cnn.schedules.OneCycle(0.05, warmup=0.6)}}),
    ),
    "a momentum where there was none": (lambda: cnn.SGD(0.05), lambda: Assigning({1: {"momentum": 0.9}})),
    "no momentum where there was one": (
        lambda: cnn.SGD(0.05, momentum=0.9, nesterov=True),
        lambda: Assigning({2: {"nesterov": False, "momentum": 0}, 5: {"momentum": 0.5, "nesterov": True}}),
    ),
    "all of Adam's": (
        lambda: cnn.AdamW(0.01),
        lambda: Assigning({2: {"beta1": 0.5, "beta2": 0.9, "epsilon": 0.01, "weight_decay": 0.5}}),
    ),
    "a velocity for RMSprop": (lambda: cnn.RMSprop(0.01), lambda: Assigning({3: {"momentum": 0.9, "alpha": 0.5}})),
}


@pytest.mark.parametrize("after_epoch", [2, 3])
@pytest.mark.parametrize(("optimizer", "callback"), CASES.values(), ids=CASES)
def test_a_fit_with_assigned_arguments_goes_on_to_the_same_bits(path, optimizer, callback, after_epoch):
    expected = fitted(small(), optimizer(), [callback()])
    with pytest.raises(Killed):
        fitted(small(), optimizer(), [callback(), cnn.Checkpoint(path), Kill(after_epoch)])
    assert fitted(small(), optimizer(), [callback(), cnn.Checkpoint(path)], resume=path) == expected


def test_a_schedule_of_the_package_that_is_changed_in_place_goes_on_as_it_was(path):
    class Halving(cnn.Callback):
        def on_epoch_end(self, net, logs):
            net.current_fit.optimizer.learning_rate.rate /= 2

    def optimizer():
        return cnn.SGD(cnn.schedules.Constant(0.1))

    expected = fitted(small(), optimizer(), [Halving()])
    with pytest.raises(Killed):
        fitted(small(), optimizer(), [Halving(), cnn.Checkpoint(path), Kill(3)])
    assert fitted(small(), optimizer(), [Halving()], resume=path) == expected


class OwnSchedule:
    def __init__(self, rate):
        self.rate = rate

    def at(self, done, epochs):
        return self.rate / (1 + 3 * done)


def test_a_schedule_of_somebody_else_that_stays_what_it_is_goes_on(path):
    expected = fitted(small(), cnn.SGD(OwnSchedule(0.1)), [])
    with pytest.raises(Killed):
        fitted(small(), cnn.SGD(OwnSchedule(0.1)), [cnn.Checkpoint(path), Kill(3)])
    assert fitted(small(), cnn.SGD(OwnSchedule(0.1)), [], resume=path) == expected


@pytest.mark.parametrize(
    ("optimizer", "assigned"), [(cnn.SGD(0.1), OwnSchedule(0.1)), (cnn.SGD(OwnSchedule(0.2)), OwnSchedule(0.1))]
)
def test_one_that_is_assigned_during_the_fit_is_refused_when_the_checkpoint_is_written(path, optimizer, assigned):
    callbacks = [Assigning({2: {"learning_rate": assigned}}), cnn.Checkpoint(path)]
    message = r"^learning_rate was changed during the fit, and a checkpoint can hold a number or a schedule of cnn\."
    with pytest.raises(TypeError, match=message):
        fitted(small(), optimizer, callbacks)


def test_another_optimiser_in_the_fit_is_refused_when_the_checkpoint_is_written(path):
    class Replacing(cnn.Callback):
        def on_epoch_end(self, net, logs):
            net.current_fit.optimizer = cnn.Adam()

    with pytest.raises(TypeError, match=r"^the optimizer of a fit with a checkpoint must stay SGD, got Adam$"):
        fitted(small(), cnn.SGD(0.1), [Replacing(), cnn.Checkpoint(path)])


def changed(path, change):
    with archive.Archive(str(path)) as file:
        document, tensors = file.document, file.tensors()
    change(document["run"])
    archive.write(path, document, tensors)


def test_a_file_of_an_earlier_version_has_no_assigned_arguments(path):
    expected = fitted(small(), cnn.SGD(0.05, momentum=0.9), [])
    with pytest.raises(Killed):
        fitted(small(), cnn.SGD(0.05, momentum=0.9), [cnn.Checkpoint(path), Kill(3)])
    changed(path, lambda document: document.pop("optimizer"))
    assert fitted(small(), cnn.SGD(0.05, momentum=0.9), [], resume=path) == expected


@pytest.mark.parametrize(
    "entry",
    [
        3,
        {"momentum": 2.0},
        {"momentum": "much"},
        {"learning_rate": -1.0},
        {"learning_rate": {"name": "Schedule", "rate": 1.0}},
        {"learning_rate": {"name": "checks"}},
        {"learning_rate": {"name": ["Cosine"]}},
        {"learning_rate": {"name": "Cosine", "peak": 1.0}},
        {"learning_rate": [0.1]},
        {"rule": 3},
        {"nesterov": True, "momentum": 0.0},
    ],
)
def test_arguments_that_are_none_are_refused_and_nothing_is_changed(path, entry):
    with pytest.raises(Killed):
        fitted(small(), cnn.SGD(0.05, momentum=0.9), [cnn.Checkpoint(path), Kill(3)])
    changed(path, lambda document: document.update(optimizer=entry))
    net, optimizer = small(), cnn.SGD(0.05, momentum=0.9)
    before = repr(optimizer)
    with pytest.raises(ValueError, match="checkpoint' cannot be loaded"):
        fitted(net, optimizer, [], resume=path)
    assert (bits(net), repr(optimizer)) == (bits(small()), before)
