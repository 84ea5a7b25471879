"""Small nets and histories to draw, and what is to be read in a figure."""

from __future__ import annotations

import numpy as np

import cnn
from cnn.training.history import History

CLASSES = 4
TIMES = "\N{MULTIPLICATION SIGN}"
HISTORY = History(
    [0.5, 0.1, 0.05], [0.8, 0.95, 0.99], [0.4, 0.2, 0.19], [0.9, 0.93, 0.94], [1.0, 1.0, 1.0], [9.0, 9.0, 9.0]
)


def small_net(seed=0, input_shape=(6, 6, 1), rescaled=True, **how):
    layers = [cnn.Conv2D(3, 3), cnn.ReLU(), cnn.MaxPool2D(2), cnn.Flatten(), cnn.Dense(CLASSES)]
    first = [cnn.Rescaling(1 / 255, -0.5)] if rescaled else []
    return cnn.Sequential(first + layers, input_shape=input_shape, seed=seed, **how)


def small_finder(losses=(2.5, 2.0, 1.0, 9.0)):
    """A finder as after a fit of so many batches."""
    finder = cnn.LearningRateFinder()
    finder.losses, finder.rates = list(losses), np.geomspace(1e-4, 0.1, len(losses)).tolist()
    return finder


def texts(figure):
    """All that is written in the figure's panels."""
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def panels(figure):
    """The panels with images, by their headings."""
    return {axes.texts[0].get_text(): axes for axes in figure.axes if axes.images and axes.texts}


def values(image):
    """What an image of a panel shows."""
    return np.ma.getdata(image.get_array())
