"""Sizes that cannot be, in any layer: what is refused, by its name."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda ns: ns.Conv2D(0, 3), "filters"),
        (lambda ns: ns.Conv2D(-1, 3), "filters"),
        (lambda ns: ns.Conv2D(1, 0), "kernel_size"),
        (lambda ns: ns.Conv2D(1, (3, 0)), "kernel_size"),
        (lambda ns: ns.Conv2D(1, (3, 3, 3)), "kernel_size"),
        (lambda ns: ns.Conv2D(1, 3, stride=0), "stride"),
        (lambda ns: ns.Conv2D(1, 3, stride=(1, -1)), "stride"),
        (lambda ns: ns.Conv2D(1, 3, padding=-1), "padding"),
        (lambda ns: ns.Conv2D(1, 3, padding=(0, -1)), "padding"),
        (lambda ns: ns.Conv2D(1, 3, padding="full"), "padding"),
        (lambda ns: ns.Conv2D(1, 3, dilation=0), "dilation"),
        (lambda ns: ns.Conv2D(1, 3, dilation=(1, 0)), "dilation"),
        (lambda ns: ns.Conv2D(1, 3, groups=0), "groups"),
        (lambda ns: ns.Conv2D(8, 3, groups=3), "groups"),
        (lambda ns: ns.DepthwiseConv2D(0), "kernel_size"),
        (lambda ns: ns.DepthwiseConv2D(3, multiplier=0), "multiplier"),
        (lambda ns: ns.DepthwiseConv2D(3, dilation=(1, 0)), "dilation"),
        (lambda ns: ns.MaxPool2D(0), "pool_size"),
        (lambda ns: ns.MaxPool2D(2, stride=0), "stride"),
        (lambda ns: ns.MaxPool2D(2, padding=-1), "padding"),
        (lambda ns: ns.MaxPool2D(2, padding=2), "padding"),
        (lambda ns: ns.MaxPool2D((4, 3), padding=(2, 2)), "padding"),
        (lambda ns: ns.MaxPool2D(2, ties="last"), "ties"),
        (lambda ns: ns.AvgPool2D(0), "pool_size"),
        (lambda ns: ns.AvgPool2D(2, stride=(1, 0)), "stride"),
        (lambda ns: ns.AvgPool2D(2, padding=2), "padding"),
        (lambda ns: ns.Dropout(1), "rate"),
        (lambda ns: ns.Dropout(-0.1), "rate"),
        (lambda ns: ns.Dropout(float("nan")), "rate"),
        (lambda ns: ns.Dropout(50), "rate"),
        (lambda ns: ns.BatchNorm(momentum=-0.1), "momentum"),
        (lambda ns: ns.BatchNorm(momentum=1.1), "momentum"),
        (lambda ns: ns.BatchNorm(momentum=float("nan")), "momentum"),
        (lambda ns: ns.BatchNorm(epsilon=0), "epsilon"),
        (lambda ns: ns.BatchNorm(epsilon=-1e-5), "epsilon"),
        (lambda ns: ns.BatchNorm(epsilon=1e-39), "epsilon"),
        (lambda ns: ns.BatchNorm(epsilon=float("inf")), "epsilon"),
        (lambda ns: ns.LayerNorm(0), "epsilon"),
        (lambda ns: ns.LayerNorm(float("inf")), "epsilon"),
        (lambda ns: ns.Dense(0), "units"),
        (lambda ns: ns.Rescaling(float("nan")), "scale"),
        (lambda ns: ns.Rescaling(1, float("inf")), "offset"),
    ],
)
def test_a_size_out_of_range_is_a_value_error_that_names_it(either, make, named):
    with pytest.raises(ValueError, match=f"^{named} must"):
        make(either)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda ns: ns.Conv2D(8.0, 3), "filters"),
        (lambda ns: ns.Conv2D(None, 3), "filters"),
        (lambda ns: ns.Conv2D(8, 3.5), "kernel_size"),
        (lambda ns: ns.Conv2D(8, "3"), "kernel_size"),
        (lambda ns: ns.Conv2D(8, 3, stride=None), "stride"),
        (lambda ns: ns.Conv2D(8, 3, padding=None), "padding"),
        (lambda ns: ns.Conv2D(8, 3, dilation=1.0), "dilation"),
        (lambda ns: ns.Conv2D(8, 3, groups="2"), "groups"),
        (lambda ns: ns.DepthwiseConv2D(None), "kernel_size"),
        (lambda ns: ns.DepthwiseConv2D(3, multiplier=1.5), "multiplier"),
        (lambda ns: ns.MaxPool2D(2, padding="same"), "padding"),
        (lambda ns: ns.MaxPool2D(None), "pool_size"),
        (lambda ns: ns.AvgPool2D(None), "pool_size"),
        (lambda ns: ns.AvgPool2D(2, padding="same"), "padding"),
        (lambda ns: ns.Dropout("half"), "rate"),
        (lambda ns: ns.Dropout(None), "rate"),
        (lambda ns: ns.BatchNorm(momentum="0.9"), "momentum"),
        (lambda ns: ns.BatchNorm(epsilon=None), "epsilon"),
        (lambda ns: ns.LayerNorm("1e-5"), "epsilon"),
        (lambda ns: ns.Dense("10"), "units"),
        (lambda ns: ns.Rescaling("half"), "scale"),
        (lambda ns: ns.Rescaling(1, None), "offset"),
    ],
)
def test_a_size_of_another_type_is_a_type_error_that_names_it(either, make, named):
    with pytest.raises(TypeError, match=f"^{named} must"):
        make(either)


@pytest.mark.parametrize(
    ("make", "input_shape", "message"),
    [
        (lambda ns: ns.Conv2D(1, 5), (4, 9, 1), "kernel of height 5 is larger than the input of height 4"),
        (lambda ns: ns.Conv2D(1, (1, 8), padding=1), (4, 5, 1), "kernel of width 8 is larger .* width 5"),
        (lambda ns: ns.MaxPool2D(3), (3, 2, 1), "pool window of width 3 is larger than the input of width 2"),
        (
            lambda ns: ns.Conv2D(1, 3, dilation=5),
            (9, 9, 1),
            "kernel with dilation 5 of height 11 is larger",
        ),
        (lambda ns: ns.Conv2D(6, 3, groups=3), (9, 9, 4), "groups must divide the input's 4 channels .*, got 3"),
        (lambda ns: ns.Conv2D(6, 3, groups=6), (9, 9, 4), "groups must divide the input's 4 channels .*, got 6"),
        (lambda ns: ns.Conv2D(1, 3), (9, 9), r"input_shape of Conv2D must be \(h, w, c\), got \(9, 9\)"),
        (lambda ns: ns.Conv2D(1, 3), (1, 9, 9, 1), r"input_shape of Conv2D must be \(h, w, c\)"),
        (lambda ns: ns.DepthwiseConv2D(3), (9,), r"input_shape of DepthwiseConv2D must be \(h, w, c\)"),
        (lambda ns: ns.DepthwiseConv2D(5), (4, 9, 2), "kernel of height 5 is larger than the input of height 4"),
        (lambda ns: ns.MaxPool2D(), (9,), r"input_shape of MaxPool2D must be \(h, w, c\)"),
        (lambda ns: ns.AvgPool2D(3), (3, 2, 1), "pool window of width 3 is larger than the input of width 2"),
        (lambda ns: ns.AvgPool2D(), (9,), r"input_shape of AvgPool2D must be \(h, w, c\)"),
        (lambda ns: ns.Dense(3), (4, 4, 1), "input_shape of Dense .* Flatten"),
        (lambda ns: ns.BatchNorm(), (), "input_shape must have one size or more"),
        (lambda ns: ns.Flatten(), (), "input_shape must have one size or more"),
        (lambda ns: ns.ReLU(), (4, 0, 1), "input_shape must be at least 1"),
        (lambda ns: ns.Flatten(), (-4,), "input_shape must be at least 1"),
    ],
)
def test_an_input_shape_that_a_layer_cannot_take_is_a_value_error(either, make, input_shape, message):
    with pytest.raises(ValueError, match=message):
        make(either).build(input_shape)


@pytest.mark.parametrize("dtype", ["float16", "int64", "complex128"])
def test_a_dtype_that_is_no_other_precision_is_a_value_error(either, dtype):
    with pytest.raises(ValueError, match="dtype must be"):
        either.Dense(3).build((4,), dtype=dtype)


@pytest.mark.parametrize(
    ("make", "input_shape"),
    [
        (lambda ns: ns.Conv2D(2**50, 3), (28, 28, 1)),
        (lambda ns: ns.Conv2D(1, 2**50, padding="same"), (28, 28, 1)),
        (lambda ns: ns.Conv2D(1, 3, padding=2**50), (28, 28, 1)),
        (lambda ns: ns.Conv2D(2**62, 3), (28, 28, 2**62)),
        (lambda ns: ns.Conv2D(1, 3, stride=2**70), (28, 28, 1)),
        (lambda ns: ns.Conv2D(1, 3, padding="same", dilation=2**50), (28, 28, 1)),
        (lambda ns: ns.Conv2D(1, 3), (2**50, 2**50, 1)),
        (lambda ns: ns.DepthwiseConv2D(3, multiplier=2**62), (28, 28, 3)),
        (lambda ns: ns.MaxPool2D(2**50, stride=1, padding=2**49), (28, 28, 1)),
        (lambda ns: ns.MaxPool2D(2, stride=2**70), (28, 28, 1)),
        (lambda ns: ns.AvgPool2D(2**50, stride=1, padding=2**49), (28, 28, 1)),
        (lambda ns: ns.Dense(2**50), (2**4,)),
        (lambda ns: ns.Dense(2**70), (1,)),
        (lambda ns: ns.Dense(10), (2**70,)),
    ],
)
def test_sizes_beyond_any_memory_are_refused_at_once(either, make, input_shape):
    with pytest.raises((ValueError, MemoryError)):
        make(either).build(input_shape, dtype="float64", seed=0)
