"""What is timed: the nets, one case of the contest, and the interface of those that take part.

Nothing here imports cnn: a peer's process loads no OpenMP runtime but its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

RATE = 0.01  # of plain SGD, in training

Parameters = dict[str, np.ndarray]


@dataclass(frozen=True)
class Conv:
    """A convolution of `inputs` channels, ReLU if asked for, and max pooling of 2x2; named as in our parameters."""

    name: str
    inputs: int
    filters: int
    size: int
    padding: int = 0
    bias: bool = True
    relu: bool = True


@dataclass(frozen=True)
class Dense:
    """A dense layer, and ReLU if asked for."""

    name: str
    inputs: int
    units: int
    relu: bool = True
    bias: bool = True


NETS: dict[str, tuple[Conv | Dense, ...]] = {
    "A": (
        Conv("conv2d_1", 1, 8, 3, bias=False, relu=False),
        Dense("dense_1", 13 * 13 * 8, 10, relu=False),
    ),
    "B": (
        Conv("conv2d_1", 1, 8, 3, padding=1),
        Conv("conv2d_2", 8, 16, 3, padding=1),
        Dense("dense_1", 7 * 7 * 16, 128),
        Dense("dense_2", 128, 10, relu=False),
    ),
    "L": (
        Conv("conv2d_1", 1, 6, 5),
        Conv("conv2d_2", 6, 16, 5),
        Dense("dense_1", 4 * 4 * 16, 120),
        Dense("dense_2", 120, 84),
        Dense("dense_3", 84, 10, relu=False),
    ),
}
TITLES = {"A": "the tutorial's net", "B": "two convolutions", "L": "LeNet-5"}


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
    images : uint8 (n, 28, 28)
        A whole number of batches.
    labels : int64 (n,)
    parameters : dict of str to array
        Where all begin; convolutions (kh, kw, c_in, c_out), dense layers (inputs, units), inputs ordered h, w, c.
    """

    net: str
    mode: str
    batch: int
    threads: int
    level: str
    images: np.ndarray
    labels: np.ndarray
    parameters: Parameters

    @property
    def blocks(self) -> tuple[Conv | Dense, ...]:
        return NETS[self.net]

    @property
    def batches(self) -> int:
        return len(self.images) // self.batch

    @cached_property
    def scaled(self) -> np.ndarray:
        """The images in float32 as the first convolution takes them: what peers get, and we have to compute."""
        return self.images * np.float32(1 / 255) - np.float32(0.5)

    def slices(self) -> list[slice]:
        """Where each batch lies."""
        return [slice(first, first + self.batch) for first in range(0, len(self.images), self.batch)]


class Implementation:
    """A net that has the case's parameters, with its data staged.

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

    def parameters(self) -> Parameters:
        """The parameters now, by our names and in our layout."""
        raise NotImplementedError


def to_channels_first(blocks: tuple[Conv | Dense, ...], parameters: Parameters, flatten: str = "chw") -> Parameters:
    """Parameters as PyTorch and ONNX lay them out: (c_out, c_in, kh, kw) and (units, inputs).

    `flatten` is the order in which the first dense layer finds its inputs, "chw" or "hwc".
    """
    result = {}
    for block in blocks:
        weights = parameters[f"{block.name}.weights"]
        if isinstance(block, Conv):
            channels, weights = block.filters, weights.transpose(3, 2, 0, 1)
        elif block.name == "dense_1" and flatten == "chw":
            weights = weights.reshape(-1, channels, block.units).transpose(2, 1, 0).reshape(block.units, -1)
        else:
            weights = weights.T
        result[f"{block.name}.weights"] = np.ascontiguousarray(weights)
        if block.bias:
            result[f"{block.name}.bias"] = parameters[f"{block.name}.bias"]
    return result


def from_channels_first(blocks: tuple[Conv | Dense, ...], parameters: Parameters, flatten: str = "chw") -> Parameters:
    """The way back from `to_channels_first`."""
    result = dict(parameters)
    for block in blocks:
        weights = parameters[f"{block.name}.weights"]
        if isinstance(block, Conv):
            channels, weights = block.filters, weights.transpose(2, 3, 1, 0)
        elif block.name == "dense_1" and flatten == "chw":
            weights = weights.reshape(block.units, channels, -1).transpose(2, 1, 0).reshape(-1, block.units)
        else:
            weights = weights.T
        result[f"{block.name}.weights"] = weights
    return result
