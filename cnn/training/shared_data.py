"""What ranks give each other beside the steps: images that another one holds, and what has become of each image."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cnn_c import KERNELS

from ..backends.calls import Batches
from ..backends.ranks import Ranks
from ..backends.shares import shares_of
from .fingerprint import digest
from .settings import Data


class Parts:
    """Which images each rank holds.

    Parameters
    ----------
    ranks : Ranks
    data : Data
        Of which x is this rank's part.

    Raises
    ------
    ValueError
        On all ranks: the parts, in the order of ranks, are not the data set.
    """

    def __init__(self, ranks: Ranks, data: Data) -> None:
        self._ranks, self._data = ranks, data
        parts = ranks.gather((data.first or 0, len(data.x)))
        self._firsts = np.array([first for first, _ in parts] + [data.images])
        end = 0
        for rank, (first, count) in enumerate(parts):
            if first != end:
                raise ranks.told(
                    ValueError(
                        "x must be shards that together hold all images, in the order of ranks: "
                        f"x.first of rank {rank} must be {end}, got {first}"
                    )
                )
            end = first + count
        if end != data.images:
            raise ranks.told(
                ValueError(
                    f"x must be shards that together hold as many images as x.y has targets, {data.images}, got {end}"
                )
            )

    def fetch(self, batches: Batches, batch_size: int) -> Batches:
        """Batches with the images that this rank's steps take, which other ranks hold."""
        ranks, data = self._ranks, self._data
        own = own_positions(len(batches.order), batch_size, ranks.ranks)
        wanted = [batches.order[positions] for positions in own]  # by each rank
        holders = [np.searchsorted(self._firsts, images, side="right") - 1 for images in wanted]
        sent = [
            data.x[images[holder == ranks.rank] - self._firsts[ranks.rank]]
            for images, holder in zip(wanted, holders, strict=True)
        ]
        mine, held_by = own[ranks.rank], holders[ranks.rank]
        with ranks.exchanging():
            ranks.check()
            got = ranks.send_rows(sent, np.bincount(held_by, minlength=ranks.ranks).tolist())
        x = np.empty((len(batches.order), *data.x.shape[1:]), data.x.dtype)  # of which most is never touched
        x[mine[np.argsort(held_by, kind="stable")]] = got
        return batches._replace(
            x=x,
            targets=batches.targets[batches.order],
            weights=None if batches.weights is None else batches.weights[batches.order],
            order=np.arange(len(batches.order)),
        )

    def digest(self) -> str:
        """That of all images, as if they lay in one array."""
        with self._ranks.exchanging():
            self._ranks.check()
            x = self._data.x
            own = digest(x.dtype, (self._data.images, *x.shape[1:]), self._each_to_root())
        return self._ranks.from_root(own)

    def _each_to_root(self) -> Iterator[np.ndarray]:
        """The parts of the ranks, one after the other, which the root gets, and others get none of."""
        ranks, x = self._ranks, self._data.x
        for rank in range(ranks.ranks):
            sent = [x if rank == ranks.rank and to == 0 else x[:0] for to in range(ranks.ranks)]
            count = int(self._firsts[rank + 1] - self._firsts[rank]) if ranks.is_root else 0
            yield ranks.send_rows(sent, [count if of == rank else 0 for of in range(ranks.ranks)])


def share_results(ranks: Ranks, batches: Batches, batch_size: int) -> None:
    """Let all know the losses of all images, and which were right."""
    own = own_positions(len(batches.order), batch_size, ranks.ranks)
    order = np.concatenate(own)
    bounds = [0, *np.cumsum([len(positions) for positions in own]).tolist()]
    with ranks.exchanging():
        ranks.check()
        for results in (batches.losses, batches.correct):
            values = results[order]
            ranks.share_rows(values, bounds)
            results[order] = values


def own_positions(images: int, batch_size: int, ranks: int) -> list[np.ndarray]:
    """Of so many images in batches, those of each rank."""
    whole, rest = divmod(images, batch_size)
    starts = np.arange(whole) * batch_size
    chunks = KERNELS["f"].chunks_of(batch_size)
    shares = shares_of(batch_size, min(batch_size, chunks), ranks).images
    last = shares_of(rest, min(rest, chunks), ranks).images if rest else [0] * (ranks + 1)
    return [
        np.concatenate(
            [
                (starts[:, None] + np.arange(shares[rank], shares[rank + 1])).ravel(),
                whole * batch_size + np.arange(last[rank], last[rank + 1]),
            ]
        )
        for rank in range(ranks)
    ]
