"""The entry point of the script `cnn`, by which Ctrl-C is one line while the command line is still being imported, too.

It is outside of the package `cnn`, because the import of that, with NumPy's in it, takes a tenth of a second.
"""

from __future__ import annotations

import os
import signal


def main() -> None:
    """Import the command line and run it; once a command has begun, it is told of Ctrl-C by KeyboardInterrupt."""
    if callable(signal.getsignal(signal.SIGINT)):  # and not ignored, as for a command in the background
        signal.signal(signal.SIGINT, _leave)
    from cnn.cli.app import main

    main()


def _leave(signum: int, frame: object) -> None:
    """End the process at once: nothing has begun, and an exception could come out of the midst of any import."""
    try:
        os.write(2, b"cnn: interrupted\n")
    finally:
        os._exit(130)
