"""Images as rows of features, which scikit-learn checks and splits, and rows as images, which nets take."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ..backends import checks

Shape = tuple[int, int, int]

_SAMPLE = 1000
_REACH = 127.5 / 78  # from middle grey to black, in standard deviations of MNIST's pixels


def rows_of(x: Any) -> tuple[Any, Shape | None]:
    """Images (n, h, w) or (n, h, w, c) as rows (n, h * w * c), with their shape (h, w, c).

    Anything else is returned as it is, for scikit-learn to check, with None.
    """
    if getattr(x, "ndim", None) in (0, 1, 2):  # a table of pandas or a sparse matrix, too
        return x, None
    images = np.asarray(x)
    if images.ndim < 3:
        return x, None
    if images.ndim > 4:
        raise ValueError(f"X must be rows (n, features) or images (n, h, w[, c]), got shape {images.shape}")
    shape = _with_channels(images.shape[1:])
    return images.reshape(len(images), math.prod(shape)), shape


def checked_shape(image_shape: Any, of_images: Shape | None, features: int) -> Shape:
    """The shape (h, w, c) of one image.

    Parameters
    ----------
    image_shape : tuple of int or None
        The estimator's argument: (h, w) or (h, w, c).
    of_images : tuple of int or None
        That of the images that were given; None for rows.
    features : int
        Of a row.

    Raises
    ------
    TypeError, ValueError
        What is no shape, or not that of the images, or of another number of features.
    """
    if image_shape is not None:
        shape = checks.image_shape("image_shape", image_shape)
        if len(shape) not in (2, 3):
            raise ValueError(f"image_shape must be (h, w) or (h, w, c), got {image_shape!r}")
        shape = _with_channels(shape)
        if of_images not in (None, shape):
            raise ValueError(f"X must hold images of image_shape {shape}, got {of_images}")
        if math.prod(shape) != features:
            raise ValueError(f"image_shape {shape} has {math.prod(shape)} pixels, and X has {features} features")
        return shape
    if of_images is not None:
        return of_images
    side = math.isqrt(features)
    if side * side == features:
        return (side, side, 1)
    warnings.warn(
        f"X has {features} features, which make no square image; they are taken as one line, "
        f"image_shape=(1, {features}, 1); say so, or how they lie, by image_shape",
        stacklevel=4,  # where `fit` was called
    )
    return (1, features, 1)


def images_of(rows: np.ndarray, shape: Shape, input_shape: tuple[int, ...]) -> np.ndarray:
    """Rows as images of a net's input shape, in the middle of zeros where that is larger."""
    images = rows.reshape(len(rows), *shape)
    if shape == input_shape:
        return images
    free = [have - need for have, need in zip(input_shape, shape, strict=True)]
    return np.pad(images, [(0, 0), *((each // 2, each - each // 2) for each in free)])


def pixel_bounds(rows: np.ndarray) -> tuple[float, float]:
    """Which values of pixels are to be black and white: of bytes 0 and 255, of others by their mean and deviation.

    A few outliers, as standardised features have, do not count much for these. At most 1,000 rows are looked at.
    """
    if rows.dtype == np.uint8:
        return 0.0, 255.0
    sample = rows[:: max(1, len(rows) // _SAMPLE)].astype(np.float64)
    middle, reach = float(sample.mean()), _REACH * float(sample.std())
    return middle - reach, middle + reach


def _with_channels(shape: tuple[int, ...]) -> Shape:
    h, w, c = (*shape, 1) if len(shape) == 2 else shape
    return h, w, c
