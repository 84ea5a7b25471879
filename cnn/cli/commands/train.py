"""`cnn train`: a net, trained by a recipe and measured on the test images."""

from __future__ import annotations

import shlex
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

import cnn

from ...backends import checks
from ...backends.threads import MOST as MOST_THREADS
from ...datasets.split import Classes, is_folder_of_classes
from ...recipes import NETS, RECIPES, Recipe
from ...storage.atomic import checked_target
from ...training.saved_fit import read_status
from ..common import DataOption, DebugOption, JsonOption, load_data, one_of, ordinary_output, print_json, reports_errors
from ..together import Together, together

if TYPE_CHECKING:
    from ...datasets import Dataset
    from ...nets.sequential import Sequential
    from ...training.history import History

_BY_RECIPE = "the recipe's"


def _rate(value: float | None) -> float | None:
    try:
        return None if value is None else checks.learning_rate("the rate", value)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _part(value: float | None) -> float | None:
    if value is not None and not 0 < value < 1:
        raise typer.BadParameter(f"{value:g} is not between 0 and 1")
    return value


RecipeOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        parser=one_of(RECIPES),
        help=f"How, and for how many epochs: {', '.join(f'{name} {each.epochs}' for name, each in RECIPES.items())}.",
        show_default="fast; two-conv for other nets or data",
    ),
]
NetOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        parser=one_of(NETS),
        help=f"Another net: {', '.join(NETS)}.",
        show_default=_BY_RECIPE,
    ),
]
EpochsOption = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Passes over the images.", show_default=_BY_RECIPE)
]
BatchSizeOption = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Images a step.", show_default=_BY_RECIPE)
]
LearningRateOption = Annotated[
    float | None,
    typer.Option(metavar="RATE", callback=_rate, help="The first, or the highest of a cycle.", show_default=_BY_RECIPE),
]
SeedOption = Annotated[int, typer.Option(min=0, metavar="N", help="Of first weights, order and augmentation.")]
ThreadsOption = Annotated[
    int | None,
    typer.Option(min=1, max=MOST_THREADS, metavar="N", help="Threads to compute with.", show_default="one a core"),
]
ValidationOption = Annotated[
    float | None,
    typer.Option(metavar="PART", callback=_part, help="Part of a folder of pictures to test with.", show_default="0.2"),
]
ColorOption = Annotated[bool, typer.Option("--color", help="Read a folder of pictures in colour, and not grey.")]
SizeOption = Annotated[
    int | None,
    typer.Option(min=1, metavar="PIXELS", help="Side to which a folder's pictures are fitted.", show_default="28"),
]
SaveOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Save the trained net.")]
CheckpointOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Save how the training stands, after every epoch.")
]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint, if there is one.")]
ReportOption = Annotated[Path | None, typer.Option(metavar="DIR", help="Write report.html with pictures.")]
MpiOption = Annotated[
    bool, typer.Option("--mpi", help="Train with all processes that mpiexec has started, as in the last example.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", help="Print errors only.")]


@reports_errors
def train(
    recipe: RecipeOption = None,
    net: NetOption = None,
    epochs: EpochsOption = None,
    batch_size: BatchSizeOption = None,
    learning_rate: LearningRateOption = None,
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
    data: DataOption = None,
    validation: ValidationOption = None,
    color: ColorOption = False,
    size: SizeOption = None,
    save: SaveOption = None,
    checkpoint: CheckpointOption = None,
    resume: ResumeOption = False,
    report: ReportOption = None,
    mpi: MpiOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Train a net and measure it on the test images.

    The data may be a folder of your own pictures, with a folder for each class. --validation, --color and --size say
    how they are read; the names of the classes are saved with the net.

    With --json it ends with an object of accuracy, loss, errors, seconds, images_per_second, epochs, parameters,
    data, files (save, checkpoint, report) and history; everything else goes to the standard error.

    Examples:

    \b
    cnn train
    cnn train --save digits.safetensors --report report
    cnn train --recipe accurate --checkpoint accurate.run --resume
    cnn train --recipe keras
    cnn train --net lenet5 --epochs 5 --learning-rate 0.05 --data fashion-mnist
    cnn train --data ~/my-digits --threads 1 --json
    cnn train --data leaves --color --size 32 --validation 0.25 --save leaves.net
    mpiexec -n 4 python -m mpi4py -m cnn train --mpi
    """
    if resume and checkpoint is None:
        raise typer.BadParameter("it goes on from a file that --checkpoint has to name", param_hint="--resume")
    if threads is not None:
        cnn.set_num_threads(threads)
    chosen = _chosen(RECIPES[recipe or _usual(net, data)], net, epochs, batch_size, learning_rate)
    files = Files(save, checkpoint, report)
    with together(mpi, debug) as group, ordinary_output(quiet or not group.is_root, as_json):
        start = group.on_root(lambda: files.start(resume))
        dataset, origin, classes = group.agree(lambda: load_data(data, _how(data, validation, color, size, seed)))
        model = _built(chosen, dataset, classes, seed)
        model.summary()
        history = _fit(model, dataset, chosen.arguments(seed), checkpoint, start, group)
        result = _measured(model, dataset, history) | {"data": origin}
        group.on_root(lambda: files.write(model, dataset, history, {"data": origin, **chosen.details(seed)}))
    if as_json and group.is_root:
        print_json(result | {"files": files.as_dict(), "history": history._asdict()})


class Files(NamedTuple):
    """What a training writes: files for the net and for checkpoints, a folder for the report; None for no such."""

    save: Path | None
    checkpoint: Path | None
    report: Path | None

    def _check(self) -> None:
        """Find what cannot be written before anything is trained."""
        if self.save is not None and self.checkpoint is not None and self.save.resolve() == self.checkpoint.resolve():
            raise ValueError(f"--save and --checkpoint must name two files, got {self.save} for both")
        for path in (self.save, self.checkpoint):
            if path is not None:
                checked_target(str(path))
        if self.report is not None:
            import_module("cnn.plot")  # without matplotlib, an error now and not after the training
            self.report.mkdir(parents=True, exist_ok=True)

    def start(self, resume: bool) -> Path | None:
        """The checkpoint to go on from, if there is one; none is written over that is not gone on from."""
        self._check()
        if self.checkpoint is None or (resume and self.checkpoint.exists()):
            return self.checkpoint
        if resume:
            typer.echo(f"{self.checkpoint} is not there yet: training begins at the start")
        elif self.checkpoint.exists():
            raise FileExistsError(_in_the_way(self.checkpoint))
        return None

    def write(self, model: Sequential, dataset: Dataset, history: History, details: dict[str, Any]) -> None:
        """Save the net, write the report."""
        if self.save is not None:
            model.save(self.save)
            typer.echo(f"net saved in {self.save}; use it: cnn predict {shlex.quote(str(self.save))} PICTURE...")
        if self.report is not None:
            from ...plot.report import write_report

            title = f"{details['build']} after {len(history.loss)} epochs"
            page = write_report(
                self.report, model, history, dataset.test_images, dataset.test_labels, title=title, details=details
            )
            typer.echo(f"report written to {page}")

    def as_dict(self) -> dict[str, str | None]:
        """What has been written, for JSON."""
        given = {**self._asdict(), "report": self.report and self.report / "report.html"}
        return {name: None if path is None else str(path) for name, path in given.items()}


def _in_the_way(checkpoint: Path) -> str:
    """What a file is that a training without --resume would write over, and what to do."""
    try:
        held = read_status(checkpoint)
    except ValueError as error:
        return f"{checkpoint} is there already, and is no checkpoint: name another file ({error})"
    if held.finished:
        done, resumed = f"finished with epoch {held.epoch}", "to measure its net again"
    else:
        done, resumed = f"done {held.epoch} of {held.epochs} epochs", "to go on"
    return f"{checkpoint} holds a training that has {done}: add --resume {resumed}, or remove the file, or name another"


def _usual(net: str | None, data: str | None) -> str:
    """The recipe where none is named: `fast` has too high a rate for most nets, and too few steps for few images."""
    return "fast" if net is None and data in (None, "mnist") else "two-conv"


def _chosen(
    recipe: Recipe, net: str | None, epochs: int | None, batch_size: int | None, learning_rate: float | None
) -> Recipe:
    """The recipe with what is given in place of its own."""
    given: dict[str, Any] = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate}
    given["build"] = NETS[net] if net else None
    return recipe._replace(**{name: value for name, value in given.items() if value is not None})


def _how(data: str | None, validation: float | None, color: bool, size: int | None, seed: int) -> Classes:
    """How a folder of classes is read; ValueError if that is said of other data."""
    given = {"--validation": validation is not None, "--color": color, "--size": size is not None}
    if any(given.values()) and (data is None or not is_folder_of_classes(data)):
        named = ", ".join(name for name, is_given in given.items() if is_given)
        raise ValueError(
            f"{named}: only for a folder with a folder of pictures for each class; the images of other data sets are "
            "grey, of one size, and split already"
        )
    return Classes(size or 28, color, 0.2 if validation is None else validation, seed)


def _built(chosen: Recipe, dataset: Dataset, classes: tuple[str, ...] | None, seed: int) -> Sequential:
    """The net of a recipe, for MNIST's images or for a folder's."""
    if classes is None:
        return chosen.build(seed=seed)
    shape = dataset.train_images.shape[1:]
    model = chosen.build(seed=seed, input_shape=shape if len(shape) == 3 else (*shape, 1), classes=len(classes))
    model.classes = classes
    return model


def _fit(
    model: Sequential,
    dataset: Dataset,
    arguments: dict[str, Any],
    checkpoint: Path | None,
    start: Path | None,
    group: Together,
) -> History:
    try:
        return model.fit(
            dataset.train_images,
            dataset.train_labels,
            **arguments,
            validation_data=(dataset.test_images, dataset.test_labels),
            callbacks=[] if checkpoint is None else [cnn.Checkpoint(checkpoint)],
            resume=start,
            comm=group.comm,
        )
    except KeyboardInterrupt:
        if checkpoint is not None and checkpoint.exists() and not read_status(checkpoint).finished:
            raise KeyboardInterrupt(f"the same command with --resume goes on from {checkpoint}") from None
        raise


def _measured(model: Sequential, dataset: Dataset, history: History) -> dict[str, Any]:
    """The figures of the trained net, which are also printed."""
    tested, epochs, seconds = len(dataset.test_labels), len(history.loss), sum(history.seconds)
    accuracy = history.val_accuracy[-1]
    result = {
        "accuracy": accuracy,
        "loss": history.val_loss[-1],
        "errors": round((1 - accuracy) * tested),
        "seconds": seconds,
        "images_per_second": epochs * len(dataset.train_labels) / seconds,
        "epochs": epochs,
        "parameters": sum(value.size for value in model.parameters().values()),
    }
    typer.echo(
        f"test accuracy {accuracy:.2%}: {result['errors']:,} errors in {tested:,} images\n"
        f"trained in {seconds:.1f} s, {result['images_per_second']:,.0f} images/s"
    )
    return result
