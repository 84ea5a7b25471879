"""The summary of a net as a notebook shows it: the rows of the printed one."""

from __future__ import annotations

import re

import pytest

import cnn
import cnn.reference

from ..pages import Page

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_notebook_shows_the_table_that_is_printed(capsys):
    net = cnn.models.two_conv(seed=0)
    net.summary()
    printed = [re.split(r"  +", line) for line in capsys.readouterr().out.splitlines() if not line.startswith("--")]
    page = Page(net._repr_html_())
    assert [[cell.replace("\N{MULTIPLICATION SIGN}", "x") for cell in row] for row in page.rows()] == printed
    assert (page.texts("b"), page.texts("span")) == (["Sequential"], ["float32"])


def test_a_deep_net_is_shown_by_its_first_and_its_last_layers_and_the_total():
    net = cnn.Sequential([cnn.Flatten(), *(cnn.Dense(3) for _ in range(999))], (2, 2, 1), seed=0)
    html = net._repr_html_()
    head, first, *_, last, total = Page(html).rows()
    assert (head[0], first[0], last[0]) == ("layer", "flatten_1", "dense_999")
    assert total == ["total", "from 2 \N{MULTIPLICATION SIGN} 2 \N{MULTIPLICATION SIGN} 1", "11,991", "8,994"]
    assert "... 977 more layers" in html
    assert len(html) < 20_000


def test_the_name_of_a_class_of_somebody_else_is_escaped():
    kind = type("<b>Mine", (cnn.Sequential,), {})
    page = Page(kind([cnn.Dense(3)], (4,), dtype="float64", seed=0)._repr_html_())
    assert page.texts("b") == ["<b>Mine"]


def test_the_tutorials_net_is_shown_as_the_net_behind_it():
    for module in (cnn, cnn.reference):
        net = module.ConvolutionalNeuralNetwork(0)
        page = Page(net._repr_html_())
        assert page.texts("b") == ["ConvolutionalNeuralNetwork"]
        assert page.rows() == Page(net.net._repr_html_()).rows()
