# cython: language_level=3, freethreading_compatible=True
"""Result arrays whose memory begins with a cache line and is used again.

Memory fresh from the system costs a page fault every 4 kB, which on these nets takes as long as the arithmetic; the
results of one training step are as large as those of the next. Blocks that are freed wait here for an array of the
same size. What waits belongs to all threads: it is read and changed under the GIL, or a mutex where there is no GIL.
"""

cimport numpy as np
from libc.stdlib cimport free
from libc.string cimport memmove

np.import_array()

cdef extern from "<stdlib.h>":
    int posix_memalign(void** memory, size_t alignment, size_t size)

cdef extern from *:
    """
    #ifdef Py_GIL_DISABLED
    static PyMutex mutex = {0};
    #define lock() PyMutex_Lock(&mutex)
    #define unlock() PyMutex_Unlock(&mutex)
    #else
    #define lock()
    #define unlock()
    #endif
    """
    void lock() noexcept
    void unlock() noexcept

cdef enum:
    CACHE_LINE = 64
    PLACES = 64
    MOST_WAITING = 1 << 28  # bytes
    DIMENSIONS = 64  # as NumPy has it

cdef struct Waiting:
    void* memory
    size_t size

cdef Waiting waiting[PLACES]
cdef int places = 0
cdef size_t bytes_waiting = 0


cdef class Block:
    # Owned by the array that lies in it.
    cdef void* memory
    cdef size_t size

    def __dealloc__(self):
        global places, bytes_waiting
        if self.memory == NULL:
            return
        if self.size > MOST_WAITING:
            free(self.memory)
            return
        lock()
        while places == PLACES or bytes_waiting + self.size > MOST_WAITING:
            free(take(0))  # the one that has waited longest
        waiting[places].memory, waiting[places].size = self.memory, self.size
        places += 1
        bytes_waiting += self.size
        unlock()


cdef void* take(int place) noexcept:
    global places, bytes_waiting
    cdef void* memory = waiting[place].memory
    bytes_waiting -= waiting[place].size
    places -= 1
    memmove(&waiting[place], &waiting[place + 1], (places - place) * sizeof(Waiting))
    return memory


cdef Block block_of(size_t size):
    cdef Block block = Block.__new__(Block)
    cdef int i
    lock()
    for i in range(places - 1, -1, -1):  # the last one freed is the likeliest to be in a cache
        if waiting[i].size == size:
            block.memory, block.size = take(i), size
            break
    unlock()
    if block.memory != NULL:
        return block
    if posix_memalign(&block.memory, CACHE_LINE, size):
        block.memory = NULL
        raise MemoryError(f"no memory for an array of {size} bytes")
    block.size = size
    return block


def empty(tuple shape not None, np.dtype dtype not None):
    """An uninitialised C-contiguous array, as `np.empty` gives it; `dtype` is one of numbers.

    Raises
    ------
    MemoryError
        There is not so much memory.
    """
    cdef:
        np.npy_intp sizes[DIMENSIONS]
        Py_ssize_t i
        object size = dtype.itemsize
        Block block
        np.ndarray array
    if len(shape) > DIMENSIONS:
        raise ValueError(f"shape must have at most {DIMENSIONS} dimensions, got {shape}")
    for i in range(len(shape)):
        sizes[i] = shape[i]
        size *= shape[i]
    if size > 1 << 62:
        raise MemoryError(f"no memory for an array of {size} bytes")
    block = block_of(max(<size_t>size, <size_t>CACHE_LINE))
    array = np.PyArray_SimpleNewFromData(<int>len(shape), sizes, dtype.type_num, block.memory)
    np.set_array_base(array, block)
    return array
