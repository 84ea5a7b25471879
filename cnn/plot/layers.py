"""What a net holds and what it does with an image: the kernels of its convolutions, the outputs of its layers."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from ..backends import checks
from ..layers import Dropout, Flatten, Rescaling
from ..layers.convolution import Convolution
from .arguments import Net, checked_net
from .style import DIGITS, FAINT, MARGIN, NAVY, SIGNED, WIDTH, Picture, cells, heading, largest, tile

MOST_FILTERS, MOST_INPUTS = 32, 8  # of a convolution, side by side and one below the other
MOST_MAPS = 16  # of a layer
_MAPS_A_ROW = 8
_ROOM = WIDTH - 2 * MARGIN
_SCALE = 0.6  # width of the scale of kernels, with its numbers
_HEAD, _GAP = 0.24, 0.12  # heights: of a heading, and between two layers
_PASSING_ON = Rescaling, Flatten, Dropout  # layers that only pass the picture on in a prediction


def filters(net: Net, path: str | PathLike[str] | None = None) -> Picture:
    """The kernels of every convolution: a column a filter, a row an input channel.

    All kernels of a convolution have one scale, from minus to plus its greatest weight; white is zero. The first 32
    filters and the first 8 inputs are shown.

    Parameters
    ----------
    net : Sequential
    path : path or None
        Where to write it, as PNG or SVG.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError
        What is no net; a path that is none.
    ValueError
        A net without a convolution; a path with another suffix.
    OSError
        The file cannot be written; an older one is still there.
    """
    net = checked_net(net)
    names = net.layer_names
    convolutions = [(name, of) for name, of in zip(names, net.layers, strict=True) if isinstance(of, Convolution)]
    if not convolutions:
        raise ValueError(f"net has no filters to show: it must have a Conv2D, and has {', '.join(names)}")
    shown = [of.weights[:, :, :MOST_INPUTS, :MOST_FILTERS] for _, of in convolutions]
    sizes = [min(0.5, (_ROOM - _SCALE) / kernels.shape[3]) for kernels in shown]
    heights = [size * kernels.shape[2] for size, kernels in zip(sizes, shown, strict=True)]
    picture = Picture(WIDTH, sum(heights) + len(shown) * (_HEAD + 2 * _GAP) + 0.1)
    top = 0.05
    for (name, layer), kernels, size, height in zip(convolutions, shown, sizes, heights, strict=True):
        axes = picture.panel(MARGIN, top + _HEAD, size * kernels.shape[3], height)
        heading(axes, name, _counted(layer, kernels))
        _kernels(picture, axes, kernels, largest(layer.weights))
        top += _HEAD + height + 2 * _GAP
    return picture.write(path)


def _counted(layer: Convolution, kernels: np.ndarray) -> str:
    """In words what the kernels are of which some are shown."""
    kh, kw, inputs, count = layer.weights.shape
    text = f"{count} filters of {kh} \N{MULTIPLICATION SIGN} {kw}"
    text += f" over {inputs} channels" if inputs > 1 else ""
    if kernels.shape != layer.weights.shape:
        text += f"; {kernels.shape[3]} over {kernels.shape[2]} shown"
    return text


def _kernels(picture: Picture, axes: Axes, kernels: np.ndarray, limit: float) -> None:
    """All of them in the axes, and their scale behind them."""
    for row in range(kernels.shape[2]):
        for column in range(kernels.shape[3]):
            tile(axes, kernels[:, :, row, column], row, column, cmap=SIGNED, vmin=-limit, vmax=limit)
    cells(axes, kernels.shape[2], kernels.shape[3])
    box = axes.get_position().bounds
    width, height = picture.get_size_inches()
    left, top = (box[0] + box[2]) * width + 0.12, (1 - box[1] - box[3]) * height
    scale = picture.panel(left, top, 0.08, min(1.0, box[3] * height))
    scale.imshow(np.linspace(limit, -limit, 128)[:, None], cmap=SIGNED, aspect="auto", extent=(0, 1, -limit, limit))
    scale.set_xticks([])
    scale.yaxis.tick_right()
    scale.set_yticks([-limit, 0, limit], [f"\N{MINUS SIGN}{limit:.2g}", "0", f"{limit:.2g}"])


def feature_maps(net: Net, image: ArrayLike, path: str | PathLike[str] | None = None) -> Picture:
    """What each layer makes of one image, down to the probabilities of the classes.

    The outputs of a layer have one scale: white is zero, blue above it, orange below. Of a layer with more than 16
    channels the first 16 are shown. Layers that only pass the picture on in a prediction (`Rescaling`, `Flatten`,
    `Dropout`) are left out.

    Parameters
    ----------
    net : Sequential
    image : array of the net's input_shape
        A single channel may be left out.
    path : path or None
        Where to write it, as PNG or SVG.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        What is no net, or no image of this net; a path with another suffix.
    OSError
        The file cannot be written; an older one is still there.
    """
    net = checked_net(net)
    image = _one_image(net, image)
    outputs = [("image", image), *_outputs(net, image)]
    rows = [-(-min(of.shape[2], MOST_MAPS) // _MAPS_A_ROW) if of.ndim == 3 else 0 for _, of in outputs]
    cell = _ROOM / _MAPS_A_ROW
    heights = [cell * count if count else 0.2 for count in rows]
    picture = Picture(WIDTH, sum(heights) + len(heights) * (_HEAD + _GAP) + 1.45)
    top = 0.05
    for (name, values), height in zip(outputs, heights, strict=True):
        axes = picture.panel(MARGIN, top + _HEAD, _ROOM, height)
        _draw(axes, values, is_image=name == "image")
        of_them = f", the first {MOST_MAPS}" if values.ndim == 3 and values.shape[2] > MOST_MAPS else ""
        heading(axes, name, " \N{MULTIPLICATION SIGN} ".join(map(str, values.shape)) + of_them)
        top += _HEAD + height + _GAP
    _bars(picture.panel(MARGIN, top + _HEAD, _ROOM, 0.8), net.predict_proba(image[None])[0])
    return picture.write(path)


def _one_image(net: Net, image: ArrayLike) -> np.ndarray:
    image = checks.array("image", image)
    if image.shape == net.input_shape[:-1] and net.input_shape[-1] == 1:
        image = image[..., None]
    checks.shape("image", image, net.input_shape, "one image of this net")
    return image


def _outputs(net: Net, image: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Name and output of each layer that makes another picture, as in a prediction, which leaves the net untouched."""
    outputs, x = [], image[None]
    for name, layer in zip(net.layer_names, net.layers, strict=True):
        y = layer.forward(x, training=False)
        if not isinstance(layer, _PASSING_ON):
            outputs.append((name, y[0]))
        x = y
    return outputs


def _draw(axes: Axes, values: np.ndarray, is_image: bool) -> None:
    """One output: its maps in rows, or a strip of its numbers."""
    limit = largest(values)
    how: dict[str, Any] = {"cmap": SIGNED, "vmin": -limit, "vmax": limit}
    if is_image:
        how = {"cmap": DIGITS, "vmin": values.min(), "vmax": values.max()}
    if values.ndim == 1:
        axes.imshow(values[None], aspect="auto", interpolation="none", **how)
        axes.spines[:].set_visible(True)
        axes.set(xticks=[], yticks=[])
        return
    count = min(values.shape[2], MOST_MAPS)
    for i in range(count):
        tile(axes, values[:, :, i], i // _MAPS_A_ROW, i % _MAPS_A_ROW, **how)
    cells(axes, -(-count // _MAPS_A_ROW), _MAPS_A_ROW)


def _bars(axes: Axes, probabilities: np.ndarray) -> None:
    """The probabilities of the classes, the greatest with its number."""
    best = int(probabilities.argmax())
    colors = [NAVY if i == best else FAINT for i in range(len(probabilities))]
    axes.bar(range(len(probabilities)), probabilities, color=colors, width=0.7)
    axes.set_ylim(0, 1.05)
    axes.set_xticks(range(len(probabilities)) if len(probabilities) <= 20 else [best])
    axes.spines["bottom"].set_visible(True)
    heading(axes, "probabilities", f"{best} with {probabilities[best]:.2%}")
