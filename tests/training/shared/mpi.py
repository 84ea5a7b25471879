"""Programs on the ranks of the environment's mpiexec, each with a time limit."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

PROGRAMS = Path(__file__).with_name("programs")
TIME_LIMIT = 30.0  # seconds in which all ranks must have ended when one has failed
# More ranks than processors, and by root, which Open MPI refuses unless told.
ENVIRONMENT = {
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMP_WAIT_POLICY": "passive",
}


class Run(NamedTuple):
    """What has become of a program."""

    status: int
    output: str  # of all ranks, both streams
    seconds: float


def mpiexec() -> str:
    """The command; the test is skipped where there is none, or no mpi4py."""
    pytest.importorskip("mpi4py", reason="mpi4py is not installed")
    beside = Path(sys.executable).with_name("mpiexec")
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    if found is None:
        pytest.skip("no mpiexec beside Python or on the path")
    return found


def command(program: str, ranks: int, *arguments: Any, options: Sequence[str] = (), python: Sequence[str] = ()) -> Any:
    """The command line; `python` are Python's own options, -m mpi4py unless others are given."""
    script = [sys.executable, *(python or ("-m", "mpi4py")), str(PROGRAMS / program)]
    return [mpiexec(), *options, "-n", str(ranks), *script, *map(str, arguments)]


@contextlib.contextmanager
def started(line: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """A process with all that it starts, which are ended at the latest with the block."""
    process = subprocess.Popen(
        line,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        env=os.environ | ENVIRONMENT,
    )
    try:
        yield process
    finally:
        for pid in [*descendants(process.pid), process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.communicate()


def run(program: str, ranks: int, *arguments: Any, limit: float = TIME_LIMIT, **options: Any) -> Run:
    """Run a program to its end, of its own or by an error; the test fails where it takes longer than the limit."""
    begin = time.monotonic()
    with started(command(program, ranks, *arguments, **options)) as process:
        return ended(process, begin, limit)


def ended(process: subprocess.Popen[str], begin: float, limit: float = TIME_LIMIT) -> Run:
    """How a process has ended, at most so many seconds from now."""
    try:
        output, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired as error:
        pytest.fail(f"{process.args} has not ended within {limit:g} s: {(error.output or b'')[-3000:]!r}")
    return Run(process.returncode, output, time.monotonic() - begin)


def result(program: str, ranks: int, *arguments: Any, **options: Any) -> Any:
    """The last line that a program has printed, which is JSON."""
    done = run(program, ranks, *arguments, **options)
    assert done.status == 0, done.output
    return json.loads(done.output.splitlines()[-1])


def descendants(pid: int) -> list[int]:
    """All processes that this one has started, and those that these have."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [each for child in map(int, children) for each in [child, *descendants(child)]]


def ranks_of(pid: int) -> list[int]:
    """The processes that mpiexec has started on this machine which run Python."""
    return [each for each in descendants(pid) if _runs_python(each)]


def _runs_python(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/exe").resolve() == Path(sys.executable).resolve()
    except OSError:
        return False
