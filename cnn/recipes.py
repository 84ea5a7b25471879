"""Ways to train on MNIST that work: a net, and all that `fit` takes to train it; and nets by their names."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from . import models
from .nets.sequential import Sequential
from .schedules import Constant, Cosine, OneCycle, Schedule, Step
from .training.augment import Augment
from .training.optimizer import Optimizer
from .training.optimizers import SGD, Adadelta, Adam, AdamW, Lion, RMSprop

# Optimisers by name, for a learning rate.
OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "adadelta": Adadelta,
    "adam": Adam,
    "adamw": AdamW,
    "lion": Lion,
    "rmsprop": RMSprop,
    "sgd": partial(SGD, momentum=0.9, nesterov=True),
}


class Recipe(NamedTuple):
    """A net and the settings of its fit. SGD has Nesterov momentum."""

    build: Callable[..., Sequential]
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.0
    augment: Augment | None = None
    schedule: Callable[[float], Schedule] = Cosine  # from the first rate
    rule: Callable[..., Optimizer] = OPTIMIZERS["sgd"]
    label_smoothing: float | None = None

    def arguments(self, seed: int | None = None) -> dict[str, Any]:
        """What `Sequential.fit` takes beside images, labels and what the fit shows."""
        return {
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "optimizer": self.rule(self.schedule(self.learning_rate), weight_decay=self.weight_decay),
            "seed": seed,
            "augment": self.augment,
            "label_smoothing": self.label_smoothing,
        }

    def details(self, seed: int | None = None) -> dict[str, Any]:
        """What a report says of it."""
        return {"build": f"cnn.models.{self.build.__name__}", **self.arguments(seed)}


# As the command line calls them.
NETS: dict[str, Callable[..., Sequential]] = {
    "tutorial": models.tutorial,
    "two-conv": models.two_conv,
    "lenet5": models.lenet5,
    "quick": models.quick,
    "tiny": models.tiny,
    "wide": models.wide,
    "keras-mnist": models.keras_mnist,
    "pytorch-mnist": models.pytorch_mnist,
    "resnet-small": models.resnet_small,
    "vgg-small": models.vgg_small,
}

RECIPES = {
    # How it was found, on a part of the training images: `benchmarks/search_fast.py`.
    "fast": Recipe(
        models.quick,
        epochs=1,
        batch_size=48,
        learning_rate=0.3,
        weight_decay=5e-4,
        schedule=OneCycle,
        label_smoothing=0.02,
    ),
    "two-conv": Recipe(models.two_conv, epochs=3, batch_size=32, learning_rate=0.03),  # suits most nets
    "accurate": Recipe(
        models.wide,
        epochs=60,
        batch_size=64,
        learning_rate=0.03,
        weight_decay=5e-4,
        augment=Augment(shift=1, rotate=10, scale=0.1, shear=8, elastic=0.7),
    ),
    "tiny": Recipe(
        models.tiny,
        epochs=12,
        batch_size=64,
        learning_rate=0.2,
        weight_decay=1e-4,
        augment=Augment(shift=1, rotate=5, scale=0.05, shear=5),
        schedule=OneCycle,
    ),
    # The settings of the frameworks' own examples.
    "keras": Recipe(models.keras_mnist, epochs=15, batch_size=128, learning_rate=0.001, schedule=Constant, rule=Adam),
    "pytorch": Recipe(
        models.pytorch_mnist,
        epochs=14,
        batch_size=64,
        learning_rate=1.0,
        schedule=partial(Step, every=1, factor=0.7),
        rule=Adadelta,
    ),
    # Those of the papers, for fewer epochs.
    "resnet": Recipe(models.resnet_small, epochs=3, batch_size=128, learning_rate=0.1, weight_decay=1e-4),
    "vgg": Recipe(models.vgg_small, epochs=3, batch_size=128, learning_rate=0.01, weight_decay=5e-4),
}
