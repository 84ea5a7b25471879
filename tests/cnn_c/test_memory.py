"""Arrays for results: aligned, never shared while alive, refused where there is no memory."""

import gc
import threading

import numpy as np
import pytest

from cnn_c import empty

DTYPES = [np.dtype(name) for name in ("float32", "float64", "int32")]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (1,), (3, 5, 7), (32, 28, 28, 8), (0, 4), (1,) * 20], ids=str)
def test_an_array_is_contiguous_writable_and_begins_with_a_cache_line(dtype, shape):
    array = empty(shape, dtype)
    assert array.shape == shape
    assert array.dtype == dtype
    assert array.flags.carray
    assert array.ctypes.data % 64 == 0
    array[...] = 1
    assert (array == 1).all()


def test_arrays_that_live_share_no_memory():
    arrays = [empty((1000,), DTYPES[0]) for _ in range(200)]
    for i, array in enumerate(arrays):
        array[:] = i
    assert [array[0] for array in arrays] == list(range(200))
    assert all((array == array[0]).all() for array in arrays)


def test_arrays_of_several_threads_share_no_memory():
    intact = []

    def fill(number):
        for size in range(1, 2000):
            array = empty((size % 7 + 1, 64), DTYPES[0])
            array[...] = number
            if (array != number).any():
                return
        intact.append(number)

    threads = [threading.Thread(target=fill, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(intact) == list(range(8))


def test_a_view_keeps_the_memory_of_its_array():
    view = empty((1000,), DTYPES[1])[10:20]
    view[:] = 7
    gc.collect()
    others = [empty((1000,), DTYPES[1]) for _ in range(100)]
    for other in others:
        other[:] = 0
    assert (view == 7).all()


def test_a_freed_block_serves_the_next_array_of_its_size():
    array = empty((4321,), DTYPES[0])
    address = array.ctypes.data
    del array
    assert empty((4321,), DTYPES[0]).ctypes.data == address


@pytest.mark.parametrize("shape", [(2**50,), (2**40, 2**40), (2**62, 4)], ids=str)
def test_too_large_an_array_is_refused_at_once(shape):
    with pytest.raises(MemoryError, match="no memory"):
        empty(shape, DTYPES[1])
