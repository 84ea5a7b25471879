"""What is right in a case: the NumPy reference's numbers, against which everybody is checked before the clock runs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .case import Arrays, Case, Implementation

STEPS = 3  # of training that are compared

# How far off a state may be, as a part of what the steps have changed. Below a BatchNorm float32 was off by up to 15 %
# of a tensor's largest change, and by 8.5e-4 of a later loss, where PyTorch's float64 agreed with the reference:
# probably because rounding decides a ReLU or a pooling otherwise, which then passes another gradient.
ROUNDING, ROUNDING_NORMALISED = 1e-3, 0.2
LOSS, LATER_LOSS_NORMALISED = 1e-5, 1e-3


class Evidence(NamedTuple):
    """What an implementation computes from the case's state and first batches, with no value dropped.

    Attributes
    ----------
    ties : str
        As in `Implementation`.
    probabilities : array (batch, 10), or None in training
    losses : list of float
        Of the first steps, each before its update; empty in inference.
    state : dict of str to array
        After these steps; empty in inference.
    loss_with_dropout : float or None
        Of the first step of the case with its dropout; None where it has none.
    """

    ties: str
    probabilities: np.ndarray | None
    losses: list[float]
    state: Arrays
    loss_with_dropout: float | None = None


class Wrong(Exception):
    """An implementation computes something else."""


def evidence(way: Implementation) -> Evidence:
    """Let an implementation that has not run before make its first steps, or predict its first batch."""
    if way.case.mode == "inference":
        return Evidence(way.ties, way.predict(1), [], {})
    losses = [way.train(1) for _ in range(STEPS)]
    return Evidence(way.ties, None, losses, {name: value.copy() for name, value in way.state().items()})


class Judge:
    """Compares with the reference, which is run once for each rule for ties."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.right: dict[str, Evidence] = {}

    def verify_all(self, ways: dict[str, Evidence]) -> None:
        """Raise `Wrong` for the first way that is."""
        for name, found in ways.items():
            try:
                self.verify(found)
            except Wrong as wrong:
                raise Wrong(f"{name}: {wrong}") from None

    def verify(self, found: Evidence) -> None:
        """Raise `Wrong` where the evidence is not what the reference computes, but for rounding."""
        right = self.reference(found.ties)
        if found.probabilities is not None:
            _compare("probabilities", found.probabilities, right.probabilities, 1e-5)
        for step, (loss, right_loss) in enumerate(zip(found.losses, right.losses, strict=True)):
            tolerance = LATER_LOSS_NORMALISED if step and self.case.normalises else LOSS
            _compare(f"loss {step + 1}", np.array(loss), np.array(right_loss), tolerance * max(1, right_loss))
        part = ROUNDING_NORMALISED if self.case.normalises else ROUNDING
        for name, value in right.state.items():
            change = np.abs(value - self.case.state[name]).max()
            tolerance = part * change + 4 * np.finfo(value.dtype).eps * np.abs(value).max()  # the last bits of the sum
            _compare(name, found.state[name], value, tolerance)
        if found.losses[:1] == [found.loss_with_dropout]:
            raise Wrong("its loss with dropout is that without: nothing is dropped")

    def reference(self, ties: str) -> Evidence:
        if ties not in self.right:
            from .package import Reference  # here, because this module is the workers', too

            self.right[ties] = evidence(Reference(self.case.without_dropout(), ties))
        return self.right[ties]


def _compare(what: str, value: np.ndarray, right: np.ndarray, tolerance: float) -> None:
    if value.shape != right.shape:
        raise Wrong(f"{what} of shape {value.shape}, not {right.shape}")
    difference = np.abs(value - right).max(initial=0)
    if not difference <= tolerance:
        raise Wrong(f"{what} are off by {difference:.2g}, {tolerance:.2g} allowed")
