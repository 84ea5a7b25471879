"""Names of attributes and entries: which ones there are, and which one may be meant by another one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import wraps
from inspect import get_annotations
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])


def nearest(name: object, known: Iterable[str]) -> str:
    """The end of an error's message about an unknown name: the known one that it resembles, else all of them."""
    known = list(known)
    return meant(name, known) or f"; known are {', '.join(known)}"


def meant(name: object, known: Iterable[str]) -> str:
    """As `nearest`, but nothing for a name that resembles none."""
    from difflib import get_close_matches  # nobody needs it before there is an error

    known = list(known)
    if not known:
        return "; there are none"
    by_initials = [each for each in known if "".join(word[:1] for word in each.split("_")) == name]  # lr
    found = by_initials or get_close_matches(str(name), known, 1)
    return f"; did you mean {found[0]!r}?" if found else ""


def is_ours(kind: type) -> bool:
    """Whether a class is one of this package, and no subclass of somebody else's."""
    return kind.__module__.partition(".")[0] == __name__.partition(".")[0]


def data_attributes(kind: type) -> frozenset[str]:
    """The names that a class and its bases declare, except for those of methods."""
    declared = frozenset(name for base in kind.__mro__ for name in get_annotations(base))
    return declared | {name for base in kind.__mro__ for name, value in vars(base).items() if not callable(value)}


def attribute_error(owner: Any, name: str, known: Iterable[str]) -> AttributeError:
    """What to raise where an attribute is assigned that the class does not let be assigned."""
    kind = type(owner).__name__
    if hasattr(type(owner), name):
        return AttributeError(f"{name} of {kind} cannot be assigned; what can is {', '.join(known)}")
    return AttributeError(f"{kind} has no attribute {name!r}{nearest(name, known)}")


def missing_attribute(net: Any, name: str) -> AttributeError:
    """What to raise where an attribute of a net is asked for that there is not."""
    from .foreign import METHODS

    meant = f": {METHODS[name]}" if name in METHODS else ""
    return AttributeError(f"{type(net).__name__!r} object has no attribute {name!r}{meant}", name=name, obj=net)


# ---- names of arguments ----


def explains_arguments(method: Method) -> Method:
    """Decorator: a call with an argument that there is not is a TypeError that says what may be meant."""
    known = list(inspect.signature(method).parameters)[1:]

    @wraps(method)
    def checked(self: Any, *positional: Any, **named: Any) -> Any:
        for name in named:
            if name not in known:
                raise _argument_error(method.__name__, type(self), name, known)
        return method(self, *positional, **named)

    return checked  # type: ignore[return-value]


def explain_arguments(kind: type) -> None:
    """Let the constructor of a class of this package, if it has one of its own, explain its arguments."""
    if is_ours(kind) and "__init__" in vars(kind):
        setattr(kind, "__init__", explains_arguments(vars(kind)["__init__"]))  # noqa: B010 - for mypy


def _argument_error(method: str, owner: type, name: str, known: Iterable[str]) -> TypeError:
    from .foreign import ARGUMENTS

    kinds, called = [method], method
    if method == "__init__":
        kinds, called = [base.__name__ for base in owner.__mro__], owner.__name__
    meant = next((f": {ARGUMENTS[kind][name]}" for kind in kinds if name in ARGUMENTS.get(kind, ())), None)
    return TypeError(f"{called} has no argument {name!r}{meant or nearest(name, known)}")
