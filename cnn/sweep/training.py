"""From settings to a net and its fit, in a trial's process and for the best trial once more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .nets import builder_for, built
from .settings import fit_arguments

if TYPE_CHECKING:
    from ..nets.sequential import Sequential


class Training(NamedTuple):
    """What all trainings of a sweep have in common beside the images; JSON has all of it."""

    folder: str  # where files of nets are
    input_shape: tuple[int, ...]
    classes: int
    seed: int

    def net(self, settings: Mapping[str, Any]) -> Sequential:
        """A new net; TypeError and ValueError as for `builder_for` and `built`, and what the net's function raises."""
        return built(builder_for(settings, Path(self.folder)), settings, self.given())

    def given(self) -> dict[str, Any]:
        """What the function of a net takes beside its settings."""
        return {"seed": self.seed, "input_shape": tuple(self.input_shape), "classes": self.classes}

    def fit_arguments(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """What `Sequential.fit` takes beside images and labels; TypeError and ValueError as for `fit_arguments`."""
        return fit_arguments(settings, self.seed)

    def rehearse(self, examples: Iterable[Mapping[str, Any]]) -> None:
        """Make the net and the arguments of the fit for each of these settings; ValueError where that fails."""
        for settings in examples:
            try:
                self.net(settings)
                self.fit_arguments(settings)
            except Exception as error:  # of the user's functions, too
                told = ", ".join(f"{name} = {value!r}" for name, value in settings.items())
                raise ValueError(f"no net can be trained with {told}: {error}") from error
