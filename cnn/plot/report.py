"""A report on a trained net: one HTML file that holds its pictures, needs no network, and prints well.

The page around the content, with all of its style, is `report.html` beside this file. The content is made of elements,
not of text, so that whatever a title or a detail holds is escaped.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from datetime import datetime
from html import escape
from importlib.resources import files
from os import PathLike
from pathlib import Path
from string import Template
from typing import Any
from xml.etree.ElementTree import Element, indent

import numpy as np
from numpy.typing import ArrayLike

from ..backends import checks
from ..backends.config import config
from ..backends.html import element, table, text
from ..datasets.labels import confusion
from ..layers.convolution import Convolution
from ..storage.atomic import write_atomically
from .arguments import History, Net, Predictions, checked_history, checked_net, checked_predictions
from .curves import training_curves
from .layers import feature_maps, filters
from .mistakes import MOST_CLASSES, draw_confusion, draw_mistakes
from .style import Picture


def write_report(
    folder: str | PathLike[str],
    net: Net,
    history: History | None,
    x_test: ArrayLike,
    y_test: ArrayLike,
    title: str = "A trained net",
    details: Mapping[str, Any] | None = None,
) -> Path:
    """Write `report.html`: what a net is, how it learned, what it makes of an image, and what it gets wrong.

    Parameters
    ----------
    folder : path
        Made if it is not there; a report that is there is replaced.
    net : Sequential
    history : History or None
        What `fit` returned; None for a net that was trained elsewhere.
    x_test : array (n, *input_shape)
    y_test : integer labels (n,) or one-hot rows (n, classes)
    title : str
    details : mapping or None
        Names and values to tell with the configuration, such as the optimiser and the data set.

    Returns
    -------
    pathlib.Path
        Of the file.

    Raises
    ------
    TypeError, ValueError
        What is no net, no images or labels of this net, no history, or one without an epoch.
    OSError
        The file cannot be written; an older one is still there.
    """
    net = checked_net(net)
    if history is not None:
        history = checked_history(history)
    folder = checks.path("folder", folder)
    predictions = checked_predictions(net, x_test, y_test, ("x_test", "y_test"))
    curves = [] if history is None else [_training(history)]
    content = [
        _header(net, history, predictions, str(title)),
        element("main", _layers(net), *curves, *_pictures(net, predictions), _details(details or {})),
    ]
    for part in content:
        indent(part)
    page = Template(files(__package__).joinpath("report.html").read_text(encoding="utf-8")).substitute(
        title=escape(str(title)), content="\n".join(map(text, content))
    )
    path = Path(folder) / "report.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, page.encode())
    return path


def _header(net: Net, history: History | None, predictions: Predictions, title: str) -> Element:
    """The title and the few figures that matter."""
    images, (loss, accuracy) = len(predictions.y), net.evaluate_logits(predictions.logits, predictions.y)
    figures = {
        "accuracy": f"{accuracy:.2%}",
        "mistakes": f"{round((1 - accuracy) * images):,}",
        "loss": f"{loss:.4f}",
        "parameters": f"{sum(value.size for value in net.parameters().values()):,}",
    }
    if history is not None:
        trained = np.dot(history.images_per_second, history.seconds)
        figures["training"] = f"{sum(history.seconds):,.1f} s"
        figures["images/s"] = f"{trained / sum(history.seconds):,.0f}"
    told = (element("div", element("dt", name), element("dd", value)) for name, value in figures.items())
    measured = f"{images:,} test images, {datetime.now().astimezone():%Y-%m-%d %H:%M}"
    return element("header", element("h1", title), element("p", measured), element("dl", *told, class_="figures"))


def _section(heading: str, *content: Element) -> Element:
    return element("section", element("h2", heading), *content)


def _layers(net: Net) -> Element:
    """The table that `summary` prints."""
    rows = [
        (name, shape, f"{parameters:,}", f"{macs:,}")
        for name, shape, parameters, macs in net.summary_rows("\N{MULTIPLICATION SIGN}")
    ]
    layers = table([("layer", "output shape", "parameters", "MACs"), *rows], left=2)
    note = element("p", "MACs are the multiply-adds of one image.", class_="note")
    return _section("Layers", element("div", layers, class_="layers"), note)


def _training(history: History) -> Element:
    epochs = len(history.loss)
    accuracy = (history.val_accuracy or history.accuracy)[-1]
    alt = f"Loss and error over {epochs} epochs; the last one's accuracy is {accuracy:.2%}."
    caption = f"Loss, and error in percent of the images, over {epochs} epochs."
    return _section("Training", _figure(training_curves(history), "svg", alt, caption))


def _pictures(net: Net, predictions: Predictions) -> Iterable[Element]:
    """A section for each picture of the net for which it has what it takes."""
    x, y, logits = predictions
    if any(isinstance(layer, Convolution) for layer in net.layers):
        caption = "A column is a filter, a row an input channel. Blue is positive, orange negative, white zero."
        yield _section("Filters", _figure(filters(net), "png", "The kernels of each convolution.", caption))
    caption = f"What each layer makes of the first test image, a {y[0]}, on a scale of its own; white is zero."
    alt = "One image layer by layer, down to the probabilities of the classes."
    yield _section("One image", _figure(feature_maps(net, x[0].reshape(net.input_shape)), "png", alt, caption))
    if net.output_shape[0] <= MOST_CLASSES:
        counts = confusion(y, logits.argmax(axis=1), net.output_shape[0])
        caption = "Numbers of images. Recall: percent of a true class; precision: percent of what is read as a class."
        alt = "How many images of each class are read as which."
        yield _section("Confusion", _figure(draw_confusion(counts), "svg", alt, caption))
    if len(net.input_shape) == 3:
        caption = "By loss. Below an image: the probability of what it was read as, and its index."
        alt = "The images that the net reads wrong with the greatest loss."
        yield _section("Worst mistakes", _figure(draw_mistakes(predictions, net.input_shape), "png", alt, caption))


def _figure(picture: Picture, kind: str, alt: str, caption: str) -> Element:
    """A picture inside of the page."""
    mime = {"png": "image/png", "svg": "image/svg+xml"}[kind]
    data = base64.b64encode(picture.encoded(kind)).decode()
    image = element("img", src=f"data:{mime};base64,{data}", alt=alt)
    return element("figure", image, element("figcaption", caption))


def _details(details: Mapping[str, Any]) -> Element:
    """A table of what the caller has to tell, and of what the net ran on."""
    told = (
        element("tr", element("th", str(name), scope="row"), element("td", str(value)))
        for name, value in [*details.items(), *config().items()]
    )
    return _section("Details", element("table", element("tbody", *told), class_="details"))
