"""Two hosts on this machine: namespaces with an own network, and nothing in common but the files; TCP joins them."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from . import mpi

ADDRESSES = "10.77.0.1", "10.77.0.2"
DEVICE = "line"  # on each host, the end of the line between them
# What is no part of the network: a name, shared memory, the numbers of processes, and what lies in /dev/shm.
OTHER_NAMESPACES = "unshare --uts --ipc --mount --pid --fork --kill-child"

# As ssh: [options] address command. It runs the command on the host of this address.
LAUNCHER = f"""
while [ "${{1#-}}" != "$1" ]; do shift; done
case $1 in
  {ADDRESSES[0]}) name=$one;;
  {ADDRESSES[1]}) name=$other;;
esac
shift
export UCX_TLS=tcp,self UCX_NET_DEVICES={DEVICE}
exec ip netns exec $name {OTHER_NAMESPACES} \\
  sh -c "hostname $name; mount -t tmpfs none /dev/shm; mount -t proc proc /proc; exec $*"
"""


class Hosts(NamedTuple):
    """Two hosts, the first of which has the launcher."""

    names: tuple[str, str]
    launcher: Path

    def command(self, program: str, ranks: int, *arguments: object) -> list[str]:
        """The command line of a program on both hosts, with half of the ranks each, or one more on the first."""
        options = ["-launcher", "ssh", "-launcher-exec", str(self.launcher), "-hosts", ",".join(ADDRESSES)]
        options += ["-ppn", str(-(-ranks // 2))]
        line = mpi.command(program, ranks, *arguments, options=options)
        return [str(self.launcher), ADDRESSES[0], *(f"'{part}'" for part in line)]

    def sent(self) -> int:
        """The bytes that have left the first host by the line between them."""
        return int(_done("ip", "netns", "exec", self.names[0], "cat", f"/sys/class/net/{DEVICE}/statistics/tx_bytes"))


def _done(*line: str) -> str:
    return subprocess.run(line, check=True, capture_output=True, text=True).stdout


@contextmanager
def two_hosts(folder: Path) -> Iterator[Hosts]:
    """Two hosts and a line between them, until the end of the block; the test is skipped where none can be made."""
    if "HYDRA" not in subprocess.run([mpi.mpiexec(), "--version"], capture_output=True, text=True).stdout:
        pytest.skip("mpiexec is not MPICH's, which can be given another program for ssh")
    if os.geteuid() != 0 or not all(map(shutil.which, ("ip", "unshare"))):
        pytest.skip("no root, or no ip or unshare: hosts cannot be made of namespaces")
    names = f"cnn-a-{os.getpid()}", f"cnn-b-{os.getpid()}"
    launcher = folder / "launcher"
    launcher.write_text(f"#!/bin/sh\none={names[0]} other={names[1]}\n{LAUNCHER}")
    launcher.chmod(0o755)
    try:
        try:
            _make(names)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"hosts cannot be made of namespaces here: {error.stderr}")
        yield Hosts(names, launcher)
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def _make(names: tuple[str, str]) -> None:
    for name in names:
        _done("ip", "netns", "add", name)
    one, other = names
    _done("ip", "link", "add", DEVICE, "netns", one, "type", "veth", "peer", "name", DEVICE, "netns", other)
    for name, address in zip(names, ADDRESSES, strict=True):
        _done("ip", "-n", name, "addr", "add", f"{address}/24", "dev", DEVICE)
        for device in (DEVICE, "lo"):
            _done("ip", "-n", name, "link", "set", device, "up")
    for _ in range(500):  # the line carries nothing at once
        if all(" state UP " in _done("ip", "-n", name, "link", "show", DEVICE) for name in names):
            break
        time.sleep(0.01)
