"""`HeldInterrupts`: Ctrl-C, which waits until something is done that must be done as a whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any]


class HeldInterrupts:
    """The handler of SIGINT from `start` to `stop`: the one that was there before, but not within `held`."""

    def __init__(self) -> None:
        self._before: Handler | None = None
        self._holders, self._has_come = 0, False

    def __repr__(self) -> str:
        return f"{type(self).__name__}(held={self._holders > 0})"

    def start(self) -> None:
        """Have Ctrl-C come here; in the main thread alone, for it interrupts no other one."""
        before = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is threading.main_thread() and callable(before):
            self._before = before
            signal.signal(signal.SIGINT, self._handle)

    def stop(self) -> None:
        """Set the handler back that was there before."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._holders:
            self._has_come = True
        elif self._before is not None:
            self._before(number, frame)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Until the end of the block Ctrl-C waits; an error in the block takes its place."""
        self._holders += 1
        try:
            yield
        finally:
            self._holders -= 1
            has_come, self._has_come = self._has_come, self._has_come and self._holders > 0
        if has_come and not self._holders and self._before is not None:
            self._before(signal.SIGINT, None)
