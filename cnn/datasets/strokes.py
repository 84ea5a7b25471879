"""Digits drawn by a simulated pen: a data set that needs no file and no network.

A drawing starts from one of several skeletons, the strokes that people write a digit with. Its joints move, its paper
is slanted, stretched and bent, the pen presses more or less; then it is scaled and centred as MNIST's digits are.
Only arithmetic that IEEE 754 rounds exactly is used, so that a seed gives the same bytes on every machine.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple, SupportsIndex

import numpy as np

from ..backends import checks
from ..backends.log import LOGGER
from ..photographs.centring import BOX, CANVAS, SIZE, centred
from .mnist_files import Array, Dataset
from .skeletons import SKELETONS

_log = LOGGER.getChild("datasets")

SPACING = 4.0  # of the points where the pen leaves ink, in per cent of the height: 0.8 pixels, more or less

# How the drawings of a skeleton differ: standard deviations, in per cent of the height unless another unit is named.
# Deviates are normal and cut off at CUT standard deviations, so that no drawing is torn apart.
CUT = 2.5
JITTER = 3.8  # of a joint's shift; it is shifted twice, once together with the joint before and once with the next
HASTE = (0.5, 1.5)  # limits of the factor on a writer's jitter, between which all are equally likely
BEND = 4.0  # of the paper, at the edge of the drawing, by each term of second and third degree
SLANT = (0.12, 0.24)  # mean and standard deviation of the shear: width for height
TURN = 0.1  # of the angle, in radians
ASPECT = 0.18  # of the factor on the width
WIDTH = (15.2, 4.0)  # mean and standard deviation of a line's width
BROAD = 0.2  # skewness: how much more often a line is very broad than very thin
PRESS = 0.2  # of the factor on the line's width at a joint
RAGGED = 0.12  # of the one at a point, which makes outlines uneven
BLUR = 0.03  # mean growth of the soft edge, which is a pixel wide where nothing blurs it

REACH = 3  # pixels on each side of the nearest one where a point may leave ink
THINNEST = 3.5  # per cent of the height: the least radius of the pen
BROADEST = 2.9  # pixels: its largest, which leaves half a soft edge within reach
BATCH = 512  # drawings made together: few enough to stay in the cache

Point = tuple[float, float]
Four = tuple[float, float, float, float]


class Path(NamedTuple):
    """Where the pen leaves ink, as weighted sums of joints, four for each point.

    `joints` is float32 (joints, 2), `sources` int64 (4, points), `weights` float32 (4, points).
    """

    joints: Array
    sources: Array
    weights: Array


def load_strokes(train: SupportsIndex = 60000, test: SupportsIndex = 10000, seed: SupportsIndex = 0) -> Dataset:
    """Digits drawn by a simulated pen, in MNIST's form: equally many of each class, shuffled.

    Parameters
    ----------
    train, test : int
        How many images to draw; 0 is allowed. They come from different random streams.
    seed : int
        The same numbers and seed give the same images.

    Returns
    -------
    Dataset
        (train_images, train_labels, test_images, test_labels), all uint8: (train, 28, 28), (train,),
        (test, 28, 28), (test,). Ink is 255, paper 0. A digit fills a box of 20x20 pixels, which lies so that the
        centre of mass is within half a pixel of pixel (14, 14); where ink would leave the image, as close as it can.

    Raises
    ------
    TypeError, ValueError
        If an argument is no integer, or negative.

    Examples
    --------
    >>> import cnn
    >>> data = cnn.datasets.load_strokes(train=100, test=10)
    >>> data.train_images.shape, data.train_labels.shape
    ((100, 28, 28), (100,))
    """
    train = checks.integer("train", train, minimum=0)
    test = checks.integer("test", test, minimum=0)
    seed = checks.integer("seed", seed, minimum=0)
    checks.elements("train and test", train + test, SIZE, SIZE)
    _log.info("%d digits are drawn", train + test)
    of_train, of_test = np.random.SeedSequence(seed).spawn(2)
    return Dataset(*_draw_set(train, of_train), *_draw_set(test, of_test))


def _draw_set(count: int, stream: np.random.SeedSequence) -> tuple[Array, Array]:
    """Shuffled images and labels. A batch has one skeleton and a random stream of its own."""
    images, labels = np.empty((count, SIZE, SIZE), np.uint8), np.empty(count, np.uint8)
    rng = np.random.default_rng(stream)
    order = rng.permutation(count)
    for digit, skeletons in SKELETONS.items():
        places = order[digit::10]
        labels[places] = digit
        bounds = np.cumsum([weight for weight, _ in skeletons])
        choices = np.searchsorted(bounds, rng.integers(bounds[-1], size=len(places)), side="right")
        for choice, (_, skeleton) in enumerate(skeletons):
            chosen = places[choices == choice]
            for first in range(0, len(chosen), BATCH):
                batch = chosen[first : first + BATCH]
                images[batch] = draw(stroke_path(skeleton), len(batch), np.random.default_rng(stream.spawn(1)[0]))
    return images, labels


@functools.cache
def stroke_path(skeleton: str) -> Path:
    """The path of a skeleton as it stands in the table."""
    joints, curves = _parse(skeleton)
    segments = [_segment(curve, i, joints) for curve in curves for i in range(len(curve) - 1)]
    sources = [four for four, weights in segments for _ in weights]
    weights = [four for _, weights in segments for four in weights]
    return Path(np.array(joints, np.float32), np.array(sources).T, np.array(weights, np.float32).T)


def _parse(skeleton: str) -> tuple[list[Point], list[list[int]]]:
    """The joints, and which of them each smooth curve goes through."""
    joints: list[Point] = []
    curves: list[list[int]] = []
    for stroke in skeleton.split("/"):
        curves.append([])
        for point in stroke.split(","):
            x, y = point.rstrip("! ").split()
            curves[-1].append(len(joints))
            joints.append((float(x), float(y)))
            if point.endswith("!"):
                curves.append(curves[-1][-1:])
    return joints, curves


def _segment(curve: list[int], i: int, joints: list[Point]) -> tuple[Four, list[Four]]:
    """Of a Catmull-Rom spline the segment that begins at joint i: its four joints, and their weights at each point."""
    last = len(curve) - 1
    four = curve[max(i - 1, 0)], curve[i], curve[i + 1], curve[min(i + 2, last)]
    steps = max(1, round(math.dist(joints[four[1]], joints[four[2]]) / SPACING))
    weights = []
    for step in range(steps + (i == last - 1)):  # the end of a segment is the beginning of the next
        t = step / steps
        s = 1 - t
        before, after = -t * s * s / 2, -t * t * s / 2
        here, there = s * (1 + t - 1.5 * t * t), t * (1 + s - 1.5 * s * s)
        if i == 0:  # the joint before is thought where the curve would go straight on
            before, here, there = 0.0, here + 2 * before, there - before
        if i == last - 1:
            after, there, here = 0.0, there + 2 * after, here - after
        weights.append((before, here, there, after))
    return four, weights


def draw(path: Path, n: int, rng: np.random.Generator) -> Array:
    """Images of n drawings, uint8 (n, SIZE, SIZE)."""
    soft = 1 + BLUR * _normal(rng, n) ** 2
    x, y, radius = _write(path, n, rng)
    x, y, radius = _fit(x, y, radius, soft)
    ink = np.clip(_depth(x, y, radius) / soft[:, None, None] + np.float32(0.5), 0, 1)
    return centred(np.rint(255 * ink).astype(np.uint8))


def _write(path: Path, n: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """The pen's x, y and radius in per cent of the digit's height, each float32 (points, n)."""
    joints = len(path.joints)
    haste = HASTE[0] + (HASTE[1] - HASTE[0]) * rng.random(n, dtype=np.float32)
    shifts = JITTER * haste * _normal(rng, joints + 1, 2, n)
    places = path.joints[:, :, None] + shifts[:-1] + shifts[1:]
    x, y = _bend(places[:, 0], places[:, 1], rng)
    size = _normal(rng, n)
    width = WIDTH[0] + WIDTH[1] * (size + BROAD * (size * size - 1))
    radius = place_along(path, width / 2 * (1 + PRESS * _normal(rng, joints, n)))
    radius *= 1 + RAGGED * _normal(rng, *radius.shape)
    return place_along(path, x), place_along(path, y), np.maximum(radius, THINNEST)


def _bend(x: Array, y: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Joints on paper that is slanted, turned, stretched and bent, by a cubic map for each drawing."""
    n = x.shape[1]
    slant = SLANT[0] + SLANT[1] * _normal(rng, n)
    turn = TURN * _normal(rng, n)
    aspect = 1 + ASPECT * _normal(rng, n)
    u, v = (x - 50) / 50, (y - 50) / 50
    bent_x, bent_y = aspect * x - (slant + turn) * y, turn * x + y
    for term in (u * u, u * v, v * v, u * u * v, u * v * v, v * v * v):
        bent_x += BEND * _normal(rng, n) * term
        bent_y += BEND * _normal(rng, n) * term
    return bent_x, bent_y


def place_along(path: Path, values: Array) -> Array:
    """Values (joints, n) at the points of a path, (points, n)."""
    result = np.zeros((path.sources.shape[1], values.shape[1]), np.float32)
    for source, weight in zip(path.sources, path.weights, strict=True):
        result += values[source] * weight[:, None]
    return result


def _fit(x: Array, y: Array, radius: Array, soft: Array) -> tuple[Array, Array, Array]:
    """Drawings in pixels, scaled so that the ink just fills the box, in the middle of the canvas."""
    low_x, low_y = (x - radius).min(axis=0), (y - radius).min(axis=0)
    high_x, high_y = (x + radius).max(axis=0), (y + radius).max(axis=0)
    scale = (BOX + 1 - soft) / np.maximum(high_x - low_x, high_y - low_y)
    middle = (CANVAS - 1) / 2
    x = (x - (low_x + high_x) / 2) * scale + middle
    y = (y - (low_y + high_y) / 2) * scale + middle
    return x, y, np.minimum(radius * scale, BROADEST)


def _depth(x: Array, y: Array, radius: Array) -> Array:
    """How deep in the ink the pixels of n canvases lie, in pixels (n, CANVAS, CANVAS); outside it is negative.

    Each point inks the pixels around the nearest one, for all drawings at once; the deepest ink counts.
    """
    n = x.shape[1]
    depth = np.full(n * CANVAS * CANVAS, -BROADEST, np.float32)
    reach = np.arange(-REACH, REACH + 1)
    window = (reach[:, None] * CANVAS + reach).ravel()
    column, row = np.rint(x), np.rint(y)
    centre = (row * CANVAS + column).astype(np.int64) + np.arange(n) * CANVAS**2
    across = ((column - x)[..., None] + reach.astype(np.float32)) ** 2
    down = ((row - y)[..., None] + reach.astype(np.float32)) ** 2
    for point in range(len(x)):
        distance = np.sqrt(down[point][:, :, None] + across[point][:, None, :]).reshape(n, -1)
        pixels = centre[point][:, None] + window
        depth[pixels] = np.maximum(depth[pixels], radius[point][:, None] - distance)
    return depth.reshape(n, CANVAS, CANVAS)


def _normal(rng: np.random.Generator, *shape: int) -> Array:
    """Normal deviates, float32, cut off."""
    return np.clip(rng.standard_normal(shape, dtype=np.float32), -CUT, CUT)
