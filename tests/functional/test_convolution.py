"""Convolution and its gradients, compared with the sums written out, or with the reference in float64."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cnn.backends import geometry
from cnn.reference import functional as reference

from ..derivatives import numerical_gradient
from .cases import (
    CHANNELS,
    FLOAT64,
    SPURIOUS,
    arguments_of,
    assert_rounded,
    assert_same_bits,
    leave_nan_in_freed_memory,
    normal,
)

# ---- values ------------------------------------------------------------------------------------------------


def conv2d_by_loops(x, w, b, dy, g):
    """Convolution and its three gradients, one product at a time, in float64."""
    x, w, b, dy = (a.astype(np.float64) for a in (x, w, b, dy))
    y = np.zeros(dy.shape) + b
    dx, dw, db = np.zeros(x.shape), np.zeros(w.shape), dy.sum(axis=(0, 1, 2))
    for n, i, j, u, v in itertools.product(range(len(x)), *map(range, (g.oh, g.ow, g.kh, g.kw))):
        row, column = i * g.sh + u * g.dilation_h - g.ph, j * g.sw + v * g.dilation_w - g.pw
        if 0 <= row < g.h and 0 <= column < g.w:
            for c, o in itertools.product(range(w.shape[2]), range(g.c_out)):
                channel = o // (g.c_out // g.groups) * w.shape[2] + c
                y[n, i, j, o] += x[n, row, column, channel] * w[u, v, c, o]
                dx[n, row, column, channel] += dy[n, i, j, o] * w[u, v, c, o]
                dw[u, v, c, o] += dy[n, i, j, o] * x[n, row, column, channel]
    return y, dx, dw, db


def assert_convolution(ops, x, w, b, dy, g, options, exact, magnitude):
    """The four results of `ops` are `exact`, given the same four computed from magnitudes."""
    dtype, n = x.dtype, len(x)
    window = w[..., 0].size + 1
    leave_nan_in_freed_memory(dy.shape, x.shape, w.shape, b.shape, dtype=dtype)
    y = ops.conv2d_forward(x, w, b, *options)
    assert_rounded(y, exact[0], window, magnitude[0], dtype)
    dx, dw, db = ops.conv2d_backward(dy, x, w, *options)
    assert_rounded(dx, exact[1], w[:, :, 0].size // g.groups, magnitude[1], dtype)
    assert_rounded(dw, exact[2], n * g.oh * g.ow, magnitude[2], dtype)
    assert_rounded(db, exact[3], n * g.oh * g.ow, magnitude[3], dtype)


@pytest.mark.parametrize(
    ("h", "w", "kernel", "options"),
    [
        (5, 6, (3, 3, 2, 3), (1, "valid")),
        (5, 6, (3, 3, 2, 3), (1, "same")),
        (5, 4, (2, 4, 2, 3), (1, "same")),
        (6, 5, (3, 2, 2, 3), ((2, 3), "same")),
        (6, 7, (3, 3, 2, 3), (2, (1, 0))),
        (5, 5, (1, 1, 2, 3), (2, 0)),
        (3, 3, (1, 2, 2, 3), ((1, 2), (2, 3))),
        (4, 3, (3, 1, 2, 3), ((1, 9), (0, 5))),
        (1, 1, (3, 3, 2, 3), (1, 1)),
        (4, 4, (4, 4, 2, 3), (1, "valid")),
        (7, 6, (3, 2, 2, 3), (1, "valid", 2)),
        (5, 6, (3, 3, 2, 3), (1, "same", (1, 3))),
        (6, 5, (2, 3, 2, 3), ((2, 1), (1, 2), (3, 2))),
        (5, 6, (3, 3, 2, 6), (1, "same", 1, 2)),
        (5, 6, (3, 2, 1, 6), (2, 1, 1, 3)),
        (5, 6, (3, 3, 1, 4), (1, "same", 1, 4)),
        (7, 6, (3, 2, 1, 3), ((1, 2), (2, 0), (2, 1), 3)),
    ],
)
def test_convolution_equals_the_sums_written_out(ops, dtype, h, w, kernel, options):
    rng = np.random.default_rng(0)
    channels = kernel[2] * (options[3] if len(options) > 3 else 1)
    g = geometry.conv2d((h, w, channels), kernel, *options)
    shapes = ((2, h, w, channels), kernel, (g.c_out,), (2, *g.output_shape))
    x, kernel_weights, b, dy = (normal(rng, shape, dtype) for shape in shapes)
    exact = conv2d_by_loops(x, kernel_weights, b, dy, g)
    magnitude = conv2d_by_loops(*map(np.abs, (x, kernel_weights, b, dy)), g)
    assert_convolution(ops, x, kernel_weights, b, dy, g, options, exact, magnitude)


def assert_agrees_with_reference(ops, dtype, seed, n, g, *options):
    """Convolution of random numbers agrees with the reference in float64."""
    rng = np.random.default_rng(seed)
    shapes = ((n, *g.input_shape), g.kernel_shape, (g.c_out,), (n, *g.output_shape))
    arrays = [normal(rng, shape, dtype) for shape in shapes]

    def in_float64(x, w, b, dy):
        x, w, b, dy = (a.astype(np.float64) for a in (x, w, b, dy))
        y = reference.conv2d_forward(x, w, b, *options)
        return y, *reference.conv2d_backward(dy, x, w, *options)

    exact, magnitude = in_float64(*arrays), in_float64(*map(np.abs, arrays))
    assert_convolution(ops, *arrays, g, options, exact, magnitude)


@st.composite
def convolutions(draw):
    """Input and kernel shape, stride, padding, dilation and groups of a legal convolution."""
    kh, kw = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    dilation = draw(st.just((1, 1)) | st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride = draw(st.integers(1, 9) | st.tuples(st.integers(1, 3), st.integers(1, 9)))
    width = st.integers(0, 5)
    padding = draw(st.sampled_from(["valid", "same"]) | width | st.tuples(width, width))
    ph, pw = (0, 0) if isinstance(padding, str) else geometry.checks.pair("padding", padding, 0)
    smallest = [max(1, (k - 1) * d + 1 - 2 * p) for k, d, p in zip((kh, kw), dilation, (ph, pw), strict=True)]
    h, w = (draw(st.integers(size, max(14, size))) for size in smallest)
    c_in, c_out = draw(st.sampled_from(CHANNELS)), draw(st.sampled_from(CHANNELS))
    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    if draw(st.sampled_from([False, False, True])):  # every channel by itself
        groups, c_in, c_out = c_in, 1, draw(st.sampled_from([1, 1, 2]))
    return (h, w, c_in * groups), (kh, kw, c_in, c_out * groups), (stride, padding, dilation, groups)


@given(convolutions(), st.integers(0, 5), st.integers(0, 2**32))
@example(((3, 4, 1), (3, 1, 1, 1), ((1, 100), (0, 5))), 1, 0)
@example(((1, 1, 1), (1, 1, 1, 1), (7, 5)), 1, 0)
def test_any_convolution_agrees_with_the_reference_in_float64(ops, dtype, convolution, n, seed):
    input_shape, kernel_shape, options = convolution
    g = geometry.conv2d(input_shape, kernel_shape, *options)
    assert_agrees_with_reference(ops, dtype, seed, n, g, *options)


@pytest.mark.parametrize("c_out", CHANNELS)
def test_convolution_is_right_at_every_output_width(ops, dtype, c_out):
    for width in range(1, 31):
        g = geometry.conv2d((4, width + 2, 3), (3, 3, 3, c_out))
        assert_agrees_with_reference(ops, dtype, width, 2, g, 1, "valid")


def test_convolution_is_right_at_every_number_of_channels(ops, dtype):
    for c_in, c_out in itertools.product(CHANNELS, CHANNELS):
        g = geometry.conv2d((5, 6, c_in), (3, 2, c_in, c_out), 1, "same")
        assert_agrees_with_reference(ops, dtype, c_in, 2, g, 1, "same")


@pytest.mark.parametrize("kernel", [(3, 3), (5, 5), (3, 2)])
@pytest.mark.parametrize("stride", [1, 2])
def test_every_channel_by_itself_is_right_at_every_width(ops, dtype, kernel, stride):
    for width in range(1, 31):
        channels = CHANNELS[width % len(CHANNELS)] + 1
        g = geometry.conv2d((6, width, channels), (*kernel, 1, channels), stride, "same", 1, channels)
        assert_agrees_with_reference(ops, dtype, width, 2, g, stride, "same", 1, channels)


def test_groups_are_right_at_every_number_of_channels(ops, dtype):
    for inputs, outputs in itertools.product(CHANNELS, CHANNELS):
        g = geometry.conv2d((5, 6, 2 * inputs), (3, 2, inputs, 2 * outputs), 1, "same", (1, 2), 2)
        assert_agrees_with_reference(ops, dtype, inputs, 2, g, 1, "same", (1, 2), 2)


@pytest.mark.parametrize("padding", ["valid", "same", 2, (0, 1)])
@pytest.mark.parametrize("channels", [(32, 16), (33, 17), (40, 33), (32, 64)])
@pytest.mark.parametrize("size", [(6, 8), (7, 9), (15, 13), (12, 12), (24, 23)])
def test_convolution_by_tiles_is_right(ops, dtype, size, channels, padding):
    # 3x3, stride 1 and many channels: Winograd's algorithm. Where the numbers of a tile are alike, as here, the bound
    # of the sums written out holds for it, too.
    g = geometry.conv2d((*size, channels[0]), (3, 3, *channels), 1, padding)
    assert_agrees_with_reference(ops, dtype, sum(size), 2, g, 1, padding)


@pytest.mark.parametrize("size", [(12, 14), (13, 15)])
def test_convolution_by_tiles_is_exact_in_small_whole_numbers(ops, dtype, size):
    rng = np.random.default_rng(11)
    x, w, b = (rng.integers(-4, 5, shape).astype(dtype) for shape in ((2, *size, 32), (3, 3, 32, 48), (48,)))
    dy = rng.integers(-4, 5, (2, *size, 48)).astype(dtype)
    in_float64 = [a.astype(np.float64) for a in (x, w, b, dy)]
    assert np.array_equal(ops.conv2d_forward(x, w, b, 1, 1), reference.conv2d_forward(*in_float64[:3], 1, 1))
    for fast, exact in zip(
        ops.conv2d_backward(dy, x, w, 1, 1),
        reference.conv2d_backward(in_float64[3], *in_float64[:2], 1, 1),
        strict=True,
    ):
        assert np.array_equal(fast, exact)


def test_groups_are_convolutions_of_their_own(ops, dtype):
    rng = np.random.default_rng(4)
    x, w, b = normal(rng, (2, 6, 5, 6), dtype), normal(rng, (3, 3, 3, 8), dtype), normal(rng, (8,), dtype)
    blocks = [
        ops.conv2d_forward(x[..., 3 * i : 3 * i + 3], w[..., 4 * i : 4 * i + 4], b[4 * i : 4 * i + 4], 1, "same")
        for i in range(2)
    ]
    y = ops.conv2d_forward(x, w, b, 1, "same", 1, 2)
    assert_rounded(y, np.concatenate(blocks, axis=-1).astype(float), 2 * 28, abs(x).max() * abs(w).sum(), dtype)


def test_a_dilation_is_a_kernel_with_zeros_between_its_positions(ops, dtype):
    rng = np.random.default_rng(5)
    x, w = normal(rng, (2, 9, 8, 3), dtype), normal(rng, (3, 2, 3, 4), dtype)
    wide = np.zeros((5, 4, 3, 4), dtype)
    wide[::2, ::3] = w
    y = ops.conv2d_forward(x, wide, None, 1, "same")
    assert_rounded(ops.conv2d_forward(x, w, None, 1, "same", (2, 3)), y.astype(float), 2 * 61, 61 * 4 * 4, dtype)


def test_convolution_without_a_bias_is_that_with_zeros(ops, dtype):
    x, w, b, stride, padding = arguments_of("conv2d_forward", dtype)
    without = ops.conv2d_forward(x, w, None, stride, padding)
    assert np.array_equal(without, ops.conv2d_forward(x, w, np.zeros_like(b), stride, padding))


@pytest.mark.parametrize(
    "options",
    [(1, "valid"), (1, "same"), ((2, 1), (1, 2)), (3, "same"), (1, "same", 2), (2, 1, 1, 2), (1, "same", (1, 2), 4)],
)
def test_convolution_gradients_are_finite_differences(ops, options):
    rng = np.random.default_rng(6)
    groups = options[3] if len(options) > 3 else 1
    x, w, b = (rng.standard_normal(shape) for shape in ((2, 5, 4, 4), (3, 2, 4 // groups, 4), (4,)))
    dy = rng.standard_normal(ops.conv2d_forward(x, w, b, *options).shape)

    def loss():
        return float((dy * ops.conv2d_forward(x, w, b, *options)).sum())

    # Linear in each argument, so a step of 1 differs from the gradient by rounding alone.
    magnitude = abs(dy * ops.conv2d_forward(abs(x), abs(w), abs(b), *options)).sum()
    tolerance = 4 * dy.size * np.finfo(float).eps * magnitude
    for value, gradient in zip((x, w, b), ops.conv2d_backward(dy, x, w, *options), strict=True):
        np.testing.assert_allclose(gradient, numerical_gradient(loss, value, 1.0), rtol=0, atol=tolerance)


# ---- the same sums give the same bits ----------------------------------------------------------------------


@pytest.mark.parametrize("c_out", [1, 8, 17])
def test_a_window_gives_the_same_bits_wherever_it_lies(compiled_ops, dtype, c_out):
    rng = np.random.default_rng(1)
    w, b = normal(rng, (3, 3, 2, c_out), dtype), normal(rng, (c_out,), dtype)
    block = normal(rng, (3, 3, 2), dtype)  # images made of this one repeat their windows every third place
    for columns in range(3, 33):
        x = np.tile(block, (1, 3, 11, 1))[:, :, :columns].repeat(3, axis=0)
        y = compiled_ops.conv2d_forward(x, w, b, 1, "valid")
        for image, i, j in np.ndindex(y.shape[:3]):
            assert_same_bits(y[image, i, j], y[0, i % 3, j % 3])


@pytest.mark.parametrize("columns", [4, 9, 16, 28])
def test_padding_changes_no_bit_of_the_windows_inside(compiled_ops, dtype, columns):
    rng = np.random.default_rng(2)
    x, w = normal(rng, (2, 6, columns, 3), dtype), normal(rng, (3, 3, 3, 9), dtype)
    valid = compiled_ops.conv2d_forward(x, w, None, 1, "valid")
    assert_same_bits(compiled_ops.conv2d_forward(x, w, None, 1, "same")[:, 1:-1, 1:-1], valid)
    assert_same_bits(compiled_ops.conv2d_forward(x, w, None, 1, 4)[:, 4:-4, 4:-4], valid)


@pytest.mark.parametrize(("inputs", "options"), [(3, ()), (3, (2,)), (1, (1, 3)), (1, ((1, 2), 3))])
def test_an_image_gives_the_same_bits_alone_and_in_any_batch(compiled_ops, dtype, inputs, options):
    rng = np.random.default_rng(3)
    options = ((1, 2), "same", *options)
    x, w, b = (normal(rng, shape, dtype) for shape in ((9, 7, 7, 3), (3, 2, inputs, 18), (18,)))
    y = compiled_ops.conv2d_forward(x, w, b, *options)
    dx, _, _ = compiled_ops.conv2d_backward(y, x, w, *options)
    for i in range(9):
        image = slice(i, i + 1)
        assert_same_bits(compiled_ops.conv2d_forward(x[image], w, b, *options), y[image])
        assert_same_bits(compiled_ops.conv2d_backward(y[image], x[image], w, *options)[0], dx[image])


@pytest.mark.parametrize(("outputs", "options"), [(8, (2,)), (8, ((1, 2), 2)), (16, (1, 8)), (8, (1, 8))])
def test_any_number_of_threads_gives_the_same_bits_with_groups_and_dilations(
    compiled_ops, dtype, thread_counts, outputs, options
):
    rng = np.random.default_rng(8)
    groups = options[1] if len(options) > 1 else 1
    x, w, b = (normal(rng, shape, dtype) for shape in ((37, 9, 8, 8), (3, 3, 8 // groups, outputs), (outputs,)))
    runs = []
    for _ in thread_counts:
        y = compiled_ops.conv2d_forward(x, w, b, 1, "same", *options)
        runs.append((y, *compiled_ops.conv2d_backward(y, x, w, 1, "same", *options)))
    for run in runs[1:]:
        for one, other in zip(runs[0], run, strict=True):
            assert_same_bits(one, other)


# ---- NaN and infinity --------------------------------------------------------------------------------------


def is_tiled(g):
    """Whether Winograd's algorithm may make this convolution, in tiles of 2 x 2 outputs, or a gradient of it."""
    return g.is_plain and (g.kh, g.kw, g.sh, g.sw) == (3, 3, 1, 1) and min(g.c_in, g.c_out) >= 16


def neighbours(mask):
    """The places of a mask, and those beside them in rows and columns."""
    padded = np.pad(mask, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2)).any(axis=(-1, -2))


def assert_spoilt(array, least, most):
    """Numbers that are not finite are at all places of `least`, and nowhere but in `most`."""
    assert not np.isfinite(array[least]).any()
    assert np.isfinite(array[~most]).all()


@SPURIOUS
@given(convolutions(), st.integers(0, 2**32), st.sampled_from([np.nan, np.inf, -np.inf]))
@example(((12, 13, 32), (3, 3, 32, 33), (1, "same")), 1, np.nan)
@example(((9, 8, 32), (3, 3, 32, 16), (1, 2)), 2, np.inf)
def test_a_bad_pixel_reaches_exactly_the_windows_that_hold_it(ops, dtype, convolution, seed, bad):
    input_shape, kernel_shape, options = convolution
    g = geometry.conv2d(input_shape, kernel_shape, *options)
    rng = np.random.default_rng(seed)
    x, w = normal(rng, (2, *input_shape), dtype), normal(rng, kernel_shape, dtype)
    w[w == 0] = 1
    at = (1, *(int(rng.integers(size)) for size in input_shape))
    mark = np.zeros(x.shape)
    mark[at] = 1
    x[at] = bad
    holds = reference.conv2d_forward(mark, np.ones(kernel_shape), None, *options) != 0
    y = ops.conv2d_forward(x, w, None, *options)
    assert_spoilt(y, holds, neighbours(holds) if is_tiled(g) else holds)
    if not is_tiled(g):
        assert np.array_equal(np.isnan(y), holds & np.isnan(bad))
    used = reference.conv2d_backward(np.ones(y.shape), mark, np.ones(kernel_shape), *options)[1] != 0
    dy = np.ones(y.shape, dtype)
    channels = np.broadcast_to(used.any(axis=(0, 1)), used.shape)
    assert_spoilt(ops.conv2d_backward(dy, x, w, *options)[1], used, channels if is_tiled(g) else used)


@SPURIOUS
@given(convolutions(), st.integers(0, 2**32), st.sampled_from([np.nan, np.inf, -np.inf]))
@example(((12, 13, 32), (3, 3, 32, 33), (1, "same")), 1, np.nan)
@example(((9, 8, 32), (3, 3, 32, 16), (1, 2)), 2, np.inf)
def test_a_bad_gradient_reaches_exactly_the_window_it_came_from(ops, dtype, convolution, seed, bad):
    input_shape, kernel_shape, options = convolution
    rng = np.random.default_rng(seed)
    g = geometry.conv2d(input_shape, kernel_shape, *options)
    x, w = normal(rng, (2, *input_shape), dtype), normal(rng, kernel_shape, dtype)
    x[x == 0] = w[w == 0] = 1
    dy = normal(rng, (2, *g.output_shape), dtype)
    at = (1, *(int(rng.integers(size)) for size in g.output_shape))
    mark = np.zeros(dy.shape)
    mark[at] = 1
    dy[at] = bad
    dx, dw, db = ops.conv2d_backward(dy, x, w, *options)
    ones = np.ones(x.shape), np.ones(kernel_shape)
    window, used, _ = reference.conv2d_backward(mark, *ones, *options)
    assert_spoilt(dx, window != 0, neighbours(window != 0) if is_tiled(g) else window != 0)
    assert not np.isfinite(dw[used != 0]).any()
    assert np.isfinite(np.delete(dw, at[-1], axis=-1)).all()
    assert np.flatnonzero(~np.isfinite(db)).tolist() == [at[-1]]


@SPURIOUS
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("bias", [True, False])
def test_a_bad_weight_or_bias_reaches_its_output_channel_alone(ops, dtype, bad, bias):
    rng = np.random.default_rng(10)
    for c_out in CHANNELS:
        x = abs(normal(rng, (2, 4, 5, 2), dtype)) + 1
        w, b = normal(rng, (3, 3, 2, c_out), dtype), normal(rng, (c_out,), dtype)
        for channel in {0, c_out // 2, c_out - 1}:
            weights, biases = w.copy(), b.copy() if bias else None
            (biases if bias else weights).reshape(-1, c_out)[0, channel] = bad
            for y in (
                ops.conv2d_forward(x, weights, biases),
                ops.dense_forward(x[0, :3, :3].reshape(1, 18), weights.reshape(18, c_out), biases),
            ):
                assert np.array_equal(y[..., channel], np.full(y.shape[:-1], bad), equal_nan=True)
                assert np.isfinite(np.delete(y, channel, axis=-1)).all()


# ---- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shapes", "message"),
    [
        ("conv2d_forward", [(2, 9, 9, 3), (3, 3, 2, 4), (4,)], r"x .*9, 9, 3\).* w .*\(3, 3, 2, 4\)"),
        ("conv2d_forward", [(2, 9, 9, 2), (3, 3, 2, 4), (5,)], r"b must .*\(4,\) .*\(5,\)"),
        ("conv2d_forward", [(2, 9, 9, 2), (3, 3, 2, 4), (1,)], r"b must .*\(4,\) .*\(1,\)"),
        ("conv2d_forward", [(2, 9, 9, 2), (3, 3, 2, 4), (1, 4)], r"b must .*\(4,\) .*\(1, 4\)"),
        ("conv2d_forward", [(2, 9, 9, 2), (3, 3, 2, 4), ()], r"b must .*\(4,\) .*\(\)"),
        (
            "conv2d_backward",
            [(2, 7, 6, 4), (2, 9, 9, 2), (3, 3, 2, 4)],
            r"dy .*2, 7, 7, 4.*2, 7, 6, 4",
        ),
        (
            "conv2d_backward",
            [(3, 7, 7, 4), (2, 9, 9, 2), (3, 3, 2, 4)],
            r"dy .*2, 7, 7, 4.*3, 7, 7, 4",
        ),
        (
            "conv2d_backward",
            [(2, 7, 7, 1), (2, 9, 9, 2), (3, 3, 2, 4)],
            r"dy .*2, 7, 7, 4.*2, 7, 7, 1",
        ),
    ],
)
def test_shapes_that_do_not_fit_are_a_value_error_naming_both(checked_ops, name, shapes, message):
    with pytest.raises(ValueError, match=message):
        getattr(checked_ops, name)(*(np.zeros(shape) for shape in shapes))


@pytest.mark.parametrize("shape", [(3, 3, 1), (3, 3, 1, 2, 1), (0, 3, 1, 2), (3, 3, 1, -2), ()])
def test_a_kernel_shape_that_is_none_is_a_value_error(checked_ops, shape):
    with pytest.raises(ValueError, match="must"):
        checked_ops.conv2d_weight_gradient(np.zeros((1, 4, 4, 2)), np.zeros((1, 6, 6, 1)), shape)


@pytest.mark.parametrize("kernel_shape", [(0, 3, 1, 2), (3, 0, 1, 2), (3, 3, 1, 0)])
def test_an_empty_kernel_is_a_value_error(checked_ops, kernel_shape):
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        checked_ops.conv2d_forward(np.zeros((2, 9, 9, 1)), np.zeros(kernel_shape), None)


@pytest.mark.parametrize(
    ("stride", "padding", "message"),
    [
        (0, "valid", "stride must be at least 1, got 0"),
        ((1, -2), "valid", "stride must be at least 1, got -2"),
        ((1, 1, 1), "valid", "stride must be an int or a pair"),
        (1, -1, "padding must be at least 0, got -1"),
        (1, "full", "padding must be"),
    ],
)
def test_a_stride_or_padding_out_of_range_is_a_value_error(checked_ops, stride, padding, message):
    x, w, dy = np.zeros((1, 5, 5, 1)), np.zeros((3, 3, 1, 1)), np.zeros((1, 3, 3, 1))
    with pytest.raises(ValueError, match=message):
        checked_ops.conv2d_forward(x, w, None, stride, padding)
    with pytest.raises(ValueError, match=message):
        checked_ops.conv2d_backward(dy, x, w, stride, padding)


@pytest.mark.parametrize("bad", [1.5, "1", None, (1, 2.0)])
def test_a_stride_that_is_no_integer_is_a_type_error(checked_ops, bad):
    with pytest.raises(TypeError, match="stride must be an integer"):
        checked_ops.conv2d_forward(np.zeros((1, 5, 5, 1)), np.zeros((3, 3, 1, 1)), None, bad)


@pytest.mark.parametrize("bad", [1.5, "1", None, (1,), [2]])
def test_groups_that_are_no_integer_are_a_type_error(checked_ops, bad):
    with pytest.raises(TypeError, match="groups must be an integer"):
        checked_ops.conv2d_forward(np.zeros((1, 5, 5, 2)), np.zeros((3, 3, 1, 2)), None, groups=bad)


@pytest.mark.parametrize(
    ("kernel", "groups", "message"),
    [
        ((3, 3, 2, 8), 0, "groups must be at least 1, got 0"),
        ((3, 3, 1, 8), 3, "groups must divide the input's 4 channels and the 8 filters, got 3"),
        ((3, 3, 2, 9), 2, "groups must divide the input's 4 channels and the 9 filters, got 2"),
        ((3, 3, 4, 8), 2, r"4 channels, w of shape \(3, 3, 4, 8\) takes 4 in each of 2 groups"),
    ],
)
def test_groups_that_do_not_fit_are_a_value_error(checked_ops, kernel, groups, message):
    x, w, dy = np.zeros((1, 5, 5, 4)), np.zeros(kernel), np.zeros((1, 3, 3, kernel[3]))
    with pytest.raises(ValueError, match=message):
        checked_ops.conv2d_forward(x, w, None, groups=groups)
    with pytest.raises(ValueError, match=message):
        checked_ops.conv2d_backward(dy, x, w, groups=groups)
    with pytest.raises(ValueError, match=message):
        checked_ops.conv2d_input_gradient(dy, w, x.shape, groups=groups)
    with pytest.raises(ValueError, match=message):
        checked_ops.conv2d_weight_gradient(dy, x, kernel, groups=groups)


@pytest.mark.parametrize(("stride", "padding"), [([2, 1], [1, 0]), (np.array([2, 1]), np.array([1, 0]))])
def test_a_pair_may_be_a_list_or_an_array(checked_ops, stride, padding):
    x, w, *_ = arguments_of("conv2d_forward", FLOAT64)
    expected = checked_ops.conv2d_forward(x, w, None, (2, 1), (1, 0))
    assert_same_bits(checked_ops.conv2d_forward(x, w, None, stride, padding), expected)


def test_a_kernel_larger_than_the_input_is_a_value_error(checked_ops):
    x, w = np.zeros((1, 4, 9, 1)), np.zeros((5, 3, 1, 1))
    with pytest.raises(ValueError, match="kernel of height 5 is larger than the input of height 4"):
        checked_ops.conv2d_forward(x, w, None)
    assert checked_ops.conv2d_forward(x, w, None, 1, (1, 0)).shape == (1, 2, 7, 1)
