"""Subclasses of optimisers: what they override runs in every step, or is refused; what it gives is checked."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cnn
from cnn.backends.calls import Rule

from .killed_fits import bits, data, small

pytestmark = pytest.mark.usefixtures("one_thread")


def trained(optimizer, backend="compiled"):
    net = small(backend=backend)
    net.fit(*data(), epochs=2, batch_size=8, optimizer=optimizer, seed=0, progress=False)
    return bits(net)


class HalfRates(cnn.SGD):
    def rates(self, steps):
        return super().rates(steps) / 2


class HalfSteps(cnn.SGD):
    def __init__(self, learning_rate, divisor):
        super().__init__(learning_rate)
        self.divisor = divisor  # an attribute of its own

    def step_scalars(self, rates):
        return super().step_scalars(rates) / [self.divisor, 1, 1]


class OtherRule(cnn.SGD):
    @property
    def rule(self):
        return Rule("sgd", weight_decay=0.25)


@pytest.mark.parametrize("backend", ["compiled", "numpy"])
@pytest.mark.parametrize(
    ("one", "other"),
    [
        (HalfRates(0.25), cnn.SGD(0.125)),
        (HalfSteps(0.25, 2), cnn.SGD(0.125)),
        (OtherRule(0.1, momentum=0.9), cnn.SGD(0.1, weight_decay=0.25)),
    ],
)
def test_what_a_subclass_overrides_runs(backend, one, other):
    assert trained(one, backend) == trained(other, backend)


@pytest.mark.parametrize("name", ["step", "rate"])
@pytest.mark.parametrize("kind", [cnn.SGD, cnn.Adam, cnn.AdamW, cnn.RMSprop, cnn.Adadelta, cnn.Lion])
def test_a_subclass_that_overrides_what_no_fit_calls_is_a_type_error(kind, name):
    message = f"^Mine overrides {name}, which no fit calls; .* may override update, or rule, rates and step_scalars$"
    with pytest.raises(TypeError, match=message):
        type("Mine", (kind,), {name: lambda self, *arguments: None})

    class Mixin:
        pass

    setattr(Mixin, name, lambda self, *arguments: None)
    with pytest.raises(TypeError, match=message):
        type("Mine", (Mixin, kind), {})


RATES = {
    "negative": ([0.1, -1.0, 0.1], r"finite and at least 0, got -1\.0 for step "),
    "NaN": ([math.nan, 0.1, 0.1], "finite and at least 0, got nan for step 1$"),
    "infinite": ([0.1, 0.1, math.inf], "finite and at least 0, got inf for step "),
    "too many": ([0.1] * 7, r"one rate for each of \d steps?, got shape \(7,\)"),
    "a table": ([[0.1]], r"one rate for each of \d steps?, got shape \(1, 1\)"),
}


class OwnRates(cnn.SGD):
    def rates(self, steps):
        return own(self.chosen, self.done, steps)


class OwnSchedule:
    def __init__(self, chosen):
        self.chosen = chosen

    def at(self, done, epochs):
        first = int(np.round(np.atleast_1d(done)[0] * 3))
        return own(self.chosen, first, len(np.atleast_1d(done)))


def own(chosen, first, steps):
    """The rates of so many steps of a fit of three, unless they are of a wrong shape anyway."""
    return np.array(chosen[first : first + steps] if len(chosen) == 3 else chosen)


def with_own_rates(chosen):
    optimizer = OwnRates(0.1)
    optimizer.chosen = chosen
    return optimizer


@pytest.mark.parametrize("make", [with_own_rates, lambda chosen: cnn.SGD(OwnSchedule(chosen))])
@pytest.mark.parametrize(("chosen", "message"), RATES.values(), ids=RATES)
def test_a_rate_that_is_none_is_a_value_error_at_its_step_and_the_parameters_are_finite(make, chosen, message):
    net = small()
    with pytest.raises(ValueError, match=f"^learning_rate must be {message}"):
        net.fit(*data(24), batch_size=8, optimizer=make(chosen), seed=0, progress=False)
    assert all(np.isfinite(value).all() for value in net.state().values())
    net.fit(*data(24), batch_size=8, seed=0, progress=False)


@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
def test_a_batch_at_a_rate_that_is_none_changes_nothing(bad):
    class Constant:
        def at(self, done, epochs):
            return bad

    net = small()
    with pytest.raises(ValueError, match=f"^learning_rate must be finite and at least 0, got {bad} for step 1$"):
        net.train_on_batch(*data(8), cnn.Adam(Constant()))
    assert bits(net) == bits(small())


@pytest.mark.parametrize("scalars", [np.full((1, 3), np.nan), np.ones((1, 2)), np.ones(3)])
def test_step_scalars_that_are_none_are_a_value_error(scalars):
    class Mine(cnn.SGD):
        def step_scalars(self, rates):
            return scalars

    net = small()
    with pytest.raises(ValueError, match=r"^step_scalars must be finite and of shape \(1, 3\)"):
        net.train_on_batch(*data(8), Mine(0.1))
    assert bits(net) == bits(small())


def test_a_rule_of_an_unknown_kind_is_a_value_error():
    class Mine(cnn.SGD):
        @property
        def rule(self):
            return Rule("no rule")

    with pytest.raises(ValueError, match=r"^the kind of a rule must be one of sgd, .*, got 'no rule'$"):
        small().train_on_batch(*data(8), Mine(0.1))


def test_a_callback_whose_hook_no_fit_calls_is_a_type_error():
    class Mine(cnn.Callback):
        def on_epoch_end(self, net, logs):
            pass

        def on_batch_begin(self, net, logs):
            pass

    message = r"^callbacks\[0\] has on_batch_begin, which no fit calls; it calls on_fit_begin, .*, on_fit_end$"
    with pytest.raises(TypeError, match=message):
        small().fit(*data(8), callbacks=[Mine()], progress=False)
