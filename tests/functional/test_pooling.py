"""Maximum and mean over windows, and their gradients, compared with the comparisons and means written out."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cnn.backends import geometry

from ..derivatives import numerical_gradient
from .cases import (
    CHANNELS,
    arguments_of,
    assert_rounded,
    assert_same_bits,
    leave_nan_in_freed_memory,
    normal,
)

# ---- maximum -----------------------------------------------------------------------------------------------


@st.composite
def poolings(draw):
    """Input shape, pool size, stride and padding of a legal pooling."""
    kh, kw = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    stride = draw(st.none() | st.integers(1, 4) | st.tuples(st.integers(1, 4), st.integers(1, 9)))
    ph, pw = draw(st.integers(0, kh // 2)), draw(st.integers(0, kw // 2))
    h = draw(st.integers(max(1, kh - 2 * ph), 9))
    w = draw(st.integers(max(1, kw - 2 * pw), 9))
    return (h, w, draw(st.sampled_from(CHANNELS))), (kh, kw), stride, (ph, pw)


def maxpool2d_by_loops(x, g):
    """Maxima, switches, and for each output the list of the positions that tie for its maximum."""
    shape = (len(x), *g.output_shape)
    y, switches, ties = np.empty(shape, x.dtype), np.empty(shape, int), {}
    for n, i, j, c in np.ndindex(shape):
        best, ties[n, i, j, c] = None, []
        for u, v in itertools.product(range(g.kh), range(g.kw)):
            row, column = i * g.sh + u - g.ph, j * g.sw + v - g.pw
            if not (0 <= row < g.h and 0 <= column < g.w):
                continue
            value = x[n, row, column, c]
            if best is None or value > best or (np.isnan(value) and not np.isnan(best)):
                best, switches[n, i, j, c], ties[n, i, j, c] = value, u * g.kw + v, []
            if value == best:
                ties[n, i, j, c].append((n, row, column, c))
        y[n, i, j, c] = best
    return y, switches, ties


def pooling_input(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Few different values, so that many tie, and all the special ones."""
    values, probabilities = [-np.inf, -1, -0.0, 0.0, 1, np.inf, np.nan], [0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1]
    return rng.choice(values, shape, p=probabilities).astype(dtype)


@given(poolings(), st.integers(0, 3), st.integers(0, 2**32))
def test_any_pooling_equals_the_comparisons_written_out(ops, dtype, pooling, n, seed):
    input_shape, *options = pooling
    g = geometry.pool2d(input_shape, *options)
    x = pooling_input(np.random.default_rng(seed), (n, *input_shape), dtype)
    y, switches, _ = maxpool2d_by_loops(x, g)
    actual, actual_switches = ops.maxpool2d_forward(x, *options)
    assert actual.dtype == dtype
    assert np.array_equal(actual, y, equal_nan=True)
    assert actual_switches.dtype == np.int32
    assert np.array_equal(actual_switches, switches)


@given(poolings(), st.integers(0, 3), st.integers(0, 2**32))
@example(((6, 6, 1), (3, 3), 3, (1, 1)), 1, 0)
@example(((6, 7, 9), (1, 2), 3, (0, 1)), 2, 0)
@example(((5, 5, 3), (2, 2), 2, (0, 0)), 2, 0)
def test_the_gradient_of_any_pooling_goes_to_the_winner_or_to_every_maximum(ops, dtype, pooling, n, seed):
    rng = np.random.default_rng(seed)
    input_shape, *options = pooling
    g = geometry.pool2d(input_shape, *options)
    x = pooling_input(rng, (n, *input_shape), dtype)
    y, switches, ties = maxpool2d_by_loops(x, g)
    dy = rng.integers(-9, 9, y.shape).astype(dtype)  # small integers: sums are exact in any order
    first, every = np.zeros_like(x), np.zeros_like(x)
    for at, tied in ties.items():
        n_, i, j, c = at
        u, v = divmod(int(switches[at]), g.kw)
        first[n_, i * g.sh + u - g.ph, j * g.sw + v - g.pw, c] += dy[at]
        for position in tied:
            every[position] += dy[at]
    assert_equal = np.testing.assert_array_equal
    leave_nan_in_freed_memory(x.shape, dtype=dtype)
    assert_equal(ops.maxpool2d_backward(dy, switches.astype(np.int32), x.shape, *options), first, strict=True)
    assert_equal(ops.maxpool2d_backward_ties(dy, x, y, *options), every, strict=True)


def test_the_first_maximum_takes_a_tied_gradient(ops, dtype):
    x = np.array([[0, 5, 5], [5, 5, 0], [1, 1, 1]], dtype)[None, :, :, None]
    y, switches = ops.maxpool2d_forward(x, 3)
    assert (y.item(), switches.item()) == (5, 1)
    dx = ops.maxpool2d_backward(np.ones_like(y), switches, x.shape, 3)
    assert dx[0, :, :, 0].tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]


def test_every_maximum_takes_a_tied_gradient_by_the_tutorials_rule(ops, dtype):
    x = np.array([[0, 5, 5], [5, 5, 0], [1, 1, 1]], dtype)[None, :, :, None]
    y, _ = ops.maxpool2d_forward(x, 3)
    dx = ops.maxpool2d_backward_ties(np.full_like(y, 7), x, y, 3)
    assert dx[0, :, :, 0].tolist() == [[0, 7, 7], [7, 7, 0], [0, 0, 0]]


def test_where_pool_windows_overlap_a_winner_takes_the_sum(ops, dtype):
    x = np.zeros((1, 3, 3, 1), dtype)
    x[0, 1, 1] = 1
    y, switches = ops.maxpool2d_forward(x, 2, 1)
    assert switches.ravel().tolist() == [3, 2, 1, 0]
    dy = np.array([1, 2, 4, 8], dtype).reshape(y.shape)
    for dx in (
        ops.maxpool2d_backward(dy, switches, x.shape, 2, 1),
        ops.maxpool2d_backward_ties(dy, x, y, 2, 1),
    ):
        assert dx[0, 1, 1, 0] == dx.sum() == 15


def test_pooling_is_right_at_every_number_of_channels(ops, dtype):
    rng = np.random.default_rng(3)
    for channels in range(1, 36):
        x = normal(rng, (2, 5, 4, channels), dtype)
        blocks = x[:, :4].reshape(2, 2, 2, 2, 2, channels)
        y, switches = ops.maxpool2d_forward(x, 2)
        assert np.array_equal(y, blocks.max(axis=(2, 4)))
        dx = ops.maxpool2d_backward(y, switches, x.shape, 2)
        winners = np.where(blocks == y[:, :, None, :, None], blocks, 0).reshape(2, 4, 4, channels)
        assert np.array_equal(dx[:, :4], winners)
        assert not dx[:, 4:].any()
        assert np.array_equal(dx, ops.maxpool2d_backward_ties(y, x, y, 2))


@pytest.mark.parametrize("options", [(2,), (3, 2, 1), ((2, 3), 1, (1, 0))])
def test_pooling_gradients_are_finite_differences(ops, options):
    rng = np.random.default_rng(8)
    x = rng.permutation(2.0 * np.arange(90)).reshape(1, 5, 6, 3)  # no ties, and none within a step of 1/4
    y, switches = ops.maxpool2d_forward(x, *options)
    dy = rng.integers(-9, 9, y.shape).astype(float)
    expected = numerical_gradient(lambda: (dy * ops.maxpool2d_forward(x, *options)[0]).sum(), x, 0.25)
    assert np.array_equal(ops.maxpool2d_backward(dy, switches, x.shape, *options), expected)
    assert np.array_equal(ops.maxpool2d_backward_ties(dy, x, y, *options), expected)


@pytest.mark.parametrize("channels", CHANNELS)
def test_nan_in_a_pool_window_wins_and_the_first_one_takes_the_gradient(ops, dtype, channels):
    x = np.zeros((1, 4, 4, channels), dtype)
    x[0, 0, 0], x[0, 0, 1], x[0, 1, 0] = np.inf, np.nan, np.nan
    y, switches = ops.maxpool2d_forward(x, 2)
    assert np.isnan(y[0, 0, 0]).all()
    assert (switches[0, 0, 0] == 1).all()
    assert not np.isnan(y.reshape(4, channels)[1:]).any()
    dx = ops.maxpool2d_backward(np.ones_like(y), switches, x.shape, 2)
    assert (dx[0, :2, :2] == np.array([[0, 1], [0, 0]])[:, :, None]).all()


@pytest.mark.parametrize(("padding", "expected"), [(0, [0, 0, 0, 0]), (1, [4, 3, 1, 0])])
def test_in_a_window_of_minus_infinity_the_first_element_of_the_image_wins(ops, dtype, padding, expected):
    x = np.full((1, 6 - 2 * padding, 6 - 2 * padding, 1), -np.inf, dtype)
    y, switches = ops.maxpool2d_forward(x, 3, None, padding)
    assert (y == -np.inf).all()
    assert switches.ravel().tolist() == expected
    ties = ops.maxpool2d_backward_ties(np.ones_like(y), x, y, 3, None, padding)
    assert (ties == 1).all()


# ---- switches ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [-1, 6])
def test_a_switch_outside_of_its_map_is_a_value_error(ops, dtype, bad):
    with pytest.raises(ValueError, match=rf"switches must be from 0 to 5, got .*{bad}"):
        ops.global_maxpool2d_backward(np.zeros((1, 2), dtype), np.array([[0, bad]]), (1, 2, 3, 2))


@pytest.mark.parametrize(("bad", "at"), [(4, 0), (-1, 0), (2**31 - 1, 3), (-(2**31), 5)])
def test_a_switch_outside_of_its_window_is_a_value_error(ops, dtype, bad, at):
    x = np.zeros((1, 4, 4, 2), dtype)
    y, switches = ops.maxpool2d_forward(x, 2)
    switches.flat[at] = bad
    with pytest.raises(ValueError, match="switches"):
        ops.maxpool2d_backward(y, switches, x.shape, 2)


def test_a_switch_that_points_into_the_padding_passes_nothing_on(ops, dtype):
    dy, switches = np.ones((1, 3, 3, 1), dtype), np.zeros((1, 3, 3, 1), np.int32)
    dx = ops.maxpool2d_backward(dy, switches, (1, 5, 5, 1), 3, 2, 1)
    expected = np.zeros((5, 5))
    expected[1::2, 1::2] = 1
    assert np.array_equal(dx[0, :, :, 0], expected)


@pytest.mark.parametrize("kind", ["int8", "uint8", "int64", "uint64", ">i4"])
def test_switches_of_any_integer_type(checked_ops, dtype, kind):
    dy, switches, *options = arguments_of("maxpool2d_backward", dtype)
    expected = checked_ops.maxpool2d_backward(dy, switches, *options)
    assert_same_bits(checked_ops.maxpool2d_backward(dy, switches.astype(kind), *options), expected)


def test_switches_that_are_no_integers_are_a_type_error(checked_ops, dtype):
    dy, switches, *options = arguments_of("maxpool2d_backward", dtype)
    with pytest.raises(TypeError, match="switches"):
        checked_ops.maxpool2d_backward(dy, switches.astype(float), *options)


# ---- mean --------------------------------------------------------------------------------------------------


def avgpool2d_by_loops(x, dy, g):
    """Means of the windows' elements on the image, and the gradient that shares out `dy`, in float64."""
    x, dy = x.astype(np.float64), dy.astype(np.float64)
    y, dx = np.empty(dy.shape), np.zeros(x.shape)
    for n, i, j in np.ndindex(dy.shape[:3]):
        row, column = i * g.sh - g.ph, j * g.sw - g.pw
        window = (
            n,
            slice(max(row, 0), min(row + g.kh, g.h)),
            slice(max(column, 0), min(column + g.kw, g.w)),
        )
        y[n, i, j] = x[window].mean(axis=(0, 1))
        dx[window] += dy[n, i, j] / x[window][..., 0].size
    return y, dx


@given(poolings(), st.integers(0, 3), st.integers(0, 2**32))
@example(((6, 6, 1), (3, 3), 3, (1, 1)), 1, 0)
@example(((6, 7, 9), (1, 2), 3, (0, 1)), 2, 0)
def test_any_average_pooling_is_the_mean_of_what_lies_on_the_image(ops, dtype, pooling, n, seed):
    rng = np.random.default_rng(seed)
    input_shape, *options = pooling
    g = geometry.pool2d(input_shape, *options)
    x, dy = normal(rng, (n, *input_shape), dtype), normal(rng, (n, *g.output_shape), dtype)
    y, dx = avgpool2d_by_loops(x, dy, g)
    of_magnitudes, shared_magnitudes = avgpool2d_by_loops(abs(x), abs(dy), g)
    leave_nan_in_freed_memory(x.shape, dy.shape, dtype=dtype)
    # Beside the sum there are two roundings: of one over the number of elements, and of the product with it.
    window = g.kh * g.kw
    assert_rounded(ops.avgpool2d_forward(x, *options), y, window + 2, of_magnitudes, dtype)
    assert_rounded(ops.avgpool2d_backward(dy, x.shape, *options), dx, window + 2, shared_magnitudes, dtype)


def test_padding_does_not_count_in_a_mean(ops, dtype):
    x = np.full((1, 4, 4, 2), 6, dtype)
    y = ops.avgpool2d_forward(x, 2, 2, 1)
    assert (y == 6).all()
    dx = ops.avgpool2d_backward(y, x.shape, 2, 2, 1)
    # Windows of one pixel in the corners, of two at the edges, of four inside.
    assert dx[0, :, :, 1].tolist() == [[6, 3, 3, 6], [3, 1.5, 1.5, 3], [3, 1.5, 1.5, 3], [6, 3, 3, 6]]


def test_pixels_that_no_window_reaches_get_no_gradient(ops, dtype):
    dx = ops.avgpool2d_backward(np.ones((1, 1, 2, 1), dtype), (1, 3, 5, 1), 2)
    assert dx[0, :, :, 0].tolist() == [[0.25, 0.25, 0.25, 0.25, 0], [0.25, 0.25, 0.25, 0.25, 0], [0] * 5]


@pytest.mark.parametrize("options", [(2,), (3, 2, 1), ((2, 3), 1, (1, 0))])
def test_average_pooling_gradients_are_finite_differences(ops, options):
    rng = np.random.default_rng(8)
    x = rng.standard_normal((2, 5, 6, 3))
    dy = rng.standard_normal(ops.avgpool2d_forward(x, *options).shape)
    expected = numerical_gradient(lambda: (dy * ops.avgpool2d_forward(x, *options)).sum(), x, 1.0)
    # Linear, so that a step of 1 differs from the gradient by the rounding of two sums alone.
    tolerance = 4 * dy.size * np.finfo(float).eps * abs(dy).sum() * (abs(x).max() + 1)
    np.testing.assert_allclose(ops.avgpool2d_backward(dy, x.shape, *options), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_bad_pixel_or_gradient_stays_in_the_windows_of_an_average_pooling_that_hold_it(ops, dtype, bad):
    rng = np.random.default_rng(12)
    options = (3, 2, 1)
    for channels in CHANNELS:
        x = normal(rng, (2, 7, 6, channels), dtype)
        x[1, 2, 3, channels // 2] = bad
        y = ops.avgpool2d_forward(x, *options)
        held = np.zeros(y.shape, bool)
        held[1, 1, 1:3, channels // 2] = True
        assert np.array_equal(~np.isfinite(y), held)
        assert np.array_equal(y[held], [bad, bad], equal_nan=True)
        dy = normal(rng, y.shape, dtype)
        dy[0, 0, 2, channels - 1] = bad
        dx = ops.avgpool2d_backward(dy, x.shape, *options)
        reached = np.zeros(x.shape, bool)
        reached[0, :2, 3:6, channels - 1] = True
        assert np.array_equal(~np.isfinite(dx), reached)


# ---- what is refused ---------------------------------------------------------------------------------------


def test_pooling_gradients_of_other_shapes_are_a_value_error_naming_both(checked_ops):
    x = np.zeros((2, 6, 6, 3))
    y, switches = checked_ops.maxpool2d_forward(x, 2)
    for call in (
        lambda: checked_ops.maxpool2d_backward(y[:, :2], switches, x.shape, 2),
        lambda: checked_ops.maxpool2d_backward(y, switches[:, :2], x.shape, 2),
        lambda: checked_ops.maxpool2d_backward(y, switches, (2, 8, 6, 3), 2),
        lambda: checked_ops.maxpool2d_backward(y, switches, (1, 6, 6, 3), 2),
        lambda: checked_ops.maxpool2d_backward(y, switches, (2, 6, 6, 4), 2),
        lambda: checked_ops.maxpool2d_backward_ties(y[:1], x, y, 2),
        lambda: checked_ops.maxpool2d_backward_ties(y, x, y[:1], 2),
        lambda: checked_ops.maxpool2d_backward_ties(y, x[..., :2], y, 2),
        lambda: checked_ops.avgpool2d_backward(y[:, :2], x.shape, 2),
        lambda: checked_ops.avgpool2d_backward(y, (2, 8, 6, 3), 2),
        lambda: checked_ops.avgpool2d_backward(y, (1, 6, 6, 3), 2),
        lambda: checked_ops.avgpool2d_backward(y, (2, 6, 6, 4), 2),
    ):
        with pytest.raises(ValueError, match=r"\(.*\).*\(.*\)"):
            call()


def test_a_pool_window_larger_than_the_input_is_a_value_error(checked_ops):
    with pytest.raises(ValueError, match="pool window of width 5 is larger than the input of width 4"):
        checked_ops.maxpool2d_forward(np.zeros((1, 9, 4, 1)), 5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((0,), "pool_size must be at least 1"),
        ((2, 0), "stride must be at least 1"),
        ((2, None, -1), "padding must be at least 0"),
        ((3, None, 2), "padding must be at most half of pool_size"),
    ],
)
def test_a_pooling_out_of_range_is_a_value_error(checked_ops, options, message):
    x = np.zeros((1, 6, 6, 1))
    with pytest.raises(ValueError, match=message):
        checked_ops.maxpool2d_forward(x, *options)
    with pytest.raises(ValueError, match=message):
        checked_ops.maxpool2d_backward(x, x.astype(np.int32), x.shape, *options)
    with pytest.raises(ValueError, match=message):
        checked_ops.maxpool2d_backward_ties(x, x, x, *options)
    with pytest.raises(ValueError, match=message):
        checked_ops.avgpool2d_forward(x, *options)
    with pytest.raises(ValueError, match=message):
        checked_ops.avgpool2d_backward(x, x.shape, *options)
