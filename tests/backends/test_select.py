"""The namespaces of operations: the same names, and the same arguments, compiled and in NumPy."""

from __future__ import annotations

import inspect

import pytest

from cnn.backends import compiled
from cnn.backends.numpy.operations import NUMPY_OPERATIONS
from cnn.backends.select import operations

SHARED = [name for name in vars(NUMPY_OPERATIONS) if hasattr(compiled, name)]


def test_a_backend_is_a_namespace_of_operations():
    assert operations("compiled") is compiled
    assert operations("numpy") is NUMPY_OPERATIONS


@pytest.mark.parametrize("bad", ["torch", "", None, 1])
def test_another_backend_is_a_value_error(bad):
    with pytest.raises(ValueError, match=r'^backend must be "compiled" or "numpy", got '):
        operations(bad)


def test_every_compiled_operation_of_a_layer_is_there_in_numpy():
    public = {
        name
        for name, member in vars(compiled).items()
        if inspect.isfunction(member) and member.__module__ == compiled.__name__ and not name.startswith("_")
    }
    assert public - set(SHARED) == {"augment"}  # which has a file of its own


@pytest.mark.parametrize("name", SHARED)
def test_both_take_the_same_arguments(name):
    ours, theirs = (list(inspect.signature(getattr(of, name)).parameters) for of in (compiled, NUMPY_OPERATIONS))
    assert theirs[: len(ours)] == ours
