"""What a notebook shows of a data set: how many images of which kind, and some of them with their labels."""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode
from collections.abc import Sequence
from xml.etree.ElementTree import Element

import numpy as np

from ..backends.html import element, table, view
from ..backends.tables import one_line

MOST_IMAGES = 12
MOST_PIXELS = 11_000  # of all images, colours counted apart: what cannot be compressed takes 18 kB in a page
LARGEST_SIDE = 40  # pixels; larger images are shrunk
PITCH = 60  # pixels of the screen from one image to the next: MNIST's are shown at twice their size
LETTERS = 11
LONGEST_NAME, MOST_NAMES = 10, 200  # characters

_COLOUR_TYPES = {2: 4, 4: 6}  # in PNG, by channels: grey and alpha; red, green, blue and alpha


def images_html(kind: str, parts: dict[str, tuple[np.ndarray, np.ndarray]], classes: Sequence[str] = ()) -> str:
    """A row for each part's images and labels, and a strip of the first part's images under their names.

    `classes` are the names of the labels; without them a label is shown as the number that it is.
    """
    heading = ("", "images", "size", "dtype", "classes")
    rows = [heading, *(_row(name, images, labels) for name, (images, labels) in parts.items())]
    images, labels = next(iter(parts.values()))
    chosen = _chosen(images)
    strip = [] if chosen is None else [_strip(_shown(images[chosen]), [_name(labels, i, classes) for i in chosen])]
    named = any(name != str(i) for i, name in enumerate(classes))
    names = [element("p", one_line(f"classes: {', '.join(classes)}", MOST_NAMES), class_="note")] if named else []
    return view(kind, "", table(rows, left=1, total=False), *strip, *names)


def _row(name: str, images: np.ndarray, labels: np.ndarray) -> tuple[str, ...]:
    size = " \N{MULTIPLICATION SIGN} ".join(map(str, images.shape[1:]))
    return name, f"{len(images):,}", size, str(images.dtype), f"{len(np.unique(labels)):,}"


def _chosen(images: np.ndarray) -> np.ndarray | None:
    """Which images are shown, evenly spaced, for a folder's images are sorted by class; None if these are no images."""
    if images.ndim not in (3, 4) or not images.size or images.shape[3:] not in ((), (1,), (3,)):
        return None
    h, w, *channels = images.shape[1:]
    step = _step(h, w)
    pixels = -(-h // step) * -(-w // step) * (channels or [1])[0]
    count = min(MOST_IMAGES, max(1, MOST_PIXELS // pixels), len(images))
    return np.linspace(0, len(images) - 1, count).round().astype(np.intp)


def _step(h: int, w: int) -> int:
    """By how much images are shrunk."""
    return -(-max(h, w) // LARGEST_SIDE)


def _shown(images: np.ndarray) -> np.ndarray:
    """Images uint8 (n, h, w, 1 or 3) of at most the largest side: means over squares of pixels."""
    n, h, w = images.shape[:3]
    images = images.reshape(n, h, w, -1)
    if images.dtype != np.uint8:
        images = np.nan_to_num(images.astype(np.float32))
        low, high = images.min(), images.max()
        images = (images - low) * (255 / (high - low if high > low else 1))
    step = _step(h, w)
    if step > 1:
        images = np.pad(images, ((0, 0), (0, -h % step), (0, -w % step), (0, 0)), "edge")
        h, w = images.shape[1] // step, images.shape[2] // step
        images = images.reshape(n, h, step, w, step, -1).mean(axis=(2, 4))
    return images.round().astype(np.uint8)


def _name(labels: np.ndarray, i: int, classes: Sequence[str]) -> str:
    if i >= len(labels):
        return "?"
    label = labels[i]
    return classes[label] if label in range(len(classes)) else str(label)


def _strip(images: np.ndarray, names: Sequence[str]) -> Element:
    """Images uint8 (n, h, w, c) side by side as one PNG, each with its name below."""
    n, h, w, _ = images.shape
    gap = max(1, w // 14)
    width, height = n * PITCH, round(h * PITCH / (w + gap))
    opaque = np.concatenate([images, np.full((n, h, w, 1), 255, np.uint8)], axis=3)
    side_by_side = np.pad(opaque, ((0, 0), (0, 0), (0, gap), (0, 0))).swapaxes(0, 1).reshape(h, n * (w + gap), -1)
    data = b64encode(png(side_by_side)).decode()
    image = element(
        "image", href=f"data:image/png;base64,{data}", width=str(width), height=str(height),
        preserveAspectRatio="none", style="image-rendering: pixelated",
    )  # fmt: skip
    middle = PITCH * w / (w + gap) / 2
    texts = (_below(name, x=f"{i * PITCH + middle:.1f}", y=str(height + LETTERS + 2)) for i, name in enumerate(names))
    return element(
        "svg", image, *texts, viewBox=f"0 0 {width} {height + LETTERS + 8}", width=str(width),
        font_size=str(LETTERS), text_anchor="middle", role="img", aria_label=f"{n} images with their labels",
    )  # fmt: skip


def _below(name: str, **place: str) -> Element:
    """A name below its image, and of a long one more while the mouse is over it."""
    more = [element("title", one_line(name, MOST_NAMES))] if len(name) > LONGEST_NAME else []
    return element("text", one_line(name, LONGEST_NAME), *more, fill="currentColor", **place)


def png(pixels: np.ndarray) -> bytes:
    """A PNG file of pixels uint8 (h, w, c): grey (c = 2) or colour (c = 4), with opacity as last channel."""
    h, w, channels = pixels.shape
    rows = np.concatenate([np.zeros((h, 1), np.uint8), pixels.reshape(h, -1)], axis=1)  # each begins with its filter
    header = struct.pack(">IIBBBBB", w, h, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    chunks = {b"IHDR": header, b"IDAT": zlib.compress(rows.tobytes(), 9), b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks.items()
    )
