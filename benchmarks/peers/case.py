"""One case of the contest, and the interface of those that take part.

Nothing here imports cnn: the process of a peer whose threads are OpenMP's loads no such runtime but its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .nets import Layer

RATE = 0.001  # of plain SGD, in training: small, so that single images do not let a loss grow without limit

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """One cell of the tables, with the data that every implementation starts from.

    Attributes
    ----------
    net : str
        A key of `NETS`.
    mode : "training" or "inference"
    batch, threads : int
    level : str
        Instruction set of our kernels.
    layers : tuple of Layer
        All but the first one, which rescales.
    rescaling : (float, float)
        The scale and the offset of that one.
    images : uint8 (n, h, w) or (n, h, w, c)
        A whole number of batches.
    labels : int64 (n,)
    state : dict of str to array
        The parameters and running statistics that all begin with; convolutions (kh, kw, c_in, c_out), dense layers
        (inputs, units), inputs ordered h, w, c.
    """

    net: str
    mode: str
    batch: int
    threads: int
    level: str
    layers: tuple[Layer, ...]
    rescaling: tuple[float, float]
    images: np.ndarray
    labels: np.ndarray
    state: Arrays

    @property
    def batches(self) -> int:
        return len(self.images) // self.batch

    @cached_property
    def scaled(self) -> np.ndarray:
        """The images (n, h, w, c) in float32 as the first convolution takes them: what peers get, and we compute."""
        scale, offset = (np.float32(number) for number in self.rescaling)
        return (self.images * scale + offset).reshape(len(self.images), *self.layers[0].input_shape)

    def slices(self) -> list[slice]:
        """Where each batch lies."""
        return [slice(first, first + self.batch) for first in range(0, len(self.images), self.batch)]

    @property
    def drops(self) -> bool:
        """Whether values are dropped at random, so that no two implementations compute the same."""
        return self.mode == "training" and any(layer.kind == "Dropout" for layer in self.layers)

    @property
    def normalises(self) -> bool:
        return any(name.endswith(".gamma") for name in self.state)

    def without_dropout(self) -> Case:
        return replace(self, layers=tuple(layer for layer in self.layers if layer.kind != "Dropout"))


class Implementation:
    """A net that has the case's state, with its data staged.

    Each call goes on with the batch after the last one, and begins again after the last batch.

    Attributes
    ----------
    granularity : int
        `train` is at its best with a multiple of this many steps.
    ties : "first" or "all"
        Who takes the gradient of equal maxima in a pooling window.
    """

    granularity = 1
    ties = "first"

    def __init__(self, case: Case) -> None:
        self.case = case
        self.position = 0

    def next(self) -> int:
        """Number of the next batch."""
        number = self.position
        self.position = (number + 1) % self.case.batches
        return number

    def train(self, steps: int) -> float:
        """Take so many SGD steps, each on another batch; the last one's loss, or the mean loss of several."""
        raise NotImplementedError

    def predict(self, calls: int) -> np.ndarray:
        """Make so many calls, each for the probabilities of another batch as a NumPy array; the last one's."""
        raise NotImplementedError

    def state(self) -> Arrays:
        """Parameters and running statistics now, by our names and in our layout."""
        raise NotImplementedError
