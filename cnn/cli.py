"""The command line. It loads data, calls the library and shows the result; a program can do all of it."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.table import Table

import cnn
import cnn_c

from . import checks, models
from .command_line import DataOption, DebugOption, ThreadsOption, reports_errors
from .compare import Comparison
from .compare import compare as compare_layers
from .config import processor
from .datasets import load_mnist
from .datasets.command import data_app

app = typer.Typer(
    help="Train small convolutional networks on handwritten digits, on a CPU.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(data_app)


class Net(str, Enum):
    """The nets that can be trained from the command line."""

    tutorial = "tutorial"
    two_conv = "two-conv"
    lenet5 = "lenet5"


class Recipe(NamedTuple):
    """How a net is built, and a way to train it that works."""

    build: Callable[..., Any]
    batch_size: int
    learning_rate: float


RECIPES = {
    Net.tutorial: Recipe(models.tutorial, batch_size=32, learning_rate=0.01),
    Net.two_conv: Recipe(models.two_conv, batch_size=32, learning_rate=0.03),
    Net.lenet5: Recipe(models.lenet5, batch_size=32, learning_rate=0.03),
}


def main() -> None:
    """Run the command line; the entry point of the script `cnn`."""
    app(prog_name="cnn")


@app.command()
@reports_errors
def train(
    net: Annotated[
        Net, typer.Option(metavar="NET", help=f"Which net: {', '.join(net.value for net in Net)}.")
    ] = Net.two_conv,
    epochs: Annotated[int, typer.Option(min=1, metavar="N", help="Passes over the training images.")] = 3,
    batch_size: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Images a step.", show_default="the net's own")
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(metavar="RATE", help="First rate of SGD; falls to 0.", show_default="the net's own"),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the first weights and the order of the images.")] = 0,
    threads: ThreadsOption = None,
    data: DataOption = None,
    debug: DebugOption = False,
) -> None:
    """Train a net on MNIST and measure it on the 10,000 test images.

    Examples:

    \b
    cnn train
    cnn train --net lenet5 --epochs 5 --learning-rate 0.05
    cnn train --data ~/fashion-mnist --threads 1
    """
    if threads is not None:
        cnn.set_num_threads(threads)
    recipe = RECIPES[net]
    rate = recipe.learning_rate if learning_rate is None else checks.number("learning_rate", learning_rate)
    optimizer = cnn.SGD(cnn.schedules.Cosine(rate), momentum=0.9, nesterov=True)
    model = recipe.build(seed=seed)
    dataset = load_mnist(data)
    model.summary()
    history = model.fit(
        dataset.train_images,
        dataset.train_labels,
        epochs=epochs,
        batch_size=batch_size or recipe.batch_size,
        optimizer=optimizer,
        shuffle=True,
        seed=seed,
        progress="auto",
    )
    tested = len(dataset.test_labels)
    accuracy = model.evaluate(dataset.test_images, dataset.test_labels).accuracy
    seconds = sum(history.seconds)
    typer.echo(
        f"test accuracy {accuracy:.2%}: {round((1 - accuracy) * tested):,} errors in {tested:,} images\n"
        f"trained in {seconds:.1f} s, {epochs * len(dataset.train_labels) / seconds:,.0f} images/s"
    )


@app.command()
@reports_errors
def compare(
    steps: Annotated[int, typer.Option(min=1, help="Training steps of the pure layers.")] = 20,
    data: DataOption = None,
    debug: DebugOption = False,
) -> None:
    """Check the tutorial's layers against NumPy, then time both.

    One training step on one image of MNIST: in pure NumPy loops, as the tutorial has them, and through the
    fast layers in float64 and in float32. The numbers of every stage must agree to within rounding.

    Examples:

    \b
    cnn compare
    cnn compare --steps 100
    """
    dataset = load_mnist(data)
    # The tutorial trains on a thousand images.
    comparison = compare_layers(dataset.train_images[:1000], dataset.train_labels[:1000], steps)
    show_comparison(comparison)


def show_comparison(comparison: Comparison) -> None:
    """Print the table of times, and below it what it was measured on."""
    table = Table(box=box.SIMPLE_HEAD, title="One training step on one image: median microseconds")
    table.add_column("stage")
    for heading in ("pure", "fast float64", "ratio", "fast float32", "ratio"):
        table.add_column(heading, justify="right")
    for row in comparison.rows:
        if row is comparison.rows[-1]:
            table.add_section()
        table.add_row(
            row.stage,
            f"{row.pure:,.1f}",
            f"{row.float64:,.2f}",
            f"{row.pure / row.float64:,.0f}x",
            f"{row.float32:,.2f}",
            f"{row.pure / row.float32:,.0f}x",
        )
    Console(highlight=False).print(table)
    deviation = ", ".join(f"{name} {value:.1e}" for name, value in comparison.deviation.items())
    typer.echo(
        f"Numbers agree at every stage, to a fraction of its largest value: {deviation}\n"
        f"Every time includes reading the clock once, {comparison.clock:.2f} us; images are scaled before\n"
        f"{processor()}; level {cnn_c.LEVEL}, {cnn.get_num_threads()} threads; {sys.platform}\n"
        f"cnn_c {cnn.__version__}, NumPy {np.__version__}, Python {platform.python_version()}"
    )


@app.command()
@reports_errors
def config(debug: DebugOption = False) -> None:
    """Show version, level, precision, OpenMP runtime and threads."""
    cnn.show_config()
