"""Elements of HTML: well formed and escaped, in the colours of the page that they are in."""

from __future__ import annotations

import pytest

from cnn.backends.html import element, table, text, view

from ..pages import Page

ROWS = [("layer", "shape", "parameters"), ("a", "2 x 2", "1"), ("b", "3", "20"), ("total", "", "21")]


@pytest.mark.parametrize("nasty", ["<script>alert(1)</script>", "a & b", "\"'>", "&amp;"])
def test_texts_and_attributes_are_escaped(nasty):
    page = Page(view(nasty, nasty, element("p", nasty, title=nasty), table([[nasty], [nasty]], left=1, total=False)))
    assert {tag for tag, _, _ in page.elements} == {
        "div", "style", "p", "b", "span", "table", "thead", "tbody", "tr", "th",
    }  # fmt: skip
    assert page.texts("b") == [nasty]
    assert page.texts("p")[-1] == nasty
    assert [how["title"] for _, how, _ in page.elements if "title" in how] == [nasty]
    assert page.rows() == [[nasty], [nasty]]


def test_a_table_has_a_head_a_body_and_the_total_as_its_foot():
    page = Page(text(table(ROWS, left=2)))
    assert page.rows() == [list(row) for row in ROWS]
    assert [tag for tag, _, _ in page.elements if tag[0] == "t" and tag not in ("tr", "th", "td")] == [
        "table", "thead", "tbody", "tfoot",
    ]  # fmt: skip
    numbers = [cell for tag, how, cell in page.elements if how.get("class") == "number"]
    assert numbers == [row[2] for row in ROWS]


def test_a_table_without_total_has_no_foot():
    assert "tfoot" not in text(table(ROWS, left=2, total=False))


def test_a_view_sets_no_colour_but_that_of_the_text_around_it():
    (style,) = Page(view("Kind", "note")).texts("style")
    assert "color" not in style
    assert "background" not in style
    assert all(line.startswith(".cnn-view ") for line in style.splitlines())  # nothing else on the page is changed


def test_what_utf8_cannot_encode_is_replaced():
    assert Page(view("\udce4", "")).texts("b") == ["?"]
