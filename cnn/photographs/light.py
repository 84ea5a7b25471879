"""The first stages: a page brought to a working size, dark ink on light paper, and its light divided out.

Light is what the paper shows where nothing is written: a closing, the largest grey around each pixel and then the
smallest of these, fills dark strokes that are narrower than its window and keeps the edges of wider shadows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .arrays import border_of
from .opencv import cv2

Array = np.ndarray[Any, Any]

LONGEST, SHORTEST = 1600, 80  # pixels of the longer side between which a page is read
REDUCED = 320  # pixels of the longer side, where it is found out how broad the strokes are
BROADEST, NARROWEST = 0.25, 0.02  # of the longer side: strokes that are filled at most and at least
LEAST_LIGHT = 40  # grey
COARSE = 5  # pixels on the page to one where light is looked for
UNCLEAR = 0.2  # of the contrast: what paper differs by from the middle of edges at least
EVEN, MOSTLY = 0.05, 0.4  # of the paper's grey: what it differs by along a border; how much of that, with ink on it
MIDDLE_GREY = 127.5
POLARITY = 64  # pixels of the longer side where it is decided whether the ink is dark


def to_working_size(grey: Array) -> Array:
    """The page uint8 (height, width), shrunk or grown so that its longer side is from SHORTEST to LONGEST pixels."""
    longer = max(grey.shape)
    scale = min(LONGEST / longer, max(1.0, SHORTEST / longer))
    if scale == 1:
        return grey
    height, width = (max(1, round(side * scale)) for side in grey.shape)
    return cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def reduced(page: Array) -> Array:
    """A page of working size, shrunk to where its broader strokes can be seen still."""
    scale = REDUCED / max(page.shape)
    if scale >= 1:
        return page
    height, width = (max(1, round(side * scale)) for side in page.shape)
    return cv2.resize(page, (width, height), interpolation=cv2.INTER_AREA)


def has_dark_ink(page: Array) -> bool:
    """Whether the ink is darker than its paper, which is what most of a page is made of around any edge of a stroke.

    An edge is where the greys differ much within a few pixels. Its middle grey is compared with the median of a wide
    window, which is the paper's. Where that says little, paper is what the border is mostly. A border of evenly lit,
    light paper is that of a scan, of which broad strokes may take more than the paper.
    """
    if (_paper_around(page) or 0) > MIDDLE_GREY:
        return True
    reach = np.ones((5, 5), np.uint8)
    lightest, darkest = cv2.dilate(page, reach), cv2.erode(page, reach)
    contrast = lightest - darkest
    edges = contrast >= max(1, contrast.max() // 2)
    height, width = (max(1, round(side * POLARITY / max(page.shape))) for side in page.shape)
    small = cv2.resize(page, (width, height), interpolation=cv2.INTER_AREA)
    margin = POLARITY // 8
    around = cv2.copyMakeBorder(small, margin, margin, margin, margin, cv2.BORDER_REFLECT)
    paper = cv2.medianBlur(around, 2 * margin + 1)[margin:-margin, margin:-margin]
    paper = cv2.resize(paper, page.shape[::-1], interpolation=cv2.INTER_NEAREST)
    middle = (lightest[edges].astype(np.float32) + darkest[edges]) / 2
    contrasts = contrast[edges].sum(dtype=np.int64)
    vote = float((paper[edges] - middle).sum() / max(1, contrasts))
    if abs(vote) >= UNCLEAR:
        return vote > 0
    return float(np.median(border_of(page))) > MIDDLE_GREY  # a digit without margins, or nothing


def light_of(grey: Array, stroke: float) -> Array:
    """The grey that the paper has everywhere, uint8 (height, width), where no stroke is broader than `stroke`."""
    height, width = grey.shape
    size = max(1, -(-width // COARSE)), max(1, -(-height // COARSE))
    coarse = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    window = 2 * max(1, round(stroke / COARSE / 2 + 1)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (window, window))
    paper = _paper_around(coarse)
    if paper is None:
        closed = cv2.morphologyEx(coarse, cv2.MORPH_CLOSE, kernel)
    else:  # goes on outside, so that strokes which touch the border are filled as well
        outside = {"borderType": cv2.BORDER_CONSTANT, "borderValue": paper}
        closed = cv2.morphologyEx(coarse, cv2.MORPH_CLOSE, kernel, **outside)
    smooth = cv2.GaussianBlur(closed, (5, 5), 0)
    return cv2.resize(smooth, (width, height), interpolation=cv2.INTER_LINEAR)


def _paper_around(grey: Array) -> float | None:
    """The grey of the paper along the border, where it is evenly lit: of a scan, not of a photograph in a shadow."""
    border = border_of(grey).astype(np.float32)
    paper = float(np.sort(border)[3 * border.size // 4])
    return paper if np.mean(np.abs(border - paper) <= EVEN * paper) >= MOSTLY else None


def divided_by(page: Array, light: Array) -> Array:
    """Darkness uint8: 0 where the page is as light as its paper, 255 where nothing of the light comes back.

    In the dark, where noise is more than ink could be, light counts as LEAST_LIGHT.
    """
    return cv2.divide(cv2.subtract(light, page), np.maximum(light, np.uint8(LEAST_LIGHT)), scale=255)
