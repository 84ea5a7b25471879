"""`cnn export`: a saved net as a file for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...export.formats import FORMATS, format_of
from ...nets.recognition import on_its_scale
from ..common import (
    DebugOption,
    ModelArgument,
    classes_for,
    load_data,
    load_net,
    load_test_set,
    one_of,
    refuse_its_own,
    reports_errors,
)

if TYPE_CHECKING:
    from ...nets.sequential import Sequential

_CALIBRATION = 1000  # training images by which the integers' scales are chosen


@reports_errors
def export(
    model: ModelArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File to write.")],
    format: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", parser=one_of(FORMATS), help=f"{', '.join(FORMATS)}.", show_default="by the suffix"
        ),
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(
            parser=one_of(("float32", "int8")), metavar="NAME", help="c: float32 or int8.", show_default="float32"
        ),
    ] = None,
    opset: Annotated[int | None, typer.Option(metavar="N", help="onnx: 17 to 21.", show_default="17")] = None,
    images: Annotated[
        str | None,
        typer.Option(
            parser=one_of(("float32", "uint8")), metavar="NAME", help="onnx: float32 or uint8.", show_default="float32"
        ),
    ] = None,
    softmax: Annotated[bool, typer.Option("--softmax", help="onnx: probabilities in place of logits.")] = False,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|DIR",
            help="c: images that int8 is calibrated and measured on. html: images to start from. As for evaluate.",
        ),
    ] = None,
    debug: DebugOption = False,
) -> None:
    """Write a net as a file for other programs: ONNX, a C header, or a web page.

    The suffix says which: .onnx, .h or .html. A layer that the format lacks is named, and nothing is written. Of a C
    header the memory is told; with --dtype int8 also the test accuracy before and after, for which the weights and
    activations are calibrated on 1,000 training images.

    Examples:

    \b
    cnn export digits.safetensors digits.onnx --softmax
    cnn export digits.safetensors digits.h --dtype int8
    cnn export digits.safetensors digits.html --data mnist
    """
    kind = format_of(str(file), format)
    given = {
        "--opset": ("onnx", "opset", opset),
        "--images": ("onnx", "input_dtype", images),
        "--softmax": ("onnx", "softmax", softmax or None),
        "--dtype": ("c", "dtype", dtype),
    }
    options: dict[str, Any] = {}
    for name, (of, argument, value) in given.items():
        if value is not None and of != kind:
            raise ValueError(f"{name} is for {of}, and not for {kind}")
        if value is not None:
            options[argument] = value
    if data is not None and kind == "onnx":
        raise ValueError("--data is for c and html, and not for onnx")
    if data is not None and kind == "c" and dtype != "int8":
        raise ValueError("--data is for --dtype int8; float32 needs no images")
    refuse_its_own(file, model)
    net = load_net(model)
    if kind == "c":
        _write_c(net, file, options, data)
        return
    if kind == "html" and data is not None:
        options["images"], options["labels"], _ = load_test_set(net, model, data)
    net.export(file, kind, **options)
    _tell(file)


def _write_c(net: Sequential, file: Path, options: dict[str, Any], data: str | None) -> None:
    """The header, and its memory; of int8 the accuracy, too."""
    dataset = None
    if options.get("dtype") == "int8":
        dataset, _, _ = load_data(data, classes_for(net))
        options["calibration"] = on_its_scale(net, dataset.train_images[:_CALIBRATION])
    header = net.export(file, "c", **options)
    _tell(file)
    typer.echo(f"flash {header.flash:,} bytes for weights, RAM {header.ram:,} bytes; {header.dtype}")
    if dataset is not None:
        x, y = on_its_scale(net, dataset.test_images), dataset.test_labels
        before, after = net.evaluate(x, y), net.evaluate_logits(header.predict_logits(x), y)
        typer.echo(f"test accuracy {before.accuracy:.2%} before, {after.accuracy:.2%} after: {len(y):,} images")


def _tell(file: Path) -> None:
    typer.echo(f"{file} written: {file.stat().st_size:,} bytes")
