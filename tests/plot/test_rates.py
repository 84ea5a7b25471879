"""The picture of a learning-rate finder."""

from __future__ import annotations

import pytest

import cnn

from .cases import small_finder, texts

pytest.importorskip("matplotlib")
plot = cnn.plot


def test_the_curve_is_that_of_the_finder_and_a_line_shows_the_suggestion():
    finder = small_finder()
    (axes,) = finder.plot().axes
    curve, line = axes.lines
    assert list(curve.get_xdata()) == finder.rates
    assert list(curve.get_ydata()) == finder.losses
    assert list(line.get_xdata()) == [finder.suggestion] * 2
    assert axes.get_xscale() == "log"
    assert texts(axes.figure) == ["loss", "suggested rate 0.001"]


@pytest.mark.parametrize("losses", [(2.5, 2.0, 1.0, 9.0), (2.0, 1e9), (1.0, 1.0), (3.0,), (0.0, 0.0), (1e-9, 1e-12)])
def test_the_ticks_cover_the_losses_but_for_those_that_diverge(losses):
    (axes,) = small_finder(losses).plot().axes
    ticks = axes.get_yticks()
    assert ticks[0] <= min(losses)
    assert ticks[-1] * (1 + 1e-12) >= min(max(losses), 1.5 * losses[0])
    assert ticks[-1] <= max(1.0, 4 * losses[0])


def test_it_is_written_as_png_or_svg(tmp_path):
    small_finder().plot(tmp_path / "rates.svg")
    assert (tmp_path / "rates.svg").read_text().startswith("<?xml")
    with pytest.raises(ValueError, match=r"^path must end in \.png or \.svg"):
        plot.learning_rates(small_finder(), tmp_path / "rates.gif")


def test_what_is_no_finder_or_has_no_losses_is_refused():
    for bad in (None, cnn.EarlyStopping(), cnn.LearningRateFinder):
        with pytest.raises(TypeError, match=r"^finder must be a cnn\.LearningRateFinder"):
            plot.learning_rates(bad)
    with pytest.raises(ValueError, match=r"^finder must have been given to a fit, got one without losses$"):
        plot.learning_rates(cnn.LearningRateFinder())
