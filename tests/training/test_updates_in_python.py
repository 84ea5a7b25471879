"""Optimisers of one's own: their `update` in every step, what it keeps, what goes wrong; and clipped gradients."""

from __future__ import annotations

import numpy as np
import pytest

import cnn

from .killed_fits import bits, data, small

EITHER = pytest.mark.parametrize("backend", ["compiled", "numpy"])
pytestmark = pytest.mark.filterwarnings("ignore:the loss of epoch:RuntimeWarning")


class SignSGD(cnn.Optimizer):
    def update(self, parameters, gradients, rate):
        parameters -= rate * np.sign(gradients)


class Momentum(cnn.Optimizer):
    """As SGD's, with PyTorch's weight decay."""

    states = ("velocity",)

    def __init__(self, learning_rate, momentum=0.9, clip_norm=None):
        super().__init__(learning_rate, clip_norm=clip_norm)
        self.momentum = momentum

    def update(self, parameters, gradients, rate):
        velocity = self.state["velocity"]
        velocity *= self.momentum
        velocity += gradients
        parameters -= rate * velocity


class Decayed(cnn.SGD):
    """Weight decay of 0.1, which changes the gradient and leaves the step to the parent."""

    def update(self, parameters, gradients, rate):
        gradients += 0.1 * parameters
        super().update(parameters, gradients, rate)


class Recorded(cnn.Optimizer):
    def __init__(self, learning_rate, clip_norm=None, clip_value=None):
        super().__init__(learning_rate, clip_norm=clip_norm, clip_value=clip_value)
        self.seen = []

    def update(self, parameters, gradients, rate):
        self.seen.append((self.done, rate, gradients.copy()))
        parameters -= rate * gradients


def fitted(net, optimizer, **options):
    options = {"epochs": 4, "batch_size": 8, "seed": 5} | options
    net.fit(*data(), optimizer=optimizer, progress=False, **options)
    return net


def assert_close(one, other):
    """To the rounding of sixteen steps, of sums of fewer than 1000 numbers of order 1."""
    tolerance = 16 * 1000 * float(np.finfo(one.dtype).eps)
    for a, b in zip(one.state().values(), other.state().values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@EITHER
@pytest.mark.parametrize("batch_size", [1, 8])
def test_the_sign_of_the_gradient_is_a_lion_that_forgets(backend, dtype, batch_size):
    nets = [
        fitted(small(dtype, backend), optimizer, epochs=1, batch_size=batch_size)
        for optimizer in (SignSGD(2.0**-10), cnn.Lion(2.0**-10, 0.0, 0.0))
    ]
    assert bits(nets[0]) == bits(nets[1])


@EITHER
@pytest.mark.parametrize("batch_size", [1, 8])
@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (lambda: Momentum(0.05), lambda: cnn.SGD(0.05, 0.9)),
        (lambda: Momentum(0.05, clip_norm=0.1), lambda: cnn.SGD(0.05, 0.9, clip_norm=0.1)),
        (lambda: Decayed(0.05, 0.9), lambda: cnn.SGD(0.05, 0.9, weight_decay=0.1)),
        (lambda: Decayed(cnn.schedules.Cosine(0.05)), lambda: cnn.SGD(cnn.schedules.Cosine(0.05), weight_decay=0.1)),
    ],
)
def test_a_rule_of_ones_own_is_the_packages(backend, batch_size, mine, theirs):
    nets = [fitted(small("float64", backend), each(), batch_size=batch_size, epochs=2) for each in (mine, theirs)]
    assert_close(*nets)


OURS = {
    "SGD": (cnn.SGD, (0.05,)),
    "momentum": (cnn.SGD, (0.05, 0.9, True, 0.01)),
    "Adam": (cnn.Adam, (cnn.schedules.OneCycle(0.01),)),
    "AdamW": (cnn.AdamW, (0.01,)),
    "RMSprop": (cnn.RMSprop, (0.001,)),
    "RMSprop with momentum": (cnn.RMSprop, (0.001, 0.9, 0.5)),
    "Adadelta": (cnn.Adadelta, (1.0,)),
    "Lion": (cnn.Lion, (1e-3, 0.9, 0.99, 0.1)),
}
EVERY = pytest.mark.parametrize("name", OURS)


def test_every_optimiser_of_the_package_is_here():
    kinds = {kind for kind, _ in OURS.values()}
    assert kinds == {getattr(cnn, name) for name in cnn.training.optimizers.__all__}


@EVERY
@EITHER
def test_an_update_that_leaves_all_to_its_parent_is_the_step_without_it(backend, dtype, name):
    kind, arguments = OURS[name]

    class Mine(kind):
        def update(self, parameters, gradients, rate):
            super().update(parameters, gradients, rate)

    if backend == "compiled":
        nets = [fitted(deep_net(backend, dtype), each(*arguments)) for each in (kind, Mine)]
        assert bits(nets[0]) == bits(nets[1])
    else:  # the parent's update is a compiled one; without a normalisation no gradient is rounding alone
        nets = [fitted(small("float64", backend), each(*arguments)) for each in (kind, Mine)]
        assert_close(*nets)


def deep_net(backend, dtype="float32"):
    """With normalisations, residual blocks and layers in Python, for the images of `data`."""
    layers = [
        cnn.Rescaling(1 / 255, -0.5), cnn.Conv2D(3, 3), cnn.BatchNorm(), cnn.ReLU(), cnn.MaxPool2D(2),
        cnn.Residual([cnn.Conv2D(3, 1)]), cnn.Flatten(), cnn.Dense(5), cnn.LayerNorm(), cnn.Dense(4),
    ]  # fmt: skip
    return cnn.Sequential(layers, (6, 6, 1), dtype, seed=0, backend=backend)


@EVERY
@EITHER
@pytest.mark.parametrize("batch_size", [1, 8])
@pytest.mark.parametrize("limit", ["clip_norm", "clip_value"])
def test_a_limit_that_no_gradient_reaches_changes_no_bit(backend, name, batch_size, limit):
    kind, arguments = OURS[name]
    nets = [deep_net(backend) for _ in range(2)]
    for net, options in zip(nets, ({}, {limit: 1e30}), strict=True):
        net.layers[1].trainable = False
        fitted(net, kind(*arguments, **options), batch_size=batch_size, epochs=2)
    assert bits(nets[0]) == bits(nets[1])


@EITHER
@pytest.mark.parametrize("limits", [{"clip_norm": 0.05}, {"clip_norm": 9.0}, {"clip_value": 0.01}], ids=str)
def test_gradients_are_clipped_as_by_pytorch(backend, dtype, limits):
    torch = pytest.importorskip("torch")
    plain, clipped = Recorded(0.0), Recorded(0.0, **limits)
    for optimizer in (plain, clipped):
        fitted(deep_net(backend, dtype), optimizer, epochs=1)
    for (_, _, g), (_, _, actual) in zip(plain.seen, clipped.seen, strict=True):
        tensor = torch.zeros(g.size, dtype=torch.float64, requires_grad=True)
        tensor.grad = torch.tensor(g.astype(np.float64))
        if "clip_norm" in limits:
            torch.nn.utils.clip_grad_norm_([tensor], limits["clip_norm"])
        else:
            torch.nn.utils.clip_grad_value_([tensor], limits["clip_value"])
        # Squares of all parameters are added up in the net's precision.
        tolerance = g.size * float(np.finfo(dtype).eps)
        np.testing.assert_allclose(actual, tensor.grad.numpy(), rtol=tolerance, atol=0)


@EVERY
@EITHER
@pytest.mark.parametrize("limits", [{"clip_norm": 0.05}, {"clip_value": 0.01}], ids=str)
def test_every_optimiser_steps_by_the_clipped_gradient(backend, name, limits):
    kind, arguments = OURS[name]
    recorded, step = Recorded(0.0, **limits), kind(*arguments)
    net = fitted(small("float64", backend), recorded, epochs=1, batch_size=30)
    expected = net.executor.learned.parameters.copy()
    step.start(1)
    step.step(expected, recorded.seen[0][2].copy())
    fitted(net, kind(*arguments, **limits), epochs=1, batch_size=30)
    np.testing.assert_allclose(net.executor.learned.parameters, expected, rtol=1e-13, atol=1e-15)
