"""`cnn plot`: pictures of a saved net, and of how a training went."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Annotated

import typer

from ...backends import checks
from ...nets.recognition import on_its_scale
from ...storage.regular import open_regular
from ...training.history import History
from ...training.saved_fit import holds_fit, read_status
from ..common import (
    DataOption,
    DebugOption,
    DigitsOption,
    ModelArgument,
    classes_for,
    load_data,
    load_net,
    load_test_set,
    reports_errors,
)

plot_app = typer.Typer(
    name="plot",
    help="Draw a net, its mistakes, and how it learned.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

OutputOption = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Picture to write, PNG or SVG.")]


@plot_app.command()
@reports_errors
def filters(model: ModelArgument, output: OutputOption = Path("filters.png"), debug: DebugOption = False) -> None:
    """Draw the kernels of every convolution.

    Examples:

    \b
    cnn plot filters digits.safetensors
    cnn plot filters digits.safetensors -o filters.svg
    """
    from ...plot import filters

    filters(load_net(model), output)
    _tell(output)


@plot_app.command()
@reports_errors
def feature_maps(
    model: ModelArgument,
    image: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Which of the test images.", show_default="0")
    ] = None,
    file: Annotated[Path | None, typer.Option(metavar="FILE", help="A picture file instead.")] = None,
    digits: DigitsOption = False,
    data: DataOption = None,
    output: OutputOption = Path("feature-maps.png"),
    debug: DebugOption = False,
) -> None:
    """Draw what each layer makes of one image.

    Examples:

    \b
    cnn plot feature-maps digits.safetensors
    cnn plot feature-maps digits.safetensors --image 7 -o seven.svg
    cnn plot feature-maps digits.safetensors --file seven.png --digits
    """
    from ...plot import feature_maps

    if image is not None and file is not None:
        raise typer.BadParameter("either an image of the data set or a file", param_hint="--image, --file")
    if digits and file is None:
        raise typer.BadParameter("it says how to read a picture that --file has to name", param_hint="--digits")
    net = load_net(model)
    if file is not None:
        from ...datasets import load_images

        size = checks.pair("the size of the net's images", net.input_shape[:-1], minimum=1)
        (shown,) = load_images(file, size, digits=digits)
    else:
        images = load_data(data, classes_for(net))[0].test_images
        if (image or 0) >= len(images):
            raise ValueError(f"--image must be below {len(images):,}, the number of test images, got {image or 0:,}")
        shown = images[image or 0]
    feature_maps(net, on_its_scale(net, shown), output)
    _tell(output)


@plot_app.command()
@reports_errors
def confusion(
    model: ModelArgument,
    data: DataOption = None,
    output: OutputOption = Path("confusion.png"),
    debug: DebugOption = False,
) -> None:
    """Draw how many test images of each class are read as which.

    Examples:

    \b
    cnn plot confusion digits.safetensors
    cnn plot confusion digits.safetensors --data strokes -o confusion.svg
    """
    from ...plot import confusion_matrix

    net = load_net(model)
    x, y, _ = load_test_set(net, model, data)
    confusion_matrix(net, x, y, output)
    _tell(output)


@plot_app.command()
@reports_errors
def mistakes(
    model: ModelArgument,
    count: Annotated[int, typer.Option(min=1, metavar="N", help="How many to draw.")] = 25,
    data: DataOption = None,
    output: OutputOption = Path("mistakes.png"),
    debug: DebugOption = False,
) -> None:
    """Draw the test images that the net reads worst.

    Examples:

    \b
    cnn plot mistakes digits.safetensors
    cnn plot mistakes digits.safetensors --count 50 -o mistakes.svg
    """
    from ...plot import worst_mistakes

    net = load_net(model)
    x, y, _ = load_test_set(net, model, data)
    worst_mistakes(net, x, y, count, output)
    _tell(output)


@plot_app.command()
@reports_errors
def curves(
    run: Annotated[
        Path, typer.Argument(metavar="CSV|CHECKPOINT", help="A checkpoint, or what a CSVLogger wrote (.csv).")
    ],
    output: OutputOption = Path("curves.png"),
    debug: DebugOption = False,
) -> None:
    """Draw loss and error over the epochs of a training.

    Examples:

    \b
    cnn plot curves accurate.run
    cnn plot curves log.csv -o curves.svg
    """
    from ...plot import training_curves

    training_curves(_logged(run) if run.suffix.lower() == ".csv" else _saved(run), output)
    _tell(output)


def _tell(output: Path) -> None:
    typer.echo(f"picture written to {output}")


def _saved(path: Path) -> History:
    """The history in a checkpoint."""
    if not holds_fit(path):
        raise ValueError(
            f"{path} holds a net, but no history to draw: "
            "cnn train --checkpoint FILE writes one, and so does cnn.CSVLogger"
        )
    return read_status(path).history


def _logged(path: Path) -> History:
    """The history that a CSVLogger wrote, without what other columns say."""
    try:
        with open_regular(path) as content, io.TextIOWrapper(content, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        columns = rows[0] if rows else {}
        optional = {name for name in ("val_loss", "val_accuracy") if name not in columns}
        return History(*([] if name in optional else [float(row[name]) for row in rows] for name in History._fields))
    except KeyError as error:
        raise ValueError(f"{path} must have the columns of a CSVLogger, and lacks {error.args[0]}") from error
    except (csv.Error, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no log of a CSVLogger: {error}") from error
