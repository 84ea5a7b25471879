"""Images and strides of every size, where convolution and pooling have a rule in common; sizes that cannot be."""

from __future__ import annotations

import numpy as np
import pytest

from .cases import arguments_of


def test_a_stride_far_beyond_the_input_leaves_one_window(ops, dtype):
    x, w, *_ = arguments_of("conv2d_forward", dtype)
    y = ops.conv2d_forward(x, w, None, 2**40, "valid")
    assert np.array_equal(y, ops.conv2d_forward(x, w, None, 1, "valid")[:, :1, :1])
    mean = ops.avgpool2d_forward(x, 2, 2**40)
    np.testing.assert_allclose(mean, x[:, None, None, :2, :2].mean(axis=(3, 4)), rtol=0, atol=np.finfo(dtype).eps * 20)
    y, switches = ops.maxpool2d_forward(x, 2, 2**40)
    assert np.array_equal(y[:, 0, 0], x[:, :2, :2].max(axis=(1, 2)))
    assert ops.maxpool2d_backward(y, switches, x.shape, 2, 2**40).shape == x.shape


def test_three_dimensions_are_not_taken_for_images_of_one_channel(checked_ops):
    x, w = np.zeros((5, 28, 28)), np.zeros((3, 3, 1, 2))
    for call in (
        lambda: checked_ops.conv2d_forward(x, w, None),
        lambda: checked_ops.maxpool2d_forward(x, 2),
        lambda: checked_ops.avgpool2d_forward(x, 2),
    ):
        with pytest.raises(ValueError, match=r"must .*\(5, 28, 28\)"):
            call()


@pytest.mark.parametrize("shape", [(6, 6, 3), (2, 6, 6, 3, 1), (2, 6, 0, 3), (-1, 6, 6, 3), ()])
def test_an_input_shape_that_is_none_is_a_value_error(checked_ops, shape):
    y, switches = checked_ops.maxpool2d_forward(np.zeros((2, 6, 6, 3)), 2)
    with pytest.raises(ValueError, match="must"):
        checked_ops.maxpool2d_backward(y, switches, shape, 2)
    with pytest.raises(ValueError, match="must"):
        checked_ops.avgpool2d_backward(y, shape, 2)
    with pytest.raises(ValueError, match="must"):
        checked_ops.conv2d_input_gradient(y, np.zeros((1, 1, 3, 3)), shape, 2)


@pytest.mark.parametrize("shape", [(2, 0, 9, 3), (2, 9, 0, 3), (0, 0, 0, 3)])
def test_images_without_pixels_are_a_value_error(checked_ops, shape):
    x = np.zeros(shape)
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        checked_ops.conv2d_forward(x, np.zeros((1, 1, 3, 2)), None, 1, "same")
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        checked_ops.maxpool2d_forward(x, 1)
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        checked_ops.avgpool2d_forward(x, 1)


def test_more_elements_than_any_memory_holds_are_an_error_at_once(checked_ops, dtype):
    huge = np.broadcast_to(dtype.type(0), (1, 2**25, 2**25, 1))
    w = np.ones((3, 3, 1, 1), dtype)
    small = np.zeros((1, 9, 9, 1), dtype)
    for call in (
        lambda: checked_ops.conv2d_forward(huge, w, None),
        lambda: checked_ops.conv2d_backward(huge, small, w, 1, 2**24),
        lambda: checked_ops.conv2d_forward(small, w, None, 1, 2**50),
        lambda: checked_ops.conv2d_forward(small, w, None, 2**70),
        lambda: checked_ops.conv2d_forward(small, w, None, (2**42, 1), (2**42, 1)),
        lambda: checked_ops.conv2d_backward(small, huge, w, 1, "same"),
        lambda: checked_ops.maxpool2d_forward(huge, 2),
        lambda: checked_ops.maxpool2d_forward(small, 2, 2**70),
        lambda: checked_ops.avgpool2d_forward(huge, 2),
        lambda: checked_ops.avgpool2d_backward(small, (1, 2**40, 2**40, 1), 2),
        lambda: checked_ops.maxpool2d_backward(small, small.astype(np.int32), (1, 2**40, 2**40, 1), 2),
        lambda: checked_ops.maxpool2d_backward(small, small.astype(np.int32), (2**60, 9, 9, 1), 1),
        lambda: checked_ops.dense_forward(huge[0, :, :, 0], np.zeros((2**25, 1), dtype), None),
        lambda: checked_ops.relu_forward(huge),
    ):
        with pytest.raises((ValueError, MemoryError)):
            call()


def test_an_input_shape_of_no_images_but_huge_ones_gives_an_empty_gradient(checked_ops, dtype):
    dy = np.zeros((0, 2**21, 2**21, 1), dtype)
    shape = (0, 2**22, 2**22, 1)
    assert checked_ops.maxpool2d_backward(dy, np.zeros(dy.shape, np.int32), shape, 2).shape == shape
