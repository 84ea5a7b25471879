"""Ways to train on MNIST that work: a net, and all that `fit` takes to train it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .. import models
from ..nets.sequential import Sequential
from ..schedules import Cosine
from ..training.augment import Augment
from ..training.optimizers import SGD


class Recipe(NamedTuple):
    """A net and the settings of its fit. The learning rate falls to zero along a cosine, with Nesterov momentum."""

    build: Callable[..., Sequential]
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.0
    augment: Augment | None = None

    def arguments(self, seed: int | None = None) -> dict[str, Any]:
        """What `Sequential.fit` takes beside images, labels and what the fit shows."""
        return {
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "optimizer": SGD(Cosine(self.learning_rate), momentum=0.9, nesterov=True, weight_decay=self.weight_decay),
            "seed": seed,
            "augment": self.augment,
        }


RECIPES = {
    "fast": Recipe(models.two_conv, epochs=3, batch_size=32, learning_rate=0.03),
    "accurate": Recipe(
        models.wide,
        epochs=60,
        batch_size=64,
        learning_rate=0.03,
        weight_decay=5e-4,
        augment=Augment(shift=1, rotate=10, scale=0.1, shear=8, elastic=0.7),
    ),
}
