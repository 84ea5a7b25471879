"""Arguments of an optimiser that are assigned: what is shown is what runs, whatever is assigned at whatever time."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest

import cnn

from .killed_fits import bits, data, small

pytestmark = pytest.mark.usefixtures("one_thread")

ASSIGNED = [
    (cnn.SGD(0.1), {"momentum": 0.5}),
    (cnn.SGD(0.1), {"momentum": 0.9, "nesterov": True}),
    (cnn.SGD(0.1, momentum=0.9, nesterov=True), {"nesterov": False, "momentum": 0.0}),
    (cnn.SGD(0.1), {"weight_decay": 0.1, "learning_rate": 0.01}),
    (cnn.Adam(), {"beta1": 0.5, "beta2": 0.5, "epsilon": 0.1, "weight_decay": 0.1}),
    (cnn.AdamW(), {"weight_decay": 0.5, "learning_rate": cnn.schedules.Cosine(0.1)}),
    (cnn.RMSprop(), {"alpha": 0.5, "momentum": 0.5, "epsilon": 0.1}),
    (cnn.Adadelta(), {"rho": 0.5, "epsilon": 0.1, "weight_decay": 0.1}),
    (cnn.Lion(), {"beta1": 0.5, "beta2": 0.5, "weight_decay": 0.1}),
]
EVERY_ASSIGNMENT = pytest.mark.parametrize(
    ("optimizer", "arguments"), ASSIGNED, ids=[f"{type(one).__name__}-{'-'.join(names)}" for one, names in ASSIGNED]
)


def assign(optimizer, arguments):
    for name, value in arguments.items():
        setattr(optimizer, name, value)


@EVERY_ASSIGNMENT
@pytest.mark.parametrize("backend", ["compiled", "numpy"])
def test_an_optimiser_with_assigned_arguments_is_the_one_that_is_made_with_them(backend, optimizer, arguments):
    assigned = copy.deepcopy(optimizer)
    assign(assigned, arguments)
    made = type(optimizer)(**(optimizer.configuration() | arguments))
    assert repr(assigned) == repr(made)
    assert assigned.rule == made.rule
    nets = [small(backend=backend) for _ in range(2)]
    for net, one in zip(nets, (assigned, made), strict=True):
        net.fit(*data(), epochs=2, batch_size=8, optimizer=one, seed=0, progress=False)
    assert bits(nets[0]) == bits(nets[1])


@EVERY_ASSIGNMENT
def test_an_assignment_between_two_steps_counts_from_the_next_step(optimizer, arguments):
    # The steps by hand: those of another optimiser of these arguments that has come as far.
    (x, y), one, nets = data(8), copy.deepcopy(optimizer), [small(), small()]
    for net, each in zip(nets, (one, optimizer), strict=True):
        each.start(0)
        for _ in range(3):
            net.train_on_batch(x, y, each)
    assert bits(nets[0]) == bits(nets[1])
    parameters = [net.executor.learned.parameters for net in nets]
    other = type(one)(**(one.configuration() | arguments))
    held = one.arrays(parameters[0])
    other.arrays(parameters[1])
    assign(one, arguments)
    kept = [array.copy() for array in held][: len(other.arrays(parameters[1]))]
    kept += [np.zeros_like(parameters[0])] * (len(other.arrays(parameters[1])) - len(kept))
    other.restore(parameters[1], kept, one.done)
    for _ in range(3):
        for net, each in zip(nets, (one, other), strict=True):
            net.train_on_batch(x, y, each)
    assert bits(nets[0]) == bits(nets[1])


def test_a_velocity_that_was_given_up_begins_anew_as_zeros():
    (x, y), net, parameters = data(8), small(), None
    optimizer = cnn.SGD(0.1, momentum=0.9)
    parameters = net.executor.learned.parameters
    net.train_on_batch(x, y, optimizer)
    assert optimizer.arrays(parameters)[0].any()
    optimizer.momentum = 0
    net.train_on_batch(x, y, optimizer)
    assert optimizer.arrays(parameters) == []
    optimizer.momentum = 0.9
    assert not optimizer.arrays(parameters)[0].any()


@pytest.mark.parametrize(
    ("optimizer", "name", "value", "error", "message"),
    [
        (cnn.SGD(0.1), "momentum", 1.5, ValueError, r"momentum must be finite and between 0 and 1, got 1\.5"),
        (cnn.SGD(0.1), "momentum", "a", TypeError, "momentum must be a number"),
        (cnn.SGD(0.1), "learning_rate", -1, ValueError, "learning_rate must be finite and between 0 and 3"),
        (cnn.SGD(0.1), "learning_rate", None, TypeError, "learning_rate must be a number"),
        (cnn.SGD(0.1), "learning_rate", math.nan, ValueError, "learning_rate must be finite"),
        (cnn.SGD(0.1), "weight_decay", -0.1, ValueError, "weight_decay must be finite"),
        (cnn.SGD(0.1), "nesterov", True, ValueError, "nesterov needs a momentum above 0"),
        (cnn.SGD(0.1, 0.9, True), "momentum", 0, ValueError, "nesterov needs a momentum above 0"),
        (cnn.Adam(), "beta1", 1.0, ValueError, "beta1 must be finite"),
        (cnn.AdamW(), "epsilon", 0, ValueError, "epsilon must be finite"),
        (cnn.RMSprop(), "alpha", 1, ValueError, "alpha must be finite"),
        (cnn.Adadelta(), "rho", 1, ValueError, "rho must be finite"),
        (cnn.Adadelta(), "epsilon", 0, ValueError, "epsilon must be finite"),
        (cnn.Lion(), "beta2", 1.0, ValueError, "beta2 must be finite"),
    ],
)
def test_what_the_constructor_refuses_cannot_be_assigned(optimizer, name, value, error, message):
    before = repr(optimizer)
    with pytest.raises(error, match=f"^{message}"):
        setattr(optimizer, name, value)
    assert repr(optimizer) == before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lr", r"^SGD has no attribute 'lr'; did you mean 'learning_rate'\?$"),
        ("momentun", r"^SGD has no attribute 'momentun'; did you mean 'momentum'\?$"),
        (
            "beta1",
            r"^SGD has no attribute 'beta1'; known are learning_rate, clip_norm, clip_value, momentum, .*$",
        ),
        ("step", r"^step of SGD cannot be assigned; what can is learning_rate, "),
        ("rule", r"^rule of SGD cannot be assigned"),
    ],
)
def test_an_attribute_that_there_is_not_is_an_attribute_error_with_the_nearest_name(name, message):
    with pytest.raises(AttributeError, match=message):
        setattr(cnn.SGD(0.1), name, 0.5)


@pytest.mark.parametrize("copy_of", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_of_an_optimiser_has_the_arguments_as_they_are(copy_of):
    optimizer = cnn.SGD(0.1)
    optimizer.momentum = 0.5
    twin = copy_of(optimizer)
    assert (repr(twin), twin.rule) == (repr(optimizer), optimizer.rule)
