"""HTML made of elements, so that all texts are escaped: what a notebook shows of an object, and the parts of a report.

What a notebook shows has the notebook's font and colours. A notebook may be dark on a system that prefers light, so no
rule asks what the system prefers: text and lines have the colour of the text around them, and no background is set.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, tostring

# Each selector begins with a class of ours and is longer than those of notebooks, which align cells to the right.
_STYLE = """
.cnn-view { max-width: 100%; overflow-x: auto; line-height: 1.4; }
.cnn-view p { margin: 0 0 .4em; }
.cnn-view .note { opacity: .7; }
.cnn-view svg { display: block; max-width: 100%; height: auto; margin: 0 0 .4em; font-family: inherit; }
.cnn-view table { margin: 0 0 .6em; border-collapse: collapse; font-variant-numeric: tabular-nums; }
.cnn-view table th, .cnn-view table td { padding: .2em .8em; border: 0; text-align: left; font-weight: normal; }
.cnn-view table th.number, .cnn-view table td.number { text-align: right; }
.cnn-view table thead th, .cnn-view table tfoot th, .cnn-view table tfoot td { font-weight: 600; }
.cnn-view table thead th { border-bottom: 1px solid; }
.cnn-view table tfoot th, .cnn-view table tfoot td { border-top: 1px solid; }
"""


def element(tag: str, *content: str | Element, **attributes: str) -> Element:
    """An element that holds a text, other elements, or both; `class_` stands for class, `font_size` for font-size."""
    made = Element(tag, {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()})
    for part in content:
        if isinstance(part, str):
            made.text = part
        else:
            made.append(part)
    return made


def text(part: Element) -> str:
    """An element in HTML."""
    return tostring(part, "unicode", "html")


def table(rows: Sequence[Sequence[str]], left: int, total: bool = True) -> Element:
    """Rows of cells, the first of them the head; the first `left` columns are words, the others numbers.

    With `total`, the last row is that of all others together.
    """
    head, *body = rows
    foot = [body.pop()] if total else []
    columns = (element("th", cell, scope="col", **_kind(i, left)) for i, cell in enumerate(head))
    parts = [element("thead", element("tr", *columns)), element("tbody", *(_row(row, left) for row in body))]
    return element("table", *parts, *(element("tfoot", _row(row, left)) for row in foot))


def _row(cells: Sequence[str], left: int) -> Element:
    name, *others = cells
    told = (element("td", cell, **_kind(i, left)) for i, cell in enumerate(others, 1))
    return element("tr", element("th", name, scope="row", **_kind(0, left)), *told)


def _kind(column: int, left: int) -> dict[str, str]:
    return {} if column < left else {"class_": "number"}


def view(kind: str, note: str, *content: Element) -> str:
    """What `_repr_html_` of an object returns: its class, a few words about it, and what it holds."""
    heading = element("p", element("b", kind), element("span", f" {note}", class_="note"))
    made = text(element("div", element("style", _STYLE), heading, *content, class_="cnn-view"))
    return made.encode("utf-8", "replace").decode()  # names of files may hold what UTF-8 has no bytes for
