"""From a grey photograph to its digits, stage by stage: `read_page`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .centring import SIZE, centred
from .ink import Parts, are_of_the_pen, are_sharp, ink_of, parts_of, stroke_width
from .layout import drawn_on_canvas, margin_of
from .light import BROADEST, NARROWEST, divided_by, has_dark_ink, light_of, reduced, to_working_size
from .opencv import cv2
from .order import in_numbers
from .parts import Box, Digit, digits_of
from .ruling import without_ruling

Array = np.ndarray[Any, Any]

WINDOWS = (BROADEST, 0.15, 0.08)  # of the longer side: strokes that are filled, before it is known how broad they are


class FoundDigit(NamedTuple):
    """A digit on a page: uint8 (28, 28) as MNIST has it, its box (top, left, height, width), and of which number it is.

    Numbers are counted from 0 in reading order.
    """

    image: Array
    box: Box
    number: int


class Page(NamedTuple):
    """The digits on a page in reading order, and which part of its ink is in them: 1 where nothing else is there."""

    digits: list[FoundDigit]
    share: float


class Stages(NamedTuple):
    """What the stages make of a page, uint8 (height, width) of the working size: ink is 1, paper 0."""

    page: Array
    light: Array
    darkness: Array
    ink: Array


def read_page(grey: Array, invert: bool | None = None) -> Page:
    """Find the digits on a page.

    Parameters
    ----------
    grey : uint8 (height, width)
    invert : bool or None
        Whether the ink is dark; None finds out.
    """
    stages = stages_of(grey, invert)
    parts = parts_of(stages.ink)
    digits = digits_of(parts, are_of_the_pen(parts, stages.darkness))
    numbers = in_numbers([digit.box for digit in digits])
    digits, places = [digits[i] for number in numbers for i in number], [i for i, n in enumerate(numbers) for _ in n]
    images = _images(stages.darkness, parts, digits)
    scale = max(grey.shape) / max(stages.page.shape)
    boxes = [_scaled(digit.box, scale, grey.shape) for digit in digits]
    area = parts.stats[:, cv2.CC_STAT_AREA]
    share = sum(int(area[part]) for digit in digits for part in digit.parts) / max(1, int(area[1:].sum()))
    return Page(list(map(FoundDigit, images, boxes, places)), share)


def stages_of(grey: Array, invert: bool | None = None) -> Stages:
    """The stages from the photograph to its ink: shrunk, its light divided out, a threshold, printed lines removed."""
    page = to_working_size(grey)
    small = reduced(page)
    if not (has_dark_ink(small) if invert is None else invert):
        page, small = 255 - page, 255 - small
    light = light_of(page, broadest_stroke(small) * max(page.shape))
    darkness = divided_by(cv2.GaussianBlur(page, (3, 3), 0), light)  # without the noise of single pixels
    return Stages(page, light, darkness, without_ruling(ink_of(darkness), darkness))


def broadest_stroke(small: Array) -> float:
    """How broad the strokes on a page are, as a part of its longer side, with some room.

    It says how closely the light can be followed: a shadow must be broader than a stroke to be told from one.
    """
    longer = max(small.shape)
    widths, sharp_inks = [], []
    for window in WINDOWS:
        darkness = divided_by(small, light_of(small, window * longer))
        parts = parts_of(ink_of(darkness))
        sharp = are_sharp(parts, darkness)
        ink = parts.stats[1:, cv2.CC_STAT_AREA]
        widths.append(stroke_width(sharp.view(np.uint8)[parts.numbers]))
        sharp_inks.append(int(ink[sharp[1:]].sum()))
        if 10 * sharp_inks[-1] >= ink.sum():
            break  # and else strokes may be one part with a shadow that is no broader than the window
    width = widths[int(np.argmax(sharp_inks))]
    return float(np.clip(1.5 * width / longer, NARROWEST, BROADEST))


def _images(darkness: Array, parts: Parts, digits: list[Digit]) -> Array:
    """The digits uint8 (n, 28, 28) as MNIST has them."""
    if not digits:
        return np.empty((0, SIZE, SIZE), np.uint8)
    return centred(np.stack([_canvas(darkness, parts.numbers, digit) for digit in digits]))


def _canvas(darkness: Array, numbers: Array, digit: Digit) -> Array:
    top, left, height, width = digit.box
    box = slice(top, top + height), slice(left, left + width)
    own = np.logical_or.reduce([numbers[box] == part for part in digit.parts]).view(np.uint8)
    margin = margin_of(digit.box)
    around = [margin] * 4
    return drawn_on_canvas(
        cv2.copyMakeBorder(darkness[box], *around, cv2.BORDER_CONSTANT, value=0),
        cv2.copyMakeBorder(own, *around, cv2.BORDER_CONSTANT, value=0),
    )


def _scaled(box: Box, scale: float, shape: tuple[int, ...]) -> Box:
    """A box of the working size in the photograph."""
    top, left = (min(round(first * scale), side - 1) for first, side in zip(box[:2], shape, strict=True))
    height, width = (max(1, round(length * scale)) for length in box[2:])
    return top, left, min(height, shape[0] - top), min(width, shape[1] - left)
