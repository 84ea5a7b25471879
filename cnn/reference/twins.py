"""The reference's twins of compiled functions and classes: the same, but for what runs them.

They are made of the originals, not written beside them: signature, defaults, docstring and checks cannot differ.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar

T = TypeVar("T")
_NOTHING: dict[str, Any] = {}


def function_twin(
    original: FunctionType, module: str, names: dict[str, Any] = _NOTHING, defaults: dict[str, Any] = _NOTHING
) -> FunctionType:
    """The code of `original`, in `module`, with other values for some `names` that it reads and for some `defaults`.

    With `names`, it reads all names as they are now; what the original's module is given later does not reach it.
    """
    namespace = original.__globals__ | names if names else original.__globals__
    twin = FunctionType(original.__code__, namespace, original.__name__, closure=original.__closure__)
    values = {
        parameter.name: defaults.get(parameter.name, parameter.default)
        for parameter in inspect.signature(original).parameters.values()
        if parameter.default is not inspect.Parameter.empty
    }
    keyword_only = original.__kwdefaults__ or {}
    twin.__defaults__ = tuple(value for name, value in values.items() if name not in keyword_only)
    twin.__kwdefaults__ = {name: values[name] for name in keyword_only}
    twin.__annotations__ = dict(original.__annotations__)
    twin.__module__, twin.__qualname__, twin.__doc__ = module, original.__qualname__, original.__doc__
    return twin


def class_twin(original: type[T], module: str, **members: Any) -> type[T]:
    """A subclass of `original` in `module`, under its name and with its docstring, that differs in `members` alone."""
    named = {"__module__": module, "__qualname__": original.__qualname__, "__doc__": original.__doc__}
    return type(original.__name__, (original,), named | members)


def documented_as(original: Any) -> Callable[[T], T]:
    """Decorator for a twin that is written out: it and its methods take the docstrings of `original`."""

    def described(twin: T) -> T:
        twin.__doc__ = original.__doc__
        for name, member in vars(twin).items():
            if isinstance(member, FunctionType):
                member.__doc__ = getattr(original, name).__doc__
        return twin

    return described
