"""What programs in processes of their own are given: a time limit that only a hang reaches, and an environment.

The process keeps the limit itself, too: whoever ends the tests leaves none that computes on.
"""

from __future__ import annotations

import os

import pytest

import cnn_c

TIME_LIMIT = 60  # seconds; each program takes one or two
ALARM = f"import signal; hasattr(signal, 'alarm') and signal.alarm({TIME_LIMIT})"

OPENMP = pytest.mark.skipif(not cnn_c.KERNELS["f"].openmp, reason="this build has no OpenMP, hence one thread")


def environment(**changes: str | None) -> dict[str, str]:
    """Ours without what sets threads and level, and then `changes`; None takes a variable away."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_", "CNN_C_LEVEL"))}
    return {key: value for key, value in (ours | changes).items() if value is not None}


PREDICTION = """
    import cnn, cnn_c, numpy as np
    net = cnn.models.two_conv(seed=0)
    x = np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8)
    y = np.arange(20) % 10
    net.fit(x, y, epochs=2, seed=0, progress=False)
    print(cnn_c.LEVEL, cnn.get_num_threads(), net.evaluate(x, y).loss.hex())
"""
