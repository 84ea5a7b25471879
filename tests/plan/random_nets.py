"""Nets of any layers, for Hypothesis: for each layer of the package, its arguments at random.

A layer that is added to the package needs an entry in `ARGUMENTS`, and is in the nets then.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from hypothesis import strategies as st

import cnn

from .nets import Make

SIZES = st.tuples(st.integers(1, 4), st.integers(1, 4))
FILTERS = st.just(1) | st.integers(1, 18)  # maps of one channel are convolved in their own way
MANY = st.just(33)  # and those of many by tiles
Arguments = st.SearchStrategy[dict]


def convolutions(whole_numbers: bool) -> Arguments:
    @st.composite
    def arguments(draw):
        size = draw(st.sampled_from([3, 5]) | st.tuples(st.integers(1, 5), st.integers(1, 5)))
        widest = [side - 1 for side in ((size, size) if isinstance(size, int) else size)]
        filters = draw(FILTERS if whole_numbers else FILTERS | MANY)
        # Of a window, some part lies on the image: windows of padding alone would tie up to rounding.
        padding = draw(st.sampled_from(["valid", "same"]) | st.tuples(*(st.integers(0, most) for most in widest)))
        return {
            "filters": filters,
            "kernel_size": size,
            "stride": draw(st.integers(1, 3)),
            "padding": padding,
            "dilation": draw(st.sampled_from([1, 1, 2, (1, 3)])),
            "groups": draw(st.sampled_from([1, 1, *(n for n in (2, 3) if filters % n == 0)])),
            "bias": draw(st.booleans()),
        }

    return arguments()


def depthwise_convolutions(whole_numbers: bool) -> Arguments:
    def arguments(given):
        del given["filters"], given["groups"]
        return st.fixed_dictionaries({"multiplier": st.sampled_from([1, 1, 2])}).map(lambda one: given | one)

    return convolutions(whole_numbers).flatmap(arguments)


def max_poolings(whole_numbers: bool) -> Arguments:
    return st.integers(1, 3).flatmap(
        lambda size: st.fixed_dictionaries(
            {
                "pool_size": st.just(size),
                "stride": st.integers(1, 3),
                "padding": st.integers(0, size // 2),
                "ties": st.sampled_from(["first", "all"]),
            }
        )
    )


def mean_poolings(whole_numbers: bool) -> Arguments:
    sizes = st.sampled_from([(1, 2), (2, 1), (2, 2)])
    return (sizes if whole_numbers else sizes | SIZES).flatmap(
        lambda size: st.fixed_dictionaries(
            {
                "pool_size": st.just(size),
                "stride": st.integers(1, 3),
                "padding": st.just(0) if whole_numbers else st.integers(0, min(size) // 2),
            }
        )
    )


def rescalings(whole_numbers: bool) -> Arguments:
    pairs = [(2.0, -3.0), (-1.0, 4.0)] if whole_numbers else [(1 / 4, 0.0), (-1 / 3, 0.5)]
    return st.sampled_from([{"scale": scale, "offset": offset} for scale, offset in pairs])


def dropouts(whole_numbers: bool) -> Arguments:
    return st.fixed_dictionaries({"rate": st.sampled_from([0.5, 0.75] if whole_numbers else [0.1, 0.5, 0.9])})


def normalisations(whole_numbers: bool) -> Arguments | None:
    # A normalisation divides what is rounded by the root of its variance plus epsilon. Of one image, or of a channel
    # that a ReLU has silenced, the variance is 0, and it is the root of epsilon that says how much rounding grows.
    return None if whole_numbers else st.just({"momentum": 0.7, "epsilon": 0.5})


def layer_norms(whole_numbers: bool) -> Arguments | None:
    return None if whole_numbers else st.just({"epsilon": 0.5})  # as for normalisations


def leaky_relus(whole_numbers: bool) -> Arguments:
    return st.fixed_dictionaries({"slope": st.just(-1.0) if whole_numbers else st.sampled_from([0.01, 0.2, -0.5])})


def dense_layers(whole_numbers: bool) -> Arguments:
    return st.fixed_dictionaries({"units": st.integers(1, 35), "bias": st.booleans()})


def no_arguments(whole_numbers: bool) -> Arguments:
    return st.just({})


def no_arguments_nor_whole_numbers(whole_numbers: bool) -> Arguments | None:
    return None if whole_numbers else st.just({})


# None for a layer that makes something else of simple fractions than simple fractions, no larger ones except for those
# of which `largest_number` in test_whole_numbers.py knows.
ARGUMENTS: dict[str, Callable[[bool], Arguments | None]] = {
    "AvgPool2D": mean_poolings,
    "BatchNorm": normalisations,
    "Conv2D": convolutions,
    "Dense": dense_layers,
    "DepthwiseConv2D": depthwise_convolutions,
    "Dropout": dropouts,
    "Flatten": no_arguments,
    "GELU": no_arguments_nor_whole_numbers,
    "GlobalAvgPool2D": no_arguments_nor_whole_numbers,
    "GlobalMaxPool2D": no_arguments,
    "LayerNorm": layer_norms,
    "LeakyReLU": leaky_relus,
    "MaxPool2D": max_poolings,
    "ReLU": no_arguments,
    "Rescaling": rescalings,
    "SiLU": no_arguments_nor_whole_numbers,
    "Sigmoid": no_arguments_nor_whole_numbers,
    "Softplus": no_arguments_nor_whole_numbers,
    "Tanh": no_arguments_nor_whole_numbers,
}
WITH_PARTS = {"Residual"}  # of which `residual_blocks` makes the parts, for the shape that they are given
ROWS_ONLY = {"Dense", "Flatten"}
MAPS_ONLY = {"AvgPool2D", "Conv2D", "DepthwiseConv2D", "GlobalAvgPool2D", "GlobalMaxPool2D", "MaxPool2D"}
AFTER_DENSE = ["BatchNorm", "ReLU", "Dropout"]  # in this order, in which they are fused


class Stack:
    """Layers one after the other, each of which takes what the last one gives."""

    def __init__(self, shape: tuple[int, ...]):
        self.layers: list[Make] = []
        self.here = shape

    def add(self, *made: Make) -> None:
        """What fits is added: a kernel may be larger than what the layers before it left of the image."""
        after = self.here
        try:
            for make in made:
                after = make().build(after).output_shape
        except ValueError:
            return
        self.layers.extend(made)
        self.here = after


@st.composite
def residual_blocks(draw, shape: tuple[int, ...]) -> Make:
    """A block on maps or rows of this shape, with layers on its shortcut or not, or a block in a block."""
    channels, on_map, with_shortcut = shape[-1], len(shape) == 3, draw(st.booleans())
    width = draw(st.integers(1, 9)) if with_shortcut else channels
    normalised, rectified, nested = (draw(st.booleans()) for _ in range(3))

    def affine(out: int, size: int) -> cnn.Layer:
        return cnn.Conv2D(out, size, padding="same") if on_map else cnn.Dense(out)

    def block() -> cnn.Layer:
        layers = [affine(width, 3)]
        layers += [cnn.BatchNorm(momentum=0.7, epsilon=0.5)] if normalised else []
        layers += [cnn.ReLU()] if rectified else []
        layers += [cnn.Residual([cnn.Tanh()])] if nested else []
        return cnn.Residual(layers, affine(width, 1) if with_shortcut else None)

    return block


@st.composite
def stacks(draw, whole_numbers=False, dropout=True):
    """Layers and the shape of the images that they take; in whole numbers, what keeps them simple fractions."""
    allowed = [name for name, arguments in ARGUMENTS.items() if arguments(whole_numbers) is not None]
    if not dropout:
        allowed.remove("Dropout")

    def make(name: str, **given) -> Make:
        return functools.partial(getattr(cnn, name), **draw(ARGUMENTS[name](whole_numbers)) | given)

    shape = draw(st.tuples(st.integers(2, 17), st.integers(2, 17), st.sampled_from([1, 1, 2, 3])))
    stack = Stack(shape)
    if draw(st.booleans()):
        stack.add(make("Rescaling"))
    if "BatchNorm" in allowed and draw(st.sampled_from([False, False, True])):
        stack.add(make("BatchNorm"))  # something that learns, below the convolution of an image
    on_maps = [name for name in allowed if name not in ROWS_ONLY]
    for _ in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(["pooled", "pooled", "Conv2D", *on_maps]))
        if not whole_numbers and draw(st.integers(0, 3)) == 0:
            stack.add(draw(residual_blocks(stack.here)))
        if kind not in ("pooled", "Conv2D"):
            stack.add(make(kind))
            continue
        made = [make("Conv2D", stride=1, dilation=1, groups=1) if kind == "pooled" else make("Conv2D")]
        made += [make(name) for name in ("BatchNorm", "ReLU") if name in allowed and draw(st.booleans())]
        stack.add(*made, *([cnn.MaxPool2D] if kind == "pooled" else []))
    _add_logits(draw, stack, make, allowed, whole_numbers)
    return stack.layers, shape


def _add_logits(draw, stack: Stack, make, allowed: list[str], whole_numbers: bool) -> None:
    """Add the layers that give the logits: maps of one number, a class each, or dense layers."""
    classes = 2 if whole_numbers else draw(st.integers(2, 18))
    if len(stack.here) == 3 and draw(st.sampled_from([False, False, True])):
        here = stack.here[:2]
        window = here if whole_numbers else draw(st.sampled_from([here, (1, 1)]))
        stack.add(functools.partial(cnn.Conv2D, classes, window, bias=draw(st.booleans())))
        if window != here:
            stack.add(functools.partial(cnn.AvgPool2D, here))
        stack.add(cnn.Flatten)
        return
    stack.add(cnn.Flatten)
    others = [name for name in allowed if name not in {*AFTER_DENSE, *ROWS_ONLY, *MAPS_ONLY, "Rescaling"}]
    for _ in range(draw(st.integers(0, 2))):
        stack.add(make("Dense"))
        if not whole_numbers and draw(st.integers(0, 3)) == 0:
            stack.add(draw(residual_blocks(stack.here)))
        for name in [*AFTER_DENSE, *others]:
            if name in allowed and draw(st.booleans()):
                stack.add(make(name))
    stack.add(functools.partial(cnn.Dense, classes, bias=draw(st.booleans())))
