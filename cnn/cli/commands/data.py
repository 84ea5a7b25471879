"""`cnn data`: which data sets there are and where, downloads, checks of files, and generated digits as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...datasets import inventory, mnist_files, sources
from ...datasets.idx import save_idx
from ...datasets.resolve import STROKES
from ...datasets.strokes import load_strokes
from ..common import DebugOption, JsonOption, one_of, print_json, reports_errors

data_app = typer.Typer(
    name="data",
    help="Find, download, check and write data sets.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

export_app = typer.Typer(
    name="export", help="Write generated data sets as files.", no_args_is_help=True, rich_markup_mode=None
)
data_app.add_typer(export_app)

PUBLISHED = [source.name for source in inventory.published()]


@data_app.command("list")
@reports_errors
def list_(as_json: JsonOption = False, debug: DebugOption = False) -> None:
    """List the data sets, and where each is found.

    Examples:

    \b
    cnn data list
    cnn data list --json
    """
    holdings = [inventory.holding(source) for source in inventory.published()]
    if as_json:
        print_json([*(held.as_dict() for held in holdings), {"name": STROKES, "found": "generated"}])
        return
    for held in holdings:
        size = f"{held.size / 1e6:.1f} MB" if held.paths else "-"
        typer.echo(f"{held.source.name:<14} {size:>8}  {held.describe()}")
    typer.echo(f"{STROKES:<14} {'-':>8}  generated digits: cnn data export strokes DIR")


@data_app.command()
@reports_errors
def fetch(
    name: Annotated[
        str, typer.Argument(metavar="NAME", parser=one_of(PUBLISHED), help=f"Which: {', '.join(PUBLISHED)}.")
    ],
    debug: DebugOption = False,
) -> None:
    """Download what the cache lacks of a data set, and verify all of it.

    Examples:

    \b
    cnn data fetch mnist
    cnn data fetch fashion-mnist
    """
    source = inventory.source_of(name)
    assert source is not None  # the parser has seen to that
    downloaded = inventory.fetch(source)
    folder = sources.cache_folder(source)
    typer.echo(f"{source.title}: {downloaded} of {len(mnist_files.FILES)} files downloaded, all verified, in {folder}")


@data_app.command()
@reports_errors
def verify(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME|DIR]",
            help="A data set, or a folder with the four files of one.",
            show_default="all data sets that are here",
        ),
    ] = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Check the files of a data set; the status is 1 if any is bad.

    Those of a data set by its name must hold just that; those of a folder, any data set in MNIST's form.

    Examples:

    \b
    cnn data verify
    cnn data verify fashion-mnist
    cnn data verify ~/my-digits --json
    """
    reports = inventory.verify(what)
    if as_json:
        print_json([report.as_dict() for report in reports])
    else:
        for report in reports:
            typer.echo(f"{report.title}, {report.folder}")
            for file, problem in report.problems.items():
                typer.echo(f"  {file:<24} {problem or 'ok'}")
    if any(report.bad for report in reports):
        raise typer.Exit(1)


@export_app.command(STROKES)
@reports_errors
def export_strokes(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write the four files into.")],
    train: Annotated[int, typer.Option(min=1, metavar="N", help="Training images.")] = 60_000,
    test: Annotated[int, typer.Option(min=1, metavar="N", help="Test images.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of the digits.")] = 0,
    debug: DebugOption = False,
) -> None:
    """Write generated digits as four files in MNIST's form.

    Examples:

    \b
    cnn data export strokes ~/strokes
    cnn data export strokes ~/strokes --train 6000 --test 1000 --seed 1
    """
    folder = folder.expanduser()
    for file in mnist_files.FILES:
        present = mnist_files.find(folder, file)
        if present is not None:
            raise FileExistsError(f"{present} exists already, and is not replaced; name another folder")
    dataset = load_strokes(train=train, test=test, seed=seed)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{file}.gz" for file in mnist_files.FILES]
    try:
        for path, array in zip(paths, dataset, strict=True):
            save_idx(path, array)
    except BaseException:  # on a full disk for example; a part of a data set would be in the way of the next attempt
        for path in paths:
            path.unlink(missing_ok=True)
        raise
    typer.echo(f"{train:,} training and {test:,} test images in {folder}")
