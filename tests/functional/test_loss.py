"""Softmax and cross-entropy, compared with the formula in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ..derivatives import numerical_gradient
from .cases import arguments_of, assert_same_bits, normal, results

# ---- values ------------------------------------------------------------------------------------------------


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32), st.sampled_from([1e-3, 1.0, 30.0, 1e4]))
def test_softmax_cross_entropy_equals_the_formula_in_float64(ops, dtype, n, classes, seed, scale):
    rng = np.random.default_rng(seed)
    logits, labels = normal(rng, (n, classes), dtype) * dtype.type(scale), rng.integers(0, classes, n)
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    p = np.exp(shifted)
    p /= p.sum(axis=1, keepdims=True)
    one_hot = np.eye(classes)[labels]
    loss, probabilities, dlogits = ops.softmax_cross_entropy(logits, labels)
    # exp(z) of a rounded z is off by |z| * eps of itself; the sum and the quotient add their rounding, and
    # the exponential itself may be off by two units in the last place.
    relative = (classes + 6 + abs(shifted)) * np.finfo(dtype).eps
    bound = p * (relative + (p * relative).sum(axis=1, keepdims=True)) + np.finfo(dtype).tiny
    assert (abs(probabilities - p) <= bound).all()
    assert (abs(dlogits - (p - one_hot) / n) <= (bound + 2 * np.finfo(dtype).eps) / n).all()
    losses = -(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))[np.arange(n), labels]
    assert isinstance(loss, float)
    assert abs(loss - losses.mean()) <= ((classes + n + 6) * np.finfo(dtype).eps * (1 + losses)).mean()
    assert probabilities.dtype == dlogits.dtype == dtype
    assert_same_bits(ops.softmax(logits), probabilities)


def test_one_hot_labels_give_what_integers_give(ops, dtype):
    logits, labels = arguments_of("softmax_cross_entropy", dtype)
    expected = results(ops.softmax_cross_entropy(logits, labels))
    one_hot = np.eye(17)[labels]
    for kind in (one_hot, one_hot.astype(np.uint8), labels.astype(np.uint8), labels.tolist()):
        for one, other in zip(results(ops.softmax_cross_entropy(logits, kind)), expected, strict=True):
            assert_same_bits(one, other)


def test_cross_entropy_gradient_is_finite_differences(ops):
    rng = np.random.default_rng(9)
    logits, labels = rng.standard_normal((4, 5)), rng.integers(0, 5, 4)
    step = np.finfo(float).eps ** (1 / 3)
    expected = numerical_gradient(lambda: ops.softmax_cross_entropy(logits, labels)[0], logits, step)
    # Third derivatives are below 1, so the truncation is below step**2 / 6; the rest is rounding.
    tolerance = step**2 / 6 + 10 * 8 * np.finfo(float).eps / step
    np.testing.assert_allclose(ops.softmax_cross_entropy(logits, labels)[2], expected, rtol=0, atol=tolerance)


# ---- NaN, infinity, extreme logits -------------------------------------------------------------------------


def test_huge_logits_neither_overflow_nor_lose_the_loss(ops, dtype):
    eps = float(np.finfo(dtype).eps)
    logits = np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4]], dtype)
    loss, probabilities, dlogits = ops.softmax_cross_entropy(logits, [1, 2])
    assert loss == pytest.approx((2e4 + np.log(3)) / 2, rel=4 * eps)
    np.testing.assert_allclose(probabilities, [[1, 0, 0], [1 / 3] * 3], rtol=4 * eps)
    np.testing.assert_allclose(dlogits, [[0.5, -0.5, 0], [1 / 6, 1 / 6, -1 / 3]], rtol=8 * eps)


def test_logits_of_minus_infinity_have_no_probability(ops, dtype):
    loss, probabilities, _ = ops.softmax_cross_entropy(np.array([[-np.inf, 1, 1]], dtype), [1])
    assert loss == pytest.approx(np.log(2), rel=4 * float(np.finfo(dtype).eps))
    assert probabilities.tolist() == [[0, 0.5, 0.5]]
    assert ops.softmax_cross_entropy(np.array([[-np.inf, 1, 1]], dtype), [0])[0] == np.inf


@pytest.mark.parametrize("bad", [[np.inf, 0, 0], [0, np.nan, 0], [0, np.inf, np.inf], [-np.inf] * 3])
def test_infinite_logits_give_nan_in_their_row_alone(ops, dtype, bad):
    logits = np.array([[1, 2, 3], bad, [1, 2, 3]], dtype)
    loss, probabilities, dlogits = ops.softmax_cross_entropy(logits, [0, 0, 0])
    assert np.isnan(loss)
    for rows in (probabilities, dlogits, ops.softmax(logits)):
        assert np.isnan(rows).tolist() == [[False] * 3, [True] * 3, [False] * 3]


# ---- what is refused ---------------------------------------------------------------------------------------


def test_the_loss_of_no_images_is_a_value_error(ops, dtype):
    with pytest.raises(ValueError, match="logits must"):
        ops.softmax_cross_entropy(np.zeros((0, 10), dtype), [])


@pytest.mark.parametrize("bad", [10, -1, np.nan, 2.5, np.inf])
def test_a_bad_label_is_a_value_error_naming_its_index(checked_ops, bad):
    with pytest.raises(ValueError, match=r"labels\[2\]"):
        checked_ops.softmax_cross_entropy(np.zeros((4, 10)), [0, 9, bad, bad])


@pytest.mark.parametrize("row", [[1, 1, 0], [0, 0, 0], [0.5, 0.5, 0]])
def test_a_row_of_labels_that_is_not_one_hot_is_a_value_error_naming_its_index(checked_ops, row):
    with pytest.raises(ValueError, match=r"labels\[1\] must be one-hot"):
        checked_ops.softmax_cross_entropy(np.zeros((2, 3)), [[0, 0, 1], row])


@pytest.mark.parametrize("labels", [[0], [0, 1, 2], [[0, 1]], np.zeros((2, 4)), np.zeros((3, 3))])
def test_labels_of_another_length_are_a_value_error(checked_ops, labels):
    with pytest.raises(ValueError, match="labels must have"):
        checked_ops.softmax_cross_entropy(np.zeros((2, 3)), labels)


def test_logits_without_classes_are_a_value_error(checked_ops):
    with pytest.raises(ValueError, match=r"logits .*\(2, 0\)"):
        checked_ops.softmax(np.zeros((2, 0)))
    with pytest.raises(ValueError, match=r"logits .*\(2, 0\)"):
        checked_ops.softmax_cross_entropy(np.zeros((2, 0)), [0, 0])
