"""Fits of cases.py on the ranks of mpiexec; JSON of what tells each net from others, by case and threads."""

from __future__ import annotations

import hashlib
import json
import sys
import warnings
from typing import Any

import numpy as np
from cases import CASES, Case
from mpi4py import MPI

import cnn
import cnn.datasets

COMM = MPI.COMM_WORLD


def fitted(case: Case, dtype: str, comm: Any) -> tuple[str, np.ndarray]:
    """What tells the fit from others, and all parameters."""
    net, (x, y), arguments = case.net(dtype), case.data(), case.arguments()
    data = (cnn.datasets.shard(x, y, comm),) if case.is_shard and comm is not None else (x, y)
    history = net.fit(*data, comm=comm, **arguments)
    values = list(net.state().values())
    optimizer = arguments["optimizer"]
    kept = optimizer.arrays(net.executor.learned.parameters)
    told = [str((history[:4], optimizer)), *(value.tobytes() for value in (*values, *kept))]
    digest = hashlib.sha256(b"".join(part.encode() if isinstance(part, str) else part for part in told))
    return digest.hexdigest()[:12], np.concatenate([value.ravel() for value in values], dtype=np.float64)


def main() -> None:
    asked = json.loads(sys.argv[1])
    warnings.simplefilter("ignore", RuntimeWarning)  # of losses that do not fall
    result: dict[str, Any] = {}
    for name in asked["cases"]:
        for dtype in asked["dtypes"]:
            for threads in asked["threads"]:
                cnn.set_num_threads(threads, fixed=True)
                digest, values = fitted(CASES[name], dtype, COMM)
                digests = sorted(set(COMM.allgather(digest)))
                result.setdefault(f"{name} {dtype}", []).append(" ".join(digests))
            if asked.get("plain"):
                alone = fitted(CASES[name], dtype, None)[1]
                result[f"{name} {dtype}"].append(float(np.abs(values - alone).max() / np.abs(alone).max()))
    if COMM.rank == 0:
        print(json.dumps(result))


main()
