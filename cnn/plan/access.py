"""`Access`: which of several threads may train a net, and when another one may read or set what it has learned.

Steps change the flat arrays of a net in place, in compiled calls without the GIL. Whoever copies or sets these arrays
waits until no call runs, and the next call waits for those who wait, so that neither holds up the other for long.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from threading import RLock, get_ident
from typing import Any
from weakref import WeakSet

_EVERY: WeakSet[Access] = WeakSet()


class Access:
    """The locks of one net.

    Attributes
    ----------
    callers : dict
        Those that train, by an object for each call: the first one does, any other is about to be refused. The value
        is the call's fit, if it is one. A call removes itself, by `callers.pop(caller, None)`: one operation, between
        the parts of which no signal is handled, so that Ctrl-C cannot leave a caller behind.
    """

    callers: dict[object, Any]

    def __init__(self) -> None:
        self.renew()
        _EVERY.add(self)

    def renew(self) -> None:
        """Begin anew: nobody trains, and all locks are free."""
        self.callers = {}
        # Both are reentrant, because a signal handler may save the net whose steps or whose copying it interrupts.
        self._waiting = RLock()  # held by the one who waits for a call to end; the next call waits for it, too
        self._running = RLock()  # held while steps run, and while their arrays are copied or set
        self._thread = 0  # that runs steps

    def claim(self, caller: object, method: str) -> None:
        """Let `caller` train, of several callers the first; RuntimeError for any other one, at once."""
        self.callers[caller] = None
        if list(self.callers)[0] is not caller:  # noqa: RUF015 - another thread may change them during an iteration
            raise RuntimeError(
                f"{method} was called while the net is being trained, by another thread or by the fit whose callback "
                f"calls {method}; wait for that to end"
            )

    @property
    def fit(self) -> Any:
        """The fit that trains the net; None if there is none."""
        return next(iter(list(self.callers.values())), None)

    def run(self, steps: Callable[..., int], *arguments: Any) -> int:
        """What `steps(*arguments)` returns, while nobody reads or sets the arrays."""
        with self._waiting:
            pass
        with self._running:
            self._thread = get_ident()
            try:
                return steps(*arguments)
            finally:
                self._thread = 0

    @contextmanager
    def between_steps(self) -> Iterator[None]:
        """Keep steps from running, as soon as the call that runs has ended: after some hundredths of a second at most.

        The handler of a signal need not wait for the call that it interrupts: a compiled step looks at signals before
        it changes anything.
        """
        with nullcontext() if self._thread == get_ident() else self._waiting, self._running:
            yield


def _renew_all() -> None:
    for access in list(_EVERY):
        access.renew()


os.register_at_fork(after_in_child=_renew_all)  # where the threads that held the locks are not
