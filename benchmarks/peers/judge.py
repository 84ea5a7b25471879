"""What is right in a case: the NumPy reference's numbers, against which everybody is checked before the clock runs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .case import Case, Implementation, Parameters

STEPS = 3  # of training that are compared


class Evidence(NamedTuple):
    """What an implementation computes from the case's parameters and first batches.

    Attributes
    ----------
    ties : str
        As in `Implementation`.
    probabilities : array (batch, 10), or None in training
    losses : list of float
        Of the first steps, each before its update; empty in inference.
    parameters : dict of str to array
        After these steps; empty in inference.
    """

    ties: str
    probabilities: np.ndarray | None
    losses: list[float]
    parameters: Parameters


class Wrong(Exception):
    """An implementation computes something else."""


def evidence(way: Implementation) -> Evidence:
    """Let an implementation that has not run before make its first steps, or predict its first batch."""
    if way.case.mode == "inference":
        return Evidence(way.ties, way.predict(1), [], {})
    losses = [way.train(1) for _ in range(STEPS)]
    return Evidence(way.ties, None, losses, {name: value.copy() for name, value in way.parameters().items()})


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
        _compare("losses", np.array(found.losses), np.array(right.losses), 1e-5 * max([1, *right.losses]))
        for name, value in right.parameters.items():
            # Rounding is relative to what the steps have changed, and to the last bits of what that was added to.
            change = np.abs(value - self.case.parameters[name]).max()
            tolerance = 1e-3 * change + 4 * np.finfo(value.dtype).eps * np.abs(value).max()
            _compare(name, found.parameters[name], value, tolerance)

    def reference(self, ties: str) -> Evidence:
        if ties not in self.right:
            from .package import Reference  # here, because this module is the workers', too

            self.right[ties] = evidence(Reference(self.case, ties))
        return self.right[ties]


def _compare(what: str, value: np.ndarray, right: np.ndarray, tolerance: float) -> None:
    if value.shape != right.shape:
        raise Wrong(f"{what} of shape {value.shape}, not {right.shape}")
    difference = np.abs(value - right).max(initial=0)
    if not difference <= tolerance:
        raise Wrong(f"{what} are off by {difference:.2g}, {tolerance:.2g} allowed")
