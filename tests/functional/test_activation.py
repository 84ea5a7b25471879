"""Activations: those that select or scale elements have no rounding to allow for, the others a few last digits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ..derivatives import numerical_gradient
from .cases import normal


@pytest.mark.parametrize("shape", [(1,), (0,), (5, 3), (2, 3, 4, 5), (1000,), (3, 0, 2)])
def test_relu_keeps_what_is_positive_and_passes_its_gradient_only(ops, dtype, shape):
    rng = np.random.default_rng(5)
    x, dy = normal(rng, shape, dtype), normal(rng, shape, dtype)
    x.flat[::7] = 0
    y = ops.relu_forward(x)
    np.testing.assert_array_equal(y, np.where(x > 0, x, 0), strict=True)
    np.testing.assert_array_equal(ops.relu_backward(dy, y), np.where(x > 0, dy, 0), strict=True)


def test_relu_gradient_is_finite_differences(ops):
    x = np.array([-3.0, -1.0, -0.5, 0.5, 1.0, 4.0])
    dy = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    expected = numerical_gradient(lambda: (dy * ops.relu_forward(x)).sum(), x, 0.25)
    assert np.array_equal(ops.relu_backward(dy, ops.relu_forward(x)), expected)


def test_relu_keeps_nan_and_gives_it_no_gradient(ops, dtype):
    y = ops.relu_forward(np.array([np.nan, np.inf, -np.inf, -0.0], dtype))
    assert np.array_equal(y, np.array([np.nan, np.inf, 0, 0]), equal_nan=True)
    assert ops.relu_backward(np.ones(4, dtype), y).tolist() == [0, 1, 0, 0]


def test_gelu_keeps_its_digits_in_both_tails(ops, dtype):
    x = np.linspace(-12, 12, 4801).astype(dtype)
    exact = np.array([value * math.erfc(-value * math.sqrt(0.5)) / 2 for value in x.astype(np.float64).tolist()])
    # Beside what the kernel is off by, erfc's own argument is rounded, which counts x ** 2 times.
    allowed = 7 * np.finfo(dtype).eps + (1 + x.astype(np.float64) ** 2) * np.finfo(float).eps
    assert (np.abs(ops.gelu_forward(x) - exact) <= allowed * np.abs(exact)).all()


def test_softplus_and_silu_keep_their_digits_in_both_tails(ops, dtype):
    x = np.linspace(-80, 80, 4801).astype(dtype)
    wide = x.astype(np.float64)
    allowed = 6 * float(np.finfo(dtype).eps)
    assert ops.softplus_forward(x) == pytest.approx(np.logaddexp(wide, 0), rel=allowed)
    assert ops.silu_forward(x) == pytest.approx(wide / (1 + np.exp(-wide)), rel=allowed)
    small = np.exp(-np.abs(wide))
    assert ops.softplus_backward(np.ones_like(x), x) == pytest.approx(
        np.where(x < 0, small, 1) / (1 + small), rel=allowed
    )


@pytest.mark.parametrize("name", ["gelu", "silu", "softplus"])
def test_what_is_not_finite_is_taken_as_by_torch(ops, dtype, name):
    torch = pytest.importorskip("torch")
    largest = float(np.finfo(dtype).max)
    x = np.array([np.nan, np.inf, -np.inf, largest, -largest, -0.0, 0.0], dtype)
    xt = torch.tensor(x, requires_grad=True)
    yt = getattr(torch.nn.functional, name)(xt)
    yt.sum().backward()
    tolerance = 2 * float(np.finfo(dtype).eps)
    y = getattr(ops, f"{name}_forward")(x)
    dx = getattr(ops, f"{name}_backward")(np.ones_like(x), x)
    assert y == pytest.approx(yt.detach().numpy(), rel=tolerance, nan_ok=True)
    assert dx == pytest.approx(xt.grad.numpy(), rel=tolerance, nan_ok=True)


@pytest.mark.parametrize("length", [0, 1, 3, 7, 8, 9, 31, 33, 64])
@pytest.mark.parametrize("name", ["gelu", "silu", "softplus"])
def test_an_element_is_the_same_bits_wherever_it_stands(ops, dtype, name, length):
    rng = np.random.default_rng(length)
    x, dy = normal(rng, (length,), dtype), normal(rng, (length,), dtype)
    forward, backward = getattr(ops, f"{name}_forward"), getattr(ops, f"{name}_backward")
    alone = [forward(x[i : i + 1])[0] for i in range(length)]
    np.testing.assert_array_equal(forward(x), np.array(alone, dtype), strict=True)
    alone = [backward(dy[i : i + 1], x[i : i + 1])[0] for i in range(length)]
    np.testing.assert_array_equal(backward(dy, x), np.array(alone, dtype), strict=True)


@pytest.mark.parametrize(
    ("name", "shapes", "message"),
    [
        ("relu_backward", [(3, 4), (4, 3)], r"dy must .*\(4, 3\) .*\(3, 4\)"),
        ("relu_backward", [(12,), (4, 3)], r"dy must .*\(4, 3\) .*\(12,\)"),
    ],
)
def test_shapes_that_do_not_fit_are_a_value_error_naming_both(checked_ops, name, shapes, message):
    with pytest.raises(ValueError, match=message):
        getattr(checked_ops, name)(*(np.zeros(shape) for shape in shapes))
