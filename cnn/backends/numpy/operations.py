"""The operations in NumPy by name, as `cnn.backends.compiled` has them: the specification of the compiled kernels.

Each is defined where it belongs, in its layer's file in `cnn/layers` or in `loss.py` beside this one, and registers
itself here: layers stand above backends. Arguments are right already.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np

from ..calls import Elementwise

Function = TypeVar("Function", bound=Callable[..., Any])
Gradients = tuple[np.ndarray, np.ndarray]  # dw and db
Out = tuple[np.ndarray, np.ndarray | None]  # arrays for them; none for a bias that there is not

NUMPY_OPERATIONS = SimpleNamespace()


def numpy_operation(function: Function) -> Function:
    """Decorator: the function is the operation of its name."""
    setattr(NUMPY_OPERATIONS, function.__name__, function)
    return function


@numpy_operation
def elementwise_forward(f: Elementwise, x: np.ndarray) -> np.ndarray:
    """y = f(x), by the function that an activation has registered."""
    y: np.ndarray = getattr(NUMPY_OPERATIONS, f"{f.function}_forward")(x, *f.constants)
    return y


@numpy_operation
def elementwise_backward(f: Elementwise, dy: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """dx = dy * f'(x), from x or y, whichever the function's derivative takes."""
    dx: np.ndarray = getattr(NUMPY_OPERATIONS, f"{f.function}_backward")(dy, kept, *f.constants)
    return dx


def written(dw: np.ndarray, db: np.ndarray, out: Out | None) -> Gradients:
    """The gradients of weights and bias, also written to `out`, if that is given."""
    if out is not None:
        out[0][...] = dw
        if out[1] is not None:
            out[1][...] = db
    return dw, db
