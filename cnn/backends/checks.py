"""Arguments: what comes from a user, checked and brought into the form that the kernels take.

Every error names the argument, what was expected and what came. Nothing here changes a caller's array.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

FLOAT32 = np.dtype(np.float32)
FLOAT64 = np.dtype(np.float64)
LARGEST_FLOAT32 = float(np.finfo(np.float32).max)  # 3.4e38
LARGEST = 2**59  # elements of an array: eight bytes each still fit a signed 64-bit byte count


def array(name: str, value: Any) -> np.ndarray:
    """`value` as an array of booleans, integers or floats; TypeError for anything else.

    Takes whatever has `__array__` or `__dlpack__` (PyTorch tensors on the CPU, for example). A masked array is
    refused, because its mask would be ignored silently.
    """
    if type(value) is not np.ndarray:
        if isinstance(value, np.ndarray) and isinstance(value, np.ma.MaskedArray):
            raise TypeError(f"{name} must not be a masked array; fill it first (value.filled(...))")
        try:
            from_dlpack = hasattr(value, "__dlpack__") and not hasattr(value, "__array__")
            value = np.from_dlpack(value) if from_dlpack else np.asarray(value)
        except (RuntimeError, BufferError) as error:  # a tensor with a gradient, or on another device
            raise TypeError(f"{name} cannot be read as an array: {error}") from error
    if value.dtype.kind not in "fiub":
        raise TypeError(f"{name} must be an array of numbers, got dtype {value.dtype}")
    return value


def real(name: str, value: Any, dtype: np.dtype | None = None) -> np.ndarray:
    """`value` as a C-contiguous, aligned array in the machine's byte order.

    `dtype` is float32 or float64; without one it is the smallest of the two that holds the values exactly
    (float64 for float64 and for 32-bit integers and wider).
    """
    # A good array passes untouched. This is most calls, so it comes first; NumPy has one object for each dtype.
    if type(value) is np.ndarray:
        given = value.dtype
        if given is dtype or (dtype is None and (given is FLOAT32 or given is FLOAT64)):
            flags = value.flags
            if flags.c_contiguous and flags.aligned:
                return value
    value = array(name, value)
    if dtype is None:
        dtype = FLOAT32 if np.result_type(value.dtype, FLOAT32) == FLOAT32 else FLOAT64
    if value.dtype != dtype:
        return value.astype(dtype, order="C")
    return np.require(value, dtype, ["C", "A"])


def path(name: str, value: Any) -> str:
    """A path of text, from a str or what has `__fspath__`."""
    result = value.__fspath__() if hasattr(value, "__fspath__") else value
    if not isinstance(result, str):
        raise TypeError(f"{name} must be a str or a pathlib.Path, got {value!r}")
    if not result or "\0" in result:
        raise ValueError(f"{name} must name a file, got {value!r}")
    return result


def integer(name: str, value: Any, minimum: int, maximum: int | None = None) -> int:
    """`value` as an int of at least `minimum` and at most `maximum`."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None
    if number < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {number}")
    if maximum is not None and number > maximum:
        raise ValueError(f"{name} must be at most {maximum}, got {number}")
    return number


def pair(name: str, value: Any, minimum: int) -> tuple[int, int]:
    """An int, or a pair of ints (rows first), as a pair."""
    if _is_sequence(value):
        if len(value) != 2:
            raise ValueError(f"{name} must be an int or a pair of ints, got {value!r}")
        return integer(name, value[0], minimum), integer(name, value[1], minimum)
    number = integer(name, value, minimum)
    return number, number


def sizes(name: str, value: Any, axes: tuple[str, ...]) -> tuple[int, ...]:
    """A shape that is an argument: a sequence of ints, one of at least 0 for each of `axes`, as a tuple."""
    if type(value) is tuple and len(value) == len(axes):  # the shape of an array passes at one look, as in `real`
        for size in value:
            if type(size) is not int or size < 0:
                break
        else:
            return value
    value = value.tolist() if isinstance(value, np.ndarray) else value
    if not _is_sequence(value):
        raise TypeError(f"{name} must be a sequence of ints ({', '.join(axes)}), got {value!r}")
    if len(value) != len(axes):
        raise ValueError(f"{name} must have one size for each of ({', '.join(axes)}), got {value!r}")
    return tuple(integer(f"{name}'s {axis}", size, minimum=0) for axis, size in zip(axes, value, strict=True))


def image_shape(name: str, value: Any) -> tuple[int, ...]:
    """The shape of one image, a sequence of one or more sizes of at least 1, as a tuple."""
    if not _is_sequence(value):
        raise TypeError(f"{name} must be a tuple of sizes, got {value!r}")
    if not len(value):
        raise ValueError(f"{name} must have one size or more, such as (28, 28, 1), got {value!r}")
    return tuple(integer(name, size, minimum=1) for size in value)


def _is_sequence(value: Any) -> bool:
    """Whether several numbers may be in it, in an order."""
    return isinstance(value, Sequence | np.ndarray) and not isinstance(value, str | bytes)


def generator(name: str, seed: Any) -> np.random.Generator:
    """The generator that NumPy makes from a seed: None, an integer, or a generator itself."""
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name} must be None, an integer of at least 0 or a generator, got {seed!r}") from None


def elements(name: str, *sizes: int) -> None:
    """ValueError where an array of these sizes could not be indexed."""
    if math.prod(sizes) > LARGEST:
        raise ValueError(f"{name} overflow: {' x '.join(map(str, sizes))} elements")


def number(name: str, value: Any, minimum: float = 0.0, maximum: float = math.inf) -> float:
    """`value` as a finite float between `minimum` and `maximum`."""
    if type(value) is float and minimum <= value <= maximum and value < math.inf:
        return value
    try:
        result = float(value) if not isinstance(value, str | bytes) else None
    except (TypeError, ValueError):
        result = None
    except OverflowError:  # an integer with hundreds of digits
        result = math.inf
    if result is None:
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not (math.isfinite(result) and minimum <= result <= maximum):
        bounds = f"at least {minimum:g}" if maximum == math.inf else f"between {minimum:g} and {maximum:g}"
        raise ValueError(f"{name} must be finite and {bounds}, got {result}")
    return result


def flag(name: str, value: Any) -> bool:
    """True or False; TypeError for anything else."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def learning_rate(name: str, value: Any) -> float:
    """`value` as a float from 0 to the largest number of float32, in which most nets are trained."""
    return number(name, value, maximum=LARGEST_FLOAT32)


def dtype(value: Any) -> np.dtype:
    """float32 or float64, from anything that NumPy takes for a dtype."""
    try:
        result = np.dtype(value)
    except TypeError:
        raise TypeError(f'dtype must be "float32" or "float64", got {value!r}') from None
    if result not in (FLOAT32, FLOAT64):
        raise ValueError(f'dtype must be "float32" or "float64", got {value!r}')
    return FLOAT32 if result == FLOAT32 else FLOAT64


def shape(name: str, value: np.ndarray, expected: tuple[int | None, ...], meaning: str) -> None:
    """ValueError where `value.shape` is not `expected`; None in `expected` stands for any size."""
    if value.shape == expected:
        return
    if len(value.shape) != len(expected) or any(
        e is not None and e != s for s, e in zip(value.shape, expected, strict=True)
    ):
        wanted = ", ".join("N" if e is None else str(e) for e in expected) + "," * (len(expected) == 1)
        raise ValueError(f"{name} must have shape ({wanted}) = {meaning}, got {value.shape}")


def parameter(name: str, value: Any, like: np.ndarray) -> np.ndarray:
    """A new value for the parameter `like`: same shape and dtype, else ValueError."""
    value = array(name, value)
    if value.shape != like.shape or value.dtype != like.dtype:
        raise ValueError(
            f"{name} must have shape {like.shape} and dtype {like.dtype}, got {value.shape} and {value.dtype}"
        )
    return value


def switches(name: str, value: Any, window: int) -> np.ndarray:
    """Positions inside a window of `window` elements, as C-contiguous int32."""
    value = array(name, value)
    if value.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, got dtype {value.dtype}")
    if value.size and not (0 <= value.min() and value.max() < window):
        raise ValueError(f"{name} must be from 0 to {window - 1}, got {value.min()} to {value.max()}")
    return np.require(value, np.int32, ["C", "A"])


def images(name: str, value: Any, input_shape: tuple[int, ...], dtype: np.dtype | None = None) -> np.ndarray:
    """A batch of inputs (n, *input_shape); one channel may be left out: (n, 28, 28) stands for (n, 28, 28, 1).

    It may stand first, too, (n, 1, 28, 28): the memory is the same. Several channels may not: ValueError.
    """
    value = array(name, value) if dtype is None else real(name, value, dtype)
    if value.shape[1:] == (input_shape[-1], *input_shape[:-1]) != input_shape and len(input_shape) == 3:
        if input_shape[-1] > 1:
            wanted = ", ".join(map(str, input_shape))
            raise ValueError(
                f"{name} must have shape (N, {wanted}), got {value.shape} with channels first; "
                f"{name}.transpose(0, 2, 3, 1), or permute of a PyTorch tensor, brings them last"
            )
        value = value[:, 0]
    if input_shape[-1] == 1 and value.shape[1:] == input_shape[:-1]:
        value = value[..., None]
    _same_channels(name, value.shape, input_shape)
    shape(name, value, (None, *input_shape), "a batch of inputs")
    return value


def _same_channels(name: str, given: tuple[int, ...], input_shape: tuple[int, ...]) -> None:
    """ValueError for images that are right but for their channels: in colour where grey is wanted, or the reverse."""
    if len(input_shape) != 3:
        return
    *size, channels = input_shape
    if channels == 1 and given[1:] in ((*size, 3), (*size, 4)):
        way = f"make it grey first, {name}[..., :3].mean(axis=-1) for example"
        wanted, got = f"(N, {size[0]}, {size[1]}, 1), grey", f"{given} in {given[-1]} channels"
        raise ValueError(f"{name} must have shape {wanted}, got {got}; {way}")
    if channels == 3 and given[1:] in (tuple(size), (*size, 1)):
        grey = f"{name}[..., None]" if len(given) == 3 else name
        way = f"np.repeat({grey}, 3, axis=-1) makes it grey in three"
        wanted, got = f"(N, {size[0]}, {size[1]}, 3), in colour", f"{given} in one channel"
        raise ValueError(f"{name} must have shape {wanted}, got {got}; {way}")


def not_colour(name: str, shape: tuple[int, ...]) -> None:
    """ValueError where a shape reads as one colour image, or several: 8 or more rows and columns of 3 or 4 channels."""
    if len(shape) in (3, 4) and shape[-1] in (3, 4) and min(shape[-3:-1]) >= 8:
        raise ValueError(
            f"{name} must be grey, of shape (h, w) or (n, h, w), got {shape}, which reads as colour in {shape[-1]} "
            f"channels; make it grey first, {name}[..., :3].mean(axis=-1) for example"
        )


def labels(name: str, value: Any, n: int, classes: int) -> np.ndarray:
    """Class labels as int64 (n,): from integers, floats with whole values, or one-hot rows (n, classes).

    Always an array of their own, so that nobody can change them once they are checked.

    Raises
    ------
    ValueError
        Another length, or a label or row that is none; the first bad index is named.
    """
    value = array(name, value)
    if value.ndim == 2 and value.shape[1] == classes:
        if len(value) != n:
            raise ValueError(f"{name} must have one row for each of the {n} images, got {len(value)}")
        return _from_one_hot(name, value)
    if value.shape != (n,):
        raise ValueError(f"{name} must have shape ({n},) or ({n}, {classes}), one for each image, got {value.shape}")
    if value.dtype == np.int64 and n and 0 <= value.min() and value.max() < classes:
        return np.array(value, np.int64)
    with np.errstate(invalid="ignore"):
        result = value.astype(np.int64)
    good = (result == value) & (value >= 0) & (value < classes)
    if not good.all():
        first = int(np.argmin(good))
        raise ValueError(f"{name}[{first}] must be a whole number from 0 to {classes - 1}, got {value[first]}")
    return result


def _from_one_hot(name: str, rows: np.ndarray) -> np.ndarray:
    good = ((rows == 0) | (rows == 1)).all(axis=1) & (rows.sum(axis=1) == 1)
    if not good.all():
        first = int(np.argmin(good))
        raise ValueError(f"{name}[{first}] must be one-hot (a single 1, the rest 0), got {rows[first]}")
    return rows.argmax(axis=1)
