"""What the commands have in common: options, what they print, and how errors are told.

An error of the user's or of the machine's is one line and a status: 1, or 2 for the command line itself, or
130 for Ctrl-C. Only --debug shows where it came from. A reader of the output who leaves early is no error: every
command finishes its work all the same, and its status says how that went.
"""

from __future__ import annotations

import functools
import io
import json
import shlex
import signal
import sys
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import numpy as np
import typer

from ..datasets.split import AS_MNIST, Classes
from ..nets.loading import load
from ..nets.recognition import on_its_scale

if TYPE_CHECKING:
    from ..datasets import Dataset
    from ..nets.sequential import Sequential

Command = TypeVar("Command", bound=Callable[..., None])

DataOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="NAME|DIR",
        help="mnist, fashion-mnist, strokes; a folder with four files in MNIST's form, or with a folder of pictures "
        "for each class.",
        show_default="MNIST, or strokes where it cannot be had",
    ),
]
ModelArgument = Annotated[Path, typer.Argument(metavar="MODEL", help="File of a net, or a checkpoint.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DigitsOption = Annotated[bool, typer.Option("--digits", help="Lay pictures out as MNIST's digits are.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show where an error came from.")]


def reports_errors(command: Command) -> Command:
    """Turn the errors that a command's arguments and files can cause into one line and an exit status."""

    @functools.wraps(command)
    def run(*, debug: bool, **options: Any) -> None:
        if callable(signal.getsignal(signal.SIGINT)):  # and not ignored; up to here Ctrl-C is left to `cnn_command`
            signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            command(debug=debug, **options)
        except (ValueError, TypeError, OSError, ArithmeticError, MemoryError, ImportError) as error:
            if debug:
                raise
            print_error(error)
            raise typer.Exit(1) from None
        except KeyboardInterrupt as interrupt:
            if debug:
                raise
            typer.echo(f"cnn: {'; '.join(['interrupted', *map(str, interrupt.args)])}", err=True)
            raise typer.Exit(130) from None

    return run  # type: ignore[return-value]


def one_of(names: Collection[str]) -> Callable[[str], str]:
    """The parser of an option or argument that takes one of these names."""

    def parse(value: str) -> str:
        if value not in names:
            raise typer.BadParameter(f"{value!r} is none of {', '.join(names)}")
        return value

    return parse


def print_error(error: Exception) -> None:
    """Tell an error in one line of the standard error."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        text = f"{typer.format_filename(error.filename)}: {error.strerror}"
    typer.echo(f"cnn: {' '.join(text.splitlines()) or type(error).__name__}", err=True)


def print_json(value: Any) -> None:
    """Print what a program is to read."""
    typer.echo(json.dumps(value, indent=2))


def ordinary_output(quiet: bool, as_json: bool) -> AbstractContextManager[Any]:
    """Where everything goes that is printed meanwhile: nowhere, or beside the JSON that follows, or as usual."""
    return redirect_stdout(io.StringIO() if quiet else sys.stderr if as_json else sys.stdout)


def load_data(what: str | None, how: Classes = AS_MNIST) -> tuple[Dataset, str, tuple[str, ...] | None]:
    """The data set that --data means, what it is, which is also printed, and the names of a folder's classes.

    `how` says how a folder of classes is read.
    """
    from ..datasets.resolve import load_named

    dataset, origin, classes = load_named(what, how)
    typer.echo(f"data: {origin}")
    return dataset, origin, classes


def classes_for(net: Sequential) -> Classes:
    """How a folder of classes is read for a net: in the size of its images, in colour or grey; all to test with."""
    if len(net.input_shape) != 3:
        return AS_MNIST
    height, width, channels = net.input_shape
    return Classes((height, width), channels == 3, 1.0)


def load_net(path: Path) -> Sequential:
    """The net in a file; errors as for `cnn.load`, with how to come by such a file."""
    try:
        return load(path)
    except FileNotFoundError:
        written = f"cnn train --save {shlex.quote(str(path))} writes a net"
        raise FileNotFoundError(f"{path} does not exist; {written}") from None


def refuse_its_own(file: Path, model: Path) -> None:
    """ValueError for a file to write that is the net's."""
    if file.resolve() == model.resolve():
        raise ValueError(f"FILE must be another file than the net's, got {file}")


def load_test_set(net: Sequential, model: Path, what: str | None) -> tuple[np.ndarray, np.ndarray, str]:
    """Test images and labels of the data set that --data means, which the net in `model` can tell apart; what it is.

    Of a folder of classes all pictures are test images, and its classes are found by their names.
    """
    dataset, origin, classes = load_data(what, classes_for(net))
    labels = dataset.test_labels
    if classes is not None and net.classes is not None:
        unknown = [name for name in classes if name not in net.classes and np.any(labels == classes.index(name))]
        if unknown:
            raise ValueError(
                f"{model} knows the classes {', '.join(net.classes)}, got {', '.join(unknown)} in {origin}"
            )
        labels = np.array([net.classes.index(name) if name in net.classes else 0 for name in classes])[labels]
    known, highest = net.output_shape[0], int(labels.max())
    if highest >= known:
        raise ValueError(f"{model} holds a net for {known} classes, but labels go up to {highest} in {origin}")
    return on_its_scale(net, dataset.test_images), labels, origin
