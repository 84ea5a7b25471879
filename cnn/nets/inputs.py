"""`Inputs`: the images and targets that a net takes, checked and brought into the form that the runners read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backends import checks
from ..backends.tables import call
from ..losses import checked_targets
from ..training.scale import ImageRange, first_values, warn_of_other_scale

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_UINT8 = np.dtype(np.uint8)
_READ_DIRECTLY = (_UINT8, checks.FLOAT32, checks.FLOAT64)  # dtypes of images


class Inputs:
    """What a net takes: images of one shape, and targets of its outputs, as the loss wants them."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int, dtype: np.dtype, backend: str, loss: Any) -> None:
        self.input_shape, self.dtype = input_shape, dtype
        self._loss, self._outputs = loss, np.empty((0, outputs), dtype)
        self.fitted: ImageRange | None = None  # the images of the last fit
        self.classes: tuple[str, ...] | None = None  # names of the outputs
        self.has_warned = False  # of images on another scale
        self._image_shapes = {input_shape}
        if backend == "compiled" and input_shape[-1] == 1:  # the kernels see no difference
            self._image_shapes.add(input_shape[:-1])

    def __repr__(self) -> str:
        told = {"input_shape": self.input_shape, "outputs": self._outputs.shape[1], "dtype": self.dtype.name}
        return call(type(self), told)

    @property
    def outputs(self) -> int:
        """How many the net gives for an image."""
        return self._outputs.shape[1]

    def to_predict(self, x: ArrayLike) -> np.ndarray:
        """Images `x` for a prediction: as `images`, with a warning once where they are on another scale than fitted."""
        images = self.images("x", x)
        fitted = self.fitted
        if fitted is not None and not self.has_warned and not (images.dtype is _UINT8 and fitted.dtype == "uint8"):
            low, high = first_values(images)
            if fitted.differs_plainly(low, high):
                self.has_warned = True
                warn_of_other_scale("x", fitted, ImageRange(images.dtype.name, low, high), stacklevel=5)
        return images

    def fit_to(self, fitted: ImageRange) -> None:
        """The net is fitted on these images now."""
        self.fitted, self.has_warned = fitted, False

    def name_classes(self, classes: Any) -> None:
        """The outputs have these names, or none; TypeError and ValueError for what are no names of so many outputs."""
        if classes is not None:
            if isinstance(classes, str | bytes) or not isinstance(classes, Sequence):
                raise TypeError(f"classes must be a sequence of texts, such as ['cat', 'dog'], got {classes!r}")
            if not all(isinstance(name, str) and name for name in classes) or len(set(classes)) < len(classes):
                raise ValueError(f"classes must be different texts, got {classes!r}")
            if len(classes) != self.outputs:
                raise ValueError(f"classes must hold a name for each of {self.outputs} outputs, got {len(classes)}")
        self.classes = None if classes is None else tuple(classes)

    def images(self, name: str, x: ArrayLike) -> np.ndarray:
        """Images as the runners read them: uint8 or float, in one piece; TypeError and ValueError for what are none."""
        # What is right already passes after a look of a few hundred nanoseconds, a tenth of a small prediction.
        if type(x) is np.ndarray and x.shape[1:] in self._image_shapes:
            dtype, flags = x.dtype, x.flags
            if dtype in (_UINT8, self.dtype) and flags.c_contiguous and flags.aligned:
                return x
        images = checks.images(name, x, self.input_shape)
        if images.dtype in _READ_DIRECTLY:
            return np.require(images, None, ["C", "A"])
        return checks.real(name, images, self.dtype)

    def targets(self, name: str, y: ArrayLike, n: int) -> np.ndarray:
        """Targets of n images, as a new array; TypeError and ValueError for what are none, or if there are none."""
        if n == 0:
            raise ValueError(f"{name} must hold at least one label, got none")
        return checked_targets(self._loss, name, y, n, self._outputs)

    def pair(self, name: str, value: tuple[ArrayLike, ArrayLike]) -> tuple[np.ndarray, np.ndarray]:
        """Images and their targets, given as a pair."""
        if not isinstance(value, Sequence) or len(value) != 2:
            raise TypeError(f"{name} must be a pair (x, y), got {type(value).__name__}")
        x = self.images(f"{name}[0]", value[0])
        return x, self.targets(f"{name}[1]", value[1], len(x))
