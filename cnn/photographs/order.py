"""The order in which digits on a page are read: lines from top to bottom, each from left to right, and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

Box = tuple[int, int, int, int]

LEVEL = 0.5  # of the height: how far the middles of neighbours in a line are above each other at most
CLOSE = 0.75  # of the height: the gap between digits of one number at most


def in_numbers(boxes: Sequence[Box]) -> list[list[int]]:
    """Which boxes (top, left, height, width) are a number each, in reading order."""
    return [number for line in _lines(boxes) for number in _numbers(boxes, line)]


def _lines(boxes: Sequence[Box]) -> list[list[int]]:
    """Lines, which may slope: a digit is in the line whose last digit is most nearly level with it."""
    lines: list[list[int]] = []
    for i in sorted(range(len(boxes)), key=lambda i: boxes[i][1]):
        steps = [_step(boxes[line[-1]], boxes[i]) for line in lines]
        if steps and min(steps) <= LEVEL:
            lines[steps.index(min(steps))].append(i)
        else:
            lines.append([i])
    return sorted(lines, key=lambda line: sum(_middle(boxes[i]) for i in line) / len(line))


def _numbers(boxes: Sequence[Box], line: list[int]) -> list[list[int]]:
    numbers = [line[:1]]
    for before, i in pairwise(line):
        _, left, height, width = boxes[before]
        if boxes[i][1] - (left + width) <= CLOSE * max(height, boxes[i][2]):
            numbers[-1].append(i)
        else:
            numbers.append([i])
    return numbers


def _middle(box: Box) -> float:
    return box[0] + box[2] / 2


def _step(box: Box, other: Box) -> float:
    """How far a digit is above or below another, in heights of the higher one."""
    return abs(_middle(box) - _middle(other)) / max(box[2], other[2])
