"""Fits of cases.py on the ranks of mpiexec; JSON of what tells each net from others, by case and threads."""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from cases import CASES, Case
from mpi4py import MPI

import cnn
import cnn.datasets
from cnn.backends import subtree_sums

COMM = MPI.COMM_WORLD


def files(x: np.ndarray, y: np.ndarray) -> list[Path]:
    """IDX files, by the root, that all ranks may read."""
    folder = Path(COMM.bcast(tempfile.mkdtemp() if COMM.rank == 0 else None))
    paths = [folder / "images", folder / "labels"]
    if COMM.rank == 0:
        for path, array in zip(paths, (x, y.astype(np.uint8)), strict=True):
            cnn.datasets.save_idx(path, array)
    COMM.Barrier()
    return paths


def fitted(case: Case, dtype: str, comm: Any) -> tuple[str, np.ndarray]:
    """What tells the fit from others, and all parameters."""
    net, (x, y), arguments = case.net(dtype), case.data(), case.arguments()
    if comm is None or not case.shards:
        history = net.fit(x, y, comm=comm, **arguments)
    else:
        part = cnn.datasets.shard(*(files(x, y) if case.shards == "file" else (x, y)), comm)
        history = net.fit(part, comm=comm, **arguments)
    values = list(net.state().values())
    optimizer = arguments["optimizer"]
    kept = optimizer.arrays(net.executor.learned.parameters)
    told = [str((history[:4], optimizer)), *(value.tobytes() for value in (*values, *kept))]
    digest = hashlib.sha256(b"".join(part.encode() if isinstance(part, str) else part for part in told))
    return digest.hexdigest()[:12], np.concatenate([value.ravel() for value in values], dtype=np.float64)


def main() -> None:
    asked = json.loads(sys.argv[1])
    warnings.simplefilter("ignore", RuntimeWarning)  # of losses that do not fall
    if asked.get("messages"):
        subtree_sums.common_memory = lambda ranks, size: None
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
