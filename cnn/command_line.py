"""What the commands have in common: options, and how errors are told.

An error of the user's or of the machine's is one line and a status: 1, or 2 for the command line itself, or
130 for Ctrl-C. Only --debug shows where it came from.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

Command = TypeVar("Command", bound=Callable[..., None])

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Folder with the four MNIST files.",
        show_default="CNN_DATA_DIR, or the cache, or a download",
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Threads to compute with.", show_default="one a core"),
]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show where an error came from.")]


def reports_errors(command: Command) -> Command:
    """Turn the errors that a command's arguments and files can cause into one line and an exit status."""

    @functools.wraps(command)
    def run(*, debug: bool, **options: Any) -> None:
        try:
            command(debug=debug, **options)
        except BrokenPipeError:  # the reader of our output has left: no error of ours
            raise
        except (ValueError, TypeError, OSError, ArithmeticError, MemoryError, ImportError) as error:
            if debug:
                raise
            typer.echo(f"cnn: {error}", err=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            if debug:
                raise
            typer.echo("cnn: interrupted", err=True)
            raise typer.Exit(130) from None

    return run  # type: ignore[return-value]
