"""What a notebook shows of a `History`: its curves, and a table of its epochs.

The curves are small and need no package; `cnn.plot.training_curves` draws them for print.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from xml.etree.ElementTree import Element

from ..backends.html import element, table, view
from ..backends.tables import without_middle

WIDTH, HEIGHT = 220.0, 100.0  # of a panel's inside, in pixels
LEFT, RIGHT, TOP, BOTTOM = 52.0, 16.0, 24.0, 20.0  # beside it, for letters
KEY = {"training": 66.0, "validation": 0.0}  # where the names of the curves end, from the right
MOST_POINTS = 100  # of a curve
MOST_MARKED = 20  # epochs; more would be a row of marks
MOST_ROWS = 12  # of the table
LOG_FROM = 3.0  # times the smallest loss
COLOURS = {"training": "#d9772b", "validation": "#3b87c8"}  # seen on white and on black

_COLUMNS: dict[str, tuple[str, str]] = {
    "loss": ("loss", ".4f"),
    "accuracy": ("accuracy", ".2%"),
    "val_loss": ("val. loss", ".4f"),
    "val_accuracy": ("val. accuracy", ".2%"),
    "seconds": ("seconds", ".2f"),
    "images_per_second": ("images/s", ",.0f"),
}

Figures = Mapping[str, Sequence[float]]  # by name, of each epoch


def history_html(kind: str, figures: Figures) -> str:
    """The curves, if there are several epochs, and the table, if there is any."""
    epochs = len(figures["loss"])
    if epochs == 0:
        return view(kind, "no epochs")
    note = f"{epochs:,} epoch{'s' * (epochs > 1)} in {sum(figures['seconds']):,.1f} s"
    return view(kind, note, *([_curves(figures)] if epochs > 1 else []), _table(figures))


def _table(figures: Figures) -> Element:
    """A row for each epoch, of many for the first and the last ones."""
    shown = {name: values for name, values in figures.items() if values}
    head = ("epoch", *(_COLUMNS[name][0] for name in shown))
    columns = [[f"{value:{_COLUMNS[name][1]}}" for value in values] for name, values in shown.items()]
    rows = [(str(epoch), *of) for epoch, of in enumerate(zip(*columns, strict=False), 1)]
    rows = without_middle(rows, MOST_ROWS, lambda omitted: (f"... {omitted:,} more", *[""] * len(shown)))
    return table([head, *rows], left=0, total=False)


class Scale(NamedTuple):
    """From figures to a part of the panel's height."""

    low: float
    high: float
    log: bool

    def height(self, value: float) -> float:
        """0 for the lowest figure, 1 for the highest."""
        if self.low == self.high:
            return 0.5
        low, high, value = map(math.log, (self.low, self.high, value)) if self.log else (self.low, self.high, value)
        return (value - low) / (high - low)


def _curves(figures: Figures) -> Element:
    """Panels side by side, loss and accuracy, or of a net for values the loss alone."""
    panels = {"loss": _panel("loss", figures, "{:.3g}".format, may_be_log=True)}
    if figures["accuracy"]:
        panels["accuracy"] = _panel("accuracy", figures, "{:.1%}".format)
        panels["accuracy"].set("transform", f"translate({LEFT + WIDTH + RIGHT:g} 0)")
    width, height = len(panels) * (LEFT + WIDTH + RIGHT), TOP + HEIGHT + BOTTOM
    return element(
        "svg", *panels.values(), viewBox=f"0 0 {width:g} {height:g}", width=f"{width:g}", fill="none", font_size="11",
        role="img", aria_label=f"{' and '.join(panels).capitalize()} over {len(figures['loss'])} epochs",
    )  # fmt: skip


def _panel(name: str, figures: Figures, told: Callable[[float], str], may_be_log: bool = False) -> Element:
    """Axes with the curves of training and validation, or with the one that there is."""
    curves = {"training": figures[name], "validation": figures[f"val_{name}"]}
    curves = {of: values for of, values in curves.items() if values}
    scale = _scale([value for values in curves.values() for value in values if math.isfinite(value)], may_be_log)
    right, bottom, middle = LEFT + WIDTH, TOP + HEIGHT, LEFT + WIDTH / 2
    ends = {scale.low, scale.high}  # one, where all figures are the same
    return element(
        "g",
        element("path", d=f"M{LEFT:g} {TOP:g}V{bottom:g}H{right:g}", stroke="currentColor", stroke_opacity=".35"),
        _letters(f"{name}, log scale" if scale.log else name, LEFT, TOP - 10, font_weight="600"),
        *(_letters(told(value), LEFT - 5, bottom - HEIGHT * scale.height(value) + 4, "end") for value in ends),
        _letters("1", LEFT, bottom + 14, "middle"),
        _letters("epoch", middle, bottom + 14, "middle", opacity=".7"),
        _letters(f"{max(map(len, curves.values())):,}", right, bottom + 14, "middle"),
        *(_letters(of, right - KEY[of], TOP - 10, "end", fill=COLOURS[of]) for of in curves if len(curves) > 1),
        *(part for of, values in curves.items() for part in _curve(values, scale, COLOURS[of])),
    )


def _scale(finite: Sequence[float], may_be_log: bool) -> Scale:
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    return Scale(low, high, may_be_log and low > 0 and high > LOG_FROM * low)


def _curve(values: Sequence[float], scale: Scale, colour: str) -> list[Element]:
    """A line through the figures, and marks on them where they are few."""
    last = len(values) - 1
    step = -(-len(values) // MOST_POINTS)
    points = [
        (LEFT + WIDTH * i / max(last, 1), TOP + HEIGHT * (1 - scale.height(values[i])))
        for i in range(last % step, last + 1, step)
        if math.isfinite(values[i])
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    marks = points if len(values) <= MOST_MARKED else []
    return [
        element("polyline", points=line, stroke=colour, stroke_width="1.8", stroke_linejoin="round"),
        *(element("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r="2.5", fill=colour) for x, y in marks),
    ]


def _letters(text: str, x: float, y: float, anchor: str = "start", fill: str = "currentColor", **how: str) -> Element:
    return element("text", text, x=f"{x:g}", y=f"{y:g}", text_anchor=anchor, fill=fill, **how)
