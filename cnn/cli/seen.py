"""`cnn predict --show`: what a net sees of a page, as picture files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..storage.atomic import write_atomically

if TYPE_CHECKING:
    from ..photographs.pipeline import Page

LARGEST = 1600  # pixels of the longer side of the page with boxes
RED = (0, 0, 220)  # blue, green, red


def names_of(files: Sequence[Path]) -> list[str]:
    """A name for each file, its own where no other file has it."""
    names = [file.name for file in files]
    return [f"{i}-{name}" if names.count(name) > 1 else name for i, name in enumerate(names, 1)]


def write_seen(folder: Path, name: str, file: Path, page: Page, labels: Sequence[int | str]) -> None:
    """Write NAME.digits.png, the page with a labelled box around each digit, and NAME.digit-1.png and so on.

    What is there of the same names is written over.

    Raises
    ------
    OSError
        If a file cannot be written.
    """
    from ..datasets.picture import read_picture
    from ..photographs.opencv import cv2

    folder.mkdir(parents=True, exist_ok=True)
    for i, digit in enumerate(page.digits, 1):
        _write(folder / f"{name}.digit-{i}.png", digit.image)
    grey = read_picture(file)
    scale = min(1.0, LARGEST / max(grey.shape))
    size = [max(1, round(side * scale)) for side in grey.shape[::-1]]
    shown = cv2.cvtColor(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), cv2.COLOR_GRAY2BGR)
    for digit, label in zip(page.digits, labels, strict=True):
        top, left, height, width = (round(side * scale) for side in digit.box)
        cv2.rectangle(shown, (left - 2, top - 2), (left + width + 2, top + height + 2), RED, 2)
        cv2.putText(shown, str(label), (left, max(top - 6, 12)), cv2.FONT_HERSHEY_SIMPLEX, 0.8, RED, 2)
    _write(folder / f"{name}.digits.png", shown)


def _write(path: Path, pixels: np.ndarray) -> None:
    from ..photographs.opencv import cv2

    write_atomically(path, cv2.imencode(".png", pixels)[1].tobytes())
