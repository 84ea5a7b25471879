"""What a fit shows while it runs: a bar in a terminal, one line an epoch in a log file, or nothing.

`step` is called once a batch, which may take ten microseconds, so it mostly does no more than read the clock.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress

# Drawing takes milliseconds from a core that should be training; four times a second is enough to follow.
SECONDS_BETWEEN_DRAWINGS = 0.25


class Report(Protocol):
    """What `reporter` yields. A fit calls its methods in the order in which they stand here."""

    def epoch_begin(self, epoch: int) -> None:
        """Begin an epoch, counted from 1."""

    def step(self, images_seen: int, loss: float, accuracy: float) -> None:
        """Show the means over the first `images_seen` images of the epoch."""

    def epoch_end(self, logs: Mapping[str, float]) -> None:
        """Show an epoch's loss, accuracy, seconds, images_per_second, and val_loss, val_accuracy if any."""


@contextmanager
def reporter(mode: Literal["auto"] | bool, epochs: int, images_per_epoch: int) -> Iterator[Report]:
    """Yield the report of a fit, and leave the terminal as it was however the fit ends.

    Parameters
    ----------
    mode : "auto", True or False
        "auto" and True show a bar if the standard output is a terminal and otherwise one line an epoch; False
        shows nothing.
    epochs, images_per_epoch : int
        Length of the fit.

    Raises
    ------
    ValueError
        If the mode is none of these.
    """
    if mode not in ("auto", True, False):
        raise ValueError(f'progress must be "auto", True or False, got {mode!r}')
    if not mode:
        yield Silence()
    elif not _in_a_terminal():
        yield Lines(epochs)
    else:
        from rich.progress import BarColumn, Progress, TextColumn

        columns = TextColumn("{task.description}"), BarColumn(20), TextColumn("{task.fields[figures]}")
        # No refresh thread: it would wake up ten times a second among the threads that compute.
        with Progress(*columns, auto_refresh=False, transient=True) as progress:
            yield Bar(progress, epochs, images_per_epoch)


def _in_a_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def epoch_line(epoch: int, epochs: int, logs: Mapping[str, float]) -> str:
    """Return an epoch's figures as one line, the same in a terminal and in a log file."""
    figures = [f"epoch {epoch:{len(str(epochs))}}/{epochs}"]
    figures += [f"loss {logs['loss']:.4f}", f"accuracy {logs['accuracy']:.2%}"]
    if "val_loss" in logs:
        figures += [f"val_loss {logs['val_loss']:.4f}", f"val_accuracy {logs['val_accuracy']:.2%}"]
    figures += [f"{logs['seconds']:.1f} s", f"{logs['images_per_second']:,.0f} images/s"]
    return "  ".join(figures)


class Silence:
    """Shows nothing."""

    def epoch_begin(self, epoch: int) -> None:
        pass

    def step(self, images_seen: int, loss: float, accuracy: float) -> None:
        pass

    def epoch_end(self, logs: Mapping[str, float]) -> None:
        pass


class Lines(Silence):
    """Prints one line at the end of each epoch."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def epoch_begin(self, epoch: int) -> None:
        self.epoch = epoch

    def epoch_end(self, logs: Mapping[str, float]) -> None:
        print(epoch_line(self.epoch, self.epochs, logs), flush=True)


class Bar:
    """Draws a bar that fills once an epoch, and prints a line above it at the end of each."""

    def __init__(self, progress: Progress, epochs: int, images_per_epoch: int) -> None:
        self.progress = progress
        self.epochs = epochs
        self.images_per_epoch = images_per_epoch
        self.task = progress.add_task("", total=images_per_epoch, figures="")

    def epoch_begin(self, epoch: int) -> None:
        self.epoch = epoch
        self.began = perf_counter()
        self.next_drawing = self.began + SECONDS_BETWEEN_DRAWINGS
        self._draw(0, "")

    def step(self, images_seen: int, loss: float, accuracy: float) -> None:
        now = perf_counter()
        if now < self.next_drawing:
            return
        rate = images_seen / (now - self.began)
        left = (self.images_per_epoch * (self.epochs - self.epoch + 1) - images_seen) / rate
        figures = f"loss {loss:.4f}  accuracy {accuracy:.2%}  {rate:,.0f} images/s  {_clock(left)} left"
        self._draw(images_seen, figures)
        self.next_drawing = perf_counter() + SECONDS_BETWEEN_DRAWINGS

    def epoch_end(self, logs: Mapping[str, float]) -> None:
        line = epoch_line(self.epoch, self.epochs, logs)
        self.progress.console.print(line, highlight=False, soft_wrap=True)

    def _draw(self, images_seen: int, figures: str) -> None:
        description = f"epoch {self.epoch:{len(str(self.epochs))}}/{self.epochs}"
        self.progress.update(self.task, description=description, completed=images_seen, figures=figures)
        self.progress.refresh()


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
