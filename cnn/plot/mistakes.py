"""What a net gets wrong: which classes it takes for which, and the images it reads worst."""

from __future__ import annotations

from os import PathLike
from typing import Any, SupportsIndex

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from ..backends import checks
from ..datasets.labels import confusion
from .arguments import Net, Predictions, checked_net, checked_predictions, is_net
from .style import DIGITS, ERRORS, GREY, INK, LETTERS, MARGIN, PALE, SMALL, WIDTH, Picture, heading

MOST_CLASSES = 100  # whose counts are still to be read
MOST_MISTAKES = 25  # shown, if not asked for more
_A_ROW = 5


def confusion_matrix(
    net_or_predictions: Net | ArrayLike, x: ArrayLike | None, y: ArrayLike, path: str | PathLike[str] | None = None
) -> Picture:
    """How many images of each class are read as which.

    The mistakes are coloured on a scale of their own, and cells without one are left empty. Recall is the part of a
    class's images that is read right, precision the part of what is read as a class that is one.

    Parameters
    ----------
    net_or_predictions : Sequential, or integer labels (n,)
        What reads the images, or what was read.
    x : array (n, *input_shape)
        Images; not looked at, and best None, beside predictions.
    y : integer labels (n,) or one-hot rows (n, classes)
        What the images are.
    path : path or None
        Where to write it, as PNG or SVG.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        What is no images or labels; none at all; more than 100 classes; a path with another suffix.
    OSError
        The file cannot be written; an older one is still there.
    """
    if is_net(net_or_predictions):
        predictions = checked_predictions(net_or_predictions, x, y)
        counts = _counted(predictions.y, predictions.logits.argmax(axis=1), net_or_predictions.output_shape[0])
    else:
        counts = _counted(*_checked_labels(net_or_predictions, y))
    return draw_confusion(counts).write(path)


def draw_confusion(counts: np.ndarray) -> Picture:
    """The picture of counts by true class (rows) and by what is read (columns)."""
    classes = len(counts)
    cell = min(max(3.6 / classes, 0.22), 0.6)
    side = cell * classes
    picture = Picture(max(WIDTH, side + 1.15), side + 0.95)
    axes = picture.panel(0.42, 0.3, side, side)
    _cells(axes, counts, min(SMALL, 22 * cell))
    _margins(axes, counts)
    right, total = int(np.trace(counts)), int(counts.sum())
    heading(axes, f"{total - right:,} of {total:,} wrong", f"{right / total:.2%} right")
    return picture


def _checked_labels(read: Any, y: Any) -> tuple[np.ndarray, np.ndarray, int]:
    """What images are, what they were read as, and the number of classes: of one-hot rows, or as far as labels go."""
    y = checks.array("y", y)
    if not y.size:
        raise ValueError("y must hold at least one label, got none")
    one_hot = y.ndim == 2
    most = y.shape[1] if one_hot else MOST_CLASSES
    y = checks.labels("y", y, len(y) if y.ndim else 1, most)
    read = checks.labels("net_or_predictions", read, len(y), most)
    return y, read, most if one_hot else int(max(y.max(), read.max())) + 1


def _counted(y: np.ndarray, read: np.ndarray, classes: int) -> np.ndarray:
    if classes > MOST_CLASSES:
        raise ValueError(f"a confusion matrix must have at most {MOST_CLASSES} classes, got {classes}")
    return confusion(y, read, classes)


def _cells(axes: Axes, counts: np.ndarray, letters: float) -> None:
    """A coloured square and a number for each count that is not zero."""
    mistakes = counts * (1 - np.eye(len(counts), dtype=int))
    most = max(1, int(mistakes.max()))
    axes.imshow(mistakes, cmap=ERRORS, vmin=0, vmax=most)
    for row, column in np.argwhere(counts):
        count = counts[row, column]
        if row == column:
            axes.add_patch(Rectangle((row - 0.5, row - 0.5), 1, 1, color=PALE))
        color = "white" if mistakes[row, column] > 0.6 * most else INK
        axes.text(column, row, f"{count:,}", size=letters, color=color, ha="center", va="center")
    lines = np.arange(len(counts) - 1) + 0.5
    axes.hlines(lines, -0.5, len(counts) - 0.5, color="white", linewidth=1)
    axes.vlines(lines, -0.5, len(counts) - 0.5, color="white", linewidth=1)
    axes.spines[:].set_visible(True)


def _margins(axes: Axes, counts: np.ndarray) -> None:
    """The classes along the axes; recall behind the rows, precision below the columns."""
    classes = np.arange(len(counts))
    axes.set_xticks(classes)
    axes.set_yticks(classes)
    axes.set_xlabel("read as", fontsize=LETTERS, color=INK, labelpad=20)
    axes.set_ylabel("true class", fontsize=LETTERS, color=INK)
    right = np.diag(counts)
    small: dict[str, Any] = {"size": SMALL, "color": GREY, "annotation_clip": False, "textcoords": "offset points"}
    for i, part in enumerate(_parts(right, counts.sum(axis=1))):
        axes.annotate(part, (1, i), (5, 0), axes.get_yaxis_transform(), va="center", **small)
    for i, part in enumerate(_parts(right, counts.sum(axis=0))):
        axes.annotate(part, (i, 0), (0, -15), axes.get_xaxis_transform(), ha="center", va="top", **small)
    axes.annotate("\N{UPWARDS ARROW} recall", (1, 0), (5, -3.5), "axes fraction", va="top", **small)
    axes.annotate("\N{LEFTWARDS ARROW} precision", (1, 0), (5, -15), "axes fraction", va="top", **small)


def _parts(right: np.ndarray, of: np.ndarray) -> list[str]:
    """Percentages, and a dash where there is nothing to be right about."""
    return [f"{100 * r / n:.1f}" if n else "\N{EN DASH}" for r, n in zip(right, of, strict=True)]


def worst_mistakes(
    net: Net, x: ArrayLike, y: ArrayLike, count: SupportsIndex = MOST_MISTAKES, path: str | PathLike[str] | None = None
) -> Picture:
    """The images that the net reads wrong with the greatest loss, the worst one first.

    Above each is what it is and what the net takes it for, below the probability that the net gives to that, and the
    image's index in `x`.

    Parameters
    ----------
    net : Sequential
    x : array (n, *input_shape)
        Images of height, width and channels.
    y : integer labels (n,) or one-hot rows (n, classes)
    count : int
        How many to show, if there are so many.
    path : path or None
        Where to write it, as PNG or SVG.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        What is no net, images or labels; a net whose inputs are no images; a path with another suffix.
    OSError
        The file cannot be written; an older one is still there.
    """
    net = checked_net(net)
    count = checks.integer("count", count, minimum=1)
    if len(net.input_shape) != 3:
        raise ValueError(f"net must take images (height, width, channels), and takes inputs of shape {net.input_shape}")
    return draw_mistakes(checked_predictions(net, x, y), net.input_shape, count).write(path)


def draw_mistakes(predictions: Predictions, image_shape: tuple[int, ...], count: int = MOST_MISTAKES) -> Picture:
    """The picture of at most `count` of the mistakes among predictions for images (height, width, channels)."""
    x, y, _ = predictions
    losses, probabilities = _losses(predictions)
    labels = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(labels != y)
    worst = wrong[np.argsort(-losses[wrong], kind="stable")][:count]
    picture = Picture(WIDTH, 0.42 + 1.32 * -(-len(worst) // _A_ROW))
    title = picture.panel(MARGIN, 0.28, WIDTH - 2 * MARGIN, 0.01)
    if len(worst):
        heading(title, "worst mistakes", f"{len(worst):,} of {len(wrong):,} in {len(x):,} images")
    else:
        heading(title, "no mistakes", f"in {len(x):,} images")
    note: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "size": SMALL, "ha": "center"}
    for place, i in enumerate(worst):
        axes = picture.panel(MARGIN + 0.89 * (place % _A_ROW), 0.52 + 1.32 * (place // _A_ROW), 0.84, 0.84)
        _image(axes, x[i].reshape(image_shape))
        axes.annotate(f"{y[i]} read as {labels[i]}", (0.5, 1), (0, 3), va="bottom", color=INK, **note)
        axes.annotate(f"{probabilities[i, labels[i]]:.0%}  #{i}", (0.5, 0), (0, -3), va="top", color=GREY, **note)
    return picture


def _losses(predictions: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Loss of each image, and probabilities; from logits in float64, so that no loss is infinite."""
    y, logits = predictions.y, predictions.logits.astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    exponentials = np.exp(logits)
    totals = exponentials.sum(axis=1)
    return np.log(totals) - logits[np.arange(len(y)), y], exponentials / totals[:, None]


def _image(axes: Axes, image: np.ndarray) -> None:
    """One channel as ink on paper, three as colours, others as their mean."""
    if image.shape[2] == 3:
        span = float(np.ptp(image)) or 1.0
        axes.imshow((image - image.min()) / span, interpolation="none")
    else:
        axes.imshow(image.mean(axis=2), cmap=DIGITS, interpolation="none")
    axes.set(xticks=[], yticks=[])
