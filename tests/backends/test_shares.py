"""How chunks are shared out over ranks, and that their sums are added up by one tree, whatever the number of ranks."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cnn.backends.shares import shares, shares_of


def additions(chunks: int) -> list[tuple[int, int, int]]:
    """Those of the tree: the first chunk of one sum, that of another, and where this one ends."""
    result, step = [], 1
    while step < chunks:
        result += [(first, first + step, min(first + 2 * step, chunks)) for first in range(0, chunks - step, 2 * step)]
        step *= 2
    return result


def tree(chunks: int) -> object:
    sums: list[object] = list(range(chunks))
    for first, other, _ in additions(chunks):
        sums[first] = sums[first], sums[other]
    return sums[0]


SIZES = st.tuples(st.integers(1, 130), st.integers(1, 140))


@given(SIZES, st.integers(0, 3000))
def test_sums_are_added_up_by_the_same_tree_for_any_number_of_ranks(sizes, more):
    chunks, ranks = sizes
    shared = shares_of(chunks + more, chunks, ranks)
    sums: dict[int, object] = dict(enumerate(range(chunks)))
    for (begin, end), subtrees in zip(pairwise(shared.chunks), shared.subtrees, strict=True):
        for first, other, stop in additions(chunks):  # a rank adds up what it has alone
            if begin <= first and stop <= end:
                sums[first] = sums[first], sums.pop(other)
        assert sorted(first for first in sums if begin <= first < end) == subtrees
    for first, other in shared.additions:
        sums[first] = sums[first], sums.pop(other)
    assert sums == {0: tree(chunks)}


@given(SIZES, st.integers(0, 3000))
def test_every_chunk_and_image_has_one_rank(sizes, more):
    chunks, ranks = sizes
    images = chunks + more
    shared = shares_of(images, chunks, ranks)
    for bounds, total in ((shared.chunks, chunks), (shared.images, images)):
        assert bounds == sorted(bounds)
        assert (bounds[0], bounds[-1], len(bounds)) == (0, total, ranks + 1)
    counts = [end - begin for begin, end in pairwise(shared.chunks)]
    assert max(counts) - min(counts) <= 1


def test_a_power_of_two_of_ranks_has_one_sum_each():
    for ranks in (1, 2, 4, 8, 16):
        assert [len(part) for part in shares_of(256, 16, ranks).subtrees] == [1] * ranks


def test_ranks_beyond_the_chunks_have_none():
    shared = shares_of(3, 3, 5)
    assert shared.subtrees == [[], [0], [], [1], [2]]
    assert shared.images == [0, 0, 1, 1, 2, 3]
    assert shares(3, 5) == shared.chunks
