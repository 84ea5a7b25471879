"""Words of Keras and PyTorch, and misspelt ones: what is said where somebody writes them."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest

import cnn
import cnn.reference
from cnn.backends import foreign

pytestmark = pytest.mark.usefixtures("one_thread")


def small():
    return cnn.Sequential([cnn.Flatten(), cnn.Dense(3)], (2, 2, 1), seed=0)


X, Y = np.zeros((4, 2, 2)), np.zeros(4, np.int64)

CALLS = {
    "Dense": (lambda ns: ns.Dense(10, kernel_initializer="zeros"), "kernel_initializer': weights are drawn"),
    "units": (lambda ns: ns.Dense(unit=10), r"unit'; did you mean 'units'\?$"),
    "strides": (lambda ns: ns.Conv2D(8, 3, strides=2), "strides': use stride$"),
    "in_channels": (lambda ns: ns.Conv2D(in_channels=1, out_channels=8, kernel_size=3), "in_channels': give input"),
    "MaxPool2D": (lambda ns: ns.MaxPool2D(pool_size=2, strides=2), "strides': use stride$"),
    "kernel_size": (lambda ns: ns.AvgPool2D(kernel_size=2), "kernel_size': use pool_size$"),
    "Dropout": (lambda ns: ns.Dropout(p=0.5), "p': use rate$"),
    "BatchNorm": (lambda ns: ns.BatchNorm(num_features=8), "num_features': give input_shape"),
    "eps": (lambda ns: ns.BatchNorm(eps=1e-3), "eps': use epsilon$"),
    "axis": (lambda ns: ns.BatchNorm(axis=-1), "axis': channels are always last$"),
    "ReLU": (lambda ns: ns.ReLU(inplace=True), "inplace': memory is planned by the net$"),
    "nothing known": (lambda ns: ns.Flatten(order="C"), "order'; there are none$"),
    "far from all": (lambda ns: ns.Dense(10, xyz=1), "xyz'; known are units, activation, bias$"),
}


@pytest.mark.parametrize(("make", "message"), CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("ns", [cnn, cnn.reference], ids=["cnn", "reference"])
def test_a_layer_names_what_is_meant_by_an_argument_of_other_packages(ns, make, message):
    with pytest.raises(TypeError, match=rf"^\w+ has no argument '{message}"):
        make(ns)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cnn.SGD(lr=0.1), "^SGD has no argument 'lr': use learning_rate$"),
        (lambda: cnn.AdamW(betas=(0.9, 0.99)), "^AdamW has no argument 'betas': use beta1 and beta2$"),
        (lambda: cnn.Adam(eps=1e-7), "^Adam has no argument 'eps': use epsilon$"),
        (lambda: cnn.RMSprop(rho=0.9), "^RMSprop has no argument 'rho': use alpha$"),
        (lambda: cnn.SGD(0.1, momentun=0.9), "^SGD has no argument 'momentun'; did you mean 'momentum'\\?$"),
        (lambda: cnn.EarlyStopping(restore_best_weights=True), "'restore_best_weights': use restore_best$"),
        (lambda: cnn.ReduceLROnPlateau(min_lr=1e-5), "'min_lr': use minimum_rate$"),
        (lambda: cnn.Checkpoint(filepath="a"), "^Checkpoint has no argument 'filepath': use path$"),
    ],
)
def test_optimisers_and_callbacks_do_so_too(make, message):
    with pytest.raises(TypeError, match=message):
        make()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"verbose": 1}, "'verbose': use progress$"),
        ({"lr": 0.1}, r"'lr': use optimizer, such as optimizer=cnn.SGD\(0.1\)$"),
        ({"learning_rate": 0.1}, "'learning_rate': use optimizer"),
        ({"nb_epoch": 3}, "'nb_epoch': use epochs$"),
        ({"validation_steps": 3}, "'validation_steps': use validation_data"),
        ({"epoch": 3}, r"'epoch'; did you mean 'epochs'\?$"),
    ],
)
def test_fit_does_so_before_anything_else(options, message):
    with pytest.raises(TypeError, match=f"^fit has no argument {message}"):
        small().fit(X, Y, **options)


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        ("adam", r"such as cnn\.Adam\(\), got 'adam'$"),
        ("RMSprop", r"such as cnn\.RMSprop\(\), got 'RMSprop'$"),
        ("sgd", r"such as cnn\.SGD\(0\.1\), got 'sgd'$"),
        (cnn.AdamW, r"such as cnn\.AdamW\(\), got <class"),
        (0.1, r"such as cnn\.SGD\(0\.1\), got 0\.1$"),
    ],
)
def test_an_optimiser_by_its_name_alone_is_told_how_it_is_called(optimizer, message):
    with pytest.raises(TypeError, match=f"^optimizer must be an optimiser, {message}"):
        small().fit(X, Y, optimizer=optimizer)


@pytest.mark.parametrize("name", foreign.METHODS)
def test_a_method_of_other_packages_is_told_what_takes_its_place(name):
    net = small()
    assert not hasattr(net, name)
    with pytest.raises(AttributeError, match=f"'Sequential' object has no attribute '{name}': "):
        getattr(net, name)()


def test_any_other_attribute_is_the_error_that_python_gives():
    with pytest.raises(AttributeError, match=r"^'Sequential' object has no attribute 'xyz'$") as error:
        _ = small().xyz
    assert error.value.name == "xyz"


@pytest.mark.parametrize("name", foreign.NAMES)
def test_a_name_of_other_packages_is_told_what_takes_its_place(name):
    with pytest.raises(AttributeError, match=f"^module 'cnn' has no attribute '{name}': "):
        getattr(cnn, name)


def test_no_word_in_the_tables_is_one_of_ours():
    classes = {name: getattr(cnn, name) for name in cnn.__all__ if isinstance(getattr(cnn, name), type)}
    known = {"fit": inspect.signature(cnn.Sequential.fit).parameters, "Optimizer": cnn.SGD.__mro__[1].arguments}
    for kind, words in foreign.ARGUMENTS.items():
        for name, of in classes.items():
            if kind in [base.__name__ for base in of.__mro__]:
                assert not set(words) & set(inspect.signature(of).parameters), name
        assert kind in known or kind in classes
        assert not set(words) & set(known.get(kind, ()))


def test_signatures_and_calls_are_those_of_the_constructors():
    assert list(inspect.signature(cnn.Dense).parameters) == ["units", "activation", "bias"]
    assert list(inspect.signature(cnn.Sequential.fit).parameters)[:3] == ["self", "x", "y"]
    assert cnn.Sequential.fit.__name__ == "fit"
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'units'"):
        cnn.Dense()


def test_a_class_of_somebody_else_has_arguments_of_its_own():
    class Mine(cnn.Dense):
        def __init__(self, units, lr, **others):
            super().__init__(units, **others)
            self.lr = lr

    assert Mine(3, lr=2, bias=False).lr == 2
    with pytest.raises(TypeError, match=r"^Mine has no argument 'use_bias': use bias$"):
        Mine(3, lr=2, use_bias=False)


def test_warnings_of_a_fit_name_the_line_that_called_it():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        x = np.arange(16.0).reshape(4, 2, 2) * 1e4
        small().fit(x, [0, 1, 2, 0], optimizer=cnn.SGD(1.0), batch_size=1, progress=False)
    assert [warning.filename for warning in caught] == [__file__]
