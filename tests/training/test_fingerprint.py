"""A fit with other arguments does not go on from a checkpoint, and says which they are."""

from __future__ import annotations

import numpy as np
import pytest

import cnn

from .killed_fits import SHAPE, Kill, Killed, bits, data, fitted, killed, small

pytestmark = pytest.mark.usefixtures("one_thread")


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
    "label_smoothing": ({"label_smoothing": 0.5}, r"label_smoothing null, not 0.5"),
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
