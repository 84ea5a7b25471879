"""Arguments for every function of `cnn.functional`, and how results are compared.

A function that has a row here is tested by all of `test_every_function`. Tolerances are bounds on rounding: a sum of k
products in any order is off by at most about k * eps times the sum of their magnitudes.
"""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from cnn.reference import functional as reference

FLOAT64 = np.dtype("float64")
CHANNELS = [1, 2, 3, 6, 8, 9, 16, 17, 33]  # below, at and above the lanes of every register
# NumPy's matrix product multiplies infinity by the zeros of its padding, and warns; the result is right.
SPURIOUS = pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")


def normal(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    return rng.standard_normal(shape).astype(dtype)


# ---- arguments that are legal and of no special shape, by name ---------------------------------------------


def convolution(rng: np.random.Generator, dtype: np.dtype, n: int, size: int) -> dict[str, tuple]:
    x, w, b = (normal(rng, shape, dtype) for shape in ((n, size, size, 3), (3, 2, 3, 17), (17,)))
    options = ((1, 2), "same")
    dy = normal(rng, reference.conv2d_forward(x, w, b, *options).shape, dtype)
    return {
        "conv2d_forward": (x, w, b, *options),
        "conv2d_backward": (dy, x, w, *options),
        "conv2d_input_gradient": (dy, w, x.shape, *options),
        "conv2d_weight_gradient": (dy, x, w.shape, *options),
    }


def pooling(rng: np.random.Generator, dtype: np.dtype, n: int, size: int) -> dict[str, tuple]:
    x = normal(rng, (n, size, size, 3), dtype)
    options = (3, (2, 1), 1)
    y, switches = reference.maxpool2d_forward(x, *options)
    dy = normal(rng, y.shape, dtype)
    return {
        "maxpool2d_forward": (x, *options),
        "maxpool2d_backward": (dy, switches, x.shape, *options),
        "maxpool2d_backward_ties": (dy, x, y, *options),
        "avgpool2d_forward": (x, *options),
        "avgpool2d_backward": (dy, x.shape, *options),
        "global_avgpool2d_forward": (x,),
        "global_avgpool2d_backward": (normal(rng, (n, 3), dtype), x.shape),
        "global_maxpool2d_forward": (x,),
        "global_maxpool2d_backward": (normal(rng, (n, 3), dtype), rng.integers(0, size**2, (n, 3)), x.shape),
    }


def rows(rng: np.random.Generator, dtype: np.dtype, n: int, size: int) -> dict[str, tuple]:
    x, w, b, dy = (normal(rng, shape, dtype) for shape in ((n, 13), (13, 17), (17,), (n, 17)))
    return {
        "dense_forward": (x, w, b),
        "dense_backward": (dy, x, w),
        "dense_input_gradient": (dy, w),
        "dense_weight_gradient": (dy, x),
        "relu_forward": (x,),
        "relu_backward": (dy, np.maximum(normal(rng, dy.shape, dtype), 0)),
        "leaky_relu_forward": (dy, 0.2),
        "leaky_relu_backward": (dy, normal(rng, dy.shape, dtype), 0.2),
        "sigmoid_forward": (dy,),
        "sigmoid_backward": (dy, np.abs(normal(rng, dy.shape, dtype)) % 1),
        "tanh_forward": (dy,),
        "tanh_backward": (dy, normal(rng, dy.shape, dtype) % 1),
        "gelu_forward": (dy,),
        "gelu_backward": (dy, normal(rng, dy.shape, dtype)),
        "silu_forward": (dy,),
        "silu_backward": (dy, normal(rng, dy.shape, dtype)),
        "softplus_forward": (dy,),
        "softplus_backward": (dy, normal(rng, dy.shape, dtype)),
        "softmax": (dy,),
        "softmax_cross_entropy": (dy, rng.integers(0, 17, n)),
    }


ANY_SHAPE = {f"{name}_forward" for name in ("gelu", "leaky_relu", "relu", "sigmoid", "silu", "softplus", "tanh")}
NO_EMPTY_BATCH = {"softmax_cross_entropy"}

FAMILIES = (convolution, pooling, rows)
FAMILY = {name: family for family in FAMILIES for name in family(np.random.default_rng(0), FLOAT64, 1, 7)}
NAMES = list(FAMILY)
PARAMETERS = {name: list(inspect.signature(getattr(reference, name)).parameters) for name in NAMES}
# Those that `w` gives a dtype to, and where it stands.
LEARNED = {name: parameters.index("w") for name, parameters in PARAMETERS.items() if "w" in parameters}


def arguments_of(name: str, dtype: np.dtype, n: int = 3, size: int = 7) -> tuple:
    return FAMILY[name](np.random.default_rng(7), dtype, n, size)[name]


# ---- comparisons -------------------------------------------------------------------------------------------


def results(value) -> tuple[np.ndarray, ...]:
    """What a function returned, as a tuple of arrays."""
    return tuple(np.asarray(part) for part in (value if isinstance(value, tuple) else (value,)))


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
