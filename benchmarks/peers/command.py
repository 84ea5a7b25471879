"""What both modes are as programs: all cases, the tables and the file of results."""

from __future__ import annotations

import argparse
import sys
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

from .case import Case
from .contest import contest
from .load import cores
from .nets import NETS, pictures
from .options import left_out, parse
from .package import case_of
from .registry import ENTRIES
from .results import Cell, Result, Results

IMAGES, BATCHES = 16384, 4096  # of MNIST's training images at most
PACKAGES = ("cnn-c", "numpy", "torch", "jax", "jaxlib", "tensorflow", "tinygrad", "onnx", "onnxruntime")


def main(mode: str, description: str) -> None:
    """Run the contest in all cases that the command line asks for."""
    options = parse(mode, description)
    cnn_c.use_level(options.level)
    console = Console(width=132, highlight=False)
    results = begun(options.json)
    for net, threads in product(options.nets, options.threads):
        for batch in options.batches:
            run(case(net, mode, batch, threads), options, results, console)
            if options.json:
                results.write(options.json)
        console.print(table(results, net, mode, threads))
    if options.quick:
        console.print(left_out(options))


def case(net: str, mode: str, batch: int, threads: int) -> Case:
    data, count = load_mnist(), min(max(1, IMAGES // batch), BATCHES) * batch
    images = pictures(data.train_images[:count], NETS[net].input_shape, np.random.default_rng(0))
    return case_of(net, mode, batch, threads, images, data.train_labels[:count].astype(np.int64))


def run(case: Case, options: argparse.Namespace, results: Results, console: Console) -> None:
    """One contest; says who could not take part."""

    def leave_out(name: str, why: str) -> None:
        cell = Cell(case.net, case.mode, case.batch, case.threads, name)
        results.leave_out(cell, why.strip().splitlines()[-1])  # of a traceback the error
        console.print(f"{ENTRIES[name].title} is not timed: {why}", markup=False)  # a traceback has brackets

    ready = [name for name in options.implementations if not ENTRIES[name].missing]
    for name in options.implementations:
        if missing := ENTRIES[name].missing:
            leave_out(name, f"not installed: {', '.join(missing)}")
    measured, failed = contest(case, ready, options.rounds, options.patience, console.print)
    for result in measured:
        results.add(result)
    for name, why in failed.items():
        leave_out(name, why)


def begun(path: Path | None) -> Results:
    """Those of the file, to which this run adds; none, if there is no file."""
    versions = {"python": sys.version.split()[0]}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    here = {"processor": processor(), "level": cnn_c.LEVEL, "cores": cores(), "versions": versions}
    results = Results.read(path) if path and path.exists() else Results(here)
    if results.machine != here:
        raise SystemExit(f"{path} has results of {results.machine}, but this is {here}: name another file")
    results.commands.append(" ".join([Path(sys.argv[0]).name, *sys.argv[1:]]))
    return results


def table(results: Results, net: str, mode: str, threads: int) -> Table:
    """Implementations by batches: median, minimum and maximum."""
    here = [r for r in results.measured.values() if (r.net, r.mode, r.threads) == (net, mode, threads)]
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
    ratios = [results.ratio(net, mode, batch, threads) for batch in batches]
    drawn.add_row("fastest peer / cnn-c", *(f"{r[0]:.2f}x [dim]{r[1]}[/]" if r else "-" for r in ratios))
    return drawn


def _cell(result: Result | None) -> str:
    if result is None:
        return "-"
    return f"{result.median:.2f} [dim]({result.minimum:.2f}-{result.maximum:.2f})[/]"
