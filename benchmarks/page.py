"""The page docs/benchmarks.md, from results that `training.py` and `inference.py` wrote with `--json`.

    python benchmarks/page.py docs/training.json docs/inference.json > docs/benchmarks.md

For each file the chart that `charts.py` makes of it, the ratios of all nets, and for each net everybody's times.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from peers.nets import NETS
from peers.registry import ENTRIES
from peers.results import Results

HEAD = """# Benchmarks

Microseconds an image in float32, less is better, on MNIST's images with noise. This page and its charts are made from
results in JSON; with each mode are the machine, the versions and the commands that gave them.

Everybody starts from the same parameters and must compute the same losses, parameters, running statistics and
probabilities as the NumPy reference before the clock runs; nets with dropout without it, and are then timed with it.
Peers get float32 tensors that are rescaled, shuffled and batched already; we start from uint8 images. Training is
forward, softmax cross-entropy, backward and plain SGD; a prediction is one call a batch, to probabilities in an array.
Each has a process of its own, and all of a case are timed in turns in one run. Where there are several ways to do the
same in a framework, the fastest in the case counts: torch.compile in two memory formats; JAX step by step or with
`lax.scan`, convolutions by XLA or as matrix products; TensorFlow's graphs with oneDNN or XLA, or in a loop.
Compiling and warming up are not counted. The bold time is that of the fastest peer. A framework without a line did not
take part in the commands that made this page, and where a cell is empty, not with this batch.
"""
TITLES = {"training": "Training", "inference": "Predictions"}


def page(files: Iterable[Results]) -> str:
    """The page in Markdown."""
    parts = [HEAD]
    for results in files:
        for mode in results.values("mode"):
            parts += section(results, mode)
    return "\n".join(parts)


def section(results: Results, mode: str) -> list[str]:
    """One mode: chart, ratios, a table for each net, what was measured on what."""
    parts = [f"## {TITLES[mode]}\n", f"![{TITLES[mode]}]({mode}.svg)\n"]
    for threads in sorted(results.values("threads"), reverse=True):
        parts += ratios(results, mode, threads)
    for net in [net for net in NETS if net in results.values("net")]:
        parts += times(results, net, mode)
    machine = results.machine
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    parts.append(
        f"{machine['processor']}, {machine['cores']} cores, level {machine['level']} of our kernels; {versions}. "
        "Commands, in `benchmarks/`:\n"
    )
    return [*parts, "```sh", *(f"python {command}" for command in results.commands), "```\n"]


def ratios(results: Results, mode: str, threads: int) -> list[str]:
    """The fastest peer's time over ours, of all nets."""
    batches = sorted(results.values("batch"))
    rows = []
    for name in [net for net in NETS if net in results.values("net")]:
        found = [results.ratio(name, mode, batch, threads) for batch in batches]
        if any(found):
            cells = [f"{ratio[0]:.2f}x ({ratio[1]})" if ratio else "" for ratio in found]
            rows.append([f"{name}: {NETS[name].title}", *cells])
    if not rows:
        return []
    title = f"The fastest peer's time over that of cnn-c, {threads} thread{'s' * (threads > 1)}:\n"
    return [title, *table(["net", *(f"batch {batch}" for batch in batches)], rows), ""]


def times(results: Results, net: str, mode: str) -> list[str]:
    """Everybody in one net: implementations by batches and threads."""
    cells = [cell for cell in results.measured if (cell.net, cell.mode) == (net, mode)]
    columns = sorted({(cell.threads, cell.batch) for cell in cells}, key=lambda column: (-column[0], column[1]))
    rows = []
    for name, entry in ENTRIES.items():
        found = [results.median(net, mode, batch, threads, name) for threads, batch in columns]
        if any(found):
            fastest = [results.fastest_peer(net, mode, batch, threads) for threads, batch in columns]
            bold = [bool(peer) and peer.implementation == name for peer in fastest]
            written = [number(time, mark) for time, mark in zip(found, bold, strict=True)]
            rows.append([f"**{entry.title}**" if name == "ours" else entry.title, *written])
    head = [f"batch {batch}, {threads} thread{'s' * (threads > 1)}" for threads, batch in columns]
    return [f"### {net}: {NETS[net].title}\n", *table(["", *head], rows), "", *absent(results, net, mode)]


def absent(results: Results, net: str, mode: str) -> list[str]:
    """Who could not be timed, in words."""
    reasons: dict[tuple[str, str], list[int]] = {}
    for cell, why in results.left_out.items():
        if (cell.net, cell.mode) == (net, mode):
            reasons.setdefault((cell.implementation, why), []).append(cell.batch)
    return [
        f"{ENTRIES[name].title} was not timed at batch {', '.join(map(str, dict.fromkeys(batches)))}: {why}.\n"
        for (name, why), batches in reasons.items()
    ]


def number(time: float | None, bold: bool) -> str:
    """Three digits of a time."""
    if time is None:
        return ""
    text = f"{time:,.0f}" if time >= 99.95 else f"{time:.1f}" if time >= 9.995 else f"{time:.2f}"
    return f"**{text}**" if bold else text


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of Markdown; all columns but the first are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE.json")
    print(page(Results.read(file) for file in parser.parse_args().files), end="")


if __name__ == "__main__":
    main()
