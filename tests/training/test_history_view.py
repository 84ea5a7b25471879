"""A history as a notebook shows it: a table of its epochs, and curves."""

from __future__ import annotations

import math

import pytest

from cnn.training.history import History

from ..pages import Page

THREE = History([0.4, 0.2, 0.1], [0.8, 0.9, 0.95], [0.5, 0.25, 0.2], [0.7, 0.9, 0.92], [1.0, 1.0, 1.5], [9e3, 9e3, 6e3])


def of_epochs(n, validation=True):
    figures = [1 / (1 + i) for i in range(n)]
    return History(figures, figures, *([figures] * 2 if validation else [[], []]), figures, figures)


def points(page):
    return [
        [tuple(map(float, point.split(","))) for point in how["points"].split()]
        for tag, how, _ in page.elements
        if tag == "polyline"
    ]


def test_the_table_holds_the_figures_of_every_epoch():
    page = Page(THREE._repr_html_())
    assert page.texts("span") == ["3 epochs in 3.5 s"]
    assert page.rows() == [
        ["epoch", "loss", "accuracy", "val. loss", "val. accuracy", "seconds", "images/s"],
        ["1", "0.4000", "80.00%", "0.5000", "70.00%", "1.00", "9,000"],
        ["2", "0.2000", "90.00%", "0.2500", "90.00%", "1.00", "9,000"],
        ["3", "0.1000", "95.00%", "0.2000", "92.00%", "1.50", "6,000"],
    ]


def test_without_validation_there_are_no_columns_for_it_and_one_curve_a_panel():
    page = Page(THREE._replace(val_loss=[], val_accuracy=[])._repr_html_())
    assert page.rows()[0] == ["epoch", "loss", "accuracy", "seconds", "images/s"]
    assert len(points(page)) == 2
    assert not {"training", "validation"} & set(page.texts("text"))


def test_the_curves_go_through_the_figures():
    page = Page(THREE._repr_html_())
    loss, val_loss, accuracy, _ = points(page)
    assert {"training", "validation", "loss, log scale", "accuracy"} <= set(page.texts("text"))
    (left, _), (middle, mean), (right, bottom) = loss
    top = val_loss[0][1]  # the highest loss of all
    assert middle - left == right - middle > 0
    assert (mean - top) / (bottom - top) == pytest.approx(math.log(0.5 / 0.2) / math.log(0.5 / 0.1), abs=0.001)
    assert accuracy[0][1] > accuracy[1][1] > accuracy[2][1]  # y runs down
    assert {"0.5", "0.1", "95.0%", "70.0%"} <= set(page.texts("text"))


def test_curves_are_drawn_in_the_colour_of_the_text_and_two_that_are_seen_on_any_page():
    attributes = [how for _, how, _ in Page(THREE._repr_html_()).elements]
    colours = {how[name] for how in attributes for name in ("fill", "stroke") if name in how}
    assert colours == {"none", "currentColor", "#d9772b", "#3b87c8"}


@pytest.mark.parametrize("epochs", [1, 2, 12, 13, 1000, 12_345])
@pytest.mark.parametrize("validation", [True, False])
def test_a_history_of_any_length_is_a_small_page(epochs, validation):
    html = of_epochs(epochs, validation)._repr_html_()
    page = Page(html)
    assert len(html) < 20_000
    rows = page.rows()[1:]
    assert len(rows) == min(epochs, 12)
    assert (rows[0][0], rows[-1][0]) == ("1", str(epochs))
    for line in points(page):
        assert line[-1][0] == pytest.approx(272)  # the last epoch is at the right end
        assert len(line) <= 100


def test_a_history_without_an_epoch_says_so():
    page = Page(of_epochs(0)._repr_html_())
    assert page.texts("span") == ["no epochs"]
    assert page.rows() == []


def test_one_epoch_makes_no_curve():
    assert "<svg" not in of_epochs(1)._repr_html_()


def test_figures_that_are_all_the_same_or_not_finite_are_drawn_all_the_same():
    page = Page(History([0.5] * 3, [1.0] * 3, [math.nan, math.inf, 0.5], [0.1] * 3, [1.0] * 3, [1.0] * 3)._repr_html_())
    assert [len(line) for line in points(page)] == [3, 1, 3, 3]
    assert [row[3] for row in page.rows()] == ["val. loss", "nan", "inf", "0.5000"]
    nothing = Page(THREE._replace(loss=[math.nan] * 3, val_loss=[math.inf] * 3)._repr_html_())
    assert [len(line) for line in points(nothing)] == [0, 0, 3, 3]


def test_of_a_net_for_values_there_is_the_panel_of_the_loss_alone():
    page = Page(THREE._replace(accuracy=[], val_accuracy=[])._repr_html_())
    assert len(points(page)) == 2  # training and validation
    assert page.elements[[tag for tag, _, _ in page.elements].index("svg")][1]["aria-label"] == "Loss over 3 epochs"
