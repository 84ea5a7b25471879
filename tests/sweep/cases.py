"""Sweeps of a net that learns the bars in moments, and their processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna

TIME_LIMIT = 120  # seconds after which a process of the command line ends itself, and with it those of its trials
PROGRAM = f"""
import runpy, signal, sys
sys.path.remove("")  # as for the script
signal.alarm({TIME_LIMIT})
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell has put the tests into the background
runpy.run_module("cnn", run_name="__main__")
"""

SPACE = """
[fixed]
data = "{data}"
net = "tutorial"
epochs = {epochs}

[space]
learning_rate = {{low = 1e-5, high = 0.01, log = true}}
batch_size = [10, 20, 40]
"""
LONG = 100_000  # epochs that no test waits for


def write_space(folder: Path, data: Path, epochs: int = 2) -> Path:
    """A file with two settings to choose."""
    path = folder / "space.toml"
    path.write_text(SPACE.format(data=data, epochs=epochs))
    return path


def started(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    """`cnn sweep` as a process of its own."""
    run = [sys.executable, "-u", "-c", PROGRAM, "sweep", *map(str, arguments)]
    return subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def children(pid: int) -> list[int]:
    """The processes of the trials that run."""
    found = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], check=True, capture_output=True, text=True).stdout
    pairs = (map(int, line.split()) for line in found.splitlines())
    return [child for child, parent in pairs if parent == pid and is_alive(child)]


def is_alive(pid: int) -> bool:
    """Whether a process is there, and no corpse."""
    found = subprocess.run(
        ["ps", "-ww", "-o", "stat=,args=", "-p", str(pid)], check=False, capture_output=True, text=True
    )
    return "cnn.sweep.worker" in found.stdout and not found.stdout.startswith("Z")


def wait_until(happened, seconds: float = 30):
    """What `happened` returns, once it is true."""
    end = time.monotonic() + seconds
    while not (result := happened()):
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.02)
    return result


def trials_of(study: Path) -> list[optuna.trial.FrozenTrial]:
    """All trials in a file."""
    storage = optuna.storages.RDBStorage(f"sqlite:///{study}")
    trials = optuna.load_study(study_name="cnn sweep", storage=storage).trials
    storage.engine.dispose()
    return trials


def outcomes(study: Path) -> list[tuple[dict[str, object], float | None, dict[int, float]]]:
    """Of all trials that have an outcome: parameters, value, and the figures of the epochs."""
    ended = [trial for trial in trials_of(study) if trial.state.name in ("COMPLETE", "PRUNED")]
    return [(trial.params, trial.value, trial.intermediate_values) for trial in ended]


def without_environment() -> dict[str, str]:
    """The environment without a number of threads."""
    return {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
