"""Every function, over the reference and each compiled level, in both precisions.

Results are compared with sums written out here, or with the reference in float64. Tolerances are bounds on
rounding: a sum of k products in any order is off by at most about k * eps times the sum of their magnitudes.
"""

from __future__ import annotations

import inspect
import itertools

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import cnn.functional
from cnn.backends import geometry
from cnn.reference import functional as reference

NAMES = [
    "conv2d_forward",
    "conv2d_backward",
    "conv2d_input_gradient",
    "conv2d_weight_gradient",
    "maxpool2d_forward",
    "maxpool2d_backward",
    "maxpool2d_backward_ties",
    "avgpool2d_forward",
    "avgpool2d_backward",
    "dense_forward",
    "dense_backward",
    "dense_input_gradient",
    "dense_weight_gradient",
    "relu_forward",
    "relu_backward",
    "softmax",
    "softmax_cross_entropy",
]
FLOAT64 = np.dtype("float64")
CHANNELS = [1, 2, 3, 6, 8, 9, 16, 17, 33]  # below, at and above the lanes of every register
# Those that `w` gives a dtype to, and where it stands.
LEARNED = {
    "conv2d_forward": 1,
    "conv2d_backward": 2,
    "conv2d_input_gradient": 1,
    "dense_forward": 1,
    "dense_backward": 2,
    "dense_input_gradient": 1,
}


def normal(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    return rng.standard_normal(shape).astype(dtype)


def assert_rounded(actual, exact, terms, magnitude, dtype):
    """`actual` is `exact`, up to the rounding of sums of `terms` products with that total `magnitude`."""
    info = np.finfo(dtype)
    assert actual.dtype == dtype
    assert actual.shape == exact.shape
    # A product may also be subnormal and flushed to zero: info.tiny for each.
    bound = (terms + 1) * (info.eps * np.asarray(magnitude, np.float64) + float(info.tiny))
    excess = np.abs(actual.astype(np.float64) - exact) - bound
    assert not (excess > 0).any(), f"off by {excess.max()} more than the bound {bound.flat[excess.argmax()]}"


def assert_same_bits(a: np.ndarray, b: np.ndarray):
    assert a.dtype == b.dtype
    assert a.shape == b.shape
    assert a.tobytes() == b.tobytes()


def leave_nan_in_freed_memory(*shapes: tuple[int, ...], dtype: np.dtype):
    """Results that are allocated next are likely to lie there: an element that is not written shows."""
    blocks = [np.full(shape, np.nan, dtype) for shape in shapes for _ in range(3)]
    del blocks


def results(value) -> tuple[np.ndarray, ...]:
    """What a function returned, as a tuple of arrays."""
    return tuple(np.asarray(part) for part in (value if isinstance(value, tuple) else (value,)))


def arguments_of(name: str, dtype: np.dtype, n: int = 3, size: int = 7) -> tuple:
    """Arguments, one set for each function, that are legal and of no special shape."""
    rng = np.random.default_rng(7)
    x, w, b = (normal(rng, shape, dtype) for shape in ((n, size, size, 3), (3, 2, 3, 17), (17,)))
    pool = (3, (2, 1), 1)
    if name == "conv2d_forward":
        return x, w, b, (1, 2), "same"
    if name.startswith("conv2d"):
        dy = normal(rng, reference.conv2d_forward(x, w, b, (1, 2), "same").shape, dtype)
        rest = {
            "conv2d_backward": (x, w),
            "conv2d_input_gradient": (w, x.shape),
            "conv2d_weight_gradient": (x, w.shape),
        }
        return dy, *rest[name], (1, 2), "same"
    if name in ("maxpool2d_forward", "avgpool2d_forward"):
        return x, *pool
    if name == "avgpool2d_backward":
        return normal(rng, reference.avgpool2d_forward(x, *pool).shape, dtype), x.shape, *pool
    if name in ("maxpool2d_backward", "maxpool2d_backward_ties"):
        y, switches = reference.maxpool2d_forward(x, *pool)
        dy = normal(rng, y.shape, dtype)
        return (dy, switches, x.shape, *pool) if name == "maxpool2d_backward" else (dy, x, y, *pool)
    x, w, dy = normal(rng, (n, 13), dtype), normal(rng, (13, 17), dtype), normal(rng, (n, 17), dtype)
    return {
        "dense_forward": (x, w, b),
        "dense_backward": (dy, x, w),
        "dense_input_gradient": (dy, w),
        "dense_weight_gradient": (dy, x),
        "relu_forward": (x,),
        "relu_backward": (dy, np.maximum(normal(rng, dy.shape, dtype), 0)),
        "softmax": (dy,),
        "softmax_cross_entropy": (dy, rng.integers(0, 17, n)),
    }[name]


def array_positions(name: str) -> list[int]:
    arguments = arguments_of(name, FLOAT64)
    return [i for i, value in enumerate(arguments) if isinstance(value, np.ndarray)]


ARRAY_ARGUMENTS = [(name, position) for name in NAMES for position in array_positions(name)]


# ---- the two halves look alike -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_compiled_and_reference_have_the_same_signature_and_docstring(name):
    compiled, in_numpy = getattr(cnn.functional, name), getattr(reference, name)
    assert inspect.signature(compiled) == inspect.signature(in_numpy)
    assert inspect.getdoc(compiled) == inspect.getdoc(in_numpy)


@pytest.mark.parametrize("name", NAMES)
def test_a_function_is_annotated_and_says_what_it_takes_gives_and_raises(name):
    function = getattr(cnn.functional, name)
    signature = inspect.signature(function)
    empty = inspect.Parameter.empty
    assert empty not in {signature.return_annotation, *(p.annotation for p in signature.parameters.values())}
    takes, gives, raises = (inspect.getdoc(function).find(title) for title in ("Parameters", "Returns", "Raises"))
    assert 0 < takes < gives < raises


def test_compiled_and_reference_offer_the_same_functions():
    def functions(module):
        return {
            name
            for name, value in vars(module).items()
            if callable(value) and not name.startswith("_") and value.__module__ == module.__name__
        }

    assert functions(cnn.functional) == functions(reference) == set(NAMES)


# ---- convolution: values -----------------------------------------------------------------------------------


def conv2d_by_loops(x, w, b, dy, g):
    """Convolution and its three gradients, one product at a time, in float64."""
    x, w, b, dy = (a.astype(np.float64) for a in (x, w, b, dy))
    y = np.zeros(dy.shape) + b
    dx, dw, db = np.zeros(x.shape), np.zeros(w.shape), dy.sum(axis=(0, 1, 2))
    for n, i, j, u, v in itertools.product(range(len(x)), *map(range, (g.oh, g.ow, g.kh, g.kw))):
        row, column = i * g.sh + u - g.ph, j * g.sw + v - g.pw
        if 0 <= row < g.h and 0 <= column < g.w:
            for c, o in itertools.product(range(g.c_in), range(g.c_out)):
                y[n, i, j, o] += x[n, row, column, c] * w[u, v, c, o]
                dx[n, row, column, c] += dy[n, i, j, o] * w[u, v, c, o]
                dw[u, v, c, o] += dy[n, i, j, o] * x[n, row, column, c]
    return y, dx, dw, db


def test_the_parts_of_a_backward_pass_are_those_of_the_whole(ops, dtype):
    for kind in ("conv2d", "dense"):
        whole = getattr(ops, f"{kind}_backward")(*arguments_of(f"{kind}_backward", dtype))
        dx = getattr(ops, f"{kind}_input_gradient")(*arguments_of(f"{kind}_input_gradient", dtype))
        dw, db = getattr(ops, f"{kind}_weight_gradient")(*arguments_of(f"{kind}_weight_gradient", dtype))
        for one, other in zip((dx, dw, db), whole, strict=True):
            assert_same_bits(one, other)


def assert_convolution(ops, x, w, b, dy, g, stride, padding, exact, magnitude):
    """The four results of `ops` are `exact`, given the same four computed from magnitudes."""
    dtype, n = x.dtype, len(x)
    window = g.kh * g.kw * g.c_in + 1
    leave_nan_in_freed_memory(dy.shape, x.shape, w.shape, b.shape, dtype=dtype)
    y = ops.conv2d_forward(x, w, b, stride, padding)
    assert_rounded(y, exact[0], window, magnitude[0], dtype)
    dx, dw, db = ops.conv2d_backward(dy, x, w, stride, padding)
    assert_rounded(dx, exact[1], g.kh * g.kw * g.c_out, magnitude[1], dtype)
    assert_rounded(dw, exact[2], n * g.oh * g.ow, magnitude[2], dtype)
    assert_rounded(db, exact[3], n * g.oh * g.ow, magnitude[3], dtype)


@pytest.mark.parametrize(
    ("h", "w", "kernel", "stride", "padding"),
    [
        (5, 6, (3, 3), 1, "valid"),
        (5, 6, (3, 3), 1, "same"),
        (5, 4, (2, 4), 1, "same"),
        (6, 5, (3, 2), (2, 3), "same"),
        (6, 7, (3, 3), 2, (1, 0)),
        (5, 5, (1, 1), 2, 0),
        (3, 3, (1, 2), (1, 2), (2, 3)),
        (4, 3, (3, 1), (1, 9), (0, 5)),
        (1, 1, (3, 3), 1, 1),
        (4, 4, (4, 4), 1, "valid"),
    ],
)
def test_convolution_equals_the_sums_written_out(ops, dtype, h, w, kernel, stride, padding):
    rng = np.random.default_rng(0)
    g = geometry.conv2d((h, w, 2), (*kernel, 2, 3), stride, padding)
    shapes = ((2, h, w, 2), (*kernel, 2, 3), (3,), (2, *g.output_shape))
    x, kernel_weights, b, dy = (normal(rng, shape, dtype) for shape in shapes)
    exact = conv2d_by_loops(x, kernel_weights, b, dy, g)
    magnitude = conv2d_by_loops(*map(np.abs, (x, kernel_weights, b, dy)), g)
    assert_convolution(ops, x, kernel_weights, b, dy, g, stride, padding, exact, magnitude)


def assert_agrees_with_reference(ops, dtype, seed, n, g, stride, padding):
    """Convolution of random numbers agrees with the reference in float64."""
    rng = np.random.default_rng(seed)
    shapes = ((n, *g.input_shape), g.kernel_shape, (g.c_out,), (n, *g.output_shape))
    arrays = [normal(rng, shape, dtype) for shape in shapes]

    def in_float64(x, w, b, dy):
        x, w, b, dy = (a.astype(np.float64) for a in (x, w, b, dy))
        y = reference.conv2d_forward(x, w, b, stride, padding)
        return y, *reference.conv2d_backward(dy, x, w, stride, padding)

    exact, magnitude = in_float64(*arrays), in_float64(*map(np.abs, arrays))
    assert_convolution(ops, *arrays, g, stride, padding, exact, magnitude)


@st.composite
def convolutions(draw):
    """Input and kernel shape, stride and padding of a legal convolution."""
    kh, kw = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    stride = draw(st.integers(1, 9) | st.tuples(st.integers(1, 3), st.integers(1, 9)))
    width = st.integers(0, 5)
    padding = draw(st.sampled_from(["valid", "same"]) | width | st.tuples(width, width))
    ph, pw = (0, 0) if isinstance(padding, str) else geometry.checks.pair("padding", padding, 0)
    h = draw(st.integers(max(1, kh - 2 * ph), 14))
    w = draw(st.integers(max(1, kw - 2 * pw), 14))
    c_in, c_out = draw(st.sampled_from(CHANNELS)), draw(st.sampled_from(CHANNELS))
    return (h, w, c_in), (kh, kw, c_in, c_out), stride, padding


@given(convolutions(), st.integers(0, 5), st.integers(0, 2**32))
@example(((3, 4, 1), (3, 1, 1, 1), (1, 100), (0, 5)), 1, 0)
@example(((1, 1, 1), (1, 1, 1, 1), 7, 5), 1, 0)
def test_any_convolution_agrees_with_the_reference_in_float64(ops, dtype, convolution, n, seed):
    input_shape, kernel_shape, stride, padding = convolution
    g = geometry.conv2d(input_shape, kernel_shape, stride, padding)
    assert_agrees_with_reference(ops, dtype, seed, n, g, stride, padding)


@pytest.mark.parametrize("c_out", CHANNELS)
def test_convolution_is_right_at_every_output_width(ops, dtype, c_out):
    for width in range(1, 31):
        g = geometry.conv2d((4, width + 2, 3), (3, 3, 3, c_out))
        assert_agrees_with_reference(ops, dtype, width, 2, g, 1, "valid")


def test_convolution_is_right_at_every_number_of_channels(ops, dtype):
    for c_in, c_out in itertools.product(CHANNELS, CHANNELS):
        g = geometry.conv2d((5, 6, c_in), (3, 2, c_in, c_out), 1, "same")
        assert_agrees_with_reference(ops, dtype, c_in, 2, g, 1, "same")


def test_convolution_without_a_bias_is_that_with_zeros(ops, dtype):
    x, w, b, stride, padding = arguments_of("conv2d_forward", dtype)
    without = ops.conv2d_forward(x, w, None, stride, padding)
    assert np.array_equal(without, ops.conv2d_forward(x, w, np.zeros_like(b), stride, padding))


def test_a_stride_far_beyond_the_input_leaves_one_window(ops, dtype):
    x, w, *_ = arguments_of("conv2d_forward", dtype)
    y = ops.conv2d_forward(x, w, None, 2**40, "valid")
    assert np.array_equal(y, ops.conv2d_forward(x, w, None, 1, "valid")[:, :1, :1])
    mean = ops.avgpool2d_forward(x, 2, 2**40)
    np.testing.assert_allclose(mean, x[:, None, None, :2, :2].mean(axis=(3, 4)), rtol=0, atol=np.finfo(dtype).eps * 20)
    y, switches = ops.maxpool2d_forward(x, 2, 2**40)
    assert np.array_equal(y[:, 0, 0], x[:, :2, :2].max(axis=(1, 2)))
    assert ops.maxpool2d_backward(y, switches, x.shape, 2, 2**40).shape == x.shape


# ---- convolution: the same sums give the same bits ---------------------------------------------------------


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


def test_an_image_gives_the_same_bits_alone_and_in_any_batch(compiled_ops, dtype):
    x, w, b, stride, padding = arguments_of("conv2d_forward", dtype, n=9)
    y = compiled_ops.conv2d_forward(x, w, b, stride, padding)
    dx, _, _ = compiled_ops.conv2d_backward(y, x, w, stride, padding)
    for i in range(9):
        image = slice(i, i + 1)
        assert_same_bits(compiled_ops.conv2d_forward(x[image], w, b, stride, padding), y[image])
        assert_same_bits(compiled_ops.conv2d_backward(y[image], x[image], w, stride, padding)[0], dx[image])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("n", "size"), [(1, 28), (2, 7), (5, 7), (37, 14), (130, 7)])
def test_any_number_of_threads_gives_the_same_bits(compiled_ops, dtype, thread_counts, name, n, size):
    arguments = arguments_of(name, dtype, n, size)
    runs = [results(getattr(compiled_ops, name)(*arguments)) for _ in thread_counts]
    for run in runs[1:]:
        for one, other in zip(runs[0], run, strict=True):
            assert_same_bits(one, other)


# ---- max pooling: values and rules -------------------------------------------------------------------------


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


@st.composite
def poolings(draw):
    """Input shape, pool size, stride and padding of a legal pooling."""
    kh, kw = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    stride = draw(st.none() | st.integers(1, 4) | st.tuples(st.integers(1, 4), st.integers(1, 9)))
    ph, pw = draw(st.integers(0, kh // 2)), draw(st.integers(0, kw // 2))
    h = draw(st.integers(max(1, kh - 2 * ph), 9))
    w = draw(st.integers(max(1, kw - 2 * pw), 9))
    return (h, w, draw(st.sampled_from(CHANNELS))), (kh, kw), stride, (ph, pw)


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


# ---- average pooling: values -------------------------------------------------------------------------------


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


# ---- dense, activation, loss: values -----------------------------------------------------------------------


def assert_dense(ops, rng, n, c_in, c_out, dtype):
    x, w, b = (normal(rng, shape, dtype) for shape in ((n, c_in), (c_in, c_out), (c_out,)))
    dy = normal(rng, (n, c_out), dtype)
    x64, w64, b64, dy64 = (a.astype(np.float64) for a in (x, w, b, dy))

    def total(a, b):
        return np.einsum("ik,kj->ij", a, b)

    magnitude = total(abs(x64), abs(w64)) + abs(b64)
    leave_nan_in_freed_memory((n, c_out), x.shape, w.shape, b.shape, dtype=dtype)
    assert_rounded(ops.dense_forward(x, w, b), total(x64, w64) + b64, c_in + 1, magnitude, dtype)
    dx, dw, db = ops.dense_backward(dy, x, w)
    assert_rounded(dx, total(dy64, w64.T), c_out, total(abs(dy64), abs(w64.T)), dtype)
    assert_rounded(dw, total(x64.T, dy64), n, total(abs(x64.T), abs(dy64)), dtype)
    assert_rounded(db, dy64.sum(axis=0), n, abs(dy64).sum(axis=0), dtype)


def test_dense_is_right_at_every_batch_size_and_number_of_units(ops, dtype):
    rng = np.random.default_rng(4)
    for n, units in {
        *itertools.product(range(34), (1, 17)),
        *itertools.product((1, 3, 14, 33), range(1, 41)),
    }:
        assert_dense(ops, rng, n, 5, units, dtype)


@given(st.integers(0, 70), st.integers(1, 200), st.integers(1, 140), st.integers(0, 2**32))
def test_any_dense_layer_equals_the_sums_in_float64(ops, dtype, n, c_in, c_out, seed):
    assert_dense(ops, np.random.default_rng(seed), n, c_in, c_out, dtype)


def test_dense_without_a_bias_is_that_with_zeros(ops, dtype):
    x, w, b = arguments_of("dense_forward", dtype)
    assert np.array_equal(ops.dense_forward(x, w, None), ops.dense_forward(x, w, np.zeros_like(b)))


@pytest.mark.parametrize("shape", [(1,), (0,), (5, 3), (2, 3, 4, 5), (1000,), (3, 0, 2)])
def test_relu_keeps_what_is_positive_and_passes_its_gradient_only(ops, dtype, shape):
    rng = np.random.default_rng(5)
    x, dy = normal(rng, shape, dtype), normal(rng, shape, dtype)
    x.flat[::7] = 0
    y = ops.relu_forward(x)
    np.testing.assert_array_equal(y, np.where(x > 0, x, 0), strict=True)
    np.testing.assert_array_equal(ops.relu_backward(dy, y), np.where(x > 0, dy, 0), strict=True)


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


# ---- gradients by finite differences -----------------------------------------------------------------------


def numerical_gradient(f, x: np.ndarray, step: float) -> np.ndarray:
    """Central differences of the number f() for every element of `x`, which is changed and changed back."""
    gradient = np.empty(x.shape)
    for at in np.ndindex(x.shape):
        before = x[at]
        x[at] = before + step
        above = f()
        x[at] = before - step
        below = f()
        x[at] = before
        gradient[at] = (above - below) / (2 * step)
    return gradient


@pytest.mark.parametrize(("stride", "padding"), [(1, "valid"), (1, "same"), ((2, 1), (1, 2)), (3, "same")])
def test_convolution_gradients_are_finite_differences(ops, stride, padding):
    rng = np.random.default_rng(6)
    x, w, b = rng.standard_normal((2, 5, 4, 2)), rng.standard_normal((3, 2, 2, 3)), rng.standard_normal(3)
    dy = rng.standard_normal(ops.conv2d_forward(x, w, b, stride, padding).shape)

    def loss():
        return float((dy * ops.conv2d_forward(x, w, b, stride, padding)).sum())

    # Linear in each argument, so a step of 1 differs from the gradient by rounding alone.
    magnitude = abs(dy * ops.conv2d_forward(abs(x), abs(w), abs(b), stride, padding)).sum()
    tolerance = 4 * dy.size * np.finfo(float).eps * magnitude
    for value, gradient in zip((x, w, b), ops.conv2d_backward(dy, x, w, stride, padding), strict=True):
        np.testing.assert_allclose(gradient, numerical_gradient(loss, value, 1.0), rtol=0, atol=tolerance)


def test_dense_gradients_are_finite_differences(ops):
    rng = np.random.default_rng(7)
    x, w, b, dy = (rng.standard_normal(shape) for shape in ((4, 5), (5, 3), (3,), (4, 3)))

    def loss():
        return float((dy * ops.dense_forward(x, w, b)).sum())

    magnitude = abs(dy * ops.dense_forward(abs(x), abs(w), abs(b))).sum()
    tolerance = 4 * dy.size * np.finfo(float).eps * magnitude
    for value, gradient in zip((x, w, b), ops.dense_backward(dy, x, w), strict=True):
        np.testing.assert_allclose(gradient, numerical_gradient(loss, value, 1.0), rtol=0, atol=tolerance)


@pytest.mark.parametrize("options", [(2,), (3, 2, 1), ((2, 3), 1, (1, 0))])
def test_pooling_gradients_are_finite_differences(ops, options):
    rng = np.random.default_rng(8)
    x = rng.permutation(2.0 * np.arange(90)).reshape(1, 5, 6, 3)  # no ties, and none within a step of 1/4
    y, switches = ops.maxpool2d_forward(x, *options)
    dy = rng.integers(-9, 9, y.shape).astype(float)
    expected = numerical_gradient(lambda: (dy * ops.maxpool2d_forward(x, *options)[0]).sum(), x, 0.25)
    assert np.array_equal(ops.maxpool2d_backward(dy, switches, x.shape, *options), expected)
    assert np.array_equal(ops.maxpool2d_backward_ties(dy, x, y, *options), expected)


@pytest.mark.parametrize("options", [(2,), (3, 2, 1), ((2, 3), 1, (1, 0))])
def test_average_pooling_gradients_are_finite_differences(ops, options):
    rng = np.random.default_rng(8)
    x = rng.standard_normal((2, 5, 6, 3))
    dy = rng.standard_normal(ops.avgpool2d_forward(x, *options).shape)
    expected = numerical_gradient(lambda: (dy * ops.avgpool2d_forward(x, *options)).sum(), x, 1.0)
    # Linear, so that a step of 1 differs from the gradient by the rounding of two sums alone.
    tolerance = 4 * dy.size * np.finfo(float).eps * abs(dy).sum() * (abs(x).max() + 1)
    np.testing.assert_allclose(ops.avgpool2d_backward(dy, x.shape, *options), expected, rtol=0, atol=tolerance)


def test_relu_gradient_is_finite_differences(ops):
    x = np.array([-3.0, -1.0, -0.5, 0.5, 1.0, 4.0])
    dy = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    expected = numerical_gradient(lambda: (dy * ops.relu_forward(x)).sum(), x, 0.25)
    assert np.array_equal(ops.relu_backward(dy, ops.relu_forward(x)), expected)


def test_cross_entropy_gradient_is_finite_differences(ops):
    rng = np.random.default_rng(9)
    logits, labels = rng.standard_normal((4, 5)), rng.integers(0, 5, 4)
    step = np.finfo(float).eps ** (1 / 3)
    expected = numerical_gradient(lambda: ops.softmax_cross_entropy(logits, labels)[0], logits, step)
    # Third derivatives are below 1, so the truncation is below step**2 / 6; the rest is rounding.
    tolerance = step**2 / 6 + 10 * 8 * np.finfo(float).eps / step
    np.testing.assert_allclose(ops.softmax_cross_entropy(logits, labels)[2], expected, rtol=0, atol=tolerance)


# NumPy's matrix product multiplies infinity by the zeros of its padding, and warns; the result is right.
SPURIOUS = pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")

# ---- NaN, infinity, extreme logits -------------------------------------------------------------------------


@SPURIOUS
@given(convolutions(), st.integers(0, 2**32), st.sampled_from([np.nan, np.inf, -np.inf]))
def test_a_bad_pixel_reaches_exactly_the_windows_that_hold_it(ops, dtype, convolution, seed, bad):
    input_shape, kernel_shape, stride, padding = convolution
    rng = np.random.default_rng(seed)
    x, w = normal(rng, (2, *input_shape), dtype), normal(rng, kernel_shape, dtype)
    w[w == 0] = 1
    at = (1, *(int(rng.integers(size)) for size in input_shape))
    mark = np.zeros(x.shape)
    mark[at] = 1
    x[at] = bad
    holds = reference.conv2d_forward(mark, np.ones(kernel_shape), None, stride, padding) != 0
    y = ops.conv2d_forward(x, w, None, stride, padding)
    assert np.array_equal(~np.isfinite(y), holds)
    assert np.array_equal(np.isnan(y), holds & np.isnan(bad))
    used = reference.conv2d_backward(np.ones(y.shape), mark, np.ones(kernel_shape), stride, padding)[1] != 0
    dy = np.ones(y.shape, dtype)
    assert np.array_equal(~np.isfinite(ops.conv2d_backward(dy, x, w, stride, padding)[1]), used)


@SPURIOUS
@given(convolutions(), st.integers(0, 2**32), st.sampled_from([np.nan, np.inf, -np.inf]))
def test_a_bad_gradient_reaches_exactly_the_window_it_came_from(ops, dtype, convolution, seed, bad):
    input_shape, kernel_shape, stride, padding = convolution
    rng = np.random.default_rng(seed)
    g = geometry.conv2d(input_shape, kernel_shape, stride, padding)
    x, w = normal(rng, (2, *input_shape), dtype), normal(rng, kernel_shape, dtype)
    x[x == 0] = w[w == 0] = 1
    dy = normal(rng, (2, *g.output_shape), dtype)
    at = (1, *(int(rng.integers(size)) for size in g.output_shape))
    mark = np.zeros(dy.shape)
    mark[at] = 1
    dy[at] = bad
    dx, dw, db = ops.conv2d_backward(dy, x, w, stride, padding)
    ones = np.ones(x.shape), np.ones(kernel_shape)
    window, used, _ = reference.conv2d_backward(mark, *ones, stride, padding)
    assert np.array_equal(~np.isfinite(dx), window != 0)
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


@pytest.mark.parametrize("n", [1, 2, 5, 20])
def test_nan_in_a_dense_layer_stays_in_its_row_or_column(ops, dtype, n):
    rng = np.random.default_rng(11)
    x, w, dy = normal(rng, (n, 19), dtype), normal(rng, (19, 21), dtype), normal(rng, (n, 21), dtype)
    x[n - 1, 18] = dy[0, 20] = np.nan
    assert np.argwhere(np.isnan(ops.dense_forward(x, w, None)))[:, 0].tolist() == [n - 1] * 21
    dx, dw, db = ops.dense_backward(dy, x, w)
    assert np.argwhere(np.isnan(dx))[:, 0].tolist() == [0] * 19
    expected = np.zeros(dw.shape, bool)
    expected[18], expected[:, 20] = True, True
    assert np.array_equal(np.isnan(dw), expected)
    assert np.flatnonzero(np.isnan(db)).tolist() == [20]


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


def test_relu_keeps_nan_and_gives_it_no_gradient(ops, dtype):
    y = ops.relu_forward(np.array([np.nan, np.inf, -np.inf, -0.0], dtype))
    assert np.array_equal(y, np.array([np.nan, np.inf, 0, 0]), equal_nan=True)
    assert ops.relu_backward(np.ones(4, dtype), y).tolist() == [0, 1, 0, 0]


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


# ---- empty batches -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in NAMES if name != "softmax_cross_entropy"])
def test_a_batch_of_no_images_gives_empty_results_of_the_right_shape(ops, dtype, threads, name):
    full, empty = (results(getattr(ops, name)(*arguments_of(name, dtype, n))) for n in (2, 0))
    for of_two, of_none in zip(full, empty, strict=True):
        assert of_none.dtype == of_two.dtype
        assert of_none.shape[1:] == of_two.shape[1:]
        assert of_none.shape[0] in (0, of_two.shape[0])
        assert not of_none.any()
    parameters = 2 * ("weight_gradient" in name or name in ("conv2d_backward", "dense_backward"))  # dw and db
    assert all(len(part) == 0 for part in empty[: len(empty) - parameters])


def test_the_loss_of_no_images_is_a_value_error(ops, dtype):
    with pytest.raises(ValueError, match="logits must"):
        ops.softmax_cross_entropy(np.zeros((0, 10), dtype), [])


# ---- what is done with the caller's arrays -----------------------------------------------------------------


def reversed_in_memory(a: np.ndarray) -> np.ndarray:
    return np.flip(np.flip(a).copy())


def sliced(a: np.ndarray) -> np.ndarray:
    wide = np.zeros([2 * size for size in a.shape], a.dtype)
    view = wide[tuple(slice(None, None, 2) for _ in a.shape)]
    view[...] = a
    return view


def transposed(a: np.ndarray) -> np.ndarray:
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, -1, 0)), 0, -1)


def read_only(a: np.ndarray) -> np.ndarray:
    a = a.copy()
    a.flags.writeable = False
    return a


def big_endian(a: np.ndarray) -> np.ndarray:
    return a.astype(a.dtype.newbyteorder(">"))


def unaligned(a: np.ndarray) -> np.ndarray:
    view = np.zeros(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)
    view[...] = a
    return view


LAYOUTS = [np.asfortranarray, reversed_in_memory, sliced, transposed, read_only, big_endian, unaligned]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", NAMES)
def test_any_memory_layout_gives_the_same_bits_and_is_left_unchanged(checked_ops, dtype, name, layout):
    plain = arguments_of(name, dtype)
    expected = results(getattr(checked_ops, name)(*plain))
    changed = [layout(value) if isinstance(value, np.ndarray) else value for value in plain]
    for one, other in zip(results(getattr(checked_ops, name)(*changed)), expected, strict=True):
        assert_same_bits(one, other)
    for before, after in zip(plain, changed, strict=True):
        assert np.array_equal(before, after)


@pytest.mark.parametrize("name", NAMES)
def test_results_are_writable_and_share_no_memory_with_the_arguments(checked_ops, dtype, name):
    arguments = arguments_of(name, dtype)
    copies = [value.copy() if isinstance(value, np.ndarray) else value for value in arguments]
    for result in results(getattr(checked_ops, name)(*arguments)):
        assert result.flags.writeable
        # The compiled gradient for dense weights (13 inputs, 17 units) lies unit by unit, as those weights do.
        by_unit = checked_ops is cnn.functional and name.startswith("dense") and result.shape == (13, 17)
        assert (result.T if by_unit else result).flags.c_contiguous
        for argument in arguments:
            assert not (isinstance(argument, np.ndarray) and np.shares_memory(result, argument))
    for argument, copy in zip(arguments, copies, strict=True):
        assert np.array_equal(argument, copy)


@pytest.mark.parametrize("kind", ["bool", "int8", "uint8", "int16", "float16", "int32", "int64", "uint64"])
@pytest.mark.parametrize("name", [name for name in NAMES if "forward" in name or "softmax" in name])
def test_other_number_types_are_converted_exactly(checked_ops, dtype, name, kind):
    x, *rest = arguments_of(name, dtype)
    x = (abs(x) * 2).astype(kind)
    exact = np.result_type(kind, np.float32)
    expected = results(getattr(checked_ops, name)(x.astype(dtype if name in LEARNED else exact), *rest))
    for one, other in zip(results(getattr(checked_ops, name)(x, *rest)), expected, strict=True):
        assert_same_bits(one, other)


@pytest.mark.parametrize("name", LEARNED)
def test_the_dtype_of_the_weights_is_that_of_the_results(checked_ops, dtype, name):
    for kind in ("float32", "float64", "float16", "uint8"):
        plain = arguments_of(name, dtype)
        arguments = [value.astype(kind) if isinstance(value, np.ndarray) else value for value in plain]
        position = LEARNED[name]
        arguments[position] = arguments[position].astype(dtype)
        assert {part.dtype for part in results(getattr(checked_ops, name)(*arguments))} == {dtype}


@pytest.mark.parametrize("kind", ["float16", "uint8", "int16", ">f4"])
@pytest.mark.parametrize("name", LEARNED)
def test_weights_of_another_type_are_converted_to_float32_where_that_is_exact(checked_ops, name, kind):
    arguments = list(arguments_of(name, FLOAT64))
    position = LEARNED[name]
    arguments[position] = abs(arguments[position]).astype(kind)
    assert {part.dtype for part in results(getattr(checked_ops, name)(*arguments))} == {np.dtype("float32")}


@pytest.mark.parametrize("name", ["maxpool2d_backward_ties", "relu_backward"])
def test_a_gradient_takes_the_dtype_of_the_layers_values(checked_ops, dtype, name):
    dy, *rest = arguments_of(name, dtype)
    for kind in ("float32", "float64", "float16"):
        assert getattr(checked_ops, name)(dy.astype(kind), *rest).dtype == dtype


def test_nested_lists_are_arrays(checked_ops):
    x, w, b = arguments_of("dense_forward", FLOAT64)
    assert_same_bits(checked_ops.dense_forward(x.tolist(), w.tolist(), b.tolist()), checked_ops.dense_forward(x, w, b))


# ---- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "position"), ARRAY_ARGUMENTS)
def test_what_is_no_array_of_real_numbers_is_a_type_error(checked_ops, name, position):
    arguments = list(arguments_of(name, FLOAT64))
    good = arguments[position]
    for bad in (None, "image", object(), good.astype(complex), good.astype(object), good.astype(str)):
        if bad is None and name.endswith("_forward") and position == 2:
            continue  # no bias
        arguments[position] = bad
        with pytest.raises(TypeError, match="must be"):
            getattr(checked_ops, name)(*arguments)


@pytest.mark.parametrize(("name", "position"), ARRAY_ARGUMENTS)
def test_a_masked_array_is_a_type_error(checked_ops, name, position):
    arguments = list(arguments_of(name, FLOAT64))
    arguments[position] = np.ma.masked_array(arguments[position])
    with pytest.raises(TypeError, match="must not be a masked array"):
        getattr(checked_ops, name)(*arguments)


@pytest.mark.parametrize(("name", "position"), ARRAY_ARGUMENTS)
def test_another_number_of_dimensions_is_a_value_error_naming_the_shapes(checked_ops, name, position):
    if name == "relu_forward":
        pytest.skip("takes any shape")
    good = arguments_of(name, FLOAT64)
    for bad in (good[position][None], good[position][0], good[position][..., None]):
        if name == "softmax_cross_entropy" and position == 1 and bad.ndim == 0:
            bad = bad[()]  # what an index leaves is a scalar, not an array
        arguments = [*good[:position], bad, *good[position + 1 :]]
        with pytest.raises(ValueError, match=r"\(.*\).*\(.*\)"):
            getattr(checked_ops, name)(*arguments)


def test_three_dimensions_are_not_taken_for_images_of_one_channel(checked_ops):
    x, w = np.zeros((5, 28, 28)), np.zeros((3, 3, 1, 2))
    for call in (
        lambda: checked_ops.conv2d_forward(x, w, None),
        lambda: checked_ops.maxpool2d_forward(x, 2),
        lambda: checked_ops.avgpool2d_forward(x, 2),
    ):
        with pytest.raises(ValueError, match=r"must .*\(5, 28, 28\)"):
            call()


@pytest.mark.parametrize(
    ("name", "shapes", "message"),
    [
        ("conv2d_forward", [(2, 9, 9, 3), (3, 3, 2, 4), (4,)], r"x .*9, 9, 3\).* w .*\(3, 3, 2, 4\)"),
        ("conv2d_forward", [(2, 9, 9, 2), (3, 3, 2, 4), (5,)], r"b must .*\(4\) .*\(5,\)"),
        ("conv2d_forward", [(2, 9, 9, 2), (3, 3, 2, 4), (1,)], r"b must .*\(4\) .*\(1,\)"),
        ("conv2d_forward", [(2, 9, 9, 2), (3, 3, 2, 4), (1, 4)], r"b must .*\(4\) .*\(1, 4\)"),
        ("conv2d_forward", [(2, 9, 9, 2), (3, 3, 2, 4), ()], r"b must .*\(4\) .*\(\)"),
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
        ("dense_forward", [(5, 3), (4, 2), (2,)], r"x must .*4.* got \(5, 3\)"),
        ("dense_forward", [(5, 4), (4, 2), (4,)], r"b must .*\(2\) .*\(4,\)"),
        ("dense_backward", [(5, 3), (5, 4), (4, 2)], r"dy must .*2.* got \(5, 3\)"),
        ("dense_backward", [(4, 2), (5, 4), (4, 2)], r"dy must .*5.* got \(4, 2\)"),
        ("relu_backward", [(3, 4), (4, 3)], r"dy must .*\(4, 3\) .*\(3, 4\)"),
        ("relu_backward", [(12,), (4, 3)], r"dy must .*\(4, 3\) .*\(12,\)"),
    ],
)
def test_shapes_that_do_not_fit_are_a_value_error_naming_both(checked_ops, name, shapes, message):
    with pytest.raises(ValueError, match=message):
        getattr(checked_ops, name)(*(np.zeros(shape) for shape in shapes))


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


@pytest.mark.parametrize("shape", [(6, 6, 3), (2, 6, 6, 3, 1), (2, 6, 0, 3), (-1, 6, 6, 3), ()])
def test_an_input_shape_that_is_none_is_a_value_error(checked_ops, shape):
    y, switches = checked_ops.maxpool2d_forward(np.zeros((2, 6, 6, 3)), 2)
    with pytest.raises(ValueError, match="must"):
        checked_ops.maxpool2d_backward(y, switches, shape, 2)
    with pytest.raises(ValueError, match="must"):
        checked_ops.avgpool2d_backward(y, shape, 2)
    with pytest.raises(ValueError, match="must"):
        checked_ops.conv2d_input_gradient(y, np.zeros((1, 1, 3, 3)), shape, 2)


@pytest.mark.parametrize("shape", [(3, 3, 1), (3, 3, 1, 2, 1), (0, 3, 1, 2), (3, 3, 1, -2), ()])
def test_a_kernel_shape_that_is_none_is_a_value_error(checked_ops, shape):
    with pytest.raises(ValueError, match="must"):
        checked_ops.conv2d_weight_gradient(np.zeros((1, 4, 4, 2)), np.zeros((1, 6, 6, 1)), shape)


SHAPES_AS_ARGUMENTS = [
    (name, position, argument)
    for name in NAMES
    for position, argument in enumerate(inspect.signature(getattr(reference, name)).parameters)
    if argument in ("input_shape", "kernel_shape")
]


@pytest.mark.parametrize(("name", "position", "argument"), SHAPES_AS_ARGUMENTS)
@pytest.mark.parametrize("bad", [5, None, "2553", {2, 5, 6, 3}, (2, 5.0, 5, 3), (2, 5, (5,), 3), np.array(5)], ids=repr)
def test_a_shape_that_is_no_sequence_of_ints_is_a_type_error_naming_it(checked_ops, name, position, argument, bad):
    arguments = list(arguments_of(name, FLOAT64))
    arguments[position] = bad
    with pytest.raises(TypeError, match=f"^{argument}.* must be .*, got"):
        getattr(checked_ops, name)(*arguments)


@pytest.mark.parametrize(("name", "position", "argument"), SHAPES_AS_ARGUMENTS)
def test_a_shape_of_another_length_or_sign_is_a_value_error_naming_it(checked_ops, name, position, argument):
    arguments = list(arguments_of(name, FLOAT64))
    good = arguments[position]
    for bad in ((), good[1:], (*good, 1), (-1, *good[1:])):
        arguments[position] = bad
        with pytest.raises(ValueError, match=f"^{argument}.* must "):
            getattr(checked_ops, name)(*arguments)


@pytest.mark.parametrize(("name", "position", "argument"), SHAPES_AS_ARGUMENTS)
@pytest.mark.parametrize("kind", [list, np.array])
def test_a_shape_may_be_a_list_or_an_array(checked_ops, name, position, argument, kind):
    arguments = list(arguments_of(name, FLOAT64))
    expected = results(getattr(checked_ops, name)(*arguments))
    arguments[position] = kind(arguments[position])
    for one, other in zip(results(getattr(checked_ops, name)(*arguments)), expected, strict=True):
        assert_same_bits(one, other)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_a_dense_layer_without_inputs_or_units_is_a_value_error(checked_ops, shape):
    x, dy, w = np.zeros((2, shape[0])), np.zeros((2, shape[1])), np.zeros(shape)
    for call in (
        lambda: checked_ops.dense_forward(x, w, None),
        lambda: checked_ops.dense_backward(dy, x, w),
        lambda: checked_ops.dense_input_gradient(dy, w),
        lambda: checked_ops.dense_weight_gradient(dy, x),
    ):
        with pytest.raises(ValueError, match="must have at least one"):
            call()


@pytest.mark.parametrize("shape", [(2, 0, 9, 3), (2, 9, 0, 3), (0, 0, 0, 3)])
def test_images_without_pixels_are_a_value_error(checked_ops, shape):
    x = np.zeros(shape)
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        checked_ops.conv2d_forward(x, np.zeros((1, 1, 3, 2)), None, 1, "same")
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        checked_ops.maxpool2d_forward(x, 1)
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        checked_ops.avgpool2d_forward(x, 1)


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


# ---- sizes that cannot be ----------------------------------------------------------------------------------


def test_more_elements_than_any_memory_holds_are_an_error_at_once(checked_ops, dtype):
    huge = np.broadcast_to(dtype.type(0), (1, 2**25, 2**25, 1))
    w = np.ones((3, 3, 1, 1), dtype)
    small = np.zeros((1, 9, 9, 1), dtype)
    for call in (
        lambda: checked_ops.conv2d_forward(huge, w, None),
        lambda: checked_ops.conv2d_backward(huge, small, w, 1, 2**24),
        lambda: checked_ops.conv2d_forward(small, w, None, 1, 2**50),
        lambda: checked_ops.conv2d_forward(small, w, None, 2**70),
        lambda: checked_ops.conv2d_forward(small, w, None, (2**42, 1), (2**42, 1)),
        lambda: checked_ops.conv2d_backward(small, huge, w, 1, "same"),
        lambda: checked_ops.maxpool2d_forward(huge, 2),
        lambda: checked_ops.maxpool2d_forward(small, 2, 2**70),
        lambda: checked_ops.avgpool2d_forward(huge, 2),
        lambda: checked_ops.avgpool2d_backward(small, (1, 2**40, 2**40, 1), 2),
        lambda: checked_ops.maxpool2d_backward(small, small.astype(np.int32), (1, 2**40, 2**40, 1), 2),
        lambda: checked_ops.maxpool2d_backward(small, small.astype(np.int32), (2**60, 9, 9, 1), 1),
        lambda: checked_ops.dense_forward(huge[0, :, :, 0], np.zeros((2**25, 1), dtype), None),
        lambda: checked_ops.relu_forward(huge),
    ):
        with pytest.raises((ValueError, MemoryError)):
            call()


def test_an_input_shape_of_no_images_but_huge_ones_gives_an_empty_gradient(checked_ops, dtype):
    dy = np.zeros((0, 2**21, 2**21, 1), dtype)
    shape = (0, 2**22, 2**22, 1)
    assert checked_ops.maxpool2d_backward(dy, np.zeros(dy.shape, np.int32), shape, 2).shape == shape
