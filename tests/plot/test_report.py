"""The report is one file that needs no other, holds what it says, and never leaves half of itself."""

from __future__ import annotations

import os
import re

import numpy as np
import pytest

import cnn
from cnn.backends.config import config
from cnn.training.history import History

from ..pages import Page

pytest.importorskip("matplotlib")
write_report = cnn.report.write_report

pytestmark = pytest.mark.usefixtures("one_thread")

HISTORY = History([0.5, 0.1], [0.8, 0.95], [0.4, 0.2], [0.9, 0.93], [1.0, 3.0], [300.0, 100.0])


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return rng.integers(256, size=(40, 6, 6), dtype=np.uint8), rng.integers(4, size=40)


@pytest.fixture(scope="module")
def net():
    layers = [cnn.Rescaling(1 / 255, -0.5), cnn.Conv2D(3, 3), cnn.ReLU(), cnn.Flatten(), cnn.Dense(4)]
    return cnn.Sequential(layers, input_shape=(6, 6, 1), seed=0)


@pytest.fixture(scope="module")
def dense():
    """A net without convolutions and images, of which a report is quickly made, and its test set."""
    net = cnn.Sequential([cnn.Dense(3)], input_shape=(5,), seed=0, dtype="float64", backend="numpy")
    return net, np.ones((6, 5)), [0, 1, 2] * 2


@pytest.fixture(scope="module")
def report(net, data, tmp_path_factory):
    """A report's path and page."""
    path = write_report(
        tmp_path_factory.mktemp("report"), net, HISTORY, *data, title="Digits", details={"optimiser": cnn.SGD}
    )
    return path, Page(path.read_text(encoding="utf-8"))


def test_the_report_is_a_file_in_the_folder(report):
    path, page = report
    assert path.name == "report.html"
    assert os.listdir(path.parent) == ["report.html"]
    assert path.read_bytes().startswith(b"<!DOCTYPE html>\n<html lang=")
    assert page.texts("title") == page.texts("h1") == ["Digits"]


def test_the_figures_are_those_of_the_net_and_of_its_fit(report, net, data):
    loss, accuracy = net.evaluate(*data)
    assert report[1].table("dt", "dd") == {
        "accuracy": f"{accuracy:.2%}",
        "mistakes": str(int((net.predict(data[0]) != data[1]).sum())),
        "loss": f"{loss:.4f}",
        "parameters": f"{3 * 9 + 3 + 3 * 16 * 4 + 4}",
        "training": "4.0 s",
        "images/s": "150",
    }


def test_the_table_of_layers_is_that_of_the_summary(report, net, capsys):
    net.summary()
    words = re.sub(r"-+", "", capsys.readouterr().out).replace(" x ", " \N{MULTIPLICATION SIGN} ").split()
    page = report[1]
    start = next(i for i, (tag, _, _) in enumerate(page.elements) if tag == "table")
    stop = next(i for i, (_, how, _) in enumerate(page.elements) if how.get("class") == "note")
    cells = [text for tag, _, text in page.elements[start:stop] if tag in ("th", "td")]
    assert " ".join(cells).split() == words


def test_every_section_has_its_picture_with_words_for_it(report):
    page = report[1]
    assert page.texts("h2") == [
        "Layers", "Training", "Filters", "One image", "Confusion", "Worst mistakes", "Details",
    ]  # fmt: skip
    images = [how for tag, how, _ in page.elements if tag == "img"]
    assert len(images) == len(page.texts("figcaption")) == 5
    assert all(image["alt"] for image in images)
    assert all(page.texts("figcaption"))


def test_the_details_have_the_callers_rows_and_the_configuration(report):
    page = report[1]
    names = [text for tag, how, text in page.elements if tag == "th" and how.get("scope") == "row"]
    assert names[-1 - len(config()) :] == ["optimiser", *config()]
    values = page.texts("td")
    assert values[-1 - len(config()) :] == [str(cnn.SGD), *config().values()]


def test_the_report_needs_no_other_file_and_no_network(report):
    page = report[1]
    for tag, attributes, _ in page.elements:
        assert tag not in ("script", "link", "iframe", "object")
        assert "href" not in attributes
        assert attributes.get("src", "data:image/").startswith("data:image/")
    style = page.texts("style")[0]
    assert "url(" not in style
    assert "@import" not in style


HOSTILE = "<script>alert('1')</script> & \"$title\" </title></style> ${content} \N{SNOWMAN}"


def test_hostile_words_stay_words(dense, tmp_path):
    net, x, y = dense
    path = write_report(tmp_path, net, None, x, y, title=HOSTILE, details={HOSTILE: HOSTILE})
    page = Page(path.read_text("utf-8"))
    assert page.texts("title") == page.texts("h1") == [HOSTILE]
    assert page.texts("th").count(HOSTILE) == page.texts("td").count(HOSTILE) == 1
    assert page.texts("script") == []


def test_a_net_that_was_trained_elsewhere_has_a_report_without_training(net, data, tmp_path):
    page = Page(write_report(tmp_path, net, None, *data).read_text("utf-8"))
    assert "Training" not in page.texts("h2")
    assert "training" not in page.texts("dt")


def test_a_net_without_convolutions_and_images_has_a_report_without_their_pictures(dense, tmp_path):
    page = Page(write_report(tmp_path, dense[0], None, *dense[1:]).read_text("utf-8"))
    assert page.texts("h2") == ["Layers", "One image", "Confusion", "Details"]


@pytest.mark.parametrize("classes", [100, 101])
def test_a_report_counts_what_is_read_as_what_for_up_to_100_classes(classes, tmp_path, monkeypatch):
    small = cnn.plot.confusion_matrix([0], None, [0])  # one of 100 classes takes a second
    monkeypatch.setattr(cnn.plot, "confusion_matrix", lambda *_: small)
    net = cnn.Sequential([cnn.Dense(classes)], input_shape=(2,), seed=0)
    page = Page(write_report(tmp_path, net, None, np.ones((1, 2)), [0]).read_text("utf-8"))
    assert ("Confusion" in page.texts("h2")) == (classes <= 100)


def test_a_folder_is_made_and_an_older_report_replaced(dense, tmp_path):
    net, x, y = dense
    folder = tmp_path / "of" / "today"
    first = write_report(str(folder), net, None, x, y, title="first")
    second = write_report(folder, net, None, x, y, title="second")
    assert first == second == folder / "report.html"
    assert Page(second.read_text("utf-8")).texts("h1") == ["second"]
    assert os.listdir(folder) == ["report.html"]


def test_a_report_that_cannot_be_written_leaves_the_older_one(dense, tmp_path, monkeypatch):
    net, x, y = dense
    path = write_report(tmp_path, net, None, x, y, title="first")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        write_report(tmp_path, net, None, x, y, title="second")
    assert Page(path.read_text("utf-8")).texts("h1") == ["first"]
    assert os.listdir(tmp_path) == ["report.html"]


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("net", None, TypeError, r"net must be a cnn\.Sequential, got None"),
        ("history", {"loss": [1.0]}, TypeError, "history must be what fit returned, a History, got {'loss"),
        ("history", History([], [], [], [], [], []), ValueError, "history must hold at least one epoch, got none"),
        ("folder", 5, TypeError, r"folder must be a str or a pathlib\.Path, got 5"),
    ],
)
def test_what_no_report_can_be_made_of_is_refused_by_the_argument_s_name(dense, tmp_path, name, value, error, message):
    net, x, y = dense
    given = {"folder": tmp_path / "new", "net": net, "history": None, "x_test": x, "y_test": y} | {name: value}
    with pytest.raises(error, match=message):
        write_report(**given)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.ones((2, 5, 5)), [0, 1], r"x_test must have shape"),
        (np.ones((2, 6, 6)), [0, 4], r"y_test\[1\] must be a whole number from 0 to 3"),
        (np.ones((0, 6, 6)), [], "y_test must hold at least one label"),
    ],
)
def test_what_is_no_test_set_of_the_net_is_refused_before_anything_is_written(net, x, y, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        write_report(tmp_path / "new", net, HISTORY, x, y)
    assert not (tmp_path / "new").exists()
