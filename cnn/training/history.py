"""`History`: what a fit returns, the figures of its epochs."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple

from ..backends.tables import call

if TYPE_CHECKING:
    from ..plot.style import Picture

LEARNING = ("loss", "accuracy", "val_loss", "val_accuracy")  # the figures that tell how well a net has learned


class History(NamedTuple):
    """What `Sequential.fit` returns: one entry an epoch. Without validation data the two val lists stay empty."""

    loss: list[float]
    accuracy: list[float]
    val_loss: list[float]
    val_accuracy: list[float]
    seconds: list[float]
    images_per_second: list[float]

    def __repr__(self) -> str:
        """The number of epochs, the figures of the last one, and the seconds of all."""
        told: dict[str, Any] = {"epochs": len(self.loss)}
        last = {name: values[-1] for name, values in self._asdict().items() if values and name in LEARNING}
        if self.seconds:
            last["seconds"] = sum(self.seconds)
        return call(type(self), told | {name: float(f"{value:.4g}") for name, value in last.items()})

    def _repr_html_(self) -> str:
        from .history_view import history_html

        return history_html(type(self).__name__, self._asdict())

    def with_epoch(self, figures: Mapping[str, float]) -> History:
        """This and one more epoch: a new history, so that an interrupt never leaves an epoch half written down."""
        new = {name: [figures[name]] if name in figures else [] for name in self._fields}
        return History(*(values + new[name] for name, values in self._asdict().items()))

    def plot(self, path: str | PathLike[str] | None = None) -> Picture:
        """Loss and accuracy over the epochs, as `cnn.plot.training_curves` draws them."""
        from ..plot import training_curves

        return training_curves(self, path)
