"""Batches that a fit takes from an iterable of pairs (x, y), such as a list, a generator or PyTorch's DataLoader."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from ..backends import checks
from ..backends.calls import Batches
from ..backends.tables import call

_NOTHING = object()  # in place of a batch that was not read yet
_END = object()


class Inputs(Protocol):
    """What a net takes, as far as batches are checked."""

    def images(self, name: str, x: Any) -> np.ndarray: ...
    def targets(self, name: str, y: Any, n: int) -> np.ndarray: ...


class BatchSource:
    """What a fit trains on, batch by batch, and validates with.

    An iterable that is no iterator is iterated anew in each epoch; an iterator goes on from one epoch to the next.

    Attributes
    ----------
    validation : pair of arrays or None
    steps_per_epoch : int or None
        As it was given, or the length of the iterable; None if there is neither.
    images : int or None
        Of the last epoch that was read to its end.
    largest : int
        The images of the largest batch so far, for which there is memory.

    Raises
    ------
    TypeError, ValueError
        What is no iterable; an iterator for several epochs without `steps_per_epoch`; an iterable shorter than that.
    """

    def __init__(
        self,
        batches: Iterable[Any],
        inputs: Inputs,
        validation: tuple[np.ndarray, np.ndarray] | None,
        epochs: int,
        steps_per_epoch: Any,
    ) -> None:
        self.inputs, self.validation = inputs, validation
        self.images: int | None = None
        self.largest = 0
        self._batches = batches
        given = None if steps_per_epoch is None else checks.integer("steps_per_epoch", steps_per_epoch, minimum=1)
        length = _length(batches)
        self.is_limited = given is not None
        self.steps_per_epoch = length if given is None else given
        if length is not None and given is not None and given > length:
            raise ValueError(f"steps_per_epoch must be at most the {length} batches of x, got {given}")
        is_iterator = isinstance(batches, Iterator)
        if is_iterator and epochs > 1 and given is None:
            raise ValueError(
                f"x is an iterator, of which nothing is left for a second epoch: give steps_per_epoch, or a list of "
                f"batches or DataLoader, got epochs {epochs}"
            )

    def __repr__(self) -> str:
        return call(type(self), {"batches": self._batches, "steps_per_epoch": self.steps_per_epoch})

    def iterator(self) -> Iterator[Any]:
        """That of the next epoch."""
        return iter(self._batches)

    def checked(self, batch: Any, epoch: int, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Images and labels of a batch, as the runners read them; TypeError and ValueError name batch and epoch."""
        place = f"batch {number} of epoch {epoch}"
        if not isinstance(batch, Sequence) or isinstance(batch, str | bytes) or len(batch) != 2:
            size = f" of {len(batch)}" if isinstance(batch, Sequence) else ""
            raise TypeError(f"{place} must be a pair (x, y), got {type(batch).__name__}{size}")
        x = self.inputs.images(f"x of {place}", batch[0])
        return x, self.inputs.targets(f"y of {place}", batch[1], len(x))


class StreamedEpoch:
    """The batches of one epoch from a source, each checked as it is taken.

    No batch is read before the step of the one before it is done: a source may fill the same arrays again.

    Attributes
    ----------
    batch_size : int
        The most images of a batch so far.
    batches : int or None
        How many there are; None while that is not known.
    """

    def __init__(self, source: BatchSource, epoch: int, make: Callable[[np.ndarray, np.ndarray, int], Batches]) -> None:
        self._source, self._epoch, self._make = source, epoch, make
        self._iterator = source.iterator()
        self._next: Any = _NOTHING
        self._taken = self._images = 0
        self.batches = source.steps_per_epoch

    @property
    def batch_size(self) -> int:
        return self._source.largest

    def is_over(self) -> bool:
        """Whether all batches were taken; reads the next one, where that has to be found out."""
        if not (self._source.is_limited and self._taken == self.batches):
            if self._next is _NOTHING:
                self._next = next(self._iterator, _END)
            if self._next is not _END:
                return False
            self._check_end()
        self.batches, self._source.images = self._taken, self._images
        return True

    def _check_end(self) -> None:
        """ValueError where a source ends too early."""
        wanted = f"steps_per_epoch = {self.batches}" if self._source.is_limited else "one or more"
        if self._source.is_limited or not self._taken:
            raise ValueError(f"x must give {wanted} batches in each epoch, got {self._taken} in epoch {self._epoch}")

    def take(self, most: int) -> Batches:
        """The next batch: never more than one."""
        batch, self._next = self._next, _NOTHING
        self._taken += 1
        x, y = self._source.checked(batch, self._epoch, self._taken)
        self._source.largest = max(self._source.largest, len(x))
        position, self._images = self._images, self._images + len(x)
        return self._make(x, y, position)


def _length(batches: Any) -> int | None:
    """How many batches an iterable says that it has."""
    try:
        return len(batches)
    except TypeError:  # also of a DataLoader over a data set of unknown length
        return None
