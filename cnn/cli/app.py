"""The command line, put together from its commands; what a command has no need of is not imported before it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from .commands.compare import compare
from .commands.config import config
from .commands.data import data_app
from .commands.draw import draw
from .commands.evaluate import evaluate
from .commands.export import export
from .commands.plot import plot_app
from .commands.predict import predict
from .commands.sweep import sweep
from .commands.train import train
from .streams import lasting_streams

app = typer.Typer(
    help="Train small convolutional networks on handwritten digits, on a CPU.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["--help", "-h"]},
)
for command in (train, sweep, evaluate, predict, export, draw, compare, config):
    app.command()(command)
app.add_typer(plot_app)
app.add_typer(data_app)


def main() -> None:
    """Run the command line."""
    with lasting_streams():
        app(prog_name="cnn")


def _show_version(wanted: bool) -> None:
    if wanted:
        import cnn

        typer.echo(f"cnn-c {cnn.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Take the options that stand before any command."""
