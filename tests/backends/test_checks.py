"""What arguments become, and what is refused with which words."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cnn.backends import checks

FLOAT32, FLOAT64 = np.dtype("float32"), np.dtype("float64")


class WithArray:
    """What a foreign array looks like that offers `__array__` alone."""

    def __init__(self, values):
        self._values = values

    def __array__(self, dtype=None, copy=None):
        return np.array(self._values, dtype)


class WithDLPack:
    """What a foreign array looks like that offers `__dlpack__` alone."""

    def __init__(self, values):
        self._values = values

    def __dlpack__(self, **options):
        return self._values.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._values.__dlpack_device__()


# ---- array -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [np.asarray, np.ndarray.tolist, WithArray, WithDLPack, memoryview])
def test_anything_that_holds_an_array_is_accepted(wrap):
    values = np.arange(6.0).reshape(2, 3)
    result = checks.array("x", wrap(values))
    assert type(result) is np.ndarray
    assert np.array_equal(result, values)


@pytest.mark.parametrize(
    "value",
    [None, "abc", b"abc", object(), {"a": 1}, 1j, [1j, 2], ["1"], [None, 1.0], np.zeros(2, "datetime64[s]")],
    ids=repr,
)
def test_what_holds_no_real_numbers_is_a_type_error(value):
    with pytest.raises(TypeError, match="x must be an array of numbers, got dtype"):
        checks.array("x", value)


@pytest.mark.parametrize("mask", [False, True, np.ma.nomask, [True, False, False]])
def test_a_masked_array_is_a_type_error_even_where_nothing_is_masked(mask):
    with pytest.raises(TypeError, match="x must not be a masked array"):
        checks.array("x", np.ma.masked_array([1.0, 2.0, 3.0], mask))


# ---- real --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("bool", FLOAT32),
        ("int8", FLOAT32),
        ("uint8", FLOAT32),
        ("int16", FLOAT32),
        ("uint16", FLOAT32),
        ("float16", FLOAT32),
        ("float32", FLOAT32),
        (">f4", FLOAT32),
        ("int32", FLOAT64),
        ("uint32", FLOAT64),
        ("int64", FLOAT64),
        ("uint64", FLOAT64),
        ("float64", FLOAT64),
        (">f8", FLOAT64),
    ],
)
def test_without_a_dtype_the_smallest_that_is_exact_is_taken(given, expected):
    result = checks.real("x", np.array([0, 1, 1], given))
    assert result.dtype == expected
    assert result.dtype.isnative
    assert np.array_equal(result, [0, 1, 1])


@pytest.mark.parametrize("dtype", [FLOAT32, FLOAT64])
def test_a_good_array_passes_untouched(dtype):
    value = np.zeros((2, 3), dtype)
    assert checks.real("x", value) is value
    assert checks.real("x", value, dtype) is value


@given(
    hnp.arrays(
        st.sampled_from(["float16", "float32", "float64", ">f4", ">f8", "int32", "uint8", "bool"]),
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
        elements=st.integers(0, 1),
    ),
    st.sampled_from([None, FLOAT32, FLOAT64]),
    st.booleans(),
    st.booleans(),
)
def test_the_result_is_contiguous_aligned_native_and_of_the_same_values(value, dtype, transpose, reverse):
    value = value.T if transpose else value
    value = value[::-1] if reverse and value.ndim else value
    before = value.copy()
    result = checks.real("x", value, dtype)
    assert result.flags.c_contiguous
    assert result.flags.aligned
    assert result.dtype in ((FLOAT32, FLOAT64) if dtype is None else (dtype,))
    assert result.dtype.isnative
    assert np.array_equal(result, before)
    assert np.array_equal(value, before)


def test_an_unaligned_array_is_copied_to_an_aligned_place():
    unaligned = np.zeros(4 * 3 + 1, np.uint8)[1:].view(np.float32)
    assert not unaligned.flags.aligned
    result = checks.real("x", unaligned)
    assert result.flags.aligned
    assert not np.shares_memory(result, unaligned)


def test_a_subclass_of_array_becomes_a_plain_one():
    class Subclass(np.ndarray):
        pass

    assert type(checks.real("x", np.ones((2, 3)).view(Subclass))) is np.ndarray


# ---- integer, pair, number, dtype --------------------------------------------------------------------------


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3), np.array(3)])
def test_integers_of_any_kind(value):
    result = checks.integer("units", value, minimum=1)
    assert result == 3
    assert type(result) is int


@pytest.mark.parametrize("value", [3.0, "3", None, [3], np.float32(3)])
def test_what_is_no_integer(value):
    with pytest.raises(TypeError, match="units must be an integer, got"):
        checks.integer("units", value, minimum=1)


def test_an_integer_that_is_too_small():
    with pytest.raises(ValueError, match="units must be at least 1, got 0"):
        checks.integer("units", 0, minimum=1)


@pytest.mark.parametrize("value", [(2, 3), [2, 3], np.array([2, 3])])
def test_pairs_of_any_kind(value):
    assert checks.pair("stride", value, minimum=1) == (2, 3)


def test_one_integer_stands_for_a_pair():
    assert checks.pair("stride", 2, minimum=1) == (2, 2)


@pytest.mark.parametrize("value", [(), (1,), (1, 1, 1)])
def test_what_has_not_the_length_of_a_pair(value):
    with pytest.raises(ValueError, match="stride must be an int or a pair of ints, got"):
        checks.pair("stride", value, minimum=1)


@pytest.mark.parametrize("value", ["22", (1.5, 2), None, {1: 2}])
def test_what_is_no_pair(value):
    with pytest.raises(TypeError, match="stride must be an integer, got"):
        checks.pair("stride", value, minimum=1)


@pytest.mark.parametrize("value", [0, 0.5, np.float32(0.5), np.array(0.5), 1])
def test_numbers_of_any_kind(value):
    result = checks.number("rate", value, maximum=1.0)
    assert result == value
    assert type(result) is float


@pytest.mark.parametrize("value", [-0.1, 1.1, np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_or_out_of_bounds(value):
    with pytest.raises(ValueError, match="rate must be finite and between 0 and 1, got"):
        checks.number("rate", value, maximum=1.0)


def test_a_number_that_is_too_small_when_there_is_no_upper_bound():
    with pytest.raises(ValueError, match=r"learning_rate must be finite and at least 0, got -1\.0"):
        checks.number("learning_rate", -1)


def test_a_learning_rate_goes_up_to_the_largest_number_of_float32():
    largest = float(np.finfo(np.float32).max)
    assert checks.learning_rate("rate", largest) == largest
    for value in (np.nextafter(largest, np.inf), 1e308, 10**400, -1e-300):
        with pytest.raises(ValueError, match=r"^rate must be finite and between 0 and 3\.40282e\+38, got "):
            checks.learning_rate("rate", value)


@pytest.mark.parametrize("value", [None, "fast", [1.0, 2.0], 1j])
def test_what_is_no_number(value):
    with pytest.raises(TypeError, match="rate must be a number, got"):
        checks.number("rate", value)


@pytest.mark.parametrize("value", ["float32", np.float32, FLOAT32, "f4"])
def test_a_dtype_by_any_of_its_names(value):
    assert checks.dtype(value) == FLOAT32


@pytest.mark.parametrize("value", ["float16", int, "complex64", bool, ">f4"])
def test_a_dtype_that_no_kernel_has(value):
    with pytest.raises(ValueError, match='dtype must be "float32" or "float64", got'):
        checks.dtype(value)


def test_what_is_no_dtype():
    with pytest.raises(TypeError, match='dtype must be "float32" or "float64", got \'fast\''):
        checks.dtype("fast")


# ---- shape, parameter --------------------------------------------------------------------------------------


def test_a_shape_that_fits():
    checks.shape("x", np.zeros((7, 2, 3)), (None, 2, 3), "(n, h, w)")


@pytest.mark.parametrize("shape", [(7, 2), (7, 2, 4), (7, 2, 3, 1), ()])
def test_a_shape_that_does_not_fit_is_named_with_the_expected_one(shape):
    message = re.escape(f"x must have shape (N, 2, 3) = (n, h, w), got {shape}")
    with pytest.raises(ValueError, match=message):
        checks.shape("x", np.zeros(shape), (None, 2, 3), "(n, h, w)")


def test_a_parameter_of_the_same_shape_and_dtype():
    value = np.ones((2, 3), np.float32)
    assert checks.parameter("weights", value, np.zeros((2, 3), np.float32)) is value


@pytest.mark.parametrize("value", [np.ones((3, 2), np.float32), np.ones((2, 3)), np.ones((2, 3), int)])
def test_a_parameter_of_another_shape_or_dtype(value):
    with pytest.raises(ValueError, match=r"weights must have shape \(2, 3\) and dtype float32, got"):
        checks.parameter("weights", value, np.zeros((2, 3), np.float32))


# ---- switches ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["int8", "uint8", "int64", "uint64", ">i4"])
def test_switches_of_any_integer_type(kind):
    result = checks.switches("switches", np.array([[0, 3], [1, 2]], kind), 4)
    assert result.dtype == np.int32
    assert result.tolist() == [[0, 3], [1, 2]]


@pytest.mark.parametrize("bad", [4, -1, 2**40])
def test_a_switch_outside_of_its_window(bad):
    with pytest.raises(ValueError, match="switches must be from 0 to 3, got"):
        checks.switches("switches", np.array([0, bad]), 4)


def test_switches_that_are_no_integers():
    with pytest.raises(TypeError, match="switches must be integers, got dtype float64"):
        checks.switches("switches", np.zeros(3), 4)


# ---- labels ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int16", "int32", "uint32", "int64", "uint64", "float32", "float64", ">i4"]
)
def test_labels_of_any_integer_type_or_whole_floats(dtype):
    result = checks.labels("labels", np.array([0, 9, 3], dtype), 3, 10)
    assert result.dtype == np.int64
    assert result.tolist() == [0, 9, 3]


@pytest.mark.parametrize("dtype", ["bool", "uint8", "float32"])
def test_one_hot_labels(dtype):
    assert checks.labels("labels", np.eye(10, dtype=dtype)[[4, 0, 9]], 3, 10).tolist() == [4, 0, 9]


def test_labels_in_a_list():
    assert checks.labels("labels", [1, 2], 2, 3).tolist() == [1, 2]


def test_no_labels_for_no_images():
    assert checks.labels("labels", [], 0, 10).shape == (0,)
    assert checks.labels("labels", np.zeros((0, 10)), 0, 10).shape == (0,)


@pytest.mark.parametrize("bad", [10, -1, 2.5, np.nan, np.inf, -np.inf, 1e30, 2**40])
def test_the_first_bad_label_is_named(bad):
    with pytest.raises(ValueError, match=r"labels\[2\] must be a whole number from 0 to 9, got"):
        checks.labels("labels", [0, 9, bad, 3, bad], 5, 10)


def test_a_label_that_wraps_around_as_a_signed_integer():
    with pytest.raises(ValueError, match=r"labels\[1\]"):
        checks.labels("labels", np.array([0, 2**64 - 1], np.uint64), 2, 10)


@pytest.mark.parametrize("bad", [[0, 0, 0], [1, 1, 0], [0.5, 0.5, 0], [2, -1, 0], [np.nan, 1, 0]])
def test_the_first_bad_one_hot_row_is_named(bad):
    with pytest.raises(ValueError, match=r"labels\[1\] must be one-hot"):
        checks.labels("labels", [[0, 1, 0], bad, bad], 3, 3)


@pytest.mark.parametrize("shape", [(4,), (6,), (), (5, 9), (5, 1), (5, 10, 1)])
def test_labels_of_another_shape(shape):
    with pytest.raises(ValueError, match=re.escape(f"(5,) or (5, 10), one for each image, got {shape}")):
        checks.labels("labels", np.zeros(shape), 5, 10)


def test_one_hot_labels_for_another_number_of_images():
    with pytest.raises(ValueError, match="one row for each of the 5 images, got 4"):
        checks.labels("labels", np.eye(10)[:4], 5, 10)


@pytest.mark.parametrize("bad", [None, ["a", "b"], [1j, 2]])
def test_labels_that_are_no_numbers(bad):
    with pytest.raises(TypeError, match="labels must be an array of numbers"):
        checks.labels("labels", bad, 2, 10)


# ---- sizes -------------------------------------------------------------------------------------------------

AXES = ("n", "h", "w", "c")


@pytest.mark.parametrize(
    "value", [(0, 28, 27, 1), [0, 28, 27, 1], np.array([0, 28, 27, 1]), (np.int64(0), 28, 27, True)]
)
def test_a_shape_from_any_sequence_of_ints(value):
    result = checks.sizes("input_shape", value, AXES)
    assert result == (0, 28, 27, 1)
    assert {type(size) for size in result} == {int}


@pytest.mark.parametrize("value", [5, None, "abcd", b"abcd", {1, 2, 3, 4}, iter((1, 2, 3, 4)), np.array(5)])
def test_what_is_no_sequence_is_no_shape(value):
    with pytest.raises(TypeError, match=r"input_shape must be a sequence of ints \(n, h, w, c\), got"):
        checks.sizes("input_shape", value, AXES)


@pytest.mark.parametrize("value", [(1, 2, 3.0, 4), (1, 2, None, 4), [1, 2, "3", 4], np.ones(4), np.ones((4, 2), int)])
def test_a_size_that_is_no_integer_is_named(value):
    with pytest.raises(TypeError, match=r"input_shape's [nw] must be an integer, got"):
        checks.sizes("input_shape", value, AXES)


@pytest.mark.parametrize("value", [(), (1, 2, 3), [1, 2, 3, 4, 5]])
def test_a_shape_with_another_number_of_sizes(value):
    message = re.escape(f"input_shape must have one size for each of (n, h, w, c), got {value}")
    with pytest.raises(ValueError, match=message):
        checks.sizes("input_shape", value, AXES)


def test_a_negative_size_is_named():
    with pytest.raises(ValueError, match="input_shape's h must be at least 0, got -2"):
        checks.sizes("input_shape", (1, -2, 3, 4), AXES)
