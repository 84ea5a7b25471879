"""`SharedFit`: a fit on several processes, which train on parts of the same batches and hold the same net.

Rank 0, the root, calls the callbacks, reads and writes files and prints; the others are told what that has changed.
"""

from __future__ import annotations

import hashlib
from contextlib import nullcontext
from importlib.metadata import version
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

import cnn_c

from ..backends.calls import Batches
from ..backends.parts import leaves
from ..backends.processors import usable_processors
from ..backends.ranks import Ranks
from ..backends.shares import shares
from ..backends.threads import at_most, is_fixed
from .fingerprint import differences
from .fit import Fit
from .history import History
from .optimizer import Optimizer
from .saved_optimizer import described
from .scale import ImageRange
from .settings import Data, Settings
from .shared_data import Parts, share_results

if TYPE_CHECKING:
    from .interfaces import Net
    from .saved_fit import SavedFit


class SharedFit(Fit):
    """A fit on all ranks of a communicator."""

    _warning_level = 8

    def __init__(
        self,
        net: Net,
        data: Data,
        settings: Settings,
        optimizer: Optimizer,
        callbacks: Any,
        ranks: Ranks,
    ) -> None:
        super().__init__(net, data, settings, optimizer, callbacks)
        self._ranks, self._held = ranks, data
        self._parts: Parts | None = None  # where each rank holds but a part of x
        self._arguments: tuple[dict[str, Any], dict[str, Any]] = {}, {}  # of the optimiser, and described
        self._changed_arguments()

    def train(self, progress: Literal["auto"] | bool, resume: str | PathLike[str] | None = None) -> History:
        """As `Fit.train`, on all ranks; the arguments are compared before anything else."""
        ranks = self._ranks
        self._compare()
        resume = ranks.gather(resume)[0]  # the others may see no such file
        ranges = [images for images, count in ranks.gather((self._images, len(self._held.x))) if count]
        self._images = ImageRange(
            ranges[0].dtype, min(each.minimum for each in ranges), max(each.maximum for each in ranges)
        )
        hears_batches = ranks.from_root(bool(self._batch_hooks))
        if not ranks.is_root:
            self.callbacks, self._batch_hooks = [], [_nothing] * hears_batches
        self._share_everything()
        share = max(1, usable_processors() // ranks.beside())
        with nullcontext() if is_fixed() else at_most(share):
            return super().train(progress if ranks.is_root else False, resume)

    # ---- before the first step ----

    def _compare(self) -> None:
        """ValueError, on all ranks, where they were given different arguments or run on different software."""
        ranks, held, arguments = self._ranks, self._held, self.fingerprint
        if held.first is not None:
            arguments["x"] = f"a Shard of images {held.x.shape[1:]} in {held.x.dtype}"
        software = {"cnn-c version": version("cnn-c"), "NumPy version": np.__version__, "CNN_C_LEVEL": cnn_c.LEVEL}
        told = ranks.gather(software | arguments)
        others: dict[str, list[str]] = {}  # which ranks, by what is different on them
        for rank, other in enumerate(told):
            others.setdefault("; ".join(differences(told[0], other)), []).append(str(rank))
        lines = [f"rank 0 has {line} (rank {', '.join(given)})" for line, given in others.items() if line]
        if lines:
            raise ranks.told(ValueError(f"fit with comm must be given the same on all ranks: {', and '.join(lines)}"))
        if held.first is not None:
            self._parts = Parts(ranks, held)
            arguments["x"] = self._parts.digest()

    def _share_everything(self) -> None:
        """The root's net, optimiser, generator and history, on all ranks."""
        arrays = self._arrays()
        mine = self.rng.bit_generator.state, self.epoch, self.history, arrays, self.optimizer.done
        self.rng.bit_generator.state, self.epoch, self.history, arrays, done = self._ranks.from_root(mine)
        self.net.history = self.history
        self._set_arrays(arrays, done)

    def _resume(self, path: str | PathLike[str]) -> SavedFit | None:
        def read() -> SavedFit | None:
            return super(SharedFit, self)._resume(path) if self._ranks.is_root else None

        saved = self._ranks.agree(read)
        self._share_arguments()
        self._share_everything()
        return saved

    def _is_finished(self, saved: SavedFit | None) -> bool:
        return self._ranks.from_root(super()._is_finished(saved))

    def _begin(self, saved: SavedFit | None) -> None:
        super()._begin(None)
        self._on_root(lambda: None if saved is None else saved.restore_callbacks(self))

    # ---- what the root decides ----

    def _call(self, hook: str, logs: dict[str, Any]) -> None:
        self._on_root(lambda: super(SharedFit, self)._call(hook, logs))

    def _batch_end(self, logs: dict[str, Any], batch: Batches) -> bool:
        is_cut = self._on_root(lambda: super(SharedFit, self)._batch_end(logs, batch))
        return bool(is_cut)

    def _on_root(self, function: Any) -> Any:
        """What the function returns on the root, where alone it is called; what it has changed is changed on all."""
        result, changed = self._ranks.on_root(lambda: self._called(function))
        self._share_arguments()  # by which it is known how many arrays the optimiser has
        if changed is not None:
            self._set_arrays(*changed)
        return result

    def _called(self, function: Any) -> tuple[Any, tuple[list[np.ndarray], int] | None]:
        """What the function returns, and what steps go on from if it has changed that."""
        before = [array.copy() for array in self._arrays()]
        result, now = function(), self._arrays()
        is_same = len(now) == len(before) and all(map(_same_bits, before, now))
        return result, None if is_same else (now, self.optimizer.done)

    def _arrays(self) -> list[np.ndarray]:
        """What steps go on from."""
        learned = self.net.executor.learned
        return [learned.parameters, learned.statistics, *self.optimizer.arrays(learned.parameters)]

    def _set_arrays(self, arrays: list[np.ndarray], done: int) -> None:
        learned = self.net.executor.learned
        learned.parameters[...], learned.statistics[...], *kept = arrays
        self.optimizer.restore(learned.parameters, kept, done)

    def _share_arguments(self) -> None:
        """What callbacks may assign: the end of the fit, arguments of the optimiser, which layers learn."""
        optimizer, layers = self.optimizer, leaves(self.net.layers)
        mine = self.net.stop_training, self._changed_arguments(), [layer.trainable for layer in layers]
        self.net.stop_training, arguments, trainable = self._ranks.from_root(mine)
        if not self._ranks.is_root:
            optimizer.configure(arguments)
            for layer, value in zip(layers, trainable, strict=True):
                if layer.trainable != value:
                    layer.trainable = value

    def _changed_arguments(self) -> dict[str, Any]:
        """Those of the optimiser since the last call; others need not be sent, as a function in a program cannot be."""
        names, before = self.optimizer.arguments, self._arguments
        now = {name: getattr(self.optimizer, name) for name in names}, described(self.optimizer)
        self._arguments = now
        return {
            name: value
            for name, value in now[0].items()
            if value is not before[0].get(name) or now[1][name] != before[1].get(name)
        }

    def _look_at_clock(self) -> bool:
        is_over = self._ranks.from_root(super()._look_at_clock())
        self.net.stop_training = self.net.stop_training or is_over
        return is_over

    def _batches_a_call(self, rate: float) -> int:
        return self._ranks.from_root(super()._batches_a_call(rate))

    def _warn_of_loss(self, loss: float) -> None:
        if self._ranks.is_root:
            super()._warn_of_loss(loss)

    # ---- what is shared out ----

    def _evaluate(self, x: np.ndarray, y: np.ndarray) -> Any:
        ranks, together = self._ranks, self.net.executor.together
        bounds = [min(bound * together, len(x)) for bound in shares(-(-len(x) // together), ranks.ranks)]
        logits = np.empty((len(x), *self.net.layers[-1].output_shape), self.net.dtype)
        own = slice(bounds[ranks.rank], bounds[ranks.rank + 1])
        logits[own] = self.net.predict_logits(x[own])
        with ranks.exchanging():
            ranks.check()
            ranks.share_rows(logits, bounds)
        return self.net.evaluate_logits(logits, y)

    def _steps(self, batches: Batches, batch_size: int, steps: int) -> int:
        executor, before, given = self.net.executor, self.optimizer.done, batches
        if self._parts is not None:
            batches = self._parts.fetch(batches, batch_size)
        update = self.optimizer.next_update(executor.learned, steps)
        done = executor.train(batch_size, batches, update, self._ranks)
        self._ranks.check()
        self.optimizer.done = before + done
        share_results(self._ranks, given, batch_size)
        return done

    def _train_epoch(self, display: Any, logs: dict[str, Any]) -> dict[str, float] | None:
        figures = super()._train_epoch(display, logs)
        digest = hashlib.sha256(self.net.executor.learned.parameters.data).hexdigest()
        if len(set(self._ranks.gather(digest))) > 1:
            raise self._ranks.told(
                RuntimeError(
                    f"the parameters differ between ranks after epoch {self.epoch + 1}: a layer, loss or optimizer in "
                    "Python has computed different values, or a callback has changed what only rank 0 has"
                )
            )
        return figures


def _same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    return np.array_equal(one.view(np.uint8), other.view(np.uint8))


def _nothing(net: Any, logs: dict[str, Any]) -> None:
    """Called after every batch where the root's callbacks are."""
