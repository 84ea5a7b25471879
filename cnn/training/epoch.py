"""The batches of one epoch, as a fit takes them, several for a call or one; and what has become of them."""

from __future__ import annotations

import numpy as np

from ..backends.calls import Batches


class ArrayEpoch:
    """All images of arrays once, in an order that is drawn already.

    Attributes
    ----------
    batch_size : int
        The most images of a batch.
    batches : int
        How many there are.
    """

    def __init__(self, images: Batches, batch_size: int) -> None:
        self._images, self._taken = images, 0
        self.batch_size = batch_size
        self.batches = -(-len(images.order) // batch_size)

    def is_over(self) -> bool:
        """Whether all batches were taken."""
        return self._taken == len(self._images.order)

    def take(self, most: int) -> Batches:
        """The images of the next batches, at most so many batches."""
        start = self._taken
        self._taken = min(start + most * self.batch_size, len(self._images.order))
        return self._images.part(start, self._taken)


class Tally:
    """The steps of an epoch that were done, and how well the net read their images before each.

    Attributes
    ----------
    steps, images : int
    loss : float
        The mean so far, by the weights of the images if they have any.
    accuracy : float or None
        Likewise; None for a loss for which no output is right or wrong.
    """

    def __init__(self, has_accuracy: bool) -> None:
        self.steps = self.images = 0
        self._losses: list[np.ndarray] = []  # times the weights
        self._weights: list[np.ndarray] = []  # if there are any
        self._sum, self._weight, self._correct = 0.0, 0.0, 0
        self._has_accuracy = has_accuracy

    @property
    def loss(self) -> float:
        return self._sum / (self._weight or 1.0)

    @property
    def accuracy(self) -> float | None:
        return self._correct / self.images if self._has_accuracy else None

    def add(self, images: Batches, steps: int) -> None:
        """Count the images of so many steps."""
        weights = None if images.weights is None else images.weights[images.order]
        losses = images.losses if weights is None else weights * images.losses
        self.steps += steps
        self.images += len(images.order)
        self._losses.append(losses)
        self._sum += float(losses.sum())
        self._weight += len(images.order) if weights is None else float(weights.sum())
        self._weights += [] if weights is None else [weights]
        self._correct += int(images.correct.sum())

    def figures(self, seconds: float) -> dict[str, float]:
        """Those of an epoch that took so long, for its history."""
        # Sums of all at once: how many there are in a call follows the clock.
        weight = float(np.concatenate(self._weights).sum()) if self._weights else self._weight
        loss = np.concatenate(self._losses).sum() / (weight or 1.0)
        accuracy = {} if self.accuracy is None else {"accuracy": self.accuracy}
        return {"loss": float(loss), **accuracy, "seconds": seconds, "images_per_second": self.images / seconds}
