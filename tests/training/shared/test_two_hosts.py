"""Two hosts with TCP between them train as one does, and end together."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from . import mpi
from .hosts import two_hosts

CASES = ["two_conv", "normalised", "shards"]
STEPS, LEAST = 6, 55_000 * 4  # of two_conv, and of its gradients those bytes that leave one of two ranks in each


@pytest.fixture
def hosts(tmp_path):
    with two_hosts(tmp_path) as hosts:
        yield hosts


def test_two_hosts_train_to_the_bits_of_one_process(hosts):
    asked = {"dtypes": ["float32"], "threads": [1]}
    expected = mpi.result("fits.py", 1, json.dumps(asked | {"cases": CASES}))
    for ranks, cases in ((2, CASES), (3, CASES[1:])):
        before = hosts.sent()
        with mpi.started(hosts.command("fits.py", ranks, json.dumps(asked | {"cases": cases}))) as process:
            done = mpi.ended(process, time.monotonic(), limit=60)
        assert done.status == 0, done.output
        result = json.loads(done.output.splitlines()[-1])
        assert result == {name: expected[name] for name in result}
        assert len(result) == len(cases)
        assert hosts.sent() - before > (STEPS * LEAST if ranks == 2 else 0)


def test_a_rank_that_is_killed_on_one_host_ends_those_on_the_other(hosts, tmp_path):
    checkpoint = tmp_path / "checkpoint"
    with mpi.started(hosts.command("ends.py", 3, "goes on", checkpoint)) as process:
        assert process.stdout.readline() == "the second epoch\n"
        ranks = mpi.ranks_of(process.pid)
        assert len(ranks) == 3
        assert len({os.readlink(f"/proc/{pid}/ns/net") for pid in ranks}) == 2
        begin = time.monotonic()
        os.kill(ranks[-1], signal.SIGKILL)
        done = mpi.ended(process, begin)
    assert done.status != 0
    assert "9" in done.output
