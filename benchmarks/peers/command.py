"""The command line of both modes, the tables and the file of results."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from itertools import product
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from timing import machine

import cnn_c
from cnn.backends.config import processor
from cnn.datasets import load_mnist

from .contest import Result, contest
from .nets import NETS, pictures
from .package import case_of
from .registry import ENTRIES

IMAGES = 16384  # of MNIST's training images
PACKAGES = ("cnn-c", "numpy", "torch", "jax", "jaxlib", "onnx", "onnxruntime")


def main(mode: str, description: str) -> None:
    """Run the contest in all cases that the command line asks for."""
    options = parse(mode, description)
    cnn_c.use_level(options.level)
    console = Console(width=132, highlight=False)
    complain = partial(console.print, markup=False)  # tracebacks have brackets
    names = []
    for name in options.implementations:
        if missing := ENTRIES[name].missing:
            complain(f"{ENTRIES[name].title} is skipped: not installed: {', '.join(missing)}")
        else:
            names.append(name)
    data = load_mnist()
    results: list[Result] = []
    for net, threads in product(options.nets, options.threads):
        for batch in options.batches:
            count = max(1, IMAGES // batch) * batch
            images = pictures(data.train_images[:count], NETS[net].input_shape, np.random.default_rng(0))
            case = case_of(net, mode, batch, threads, images, data.train_labels[:count].astype(np.int64))
            results += contest(case, names, options.rounds, options.patience, complain)
            if options.json:
                save(options.json, results)
        console.print(table(net, mode, threads, results))


def parse(mode: str, description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    taking_part = [name for name, entry in ENTRIES.items() if mode in entry.modes]
    parser.add_argument("--nets", type=_one_of(NETS), default=list(NETS), metavar="A,B,L,...")
    parser.add_argument("--batches", type=_numbers, default=[1, 32, 256, 1024], metavar="1,32,...")
    parser.add_argument("--threads", type=_threads, default=_threads("1,all"), metavar="1,all")
    parser.add_argument("--rounds", type=int, default=7, help="turns of everybody in every case")
    parser.add_argument("--patience", type=float, default=0, help="seconds a round may wait for an idle machine")
    parser.add_argument(
        "--implementations", type=_one_of(taking_part), default=taking_part, metavar=",".join(taking_part)
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write all results")
    parser.add_argument("--level", default=cnn_c.LEVEL, help="instruction set of our kernels")
    return parser.parse_args()


def table(net: str, mode: str, threads: int, results: Iterable[Result]) -> Table:
    """Implementations by batches: median, minimum and maximum."""
    here = [result for result in results if (result.net, result.threads) == (net, threads)]
    cells = {(result.implementation, result.batch): result for result in here}
    batches = sorted({result.batch for result in here})
    drawn = Table(
        title=f"Net {net} ({NETS[net].title}), {mode}, {threads} thread(s): us an image, median (minimum-maximum)",
        caption=machine(),
        caption_justify="left",
    )
    drawn.add_column("", no_wrap=True)
    for batch in batches:
        drawn.add_column(f"batch {batch}", justify="right", no_wrap=True)
    for name in dict.fromkeys(result.implementation for result in here):
        drawn.add_row(ENTRIES[name].title, *(_cell(cells.get((name, batch))) for batch in batches))
    drawn.add_section()
    drawn.add_row("fastest peer / cnn-c", *(_ratio([r for r in here if r.batch == batch]) for batch in batches))
    return drawn


def save(path: Path, results: list[Result]) -> None:
    """Everything that was measured, and what with."""
    versions = {"python": sys.version.split()[0]}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    content = {
        "processor": processor(),
        "level": cnn_c.LEVEL,
        "cores": len(_cores()),
        "versions": versions,
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "unit": "microseconds an image",
        "results": [result._asdict() for result in results],
    }
    path.write_text(json.dumps(content, indent=1) + "\n")


def _cell(result: Result | None) -> str:
    if result is None:
        return "-"
    return f"{result.median:.2f} [dim]({result.minimum:.2f}-{result.maximum:.2f})[/]"


def _ratio(results: list[Result]) -> str:
    ours = [result.median for result in results if result.implementation == "ours"]
    peers = [
        (result.median, ENTRIES[result.implementation].title)
        for result in results
        if ENTRIES[result.implementation].is_peer
    ]
    if not ours or not peers:
        return "-"
    time, title = min(peers)
    return f"{time / ours[0]:.1f}x [dim]{title}[/]"


def _cores() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def _threads(text: str) -> list[int]:
    cores = len(_cores())
    return sorted({cores if number == "all" else int(number) for number in text.split(",")})


def _one_of(known: Iterable[str]):
    def names(text: str) -> list[str]:
        for name in text.split(","):
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(known)}")
        return text.split(",")

    return names
