"""Diagrams of built.md, drawn from the package itself when the site is built.

`house` reads the layers of the import contract in pyproject.toml, and the imports that there are. `step` draws the plan
of the two-convolution net. A page has a diagram by the directive of this name; its content is the text for those who
do not see it. The drawing is SVG within the page, in the colours of the theme.
"""

import sys
from collections.abc import Callable
from html import escape
from pathlib import Path

import grimp
from docutils import nodes
from docutils.parsers.rst import Directive

import cnn

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"


def drawing(width: float, height: float, elements: list[str]) -> str:
    return f'<svg viewBox="0 0 {width:g} {height:g}" xmlns="http://www.w3.org/2000/svg">{"".join(elements)}</svg>'


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<path d="M{x1:g} {y1:g}L{x2:g} {y2:g}" class="{kind}"/>'


def box(x: float, y: float, width: float, height: float, kind: str) -> str:
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="4" class="{kind}"/>'


# ---- the folders, and which imports which ----


def folders() -> list[str]:
    """From top to bottom: modules in the contract's order, the script `cnn` in its place, and the compiled half."""
    contracts = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    rows = next(each["layers"] for each in contracts if each.get("containers") == ["cnn"])
    main, *others = [f"cnn.{name.strip()}" for row in rows for name in row.split("|")]
    return [main, "cnn_command", *others, "cnn_c"]


def house() -> str:
    """Each folder's name on a diagonal: to the right of it what it imports, above it what imports it."""
    cell, left, top = 13, 92, 14
    names = folders()
    graph = grimp.build_graph("cnn", "cnn_c", "cnn_command", cache_dir=None)

    def imports(above: str, below: str) -> bool:
        return graph.direct_import_exists(importer=above, imported=below, as_packages=True)

    elements = []
    for i, above in enumerate(names):
        x, y = left + i * cell, top + i * cell
        below = [j for j in range(len(names)) if j != i and imports(above, names[j])]
        if any(j < i for j in below):
            raise ValueError(f"{above} imports from above")
        for j in below:
            column = left + j * cell
            elements += [line(x, y, column, y, "wire"), line(column, y, column, top + j * cell - 4, "wire")]
        elements += [f'<circle cx="{left + j * cell}" cy="{y}" r="3.2" class="dot"/>' for j in below]
        elements.append(text(x - 5, y + 3.5, above.removeprefix("cnn."), "name", "end"))
    return drawing(left + len(names) * cell + 4, top + len(names) * cell, elements)


# ---- a training step ----


def step() -> str:
    """The operations of a plan: activations go down on the left, gradients up on the right."""
    net = cnn.models.two_conv()
    plan = net.executor.plan(32, training=True)
    size = net.dtype.itemsize
    width, height, gap, left = 360, 38, 44, 78
    middle, right = width / 2, width - left
    elements, y = [text(left + 4, 12, "forward", "note"), text(right - 4, 12, "backward", "note", "end")], 20.0
    for k, operation in enumerate(plan.operations):
        elements += [
            box(left, y, right - left, height, "operation"),
            text(middle, y + 16, operation.label, "name", "middle"),
            text(middle, y + 30, operation.layers, "note", "middle"),
        ]
        with_gradient = any(each.w >= 0 for each in plan.operations[: k + 1])
        if operation.w >= 0:
            elements += [text(right + 6, y + 16, "update", "learned"), text(right + 6, y + 29, "of weights", "note")]
        below = y + height + gap
        elements += tensor(operation, left + 40, y + height, below, size, middle)
        if with_gradient:
            elements.append(line(right - 40, below, right - 40, y + height + 5, "arrow back"))
            elements.append(f'<path d="M{right - 44:g} {y + height + 8:g}l4 -6l4 6z" class="head back"/>')
        y = below
    elements += [box(left, y, right - left, 26, "operation loss"), text(middle, y + 17, "loss", "name", "middle")]
    return drawing(width, y + 30, elements)


def tensor(operation, x: float, y1: float, y2: float, size: int, middle: float) -> list[str]:
    """An arrow from an operation to the next one, with the shape and the bytes of what it carries."""
    shape = " x ".join(map(str, operation.out_shape))
    return [
        line(x, y1, x, y2 - 5, "arrow"),
        f'<path d="M{x - 4:g} {y2 - 8:g}l4 6l4 -6z" class="head"/>',
        text(middle, y1 + gap_line(0), shape, "tensor", "middle"),
        text(middle, y1 + gap_line(1), f"{operation.out_size * size:,} bytes", "note", "middle"),
    ]


def gap_line(number: int) -> float:
    """The baseline of a line of text between two operations."""
    return 19 + 14 * number


# ---- in a page ----

DIAGRAMS: dict[str, Callable[[], str]] = {"house": house, "step": step}


class Diagram(Directive):
    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        words = " ".join(self.content)
        svg = DIAGRAMS[self.arguments[0]]().replace("<svg ", f'<svg role="img" aria-label="{escape(words)}" ', 1)
        caption = f"<figcaption>{escape(words)}</figcaption>"
        return [nodes.raw("", f'<figure class="diagram">{svg}{caption}</figure>', format="html")]


def setup(app) -> dict[str, bool]:
    app.add_directive("diagram", Diagram)
    return {"parallel_read_safe": True}
