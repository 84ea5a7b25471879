"""What a fit shows while it runs: a bar in a terminal or a notebook, one line an epoch in a log file, or nothing.

`step` is called once a batch, which may take ten microseconds, so it mostly does no more than read the clock.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from rich.progress import BarColumn, Progress

# Drawing takes milliseconds from a core that should be training; four times a second is enough to follow.
SECONDS_BETWEEN_DRAWINGS = 0.25
BAR, SHORT_BAR = 20, 6  # characters


class Display(Protocol):
    """What `open_display` yields. A fit calls its methods in the order in which they stand here."""

    def epoch_begin(self, epoch: int) -> None:
        """Begin an epoch, counted from 1."""

    def step(self, images_seen: int, loss: float, accuracy: float | None) -> None:
        """Show the means over the first `images_seen` images of the epoch; no accuracy where that has no meaning."""

    def epoch_end(self, logs: Mapping[str, float]) -> None:
        """Show an epoch's loss, seconds, images_per_second, and accuracy, val_loss, val_accuracy if any."""


@contextmanager
def open_display(mode: Literal["auto"] | bool, epochs: int, images_per_epoch: int | None) -> Iterator[Display]:
    """Yield the display of a fit's progress, and leave the terminal as it was however the fit ends.

    Parameters
    ----------
    mode : "auto", True or False
        "auto" and True show a bar if the standard output is a terminal or a notebook's, and otherwise one line an
        epoch; False shows nothing.
    epochs, images_per_epoch : int
        Length of the fit; the images of an epoch may be None, and are known once the first one is over.

    Raises
    ------
    ValueError
        If the mode is none of these.
    """
    if mode not in ("auto", True, False):
        raise ValueError(f'progress must be "auto", True or False, got {mode!r}')
    if not mode:
        yield Silence()
    elif _in_a_notebook():
        yield Cell(epochs, images_per_epoch)
    elif not _in_a_terminal():
        yield Lines(epochs)
    else:
        from rich.progress import BarColumn, Progress, TextColumn

        bar = BarColumn(BAR)
        columns = TextColumn("{task.description}"), bar, TextColumn("{task.fields[figures]}")
        # No refresh thread: it would wake up ten times a second among the threads that compute.
        with Progress(*columns, auto_refresh=False, transient=True) as progress:
            yield Bar(progress, bar, epochs, images_per_epoch)


def _in_a_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def _in_a_notebook() -> bool:
    ipython = sys.modules.get("IPython")  # imported already where it runs us
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


def epoch_line(epoch: int, epochs: int, logs: Mapping[str, float]) -> str:
    """Return an epoch's figures as one line, the same in a terminal and in a log file."""
    figures = [f"epoch {epoch:{len(str(epochs))}}/{epochs}"]
    formats = {"loss": ".4f", "accuracy": ".2%", "val_loss": ".4f", "val_accuracy": ".2%"}
    figures += [f"{name} {logs[name]:{form}}" for name, form in formats.items() if name in logs]
    figures += [f"{logs['seconds']:.1f} s", f"{logs['images_per_second']:,.0f} images/s"]
    return "  ".join(figures)


class Silence:
    """Shows nothing."""

    def epoch_begin(self, epoch: int) -> None:
        pass

    def step(self, images_seen: int, loss: float, accuracy: float | None) -> None:
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


class Live(Silence):
    """What a bar shows, a few times a second: how far the epoch is, its figures, and the time left of the fit."""

    def __init__(self, epochs: int, images_per_epoch: int | None) -> None:
        self.epochs = epochs
        self.images_per_epoch = images_per_epoch
        self.is_counting = images_per_epoch is None  # the images of each epoch, of which the next may have as many
        self.images_seen = 0
        self.epoch, self.last_step = 0, 0.0
        self.between = 0.0  # seconds from the last step of an epoch to the next epoch: validation, callbacks

    def epoch_begin(self, epoch: int) -> None:
        self.began = perf_counter()
        if self.epoch:
            self.between += self.began - self.last_step
        self.epoch = epoch
        self.next_drawing = self.began + SECONDS_BETWEEN_DRAWINGS
        self.draw(0, ())

    def step(self, images_seen: int, loss: float, accuracy: float | None) -> None:
        self.last_step = now = perf_counter()
        self.images_seen = images_seen
        if now < self.next_drawing:
            return
        rate = images_seen / (now - self.began)
        figures = [f"loss {loss:.4f}"] + ([] if accuracy is None else [f"accuracy {accuracy:.2%}"])
        if self.images_per_epoch is None:
            figures.append(f"{images_seen:,} images")
        figures.append(f"{rate:,.0f} images/s")
        if self.images_per_epoch is not None:
            epochs_left = self.epochs - self.epoch + 1
            left = max(0.0, (self.images_per_epoch * epochs_left - images_seen) / rate)
            left += epochs_left * self.between / max(1, self.epoch - 1)
            figures.append(f"{clock_text(left)} left")
        self.draw(images_seen, figures)
        self.next_drawing = perf_counter() + SECONDS_BETWEEN_DRAWINGS

    def epoch_end(self, logs: Mapping[str, float]) -> None:
        if self.is_counting:
            self.images_per_epoch = self.images_seen

    def title(self) -> str:
        return f"epoch {self.epoch:{len(str(self.epochs))}}/{self.epochs}"

    def draw(self, images_seen: int, figures: Sequence[str]) -> None:
        """Show how far the epoch is, and its figures, of which the last matters most, and the one before it least."""
        raise NotImplementedError


class Bar(Live):
    """Draws a bar that fills once an epoch, and prints a line above it at the end of each.

    Where the terminal is narrow, the bar becomes shorter; where it is narrower still, figures are left out.
    """

    def __init__(self, progress: Progress, bar: BarColumn, epochs: int, images_per_epoch: int | None) -> None:
        super().__init__(epochs, images_per_epoch)
        self.progress, self.bar = progress, bar
        self.task = progress.add_task("", total=images_per_epoch, figures="")

    def epoch_end(self, logs: Mapping[str, float]) -> None:
        super().epoch_end(logs)
        line = epoch_line(self.epoch, self.epochs, logs)
        self.progress.console.print(line, highlight=False, soft_wrap=True)

    def draw(self, images_seen: int, figures: Sequence[str]) -> None:
        room = self.progress.console.width - len(self.title()) - len(" ") - len(" ")
        shown = list(figures)
        while len(shown) > 1 and SHORT_BAR + len("  ".join(shown)) > room:
            del shown[-2]
        text = "  ".join(shown)
        self.bar.bar_width = max(1, min(BAR, room - len(text)))
        total, title = self.images_per_epoch, self.title()
        self.progress.update(self.task, description=title, total=total, completed=images_seen, figures=text)
        self.progress.refresh()


class Cell(Live):
    """The same in a notebook: one display of plain text, changed in place, which needs no widgets."""

    def __init__(self, epochs: int, images_per_epoch: int | None) -> None:
        super().__init__(epochs, images_per_epoch)
        self.lines: list[str] = []
        self.handle: Any = None

    def epoch_end(self, logs: Mapping[str, float]) -> None:
        super().epoch_end(logs)
        self.lines.append(epoch_line(self.epoch, self.epochs, logs))
        self._show(self.lines)

    def draw(self, images_seen: int, figures: Sequence[str]) -> None:
        filled = min(BAR, BAR * images_seen // self.images_per_epoch) if self.images_per_epoch else 0
        self._show([*self.lines, f"{self.title()} {'█' * filled}{'░' * (BAR - filled)} {'  '.join(figures)}"])

    def _show(self, lines: list[str]) -> None:
        from IPython.display import display

        text = {"text/plain": "\n".join(lines)}
        if self.handle is None:
            self.handle = display(text, raw=True, display_id=True)
        else:
            self.handle.update(text, raw=True)


def clock_text(seconds: float) -> str:
    """Seconds as minutes and seconds, or as hours, minutes and seconds."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
