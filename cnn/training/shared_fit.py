"""`SharedFit`: a fit on several processes, which train on parts of the same batches and hold the same net.

Rank 0, the root, calls the callbacks, reads and writes files and prints; the others are told what that has changed.
"""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

import cnn_c

from ..backends.calls import Batches
from ..backends.parts import leaves
from ..backends.ranks import Ranks, shares
from ..backends.threads import shared_processors
from .batches import BatchSource
from .fingerprint import differences
from .fit import Fit
from .history import History
from .optimizer import Optimizer
from .scale import ImageRange
from .settings import Data, Settings
from .shared_data import Parts, share_results

if TYPE_CHECKING:
    from .interfaces import Net
    from .saved_fit import SavedFit


def ranks_of(comm: Any) -> AbstractContextManager[Ranks | None]:
    """The ranks of a communicator; None for none."""
    return nullcontext() if comm is None else Ranks(comm)


def new_fit(
    net: Net, data: Data | BatchSource, settings: Settings, optimizer: Optimizer, callbacks: Any, ranks: Ranks | None
) -> Fit:
    """A fit of this process alone, or of all ranks; TypeError and ValueError where they cannot share it."""
    if ranks is None:
        if not isinstance(data, BatchSource) and data.first is not None:
            raise ValueError("x is a Shard, so comm must be given: other processes hold the other images")
        return Fit(net, data, settings, optimizer, callbacks)
    if isinstance(data, BatchSource):
        raise TypeError("comm needs arrays x and y, or a Shard: nobody knows whether ranks get the same batches")
    if net.backend != "compiled":
        raise ValueError(f"comm needs a net with backend='compiled', got {net.backend!r}")
    return SharedFit(net, data, settings, optimizer, callbacks, ranks)


class SharedFit(Fit):
    """A fit on all ranks of a communicator."""

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
        self._ranks, self._images_held = ranks, len(data.x)
        # Where each rank holds but a part of x.
        self._parts = None if data.first is None else Parts(ranks, data)

    def train(self, progress: Literal["auto"] | bool, resume: str | PathLike[str] | None = None) -> History:
        """As `Fit.train`, on all ranks; the arguments are compared before anything else."""
        ranks = self._ranks
        self._compare()
        ranges = [images for images, count in ranks.gather((self._images, self._images_held)) if count]
        self._images = ImageRange(
            ranges[0].dtype, min(each.minimum for each in ranges), max(each.maximum for each in ranges)
        )
        hears_batches = ranks.from_root(bool(self._batch_hooks))
        if not ranks.is_root:
            self.callbacks, self._batch_hooks = [], [_nothing] * hears_batches
        self._share_everything()
        with shared_processors(ranks.beside()):
            return super().train(progress if ranks.is_root else False, resume)

    # ---- before the first step ----

    def _compare(self) -> None:
        """ValueError, on all ranks, where they were given different arguments or run on different software."""
        ranks = self._ranks
        arguments = self.fingerprint
        if self._parts is not None:
            arguments["x"] = self._parts.digest()
        software = {"cnn-c version": version("cnn-c"), "NumPy version": np.__version__, "CNN_C_LEVEL": cnn_c.LEVEL}
        told = ranks.gather(software | arguments)
        different = [(rank, differences(told[0], other)) for rank, other in enumerate(told)]
        lines = [f"rank 0 has {'; '.join(lines)} as rank {rank} has" for rank, lines in different if lines]
        if lines:
            raise ranks.told(ValueError(f"all ranks of a fit must be given the same: {', and '.join(lines)}"))

    def _share_everything(self) -> None:
        """The root's net, optimiser, generator and history, on all ranks."""
        net, optimizer, learned = self.net, self.optimizer, self.net.executor.learned
        mine = (
            self.rng.bit_generator.state,
            self.epoch,
            self.history,
            optimizer.done,
            [learned.parameters, learned.statistics, *optimizer.arrays(learned.parameters)],
        )
        state, self.epoch, self.history, done, arrays = self._ranks.from_root(mine)
        self.rng.bit_generator.state = state
        net.history = self.history
        learned.parameters[...], learned.statistics[...] = arrays[:2]
        optimizer.restore(learned.parameters, arrays[2:], done)

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
        learned = self.net.executor.learned
        before = learned.parameters.copy(), learned.statistics.copy()
        result = self._ranks.on_root(function)
        now = learned.parameters, learned.statistics
        is_other = not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(before, now, strict=True))
        self._share_arguments()
        arrays = self._ranks.from_root(now if is_other else None)
        if arrays is not None:
            learned.parameters[...], learned.statistics[...] = arrays
        return result

    def _share_arguments(self) -> None:
        """What callbacks may assign: the end of the fit, arguments of the optimiser, which layers learn."""
        optimizer, layers = self.optimizer, leaves(self.net.layers)
        arguments = {name: getattr(optimizer, name) for name in optimizer.arguments}
        mine = self.net.stop_training, arguments, [layer.trainable for layer in layers]
        self.net.stop_training, arguments, trainable = self._ranks.from_root(mine)
        if not self._ranks.is_root:
            optimizer.configure(arguments)
            for layer, value in zip(layers, trainable, strict=True):
                if layer.trainable != value:
                    layer.trainable = value

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
        bounds, rank = shares(len(x), self._ranks.ranks), self._ranks.rank
        logits = np.empty((len(x), *self.net.layers[-1].output_shape), self.net.dtype)
        own = slice(bounds[rank], bounds[rank + 1])
        logits[own] = self._ranks.agree(lambda: self.net.predict_logits(x[own]))
        self._ranks.share_rows(logits, bounds)
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
                    "Python has computed different values on them"
                )
            )
        return figures


def _nothing(net: Any, logs: dict[str, Any]) -> None:
    """Called after every batch where the root's callbacks are."""
