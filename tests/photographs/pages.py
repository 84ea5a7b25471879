"""Small pages for the tests: paper, strokes on it, light and printed lines."""

from __future__ import annotations

import numpy as np

PAPER, INK = 230, 40


def blank(height: int = 320, width: int = 240) -> np.ndarray:
    """Paper, float (height, width)."""
    return np.full((height, width), float(PAPER))


def seven(page: np.ndarray, top: int, left: int, height: int = 60, pen: int = 6) -> np.ndarray:
    """Write a 7 on a page: a bar, and a stroke down from its end."""
    width = height * 3 // 4
    page[top : top + pen, left : left + width] = INK
    page[top : top + height, left + width - pen : left + width] = INK
    return page


def one(page: np.ndarray, top: int, left: int, height: int = 60, pen: int = 6) -> np.ndarray:
    """Write a 1 on a page."""
    page[top : top + height, left : left + pen] = INK
    return page


def ring(page: np.ndarray, top: int, left: int, height: int = 60, pen: int = 6) -> np.ndarray:
    """Write a 0 on a page."""
    y, x = np.indices(page.shape)
    distance = np.hypot(y - top - height / 2 + 0.5, x - left - height / 2 + 0.5)
    page[np.abs(distance - (height - pen) / 2) < pen / 2] = INK
    return page


def shaded(page: np.ndarray, soft: float = 20, darkest: float = 0.5) -> np.ndarray:
    """A page in a gradient of light, with a soft shadow over its right half."""
    height, width = page.shape
    gradient = np.linspace(1, 0.75, height)[:, None]
    shadow = 1 - (1 - darkest) / (1 + np.exp(-(np.arange(width) - width / 2) / soft * 2.5))
    return page * gradient * shadow


def taken(page: np.ndarray, noise: float = 2, seed: int = 0) -> np.ndarray:
    """What a camera makes of it, uint8."""
    return np.clip(page + np.random.default_rng(seed).normal(0, noise, page.shape), 0, 255).round().astype(np.uint8)
