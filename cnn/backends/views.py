"""`Views`: arrays by name that are views of a net's memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .annotations import Floats

    Arrays = dict[str, Floats]
else:
    Arrays = dict


class Views(Arrays):
    """A dict of which the arrays may be written to, but no entry replaced: the net would know nothing of it."""

    def __setitem__(self, name: str, value: np.ndarray) -> None:
        if self.get(name) is not value:  # views["bias"] += 1 assigns the array that it has changed
            raise TypeError(
                f"the entry {name!r} is a view of a net's memory and cannot be replaced; set its elements, "
                f"[{name!r}][...] = value, or call net.set_parameters"
            )

    def _refuse(self, *arguments: Any, **named: Any) -> Any:
        raise TypeError("these arrays are views of a net's memory: none can be added or removed; copy the dict first")

    __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[type, tuple[dict[str, np.ndarray]]]:
        return type(self), (dict(self),)
