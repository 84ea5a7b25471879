"""`cnn.recognise`: what a net reads in a picture of any size, a photograph or a frame of a camera."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..backends import checks
from ..datasets.picture import as_grey_or_color, fitted, light_on_dark, read_picture
from ..photographs.arrays import as_bytes
from .sequential import Sequential

Box = tuple[int, int, int, int]

DIGITS = tuple("0123456789")


class Recognised(NamedTuple):
    """What is read in a part of a picture: the name of its class, or its number where classes have no names.

    `box` is (top, left, height, width) in pixels of the picture.
    """

    label: int | str
    probability: float
    box: Box


def recognise(
    net: Sequential, image: ArrayLike | str | os.PathLike[str], *, digits: bool | None = None
) -> list[Recognised]:
    """Read a picture of any size.

    A net of ten classes that takes grey images, with no names or with the digits as names, is taken for one that reads
    digits: each digit on the picture is found, whatever the light, laid out as MNIST does, and read, in reading order.
    Any other net reads the picture as a whole, which is made to fit, as `datasets.load_folder` does.

    Parameters
    ----------
    net : Sequential
        For images (height, width, 1) or (height, width, 3).
    image : array, or str or path-like
        (height, width), or (height, width, 1, 3 or 4): grey, RGB, RGB and opacity. uint8, uint16, bool, or floats from
        0 to 1 or to 255. Or the file of a picture.
    digits : bool or None
        Whether to look for digits, or for letters of about the same form; None decides as described.

    Returns
    -------
    list of Recognised
        (label, probability, box); empty where digits are looked for and none is found.

    Raises
    ------
    TypeError, ValueError
        If the net takes no pictures, or the image is none; if the image is grey and the net for colours; if digits are
        looked for by a net for colours.
    OSError
        If the file cannot be read.
    ImportError
        If OpenCV or Pillow is not installed.

    Examples
    --------
    >>> import cnn, numpy as np
    >>> data = cnn.datasets.load_strokes(train=2000, test=0)
    >>> net = cnn.models.lenet5(seed=0)
    >>> history = net.fit(data.train_images, data.train_labels, epochs=3, optimizer=cnn.Adam(), seed=0, progress=False)
    >>> page = np.full((200, 300), 230, np.uint8)  # grey paper,
    >>> page[40:160, 140:156] = 20  # with one thick stroke
    >>> [(label, box) for label, probability, box in cnn.recognise(net, page)]
    [(1, (40, 140, 120, 16))]
    """
    shape = checked_picture_shape("net", net.input_shape)
    color = shape[2] == 3
    reads_digits = looks_for_digits(net) if digits is None else bool(digits)
    if reads_digits and color:
        raise ValueError(f"digits are read by nets for grey images (height, width, 1), got a net for {shape}")
    picture = _picture(image, color)
    if reads_digits:
        from ..photographs.pipeline import read_page

        found = read_page(picture).digits
        return recognised(net, [digit.image for digit in found], [digit.box for digit in found])
    whole = picture if color else light_on_dark(picture, None)
    return recognised(net, [whole], [(0, 0, *picture.shape[:2])])


def recognised(net: Sequential, pictures: Sequence[np.ndarray], boxes: Sequence[Box]) -> list[Recognised]:
    """What a net reads in pictures uint8, each of which is a whole digit or object, made to fit."""
    if not pictures:
        return []
    rows = net.predict_proba(as_input(net, pictures))
    labels = rows.argmax(axis=1)
    return [
        Recognised(label_of(net, label), float(row[label]), box)
        for row, label, box in zip(rows, labels, boxes, strict=True)
    ]


def as_input(net: Sequential, pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures uint8 as one array of a net's images, on the scale that it was fitted on."""
    height, width = net.input_shape[:2]
    size = height, width
    images = [picture if picture.shape[:2] == size else fitted(picture, size) for picture in pictures]
    return on_its_scale(net, np.stack(images))


def on_its_scale(net: Sequential, images: np.ndarray) -> np.ndarray:
    """Images from files, uint8, on the scale of those that the net was fitted on."""
    return images if net.image_range is None else net.image_range.scaled(images)


def label_of(net: Sequential, label: int) -> int | str:
    """The name of a class, or its number where it has none."""
    return net.classes[label] if net.classes else int(label)


def looks_for_digits(net: Sequential) -> bool:
    """Whether a net is one that reads digits."""
    return net.input_shape[2] == 1 and net.output_shape == (10,) and net.classes in (None, DIGITS)


def checked_picture_shape(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a net's images; ValueError if these are no pictures."""
    if len(shape) != 3 or shape[2] not in (1, 3):
        raise ValueError(f"{name} must be for pictures (height, width, 1 or 3), got one for {shape}")
    return shape


def _picture(image: ArrayLike | str | os.PathLike[str], color: bool) -> np.ndarray:
    if isinstance(image, str | os.PathLike):
        return read_picture(Path(checks.path("image", image)).expanduser(), color)
    pixels = as_bytes("image", image)
    if color and pixels.ndim == 2:
        raise ValueError(
            f"image must have 3 channels, for the net is for colours, got grey {pixels.shape}; "
            "np.repeat(image[:, :, None], 3, axis=2) makes it grey in three"
        )
    return as_grey_or_color(pixels, color)
