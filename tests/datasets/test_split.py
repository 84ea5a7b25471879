"""Folders with a folder of pictures for each class: `cnn train` and `cnn evaluate` on them."""

from __future__ import annotations

import json

import numpy as np
import pytest

import cnn
from cnn.datasets.split import Classes, is_folder_of_classes, load_split

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")

COLOURS = {"blue": (30, 40, 200), "green": (30, 190, 50), "red": (210, 30, 30)}


@pytest.fixture
def flowers(tmp_path):
    """Thirty pictures of discs in three colours, of equal brightness apart from noise."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:40, :36]
    for name, colour in COLOURS.items():
        (tmp_path / "flowers" / name).mkdir(parents=True)
        for i in range(30):
            image = random.integers(200, 256, (40, 36, 3), dtype=np.uint8)
            image[np.hypot(y - 20, x - random.integers(12, 24)) < 9] = colour
            Image.fromarray(image).save(tmp_path / "flowers" / name / f"{i}.png")
    return tmp_path / "flowers"


def test_a_part_of_every_class_is_to_test_with(flowers):
    data, classes = load_split(flowers, Classes(size=20, validation=0.2))
    assert classes == ("blue", "green", "red")
    assert (data.train_images.shape, data.test_images.shape) == ((72, 20, 20), (18, 20, 20))
    assert np.bincount(data.test_labels).tolist() == [6, 6, 6]
    again, _ = load_split(flowers, Classes(size=20, validation=0.2))
    np.testing.assert_array_equal(again.test_images, data.test_images)
    other, _ = load_split(flowers, Classes(size=20, validation=0.2, seed=1))
    assert not np.array_equal(other.test_images, data.test_images)


def test_no_picture_is_in_both_parts(flowers):
    data, _ = load_split(flowers, Classes(color=True))
    together = np.concatenate([data.train_images, data.test_images]).reshape(90, -1)
    assert len(np.unique(together, axis=0)) == 90


def test_a_class_with_one_picture_is_trained_on(flowers):
    for file in sorted((flowers / "red").iterdir())[1:]:
        file.unlink()
    data, _ = load_split(flowers, Classes())
    assert np.count_nonzero(data.train_labels == 2) == 1
    assert not (data.test_labels == 2).any()


def test_one_picture_alone_cannot_be_split(tmp_path):
    (tmp_path / "a").mkdir()
    Image.new("RGB", (9, 9)).save(tmp_path / "a" / "1.png")
    with pytest.raises(ValueError, match=r"holds 1 pictures, of which 0\.2 leaves none in one part"):
        load_split(tmp_path, Classes())


def test_which_folders_hold_classes(flowers, data_folder, tmp_path):
    assert is_folder_of_classes(flowers)
    assert not is_folder_of_classes(flowers / "red")
    assert not is_folder_of_classes(data_folder)
    assert not is_folder_of_classes(tmp_path / "absent")


@pytest.fixture
def trained(command, flowers, tmp_path):
    """A net for colours, trained by the command; its file."""
    file = tmp_path / "flowers.net"
    options = ("--color", "--size", 24, "--epochs", 12, "--batch-size", 8, "--validation", 0.3, "--save", file)
    status, out, err = command("train", "--data", flowers, *options, "--json")
    assert status == 0, err
    result = json.loads(out)
    assert result["data"] == f"pictures of 3 classes from {flowers}"
    assert result["accuracy"] > 0.9  # which colours alone can tell
    return file


def test_a_net_for_colours_is_trained_measured_and_asked_by_commands(command, flowers, trained):
    net = cnn.load(trained)
    assert (net.input_shape, net.classes) == ((24, 24, 3), ("blue", "green", "red"))
    figures = json.loads(command("evaluate", trained, "--data", flowers, "--json")[1])
    assert (figures["images"], len(figures["confusion"])) == (90, 3)
    assert figures["accuracy"] > 0.9
    (prediction,) = json.loads(command("predict", trained, flowers / "green" / "3.png", "--json", "--top", 1)[1])
    assert prediction["label"] == "green"
    assert prediction["choices"] == [{"label": "green", "probability": prediction["probability"]}]
    assert cnn.recognise(net, flowers / "red" / "2.png")[0].label == "red"


def test_classes_of_another_folder_go_by_their_names(command, flowers, trained, tmp_path):
    (flowers / "blue").rename(tmp_path / "away")
    figures = json.loads(command("evaluate", trained, "--data", flowers, "--json")[1])
    assert [sum(row) for row in figures["confusion"]] == [0, 30, 30]
    (flowers / "green").rename(flowers / "yellow")
    status, _, err = command("evaluate", trained, "--data", flowers)
    assert status == 1
    assert "knows the classes blue, green, red, got yellow in pictures of 2 classes" in err


@pytest.mark.parametrize("shape", [(5, 9, 8), (5, 9, 8, 1)])
def test_grey_images_for_a_net_of_colours_are_refused_with_the_way_out(shape):
    net = cnn.Sequential([cnn.Flatten(), cnn.Dense(3)], (9, 8, 3), seed=0)
    expected = r"x must have shape \(N, 9, 8, 3\), in colour, got .* in one channel; np\.repeat\(x"
    with pytest.raises(ValueError, match=expected):
        net.predict(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("channels", [3, 4])
def test_images_in_colour_for_a_net_of_grey_ones_are_refused_with_the_way_out(channels):
    net = cnn.Sequential([cnn.Flatten(), cnn.Dense(3)], (9, 8, 1), seed=0)
    expected = rf"x must have shape \(N, 9, 8, 1\), grey, .* {channels} channels.*mean\(axis=-1\)"
    with pytest.raises(ValueError, match=expected):
        net.predict(np.zeros((5, 9, 8, channels), np.uint8))


@pytest.mark.parametrize("option", [("--color",), ("--size", 20), ("--validation", 0.5)])
def test_options_of_folders_are_refused_for_other_data(command, data_folder, option):
    status, _, err = command("train", "--data", data_folder, *option)
    assert status == 1
    assert err.startswith(f"cnn: {option[0]}: only for a folder with a folder of pictures for each class")


@pytest.mark.parametrize("part", [0, 1, -0.5, "nan"])
def test_the_part_to_test_with_is_between_0_and_1(command, data_folder, part):
    status, _, err = command("train", "--data", data_folder, "--validation", part)
    assert status == 2
    assert "not between 0 and 1" in err
