"""Images and labels as the tutorials' programs hand them to a net: pixels between 0 and 1, labels one-hot."""

from __future__ import annotations

from typing import SupportsIndex

import numpy as np
from numpy.typing import ArrayLike

from ..backends import checks


def normalize(images: ArrayLike) -> np.ndarray:
    """Pixels from 0 to 255 as floats from 0 to 1.

    Parameters
    ----------
    images : any shape
        Pixels, in uint8 as the files hold them or in any other real dtype.

    Returns
    -------
    float32, the shape of `images`
        ``images / 255``.

    Raises
    ------
    TypeError
        `images` is no array of real numbers, or is masked.
    ValueError
        A pixel below 0 or above 255, or NaN.
    """
    images = checks.array("images", images)
    if images.size and images.dtype != np.uint8 and not (0 <= images.min() and images.max() <= 255):
        raise ValueError(f"images must hold pixels from 0 to 255, got {images.min()} to {images.max()}")
    return images.astype(np.float32) / np.float32(255)


def one_hot(labels: ArrayLike, classes: SupportsIndex = 10) -> np.ndarray:
    """A row for each label: 1 at the label, 0 elsewhere.

    Parameters
    ----------
    labels : (n,) whole numbers from 0 to classes - 1
    classes : int

    Returns
    -------
    float32 (n, classes)

    Raises
    ------
    TypeError
        `labels` is no array of real numbers, or is masked; `classes` is no integer.
    ValueError
        Another number of dimensions, or a label that is no class (the first bad index is named).

    Examples
    --------
    >>> import cnn
    >>> cnn.datasets.one_hot([2, 0], classes=3)
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    classes = checks.integer("classes", classes, minimum=1)
    labels = checks.array("labels", labels)
    checks.shape("labels", labels, (None,), "a label for each image")
    labels = checks.labels("labels", labels, len(labels), classes)
    rows = np.zeros((len(labels), classes), np.float32)
    rows[np.arange(len(labels)), labels] = 1
    return rows
