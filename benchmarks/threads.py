"""Whole nets on one thread and on all: predictions and training steps.

python benchmarks/threads.py [--net two-conv] [--seconds 3]
"""

from __future__ import annotations

import argparse

import numpy as np
from rich.console import Console
from rich.table import Table
from timing import machine, medians

import cnn

NETS = {"tutorial": cnn.models.tutorial, "two-conv": cnn.models.two_conv, "lenet5": cnn.models.lenet5}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--net", choices=NETS, default="two-conv")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each line of the table")
    options = parser.parse_args()
    most = cnn.get_num_threads()
    rng = np.random.default_rng(0)
    net = NETS[options.net](seed=0)

    table = Table(title=f"{options.net}: us an image", caption=machine(), caption_justify="left")
    for name in ("", "batch", "1 thread", f"{most} threads", "ratio"):
        table.add_column(name, justify="right", no_wrap=True)
    for batch in (1, 32, 256):
        images = rng.integers(0, 256, (batch, 28, 28), dtype=np.uint8)
        labels = rng.integers(0, 10, batch)
        optimizer = cnn.SGD(1e-4)
        works = {
            "forward": lambda: net.predict_proba(images),  # noqa: B023 - called before the loop goes on
            "training step": lambda: net.train_on_batch(images, labels, optimizer),  # noqa: B023
        }
        for name, work in works.items():

            def on(threads: int, work=work):
                cnn.set_num_threads(threads)
                for _ in range(max(1, 64 // batch)):  # noqa: B023
                    work()

            times = medians({"one": lambda: on(1), "all": lambda: on(most)}, options.seconds)
            images_a_call = batch * max(1, 64 // batch)
            one, all_ = (times[key] / images_a_call * 1e6 for key in ("one", "all"))
            table.add_row(name, str(batch), f"{one:.2f}", f"{all_:.2f}", f"{one / all_:.2f}")
    cnn.set_num_threads(most)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
