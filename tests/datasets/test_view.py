"""A data set as a notebook shows it: a table, and some images with their labels."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest

from cnn.datasets import Dataset, LabelledImages
from cnn.datasets.view import png

from ..pages import Page

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (100, 28, 28), dtype=np.uint8)
LABELS = (np.arange(100) % 10).astype(np.uint8)
DIGITS = Dataset(NOISE, LABELS, NOISE[:50], LABELS[:50])


def strip(page):
    """The pixels of the one image in a page, (height, width, channels)."""
    image = pytest.importorskip("PIL.Image")
    ((how),) = [how for tag, how, _ in page.elements if tag == "image"]
    head, _, data = how["href"].partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(image.open(io.BytesIO(base64.b64decode(data))))


def test_the_table_holds_number_size_dtype_and_classes_of_both_parts():
    page = Page(DIGITS._repr_html_())
    assert page.texts("b") == ["Dataset"]
    assert page.rows() == [
        ["", "images", "size", "dtype", "classes"],
        ["training", "100", "28 \N{MULTIPLICATION SIGN} 28", "uint8", "10"],
        ["test", "50", "28 \N{MULTIPLICATION SIGN} 28", "uint8", "10"],
    ]


def test_the_strip_is_of_images_from_the_first_to_the_last_with_their_labels():
    page = Page(DIGITS._repr_html_())
    pixels = strip(page)
    chosen = [0, 9, 18, 27, 36, 45, 54, 63, 72, 81, 90, 99]
    assert page.texts("text") == [str(LABELS[i]) for i in chosen]
    assert pixels.shape == (28, 12 * 30, 2)
    tiles = pixels.reshape(28, 12, 30, 2).swapaxes(0, 1)
    assert np.array_equal(tiles[:, :, :28, 0], NOISE[chosen])
    assert (tiles[:, :, :28, 1] == 255).all()
    assert (tiles[:, :, 28:, 1] == 0).all()  # between the images the page is seen


def test_few_images_are_all_shown():
    page = Page(DIGITS._replace(train_images=NOISE[:3], train_labels=LABELS[:3])._repr_html_())
    assert page.texts("text") == ["0", "1", "2"]
    assert strip(page).shape == (28, 3 * 30, 2)


@pytest.mark.parametrize(
    "shape", [(28, 28), (28, 28, 3), (32, 32, 3), (1, 1), (1, 999), (999, 1), (300, 200), (41, 40, 1), (640, 480, 3)]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.bool_, np.int64])
def test_images_of_any_size_and_dtype_make_a_small_page(shape, dtype):
    images = RNG.integers(0, 256, (20, *shape)).astype(dtype)
    html = DIGITS._replace(train_images=images, train_labels=LABELS[:20])._repr_html_()
    assert len(html) < 20 * 1024
    height, width, channels = strip(Page(html)).shape
    assert max(height, width / len(Page(html).texts("text"))) <= 43
    assert channels == (4 if shape[2:] == (3,) else 2)


def test_large_images_are_shrunk_to_means():
    images = np.kron(NOISE[:5, :20, :20], np.ones((1, 3, 3), np.uint8))
    shown = strip(Page(DIGITS._replace(train_images=images, train_labels=LABELS[:5])._repr_html_()))
    large = images.reshape(5, 30, 2, 30, 2).mean(axis=(2, 4))
    assert np.array_equal(shown.reshape(30, 5, 32, 2).swapaxes(0, 1)[:, :, :30, 0], large.round().astype(np.uint8))


def test_real_numbers_are_shown_from_the_darkest_to_the_brightest():
    images = NOISE[:4] / 255 - 0.5
    images[0, 0, 0] = np.nan
    shown = strip(Page(DIGITS._replace(train_images=images, train_labels=LABELS[:4])._repr_html_()))
    assert (shown[..., 0].min(), shown[..., 0].max()) == (0, 255)


@pytest.mark.parametrize("images", [NOISE[:0], NOISE[:, 0], np.zeros((9, 4, 4, 2)), np.zeros((3, 0, 4))])
def test_what_cannot_be_shown_as_images_has_the_table_alone(images):
    html = DIGITS._replace(train_images=images, train_labels=LABELS[: len(images)])._repr_html_()
    assert "<svg" not in html
    assert Page(html).rows()[1][:2] == ["training", str(len(images))]


def test_names_of_classes_are_escaped_and_short_ones_below_the_images():
    names = ("<b>bold</b>", "a & b", *(f"the class of a long name, {i}" for i in range(8)))
    page = Page(LabelledImages(NOISE, LABELS, names)._repr_html_())
    assert page.texts("text")[0] == "<b>bold..."
    assert page.texts("title")[0] == names[0]  # the whole name when the mouse is over it
    assert not {"b", "script"} & {tag for tag, _, _ in page.elements[5:]}
    assert page.texts("p")[1].startswith("classes: <b>bold</b>, a & b, the class")
    assert len(page.texts("p")[1]) <= 200


def test_a_png_is_what_pillow_reads():
    image = pytest.importorskip("PIL.Image")
    for channels, mode in ((2, "LA"), (4, "RGBA")):
        pixels = RNG.integers(0, 256, (5, 7, channels), dtype=np.uint8)
        read = image.open(io.BytesIO(png(pixels)))
        assert read.mode == mode
        assert np.array_equal(np.asarray(read), pixels)
