"""Optimisers: their rules, what they keep from step to step, what a fit makes of them, and what they refuse."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cnn

pytestmark = pytest.mark.usefixtures("one_thread")

SGD_RULES = [
    {},
    {"momentum": 0.9},
    {"momentum": 0.9, "nesterov": True},
    {"weight_decay": 0.01},
    {"momentum": 0.5, "weight_decay": 0.1},
    {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    {"momentum": 1.0},
]
ADAM_RULES = [
    {},
    {"beta1": 0.5, "beta2": 0.9},
    {"weight_decay": 0.1},
    {"epsilon": 0.1},
    {"beta1": 0.0, "epsilon": 1e-4, "weight_decay": 0.01},
    {"beta1": 0.9, "beta2": 0.0},
]
ADAMW_RULES = [
    {},
    {"weight_decay": 0.0},
    {"weight_decay": 0.5, "epsilon": 1e-4},
    {"beta1": 0.5, "beta2": 0.9, "weight_decay": 2.0},
]
RMSPROP_RULES = [
    {},
    {"alpha": 0.9, "epsilon": 1e-4},
    {"momentum": 0.9},
    {"alpha": 0.5, "momentum": 0.5, "epsilon": 0.1, "weight_decay": 0.1},
]
ADADELTA_RULES = [
    {},
    {"rho": 0.5, "epsilon": 1e-3},
    {"rho": 0.0, "epsilon": 0.1, "weight_decay": 0.1},
]
LION_RULES = [
    {},
    {"beta1": 0.5, "beta2": 0.75},
    {"beta1": 0.0, "weight_decay": 0.5},
]
RULES = [
    *((cnn.SGD, rule) for rule in SGD_RULES),
    *((cnn.Adam, rule) for rule in ADAM_RULES),
    *((cnn.AdamW, rule) for rule in ADAMW_RULES),
    *((cnn.RMSprop, rule) for rule in RMSPROP_RULES),
    *((cnn.Adadelta, rule) for rule in ADADELTA_RULES),
    *((cnn.Lion, rule) for rule in LION_RULES),
]
EVERY_RULE = pytest.mark.parametrize(("kind", "rule"), RULES)
EVERY_KIND = pytest.mark.parametrize("kind", [cnn.SGD, cnn.Adam, cnn.AdamW, cnn.RMSprop, cnn.Adadelta, cnn.Lion])
WITH_STATES = [lambda: cnn.SGD(0.1, momentum=0.9), cnn.Adam, cnn.AdamW, cnn.RMSprop, cnn.Adadelta, cnn.Lion]
LEARNING_RATE, UPDATES = 0.1, 25


class Formula:
    """The rules as they are published, in float64; and `size`, how large the numbers in them were."""

    def __init__(self, kind, rule, learning_rate, parameters):
        self.kind, self.rule, self.rate = kind, rule, learning_rate
        self.p = parameters.astype(np.float64)
        self.first = self.second = self.terms = np.zeros(self.p.shape)
        self.size, self.done = np.abs(self.p), 0

    def step(self, gradient):
        decay = self.rule.get("weight_decay", 0.01 if self.kind is cnn.AdamW else 0)
        if self.kind in (cnn.AdamW, cnn.Lion):
            g, self.p = gradient, (1 - self.rate * decay) * self.p
        else:
            g = gradient + decay * self.p
        self.done += 1
        formulas = {cnn.SGD: self.sgd, cnn.RMSprop: self.rmsprop, cnn.Adadelta: self.adadelta, cnn.Lion: self.lion}
        step, size = formulas.get(self.kind, self.adam)(g)
        self.p = self.p - self.rate * step
        self.size = np.maximum(self.size, np.abs(self.p) + size)

    def sgd(self, g):
        mu = self.rule.get("momentum", 0)
        self.first = mu * self.first + g
        step = g + mu * self.first if self.rule.get("nesterov") else self.first
        return step, np.abs(step) + np.abs(self.first)

    def adam(self, g):
        beta1, beta2 = self.rule.get("beta1", 0.9), self.rule.get("beta2", 0.999)
        self.first = beta1 * self.first + (1 - beta1) * g
        self.second = beta2 * self.second + (1 - beta2) * g**2
        self.terms = beta1 * self.terms + (1 - beta1) * np.abs(g)  # of which the moment is the difference
        root = np.sqrt(self.second / (1 - beta2**self.done)) + self.rule.get("epsilon", 1e-8)
        unbias = 1 / (1 - beta1**self.done)
        return unbias * self.first / root, unbias * self.terms / root

    def rmsprop(self, g):
        alpha = self.rule.get("alpha", 0.99)
        self.second = alpha * self.second + (1 - alpha) * g**2
        direction = g / (np.sqrt(self.second) + self.rule.get("epsilon", 1e-8))
        self.first = self.rule.get("momentum", 0) * self.first + direction
        return self.first, np.abs(self.first) + np.abs(direction)

    def adadelta(self, g):
        rho, epsilon = self.rule.get("rho", 0.9), self.rule.get("epsilon", 1e-6)
        self.first = rho * self.first + (1 - rho) * g**2
        step = np.sqrt(self.second + epsilon) / np.sqrt(self.first + epsilon) * g
        self.second = rho * self.second + (1 - rho) * step**2
        return step, np.abs(step)

    def lion(self, g):
        beta1, beta2 = self.rule.get("beta1", 0.9), self.rule.get("beta2", 0.99)
        step = np.sign(beta1 * self.first + (1 - beta1) * g)
        self.first = beta2 * self.first + (1 - beta2) * g
        return step, np.abs(step)


# ---- the rules ---------------------------------------------------------------------------------------------


@EVERY_RULE
def test_steps_follow_the_formula(level, dtype, kind, rule):
    rng = np.random.default_rng(0)
    parameters = rng.standard_normal(50).astype(dtype)
    formula = Formula(kind, rule, LEARNING_RATE, parameters)
    optimizer = kind(LEARNING_RATE, **rule)
    for gradient in rng.standard_normal((UPDATES, 50)).astype(dtype):
        kept = gradient.copy()
        optimizer.step(parameters, gradient)
        assert np.array_equal(gradient, kept)
        formula.step(gradient)
    assert parameters.dtype == dtype
    assert optimizer.done == UPDATES
    # At most fifteen roundings an update, of numbers no larger than `size`; an error of a velocity or moment is added
    # up by the updates after it.
    tolerance = 15 * UPDATES**2 * np.finfo(dtype).eps * formula.size
    assert (np.abs(parameters - formula.p) <= tolerance).all()


@pytest.mark.parametrize("kind", [cnn.AdamW, cnn.Lion])
def test_decoupled_decay_is_the_same_share_whatever_the_gradient(level, dtype, kind):
    # Of a parameter whose gradient has always been zero, nothing else is taken.
    parameters = np.array([1, -8, 0.5, 0, 3], dtype)
    exact, schedule = parameters.astype(np.float64), cnn.schedules.Cosine(0.5)
    optimizer = kind(schedule, weight_decay=0.25)
    optimizer.start(4)
    for done in (0, 1 / 4, 1 / 2, 3 / 4):
        optimizer.step(parameters, np.zeros(5, dtype))
        exact *= 1 - schedule.at(done) * 0.25
    # Two roundings a step, of the factor and of the product.
    np.testing.assert_allclose(parameters, exact, rtol=8 * np.finfo(dtype).eps)


def test_a_step_of_lion_is_as_long_as_the_rate_and_nan_stays(level, dtype):
    parameters = np.array([1, 1, 1, 1, 1], dtype)
    cnn.Lion(0.25).step(parameters, np.array([1e-30, -1e30, 0, -0.0, np.nan], dtype))
    np.testing.assert_array_equal(parameters, np.array([0.75, 1.25, 1, 1, np.nan], dtype), strict=True)


def test_decoupled_decay_by_zero_is_adam(level, dtype):
    rng = np.random.default_rng(0)
    ours, theirs = (np.ones(20, dtype) for _ in range(2))
    one, other = cnn.AdamW(0.1, weight_decay=0), cnn.Adam(0.1)
    for gradient in rng.standard_normal((5, 20)).astype(dtype):
        one.step(ours, gradient)
        other.step(theirs, gradient)
    assert ours.tobytes() == theirs.tobytes()


def pooled(dtype="float64", backend="compiled", seed=0):
    """A net with weights and biases of every fused operation."""
    layers = [
        cnn.Conv2D(3, 3), cnn.ReLU(), cnn.MaxPool2D(2), cnn.Conv2D(5, 2), cnn.MaxPool2D(2),
        cnn.Flatten(), cnn.Dense(7), cnn.ReLU(), cnn.Dense(4),
    ]  # fmt: skip
    return cnn.Sequential(layers, (8, 9, 1), dtype=dtype, seed=seed, backend=backend)


def data(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, 8, 9, 1)), rng.integers(0, 4, n)


def fitted(net, optimizer, n=24, epochs=2) -> np.ndarray:
    """The parameters after steps on eight images each."""
    net.fit(*data(n), epochs, batch_size=8, optimizer=optimizer, shuffle=False, progress=False)
    return net.executor.learned.parameters.copy()


@pytest.fixture
def backend(implementation):
    return "numpy" if implementation == "reference" else "compiled"


@EVERY_RULE
def test_a_fit_takes_the_optimizers_steps(backend, kind, rule):
    optimizer = kind(0.05, **rule)
    trained = fitted(pooled(backend=backend), optimizer)
    assert optimizer.done == 6
    x, y = data(24)
    by_hand = pooled(backend=backend)
    formula = Formula(kind, rule, 0.05, by_hand.executor.learned.parameters)
    for first in (0, 8, 16) * 2:
        by_hand.executor.learned.parameters[...] = formula.p
        by_hand.train_on_batch(x[first : first + 8], y[first : first + 8], cnn.SGD(1.0))
        formula.step(formula.p - by_hand.executor.learned.parameters)
    # The gradients are differences here, right to eps of the parameters, and Adam divides by their size, here above
    # 1e-5 but for those that are 0, Adadelta by the root of epsilon at least; six steps enlarge that less than 1000
    # times. Lion takes their sign, and none is so small as to change it.
    smallest = {cnn.SGD: 1, cnn.Lion: 1, cnn.Adadelta: 1e-3}.get(kind, max(1e-5, rule.get("epsilon", 0)))
    tolerance = 1000 * np.finfo(float).eps * np.abs(trained).max() / smallest
    np.testing.assert_allclose(trained, formula.p, rtol=0, atol=tolerance)
    assert np.abs(trained - pooled().executor.learned.parameters).max() > 1e6 * tolerance


# ---- what is kept from step to step ------------------------------------------------------------------------


def test_every_fit_begins_without_velocity_or_moments(backend):
    for make in WITH_STATES:
        nets, one = [pooled(backend=backend) for _ in range(2)], make()
        for optimizers, net in zip(([one, one], [make(), make()]), nets, strict=True):
            for optimizer in optimizers:
                last = fitted(net, optimizer)
                assert optimizer.done == 6
        assert np.array_equal(nets[0].executor.learned.parameters, last)


@pytest.mark.parametrize("make", WITH_STATES)
def test_the_fit_of_another_net_begins_without_them_too(backend, make):
    optimizer, x, y = make(), *data(8)
    one, other, alone = (pooled(backend=backend) for _ in range(3))
    one.train_on_batch(x, y, optimizer)
    other.fit(x, y, optimizer=optimizer, seed=0, progress=False)
    assert optimizer.done == 1
    alone.fit(x, y, optimizer=make(), seed=0, progress=False)
    assert np.array_equal(other.executor.learned.parameters, alone.executor.learned.parameters)


@pytest.mark.parametrize("make", WITH_STATES)
def test_two_nets_cannot_take_turns_with_them(backend, make):
    optimizer, x, y = make(), *data(8)
    one, other = (pooled(backend=backend) for _ in range(2))
    one.train_on_batch(x, y, optimizer)
    before = other.executor.learned.parameters.copy()
    with pytest.raises(ValueError, match=r"^optimizer holds the velocities or moments of another net"):
        other.train_on_batch(x, y, optimizer)
    assert np.array_equal(other.executor.learned.parameters, before)
    one.train_on_batch(x, y, optimizer)
    assert optimizer.done == 2


def test_velocity_and_moments_count_also_batch_by_batch(backend):
    # Steps on one batch point one way. With a momentum of 0.9 they are 1 + 1.9 + 2.71 long, without 3. Those of Adam
    # are all about a rate long, as they would not be if its counts began anew, or its moments.
    x, y = data(8)
    lengths = {}
    for name, optimizer in (
        ("sgd", cnn.SGD(0.001)),
        ("momentum", cnn.SGD(0.001, momentum=0.9)),
        ("adam", cnn.Adam(0.0001)),
    ):
        net = pooled(backend=backend)
        for _ in range(3):
            net.train_on_batch(x, y, optimizer)
        assert optimizer.done == 3
        lengths[name] = np.abs(net.executor.learned.parameters - pooled().executor.learned.parameters).sum()
    assert lengths["momentum"] > 1.5 * lengths["sgd"]
    changed = np.count_nonzero(net.executor.learned.parameters != pooled().executor.learned.parameters)
    assert 0.5 * 3 * 0.0001 * changed < lengths["adam"] < 1.1 * 3 * 0.0001 * changed


def test_only_what_a_rule_needs_is_kept():
    parameters = pooled("float32").executor.learned.parameters
    for optimizer, count in (
        (cnn.SGD(0.1), 0),
        (cnn.SGD(0.1, momentum=0.9), 1),
        (cnn.Adam(), 2),
        (cnn.AdamW(), 2),
        (cnn.RMSprop(), 1),
        (cnn.Adadelta(), 2),
        (cnn.Lion(), 1),
    ):
        arrays = optimizer.arrays(parameters)
        assert len(arrays) == count
        assert all(state.shape == parameters.shape and state.dtype == np.float32 for state in arrays)
        assert not any(state.any() for state in arrays)
        optimizer.step(parameters, np.ones_like(parameters))
        assert all(state.all() for state in arrays)
        assert all(one is other for one, other in zip(arrays, optimizer.arrays(parameters), strict=True))


@pytest.mark.parametrize(("make", "count"), [(lambda: cnn.SGD(0.1, momentum=0.9), 1), (cnn.Adam, 2)])
def test_too_few_or_too_many_of_them_are_not_restored(make, count):
    parameters, optimizer = np.zeros(3), make()
    for given in (count - 1, count + 1):
        with pytest.raises(ValueError, match=f"^optimizer must have {count} arrays .*, got {given}$"):
            optimizer.restore(parameters, [np.ones(3)] * given, done=7)
        assert not any(array.any() for array in optimizer.arrays(parameters))
        assert optimizer.done == 0
    optimizer.restore(parameters, [np.ones(3)] * count, done=7)
    assert all(array.all() for array in optimizer.arrays(parameters))
    assert optimizer.done == 7


def test_a_batch_whose_loss_is_no_number_counts_for_nothing(backend):
    x, y = data(8)
    nets = [pooled(backend=backend) for _ in range(2)]
    optimizers = [cnn.Adam(), cnn.Adam()]
    for net, optimizer in zip(nets, optimizers, strict=True):
        net.train_on_batch(x, y, optimizer)
    with pytest.raises(FloatingPointError):
        nets[0].train_on_batch(x * np.nan, y, optimizers[0])
    for net, optimizer in zip(nets, optimizers, strict=True):
        net.train_on_batch(x, y, optimizer)
        assert optimizer.done == 2
    assert np.array_equal(nets[0].executor.learned.parameters, nets[1].executor.learned.parameters)


@EVERY_KIND
def test_the_step_scalars_of_the_next_steps_are_those_that_come_one_by_one(kind):
    optimizer = kind(cnn.schedules.Cosine(0.1))
    optimizer.start(4)
    ahead = optimizer.step_scalars(optimizer.rates(4))
    for i in range(4):
        single = optimizer.step_scalars(optimizer.rates(1))
        assert (ahead.shape, single.shape, ahead.dtype) == ((4, 3), (1, 3), np.float64)
        assert np.array_equal(ahead[i], single[0])
        optimizer.done += 1


def test_without_an_optimizer_it_is_sgd_of_a_tenth(backend):
    trained = [fitted(pooled(backend=backend), optimizer) for optimizer in (None, cnn.SGD(0.1))]
    assert np.array_equal(*trained)


# ---- what is refused ---------------------------------------------------------------------------------------

NUMBERS = [(cnn.SGD, name) for name in ("learning_rate", "momentum", "weight_decay")] + [
    (kind, name)
    for kind in (cnn.Adam, cnn.AdamW)
    for name in ("learning_rate", "beta1", "beta2", "epsilon", "weight_decay")
]
NUMBERS += [(cnn.Adadelta, name) for name in ("learning_rate", "rho", "epsilon", "weight_decay")]
NUMBERS += [(cnn.Lion, name) for name in ("learning_rate", "beta1", "beta2", "weight_decay")]


@pytest.mark.parametrize("bad", [-0.1, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(("kind", "name"), NUMBERS)
def test_a_number_that_is_negative_or_none_is_a_value_error(kind, name, bad):
    with pytest.raises(ValueError, match=f"^{name} must be finite"):
        kind(**({"learning_rate": 0.1} | {name: bad}))


@pytest.mark.parametrize("bad", [None, "fast", [0.1, 0.2], 1j])
@pytest.mark.parametrize(("kind", "name"), NUMBERS)
def test_a_number_of_another_type_is_a_type_error(kind, name, bad):
    with pytest.raises(TypeError, match=f"^{name} must be a number"):
        kind(**({"learning_rate": 0.1} | {name: bad}))


def test_a_momentum_above_1_or_nesterov_without_one_is_a_value_error():
    with pytest.raises(ValueError, match=r"momentum must be finite and between 0 and 1, got 1\.5"):
        cnn.SGD(0.1, momentum=1.5)
    with pytest.raises(ValueError, match="nesterov needs a momentum"):
        cnn.SGD(0.1, nesterov=True)


@pytest.mark.parametrize("kind", [cnn.Adam, cnn.AdamW])
@pytest.mark.parametrize("options", [{"beta1": 1}, {"beta2": 1.0}, {"beta2": 2}, {"epsilon": 0}])
def test_moments_that_never_fade_or_a_division_by_zero_are_a_value_error(kind, options):
    with pytest.raises(ValueError, match=f"^{next(iter(options))} must be finite"):
        kind(**options)
