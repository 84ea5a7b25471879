"""Standard streams of which no command's work depends.

Who reads them may leave, the disk below them may be full, or they were closed from the start: what is printed then goes
nowhere, and the command does what it was asked for. A reader that leaves is no error; a full disk is told at the end.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import IO, Any


@contextmanager
def lasting_streams() -> Iterator[None]:
    """Let the standard output and error last for a program, which ends with SystemExit.

    Raises
    ------
    SystemExit
        That of the program; with 1 in place of 0 where some of its output was lost, but not to a reader that left.
    """
    (output, descriptor), (errors, _) = _lasting("stdout"), _lasting("stderr")
    with redirect_stdout(output), redirect_stderr(errors):
        try:
            yield
        except SystemExit as exit:
            output.flush()
            lost = None if descriptor is None else descriptor.lost
            if exit.code or lost is None or isinstance(lost, BrokenPipeError):
                raise
            print(f"cnn: the standard output cannot be written: {lost.strerror}", file=sys.stderr, flush=True)
            raise SystemExit(1) from None


class Descriptor(io.FileIO):
    """A file that takes whatever is written to it: from the first error on, which is kept, it leads nowhere."""

    lost: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            self.lost = error
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return super().write(data)


def _lasting(name: str) -> tuple[IO[str], Descriptor | None]:
    """The stream of that name as one that lasts, and its descriptor."""
    stream = getattr(sys, name)
    if stream is None:  # closed before Python began
        return open(os.devnull, "w"), None
    if stream is not getattr(sys, f"__{name}__"):  # a program has put one of its own there
        return stream, None
    descriptor = Descriptor(stream.fileno(), "w", closefd=False)
    by_line = stream.line_buffering or stream.write_through  # a terminal, the standard error; under `python -u`
    writer = io.BufferedWriter(descriptor)
    return io.TextIOWrapper(writer, stream.encoding, stream.errors, line_buffering=by_line), descriptor
