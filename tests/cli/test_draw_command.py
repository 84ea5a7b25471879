"""`cnn draw`: the page that it writes, where, and what it opens."""

from __future__ import annotations

import json
import webbrowser

import pytest

import cnn
import cnn.models

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "digits.safetensors"
    cnn.models.tutorial(seed=0).save(path)
    return path


@pytest.fixture
def addresses(monkeypatch):
    """What a browser was asked to open."""
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or True)
    return opened


def data_of(page) -> dict:
    return json.loads(page.read_text(encoding="utf-8").split('id="data">')[1].split("</script>")[0])


def test_the_page_is_written_beside_the_net_and_opened(command, model, data_folder, addresses):
    status, output, errors = command("draw", model, "--data", data_folder)
    page = model.with_suffix(".html")
    assert (status, errors) == (0, "")
    assert output.splitlines() == [f"data: images from {data_folder}", f"page written to {page}"]
    assert addresses == [page.resolve().as_uri()]
    data = data_of(page)
    assert [example["label"] for example in data["examples"]] == sorted([*range(10), *range(10)])
    assert len(data["mistakes"]) == 10


def test_it_can_be_written_elsewhere_and_left_closed(command, model, data_folder, addresses, tmp_path):
    assert command("draw", model, tmp_path / "other page.html", "--data", data_folder, "--no-open")[0] == 0
    assert (tmp_path / "other page.html").is_file()
    assert addresses == []


def test_a_machine_without_a_browser_is_no_error(command, model, data_folder, monkeypatch):
    monkeypatch.setattr(webbrowser, "open", lambda address: False)
    status, output, _ = command("draw", model, "--data", data_folder)
    assert status == 0
    assert output.endswith("no browser could be opened\n")


@pytest.mark.parametrize("classes", [None, ["shirt", "shoe", "bag"]])
def test_a_net_that_is_not_for_digits_needs_no_data(command, tmp_path, addresses, classes):
    net = cnn.Sequential([cnn.Flatten(), cnn.Dense(3)], (28, 28, 1), seed=0)
    net.classes = classes
    net.save(tmp_path / "clothes.safetensors")
    status, output, _ = command("draw", tmp_path / "clothes.safetensors")
    assert status == 0
    assert "data:" not in output
    data = data_of(tmp_path / "clothes.html")
    assert (data["examples"], data["mistakes"]) == ([], [])
    assert data["net"]["classes"] == (classes or ["0", "1", "2"])


def test_errors_are_one_line(command, model, data_folder, addresses, tmp_path):
    missing = tmp_path / "none.safetensors"
    said = f"cnn: {missing} does not exist; cnn train --save {missing} writes a net\n"
    assert command("draw", missing)[::2] == (1, said)
    status, _, errors = command("draw", model, model, "--no-open")
    assert (status, errors) == (1, f"cnn: FILE must be another file than the net's, got {model}\n")
    assert cnn.load(model).output_shape == (10,)  # it is still there
    status, _, errors = command("draw", model, tmp_path / "no" / "page.html", "--data", data_folder, "--no-open")
    assert (status, errors) == (1, f"cnn: {tmp_path}/no/page.html: cannot be written: No such file or directory\n")
    rows = cnn.Sequential([cnn.Dense(10)], (784,), seed=0)
    rows.save(tmp_path / "rows.safetensors")
    status, _, errors = command("draw", tmp_path / "rows.safetensors", "--no-open")
    assert (status, errors) == (
        1, "cnn: net must take images (height, width, channels), and takes inputs of shape (784,)\n"
    )  # fmt: skip
    assert addresses == []
