"""Every function: signature, dtypes, memory layouts, threads, empty batches, and arguments that are no arrays.

Over the reference and each compiled level, in both precisions."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import cnn.functional
import cnn.reference
from cnn.backends import compiled
from cnn.reference import functional as reference

from .cases import (
    ANY_SHAPE,
    FLOAT64,
    LEARNED,
    NAMES,
    NO_EMPTY_BATCH,
    PARAMETERS,
    arguments_of,
    assert_same_bits,
    results,
)

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


def test_compiled_and_reference_offer_the_same_functions_all_of_which_are_tested_here():
    def functions(module):
        return {
            name
            for name, value in vars(module).items()
            if callable(value) and not name.startswith("_") and value.__module__.startswith(module.__name__)
        }

    assert functions(cnn.functional) == functions(reference) == set(NAMES)
    assert set(cnn.functional.__all__) == set(reference.__all__) == set(NAMES)
    assert all(getattr(cnn.reference, name) is getattr(reference, name) for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_function_of_the_reference_calls_no_kernel(monkeypatch, dtype, name):
    arguments = arguments_of(name, dtype)
    monkeypatch.setattr(compiled, "KERNELS", {})
    getattr(reference, name)(*arguments)
    with pytest.raises(KeyError):
        getattr(cnn.functional, name)(*arguments)


# ---- threads and batches -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("n", "size"), [(1, 28), (2, 7), (5, 7), (37, 14), (130, 7)])
def test_any_number_of_threads_gives_the_same_bits(compiled_ops, dtype, thread_counts, name, n, size):
    arguments = arguments_of(name, dtype, n, size)
    runs = [results(getattr(compiled_ops, name)(*arguments)) for _ in thread_counts]
    for run in runs[1:]:
        for one, other in zip(runs[0], run, strict=True):
            assert_same_bits(one, other)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in NO_EMPTY_BATCH])
def test_a_batch_of_no_images_gives_empty_results_of_the_right_shape(ops, dtype, threads, name):
    full, empty = (results(getattr(ops, name)(*arguments_of(name, dtype, n))) for n in (2, 0))
    for of_two, of_none in zip(full, empty, strict=True):
        assert of_none.dtype == of_two.dtype
        assert of_none.shape[1:] == of_two.shape[1:]
        assert of_none.shape[0] in (0, of_two.shape[0])
        assert not of_none.any()
    parameters = 2 * (
        name.endswith("_weight_gradient") or (name.endswith("_backward") and name in LEARNED)
    )  # dw and db
    assert all(len(part) == 0 for part in empty[: len(empty) - parameters])


def test_the_parts_of_a_backward_pass_are_those_of_the_whole(ops, dtype):
    for kind in ("conv2d", "dense"):
        whole = getattr(ops, f"{kind}_backward")(*arguments_of(f"{kind}_backward", dtype))
        dx = getattr(ops, f"{kind}_input_gradient")(*arguments_of(f"{kind}_input_gradient", dtype))
        dw, db = getattr(ops, f"{kind}_weight_gradient")(*arguments_of(f"{kind}_weight_gradient", dtype))
        for one, other in zip((dx, dw, db), whole, strict=True):
            assert_same_bits(one, other)


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


@pytest.mark.parametrize("name", [name for name in NAMES if {"dy", "y"} <= set(PARAMETERS[name])])
def test_a_gradient_takes_the_dtype_of_the_layers_values(checked_ops, dtype, name):
    dy, *rest = arguments_of(name, dtype)
    for kind in ("float32", "float64", "float16"):
        assert getattr(checked_ops, name)(dy.astype(kind), *rest).dtype == dtype


# ---- what is refused ---------------------------------------------------------------------------------------


ARRAYS = [
    (name, position)
    for name in NAMES
    for position, value in enumerate(arguments_of(name, FLOAT64))
    if isinstance(value, np.ndarray)
]


@pytest.mark.parametrize(("name", "position"), ARRAYS)
def test_what_is_no_array_of_real_numbers_is_a_type_error(checked_ops, name, position):
    arguments = list(arguments_of(name, FLOAT64))
    good = arguments[position]
    for bad in (None, "image", object(), good.astype(complex), good.astype(object), good.astype(str)):
        if bad is None and PARAMETERS[name][position] == "b":
            continue  # there need be no bias
        arguments[position] = bad
        with pytest.raises(TypeError, match="must be"):
            getattr(checked_ops, name)(*arguments)


@pytest.mark.parametrize(("name", "position"), ARRAYS)
def test_a_masked_array_is_a_type_error(checked_ops, name, position):
    arguments = list(arguments_of(name, FLOAT64))
    arguments[position] = np.ma.masked_array(arguments[position])
    with pytest.raises(TypeError, match="must not be a masked array"):
        getattr(checked_ops, name)(*arguments)


@pytest.mark.parametrize(("name", "position"), ARRAYS)
def test_another_number_of_dimensions_is_a_value_error_naming_the_shapes(checked_ops, name, position):
    if name in ANY_SHAPE:
        pytest.skip("takes any shape")
    good = arguments_of(name, FLOAT64)
    for bad in (good[position][None], good[position][0], good[position][..., None]):
        arguments = [*good[:position], bad, *good[position + 1 :]]
        with pytest.raises(ValueError, match=r"\(.*\).*\(.*\)"):
            getattr(checked_ops, name)(*arguments)


SHAPES_AS_ARGUMENTS = [
    (name, position, argument)
    for name in NAMES
    for position, argument in enumerate(PARAMETERS[name])
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
