"""The tutorials' programs, in `tutorial_scripts`: as they stand, over `cnn`; and over `cnn.reference`, by the import.

Nothing else differs from a program on the tutorials' own classes. Short runs get fewer images and epochs.
"""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import pytest

import cnn.datasets

SCRIPTS = Path(__file__).parent / "tutorial_scripts"

pytestmark = pytest.mark.usefixtures("mnist_dataset")  # or they would download it


def run(script: str, layers: str = "cnn", epochs: int = 5) -> tuple[list[str], dict]:
    """The lines that a script prints, and its variables."""
    source = (SCRIPTS / f"{script}.py").read_text(encoding="utf-8")
    for line, replaced in (("from cnn import", f"from {layers} import"), ("epochs = 5\n", f"epochs = {epochs}\n")):
        source, found = re.subn(f"^{line}", replaced, source, flags=re.MULTILINE)
        assert found == 1
    printed, variables = io.StringIO(), {}
    with contextlib.redirect_stdout(printed):
        exec(compile(source, script, "exec"), variables)
    return printed.getvalue().splitlines(), variables


@pytest.fixture
def first_images(monkeypatch, mnist_dataset):
    """Calling it makes the loaders give so many images to train on, and so many to test with."""

    def limit(train: int, test: int) -> None:
        images, labels, test_images, test_labels = mnist_dataset
        few = cnn.datasets.Dataset(images[:train], labels[:train], test_images[:test], test_labels[:test])
        for name, array in few._asdict().items():
            monkeypatch.setattr(cnn.datasets.mnist, name, lambda array=array: array)
        monkeypatch.setattr(cnn.datasets, "load_mnist", lambda: few)

    return limit


def assert_same_run(one, other):
    (lines, variables), (other_lines, others) = one, other
    # The two numbers at the end are printed with all their digits, which rounding may change in the last ones.
    assert lines[:-2] == other_lines[:-2]
    for line, other_line in zip(lines[-2:], other_lines[-2:], strict=True):
        (name, value), (other_name, other_value) = line.split(": "), other_line.split(": ")
        assert name == other_name
        assert f"{float(value):.9f}" == f"{float(other_value):.9f}"
    for layer, name in (("conv", "filters"), ("softmax", "weights"), ("softmax", "biases")):
        pair = (getattr(v[layer], name) for v in (variables, others))
        np.testing.assert_allclose(*pair, rtol=0, atol=1e-8)


def test_the_first_tutorials_program_prints_and_learns_the_same_as_the_pure_layers(first_images):
    first_images(100, 40)
    runs = [run("one_convolution", layers, epochs=2) for layers in ("cnn", "cnn.reference")]
    assert_same_run(*runs)
    lines = runs[0][0]
    assert [line.split()[0] for line in lines] == ["---", "[Step", "---", "[Step", "---", "Test", "Test"]


@pytest.mark.slow
def test_the_first_tutorials_whole_program_ends_with_the_known_loss_and_accuracy(mnist_dataset):
    runs = [run("one_convolution", layers) for layers in ("cnn", "cnn.reference")]
    assert_same_run(*runs)
    lines = runs[0][0]
    assert len(lines) == 5 * 11 + 3
    assert lines[-2].startswith("Test Loss: 0.45612")
    assert lines[-1] == "Test Accuracy: 0.849"


def test_the_second_tutorials_program_learns_the_same_as_the_pure_net(first_images):
    first_images(160, 40)
    runs = [run("two_convolutions", layers, epochs=1) for layers in ("cnn", "cnn.reference")]
    assert [variables["model"].net.backend for _, variables in runs] == ["compiled", "numpy"]
    losses, others = (np.array(variables["losses"]) for _, variables in runs)
    assert len(losses) == 5
    # Sums of at most 784 * 32 terms of order 1 in float32, each step's rounding at most doubled by the steps after it.
    tolerance = 784 * 32 * 2**5 * float(np.finfo(np.float32).eps)
    assert (abs(losses - others) < tolerance).all()
    assert [line.split(":")[0] for line in runs[0][0]] == ["Epoch 1/1, Loss", "Test accuracy"]


def test_the_second_tutorials_program_learns_from_a_few_images(first_images):
    first_images(2000, 1000)
    _, variables = run("two_convolutions", epochs=2)
    assert variables["accuracy"] > 0.8


@pytest.mark.slow
def test_the_second_tutorials_whole_program_reads_985_of_1000_test_images():
    _, variables = run("two_convolutions")
    assert variables["accuracy"] >= 0.985
