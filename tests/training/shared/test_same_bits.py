"""A fit by several processes ends with the same bits, whatever their number and that of their threads."""

from __future__ import annotations

import importlib.util
import json
from typing import Any

import pytest

from . import mpi

# What most of the code of a shared fit takes part in, for the suite that runs at every commit.
FEW = [
    "two_conv", "residual", "weights", "all_in_python", "batch_of_5", "batch_of_1100", "frozen", "meddling",
    "shards_of_files", "shard_of_nothing",
]  # fmt: skip
# Of the largest parameter, beside a fit without comm: by the rounding of a few steps in float64. Adam divides by roots
# of sums that may be zero but for rounding, a clipped norm goes into all of them.
TOLERANCE = 1e-9


def all_cases() -> list[str]:
    spec = importlib.util.spec_from_file_location("cases", mpi.PROGRAMS / "cases.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return list(module.CASES)


def bits(
    ranks: int, cases: list[str], dtypes: list[str], threads: list[int], plain: bool = False, messages: bool = False
) -> dict[str, Any]:
    asked = {"cases": cases, "dtypes": dtypes, "threads": threads, "plain": plain, "messages": messages}
    return mpi.result("fits.py", ranks, json.dumps(asked), limit=500)


def assert_same(cases: list[str], dtypes: list[str], others: dict[int, list[int]], messages: bool = False) -> None:
    """Train on so many ranks, by their numbers of threads, on one rank with one thread, and without ranks.

    The ranks have memory in common, or with `messages` none.
    """
    one = bits(1, cases, dtypes, [1], plain=True)
    assert len(one) == len(cases) * len(dtypes)
    for name, (_, difference) in one.items():
        assert "float32" in name or difference < TOLERANCE, name
    for ranks, threads in others.items():
        for name, digests in bits(ranks, cases, dtypes, threads, messages=messages).items():
            assert set(digests) == {one[name][0]}, f"{name} on {ranks} ranks"


def test_few_ranks_train_to_the_same_bits():
    assert_same(FEW, ["float32"], {3: [1], 2: [2]})


def test_few_ranks_train_to_the_same_bits_in_float64():
    assert_same(["normalised", "clip_norm", "stopping"], ["float64"], {4: [1]})


def test_few_ranks_with_no_memory_in_common_train_to_the_same_bits():
    assert_same(
        ["two_conv", "clip_norm", "batch_of_5", "shards_of_files"], ["float32"], {3: [1], 2: [1]}, messages=True
    )


@pytest.mark.slow
@pytest.mark.parametrize("messages", [False, True])
def test_ranks_train_to_the_same_bits(messages):
    others = {1: [2], 2: [1, 2], 3: [1, 2], 4: [1, 2], 8: [1, 2], 16: [1]}
    assert_same(all_cases(), ["float32", "float64"], others, messages)
