"""How well a net reads the digits on made photographs of pages: found, laid out, read; and how long that takes.

    python benchmarks/photographs.py [--pages 100] [--scale 1] [--seed 1] [--recipe two-conv] [--digits test]

The digits are MNIST's, with pens thinner and thicker than theirs, and drawn ones. What the pipeline's constants are was
chosen on pages of training digits (--digits train --seed 11 --scale 0.4), and is reported on pages of test digits.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple

import cv2
import numpy as np
from photographed import Page, Pens, Written, photographed_page
from rich.console import Console
from rich.table import Table
from timing import machine

import cnn
from cnn.datasets import load_mnist
from cnn.datasets.picture import read_picture
from cnn.nets.recognition import Recognised, recognise
from cnn.recipes import RECIPES

SAME = 0.15  # of the area that two boxes cover together, which both cover: they are of the same digit
FRAME = 640, 480


class Read(NamedTuple):
    """What came of pages: answers to each written digit (None where it was not found), and answers too many."""

    digits: list[Written]
    answers: list[Recognised | None]
    invented: int
    seconds: list[float]

    def right(self, drawn: bool | None = None) -> float:
        """Per cent of the digits that are right, of MNIST's or of drawn ones or of all."""
        pairs = [
            (digit, answer)
            for digit, answer in zip(self.digits, self.answers, strict=True)
            if drawn is None or drawn == (digit.image < 0)
        ]
        return 100 * float(np.mean([answer is not None and answer.label == digit.label for digit, answer in pairs]))


def read_pages(net: cnn.Sequential, pages: list[Page]) -> Read:
    """Pages as files, through all stages."""
    read = Read([], [], 0, [])
    with TemporaryDirectory() as folder:
        path = Path(folder) / "page.jpg"
        for page in pages:
            path.write_bytes(page.file)
            picture = read_picture(path)
            start = perf_counter()
            answers = recognise(net, picture)
            read.seconds.append(perf_counter() - start)
            matched = matches(page.digits, answers)
            read.digits.extend(page.digits)
            read.answers.extend(matched)
            read = read._replace(invented=read.invented + len(answers) - sum(answer is not None for answer in matched))
    return read


def matches(digits: list[Written], answers: list[Recognised]) -> list[Recognised | None]:
    """For each written digit the answer whose box is most nearly its own; no answer twice."""
    left = list(answers)
    found: list[Recognised | None] = []
    for digit in digits:
        best = max(left, key=lambda answer: common(digit.box, answer.box), default=None)
        if best is not None and common(digit.box, best.box) < SAME:
            best = None
        if best is not None:
            left.remove(best)
        found.append(best)
    return found


def common(box: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> float:
    """Which part of the area of two boxes (top, left, height, width) is in both."""
    down = min(box[0] + box[2], other[0] + other[2]) - max(box[0], other[0])
    across = min(box[1] + box[3], other[1] + other[3]) - max(box[1], other[1])
    both = max(0, down) * max(0, across)
    return both / (box[2] * box[3] + other[2] * other[3] - both)


def frame_seconds(net: cnn.Sequential, page: Page) -> float:
    """Median of `recognise` on a page as a frame of 640x480 pixels."""
    frame = cv2.imdecode(np.frombuffer(page.file, np.uint8), cv2.IMREAD_COLOR)
    if frame.shape[0] > frame.shape[1]:
        frame = np.ascontiguousarray(np.rot90(frame))
    frame = cv2.resize(frame, FRAME, interpolation=cv2.INTER_AREA)
    times = []
    for _ in range(50):
        start = perf_counter()
        recognise(net, frame)
        times.append(perf_counter() - start)
    return median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pages", type=int, default=100, help="of each kind")
    parser.add_argument("--scale", type=float, default=1.0, help="of 3000x4000 pixels")
    parser.add_argument("--seed", type=int, default=1, help="of the pages")
    parser.add_argument("--recipe", choices=RECIPES, default="two-conv")
    parser.add_argument("--digits", choices=("test", "train"), default="test")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    cnn.set_num_threads(1)
    data, recipe = load_mnist(), RECIPES[options.recipe]
    net = recipe.build(seed=0)
    net.fit(data.train_images, data.train_labels, progress=False, **recipe.arguments(0))
    images, labels = data[2:] if options.digits == "test" else data[:2]
    pens = Pens(images, labels)

    table = Table(title=f"{options.pages} pages of each kind, read by the net of the recipe {options.recipe}")
    for name in ("page", "digits", "right, %", "MNIST's", "as MNIST has them", "drawn", "missed", "invented", "ms"):
        table.add_column(name, justify="left" if name == "page" else "right")
    frame = 0.0
    for name, numbers in (("one digit", 1), ("five numbers", 5)):
        rngs = [np.random.default_rng([options.seed, numbers, i]) for i in range(options.pages)]
        read = Read([], [], 0, [])
        for rng in rngs:
            page = photographed_page(pens, numbers, rng, options.scale)
            read = Read(*(a + b for a, b in zip(read, read_pages(net, [page]), strict=True)))
        used = np.array([digit.image for digit in read.digits if digit.image >= 0])
        missed = sum(answer is None for answer in read.answers)
        as_they_are = 100 * net.score(images[used], labels[used])
        figures = read.right(), read.right(False), as_they_are, read.right(True)
        counts = str(missed), str(read.invented), f"{1000 * median(read.seconds):.0f}"
        table.add_row(name, str(len(read.digits)), *(f"{figure:.1f}" for figure in figures), *counts)
        frame = frame_seconds(net, page)
    console = Console(width=120, highlight=False)
    console.print(table)
    console.print(f"a frame of {FRAME[0]}x{FRAME[1]} pixels with five numbers: {1000 * frame:.1f} ms, one thread")
    console.print(machine())


if __name__ == "__main__":
    main()
