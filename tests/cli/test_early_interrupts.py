"""Ctrl-C while a command is still being imported, and up to its first epochs."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

TIME_LIMIT = 60  # seconds, that only a hang reaches

COMMAND = """
import signal
signal.signal(signal.SIGINT, {handler})
import sys
from cnn_command import main
print("begun", flush=True)
sys.argv = ["cnn", "train", "--quiet", "--epochs", "1000", "--data", "strokes"]
main()
"""


def interrupted(after: float, handler: str = "signal.default_int_handler") -> subprocess.Popen[str]:
    """The command, which has been sent SIGINT so many seconds after Python gave it the word."""
    child = subprocess.Popen(
        [sys.executable, "-c", COMMAND.format(handler=handler)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stdout.readline() == "begun\n"
    time.sleep(after)
    child.send_signal(signal.SIGINT)
    return child


@pytest.mark.parametrize("after", [0.002, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4])
def test_an_interrupt_at_any_moment_is_one_line_and_returns_130(after):
    with interrupted(after) as child:
        out, err = child.communicate(timeout=TIME_LIMIT)
    assert (child.returncode, out, err) == (130, "", "cnn: interrupted\n")


def test_a_command_that_ignores_interrupts_goes_on_doing_so():
    """As in the background of a shell, whose foreground is interrupted."""
    with interrupted(0.02, handler="signal.SIG_IGN") as child:
        with pytest.raises(subprocess.TimeoutExpired):
            child.communicate(timeout=1)
        child.kill()
        child.communicate()
