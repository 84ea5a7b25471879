"""What makes a prediction of a picture doubtful: no ink, an unsure net, a page of which most is no digit."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cnn.cli.doubts import doubts, doubts_of_page

BAR = np.pad(np.full((20, 4), 255, np.uint8), [(4, 4), (12, 12)])
NO_DIGIT = ["most of what the picture shows is no digit"]


def test_a_prediction_that_is_as_good_as_they_come_has_no_warning():
    assert doubts(BAR, 0.9) == []


@pytest.mark.parametrize("probability", [0.8999, 0.1, math.nan])
def test_a_net_is_unsure_below_nine_in_ten(probability):
    assert doubts(BAR, probability) == ["the net is unsure"]


@pytest.mark.parametrize("grey", [0, 128, 230])
@pytest.mark.parametrize(("contrast", "warnings"), [(0, ["it shows no ink"]), (24, ["it shows no ink"]), (25, [])])
def test_a_picture_in_which_hardly_anything_differs_shows_no_ink(grey, contrast, warnings):
    image = np.where(BAR > 0, grey + contrast, grey).astype(np.uint8)
    assert doubts(image, 1.0) == warnings


def test_of_a_picture_without_ink_nothing_more_is_told():
    assert doubts(np.zeros((28, 28), np.uint8), 0.3) == ["it shows no ink"]


@pytest.mark.parametrize(("share", "warnings"), [(1, []), (0.5, []), (0.499, NO_DIGIT), (0, NO_DIGIT)])
def test_a_page_with_less_than_half_of_its_ink_in_digits_is_doubtful(share, warnings):
    assert doubts_of_page(share, np.array([0.99, 0.9])) == warnings


@pytest.mark.parametrize(
    ("probabilities", "warnings"), [([0.9, 0.2], []), ([0.9, 0.2, 0.3], NO_DIGIT), ([math.nan], NO_DIGIT)]
)
def test_a_page_of_which_most_digits_are_unsure_is_doubtful(probabilities, warnings):
    assert doubts_of_page(1, np.array(probabilities)) == warnings
