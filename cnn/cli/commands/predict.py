"""`cnn predict`: what a saved net reads in picture files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from ...backends.tables import aligned
from ..common import (
    DebugOption,
    DigitsOption,
    JsonOption,
    ModelArgument,
    load_net,
    on_its_scale,
    print_error,
    print_json,
    reports_errors,
)

if TYPE_CHECKING:
    from ...nets.sequential import Sequential


@reports_errors
def predict(
    model: ModelArgument,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Pictures, and folders of pictures.")],
    top: Annotated[int, typer.Option(min=1, metavar="K", help="How many classes to tell, the likeliest first.")] = 2,
    digits: DigitsOption = False,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Read pictures with a net, one digit in each.

    A picture is only scaled to the size of the net's images, and turned into light on dark where its border is
    light: it has to be laid out as those were that the net has learned from. MNIST's digits fill 20 of 28 pixels,
    with their centre of mass in the middle. With --digits each picture is laid out so, whatever its margins: that
    is for scans, and for nets of digits.

    A warning stands beside a prediction that may well be wrong: the picture shows no ink; the net is unsure, with a
    probability below 90 %; or, with --digits, its ink is in separate parts, as that of two digits is.

    A picture that cannot be read is told, and the others are read all the same; the status is then 1. With --json it
    prints a list of objects of file, label, probability, choices, which are labels with their probabilities, and
    warnings, a list of texts.

    Examples:

    \b
    cnn predict digits.safetensors seven.png
    cnn predict digits.safetensors scans more-scans/3.jpg --digits --top 3 --json
    """
    net = load_net(model)
    if len(net.input_shape) != 3 or net.input_shape[2] != 1:
        raise ValueError(f"{model} must hold a net for grey pictures (height, width, 1), got one for {net.input_shape}")
    pictures, all_read = _read(paths, net.input_shape[:2], digits)
    predictions = _predictions(net, pictures, top, digits)
    if as_json:
        print_json(predictions)
    elif predictions:
        _show(predictions)
    if not all_read:
        raise typer.Exit(1)


def _read(paths: list[Path], size: tuple[int, ...], digits: bool) -> tuple[dict[Path, np.ndarray], bool]:
    """The pictures that can be read, and whether that is all of them; the others are told."""
    from ...datasets.folder import image_files, load_images

    pictures: dict[Path, np.ndarray] = {}
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
                (pictures[file],) = load_images(file, (size[0], size[1]), digits=digits)
            except (OSError, ValueError) as error:
                print_error(error)
                all_read = False
    return pictures, all_read


def _predictions(net: Sequential, pictures: dict[Path, np.ndarray], top: int, digits: bool) -> list[dict[str, Any]]:
    """For each file its label and probability, those of the `top` classes, and what is doubtful."""
    from ..doubts import doubts

    if not pictures:
        return []
    predictions = []
    probabilities = net.predict_proba(on_its_scale(net, np.stack(list(pictures.values()))))
    for (file, image), row in zip(pictures.items(), probabilities, strict=True):
        order = np.argsort(-row, kind="stable")[:top]
        choices = [{"label": int(label), "probability": float(row[label])} for label in order]
        warnings = doubts(image, float(row.max()), digits)
        predictions.append({"file": str(file), **choices[0], "choices": choices, "warnings": warnings})
    return predictions


def _show(predictions: list[dict[str, Any]]) -> None:
    warned = any(prediction["warnings"] for prediction in predictions)
    rows = [["file", "label", "probability", "otherwise", *["warning"] * warned]]
    for prediction in predictions:
        others = (f"{choice['label']} ({choice['probability']:.2%})" for choice in prediction["choices"][1:])
        name = typer.format_filename(prediction["file"])
        figures = str(prediction["label"]), f"{prediction['probability']:.2%}", ", ".join(others)
        rows.append([name, *figures, *["; ".join(prediction["warnings"])] * warned])
    typer.echo("\n".join(line.rstrip() for line in aligned(rows, left=1)))
