"""A page's digits: which parts are digits, how MNIST would lay them out, in which order they are read."""

from __future__ import annotations

import numpy as np
import pytest

from .pages import INK, blank, one, ring, seven, shaded, taken

cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")

from cnn.photographs.order import in_numbers  # noqa: E402
from cnn.photographs.pipeline import read_page  # noqa: E402


def boxes(page: np.ndarray) -> list[tuple[int, int, int, int]]:
    return [digit.box for digit in read_page(taken(page)).digits]


@pytest.mark.parametrize("light_ink", [False, True])
@pytest.mark.parametrize("write", [seven, one, ring])
def test_a_digit_in_a_shadow_is_found_where_it_is(write, light_ink):
    page = taken(shaded(write(blank(), 120, 100)))
    (digit,) = read_page(255 - page if light_ink else page).digits
    inked = np.argwhere(write(blank(), 120, 100) == INK)
    top, left = inked.min(axis=0)
    height, width = np.ptp(inked, axis=0) + 1
    np.testing.assert_allclose(digit.box, (top, left, height, width), atol=2)
    assert (digit.image.shape, digit.image.dtype, digit.number) == ((28, 28), np.uint8, 0)


def test_light_ink_on_dark_paper_is_the_same_image():
    page = taken(ring(blank(), 120, 100), noise=0)
    (dark,), (light,) = (read_page(picture).digits for picture in (page, 255 - page))
    assert np.abs(dark.image.astype(int) - light.image).mean() < 6


@pytest.mark.parametrize("invert", [True, False])
def test_it_can_be_said_that_the_ink_is_dark_or_light(invert):
    page = taken(ring(blank(), 120, 100))
    assert len(read_page(page if invert else 255 - page, invert).digits) == 1


@pytest.mark.parametrize("height", [20, 60, 200])
@pytest.mark.parametrize("write", [seven, one, ring])
def test_a_digit_is_laid_out_as_mnist_does(write, height):
    (digit,) = read_page(taken(write(blank(), 60, 40, height, pen=max(3, height // 8)))).digits
    rows, columns = (np.flatnonzero((digit.image > 100).any(axis=axis)) for axis in (1, 0))
    assert 19 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 21
    weights = digit.image.astype(float)
    centre = [(weights.sum(axis=axis) * np.arange(28)).sum() / weights.sum() for axis in (1, 0)]
    np.testing.assert_allclose(centre, 14, atol=0.6)
    assert digit.image.max() > 220


@pytest.mark.parametrize("pen", [2, 4, 8, 16])
def test_thin_pens_are_made_as_broad_as_mnists(pen):
    (digit,) = read_page(taken(one(blank(), 80, 100, height=120, pen=pen))).digits
    across = digit.image[14].astype(float).sum() / 255
    assert max(1.6, 0.8 * pen / 6) <= across <= max(2.6, 1.3 * pen / 6)


def test_digits_are_read_line_by_line_and_close_ones_are_a_number():
    page = blank(320, 400)
    one(page, 34, 40)
    seven(page, 30, 62)
    ring(page, 38, 260)
    seven(page, 200, 300)
    ring(page, 195, 60)
    digits = read_page(taken(page)).digits
    assert [digit.number for digit in digits] == [0, 0, 1, 2, 3]
    lefts = [digit.box[1] for digit in digits]
    np.testing.assert_allclose(lefts, [40, 62, 260, 60, 300], atol=2)


def test_lines_may_slope():
    level = [(100 - 3 * i, 50 * i, 40, 25) for i in range(12)]
    below = [(180 - 3 * i, 50 * i + 7, 40, 25) for i in range(12)]
    numbers = in_numbers([*below, *level])
    assert [i for number in numbers for i in number] == [*range(12, 24), *range(12)]
    assert in_numbers([]) == []


def test_numbers_end_where_the_gap_is_three_quarters_of_the_height():
    assert in_numbers([(0, 0, 40, 20), (0, 50, 40, 20)]) == [[0, 1]]
    assert in_numbers([(0, 0, 40, 20), (0, 51, 40, 20)]) == [[0], [1]]


def test_specks_and_dashes_are_no_digits():
    page = seven(blank(), 120, 100)
    page[30:34, 30:34] = page[250:253, 200:204] = INK
    page[280:284, 40:100] = INK
    assert len(boxes(page)) == 1


def test_a_bar_above_belongs_to_its_digit():
    page = blank()
    page[130:136, 100:136] = INK  # the bar of a 5, not quite joined
    page[139:165, 100:106] = page[160:166, 100:136] = page[160:190, 130:136] = page[184:190, 100:136] = INK
    ((top, left, height, width),) = boxes(page)
    np.testing.assert_allclose((top, left, height, width), (130, 100, 60, 36), atol=2)


def test_a_digit_at_the_border_is_read():
    for top, left in ((0, 100), (260, 100), (120, 0), (120, 195)):
        (box,) = boxes(seven(blank(), top, left))
        np.testing.assert_allclose(box, (top, left, 60, 45), atol=2)


def test_the_edge_of_the_table_is_no_digit():
    page = seven(blank(), 120, 100)
    page[:, :9] = INK
    (box,) = boxes(page)
    assert box[1] > 90


def test_a_digit_without_any_margin_is_read():
    bare = ring(blank(60, 60), 0, 0, 60, 9)
    (box,) = boxes(bare)
    np.testing.assert_allclose(box, (0, 0, 60, 60), atol=1)


@pytest.mark.parametrize("paper", [0, 20, 128, 255])
@pytest.mark.parametrize("noise", [0, 2, 5])
@pytest.mark.parametrize("lit", [False, True])
def test_a_page_without_ink_has_no_digit(paper, noise, lit):
    page = np.full((480, 640), float(paper))
    assert read_page(taken(shaded(page) if lit else page, noise)).digits == []


def test_printed_lines_alone_are_no_digit():
    page = blank(480, 360)
    page[::24] = page[1::24] = page[:, ::24] = page[:, 1::24] = 160
    assert read_page(taken(page)).digits == []


def test_most_ink_of_writing_is_in_digits_and_of_texture_is_not():
    writing = read_page(taken(shaded(seven(ring(blank(), 30, 30), 120, 100))))
    assert writing.share > 0.98
    noise = np.random.default_rng(0).normal(128, 60, (320, 240))
    assert read_page(np.clip(noise, 0, 255).astype(np.uint8)).share < 0.5


@pytest.mark.parametrize("shape", [(1, 1), (1, 4000), (4000, 1), (2, 2), (7, 5), (3000, 2000)])
def test_pages_of_any_size_are_read(shape):
    random = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    for page in (random, np.zeros(shape, np.uint8)):
        for digit in read_page(page).digits:
            top, left, height, width = digit.box
            assert 0 <= top < top + height <= shape[0]
            assert 0 <= left < left + width <= shape[1]


def test_boxes_are_those_of_the_photograph_and_not_of_the_page_that_was_shrunk():
    page = seven(blank(3200, 2400), 1000, 800, height=600, pen=60)
    ((top, left, height, width),) = boxes(page)
    np.testing.assert_allclose((top, left, height, width), (1000, 800, 600, 450), atol=6)
