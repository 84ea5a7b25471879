"""`cnn draw`: a web page to draw on, with a saved net in it."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common import DebugOption, ModelArgument, load_net, load_test_set, refuse_its_own, reports_errors

if TYPE_CHECKING:
    from ...nets.sequential import Sequential

_DIGITS = (28, 28, 1)


@reports_errors
def draw(
    model: ModelArgument,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Page to write.", show_default="MODEL's name with .html")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="NAME|DIR",
            help="Whose test images to start from, and of which to show the mistakes: as for evaluate.",
            show_default="MNIST, or strokes where it cannot be had, for nets of ten digits",
        ),
    ] = None,
    open_page: Annotated[bool, typer.Option("--open/--no-open", help="Show the page in the browser.")] = True,
    debug: DebugOption = False,
) -> None:
    """Write a web page to draw on, and open it.

    The page is one file, which needs no network. The net in it reads what is drawn at once; the maps of all its layers
    are shown, and how each number in them came about.

    Examples:

    \b
    cnn draw digits.safetensors
    cnn draw digits.safetensors page.html --data strokes --no-open
    """
    from ...export import html

    net = load_net(model)
    path = model.with_suffix(".html") if file is None else file
    refuse_its_own(path, model)
    images: dict[str, Any] = {}
    if data is not None or _reads_digits(net):
        images["images"], images["labels"], _ = load_test_set(net, model, data)
    html(net, path, **images)
    typer.echo(f"page written to {path}")
    if open_page and not webbrowser.open(path.resolve().as_uri()):
        typer.echo("no browser could be opened")


def _reads_digits(net: Sequential) -> bool:
    """Whether MNIST's images are what the net is for, as far as can be seen."""
    named = net.classes is None or all(name.isdecimal() for name in net.classes)
    return net.input_shape == _DIGITS and net.output_shape == (10,) and named
