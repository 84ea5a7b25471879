"""The digits drawn by a simulated pen: their form, their repeatability, and that a net learns to read from them."""

import hashlib

import numpy as np
import pytest

import cnn
from cnn.datasets import Dataset, load_strokes, strokes

SKELETONS = {
    f"{digit}-{number}": skeleton
    for digit, skeletons in strokes.SKELETONS.items()
    for number, (_, skeleton) in enumerate(skeletons)
}


@pytest.fixture(scope="module")
def data():
    return load_strokes(train=1003, test=200, seed=1)


def test_has_the_form_of_mnist(data):
    assert isinstance(data, Dataset)
    assert [(array.dtype, array.shape) for array in data] == [
        (np.uint8, (1003, 28, 28)),
        (np.uint8, (1003,)),
        (np.uint8, (200, 28, 28)),
        (np.uint8, (200,)),
    ]


def test_classes_are_balanced(data):
    counts = np.bincount(data.train_labels, minlength=10)
    assert counts.sum() == 1003
    assert set(counts) == {100, 101}


def test_labels_are_shuffled(data):
    in_turn = np.arange(1003) % 10
    assert np.mean(data.train_labels == in_turn) < 0.2
    assert np.mean(data.train_labels == np.sort(in_turn)) < 0.2


def test_a_seed_gives_the_same_bytes(data):
    again = load_strokes(train=1003, test=200, seed=1)
    assert all(np.array_equal(one, other) for one, other in zip(data, again, strict=True))


def test_bytes_are_the_same_on_every_machine():
    digest = hashlib.sha256(b"".join(array.tobytes() for array in load_strokes(train=300, test=100, seed=7)))
    assert digest.hexdigest() == "ef41004b5a0294c1ef47f1d3ece832d94582c0f1f6ee88402740ec838e84fcdd"


def test_another_seed_gives_other_images(data):
    other = load_strokes(train=1003, test=200, seed=2)
    assert not np.array_equal(data.train_images, other.train_images)
    assert not np.array_equal(data.train_labels, other.train_labels)


def test_training_images_do_not_depend_on_the_number_of_test_images(data):
    assert np.array_equal(load_strokes(train=1003, test=0, seed=1).train_images, data.train_images)


def test_no_image_comes_twice(data):
    images = np.concatenate([data.train_images, data.test_images])
    assert len({image.tobytes() for image in images}) == len(images)


def test_batches_of_a_skeleton_differ(monkeypatch):
    monkeypatch.setattr(strokes, "BATCH", 2)
    images = load_strokes(train=500, test=0).train_images
    assert len({image.tobytes() for image in images}) == 500


@pytest.mark.parametrize("count", [0, 1, 9, 11])
def test_small_sets(count):
    data = load_strokes(train=count, test=count)
    assert data.train_images.shape == data.test_images.shape == (count, 28, 28)
    assert np.bincount(data.train_labels, minlength=10).max() <= -(-count // 10)


def test_centre_of_mass_is_the_middle_pixel_unless_ink_would_leave_the_image(data):
    images = data.train_images.astype(float)
    mass = images.sum(axis=(1, 2))
    for axis in (1, 2):
        profile = images.sum(axis=axis)
        off = np.abs((profile * np.arange(28)).sum(axis=1) / mass - 14)
        at_the_edge = profile[:, [0, -1]].any(axis=1)
        assert off[~at_the_edge].max() <= 0.5
        assert off.max() < 2
        assert at_the_edge.mean() < 0.05


def test_ink_fills_a_box_of_20_pixels(data):
    sides = np.stack([(data.train_images > 0).any(axis=axis).sum(axis=1) for axis in (1, 2)])
    larger = sides.max(axis=0)
    assert larger.max() <= 20
    assert np.mean(larger == 20) > 0.9


def test_ink_is_black_with_grey_edges(data):
    assert data.train_images.max(axis=(1, 2)).min() > 200
    inked = data.train_images[data.train_images > 0]
    assert 0.3 < np.mean(inked < 250) < 0.7


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_each_skeleton_leaves_ink(skeleton):
    images = strokes.draw(strokes.stroke_path(skeleton), 20, np.random.default_rng(0))
    ink = (images > 127).sum(axis=(1, 2))
    assert ink.min() >= 20  # a line of 20 pixels
    assert ink.max() <= 400  # of the box


def test_skeletons_come_as_often_as_their_weights_say(monkeypatch):
    upright_and_lying = [(3, "50 0, 50 100"), (1, "0 50, 100 50")]
    monkeypatch.setattr(strokes, "SKELETONS", dict.fromkeys(range(10), upright_and_lying))
    images = load_strokes(train=2000, test=0).train_images
    upright = (images > 0).any(axis=2).sum(axis=1) > (images > 0).any(axis=1).sum(axis=1)
    assert 0.7 < upright.mean() < 0.8


def test_a_curve_passes_through_its_joints():
    path = strokes.stroke_path("0 0, 40 10, 60 60!, 20 100 / 80 0, 80 100")
    points = np.stack([strokes.place_along(path, path.joints[:, [axis]])[:, 0] for axis in (0, 1)], axis=1)
    distances = np.hypot(*(points[:, None] - path.joints).T)
    assert distances.min(axis=1).max() < 1e-4
    assert np.abs(path.weights.sum(axis=0) - 1).max() < 1e-6


def test_points_of_a_stroke_are_close_together():
    for skeleton in SKELETONS.values():
        for stroke in skeleton.split("/"):
            assert np.hypot(*_steps(strokes.stroke_path(stroke))).max() < 2 * strokes.SPACING


def test_joints_that_nearly_touch_are_points_of_the_stroke_too():
    path = strokes.stroke_path("50 50, 51 50, 51 51")
    x, y = (strokes.place_along(path, path.joints[:, [axis]])[:, 0].tolist() for axis in (0, 1))
    assert (x, y) == ([50, 51, 51], [50, 50, 51])


def test_a_stroke_turns_sharply_at_its_corners_alone():
    def sharpest_turn(skeleton):
        return np.abs(np.diff(np.arctan2(*_steps(strokes.stroke_path(skeleton))))).max()

    assert sharpest_turn("0 0, 50 0, 50 50") < 0.5
    assert sharpest_turn("0 0, 50 0!, 50 50") == pytest.approx(np.pi / 2)


def _steps(path):
    """From each point to the next, in x and in y."""
    return [np.diff(strokes.place_along(path, path.joints[:, [axis]])[:, 0]) for axis in (0, 1)]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"train": -1}, ValueError, "train must be at least 0, got -1"),
        ({"test": -5}, ValueError, "test must be at least 0, got -5"),
        ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
        ({"train": 2.5}, TypeError, "train must be an integer, got 2.5"),
        ({"test": "10"}, TypeError, "test must be an integer, got '10'"),
        ({"seed": None}, TypeError, "seed must be an integer, got None"),
        ({"train": 2**62}, ValueError, "overflow"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        load_strokes(**{"train": 0, "test": 0} | arguments)


@pytest.fixture(scope="module")
def small_net(one_thread):
    """A net that has seen nothing but 10,000 drawn digits."""
    data = load_strokes(train=10000, test=0)
    net = cnn.models.two_conv(seed=0)
    optimizer = cnn.SGD(cnn.schedules.Cosine(0.03), momentum=0.9, nesterov=True)
    net.fit(data.train_images, data.train_labels, 8, 32, optimizer, seed=0, progress=False)
    return net


def test_a_net_reads_digits_that_it_has_not_seen(small_net):
    held_out = load_strokes(train=0, test=2000)
    assert small_net.score(held_out.test_images, held_out.test_labels) > 0.95


def test_a_net_reads_handwriting_from_drawn_digits_alone(small_net, mnist_dataset):
    assert small_net.score(mnist_dataset.test_images, mnist_dataset.test_labels) > 0.95
