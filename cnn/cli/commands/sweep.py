"""`cnn sweep`: many short trainings, whose settings Optuna chooses, and the best of them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

import cnn

from ...datasets.split import Classes
from ...storage.atomic import checked_target
from ...sweep.package import PRUNERS
from ..common import DebugOption, JsonOption, load_data, one_of, ordinary_output, print_json, reports_errors

if TYPE_CHECKING:
    from ...datasets import Dataset
    from ...sweep.run import Sweep
    from ...sweep.space import Space
    from ...sweep.training import Training

_CLASSES = 10  # of a data set in MNIST's form, at least

SpaceArgument = Annotated[Path, typer.Argument(metavar="SPACE.toml", help="What is fixed, and what is chosen from.")]
TrialsOption = Annotated[int, typer.Option(min=1, metavar="N", help="Trials in all, those of earlier runs among them.")]
WorkersOption = Annotated[int, typer.Option(min=1, metavar="N", help="Trials at a time, which share the cores.")]
SeedOption = Annotated[int, typer.Option(min=0, metavar="N", help="Of Optuna's choices, and of each training.")]
PrunerOption = Annotated[
    str,
    typer.Option(metavar="NAME", parser=one_of(PRUNERS), help=f"What ends trials early: {', '.join(PRUNERS)}."),
]
StudyOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Where the trials are kept.", show_default="SPACE.db beside SPACE.toml"),
]
PlotOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the trials, as PNG or SVG.")]
SaveOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Train the best once more on all training images, test and save it."),
]


@reports_errors
def sweep(
    space: SpaceArgument,
    trials: TrialsOption = 50,
    workers: WorkersOption = 1,
    seed: SeedOption = 0,
    pruner: PrunerOption = "median",
    study: StudyOption = None,
    plot: PlotOption = None,
    save: SaveOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Find settings with which a net learns well, with Optuna.

    SPACE.toml has two tables, for example:

    \b
    [fixed]
    net = "two-conv"
    epochs = 3
    [space]
    learning_rate = {low = 1e-3, high = 1.0, log = true}
    batch_size = [16, 32, 64]

    Trials are compared by their accuracy on a tenth of the training images. A trial that does worse than others
    did after as many epochs is pruned. The same command goes on with a study that was killed, or is to have more
    trials. The test images are for --save alone.

    With --json it ends with an object of study, trials (complete, pruned, failed), best (trial, accuracy,
    settings), program, and test (accuracy, loss, errors, images) or null.

    Examples:

    \b
    cnn sweep space.toml
    cnn sweep space.toml --trials 50 --workers 2 --plot trials.svg
    cnn sweep space.toml --trials 50 --save best.safetensors
    """
    from ...sweep.reading import read_space
    from ...sweep.study import opened

    read = read_space(space)
    files = Files(space, study or space.with_suffix(".db"), plot, save)
    files.check()
    with ordinary_output(quiet=False, as_json=as_json):
        prepared = _prepared(read, seed)
        with opened(files.study, prepared.asked, pruner) as held:
            _run(prepared.of(held), files, trials, workers)
            result = _found(prepared.of(held), files)
        result["test"] = _saved(prepared, result["best"]["settings"], save) if save else None
    if as_json:
        print_json(result)


class Files(NamedTuple):
    """The file that is read, and those that are written; None for no such."""

    space: Path
    study: Path
    plot: Path | None
    save: Path | None

    def check(self) -> None:
        """Find what cannot be written before anything is trained."""
        given = [path for path in self if path is not None]
        if len({path.resolve() for path in given}) < len(given):
            raise ValueError(f"SPACE.toml, --study, --plot and --save must be different files, got {given}")
        for path in given[1:]:
            checked_target(str(path))
        if self.plot is not None:
            from ...plot.style import checked_suffix  # without matplotlib, an error now and not after the trials

            checked_suffix(str(self.plot))


class Prepared(NamedTuple):
    """What a sweep begins with."""

    space: Space
    dataset: Dataset
    names: tuple[str, ...] | None  # of a folder's classes
    training: Training
    images: IO[bytes]
    asked: dict[str, Any]

    def of(self, study: Any) -> Sweep:
        """The sweep of a study."""
        from ...sweep.run import Sweep

        return Sweep(study, self.space, self.training, self.images.fileno())


def _prepared(space: Space, seed: int) -> Prepared:
    """The images of a sweep, and a look at whether its nets and fits can be made."""
    from ...sweep.images import shared, split
    from ...sweep.training import Training

    fixed = space.fixed
    how = Classes(fixed.get("size", 28), fixed.get("color", False), fixed.get("validation", 0.2), seed)
    dataset, _, names = load_data(fixed.get("data"), how)
    shape = dataset.train_images.shape[1:]
    classes = max(_CLASSES, int(dataset.train_labels.max()) + 1) if names is None else len(names)
    training = Training(str(space.folder.resolve()), shape if len(shape) == 3 else (*shape, 1), classes, seed)
    training.rehearse(space.examples())
    images, digest = shared(split(dataset, fixed.get("validation_fraction", 0.1), seed))
    asked = {"[fixed]": fixed, "[space]": space.ranges, "--seed": seed, "digest of the images": digest}
    return Prepared(space, dataset, names, training, images, asked)


def _run(sweep: Sweep, files: Files, trials: int, workers: int) -> None:
    from ...sweep.results import line_of
    from ...sweep.study import done

    held = len(done(sweep.study))
    if held:
        typer.echo(f"trials in {files.study} so far: {held}")
    try:
        sweep.run(trials, workers, max(1, cnn.get_num_threads() // workers), lambda trial: typer.echo(line_of(trial)))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"the same command goes on from {files.study}") from None


def _found(sweep: Sweep, files: Files) -> dict[str, Any]:
    """What the trials have found, which is also printed and drawn."""
    from ...sweep.results import complete, program_of, table_of
    from ...sweep.study import done

    trials = done(sweep.study)
    ended = complete(trials)
    counts = {state: sum(trial.state.name == state.upper() for trial in trials) for state in ("complete", "pruned")}
    counts["failed"] = len(trials) - sum(counts.values())
    told = ", ".join(f"{count} {state}" for state, count in counts.items())
    if not ended:
        raise ValueError(f"no trial was trained to the end, so that there is no best one: {told}")
    best = ended[0]
    settings = best.user_attrs["settings"]
    program = program_of(settings, sweep.training)
    indented = "\n".join(f"    {line}" for line in program.splitlines())
    typer.echo(f"\n{table_of(trials, sweep.space)}\n\n{len(trials)} trials: {told}\nthe best is trial {best.number}")
    typer.echo(f"in Python, with all training images x and labels y:\n\n{indented}\n")
    if files.plot is not None:
        from ...sweep.picture import sweep_picture

        sweep_picture(sweep.study, sweep.space, str(files.plot))
        typer.echo(f"trials drawn in {files.plot}")
    found = {"trial": best.number, "accuracy": best.value, "settings": settings}
    return {"study": str(files.study), "trials": counts, "best": found, "program": program}


def _saved(prepared: Prepared, settings: dict[str, Any], save: Path) -> dict[str, Any]:
    """Train the best on all training images, measure it on the test images, and save it; what was measured."""
    dataset = prepared.dataset
    net = prepared.training.net(settings)
    net.classes = prepared.names
    typer.echo("the best once more, on all training images:")
    net.fit(dataset.train_images, dataset.train_labels, **prepared.training.fit_arguments(settings))
    loss, accuracy = net.evaluate(dataset.test_images, dataset.test_labels)
    images = len(dataset.test_labels)
    errors = round((1 - accuracy) * images)
    typer.echo(f"test accuracy {accuracy:.2%}: {errors:,} errors in {images:,} images")
    net.save(save)
    typer.echo(f"net saved in {save}; use it: cnn predict {shlex.quote(str(save))} PICTURE...")
    return {"accuracy": accuracy, "loss": loss, "errors": errors, "images": images}
