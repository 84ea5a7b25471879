"""Pictures as arrays of any kind, brought to the form that files are read in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..backends import checks

Array = np.ndarray[Any, Any]


def as_bytes(name: str, image: ArrayLike) -> Array:
    """A picture as uint8 (height, width), or (height, width, 3 or 4) in colour, with how much can be seen as the last.

    Parameters
    ----------
    name : str
        Of the argument, for errors.
    image : (height, width), or (height, width, 1, 3 or 4)
        uint8 from 0 to 255; uint16 from 0 to 65,535; bool; other integers to 255; or floats from 0 to 1, or to 255
        where any is above 1.

    Raises
    ------
    TypeError, ValueError
        If it is no such picture: another shape, no pixel, NaN, or numbers below 0 or above 255.
    """
    pixels = checks.array(name, image)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.ndim not in (2, 3) or pixels.shape[2:] not in ((), (3,), (4,)) or not pixels.size:
        raise ValueError(
            f"{name} must be a picture (height, width), grey, or (height, width, 3 or 4), in colour, got {pixels.shape}"
        )
    return np.ascontiguousarray(_bytes(name, pixels))


def border_of(picture: Array) -> Array:
    """The outermost pixels of a picture (height, width, ...), each once: (n, ...)."""
    return np.concatenate([picture[0], picture[-1], picture[1:-1, 0], picture[1:-1, -1]])


def _bytes(name: str, pixels: Array) -> Array:
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == np.bool_:
        return pixels * np.uint8(255)
    if pixels.dtype == np.uint16:
        return np.rint(pixels / 257).astype(np.uint8)
    low, high = float(pixels.min()), float(pixels.max())
    if not 0 <= low <= high <= 255:  # NaN is not
        raise ValueError(f"{name} must hold numbers from 0 to 255, or floats from 0 to 1, got {low:g} to {high:g}")
    is_fraction = pixels.dtype.kind == "f" and high <= 1
    return np.rint(pixels * 255 if is_fraction else pixels).astype(np.uint8)
