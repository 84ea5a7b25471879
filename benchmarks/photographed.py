"""Photographs of handwritten numbers, made: paper, ruling, pens, light, shadow, a camera; and where each digit is.

Digits are images of MNIST, enlarged and written anew with pens of other widths, or skeletons of
`cnn.datasets.strokes` drawn at the page's own resolution.
"""

from __future__ import annotations

import io
from itertools import pairwise
from typing import Any, NamedTuple

import cv2
import numpy as np
from PIL import Image

from cnn.datasets.skeletons import SKELETONS
from cnn.datasets.strokes import place_along, stroke_path

Array = np.ndarray[Any, Any]

HEIGHT, WIDTH = 4000, 3000  # of a page in portrait; other sizes are given as a scale
PAPERS = ((245, 245, 245), (238, 240, 235), (225, 232, 240), (205, 205, 205))  # BGR
INKS = {"black": (35, 35, 35), "blue": (120, 50, 30), "red": (50, 45, 170), "pencil": (105, 105, 105)}
RULINGS = ((225, 195, 170), (190, 190, 190), (200, 185, 150))  # colours of printed lines


class Ink(NamedTuple):
    """A digit to write: its class, which image of a data set it is (-1 for a drawn one), and its ink from 0 to 1."""

    label: int
    image: int
    ink: Array


class Written(NamedTuple):
    """A digit on a page: its class, its image, which number it belongs to, and its box (top, left, height, width)."""

    label: int
    image: int
    number: int
    box: tuple[int, int, int, int]


class Page(NamedTuple):
    """A photograph, a JPEG file as the camera writes it, and what is written on it; boxes are those of the scene."""

    file: bytes
    digits: list[Written]


class Pens:
    """Digits of a data set, and drawn ones, written with pens of many widths."""

    def __init__(self, images: Array, labels: Array, drawn: float = 0.3) -> None:
        self.images, self.labels, self.drawn = images, labels, drawn

    def write(self, height: int, rng: np.random.Generator) -> Ink:
        """One of them, of that height in pixels."""
        if rng.random() < self.drawn:
            label = int(rng.integers(10))
            return Ink(label, -1, drawn_ink(label, height, rng))
        image = int(rng.integers(len(self.images)))
        return Ink(int(self.labels[image]), image, mnist_ink(self.images[image], height, rng))


def mnist_ink(image: Array, height: int, rng: np.random.Generator) -> Array:
    """A digit of MNIST as float32 ink from 0 to 1, `height` pixels high, its lines made thinner or thicker."""
    rows, columns = (np.flatnonzero((image > 80).any(axis=axis)) for axis in (1, 0))
    inside = np.pad(image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], 1).astype(np.float32)
    scale = height / (len(inside) - 2)
    size = round(inside.shape[1] * scale), round(inside.shape[0] * scale)
    smooth = cv2.GaussianBlur(cv2.resize(inside, size, interpolation=cv2.INTER_CUBIC), (0, 0), 0.35 * scale)
    depth = cv2.distanceTransform((smooth > 110).astype(np.uint8), cv2.DIST_L2, 5)
    reach = 2 * round(0.75 * scale) + 1
    deepest = cv2.dilate(depth, np.ones((reach, reach), np.uint8))
    if rng.random() < 0.7:  # a pen thinner than MNIST's; lines keep together, because their middle stays
        return (depth > np.maximum(rng.uniform(0, 0.6) * deepest, 0.5)).astype(np.float32)
    margin = round(scale)
    grown = cv2.distanceTransform(1 - np.pad((depth > 0).astype(np.uint8), margin), cv2.DIST_L2, 5)
    return (grown < rng.uniform(0, 0.4) * scale).astype(np.float32)


def drawn_ink(label: int, height: int, rng: np.random.Generator) -> Array:
    """A skeleton of that class, its joints moved, slanted and drawn with a pen, as ink from 0 to 1."""
    weights = np.array([weight for weight, _ in SKELETONS[label]], float)
    _, skeleton = SKELETONS[label][rng.choice(len(weights), p=weights / weights.sum())]
    path = stroke_path(skeleton)
    joints = path.joints + rng.normal(0, 2.5, path.joints.shape).astype(np.float32)
    joints[:, 0] -= rng.normal(0.12, 0.12) * joints[:, 1]
    points = np.stack([place_along(path, joints[:, [axis]])[:, 0] for axis in (0, 1)], axis=1) * (height / 100)
    width = max(2, round(height * rng.uniform(0.035, 0.16)))
    low = points.min(axis=0) - width
    size = np.ceil(np.ptp(points, axis=0)).astype(int) + 2 * width + 1
    ink = np.zeros((size[1], size[0]), np.uint8)
    shifted = np.rint(points - low).astype(int)
    spacing = np.linalg.norm(np.diff(points, axis=0), axis=1)
    for i, (start, end) in enumerate(pairwise(shifted)):
        if spacing[i] < height * 0.1:  # a longer way is one with the pen lifted
            cv2.line(ink, start.tolist(), end.tolist(), 1, width)
    return ink.astype(np.float32)


def photographed_page(pens: Pens, numbers: int, rng: np.random.Generator, scale: float = 1.0) -> Page:
    """A page with so many numbers on it: one is a single large digit, several have one to four digits each."""
    height, width = round(HEIGHT * scale), round(WIDTH * scale)
    darkness, digits = _write(pens, numbers, rng, height, width)
    paper = np.empty((height, width, 3), np.float32)
    paper[:] = PAPERS[rng.integers(len(PAPERS))]
    if rng.random() < 0.4:
        _rule(paper, rng, scale)
    ink = np.array(INKS[str(rng.choice(list(INKS)))], np.float32)
    strength = darkness[..., None] * (1 - rng.uniform(0, 0.15))
    picture = paper * (1 - strength) + np.minimum(paper, ink) * strength
    picture, digits = _turned(picture, digits, rng.uniform(-4, 4))
    return Page(_file(_photographed(picture, rng, scale), rng), digits)


def _write(pens: Pens, numbers: int, rng: np.random.Generator, height: int, width: int) -> tuple[Array, list[Written]]:
    """Ink from 0 to 1 on a page, and what is written there, each number in a band of the page of its own."""
    darkness = np.zeros((height, width), np.float32)
    digits: list[Written] = []
    band = height // numbers
    for number in range(numbers):
        size = width * (rng.uniform(0.08, 0.5) if numbers == 1 else rng.uniform(0.03, 0.1))
        count = 1 if numbers == 1 else rng.integers(1, 5)
        inks = [pens.write(round(size * rng.uniform(0.9, 1.1)), rng) for _ in range(count)]
        gaps = [round(size * rng.uniform(0.12, 0.35)) for _ in inks]
        length = sum(ink.ink.shape[1] for ink in inks) + sum(gaps)
        tallest = max(ink.ink.shape[0] for ink in inks)
        lowest = max(round(0.95 * band) - tallest, round(0.06 * band))
        top = number * band + rng.integers(round(0.05 * band), lowest)
        left = rng.integers(round(0.04 * width), max(round(0.96 * width) - length, round(0.05 * width)))
        for (label, image, ink), gap in zip(inks, gaps, strict=True):
            row = top + (tallest - ink.shape[0]) // 2
            part = darkness[row : row + ink.shape[0], left : left + ink.shape[1]]
            np.maximum(part, ink[: part.shape[0], : part.shape[1]], out=part)
            digits.append(Written(label, image, number, (int(row), int(left), *ink.shape)))
            left += ink.shape[1] + gap
    return darkness, digits


def _rule(paper: Array, rng: np.random.Generator, scale: float) -> None:
    """Print lines on paper, or squares, 5 to 9 mm from each other."""
    pitch = round(14 * rng.uniform(5, 9) * scale)
    colour = np.array(RULINGS[rng.integers(len(RULINGS))], np.float32)
    thick = max(1, round(rng.uniform(2, 5) * scale))
    for axis in range(1 + (rng.random() < 0.5)):
        lines = paper if axis == 0 else paper.swapaxes(0, 1)
        for first in range(rng.integers(pitch), len(lines), pitch):
            lines[first : first + thick] = np.minimum(lines[first : first + thick], colour)


def _turned(picture: Array, digits: list[Written], degrees: float) -> tuple[Array, list[Written]]:
    """The page turned a little around its middle, and where the digits are then."""
    height, width = picture.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    picture = cv2.warpAffine(picture, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    moved = []
    for label, image, number, (top, left, h, w) in digits:
        corners = np.array([[left, top, 1], [left + w, top, 1], [left, top + h, 1], [left + w, top + h, 1]]) @ turn.T
        (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
        moved.append(Written(label, image, number, (round(y0), round(x0), round(y1 - y0), round(x1 - x0))))
    return picture, moved


def _photographed(picture: Array, rng: np.random.Generator, scale: float) -> Array:
    """What a phone's camera makes of a page, float BGR: light, shadow, blur, noise; uint8."""
    height, width = picture.shape[:2]
    light = _light(rng, height, width)
    picture = picture * light[..., None] * np.array([rng.uniform(0.85, 1), 1, rng.uniform(0.92, 1)], np.float32)
    blur = rng.uniform(0.5, 4) * scale
    picture = cv2.GaussianBlur(picture, (0, 0), max(blur, 0.3))
    noise = rng.standard_normal((height, width, 3), dtype=np.float32)
    picture += rng.uniform(1, 7) * max(scale, 0.25) * noise
    return np.clip(picture, 0, 255).astype(np.uint8)


def _file(picture: Array, rng: np.random.Generator) -> bytes:
    """A JPEG file, for which the camera was held in one of four ways, as its EXIF data say."""
    orientation, turns = ((1, 0), (6, 1), (3, 2), (8, 3))[rng.integers(4)]
    exif = Image.Exif()
    exif[0x0112] = orientation
    lying = Image.fromarray(np.ascontiguousarray(np.rot90(picture[..., ::-1], turns)))
    file = io.BytesIO()
    lying.save(file, "JPEG", quality=int(rng.integers(60, 96)), exif=exif)
    return file.getvalue()


def _light(rng: np.random.Generator, height: int, width: int) -> Array:
    """A gradient from 1 down to as little as 0.5, and on most pages the soft shadow of a hand or a telephone."""
    small_height, small_width = height // 8, width // 8
    y, x = np.mgrid[-1 : 1 : small_height * 1j, -1 : 1 : small_width * 1j].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    ramp = (np.cos(angle) * x + np.sin(angle) * y) / np.sqrt(2)
    light = 1 - rng.uniform(0, 0.25) * (1 + ramp) - rng.uniform(0, 0.15) * (x * x + y * y) / 2
    if rng.random() < 0.75:
        shadow = np.zeros((small_height, small_width), np.float32)
        centre = rng.uniform(0, 1, 2) * (small_width, small_height)
        corners = [
            centre + rng.uniform(0.25, 0.7) * small_width * np.array([np.cos(a), np.sin(a)])
            for a in np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 8)))
        ]
        cv2.fillPoly(shadow, [np.rint(corners).astype(np.int32)], 1)
        soft = cv2.GaussianBlur(shadow, (0, 0), small_width * rng.uniform(0.008, 0.06))
        light = light * (1 - rng.uniform(0.2, 0.6) * soft)
    return cv2.resize(np.clip(light, 0.2, 1), (width, height), interpolation=cv2.INTER_LINEAR)
