"""Names of attributes and entries: which ones there are, and which one may be meant by another one."""

from __future__ import annotations

from collections.abc import Iterable
from inspect import get_annotations
from typing import Any


def nearest(name: object, known: Iterable[str]) -> str:
    """The end of an error's message about an unknown name: the known one that it resembles, else all of them."""
    known = list(known)
    return meant(name, known) or f"; known are {', '.join(known)}"


def meant(name: object, known: Iterable[str]) -> str:
    """As `nearest`, but nothing for a name that resembles none."""
    from difflib import get_close_matches  # nobody needs it before there is an error

    known = list(known)
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
