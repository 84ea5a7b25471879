"""What pictures and reports are made of: nets, histories, predictions, checked. Errors name the argument.

Nets and histories are known by what they have, for this folder stands below those that make them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeGuard

import numpy as np

from ..layers.base import Layer


class Net(Protocol):
    """A net, as far as it is drawn; `cnn.Sequential` is one."""

    @property
    def layers(self) -> Sequence[Layer]: ...
    @property
    def layer_names(self) -> list[str]: ...
    @property
    def input_shape(self) -> tuple[int, ...]: ...
    @property
    def output_shape(self) -> tuple[int, ...]: ...
    @property
    def inputs(self) -> Any: ...
    def parameters(self) -> dict[str, np.ndarray]: ...
    def summary_rows(self, times: str = "x") -> Sequence[tuple[str, str, int, int]]: ...
    def predict_logits(self, x: Any) -> np.ndarray: ...
    def predict_proba(self, x: Any) -> np.ndarray: ...
    def evaluate_logits(self, logits: np.ndarray, y: Any) -> tuple[float, float]: ...


class History(Protocol):
    """What `fit` returns, as far as it is drawn: one entry an epoch."""

    @property
    def loss(self) -> list[float]: ...
    @property
    def accuracy(self) -> list[float]: ...
    @property
    def val_loss(self) -> list[float]: ...
    @property
    def val_accuracy(self) -> list[float]: ...
    @property
    def seconds(self) -> list[float]: ...
    @property
    def images_per_second(self) -> list[float]: ...


_NET = ("layers", "inputs", "predict_logits", "evaluate_logits", "summary_rows")
_HISTORY = ("loss", "accuracy", "val_loss", "val_accuracy", "seconds", "images_per_second")


def is_net(value: Any) -> TypeGuard[Net]:
    """Whether `value` is a net, and not the class of one."""
    return not isinstance(value, type) and all(hasattr(value, name) for name in _NET)


def checked_net(net: Any) -> Net:
    """`net`; TypeError for anything but a net."""
    if not is_net(net):
        raise TypeError(f"net must be a cnn.Sequential, got {net!r}")
    return net


def checked_history(history: Any) -> History:
    """`history`; TypeError for anything but a history, ValueError for one without an epoch."""
    if isinstance(history, type) or not all(hasattr(history, name) for name in _HISTORY):
        raise TypeError(f"history must be what fit returned, a History, got {history!r}")
    if not history.loss:
        raise ValueError("history must hold at least one epoch, got none")
    return history


class Predictions(NamedTuple):
    """Images, what they are, and what a net makes of them: predicted once, for all that is drawn of it."""

    x: np.ndarray
    y: np.ndarray  # int64
    logits: np.ndarray  # (n, classes)


def checked_predictions(net: Net, x: Any, y: Any, names: tuple[str, str] = ("x", "y")) -> Predictions:
    """A net's predictions for images and their labels; TypeError and ValueError for what are none.

    Rows of targets are none: what is drawn of labels has no meaning for them.
    """
    x = net.inputs.images(names[0], x)
    y = net.inputs.targets(names[1], y, len(x))
    if y.ndim != 1:
        raise ValueError(f"{names[1]} must be labels, one for each image, to be drawn, got rows of shape {y.shape}")
    return Predictions(x, y, net.predict_logits(x))
