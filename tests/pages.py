"""Pages in HTML, and parts of such, as their elements."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "img"}  # of the elements that these have: those without an end


class Page(HTMLParser):
    """A page as its elements: tag, attributes and text of each, in order; every one must be closed in its place."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.open = [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append([tag, dict(attributes), ""])
        if tag not in VOID:
            self.open.append(self.elements[-1])

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        if self.open:
            self.open[-1][2] += data

    def texts(self, tag):
        return [text.strip() for name, _, text in self.elements if name == tag]

    def table(self, head, cell):
        """Names and values, from elements that stand in turns."""
        return dict(zip(self.texts(head), self.texts(cell), strict=True))

    def rows(self):
        """The cells of each row of its tables."""
        rows = []
        for tag, _, text in self.elements:
            if tag == "tr":
                rows.append([])
            elif tag in ("th", "td"):
                rows[-1].append(text)
        return rows
