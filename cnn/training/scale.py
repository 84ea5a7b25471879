"""The scale of images: from what to what their pixels go, and warnings where that is not what a net has learned from.

A net that was fitted on bytes from 0 to 255 reads nothing in images from 0 to 1, and the other way round.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cnn_c import KERNELS

from ..layers.base import Layer
from ..layers.batchnorm import BatchNorm
from ..layers.layernorm import LayerNorm
from ..layers.reshape import Rescaling

__all__ = ["ImageRange", "ScaleWarning"]

_SAMPLE = 1000  # images that are looked at
_PLAIN = 30  # times as large or as small is another scale; normalised images differ from others by less
_FAR_ABOVE = 2  # times the loss of guessing, in the first epoch
_DIVERGED = 10  # times the loss of guessing


class ScaleWarning(UserWarning):
    """Images are on another scale than those that a net was fitted on, or reach its first layer unscaled."""


class ImageRange(NamedTuple):
    """The dtype and the range of the images that a net was fitted on."""

    dtype: str
    minimum: float
    maximum: float

    def __str__(self) -> str:
        return f"{self.dtype} images from {self.minimum:g} to {self.maximum:g}"

    def differs_plainly(self, minimum: float, maximum: float) -> bool:
        """Whether pixels from `minimum` to `maximum` are on another scale; those of one value have none."""
        here, there = self.maximum - self.minimum, maximum - minimum
        return here > 0 and there > 0 and not here <= _PLAIN * there <= _PLAIN * _PLAIN * here

    def scaled(self, images: np.ndarray) -> np.ndarray:
        """Images uint8, from 0 to 255 as picture files have them, on the scale of this range."""
        if not self.differs_plainly(0, 255):
            return images
        return np.float32(self.minimum) + images * np.float32((self.maximum - self.minimum) / 255)


def image_range(images: np.ndarray) -> ImageRange:
    """That of images (n, ...), of which at most 1,000 are looked at; NaN and infinite pixels do not count."""
    sample = images[:: max(1, len(images) // _SAMPLE)]
    if sample.dtype.kind == "f":
        sample = sample[np.isfinite(sample)]
    if not sample.size:
        return ImageRange(images.dtype.name, 0.0, 0.0)
    return ImageRange(images.dtype.name, float(sample.min()), float(sample.max()))


def first_values(images: np.ndarray) -> tuple[float, float]:
    """The range of the first images at little cost, for a look at their scale; (0, 0) if it is infinite."""
    if images.dtype.char in KERNELS:
        low, high = KERNELS[images.dtype.char].value_range(images)
        return (low, high) if -math.inf < low <= high < math.inf else (0.0, 0.0)
    return (float(images[:8].min()), float(images[:8].max())) if images.size else (0.0, 0.0)


def warn_of_other_scale(name: str, fitted: ImageRange, given: ImageRange, stacklevel: int) -> None:
    """A `ScaleWarning` with both ranges."""
    text = f"{name} holds {given}, but the net was fitted on {fitted}; bring them to that scale"
    warnings.warn(text, ScaleWarning, stacklevel)


# ---- during a fit ----


def unscaled_layer(layers: Sequence[Layer], images: ImageRange) -> Layer | None:
    """The first layer with parameters, where pixels reach it as large as they are in files; None where they do not."""
    bounds = [images.minimum, images.maximum]
    for layer in layers:
        if isinstance(layer, BatchNorm | LayerNorm):
            return None
        if isinstance(layer, Rescaling):
            bounds = [bound * layer.scale + layer.offset for bound in bounds]
        if layer.parameters:
            return layer if max(map(abs, bounds)) > _PLAIN else None
    return None


def advice(layers: Sequence[Layer], images: ImageRange) -> str:
    """What to look at where a net does not learn: the scale of its images first."""
    layer = unscaled_layer(layers, images)
    if layer is not None:
        return (
            f"{images} reach the first layer, {type(layer).__name__}, unscaled: put cnn.Rescaling(1 / 255) before it, "
            "or divide the images"
        )
    return f"the net was given {images}; a smaller learning rate may help, or look for NaN and inf in x"


def loss_warning(epoch: int, loss: float, layers: Sequence[Layer], images: ImageRange) -> Warning | None:
    """A warning where the mean loss of an epoch is far above that of guessing, the logarithm of the classes."""
    classes = layers[-1].output_shape[0]
    guessing = math.log(classes) if classes > 1 else math.inf
    is_unscaled = unscaled_layer(layers, images) is not None
    if not loss > guessing * (_FAR_ABOVE if is_unscaled and epoch == 1 else _DIVERGED):
        return None
    text = f"the loss of epoch {epoch} is {loss:.4g}, and that of guessing log({classes}) = {guessing:.3g}; "
    return (ScaleWarning if is_unscaled else RuntimeWarning)(text + advice(layers, images))
