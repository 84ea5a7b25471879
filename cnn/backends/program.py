"""The contract with what runs a net: a plan, its operations and where their tensors lie, as plain data."""

from __future__ import annotations

from typing import Any, NamedTuple

from .tables import text_table


class Tensor(NamedTuple):
    """Where a tensor of one image begins, and how many reals from there the kernels of the operation may touch."""

    persistent: bool = False  # in the image's persistent memory, or in its transient one
    at: int = 0
    size: int = 0


class Room(NamedTuple):
    """A part of another memory than those of tensors."""

    at: int = 0
    size: int = 0


class Sizes(NamedTuple):
    """All that the kernels of an operation touch, in reals from where each begins. The kernels say so themselves."""

    x: int  # tensors of an image, with what registers read and write past their end
    y: int
    dx: int
    dy: int
    also_x: int  # of another operation's x and dy, which this one reads
    also_dy: int
    kept: int  # of an image: what the backward pass needs beside x and y
    argmax: int  # of an image, int32: which element of its window each maximum was
    workspace: int  # of a thread, for this operation alone
    scratch: int  # of a thread, for whichever operation is at work
    sums: int  # of a chunk: gradients for the operation's parameters
    moments: int  # of a chunk, doubles: sums over the batch


class Operation(NamedTuple):
    """One step of the plan."""

    kind: str  # the operation's row in the compiled table
    label: str  # as it is printed
    layers: str  # that it computes, by name
    geometry: Any = ()  # the numbers that the kernels take, a named tuple
    x: Tensor = Tensor()
    y: Tensor = Tensor()
    dx: Tensor = Tensor()
    dy: Tensor = Tensor()
    has_also_x: bool = False  # whether it reads x or dy of another operation, too:
    has_also_dy: bool = False
    also_x: Tensor = Tensor()
    also_dy: Tensor = Tensor()
    out_shape: tuple[int, ...] = ()
    out_size: int = 0
    kept: Tensor = Tensor()
    argmax: Tensor = Tensor()
    workspace: Room = Room()
    sums: Room = Room()
    moments: Room = Room()
    w: int = -1  # where the weights begin among the net's parameters; the bias follows
    b: int = -1
    w_size: int = 0
    channels: int = 0
    gamma: int = -1  # where those of a normalisation begin, its own or of a convolution that has it in its weights
    statistics: int = -1  # and its running means among the net's statistics; the variances follow
    epsilon: float = 0.0
    with_dx: bool = False  # whether anything below learns
    frozen: bool = False  # whether its own parameters stay as they are
    macs: int = 0  # multiply-adds of an image
    whole_batch: bool = False  # whether it needs all images of a batch before it has an output of any
    by_chunk: bool = False  # whether its gradients are summed chunk by chunk, for other processes
    shared: bool = False  # whether several threads may work on one image of it
    first_layer: int = -1  # of the net's layers, the first that it computes; -1 if it computes none
    stream: int = 0  # of random numbers; that of number 0 is the augmentation's


class Plan(NamedTuple):
    """The operations of a net for batches of at most `batch_size` images, and the memory that they take, in reals."""

    operations: tuple[Operation, ...]
    batch_size: int
    image_size: int
    classes: int
    transient: int  # of an image, reused from block to block
    persistent: int  # of an image, until the update
    workspace: int  # of a thread
    scratch: int  # of a thread
    sums: int  # of a chunk
    image_sums: int  # of these, what images add to; the others are of operations `by_chunk`
    moments: int  # of a chunk, doubles
    block: int  # images that a thread takes at a time
    chunks: int  # parts of a batch whose gradients are summed apart
    exchanged: bool  # whether sums are exchanged with other processes before the update
    lowest: int  # the first operation that learns
    whole_batch: bool  # whether an operation, or the loss, needs all images of a batch
    parameters: int  # how many the net has
    statistics: int

    @property
    def shared(self) -> bool:
        """Whether several threads may work on one image."""
        return any(o.shared for o in self.operations)

    def table(self, itemsize: int) -> str:
        """The plan as text, a line an operation: what it fuses, shapes, bytes written, multiply-adds of an image."""
        rows = [("operation", "layers", "output", "bytes", "MACs")]
        for o in self.operations:
            shape = " x ".join(map(str, o.out_shape))
            rows.append((o.label, o.layers, shape, f"{o.out_size * itemsize:,}", f"{o.macs:,}"))
        total = sum(o.macs for o in self.operations)
        rows.append(("total", "", "", f"{(self.transient + self.persistent) * itemsize:,}", f"{total:,}"))
        chunk = -(-self.batch_size // self.chunks)
        until_update, within_block = self.persistent * itemsize, self.transient * itemsize
        foot = (
            f"{self.batch_size} images: {self.chunks} chunks of at most {chunk}, blocks of {self.block}; "
            f"{until_update:,} bytes an image until the update, {within_block:,} within a block"
        )
        return f"{text_table(rows, left=3)}\n\n{foot}"
