"""Picture files as arrays: to train on, from a folder with a sub-folder for each class, or to be told apart."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..backends import checks
from ..backends.annotations import Pair
from ..backends.tables import call
from .mnist_files import Array
from .picture import MOST_PIXELS, SUFFIXES, fitted, light_on_dark, read_picture

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]

DIGITS = tuple("0123456789")
MOST_CLASSES = 256  # that a uint8 label can tell apart


class LabelledImages(NamedTuple):
    """Images uint8 (N, height, width), (N, height, width, 3) in colour; labels uint8 (N,); the name of each class."""

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    classes: tuple[str, ...]

    def __repr__(self) -> str:
        return call(type(self), self._asdict())

    def _repr_html_(self) -> str:
        from .view import images_html

        return images_html(type(self).__name__, {"": (self.images, self.labels)}, self.classes)


def load_folder(
    path: str | os.PathLike[str],
    size: Pair = (28, 28),
    invert: bool | Literal["auto"] = "auto",
    color: bool = False,
) -> LabelledImages:
    """Load pictures from the sub-folders of a folder, one for each class.

    The sub-folders' names in sorted order are the classes; where all are single digits, the classes are the ten
    digits, and each has the label of its name. Hidden files and folders, and files that are no pictures by their
    names (`.png`, `.jpg` and the like), are left out. Dark ink on transparency is laid on white, light ink on black.

    Parameters
    ----------
    path : str or path-like
    size : int or (int, int)
        Height and width to which every picture is shrunk or grown, with its border's grey around it; at most 2**26
        pixels.
    invert : bool or "auto"
        Whether to make dark ink on light paper light on dark, as MNIST is; "auto" does so with every picture whose
        border is mostly lighter than the middle grey. In colour "auto" leaves pictures as they are.
    color : bool
        Red, green and blue, and not grey. Behind what is transparent lies white then.

    Returns
    -------
    LabelledImages
        (images, labels, classes): uint8 (N, height, width), or (N, height, width, 3) in colour; uint8 (N,); tuple of
        str.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    TypeError, ValueError
        If an argument is none, or out of range; if the folder holds no pictures in sub-folders, or more than 256
        classes; if a file is no picture: it is named.
    OSError
        If a file cannot be read.
    ImportError
        If Pillow is not installed.

    Examples
    --------
    >>> import cnn, numpy as np
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> for name in ("cats", "dogs"):
    ...     Path("pets", name).mkdir(parents=True)
    ...     Image.fromarray(np.zeros((40, 40), np.uint8)).save(f"pets/{name}/1.png")
    >>> images, labels, classes = cnn.datasets.load_folder("pets", size=32)
    >>> images.shape, labels, classes
    ((2, 32, 32), array([0, 1], dtype=uint8), ('cats', 'dogs'))
    """
    size = _checked_size(size)  # before a large folder is listed
    folder = Path(checks.path("path", path)).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"the folder {folder} does not exist or is not a folder")
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    classes = DIGITS if set(names) <= set(DIGITS) else tuple(names)
    if len(classes) > MOST_CLASSES:
        raise ValueError(f"{folder} holds {len(classes)} sub-folders, expected at most {MOST_CLASSES} classes")
    found = [(file, classes.index(name)) for name in names for file in _pictures(folder / name)]
    if not found:
        raise ValueError(f"{folder} holds no pictures in sub-folders, expected a sub-folder for each class")
    files, labels = zip(*found, strict=True)
    return LabelledImages(load_images(files, size, invert, color=color), np.array(labels, np.uint8), classes)


def has_classes(folder: Path) -> bool:
    """Whether a folder has a sub-folder with a picture in it."""
    return any(entry.is_dir() and not entry.name.startswith(".") and _pictures(entry) for entry in folder.iterdir())


def load_images(
    paths: Paths,
    size: Pair = (28, 28),
    invert: bool | Literal["auto"] = "auto",
    digits: bool = False,
    color: bool = False,
) -> Array:
    """Load pictures from files and folders, in the order of `image_files`.

    Dark ink on transparency is laid on white, light ink on black.

    Parameters
    ----------
    paths : str or path-like, or several
    size, invert, color
        As for `load_folder`.
    digits : bool
        Find the digit on each picture, a scan or a photograph, and lay it out as MNIST does, whatever its light and its
        margins: the longer side of its ink takes 20 of 28 pixels, the centre of mass is in the middle. This needs
        OpenCV. Of pictures with several digits, `cnn.recognise` reads all.

    Returns
    -------
    ndarray
        uint8 (N, height, width), or (N, height, width, 3) in colour.

    Raises
    ------
    FileNotFoundError, TypeError, ValueError, OSError, ImportError
        As for `load_folder`; ValueError also for `digits` of colours, or for a picture with no digit or several.
    MemoryError
        If so many images of that size do not fit into the memory.
    """
    height, width = _checked_size(size)
    if invert not in (True, False, "auto"):
        raise ValueError(f'invert must be True, False or "auto", got {invert!r}')
    if digits and color:
        raise ValueError("digits are grey: expected digits or color, got both")
    inverted = None if invert == "auto" else bool(invert)
    files = image_files(paths)
    images = np.empty((len(files), height, width, *[3] * color), np.uint8)
    for image, file in zip(images, files, strict=True):
        picture = read_picture(file, color)
        if digits:
            picture = _only_digit(file, picture, inverted)
        elif color:
            picture = 255 - picture if inverted else picture
        else:
            picture = light_on_dark(picture, inverted)
        image[...] = fitted(picture, (height, width))
    return images


def _only_digit(file: Path, grey: Array, invert: bool | None) -> Array:
    """The digit on a picture, uint8 (28, 28)."""
    from ..photographs.pipeline import read_page

    found = read_page(grey, invert).digits
    if len(found) != 1:
        several = f"{len(found)} digits, expected one; cnn.recognise and cnn predict --digits read several"
        raise ValueError(f"{file}: it shows {several if found else 'no digit'}")
    return found[0].image


def _checked_size(size: Pair) -> tuple[int, int]:
    """Height and width; ValueError for more pixels than a picture may have."""
    height, width = checks.pair("size", size, minimum=1)
    if height * width > MOST_PIXELS:
        raise ValueError(f"size must be of at most {MOST_PIXELS:,} pixels, got {height:,} x {width:,}")
    return height, width


def image_files(paths: Paths) -> list[Path]:
    """The files that are meant by files and folders: of a folder its pictures, sorted by name.

    Raises
    ------
    FileNotFoundError
        If a path does not exist.
    ValueError
        If there is no picture.
    """
    if not isinstance(paths, str | os.PathLike | Iterable):
        raise TypeError(f"paths must be a str or a pathlib.Path, or several, got {paths!r}")
    given = [checks.path("paths", path) for path in ([paths] if isinstance(paths, str | os.PathLike) else paths)]
    files: list[Path] = []
    for path in (Path(path).expanduser() for path in given):
        if path.is_dir():
            files += _pictures(path)
        elif path.is_file():
            files.append(path)
        else:
            raise FileNotFoundError(f"{path} does not exist, or is neither a file nor a folder")
    if not files:
        raise ValueError(f"paths must name pictures, got none: {', '.join(given) or 'nothing'}")
    return files


def _pictures(folder: Path) -> list[Path]:
    return sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and file.is_file()
    )
