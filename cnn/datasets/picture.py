"""One picture file of any kind as a grey image of a given size, light on dark as in MNIST.

Pillow decodes it, and is imported only here. A file may come from anybody, so whatever a decoder says about its
content is a ValueError that names the file.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from .form import Array

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".tif", ".tiff", ".webp"})
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")

MIDDLE_GREY = 127.5


def read_picture(path: Path, size: tuple[int, int], invert: bool | None) -> Array:
    """The picture in a file as uint8 (height, width) = `size`, shrunk or grown to fit, its border's grey around it.

    Transparency lies on white; of an animation the first frame counts; a photograph is turned as its camera says.

    Parameters
    ----------
    path : Path
    size : (int, int)
        Height, width.
    invert : bool or None
        Make dark light; None for a picture whose border is mostly lighter than the middle grey.

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
            return _fit(grey, size)
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
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits a pixel, which Pillow would cut off at 255
        deep = np.asarray(image).astype(np.int64)
        if deep.min() < 0 or deep.max() > 65535:
            raise ValueError(f"pixels from {deep.min()} to {deep.max()}, expected 0 to 65,535")
        return np.rint(deep / 257).astype(np.uint8)
    if image.mode == "F":
        raise ValueError("pixels are floating-point numbers, expected integers")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert("L"))


def _border(grey: Array) -> float:
    return float(np.median(np.concatenate([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]])))


def _fit(grey: Array, size: tuple[int, int]) -> Array:
    from PIL import Image, ImageOps

    height, width = size
    fitted = ImageOps.pad(Image.fromarray(grey), (width, height), color=round(_border(grey)))
    return np.array(fitted)


def _reason(error: Exception) -> str:
    if type(error).__name__ == "UnidentifiedImageError":  # whose message is the object that stands for the file
        return f"expected one of {', '.join(FORMATS)}"
    return str(error) or type(error).__name__
