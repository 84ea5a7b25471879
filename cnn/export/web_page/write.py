"""`cnn.export.html`: a net in a web page of its own."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...backends import checks
from ...losses import targets_of
from ...storage.atomic import write_atomically
from ..layers import at_one_moment
from . import examples
from .join import joined
from .net import page_net

__all__ = ["html"]

_LAID_OUT = (28, 28, 1)  # images of this shape are those of MNIST, and drawings are laid out as its digits are


def html(
    net: Any,
    path: str | os.PathLike[str],
    images: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    title: str = "Draw, and see what the net sees",
) -> None:
    """Write a web page with the net in it: one file, which needs no network.

    What is drawn on the page is read at once. It shows the maps of every layer, and how each of their numbers came
    about. For a net of 28 x 28 grey pixels, a drawing is laid out as MNIST's digits are; for another, it is scaled.

    Parameters
    ----------
    net : Sequential
        Of images (height, width, channels). Its `classes` name the answers.
    path : str or pathlib.Path
        An old file is replaced in one moment.
    images : array (n, *input_shape) or None
        Of which some are there to start from, on the scale of those that the net was fitted on.
    labels : integer labels (n,), one-hot rows (n, classes), or None
        What the images are. Then there are some of each class to start from, and the images that are read worst.
    title : str

    Raises
    ------
    TypeError, ValueError
        A layer that a page cannot hold; a net whose inputs are no images; images or labels of another net; labels
        without images, or for a net whose outputs are no classes.
    OSError
        The file cannot be written; an older one is still there.

    Examples
    --------
    >>> import cnn
    >>> cnn.export.html(cnn.models.lenet5(seed=0), "digits.html", title="A net that reads digits")
    """
    path, net = checks.path("path", path), at_one_moment(net)
    if len(net.input_shape) != 3:
        raise ValueError(f"net must take images (height, width, channels), and takes inputs of shape {net.input_shape}")
    x = np.empty((0, *net.input_shape), np.uint8) if images is None else net.inputs.images("images", images)
    y = None if labels is None else _labels(net, labels, len(x))
    data = {
        "net": page_net(net),
        "scale": _scale(net, x),
        "lays_out": net.input_shape == _LAID_OUT,
        "examples": examples.row(x, y, net.output_shape[0]),
        "mistakes": [] if y is None else examples.worst(x, y, net.predict_logits(x)),
    }
    write_atomically(path, joined(data, str(title), _summary(net)).encode())


def _labels(net: Any, labels: Any, n: int) -> np.ndarray:
    """Labels of n images; TypeError or ValueError for what are none, or for a net whose outputs are no classes."""
    if targets_of(net.loss) not in ("labels", "any"):
        raise ValueError(f"labels must be None for a net trained by {net.loss!r}, whose outputs are no classes")
    return checks.labels("labels", labels, n, net.output_shape[0])


def _scale(net: Any, images: np.ndarray) -> tuple[float, float]:
    """By what a grey from 0 to 255 is multiplied, and what is added, to be on the scale of the net's images."""
    fitted = net.image_range
    if fitted is not None and fitted.differs_plainly(0, 255):
        return (fitted.maximum - fitted.minimum) / 255, fitted.minimum
    if fitted is None and images.dtype != np.uint8 and images.size:
        least, most = float(images.min()), float(images.max())
        if least < most:
            return (most - least) / 255, least
    return 1.0, 0.0


def _summary(net: Any) -> str:
    parameters = sum(value.size for value in net.parameters().values())
    layers = len(net.layers)
    return (
        f"A net of {layers} layers and {parameters:,} numbers that it has learned. It runs in this page: "
        "nothing that is drawn leaves it."
    )
