"""`cnn predict`: what a saved net reads in picture files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from ...backends.tables import aligned
from ...nets.recognition import as_input, checked_picture_shape, label_of
from ..common import (
    DebugOption,
    DigitsOption,
    JsonOption,
    ModelArgument,
    load_net,
    print_error,
    print_json,
    reports_errors,
)
from ..doubts import doubts, doubts_of_page

if TYPE_CHECKING:
    from ...nets.sequential import Sequential
    from ...photographs.pipeline import Page

ShowOption = Annotated[
    Path | None, typer.Option("--show", metavar="DIR", help="With --digits: write what the net sees, as pictures.")
]


@reports_errors
def predict(
    model: ModelArgument,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Pictures, and folders of pictures.")],
    top: Annotated[int, typer.Option(min=1, metavar="K", help="How many classes to tell, the likeliest first.")] = 2,
    digits: DigitsOption = False,
    show: ShowOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Read pictures with a net, whole or digit by digit.

    A picture is only scaled to the size of the net's images, and for a net of grey images turned into light on dark
    where its border is light: it has to be laid out as those were that the net has learned from.

    With --digits, each picture is a page, scanned or photographed, with any number of digits. Its light is divided out,
    printed lines are removed, and each digit is laid out as MNIST's are. The answers are in reading order; digits that
    stand close are a number. --show writes FILE.digits.png, the page with a box around each digit, and
    FILE.digit-1.png and so on, the images that the net reads.

    A warning stands beside a prediction that may well be wrong: the picture shows no ink; the net is unsure, with a
    probability below 90 %; or, with --digits, most of what the picture shows is no digit.

    A picture that cannot be read, or on which no digit is found, is told, and the others are read all the same; the
    status is then 1. With --json it prints a list of objects of file, label, probability, choices, which are labels
    with their probabilities, and warnings, a list of texts; with --digits also number, of which the digit is part,
    place, counted from 1, of that number on the page, and box: top, left, height, width in pixels.

    Examples:

    \b
    cnn predict digits.safetensors seven.png
    cnn predict digits.safetensors page.jpg --digits --show seen
    cnn predict digits.safetensors scans more-scans/3.jpg --digits --top 3 --json
    """
    net = load_net(model)
    shape = checked_picture_shape(f"the net in {model}", net.input_shape)
    if show is not None and not digits:
        raise typer.BadParameter("it shows the digits that --digits finds", param_hint="--show")
    if digits and shape[2] != 1:
        raise ValueError(f"{model} must hold a net for grey pictures (height, width, 1), got one for {shape}")
    if digits:
        pages, all_read = _each(paths, _page)
        predictions = [answer for file, page in pages.items() for answer in _answers(net, file, page, top)]
        if show is not None:
            _write(show, pages, predictions)
    else:
        from ...datasets.folder import load_images

        pictures, all_read = _each(paths, lambda file: load_images(file, shape[:2], color=shape[2] == 3)[0])
        predictions = _predictions(net, pictures, top)
    if as_json:
        print_json(predictions)
    elif predictions:
        _show(predictions)
    if not all_read:
        raise typer.Exit(1)


def _each(paths: list[Path], read: Callable[[Path], Any]) -> tuple[dict[Path, Any], bool]:
    """What `read` makes of each picture that can be read, and whether that is all of them; the others are told."""
    from ...datasets.folder import image_files

    found: dict[Path, Any] = {}
    all_read = True
    for path in paths:
        try:
            files = image_files(path)
        except (OSError, ValueError) as error:
            print_error(error)
            all_read = False
            continue
        for file in files:
            try:
                found[file] = read(file)
            except (OSError, ValueError) as error:
                print_error(error)
                all_read = False
    return found, all_read


def _page(file: Path) -> Page:
    """The digits in a file."""
    from ...datasets.picture import read_picture
    from ...photographs.pipeline import read_page

    page = read_page(read_picture(file))
    if not page.digits:
        raise ValueError(f"{file}: it shows no digit")
    return page


def _answers(net: Sequential, file: Path, page: Page, top: int) -> list[dict[str, Any]]:
    """For each digit of a page what `_predictions` tells of a picture, and its place."""
    images = [digit.image for digit in page.digits]
    probabilities = net.predict_proba(as_input(net, images))
    of_page = doubts_of_page(page.share, probabilities.max(axis=1))
    answers = [
        _prediction(net, file, image, row, top, of_page) for image, row in zip(images, probabilities, strict=True)
    ]
    numbers = [digit.number for digit in page.digits]
    texts = [""] * (numbers[-1] + 1)
    for number, answer in zip(numbers, answers, strict=True):
        texts[number] += str(answer["label"])
    for digit, answer in zip(page.digits, answers, strict=True):
        answer |= {"number": texts[digit.number], "place": digit.number + 1, "box": list(digit.box)}
    return answers


def _predictions(net: Sequential, pictures: dict[Path, np.ndarray], top: int) -> list[dict[str, Any]]:
    """For each file its label and probability, those of the `top` classes, and what is doubtful."""
    if not pictures:
        return []
    probabilities = net.predict_proba(as_input(net, list(pictures.values())))
    return [
        _prediction(net, file, image, row, top, [])
        for (file, image), row in zip(pictures.items(), probabilities, strict=True)
    ]


def _prediction(
    net: Sequential, file: Path, image: np.ndarray, row: np.ndarray, top: int, warnings: list[str]
) -> dict[str, Any]:
    order = np.argsort(-row, kind="stable")[:top]
    choices = [{"label": label_of(net, label), "probability": float(row[label])} for label in order]
    return {
        "file": str(file),
        **choices[0],
        "choices": choices,
        "warnings": [*doubts(image, float(row.max())), *warnings],
    }


def _write(folder: Path, pages: dict[Path, Page], answers: list[dict[str, Any]]) -> None:
    """Write what the net sees of each page, and where."""
    from ..seen import names_of, write_seen

    for name, (file, page) in zip(names_of(list(pages)), pages.items(), strict=True):
        labels = [answer["label"] for answer in answers if answer["file"] == str(file)]
        write_seen(folder, name, file, page, labels)


def _show(predictions: list[dict[str, Any]]) -> None:
    """A row for each answer; columns that say nothing are left out."""
    in_pages, warned = "box" in predictions[0], any(prediction["warnings"] for prediction in predictions)
    places = ["number", "box"] if in_pages else []
    rows = [["file", *places, "label", "probability", "otherwise", *["warning"] * warned]]
    for prediction in predictions:
        others = (f"{choice['label']} ({choice['probability']:.2%})" for choice in prediction["choices"][1:])
        name = typer.format_filename(prediction["file"])
        place = [prediction["number"], " ".join(map(str, prediction["box"]))] if in_pages else []
        figures = str(prediction["label"]), f"{prediction['probability']:.2%}", ", ".join(others)
        rows.append([name, *place, *figures, *["; ".join(prediction["warnings"])] * warned])
    typer.echo("\n".join(line.rstrip() for line in aligned(rows, left=1)))
