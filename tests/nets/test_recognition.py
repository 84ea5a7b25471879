"""`recognise`: what a net reads in pictures of any size and kind."""

from __future__ import annotations

import numpy as np
import pytest

import cnn
from cnn.nets.recognition import Recognised

pytest.importorskip("cv2", reason="OpenCV is not installed")
Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")


def net_for(shape=(28, 28, 1), classes=10):
    """A net that answers with its class 3, with 0.9 times as much certainty as there is."""
    net = cnn.Sequential([cnn.Flatten(), cnn.Dense(classes)], shape, seed=0)
    net.layers[1].weights[...] = 0
    net.layers[1].bias[min(3, classes - 1)] = 20
    return net


@pytest.fixture
def page():
    """A bar and a ring, uint8 (200, 300)."""
    page = np.full((200, 300), 220, np.uint8)
    page[60:140, 40:50] = 30
    y, x = np.indices(page.shape)
    page[np.abs(np.hypot(y - 100, x - 200) - 35) < 5] = 30
    return page


def test_answers_are_label_probability_and_box_in_reading_order(page):
    answers = cnn.recognise(net_for(), page)
    assert all(isinstance(answer, Recognised) for answer in answers)
    (label, probability, box), (_, _, other) = answers
    assert (label, type(label)) == (3, int)
    assert probability == pytest.approx(1)
    np.testing.assert_allclose(box, (60, 40, 80, 10), atol=2)
    np.testing.assert_allclose(other, (60, 160, 80, 80), atol=2)


KINDS = {
    "uint8": lambda page: page,
    "one channel": lambda page: page[..., None],
    "RGB": lambda page: np.repeat(page[..., None], 3, axis=2),
    "RGB and opacity": lambda page: np.dstack([page] * 3 + [np.full_like(page, 255)]),
    "floats to 1": lambda page: page / 255,
    "float32 to 255": lambda page: page.astype(np.float32),
    "uint16": lambda page: page.astype(np.uint16) * 257,
    "int64": lambda page: page.astype(np.int64),
    "a list": lambda page: page.tolist(),
    "strided": lambda page: np.repeat(page, 2, axis=1)[:, ::2],
    "Fortran": np.asfortranarray,
    "light on dark": lambda page: 255 - page,
    "bool": lambda page: page > 128,
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_picture_may_be_an_array_of_any_kind(page, kind):
    expected = [answer.box for answer in cnn.recognise(net_for(), page)]
    np.testing.assert_allclose([answer.box for answer in cnn.recognise(net_for(), kind(page))], expected, atol=2)


def test_a_picture_may_be_a_file(page, tmp_path):
    Image.fromarray(page).save(tmp_path / "page.png")
    for path in (tmp_path / "page.png", str(tmp_path / "page.png")):
        assert cnn.recognise(net_for(), path) == cnn.recognise(net_for(), page)
    with pytest.raises(FileNotFoundError, match="absent"):
        cnn.recognise(net_for(), tmp_path / "absent.png")


@pytest.mark.parametrize(
    ("image", "error", "reason"),
    [
        (np.zeros((2, 3, 4, 5)), ValueError, r"image must be a picture \(height, width\).* got \(2, 3, 4, 5\)"),
        (np.zeros((9, 9, 2)), ValueError, r"got \(9, 9, 2\)"),
        (np.zeros((0, 9)), ValueError, r"got \(0, 9\)"),
        (np.full((9, 9), np.nan), ValueError, "from 0 to 255, or floats from 0 to 1, got nan"),
        (np.full((9, 9), -1), ValueError, "got -1 to -1"),
        (np.full((9, 9), 256.0), ValueError, "got 256 to 256"),
        (None, TypeError, "image"),
        ([["a"]], TypeError, "image"),
    ],
)
def test_what_is_no_picture_is_refused(image, error, reason):
    with pytest.raises(error, match=reason):
        cnn.recognise(net_for(), image)


def test_the_image_is_not_changed(page):
    before = page.copy()
    cnn.recognise(net_for(), page)
    np.testing.assert_array_equal(page, before)


def test_an_empty_page_has_no_answers():
    assert cnn.recognise(net_for(), np.full((480, 640, 3), 200, np.uint8)) == []


def test_labels_are_the_names_of_the_classes(page):
    net = net_for()
    net.classes = tuple("0123456789")
    assert [answer.label for answer in cnn.recognise(net, page)] == ["3", "3"]


@pytest.mark.parametrize(("shape", "classes"), [((20, 24, 3), 4), ((20, 24, 1), 4)])
def test_a_net_of_other_things_reads_the_whole_picture(shape, classes):
    net = net_for(shape, classes)
    net.classes = ("ant", "bee", "cow", "dog")
    image = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    ((label, probability, box),) = cnn.recognise(net, image)
    assert (label, box) == ("dog", (0, 0, 60, 90))
    assert probability == pytest.approx(1)


def test_a_whole_picture_is_read_as_a_file_of_a_folder_is(tmp_path):
    net = cnn.Sequential([cnn.Rescaling(1 / 255), cnn.Flatten(), cnn.Dense(4)], (20, 24, 3), seed=0)
    image = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / "picture.png")
    expected = net.predict_proba(cnn.datasets.load_images(tmp_path / "picture.png", (20, 24), color=True)).max()
    for given in (image, tmp_path / "picture.png"):
        assert cnn.recognise(net, given)[0].probability == pytest.approx(float(expected))


def test_a_grey_image_for_a_net_of_colours_is_refused_with_the_way_out(page):
    net = net_for((20, 24, 3), 4)
    with pytest.raises(ValueError, match=r"image must have 3 channels, .* got grey \(200, 300\); np\.repeat"):
        cnn.recognise(net, page)
    assert len(cnn.recognise(net, np.repeat(page[:, :, None], 3, axis=2))) == 1


def test_digits_says_whether_to_look_for_them(page):
    assert len(cnn.recognise(net_for(), page, digits=False)) == 1
    assert len(cnn.recognise(net_for(classes=26), page)) == 1
    assert len(cnn.recognise(net_for(classes=26), page, digits=True)) == 2
    with pytest.raises(ValueError, match=r"nets for grey images .* got a net for \(28, 28, 3\)"):
        cnn.recognise(net_for((28, 28, 3)), page, digits=True)


def test_a_net_for_no_pictures_is_refused(page):
    with pytest.raises(ValueError, match=r"net must be for pictures \(height, width, 1 or 3\), got one for \(784,\)"):
        cnn.recognise(net_for((784,)), page)


def test_images_are_brought_to_the_scale_that_the_net_was_fitted_on(page, mnist_dataset):
    net = cnn.Sequential([cnn.Flatten(), cnn.Dense(10)], (28, 28, 1), seed=0)
    x, y = mnist_dataset.train_images[:5000], mnist_dataset.train_labels[:5000]
    net.fit(x / np.float32(255), y, epochs=2, optimizer=cnn.SGD(0.1), progress=False)
    assert {answer.label for answer in cnn.recognise(net, page)} == {0, 1}


def test_nets_for_other_sizes_read_digits_too(page):
    assert [answer.label for answer in cnn.recognise(net_for((32, 32, 1)), page)] == [3, 3]
