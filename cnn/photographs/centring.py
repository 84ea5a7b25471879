"""Where a digit lies in an image of MNIST: scaled into a box of 20 pixels, with its centre of mass in the middle."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

SIZE = 28  # pixels: the side of an image,
BOX = 20  # and of the square that the digit fills
CANVAS = 2 * SIZE - BOX  # of what is drawn on around the box, so that what is cut out of it shows the whole box


def centred(canvases: Array) -> Array:
    """Images uint8 (n, SIZE, SIZE), cut out of canvases uint8 (n, CANVAS, CANVAS) that are dark but for their digits.

    The centre of mass is at pixel (14, 14) to within half a pixel, or, where ink would leave the image, as close to it
    as can be.
    """
    windows = []
    for axis in (2, 1):
        profile = canvases.sum(axis=axis, dtype=np.int64)
        centre = (profile * np.arange(CANVAS)).sum(axis=1) / profile.sum(axis=1)
        first = np.clip(np.rint(centre).astype(np.int64) - SIZE // 2, 0, CANVAS - SIZE)
        windows.append(first[:, None] + np.arange(SIZE))
    rows, columns = windows
    return canvases[np.arange(len(canvases))[:, None, None], rows[:, :, None], columns[:, None, :]]
