"""What the parts of a fit ask of each other: of the net that is trained, and of the fit that runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from ..layers.base import Layer
from ..plan.executor import Executor
from .batches import BatchSource
from .history import History
from .optimizer import Optimizer
from .scale import ImageRange
from .settings import Data, Settings


class Inputs(Protocol):
    """What a net takes, as far as a fit needs it."""

    def fit_to(self, fitted: ImageRange) -> None:
        """The net is fitted on these images now."""


class Net(Protocol):
    """A net, as far as a fit and its callbacks need it; `cnn.Sequential` is one."""

    stop_training: bool
    history: History | None

    @property
    def current_fit(self) -> RunningFit | None: ...
    @property
    def layers(self) -> Sequence[Layer]: ...
    @property
    def input_shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype: ...
    @property
    def backend(self) -> str: ...
    @property
    def loss(self) -> Any: ...
    @property
    def executor(self) -> Executor: ...
    @property
    def inputs(self) -> Inputs: ...
    @property
    def image_range(self) -> ImageRange | None: ...
    @property
    def classes(self) -> tuple[str, ...] | None: ...

    def state(self) -> dict[str, np.ndarray]:
        """Parameters and running statistics by name: views."""

    def snapshot(self) -> dict[str, np.ndarray]:
        """Copies of these, of one moment between two steps."""

    def set_parameters(self, values: Mapping[str, np.ndarray]) -> None:
        """Set those that are named, between two steps; ValueError, before any, where one does not fit."""

    def predict_logits(self, x: np.ndarray) -> np.ndarray: ...
    def evaluate_logits(self, logits: np.ndarray, y: np.ndarray) -> Any: ...
    def evaluate(self, x: np.ndarray, y: np.ndarray) -> Any:
        """Mean loss and accuracy, as attributes `loss` and `accuracy`."""


class RunningFit(Protocol):
    """A fit, as far as its callbacks and checkpoints need it: `net.current_fit`.

    Between two epochs, all that it needs to go on is here.

    Attributes
    ----------
    net, data, settings, optimizer, callbacks
        What it was given; callbacks in the order in which they are called.
    rng : np.random.Generator
        Draws the order of every epoch's images and the epoch's seed.
    steps : int or None
        Of all epochs; None where it is not known.
    epoch : int
        How many are done.
    history : History
    deadline : float
        The time, by `time.monotonic`, at which the fit ends: after the call that runs, some batches of 0.04 seconds in
        all, or one.
    fingerprint : dict
        The arguments, as checkpoints have them.
    """

    net: Net
    data: Data | BatchSource
    settings: Settings
    optimizer: Optimizer
    callbacks: list[Any]
    rng: np.random.Generator
    steps: int | None
    epoch: int
    history: History
    deadline: float

    @property
    def fingerprint(self) -> dict[str, Any]: ...
