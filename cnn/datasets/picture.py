"""One picture file of any kind as an array: as it is, or in a given size, light on dark as in MNIST, or in colour.

Pillow decodes it, and is imported only here. A file may come from anybody, so whatever a decoder says about its
content is a ValueError that names the file.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from ..photographs.arrays import border_of
from .mnist_files import Array

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".tif", ".tiff", ".webp"})
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
MOST_PIXELS = 1 << 26  # of an image that a picture is made to fit; Pillow reads pictures of up to 89 million

BLACK, MIDDLE_GREY, WHITE = 0, 127.5, 255


def read_picture(path: Path, color: bool = False) -> Array:
    """The picture in a file as uint8, grey (height, width) or in colour (height, width, 3).

    Of an animation the first frame counts; a photograph is turned as its camera says; behind what is transparent lies
    black or white, as `opaque` chooses.

    Raises
    ------
    ValueError
        If the file holds no whole picture, or one of more pixels than Pillow takes.
    OSError
        If the file cannot be read.
    ImportError
        If Pillow is not installed.
    """
    with path.open("rb") as file, _faults_of(path):
        image = _decode(file)
        return _colours(image) if color else _grey(image)


def as_grey_or_color(pixels: Array, color: bool) -> Array:
    """The same of pixels uint8 (height, width) or (height, width, 3 or 4)."""
    from PIL import Image

    if pixels.shape[2:] == ((3,) if color else ()):
        return pixels
    image = Image.fromarray(pixels)
    return _colours(image) if color else _grey(image)


@contextmanager
def _faults_of(path: Path) -> Iterator[None]:
    """Make whatever a decoder raises a ValueError that names the file."""
    try:
        yield
    except (ImportError, MemoryError):
        raise
    except Exception as error:  # what decoders raise for a damaged file is not limited to OSError and ValueError
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ValueError(f"{path}: not a picture that can be read: {_reason(error)}") from error


def light_on_dark(grey: Array, invert: bool | None) -> Array:
    """A picture uint8 (height, width), made negative; None does so where its border is lighter than middle grey."""
    return 255 - grey if invert or (invert is None and _border(grey) > MIDDLE_GREY) else grey


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
    if image.mode == "F":
        raise ValueError("pixels are floating-point numbers, expected integers")
    return ImageOps.exif_transpose(image)


def _grey(image: Image) -> Array:
    if image.mode.startswith("I"):  # 16 bits a pixel, which Pillow would cut off at 255
        deep = np.asarray(image).astype(np.int64)
        if deep.min() < 0 or deep.max() > 65535:
            raise ValueError(f"pixels from {deep.min()} to {deep.max()}, expected 0 to 65,535")
        grey = np.rint(deep / 257).astype(np.uint8)
        return opaque(grey, np.where(deep == image.info.get("transparency"), np.uint8(0), np.uint8(255)))
    if not image.has_transparency_data:
        return np.array(image.convert("L"))
    image = image.convert("RGBA")
    return opaque(np.array(image.convert("L")), np.array(image.getchannel("A")))


def _colours(image: Image) -> Array:
    """RGB of any picture; grey becomes three channels that are the same."""
    if image.mode.startswith("I"):  # of 16 bits, of which Pillow makes no colours
        return np.repeat(_grey(image)[..., None], 3, axis=2)
    if not image.has_transparency_data:
        return np.array(image.convert("RGB"))
    return on_white(np.array(image.convert("RGBA")))


def on_white(pixels: Array) -> Array:
    """RGB of pixels uint8 (height, width, 4), of which the last channel is how much can be seen; white lies behind."""
    alpha = pixels[..., 3:].astype(np.uint16)
    return ((pixels[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def opaque(grey: Array, alpha: Array) -> Array:
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


def _border(picture: Array) -> Array:
    """The median of the pixels around a picture, in each of its channels."""
    return np.median(border_of(picture), axis=0)


def fitted(picture: Array, size: tuple[int, int]) -> Array:
    """A picture uint8 (height, width) or (height, width, 3), shrunk or grown to fit, its border's colour around it."""
    from PIL import Image, ImageOps

    height, width = size
    border = np.rint(_border(picture)).astype(int)
    color = tuple(border.tolist()) if border.ndim else int(border)
    return np.array(ImageOps.pad(Image.fromarray(picture), (width, height), color=color))


def _reason(error: Exception) -> str:
    if type(error).__name__ == "UnidentifiedImageError":  # whose message is the object that stands for the file
        return f"expected one of {', '.join(FORMATS)}"
    return str(error) or type(error).__name__
