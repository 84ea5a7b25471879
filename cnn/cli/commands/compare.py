"""`cnn compare`: the tutorial's layers in pure NumPy and compiled, checked against each other and timed."""

from __future__ import annotations

import platform
import sys
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

import cnn
import cnn_c

from ...backends.tables import text_table
from ..common import DataOption, DebugOption, reports_errors

if TYPE_CHECKING:
    from ..comparison import Comparison


@reports_errors
def compare(
    steps: Annotated[int, typer.Option(min=1, metavar="N", help="Training steps of the pure layers.")] = 20,
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
    from ...datasets.resolve import load_named
    from ..comparison import compare

    dataset, origin, _ = load_named(data)
    # The tutorial trains on a thousand images.
    show_comparison(compare(dataset.train_images[:1000], dataset.train_labels[:1000], steps), origin)


def show_comparison(comparison: Comparison, origin: str) -> None:
    """Print the table of times, and below it what it was measured on."""
    from ...backends.config import processor

    rows = [("stage", "pure", "fast float64", "ratio", "fast float32", "ratio")]
    rows += [(stage, f"{pure:,.1f}", *_fast(pure, f64), *_fast(pure, f32)) for stage, pure, f64, f32 in comparison.rows]
    typer.echo(f"One training step on one image: median microseconds\n\n{text_table(rows, left=1)}\n")
    deviation = ", ".join(f"{name} {value:.1e}" for name, value in comparison.deviation.items())
    typer.echo(
        f"Numbers agree at every stage, to a fraction of its largest value: {deviation}\n"
        f"Every time includes reading the clock once, {comparison.clock:.2f} us; images are scaled before\n"
        f"Images: {origin}\n"
        f"{processor()}; level {cnn_c.LEVEL}, {cnn.get_num_threads()} threads; {sys.platform}\n"
        f"cnn_c {cnn.__version__}, NumPy {np.__version__}, Python {platform.python_version()}"
    )


def _fast(pure: float, fast: float) -> tuple[str, str]:
    """A fast time, and how many of it a pure one is."""
    return f"{fast:,.2f}", f"{pure / fast:,.0f}x"
