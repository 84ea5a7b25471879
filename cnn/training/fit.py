"""A fit: its epochs, the callbacks around them, what it needs to go on, and what it returns."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..backends import checks
from ..backends.program import Noise
from .progress import Report, reporter

if TYPE_CHECKING:
    from ..nets.sequential import Sequential
    from .checkpoint import SavedRun
    from .optimizers import Optimizer

_SECONDS_A_CALL = 0.04  # in compiled code; between two calls Python looks at signals and the progress is shown
_HOOKS = ("on_fit_begin", "on_epoch_begin", "on_epoch_end", "on_fit_end")


class History(NamedTuple):
    """What `Sequential.fit` returns: one entry an epoch. Without validation data the two val lists stay empty."""

    loss: list[float]
    accuracy: list[float]
    val_loss: list[float]
    val_accuracy: list[float]
    seconds: list[float]
    images_per_second: list[float]

    def plot(self, path=None) -> Any:
        """Loss and accuracy over the epochs, as `cnn.plot.training_curves` draws them."""
        from ..plot import training_curves

        return training_curves(self, path)


class Data(NamedTuple):
    """What a fit trains on and validates with; both in the form that the runners read."""

    x: np.ndarray
    y: np.ndarray
    validation: tuple[np.ndarray, np.ndarray] | None


class Settings(NamedTuple):
    """How a fit trains, beside its optimiser."""

    epochs: int
    batch_size: int
    shuffle: bool
    seed: Any
    augment: Any
    label_smoothing: float


class Run:
    """A fit that is running: `net.run`, for callbacks. Between two epochs, all that it needs to go on is here.

    Attributes
    ----------
    net, data, settings, optimizer, callbacks
        What it was given; callbacks in the order in which they are called.
    rng : np.random.Generator
        Draws the order of every epoch's images and the epoch's seed.
    epoch : int
        How many are done.
    history : History
    """

    def __init__(self, net: Sequential, data: Data, settings: Settings, optimizer: Optimizer, callbacks) -> None:
        self.net, self.data, self.settings, self.optimizer = net, data, settings, optimizer
        self.callbacks = _in_order(callbacks)
        self.rng = checks.generator("seed", settings.seed)
        augment = settings.augment
        self._warp = None if augment is None else augment.warp(net.input_shape, net.dtype)
        self.epoch = 0
        self.history = History([], [], [], [], [], [])
        optimizer.start(settings.epochs * -(-len(data.x) // settings.batch_size), settings.epochs)

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        """The arguments, for checkpoints; to be asked for before the first epoch, which moves the generator on."""
        from .fingerprint import fingerprint

        return fingerprint(self)

    def go(self, progress, checkpoint: SavedRun | None = None) -> History:
        """Train to the end, or until a callback sets `net.stop_training`; from a checkpoint, if there is one."""
        net, epochs = self.net, self.settings.epochs
        net.run, net.stop_training = self, False
        try:
            if checkpoint is not None:
                checkpoint.restore_net(self)
                if checkpoint.finished:
                    return self.history
            with reporter(progress, epochs, len(self.data.x)) as report:
                self._call("on_fit_begin", {"epoch": self.epoch, "epochs": epochs})
                if checkpoint is not None:
                    checkpoint.restore_callbacks(self)
                while self.epoch < epochs and not net.stop_training:
                    self._epoch(report)
                self._call("on_fit_end", {"epoch": self.epoch, "epochs": epochs})
        finally:
            net.run = None
        return self.history

    def _epoch(self, report: Report) -> None:
        """One epoch, its validation and its callbacks."""
        logs: dict[str, Any] = {"epoch": self.epoch + 1, "epochs": self.settings.epochs}
        logs["learning_rate"] = self.optimizer.rate()
        self._call("on_epoch_begin", logs)
        report.epoch_begin(self.epoch + 1)
        figures = self._train(report)
        if self.data.validation is not None:
            evaluation = self.net.evaluate(*self.data.validation)
            figures |= {"val_loss": evaluation.loss, "val_accuracy": evaluation.accuracy}
        for name, value in figures.items():
            getattr(self.history, name).append(value)
        self.epoch += 1
        report.epoch_end(figures)
        self._call("on_epoch_end", logs | figures)

    def _train(self, report: Report) -> dict[str, float]:
        """All batches once; the epoch's figures."""
        (x, y, _), settings = self.data, self.settings
        order = self.rng.permutation(len(x)) if settings.shuffle else np.arange(len(x))
        noise = Noise(int(self.rng.integers(2**63)), 0, self._warp, settings.label_smoothing)
        good = {name: value.copy() for name, value in self.net.state().items()}
        all_losses = np.empty(len(order))
        right, seen, step, steps = 0, 0, 0, 1
        start = time.perf_counter()
        while seen < len(order):
            begin = time.perf_counter()
            part = order[seen : seen + steps * settings.batch_size]
            losses, were_right, done = self.net._train(
                x, y, part, settings.batch_size, self.optimizer, noise._replace(first=seen)
            )
            step += done
            all_losses[seen : seen + len(losses)] = losses
            seen += len(losses)
            right += int(were_right.sum())
            if len(losses) < len(part):
                raise self._diverged("the loss became NaN or infinite", step + 1, good)
            report.step(seen, float(all_losses[:seen].mean()), right / seen)
            steps = max(1, int(steps * _SECONDS_A_CALL / (time.perf_counter() - begin)))
        if not all(np.isfinite(value).all() for value in self.net.state().values()):  # which no loss has seen
            raise self._diverged("parameters became NaN or infinite", step, good)
        seconds = time.perf_counter() - start
        return {
            "loss": float(all_losses.mean()),  # of all at once: how many steps a call made depends on the clock
            "accuracy": right / seen,
            "seconds": seconds,
            "images_per_second": seen / seconds,
        }

    def _diverged(self, what: str, step: int, good: dict[str, np.ndarray]) -> FloatingPointError:
        """Set the net back to how the epoch began, and say so."""
        for name, value in self.net.state().items():
            value[...] = good[name]
        return FloatingPointError(
            f"{what} in epoch {self.epoch + 1}, step {step}; the parameters are set back to the start of that epoch. "
            "A smaller learning rate may help, or look for NaN and inf in x"
        )

    def _call(self, hook: str, logs: dict[str, Any]) -> None:
        for callback in self.callbacks:
            if hasattr(callback, hook):
                getattr(callback, hook)(self.net, dict(logs))


def _in_order(callbacks: Any) -> list[Any]:
    """As they were given, but those at the end that write down how the others stand."""
    if not isinstance(callbacks, Iterable):
        raise TypeError(f"callbacks must be a sequence of callbacks, got {callbacks!r}")
    callbacks = list(callbacks)
    for i, callback in enumerate(callbacks):
        if isinstance(callback, type) or not any(hasattr(callback, hook) for hook in _HOOKS):
            raise TypeError(f"callbacks[{i}] must have one of {', '.join(_HOOKS)}, got {callback!r}")
    return sorted(callbacks, key=lambda callback: getattr(callback, "comes_last", False))
