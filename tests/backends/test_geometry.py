"""Output sizes and padding of convolution and pooling, against counting; and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnn.backends import geometry

sizes = st.integers(1, 40)
kernels = st.integers(1, 9)
strides = st.integers(1, 9)
paddings = st.integers(0, 9)


def windows_that_fit(size: int, kernel: int, stride: int, padding: int) -> int:
    return sum(1 for start in range(0, size + 2 * padding, stride) if start + kernel <= size + 2 * padding)


@given(sizes, sizes, kernels, kernels, strides, strides, paddings, paddings)
def test_convolution_has_as_many_outputs_as_windows_fit(h, w, kh, kw, sh, sw, ph, pw):
    rows, columns = windows_that_fit(h, kh, sh, ph), windows_that_fit(w, kw, sw, pw)
    if rows and columns:
        g = geometry.conv2d((h, w, 2), (kh, kw, 2, 3), (sh, sw), (ph, pw))
        assert g == (h, w, 2, 3, kh, kw, sh, sw, ph, pw, rows, columns, 1, 1, 1)
        assert g.output_shape == (rows, columns, 3)
    else:
        with pytest.raises(ValueError, match=r"kernel of .* is larger than the input"):
            geometry.conv2d((h, w, 2), (kh, kw, 2, 3), (sh, sw), (ph, pw))


@given(sizes, kernels, strides)
def test_same_padding_covers_the_input_with_the_extra_row_at_the_bottom(size, kernel, stride):
    g = geometry.conv2d((size, size, 1), (kernel, kernel, 1, 1), stride, "same")
    assert g.oh == g.ow == -(-size // stride)
    total = max((g.oh - 1) * stride + kernel - size, 0)
    assert g.ph == g.pw == total // 2


def test_same_padding_at_stride_1_keeps_the_size():
    assert geometry.conv2d((28, 27, 1), (3, 4, 1, 1), 1, "same").output_shape == (28, 27, 1)


@given(sizes, sizes, kernels, kernels, st.none() | strides, st.data())
def test_pooling_has_as_many_outputs_as_windows_fit_and_each_holds_an_element(h, w, kh, kw, stride, data):
    ph, pw = data.draw(st.integers(0, kh // 2)), data.draw(st.integers(0, kw // 2))
    sh, sw = (kh, kw) if stride is None else (stride, stride)
    rows, columns = windows_that_fit(h, kh, sh, ph), windows_that_fit(w, kw, sw, pw)
    if rows and columns:
        g = geometry.pool2d((h, w, 5), (kh, kw), stride, (ph, pw))
        assert g == (h, w, 5, kh, kw, sh, sw, ph, pw, rows, columns)
        assert g.output_shape == (rows, columns, 5)
        for size, kernel, step, padding, count in ((h, kh, sh, ph, rows), (w, kw, sw, pw, columns)):
            starts = [i * step - padding for i in range(count)]
            assert all(start < size and start + kernel > 0 for start in starts)
    else:
        with pytest.raises(ValueError, match=r"pool window of .* is larger than the input"):
            geometry.pool2d((h, w, 5), (kh, kw), stride, (ph, pw))


def test_an_odd_last_row_and_column_are_dropped_by_2x2_pooling():
    assert geometry.pool2d((27, 5, 3)).output_shape == (13, 2, 3)


@pytest.mark.parametrize("pair", [(2, 1), [2, 1], np.array([2, 1])])
def test_a_pair_may_be_a_tuple_a_list_or_an_array(pair):
    g = geometry.conv2d([9, 9, 1], [3, 3, 1, 1], pair, pair)
    assert (g.sh, g.sw, g.ph, g.pw) == (2, 1, 2, 1)
    g = geometry.pool2d([9, 9, 1], pair, pair)
    assert (g.kh, g.kw, g.sh, g.sw) == (2, 1, 2, 1)


def test_sizes_are_python_integers_whatever_came():
    g = geometry.conv2d(np.array([9, 9, 1]), np.array([3, 3, 1, 1], np.int8), np.int32(1), np.uint8(1))
    assert {type(size) for size in g} == {int}
    assert {type(size) for size in geometry.pool2d(np.array([9, 9, 1]), np.int16(2))} == {int}


def test_multiply_adds_of_a_convolution():
    assert geometry.conv2d((28, 28, 1), (3, 3, 1, 8)).macs == 26 * 26 * 9 * 8
    assert geometry.conv2d((28, 28, 6), (3, 3, 2, 9), 1, "valid", 2, 3).macs == 24 * 24 * 9 * 2 * 9


@given(sizes, kernels, strides, st.integers(1, 4), st.data())
def test_a_dilated_kernel_takes_the_room_of_one_with_gaps(size, kernel, stride, dilation, data):
    wide = (kernel - 1) * dilation + 1
    padding = data.draw(st.just("same") | st.integers(max(0, (wide - size + 1) // 2), wide))
    dilated = geometry.conv2d((size, size, 1), (kernel, kernel, 1, 1), stride, padding, dilation)
    plain = geometry.conv2d((size, size, 1), (wide, wide, 1, 1), stride, padding)
    assert (dilated.output_shape, dilated.ph, dilated.pw) == (plain.output_shape, plain.ph, plain.pw)
    assert dilated.is_plain == (dilation == 1)
    assert dilated.kernel_shape == (kernel, kernel, 1, 1)


def test_groups_share_out_the_channels():
    g = geometry.conv2d((9, 9, 6), (3, 3, 2, 12), groups=3)
    assert g.kernel_shape == (3, 3, 2, 12)
    assert g.channels_of_groups == [
        (slice(0, 2), slice(0, 4)), (slice(2, 4), slice(4, 8)), (slice(4, 6), slice(8, 12)),
    ]  # fmt: skip
    assert not g.is_plain


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((28, 28, 1), (3, 3, 2, 8)), r"\(28, 28, 1\) .* \(3, 3, 2, 8\)"),
        (((28, 28), (3, 3, 1, 8)), r"input .* \(28, 28\)"),
        (((28, 28, 1), (3, 3, 8)), r"kernel .* \(3, 3, 8\)"),
        (((0, 28, 1), (3, 3, 1, 8)), "height must be at least 1, got 0"),
        (((28, 28, 0), (3, 3, 0, 8)), "channels must be at least 1, got 0"),
        (((28, 28, 1), (0, 3, 1, 8)), "height must be at least 1, got 0"),
        (((28, 28, 1), (3, 3, 1, 0)), "filters must be at least 1, got 0"),
        (((28, 28, 1), (3, 3, 1, 8), 0), "stride must be at least 1, got 0"),
        (((28, 28, 1), (3, 3, 1, 8), (1, -1)), "stride must be at least 1, got -1"),
        (((28, 28, 1), (3, 3, 1, 8), (1, 1, 1)), "stride must be an int or a pair"),
        (((28, 28, 1), (3, 3, 1, 8), 1, -1), "padding must be at least 0, got -1"),
        (((28, 28, 1), (3, 3, 1, 8), 1, "full"), 'padding must be "valid", "same", .* \'full\''),
        (((28, 28, 1), (29, 3, 1, 8)), "kernel of height 29 is larger than the input of height 28"),
        (((28, 28, 1), (3, 31, 1, 8), 1, 1), "kernel of width 31 is larger .* 28 with padding 1"),
        (((28, 28, 1), (3, 3, 1, 8), 1, 0, 0), "dilation must be at least 1, got 0"),
        (((28, 28, 1), (3, 3, 1, 8), 1, 0, (1, 1, 1)), "dilation must be an int or a pair"),
        (
            ((28, 28, 1), (3, 3, 1, 8), 1, 0, (1, 14)),
            "kernel with dilation 14 of width 29 is larger",
        ),
        (((28, 28, 4), (3, 3, 2, 8), 1, 0, 1, -2), "groups must be at least 1, got -2"),
        (((28, 28, 4), (3, 3, 1, 8), 1, 0, 1, 3), "groups must divide the input's 4 channels and the 8 filters, got 3"),
        (((28, 28, 4), (3, 3, 1, 8), 1, 0, 1, 2), r"\(28, 28, 4\) has 4 channels, .* takes 1 in each of 2 groups"),
    ],
)
def test_convolution_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        geometry.conv2d(*arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((28, 28),), r"input .* \(28, 28\)"),
        (((28, 0, 1),), "width must be at least 1, got 0"),
        (((28, 28, 1), 0), "pool_size must be at least 1, got 0"),
        (((28, 28, 1), (2, 2, 2)), "pool_size must be an int or a pair"),
        (((28, 28, 1), 2, 0), "stride must be at least 1, got 0"),
        (((28, 28, 1), 2, None, -1), "padding must be at least 0, got -1"),
        (((28, 28, 1), 3, None, 2), r"at most half of pool_size \(3, 3\), got \(2, 2\)"),
        (((28, 28, 1), 29), "pool window of height 29 is larger than the input of height 28"),
    ],
)
def test_pooling_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        geometry.pool2d(*arguments)


@pytest.mark.parametrize("bad", [1.0, "1", None, 1j, (1.0, 1)])
def test_a_size_that_is_no_integer_is_a_type_error(bad):
    with pytest.raises(TypeError, match="stride must be an integer"):
        geometry.conv2d((9, 9, 1), (3, 3, 1, 1), bad)


@pytest.mark.parametrize(
    "arguments",
    [
        ((2**50, 2**50, 1), (3, 3, 1, 1)),
        (np.array([2**50, 2**50, 1]), (3, 3, 1, 1)),
        ((2**62, 1, 1), (1, 1, 1, 1)),
        ((9, 9, 2**31), (3, 3, 2**31, 2**31)),
        ((9, 9, 1), (3, 3, 1, 1), 2**70),
        ((9, 9, 1), (3, 3, 1, 1), 1, 2**50),
        ((9, 9, 1), (3, 3, 1, 1), 1, 2**70),
        ((9, 9, 1), (3, 3, 1, 1), 1, "same", 2**50),
        ((9, 9, 1), (3, 1, 1, 1), 1, "valid", (1, 2**70)),
        ((9, 9, 1), (1, 1, 1, 1), 1, "valid", (2**60, 1)),
        ((1, 1, 2**40), (1, 1, 2**20, 2**40), 1, "valid", 1, 2**20),
    ],
)
def test_convolution_sizes_that_overflow_are_refused(arguments):
    with pytest.raises(ValueError, match="overflow"):
        geometry.conv2d(*arguments)


@pytest.mark.parametrize(
    "arguments",
    [((2**50, 2**50, 1),), ((2**62, 2, 1),), ((9, 9, 1), 2, 2**70), ((2**20, 2**20, 1), 2**16)],
)
def test_pooling_sizes_that_overflow_are_refused(arguments):
    with pytest.raises(ValueError, match="overflow"):
        geometry.pool2d(*arguments)


def test_a_geometry_prints_readably():
    assert str(geometry.pool2d((4, 4, 1))) == (
        "PoolGeometry(h=4, w=4, c=1, kh=2, kw=2, sh=2, sw=2, ph=0, pw=0, oh=2, ow=2)"
    )
