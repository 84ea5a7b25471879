"""The process of one implementation in one case: waits on its standard input, and works when it is its turn.

    python -m peers.worker NAME THREADS

Messages are pickled: (verb, argument) comes in, (True, result) or (False, traceback) goes out. It ends with its input.
"""

from __future__ import annotations

import os
import pickle
import sys
import traceback

from .contestant import Contestant


def stay_on(cores: int) -> None:
    """As many cores as the case has threads, for everybody: JAX counts cores and has no other setting."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])


def main() -> None:
    name, threads = sys.argv[1:]
    stay_on(int(threads))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not come between the answers
    contestant = Contestant(name)
    while True:
        try:
            verb, arguments = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer = True, getattr(contestant, verb)(*arguments)
        except Exception:
            answer = False, traceback.format_exc()
        pickle.dump(answer, answers)
        answers.flush()


if __name__ == "__main__":
    main()
