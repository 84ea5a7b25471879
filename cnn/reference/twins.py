"""The words that the reference shares with its compiled twins: a docstring stands once, in the compiled one."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar

T = TypeVar("T")


def twin_of(original: Any) -> Callable[[T], T]:
    """Decorator: a function, or a class with its methods, takes the docstrings of `original`."""

    def described(twin: T) -> T:
        twin.__doc__ = original.__doc__
        for name, member in vars(twin).items():
            if isinstance(member, FunctionType):
                member.__doc__ = getattr(original, name).__doc__
        return twin

    return described
