"""`History`: what a fit returns, the figures of its epochs."""

from __future__ import annotations

from typing import Any, NamedTuple


class History(NamedTuple):
    """What `Sequential.fit` returns: one entry an epoch. Without validation data the two val lists stay empty."""

    loss: list[float]
    accuracy: list[float]
    val_loss: list[float]
    val_accuracy: list[float]
    seconds: list[float]
    images_per_second: list[float]

    def plot(self, path=None) -> Any:
        """Loss and accuracy over the epochs, as `cnn.plot.training_curves` draws them."""
        from ..plot import training_curves

        return training_curves(self, path)
