"""What pictures and reports are made of, checked: errors that name the argument."""

from __future__ import annotations

from typing import Any

from ..nets.sequential import Sequential
from ..training.fit import History


def checked_net(net: Any) -> Sequential:
    """`net`; TypeError for anything but a net."""
    if not isinstance(net, Sequential):
        raise TypeError(f"net must be a cnn.Sequential, got {net!r}")
    return net


def checked_history(history: Any) -> History:
    """`history`; TypeError for anything but a history, ValueError for one without an epoch."""
    if not isinstance(history, History):
        raise TypeError(f"history must be what fit returned, a History, got {history!r}")
    if not history.loss:
        raise ValueError("history must hold at least one epoch, got none")
    return history
