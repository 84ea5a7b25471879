"""`Tensor` and `Step`: what a graph of another program has computed so far, and by which layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...layers.base import Layer

Learned = list[tuple[Layer, dict[str, np.ndarray]]]  # parameters and statistics, of each layer that has any
# Parts of layers.
ERF = "the error function"
LARGE = "a comparison"  # of x with a number above which a Softplus is x
SOFTMAX = "a softmax"
CHANNELS_FIRST, CHANNELS_LAST = (2, 0, 1), (0, 1, 2)  # of the axes of maps (h, w, c)


class Step:
    """One layer and the steps below it, or a part of one that is still to come.

    Steps are never changed, so that several may stand on one: the branches of a residual block.

    Attributes
    ----------
    below : Step or None
        None for the graph's input.
    layer : Layer or None
        None for a part: zeros around a map, which are the padding of a convolution; the error function of a GELU; the
        softmax at the end.
    learned : list of (layer, dict of str to array)
    place : str
        Where it stands in the graph, for errors.
    detail : anything
        Of a part, what it is; of a layer, what may yet be merged with it.
    """

    def __init__(
        self, below: Step | None, layer: Layer | None, place: str, learned: Learned | None = None, detail: Any = None
    ) -> None:
        self.below, self.layer, self.place, self.detail = below, layer, place, detail
        self.learned: Learned = learned or []
        self.depth: int = 0 if below is None else below.depth + 1


class Tensor(NamedTuple):
    """One of a graph's tensors, without its batch axis.

    Attributes
    ----------
    step : Step
        That gave it.
    shape : tuple of int
        As a net here has it: (h, w, c) of maps.
    axes : tuple of int
        Which axis of `shape` each of the tensor's is: (2, 0, 1) where channels come first.
    order : array or None
        Of a row, which number of the net's row each is; None where all are in their places.
    place : str
        Of the node that is being read.
    """

    step: Step
    shape: tuple[int, ...]
    axes: tuple[int, ...]
    order: np.ndarray | None = None
    place: str = ""

    @property
    def sizes(self) -> tuple[int, ...]:
        """The tensor's own."""
        return tuple(self.shape[axis] for axis in self.axes)

    def then(self, layer: Layer, learned: dict[str, np.ndarray] | None = None, detail: Any = None) -> Tensor:
        """What the layer gives of it, which has to keep the axes; ValueError where only a part stands below."""
        if self.step.layer is None and self.step.below is not None and self.step.detail != ERF:
            raise incomplete(self.step)
        shape = layer.infer_output_shape(self.shape)
        given: Learned = [(layer, learned)] if learned else []
        return self._replace(step=Step(self.step, layer, self.place, given, detail), shape=shape)

    def part(self, detail: Any) -> Tensor:
        """With a part of a layer after it."""
        return self._replace(step=Step(self.step, None, self.place, detail=detail))

    def instead(self, layer: Layer, learned: dict[str, np.ndarray] | None = None, detail: Any = None) -> Tensor:
        """As if this layer had been in place of the last one, whose outputs have the same shape."""
        given: Learned = [(layer, learned)] if learned else []
        return self._replace(step=Step(self.step.below, layer, self.step.place, given, detail))


def steps_between(lowest: Step, highest: Step) -> list[Step] | None:
    """Those above `lowest` up to `highest`, in this order; None where `highest` does not stand on `lowest`."""
    found, step = [], highest
    while step is not lowest:
        if step.below is None or step.depth <= lowest.depth:
            return None
        found.append(step)
        step = step.below
    return found[::-1]


def common_step(a: Step, b: Step) -> Step:
    """The highest one on which both stand."""
    while a is not b:
        if a.depth >= b.depth and a.below is not None:
            a = a.below
        elif b.below is not None:
            b = b.below
        else:
            raise ValueError("its inputs have nothing in common")
    return a


def layers_of(steps: Sequence[Step]) -> tuple[list[Layer], Learned]:
    """The layers of steps and what they have learned; ValueError for a part of a layer that never came."""
    layers: list[Layer] = []
    learned: Learned = []
    for step in steps:
        if step.layer is None:
            raise incomplete(step)
        layers.append(step.layer)
        learned += step.learned
    return layers, learned


def incomplete(step: Step) -> ValueError:
    """The error for a part of a layer that is followed by something else."""
    return ValueError(f"{step.place}: {step.detail} is not followed by what a layer here would be made of")
