"""What makes a prediction of a picture doubtful: no ink, an unsure net, more than one part of ink."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cnn.cli.doubts import doubts, ink_parts


def drawn(text: str) -> np.ndarray:
    """An image with ink where the text has #, faint ink where it has +, and paper elsewhere."""
    greys = {"#": 255, "+": 60, ".": 0}
    return np.array([[greys[letter] for letter in line] for line in text.split()], np.uint8)


BAR = np.pad(np.full((20, 4), 255, np.uint8), [(4, 4), (12, 12)])


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("###.. #.... ###..", 1),
        ("#.#.. #.#.. #.###", 2),
        ("##... ..##. ##...", 1),  # which touch by their corners
        ("##..# ##.#. ##...", 2),
        ("##.## ##+## ##.##", 2),  # what is fainter than a third of the darkest is paper
        ("#.### #.#.# #.###", 2),
        ("##### #.... #.### #.#.# #.### #....", 2),
        ("##### #...# #.#.# #...# #####", 2),
        ("#", 1),
    ],
)
def test_parts_of_ink_are_those_that_do_not_touch(text, parts):
    for image in (drawn(text), drawn(text).T, drawn(text)[::-1], drawn(text)[:, ::-1]):
        assert ink_parts(image) == parts
        assert ink_parts(np.pad(image, 3) // 2) == parts


@pytest.mark.parametrize(
    ("size", "parts"), [(4, 1), (5, 2)]
)  # a twentieth of 85 to 90 pixels is more than 4, less than 5
def test_specks_are_no_parts(size, parts):
    image = np.pad(BAR, [(0, 0), (0, 10)])
    image[2, 30 : 30 + size] = 255
    assert ink_parts(image) == parts


def test_a_spiral_is_one_part():
    image = np.zeros((29, 29), np.uint8)
    row, column, down, across = 0, 0, 0, 1
    for length in [28, *(n for side in range(28, 0, -2) for n in (side, side))]:
        for _ in range(length):
            image[row, column] = 255
            row, column = row + down, column + across
        down, across = across, -down
    assert ink_parts(image) == 1


def test_a_prediction_that_is_as_good_as_they_come_has_no_warning():
    assert doubts(BAR, 0.9, is_laid_out=True) == []


@pytest.mark.parametrize("probability", [0.8999, 0.1, math.nan])
def test_a_net_is_unsure_below_nine_in_ten(probability):
    assert doubts(BAR, probability, is_laid_out=True) == ["the net is unsure"]


@pytest.mark.parametrize("grey", [0, 128, 230])
@pytest.mark.parametrize(("contrast", "warnings"), [(0, ["it shows no ink"]), (24, ["it shows no ink"]), (25, [])])
def test_a_picture_in_which_hardly_anything_differs_shows_no_ink(grey, contrast, warnings):
    image = np.where(BAR > 0, grey + contrast, grey).astype(np.uint8)
    assert doubts(image, 1.0, is_laid_out=False) == warnings


def test_of_a_picture_without_ink_nothing_more_is_told():
    assert doubts(np.zeros((28, 28), np.uint8), 0.3, is_laid_out=True) == ["it shows no ink"]


def test_parts_are_told_of_what_was_laid_out_as_one_digit():
    two = np.hstack([BAR, BAR])
    assert doubts(two, 1.0, is_laid_out=False) == []
    assert doubts(two, 1.0, is_laid_out=True) == ["2 separate parts of ink"]
    assert doubts(two, 0.3, is_laid_out=True) == ["the net is unsure", "2 separate parts of ink"]
