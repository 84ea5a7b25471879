"""What the command line asks for."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cnn_c

from .load import cores
from .nets import NETS
from .registry import ENTRIES

# Of --quick, which leaves those out who compile for long.
QUICK: dict[str, Any] = {
    "nets": ["A", "B", "keras_mnist", "pytorch_mnist", "resnet_small", "vgg_small"],
    "batches": [32],
    "rounds": 3,
}
COMPILE_FOR_LONG = ("compile", "jax", "tensorflow", "tinygrad")


def parse(mode: str, description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    known = [name for name, entry in ENTRIES.items() if mode in entry.modes]
    contest = [name for name in known if name == "ours" or ENTRIES[name].is_peer]
    parser.add_argument("--nets", type=_one_of(NETS), default=list(NETS), metavar="A,B,L,...")
    parser.add_argument("--batches", type=_numbers, default=[1, 32, 256], metavar="1,32,...")
    parser.add_argument("--threads", type=_threads, default=_threads("all"), metavar="1,all")
    parser.add_argument("--rounds", type=int, default=7, help="turns of everybody in every case")
    parser.add_argument("--patience", type=float, default=0, help="seconds a round may wait for an idle machine")
    parser.add_argument(
        "--implementations",
        type=_one_of(known),
        default=contest,
        metavar=",".join(known),
        help="as a rule all but pure and layers, which are the ladder's",
    )
    parser.add_argument("--quick", action="store_true", help="two minutes: less of everything, and say of what")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write all results, beside those there")
    parser.add_argument("--level", default=cnn_c.LEVEL, help="instruction set of our kernels")
    if parser.parse_args().quick:
        parser.set_defaults(**QUICK, implementations=[name for name in contest if name not in COMPILE_FOR_LONG])
    return parser.parse_args()


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def _threads(text: str) -> list[int]:
    return sorted({cores() if number == "all" else int(number) for number in text.split(",")})


def _one_of(known: Iterable[str]):
    def names(text: str) -> list[str]:
        for name in text.split(","):
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(known)}")
        return text.split(",")

    return names


def left_out(options: argparse.Namespace) -> str:
    """What --quick did not run."""
    nets = [name for name in NETS if name not in options.nets]
    others = [ENTRIES[name].title for name in COMPILE_FOR_LONG if name not in options.implementations]
    return f"--quick left out the nets {', '.join(nets)}; other batches; {', '.join(others)}"
