"""`Fit`: the epochs of a fit, the callbacks around them, and what it needs to go on."""

from __future__ import annotations

import logging
import math
import time
import warnings
from collections.abc import Iterable
from functools import cached_property, partial
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..backends import checks
from ..backends.calls import Batches, LossRule
from ..backends.log import LOGGER
from ..backends.tables import call
from ..losses import has_accuracy, rule_of
from .batches import BatchSource, StreamedEpoch
from .callbacks import Callback
from .epoch import ArrayEpoch, Tally
from .history import History
from .optimizer import Optimizer
from .progress import Display, epoch_line, open_display
from .saved_optimizer import described
from .scale import ImageRange, advice, image_range, loss_warning
from .settings import Data, Settings

if TYPE_CHECKING:
    from .interfaces import Net
    from .saved_fit import SavedFit

_log = LOGGER.getChild("training")
_SECONDS_A_CALL = 0.04  # in compiled code; between two calls Python looks at signals and the progress is shown
_HOOKS = ("on_fit_begin", "on_epoch_begin", "on_batch_end", "on_epoch_end", "on_fit_end")


class Fit:
    """A fit: `net.current_fit` while it runs. Its attributes are those of `interfaces.RunningFit`."""

    _warning_level = 6  # from `_warn_of_loss` up to where Sequential.fit was called

    def __init__(
        self, net: Net, data: Data | BatchSource, settings: Settings, optimizer: Optimizer, callbacks: Any
    ) -> None:
        self.net, self.data, self.settings, self.optimizer = net, data, settings, optimizer
        self.callbacks = _in_order(callbacks)
        self._batch_hooks = [callback.on_batch_end for callback in self.callbacks if _hears_batches(callback)]
        self.deadline = math.inf
        self._optimizer = described(optimizer)  # as it was given: callbacks may assign its arguments
        self.rng = checks.generator("seed", settings.seed)
        augment = settings.augment
        self._warp = None if augment is None else augment.warp(net.input_shape, net.dtype)
        self._images = ImageRange("", 0.0, 0.0) if isinstance(data, BatchSource) else image_range(data.x)
        self._has_warned = False  # of a loss
        self.epoch = 0
        self.history = History([], [], [], [], [], [])
        self.steps = self._all_steps()
        optimizer.start(self.steps or 0, settings.epochs)

    def __repr__(self) -> str:
        told = {"epoch": self.epoch, "epochs": self.settings.epochs, "images": self.data.images}
        return call(type(self), told | {"batch_size": self.settings.batch_size, "optimizer": self.optimizer})

    def _all_steps(self) -> int | None:
        """Of all epochs, if that is known; ValueError where a schedule has to know it."""
        data, settings, rate = self.data, self.settings, self.optimizer.learning_rate
        if not isinstance(data, BatchSource):
            return settings.epochs * -(-data.images // settings.batch_size)
        if data.steps_per_epoch is not None:
            return settings.epochs * data.steps_per_epoch
        if not isinstance(rate, float):
            raise ValueError(f"steps_per_epoch must be given where x has no length, for the schedule {rate!r}")
        return None

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        """The arguments, for checkpoints; to be asked for before the first epoch, which moves the generator on."""
        from .fingerprint import fingerprint

        if isinstance(self.data, BatchSource):
            raise TypeError("a checkpoint needs arrays x and y: it cannot be known whether batches are the same again")
        return fingerprint(self.net, self.data, self.settings, self._optimizer)

    def train(self, progress: Literal["auto"] | bool, resume: str | PathLike[str] | None = None) -> History:
        """Train to the end, or until a callback sets `net.stop_training`; from a checkpoint, if one is named."""
        net, epochs = self.net, self.settings.epochs
        net.stop_training = False
        saved = None if resume is None else self._resume(resume)
        net.history = self.history
        if not isinstance(self.data, BatchSource):  # of those the first batch will tell the range
            net.inputs.fit_to(self._images)
        if self._is_finished(saved):
            return self.history
        images = "batches of" if self.data.images is None else self.data.images
        _log.info("fit begins: %s images, %d of %d epochs done", images, self.epoch, epochs)
        try:
            with open_display(progress, epochs, self.data.images) as display:
                self._begin(saved)
                while self.epoch < epochs and not net.stop_training:
                    self._epoch(display)
                self._call("on_fit_end", {"epoch": self.epoch, "epochs": epochs})
        finally:
            _log.info("fit ends: %d of %d epochs done", self.epoch, epochs)
        return self.history

    def _resume(self, path: str | PathLike[str]) -> SavedFit | None:
        """Go on from a checkpoint: net, optimiser, generator and history are as they were."""
        from .saved_fit import SavedFit

        saved = SavedFit(path, self)
        saved.restore_net(self)
        return saved

    def _is_finished(self, saved: SavedFit | None) -> bool:
        return saved is not None and saved.finished

    def _begin(self, saved: SavedFit | None) -> None:
        """Let callbacks begin, and remember what is in a checkpoint."""
        self._call("on_fit_begin", {"epoch": self.epoch, "epochs": self.settings.epochs})
        if saved is not None:
            saved.restore_callbacks(self)

    def _epoch(self, display: Display) -> None:
        """One epoch, its validation and its callbacks."""
        logs: dict[str, Any] = {"epoch": self.epoch + 1, "epochs": self.settings.epochs}
        logs["learning_rate"] = self.optimizer.rate()
        self._call("on_epoch_begin", logs)
        display.epoch_begin(self.epoch + 1)
        figures = self._train_epoch(display, logs)
        if figures is None:
            return
        if self.data.validation is not None:
            evaluation = self._evaluate(*self.data.validation)
            figures |= {"val_loss": evaluation.loss}
            if has_accuracy(self.net.loss):
                figures |= {"val_accuracy": evaluation.accuracy}
        self.history = self.net.history = self.history.with_epoch(figures)
        self.epoch += 1
        display.epoch_end(figures)
        if _log.isEnabledFor(logging.INFO):
            _log.info("%s", epoch_line(self.epoch, self.settings.epochs, figures))
        self._warn_of_loss(figures["loss"])
        self._look_at_clock()  # so that callbacks know, at the end of an epoch, that it is the last one
        self._call("on_epoch_end", logs | figures)

    def _evaluate(self, x: np.ndarray, y: np.ndarray) -> Any:
        return self.net.evaluate(x, y)

    def _look_at_clock(self) -> bool:
        """End the fit at its deadline; whether it has come."""
        is_over = time.monotonic() >= self.deadline
        if is_over:
            self.net.stop_training = True
        return is_over

    def _warn_of_loss(self, loss: float) -> None:
        """Once, where a net does not learn."""
        warning = None if self._has_warned else loss_warning(self.epoch, loss, self.net.layers, self._images)
        if warning is not None:
            self._has_warned = True
            warnings.warn(warning, stacklevel=self._warning_level)

    def _train_epoch(self, display: Display, logs: dict[str, Any]) -> dict[str, float] | None:
        """All batches once; the epoch's figures, or None where it was cut short."""
        epoch, tally, before = self._begin_epoch(), Tally(has_accuracy(self.net.loss)), self.net.snapshot()
        most, is_cut = 1, False
        start = time.perf_counter()
        while not (is_cut or epoch.is_over()):
            begin, steps = time.perf_counter(), tally.steps
            is_cut = self._run(epoch, most, tally, logs, before)
            if tally.images:
                display.step(tally.images, tally.loss, tally.accuracy)
            is_cut = self._look_at_clock() or is_cut
            if not self._batch_hooks:
                most = self._batches_a_call((tally.steps - steps) / (time.perf_counter() - begin))
        if not all(np.isfinite(value).all() for value in self.net.state().values()):  # which no loss has seen
            raise self._diverged("parameters became NaN or infinite", tally.steps, before)
        return tally.figures(time.perf_counter() - start) if tally.steps == epoch.batches else None

    def _batches_a_call(self, rate: float) -> int:
        """How many batches the next call takes, of so many a second."""
        return max(1, int(rate * _SECONDS_A_CALL))

    def _run(
        self,
        epoch: ArrayEpoch | StreamedEpoch,
        most: int,
        tally: Tally,
        logs: dict[str, Any],
        before: dict[str, np.ndarray],
    ) -> bool:
        """At most so many batches in one call; whether a callback has ended the fit after it."""
        images = epoch.take(most)
        steps = -(-len(images.order) // epoch.batch_size)
        rate = self.optimizer.rate() if self._batch_hooks else 0.0
        done = self._steps(images, epoch.batch_size, steps)
        if done == steps:
            tally.add(images, steps)
        is_cut = False
        if self._batch_hooks:
            epoch.is_over()  # after which the number of batches is known
            batch = {"batch": tally.steps + steps - done, "batches": epoch.batches, "learning_rate": rate}
            is_cut = self._batch_end(logs | batch, images)
        if done < steps and not is_cut:
            raise self._diverged("the loss became NaN or infinite", tally.steps + done + 1, before)
        return is_cut

    def _batch_end(self, logs: dict[str, Any], batch: Batches) -> bool:
        """Call those who want to know of each batch; whether one of them has ended the fit."""
        tally = Tally(has_accuracy(self.net.loss))
        tally.add(batch, 1)
        logs |= {"loss": tally.loss} | ({} if tally.accuracy is None else {"accuracy": tally.accuracy})
        was_stopped = self.net.stop_training
        for hook in self._batch_hooks:
            hook(self.net, dict(logs))
        return self.net.stop_training and not was_stopped

    def _begin_epoch(self) -> ArrayEpoch | StreamedEpoch:
        """The batches of a new epoch: of arrays, in an order that is drawn for it."""
        data, settings = self.data, self.settings
        if isinstance(data, BatchSource):
            return StreamedEpoch(data, self.epoch + 1, partial(self._given_batch, int(self.rng.integers(2**63))))
        order = self.rng.permutation(data.images) if settings.shuffle else np.arange(data.images)
        seed = int(self.rng.integers(2**63))
        return ArrayEpoch(self._batches(data.x, data.y, order, seed, data.weights), settings.batch_size)

    def _given_batch(self, seed: int, x: np.ndarray, y: np.ndarray, position: int) -> Batches:
        """One that was given, at its position in the epoch of that seed."""
        if self.epoch == position == 0:
            self._images = image_range(x)
            self.net.inputs.fit_to(self._images)
        return self._batches(x, y, np.arange(len(x)), seed)._replace(position=position)

    def _batches(
        self, x: np.ndarray, y: np.ndarray, order: np.ndarray, seed: int, weights: np.ndarray | None = None
    ) -> Batches:
        return Batches(
            x,
            y,
            order,
            losses=np.empty(len(order)),
            correct=np.empty(len(order), np.uint8),
            seed=seed,
            warp=self._warp,
            weights=weights,
            loss=self._rule(),
        )

    def _rule(self) -> LossRule:
        """The loss of the net, with this fit's label smoothing."""
        rule, smoothing = rule_of(self.net.loss), self.settings.label_smoothing
        return rule if smoothing is None else rule._replace(constant=smoothing)

    def _steps(self, batches: Batches, batch_size: int, steps: int) -> int:
        """So many steps; how many were done, because every loss was finite."""
        executor, before = self.net.executor, self.optimizer.done
        done = executor.train(batch_size, batches, self.optimizer.next_update(executor.learned, steps))
        self.optimizer.done = before + done
        return done

    def _diverged(self, what: str, step: int, before: dict[str, np.ndarray]) -> FloatingPointError:
        """Set the net back to how the epoch began, and say so."""
        self.net.set_parameters(before)
        return FloatingPointError(
            f"{what} in epoch {self.epoch + 1}, step {step}; the parameters are set back to the start of that epoch. "
            f"look at the scale first: {advice(self.net.layers, self._images)}"
        )

    def _call(self, hook: str, logs: dict[str, Any]) -> None:
        for callback in self.callbacks:
            if hasattr(callback, hook):
                getattr(callback, hook)(self.net, dict(logs))


def _hears_batches(callback: Any) -> bool:
    """Whether a callback has a method for batches, and not the one of its base class, which does nothing."""
    method = getattr(callback, "on_batch_end", None)
    return method is not None and getattr(method, "__func__", None) is not Callback.on_batch_end


def _in_order(callbacks: Any) -> list[Any]:
    """As they were given, but first those that change the net, and last those that write down how the others stand."""
    if not isinstance(callbacks, Iterable):
        raise TypeError(f"callbacks must be a sequence of callbacks, got {callbacks!r}")
    callbacks = list(callbacks)
    for i, callback in enumerate(callbacks):
        if isinstance(callback, type) or not any(hasattr(callback, hook) for hook in _HOOKS):
            raise TypeError(f"callbacks[{i}] must have one of {', '.join(_HOOKS)}, got {callback!r}")
        unknown = [name for name in dir(callback) if name.startswith("on_") and name not in _HOOKS]
        if isinstance(callback, Callback) and unknown:
            raise TypeError(f"callbacks[{i}] has {unknown[0]}, which no fit calls; it calls {', '.join(_HOOKS)}")
    return sorted(callbacks, key=_place)


def _place(callback: Any) -> int:
    return bool(getattr(callback, "comes_last", False)) - bool(getattr(callback, "comes_first", False))
