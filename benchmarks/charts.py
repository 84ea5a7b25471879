"""Charts for the documentation, from results that `training.py` and `inference.py` wrote with `--json`.

    python benchmarks/charts.py training.json inference.json [--folder docs]

Makes `training.svg` and `inference.svg`, everybody by net and batch on all threads, and `ladder.svg`: the way from
pure NumPy to the fused step on all threads, which takes a training file with 1 and all threads.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from peers.nets import NETS
from peers.registry import ENTRIES
from peers.results import Results

OURS, PEER, FAINT, TEXT = "#d1495b", "#7a93ac", "#c9d3dd", "#2b2d42"
STYLE = {
    "font.size": 9,
    "text.color": TEXT,
    "axes.labelcolor": TEXT,
    "xtick.color": TEXT,
    "ytick.color": TEXT,
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "xtick.bottom": False,
    "ytick.left": False,
    "svg.hashsalt": "cnn-c",  # the same results give the same file
}
LADDER_BATCH = 32
TITLE = 0.2  # inches above the panels, beside what tight_layout leaves


def contest(results: Results, mode: str, path: Path) -> None:
    """Us and the peers on all threads: a row of panels for each net, a column for each batch."""
    shown = [name for name, entry in ENTRIES.items() if name == "ours" or entry.is_peer]
    cores = results.machine["cores"]
    times = {
        (cell.net, cell.batch, cell.implementation): result.median
        for cell, result in results.measured.items()
        if (cell.mode, cell.threads) == (mode, cores) and cell.implementation in shown
    }
    nets = [net for net in NETS if any(key[0] == net for key in times)]
    batches = sorted({key[1] for key in times})
    present = [name for name in shown if any(key[2] == name for key in times)]
    figure, panels = plt.subplots(
        len(nets),
        len(batches),
        figsize=(1.5 + 2.4 * len(batches), 0.9 + (0.5 + 0.2 * len(present)) * len(nets)),
        squeeze=False,
        sharex=True,
    )
    for row, net in zip(panels, nets, strict=True):
        for axes, batch in zip(row, batches, strict=True):
            here = {name: times[net, batch, name] for name in present if (net, batch, name) in times}
            places = [present.index(name) for name in here]
            draw(axes, places, list(here.values()), [OURS if name == "ours" else PEER for name in here])
            axes.set_ylim(len(present) - 0.5, -0.5)
            axes.set_yticks([])
            ratio = results.ratio(net, mode, batch, cores)
            axes.set_title(f"batch {batch}" + (f": {ratio[0]:.1f}x" if ratio else ""), fontsize=9, loc="left")
        row[0].set_yticks(range(len(present)), [ENTRIES[name].title for name in present])
        row[0].get_yticklabels()[0].set(color=OURS, fontweight="bold")
        name = f"{net}: {NETS[net].title}"
        row[0].annotate(name, (0, 1.0), (-130, 20), "axes fraction", textcoords="offset points", fontweight="bold")
    title = f"{mode.capitalize()}, microseconds an image (log scale, less is better), float32, {cores} threads"
    finish(figure, f"{title}\nafter each batch: the fastest peer's time over that of cnn-c", results, path)


def ladder(results: Results, path: Path) -> None:
    """From pure NumPy to the fused step on all threads: a panel for each net."""
    cores = results.machine["cores"]
    times = {
        (cell.net, cell.implementation, cell.batch, cell.threads): result.median
        for cell, result in results.measured.items()
        if cell.mode == "training"
    }
    rungs = {
        "pure NumPy, image by image": ("pure", 1, 1),
        "compiled layers, one by one": ("layers", 1, 1),
        "fused step": ("ours", 1, 1),
        f"fused step, batch {LADDER_BATCH}": ("ours", LADDER_BATCH, 1),
        f"fused step, batch {LADDER_BATCH}, {cores} threads": ("ours", LADDER_BATCH, cores),
    }
    nets = [net for net in NETS if all((net, *rung) in times for rung in rungs.values())]
    if not nets:
        print(f"no {path.name}: it needs pure, layers and ours with batches 1 and {LADDER_BATCH}, threads 1 and all")
        return
    figure, panels = plt.subplots(1, len(nets), figsize=(1.5 + 2.9 * len(nets), 2.6), squeeze=False, sharex=True)
    for axes, net in zip(panels[0], nets, strict=True):
        values = [times[(net, *rung)] for rung in rungs.values()]
        colors = [FAINT, PEER, *[OURS] * (len(values) - 2)]
        draw(axes, list(range(len(values))), values, colors, [f"   {values[0] / value:,.0f}x" for value in values])
        axes.set_ylim(len(values) - 0.5, -0.5)
        axes.set_yticks([])
        axes.set_title(f"{net}: {NETS[net].title}", fontsize=9, loc="left", fontweight="bold")
    panels[0][0].set_yticks(range(len(rungs)), list(rungs))
    title = "One training step, microseconds an image (log scale), and how many times as fast as pure NumPy"
    finish(figure, title, results, path)


def draw(axes: Axes, places: list[int], times: list[float], colors: list[str], notes: list[str] | None = None) -> None:
    """Horizontal bars in a log scale, each with its number, and a note behind it."""
    axes.barh(places, times, color=colors, height=0.72)
    axes.set_xscale("log")
    axes.set_xticks([])
    axes.minorticks_off()
    for place, time, note in zip(places, times, notes or [""] * len(times), strict=True):
        number = f"{time:,.0f}" if time >= 100 else f"{time:.1f}"
        axes.text(time * 1.15, place, number + note, va="center", fontsize=8)


def finish(figure: Figure, title: str, results: Results, path: Path) -> None:
    """Give it a title and the line that says what was measured on what; write it."""
    machine = results.machine
    panels = figure.axes
    lengths = [bar.get_width() for axes in panels for bar in axes.patches]
    panels[0].set_xlim(min(lengths) / 3, max(lengths) * 12)  # shared by all
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    figure.suptitle(title, x=0.01, y=1, va="top", ha="left", fontsize=10)
    figure.supxlabel(f"{machine['processor']}, level {machine['level']}; {versions}", x=0.01, ha="left", fontsize=7)
    figure.tight_layout(rect=(0, 0, 1, 1 - TITLE / figure.get_figheight()))
    figure.savefig(path, metadata={"Date": None})
    print(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE.json")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent.parent / "docs")
    parser.add_argument("--format", choices=("svg", "png"), default="svg")
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    plt.rcParams.update(STYLE)
    for file in options.files:
        results = Results.read(file)
        for mode in results.values("mode"):
            contest(results, mode, options.folder / f"{mode}.{options.format}")
            if mode == "training":
                ladder(results, options.folder / f"ladder.{options.format}")


if __name__ == "__main__":
    main()
