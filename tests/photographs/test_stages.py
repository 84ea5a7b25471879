"""Each stage from a photograph to its ink alone, on small pages."""

from __future__ import annotations

import numpy as np
import pytest

from .pages import INK, PAPER, blank, one, ring, seven, shaded, taken

cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")

from cnn.photographs import ink as inks  # noqa: E402
from cnn.photographs import light, pipeline, ruling  # noqa: E402


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((4000, 3000), (1600, 1200)),
        ((480, 640), (480, 640)),
        ((28, 28), (80, 80)),
        ((1, 1), (80, 80)),
        ((1, 5000), (1, 1600)),
    ],
)
def test_a_page_is_brought_to_a_working_size(shape, expected):
    assert light.to_working_size(np.full(shape, 200, np.uint8)).shape == expected


@pytest.mark.parametrize("write", [seven, one, ring])
@pytest.mark.parametrize("pen", [3, 6, 14])
def test_ink_is_dark_where_paper_is_most_of_what_is_around_it(write, pen):
    page = taken(shaded(write(blank(), 100, 80, height=90, pen=pen)))
    assert light.has_dark_ink(page)
    assert not light.has_dark_ink(255 - page)


def test_a_ring_that_holds_more_paper_than_ink_is_dark_on_light():
    page = taken(ring(blank(), 60, 20, height=200, pen=8))
    assert light.has_dark_ink(page)
    assert not light.has_dark_ink(255 - page)


def test_a_shadow_is_divided_out():
    lit = shaded(blank())
    darkness = light.divided_by(taken(lit), light.light_of(taken(lit), stroke=16))
    assert lit.max() > 2 * lit.min()
    assert np.percentile(darkness, 99.9) < inks.FAINTEST
    written = taken(shaded(seven(blank(), 100, 90)))
    darkness = light.divided_by(written, light.light_of(written, stroke=16))
    bar = darkness[102:104, 95:130]
    assert abs(float(bar.mean()) - 255 * (1 - INK / PAPER)) < 12  # as dark as on paper in full light


def test_strokes_broader_than_the_window_are_taken_for_light():
    page = taken(one(blank(), 80, 100, height=150, pen=40))
    assert light.light_of(page, stroke=60)[150, 120] > 200
    assert light.light_of(page, stroke=10)[150, 120] < 60


@pytest.mark.parametrize("pen", [4, 8, 16])
def test_the_broadest_stroke_says_how_closely_light_is_followed(pen):
    page = light.reduced(taken(shaded(seven(blank(), 60, 60, height=150, pen=pen))))
    broadest = pipeline.broadest_stroke(page) * 320
    assert max(light.NARROWEST * 320, 1.2 * pen) <= broadest <= 2.5 * pen + 4


@pytest.mark.parametrize(("difference", "is_ink"), [(24, False), (25, True)])
def test_ink_is_darker_than_paper_by_25_of_255(difference, is_ink):
    darkness = np.zeros((100, 100), np.uint8)
    darkness[40:60, 48:52] = difference
    assert bool(inks.ink_of(darkness).any()) == is_ink


def test_what_is_much_fainter_than_the_pen_is_no_ink():
    darkness = np.zeros((100, 100), np.uint8)
    darkness[20:80, 20:30] = 200
    darkness[20:80, 60:62] = 55  # less than three tenths
    darkness[20:80, 80:82] = 90
    ink = inks.ink_of(darkness)
    assert (ink[50, 25], ink[50, 61], ink[50, 81]) == (1, 0, 1)


def test_a_stroke_ends_where_it_is_about_half_as_dark():
    darkness = np.zeros((60, 200), np.uint8)
    darkness[:, 100:110] = 200
    blurred = cv2.GaussianBlur(darkness, (0, 0), 1.5)
    assert np.flatnonzero(inks.ink_of(blurred)[30]).tolist() == list(range(100, 110))


def test_a_shadow_is_not_sharp_and_a_stroke_is():
    y, x = np.mgrid[:320, :240]
    darkness = 150 * np.exp(-((x - 60) ** 2 + (y - 100) ** 2) / 30**2)
    darkness[150:250, 170:182] = 150
    darkness = cv2.GaussianBlur(darkness, (0, 0), 1).astype(np.uint8)
    parts = inks.parts_of(inks.ink_of(darkness))
    sharp = inks.are_sharp(parts, darkness)
    assert not sharp[parts.numbers[100, 60]]
    assert sharp[parts.numbers[200, 175]]
    assert not sharp[0]


def ruled(page: np.ndarray, pitch: int = 24, slope: float = 0.03, grey: int = 150, squares: bool = False) -> np.ndarray:
    """Print sloping lines two pixels thick, or squares, where the page is lighter."""
    y, x = np.indices(page.shape)
    lines = (y - slope * x) % pitch < 2
    if squares:
        lines |= (x + slope * y) % pitch < 2
    page[lines] = np.minimum(page[lines], grey)
    return page


@pytest.mark.parametrize("squares", [False, True])
@pytest.mark.parametrize("slope", [-0.06, 0.0, 0.03])
def test_printed_lines_go_and_a_digit_that_they_cross_stays_whole(squares, slope):
    alone, crossed = (seven(page, 110, 90, height=90) for page in (blank(), ruled(blank(), 24, slope, 150, squares)))
    expected, ink = (pipeline.stages_of(taken(page)).ink for page in (alone, crossed))
    around = np.zeros(ink.shape, bool)
    around[104:206, 84:164] = True
    around[[0, 1, -2, -1]] = around[:, [0, 1, -2, -1]] = True  # pieces along the border, which are no digits
    remains = inks.parts_of(np.where(around, np.uint8(0), ink)).stats[1:]
    assert (np.minimum(remains[:, 2], remains[:, 3]) <= 6).all(), remains.max(
        axis=0
    )  # crossings of lines, which are specks
    assert expected[~around].sum() == 0
    lost = np.count_nonzero(expected & ~ink & 1)
    assert lost <= 0.02 * np.count_nonzero(expected)
    (digit,) = pipeline.read_page(taken(crossed)).digits
    np.testing.assert_allclose(digit.box, (110, 90, 90, 67), atol=3)


def test_a_few_lines_are_no_ruling():
    ink = np.zeros((300, 300), np.uint8)
    ink[100:102, 20:280] = ink[200:202, 20:280] = 1
    np.testing.assert_array_equal(ruling.without_ruling(ink, 200 * ink), ink)


def test_a_pen_that_covers_a_line_is_darker_and_stays():
    page = ruled(blank(), 24, 0, 170)
    page[144:150, 80:160] = INK  # on the line that begins at 144
    ink = pipeline.stages_of(taken(page)).ink
    assert ink[144:150, 82:158].mean() > 0.95
