"""One picture file of any kind as a grey image of a given size, light on dark as in MNIST.

Pillow decodes it, and is imported only here. A file may come from anybody, so whatever a decoder says about its
content is a ValueError that names the file.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from .centring import BOX, CANVAS, centred
from .mnist_files import Array

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".tif", ".tiff", ".webp"})
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
MOST_PIXELS = 1 << 26  # of an image that a picture is made to fit; Pillow reads pictures of up to 89 million

BLACK, MIDDLE_GREY, WHITE = 0, 127.5, 255
FAINTEST = 25  # difference from the paper that the darkest ink of a digit has at least
EDGE = 1 / 3  # of the darkest ink: what is fainter is taken for paper, where a digit is looked for


def read_picture(path: Path, size: tuple[int, int], invert: bool | None, digit: bool = False) -> Array:
    """The picture in a file as uint8 (height, width) = `size`, shrunk or grown to fit, its border's grey around it.

    Of an animation the first frame counts; a photograph is turned as its camera says; behind what is transparent lies
    black or white, as `_opaque` chooses.

    Parameters
    ----------
    path : Path
    size : (int, int)
        Height, width.
    invert : bool or None
        Make dark light; None for a picture whose border is mostly lighter than the middle grey.
    digit : bool
        Lay its ink out as MNIST does, before it is made to fit.

    Raises
    ------
    ValueError
        If the file holds no whole picture, or one of more pixels than Pillow takes.
    OSError
        If the file cannot be read.
    ImportError
        If Pillow is not installed.
    """
    with path.open("rb") as file:
        try:
            grey = _grey(_decode(file))
            if invert or (invert is None and _border(grey) > MIDDLE_GREY):
                grey = 255 - grey
            return _fit(_laid_out(grey) if digit else grey, size)
        except (ImportError, MemoryError):
            raise
        except Exception as error:  # what decoders raise for a damaged file is not limited to OSError and ValueError
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise ValueError(f"{path}: not a picture that can be read: {_reason(error)}") from error


def _decode(file: BinaryIO) -> Image:
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise ImportError("reading pictures needs Pillow: pip install 'cnn-c[images]'") from None

    with warnings.catch_warnings():
        # Pillow refuses twice the pixels of which it warns.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        image = Image.open(file, formats=FORMATS)
        image.load()
    return ImageOps.exif_transpose(image)


def _grey(image: Image) -> Array:
    if image.mode.startswith("I"):  # 16 bits a pixel, which Pillow would cut off at 255
        deep = np.asarray(image).astype(np.int64)
        if deep.min() < 0 or deep.max() > 65535:
            raise ValueError(f"pixels from {deep.min()} to {deep.max()}, expected 0 to 65,535")
        grey = np.rint(deep / 257).astype(np.uint8)
        return _opaque(grey, np.where(deep == image.info.get("transparency"), np.uint8(0), np.uint8(255)))
    if image.mode == "F":
        raise ValueError("pixels are floating-point numbers, expected integers")
    if not image.has_transparency_data:
        return np.array(image.convert("L"))
    image = image.convert("RGBA")
    return _opaque(np.array(image.convert("L")), np.array(image.getchannel("A")))


def _opaque(grey: Array, alpha: Array) -> Array:
    """A picture laid on black or white: on the one that its ink is not.

    Where most of it can be seen, in dark and in light, it shows its own paper, with ink on it: then it is laid on the
    one that is like that.

    Parameters
    ----------
    grey : uint8 (height, width)
    alpha : uint8 (height, width)
        From 0, where nothing can be seen of it, to 255.
    """
    from PIL import Image

    if alpha.min() == 255:
        return grey
    if not alpha.any():
        return np.full_like(grey, WHITE)
    is_light = np.average(grey, weights=alpha) > MIDDLE_GREY
    seen = grey[alpha > MIDDLE_GREY]
    has_paper = seen.size > grey.size / 2 and seen.min() < MIDDLE_GREY < seen.max()
    behind = np.full_like(grey, WHITE if is_light == has_paper else BLACK)
    return np.array(Image.composite(*map(Image.fromarray, (grey, behind, alpha))))


def _border(grey: Array) -> float:
    return float(np.median(np.concatenate([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]])))


def _laid_out(grey: Array) -> Array:
    """The ink of a picture, from 0 to 255, where MNIST would have it; the border is taken for paper."""
    from PIL import Image

    ink = grey - np.minimum(_border(grey), grey)
    darkest = ink.max()
    if darkest < FAINTEST:
        raise ValueError(f"it shows no ink: nothing differs by {FAINTEST} greys from its border")
    inked = ink > EDGE * darkest
    rows, columns = (np.flatnonzero(inked.any(axis=axis)) for axis in (1, 0))
    digit = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] * (255 / darkest)
    height, width = (max(1, round(BOX * side / max(digit.shape))) for side in digit.shape)
    canvas = np.zeros((1, CANVAS, CANVAS), np.uint8)
    top, left = (CANVAS - height) // 2, (CANVAS - width) // 2
    scaled = Image.fromarray(np.rint(digit).astype(np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    canvas[0, top : top + height, left : left + width] = np.asarray(scaled)
    return centred(canvas)[0]


def _fit(grey: Array, size: tuple[int, int]) -> Array:
    from PIL import Image, ImageOps

    height, width = size
    fitted = ImageOps.pad(Image.fromarray(grey), (width, height), color=round(_border(grey)))
    return np.array(fitted)


def _reason(error: Exception) -> str:
    if type(error).__name__ == "UnidentifiedImageError":  # whose message is the object that stands for the file
        return f"expected one of {', '.join(FORMATS)}"
    return str(error) or type(error).__name__
