"""Which operations a layer or a function calls: those of the compiled kernels or of NumPy, under the same names."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace

from . import compiled
from .numpy import loss  # noqa: F401, which adds its operations to those of the layers
from .numpy.operations import NUMPY_OPERATIONS


def operations(backend: str) -> ModuleType | SimpleNamespace:
    """The namespace of a backend's operations, "compiled" or "numpy"; ValueError for another name."""
    if backend == "compiled":
        return compiled
    if backend == "numpy":
        return NUMPY_OPERATIONS
    raise ValueError(f'backend must be "compiled" or "numpy", got {backend!r}')
