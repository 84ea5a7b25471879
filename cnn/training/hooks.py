"""The five methods that a fit calls, a protocol each: whatever has one of them is a callback. For type checkers."""

from __future__ import annotations

from typing import Any, Protocol


class FitBegin(Protocol):
    def on_fit_begin(self, net: Any, logs: dict[str, Any], /) -> object: ...


class EpochBegin(Protocol):
    def on_epoch_begin(self, net: Any, logs: dict[str, Any], /) -> object: ...


class BatchEnd(Protocol):
    def on_batch_end(self, net: Any, logs: dict[str, Any], /) -> object: ...


class EpochEnd(Protocol):
    def on_epoch_end(self, net: Any, logs: dict[str, Any], /) -> object: ...


class FitEnd(Protocol):
    def on_fit_end(self, net: Any, logs: dict[str, Any], /) -> object: ...


AnyCallback = FitBegin | EpochBegin | BatchEnd | EpochEnd | FitEnd
