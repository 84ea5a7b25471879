"""The programs of the pages that are about the whole package, each page's one after the other in one namespace.

What they load as MNIST is a small data set in its form: generated digits.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import cnn
import cnn.datasets

from .datasets.cases import fill
from .fences import python_programs

DOCS = Path(__file__).parent.parent / "docs"
NEEDED = {"data": "PIL", "sklearn": "sklearn", "training": "matplotlib"}

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A folder in MNIST's form."""
    return fill(tmp_path_factory.mktemp("digits"), dataset=cnn.datasets.load_strokes(train=2000, test=500))


@pytest.fixture
def run(digits, tmp_path, monkeypatch):
    """Run the programs of a page in an empty folder; the names that they leave behind."""
    monkeypatch.setenv("CNN_DATA_DIR", str(digits))
    monkeypatch.chdir(tmp_path)

    def programs(page):
        if page in NEEDED:
            pytest.importorskip(NEEDED[page])
        namespace = {"__name__": page}
        text = "".join(python_programs((DOCS / f"{page}.md").read_text(encoding="utf-8")))
        exec(compile(text, f"{page}.md", "exec"), namespace)
        return namespace

    return programs


def test_start(run):
    names = run("start")
    assert names["net"].score(names["data"].test_images, names["data"].test_labels) > 0.8
    assert isinstance(names["same"], cnn.Sequential)


def test_tutorial(run):
    names = run("tutorial")  # which compares the steps itself
    assert names["accuracy"] > 0.6
    assert len(names["slow"]) == 20


def test_training(run, tmp_path):
    run("training")
    written = {"digits.safetensors", "digits.run", "digits.csv", "curves.svg", "mistakes.png", "report"}
    assert {path.name for path in tmp_path.iterdir()} == written


def test_data(run):
    names = run("data")
    assert names["net"].score(names["images"], names["labels"]) > 0.9
    assert names["classes"] == ("high", "low", "middle")


def test_sklearn(run):
    assert isinstance(run("sklearn")["classifier"].net_, cnn.Sequential)


def test_reproducibility(run):
    names = run("reproducibility")  # which compares the threads' bits itself
    alone = names["goes_on"](epochs=3)
    for name, value in names["again"].parameters().items():
        assert np.array_equal(value, alone.parameters()[name])
