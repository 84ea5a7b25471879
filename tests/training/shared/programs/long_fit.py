"""A fit with checkpoints, from the last one if there is one; at its end, what tells the net from others."""

from __future__ import annotations

import hashlib
import json
import os
import sys

from cases import images, normalised
from mpi4py import MPI

import cnn

checkpoint, epochs = sys.argv[1], int(sys.argv[2])
comm = MPI.COMM_WORLD
cnn.set_num_threads(1)
net = normalised("float32")
history = net.fit(
    *images(200),
    epochs=epochs,
    batch_size=32,
    seed=3,
    validation_data=images(30, 1),
    optimizer=cnn.SGD(cnn.schedules.Cosine(0.02), momentum=0.9),
    augment=cnn.Augment(shift=2),
    callbacks=[cnn.EarlyStopping(patience=1000), cnn.Checkpoint(checkpoint)],
    resume=checkpoint if os.path.exists(checkpoint) else None,
    progress=False,
    comm=comm,
)
told = [*(value.tobytes() for value in net.state().values()), str(history[:4]).encode()]
digests = comm.allgather(hashlib.sha256(b"".join(told)).hexdigest()[:16])
if comm.rank == 0:
    print(json.dumps(sorted(set(digests))))
