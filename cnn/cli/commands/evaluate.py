"""`cnn evaluate`: how well a saved net reads the test images of a data set, and what it takes for what."""

from __future__ import annotations

import numpy as np
import typer

from ...backends.tables import aligned
from ...datasets.labels import confusion
from ...nets.recognition import label_of
from ..common import (
    DataOption,
    DebugOption,
    JsonOption,
    ModelArgument,
    load_net,
    load_test_set,
    ordinary_output,
    print_json,
    reports_errors,
)

_MOST_PAIRS = 5


@reports_errors
def evaluate(
    model: ModelArgument, data: DataOption = None, as_json: JsonOption = False, debug: DebugOption = False
) -> None:
    """Measure a net on the test images.

    Tells accuracy and loss, and which classes are taken for which most often. With --json it prints an object
    of accuracy, loss, errors, images, data and confusion: rows are true classes, columns what they are read as. Of a
    folder with a folder of pictures for each class all pictures are test images, and classes go by their names.

    Examples:

    \b
    cnn evaluate digits.safetensors
    cnn evaluate digits.safetensors --data strokes --json
    cnn evaluate leaves.net --data more-leaves
    """
    net = load_net(model)
    with ordinary_output(quiet=False, as_json=as_json):
        x, y, origin = load_test_set(net, model, data)
    logits = net.predict_logits(x)
    loss, accuracy = net.evaluate_logits(logits, y)
    counts = confusion(y, logits.argmax(axis=1), net.output_shape[0])
    images, errors = int(counts.sum()), int(counts.sum() - counts.trace())
    if as_json:
        figures = {"accuracy": accuracy, "loss": loss, "errors": errors, "images": images, "data": origin}
        print_json(figures | {"confusion": counts.tolist()})
        return
    typer.echo(f"test accuracy {accuracy:.2%}: {errors:,} errors in {images:,} images; loss {loss:.4f}")
    if errors:
        pairs = ((f"{label_of(net, y)}", f"{label_of(net, p)}", f"{n:,}") for y, p, n in worst_pairs(counts))
        rows = [("true", "read as", "images"), *pairs]
        typer.echo("\n".join(aligned(rows, left=0)))


def worst_pairs(counts: np.ndarray) -> list[tuple[int, int, int]]:
    """True class, class that it is read as, and number of images, of the five commonest mistakes."""
    mistakes = counts - np.diag(counts.diagonal())
    places = np.argsort(-mistakes, axis=None, kind="stable")[:_MOST_PAIRS]
    pairs = [divmod(int(place), len(counts)) for place in places]
    return [(y, p, int(mistakes[y, p])) for y, p in pairs if mistakes[y, p]]
