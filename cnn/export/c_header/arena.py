"""Where the tensors of a program lie: in one block of memory, those that are alive at the same time apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .program import Operation, Tensor


@dataclass(eq=False)
class Block:
    """Memory that tensors take one after the other, from the call `first` to the call `last`."""

    size: int
    first: int
    last: int
    offset: int = 0


def arena(calls: Sequence[Sequence[Operation]], image: Tensor | None) -> tuple[dict[Tensor, int], int]:
    """The offset of each tensor that a call leaves for another one, and the size of the whole.

    The output of the last call has none, nor has what stays between the operations of a call. A block is placed as low
    as those allow that are placed before it, the larger ones first.

    Parameters
    ----------
    calls : sequence of sequences of Operation
    image : Tensor or None
        The input, if it is to lie there as well.
    """
    blocks = _blocks(calls, image)
    placed: list[Block] = []
    for block in sorted(set(blocks.values()), key=lambda each: (-each.size, each.first)):
        others = [each for each in placed if each.first <= block.last and block.first <= each.last]
        for other in sorted(others, key=lambda each: each.offset):
            if other.offset < block.offset + block.size and block.offset < other.offset + other.size:
                block.offset = other.offset + other.size
        placed.append(block)
    size = max((block.offset + block.size for block in placed), default=0)
    return {tensor: block.offset for tensor, block in blocks.items()}, size


def _blocks(calls: Sequence[Sequence[Operation]], image: Tensor | None) -> dict[Tensor, Block]:
    last_read = {tensor: i for i, call in enumerate(calls) for tensor in call[0].inputs}
    blocks = {} if image is None else {image: Block(image.size, -1, last_read[image])}
    for i, call in enumerate(calls[:-1]):
        output = call[-1].output
        last = last_read[output]
        reusable = [
            blocks[each]
            for each in call[0].inputs
            if each in blocks and each.size == output.size and last_read[each] == i
        ]
        if reusable and all(each.in_place for each in call):
            blocks[output] = reusable[0]
            reusable[0].last = last
        else:
            blocks[output] = Block(output.size, i, last)
    return blocks
