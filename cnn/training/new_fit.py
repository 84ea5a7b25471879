"""The fit that `Sequential.fit` runs: of one process, or of those that share it, whose parts only few need."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from .batches import BatchSource
from .fit import Fit
from .optimizer import Optimizer
from .settings import Data, Settings

if TYPE_CHECKING:
    from ..backends.ranks import Ranks
    from .interfaces import Net


def ranks_of(comm: Any) -> AbstractContextManager[Ranks | None]:
    """The ranks of a communicator; None for none."""
    if comm is None:
        return nullcontext()
    from ..backends.ranks import Ranks

    return Ranks(comm)


def new_fit(
    net: Net, data: Data | BatchSource, settings: Settings, optimizer: Optimizer, callbacks: Any, ranks: Ranks | None
) -> Fit:
    """A fit of this process alone, or of all ranks; TypeError and ValueError where they cannot share it."""
    if ranks is None:
        if not isinstance(data, BatchSource) and data.first is not None:
            raise ValueError("x is a Shard, so comm must be given: other processes hold the other images")
        return Fit(net, data, settings, optimizer, callbacks)
    if isinstance(data, BatchSource):
        raise TypeError(
            "x must be an array, with y, or a Shard where comm is given, got batches, which may not be the same on all "
            "ranks"
        )
    if net.backend != "compiled":
        raise ValueError(f"comm needs a net with backend='compiled', got {net.backend!r}")
    from .shared_fit import SharedFit

    return SharedFit(net, data, settings, optimizer, callbacks, ranks)
