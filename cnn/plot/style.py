"""How all pictures look: sizes, letters, colours; and how one is saved.

Sizes are in inches and letters in points. Colours differ in lightness as well as in hue, for those who see fewer hues
and for grey print. matplotlib's global parameters are neither changed nor, for colours, used: a picture may be drawn
in any thread, leaves a user's own plots alone, and looks the same whatever their style.
"""

from __future__ import annotations

import io
import os
from os import PathLike
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..backends import checks
from ..storage.atomic import write_atomically

INK, GREY, FAINT, PALE = "#25313d", "#5c6a77", "#b9c2cb", "#edf0f3"
NAVY, ORANGE = "#17406d", "#d9772b"
LETTERS, SMALL = 9.5, 8
WIDTH, MARGIN = 4.6, 0.1  # narrow enough to be read on a phone
DOTS = 160  # an inch, in a PNG

_BLUE_ABOVE_ZERO = ["#c75f12", "#f0b27c", "#ffffff", "#7f9dbd", "#0f2f55"]
SIGNED = LinearSegmentedColormap.from_list("signed", _BLUE_ABOVE_ZERO, N=257).with_extremes(bad="#8c8c8c")  # NaN: grey
ERRORS = LinearSegmentedColormap.from_list("errors", ["#ffffff", "#f6c79c", "#dd7f34", "#8f3a06"])
DIGITS = LinearSegmentedColormap.from_list("digits", ["#ffffff", "#11181f"])  # as ink on paper

_SUFFIXES = (".png", ".svg")


class Picture(Figure):
    """A figure on white paper, which a notebook shows by itself although pyplot does not know of it."""

    def __init__(self, width: float, height: float) -> None:
        super().__init__(figsize=(width, height), dpi=DOTS, facecolor="white", edgecolor="white")

    def panel(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes without frame and ticks, that far from the left and upper edge."""
        across, down = self.get_size_inches()
        axes = self.add_axes((left / across, 1 - (top + height) / down, width / across, height / down))
        axes.set_facecolor("white")
        axes.grid(False)
        axes.tick_params(length=0, labelsize=SMALL, labelcolor=INK, color=FAINT)
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set(visible=False, color=FAINT, linewidth=0.8)
        return axes

    def write(self, path: str | PathLike[str] | None) -> Picture:
        """Save it as PNG or SVG, whole or not at all, if there is a path; the picture itself."""
        if path is not None:
            path = checks.path("path", path)
            write_atomically(path, self.encoded(checked_suffix(path)[1:]))
        return self

    def encoded(self, kind: str) -> bytes:
        """The bytes of a file of that kind, "png" or "svg", without the date."""
        file = io.BytesIO()
        metadata = {"Date": None} if kind == "svg" else None
        self.savefig(file, format=kind, dpi=DOTS, facecolor="white", metadata=metadata)
        return file.getvalue()

    def _repr_png_(self) -> bytes:
        return self.encoded("png")


def checked_suffix(path: str) -> str:
    """The suffix of a picture's file; ValueError for another one than ".png" or ".svg"."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in _SUFFIXES:
        raise ValueError(f"path must end in {' or '.join(_SUFFIXES)}, got {path!r}")
    return suffix


def largest(values: np.ndarray) -> float:
    """The greatest absolute value, as the end of a scale: 1 if all are zero, and NaN and infinity left out."""
    return float(np.abs(values[np.isfinite(values)]).max(initial=0)) or 1.0


def heading(axes: Axes, text: str, aside: str = "") -> None:
    """A line of letters above the axes, from their left edge, and behind it a second part in grey."""
    place: dict[str, Any] = {"textcoords": "offset points", "size": LETTERS, "va": "bottom", "annotation_clip": False}
    first = axes.annotate(text, (0, 1), (0, 4), "axes fraction", color=INK, weight="bold", **place)
    axes.annotate(aside, (1, 0), (5, 0), first, color=GREY, **place)


def tile(axes: Axes, values: np.ndarray, row: int, column: int, **how: Any) -> None:
    """An image with a thin frame in one cell of axes that are cut into cells of size 1, counted from the upper left."""
    h, w = np.divide(values.shape[:2], 1.1 * max(values.shape[:2]))
    left, top = column + (1 - w) / 2, row + (1 - h) / 2
    axes.imshow(values, extent=(left, left + w, top + h, top), interpolation="none", **how)
    axes.add_patch(Rectangle((left, top), w, h, fill=False, edgecolor=FAINT, linewidth=0.5))


def cells(axes: Axes, rows: int, columns: int) -> None:
    """Show so many cells, after the tiles are in."""
    axes.set(xlim=(0, columns), ylim=(rows, 0), xticks=[], yticks=[])
