"""Names that were mistyped: which one may have been meant."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(name: object, known: Iterable[str]) -> str:
    """The end of an error's message about an unknown name: the known one that it resembles, else all of them."""
    from difflib import get_close_matches  # nobody needs it before there is an error

    known = list(known)
    by_initials = [each for each in known if "".join(word[:1] for word in each.split("_")) == name]  # lr
    meant = by_initials or get_close_matches(str(name), known, 1)
    return f"; did you mean {meant[0]!r}?" if meant else f"; known are {', '.join(known)}"
