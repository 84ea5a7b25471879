"""A worker seen from outside: starts it, asks it, ends it."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

from .registry import ENTRIES


class Failure(Exception):
    """An implementation cannot be timed, and why."""


class Worker:
    """The process of one implementation in one case; see `worker.py` for what it understands."""

    def __init__(self, name: str, threads: int) -> None:
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.worker", name, str(threads)],
            cwd=Path(__file__).parent.parent,
            env={**os.environ, "OMP_NUM_THREADS": str(threads), **ENTRIES[name].environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def tell(self, verb: str, *arguments) -> None:
        try:
            pickle.dump((verb, arguments), self.process.stdin)
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Failure(f"its process ended with {self.process.wait()}") from None

    def answer(self):
        try:
            good, answer = pickle.load(self.process.stdout)
        except EOFError:
            raise Failure(f"its process ended with {self.process.wait()}") from None
        if not good:
            raise Failure(answer)
        return answer

    def ask(self, verb: str, *arguments):
        self.tell(verb, *arguments)
        return self.answer()

    def stop(self) -> None:
        """Close its input, after which it ends by itself: a compiler has processes of its own to end."""
        try:
            self.process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
