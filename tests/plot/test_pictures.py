"""What all pictures share: files, notebooks, matplotlib, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from xml.etree import ElementTree

import numpy as np
import pytest

import cnn

from .cases import HISTORY, small_finder, small_net

matplotlib = pytest.importorskip("matplotlib")
pytest.importorskip("matplotlib.style")
plot = cnn.plot
pytestmark = pytest.mark.usefixtures("one_thread")


DRAWINGS = {
    "training_curves": lambda images, labels, **how: plot.training_curves(HISTORY, **how),
    "filters": lambda images, labels, **how: plot.filters(small_net(), **how),
    "feature_maps": lambda images, labels, **how: plot.feature_maps(small_net(), images[0], **how),
    "confusion_matrix": lambda images, labels, **how: plot.confusion_matrix(small_net(), images, labels, **how),
    "learning_rates": lambda images, labels, **how: plot.learning_rates(small_finder(), **how),
    "worst_mistakes": lambda images, labels, **how: plot.worst_mistakes(small_net(), images, labels, **how),
}
EVERY_DRAWING = pytest.mark.parametrize("draw", DRAWINGS.values(), ids=DRAWINGS)


def test_every_public_function_is_among_those_tested_here():
    assert sorted(DRAWINGS) == plot.__all__


@EVERY_DRAWING
def test_a_picture_is_written_as_its_suffix_says(draw, data, tmp_path):
    draw(*data, path=tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    figure = draw(*data, path=str(tmp_path / "picture.SVG"))
    root = ElementTree.parse(tmp_path / "picture.SVG").getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    width = figure.get_size_inches()[0]
    assert np.isclose(float(root.get("width").removesuffix("pt")), 72 * width)


def test_an_svg_holds_no_date():
    written = plot.training_curves(HISTORY).encoded("svg")
    assert b"matplotlib" in written.lower()
    assert b"date" not in written


@EVERY_DRAWING
def test_another_suffix_is_refused(draw, data, tmp_path):
    with pytest.raises(ValueError, match=r"path must end in \.png or \.svg, got .*picture\.jpg"):
        draw(*data, path=tmp_path / "picture.jpg")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_an_error_of_the_file_system(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        plot.training_curves(HISTORY, tmp_path / "nowhere" / "curves.svg")


@EVERY_DRAWING
@pytest.mark.parametrize("path", [5, b"picture.png"])
def test_what_is_no_path_is_refused_by_the_argument_s_name(draw, data, path):
    with pytest.raises(TypeError, match=r"path must be a str or a pathlib\.Path, got "):
        draw(*data, path=path)


def test_a_picture_that_cannot_be_written_leaves_the_older_one_and_is_named(tmp_path, monkeypatch):
    path = tmp_path / "filters.png"
    plot.filters(small_net(), path)
    before = path.read_bytes()

    def disk_full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", disk_full)
    with pytest.raises(OSError, match=r"No space left on device: .*filters\.png"):
        plot.filters(small_net(seed=1), path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["filters.png"]


@pytest.mark.parametrize("net", [None, "digits.safetensors", cnn.ConvolutionalNeuralNetwork])
def test_what_is_no_net_is_refused_by_the_argument_s_name(data, net):
    draws = (
        lambda: plot.filters(net),
        lambda: plot.feature_maps(net, data[0][0]),
        lambda: plot.worst_mistakes(net, *data),
    )
    for draw in draws:
        with pytest.raises(TypeError, match=r"net must be a cnn\.Sequential, got "):
            draw()
    with pytest.raises(TypeError, match="net_or_predictions must be"):
        plot.confusion_matrix(net, *data)


@EVERY_DRAWING
def test_a_notebook_is_given_an_image(draw, data):
    assert draw(*data)._repr_png_().startswith(b"\x89PNG\r\n\x1a\n")


@EVERY_DRAWING
def test_nothing_is_written_beyond_the_edges_of_a_picture(draw, data):
    figure = draw(*data)
    drawn, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert drawn.x0 >= 0
    assert drawn.y0 >= 0
    assert drawn.x1 <= width
    assert drawn.y1 <= height


@EVERY_DRAWING
def test_a_picture_is_the_same_whatever_the_users_style(draw, data):
    plain = draw(*data).encoded("png")
    with matplotlib.style.context(["dark_background", {"font.size": 20, "axes.grid": True, "lines.linewidth": 5}]):
        assert draw(*data).encoded("png") == plain


def test_pictures_need_no_pyplot_and_leave_matplotlibs_parameters_alone(tmp_path):
    program = """
        import sys
        import matplotlib
        before = matplotlib.rcParams.copy()
        import cnn
        net = cnn.models.tutorial(seed=0)
        cnn.plot.filters(net, sys.argv[1])
        assert "matplotlib.pyplot" not in sys.modules
        assert matplotlib.rcParams.copy() == before
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "filters.png")], check=True, cwd=tmp_path
    )


def test_without_matplotlib_one_line_says_what_to_install(tmp_path):
    program = """
        import sys
        sys.modules["matplotlib"] = None
        import cnn
        try:
            cnn.plot.filters
        except ImportError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], check=True, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == "pictures are drawn with matplotlib: pip install 'cnn-c[plot]'\n"


def test_pictures_may_be_drawn_in_several_threads():
    net = small_net()
    with ThreadPoolExecutor(4) as pool:
        pictures = list(pool.map(lambda _: plot.filters(net).encoded("png"), range(8)))
    assert len(set(pictures)) == 1
