# Dropout of one image's values, by one thread: its mask is hashed from a stream, forward and once more backward.
#
#   y[i] = x[i] / (1 - rate) where word i of the stream is at least rate * 2^32, else 0;   dx from dy likewise

from libc.stdint cimport uint32_t

from .random cimport Stream, word
from .simd cimport real


cdef struct Dropout:
    uint32_t threshold
    real scale       # 1 / (1 - rate)


cdef inline void dropout(const Dropout* d, Stream s, Py_ssize_t size, const real* x, real* y) noexcept nogil:
    cdef Py_ssize_t i
    cdef uint32_t threshold = d.threshold
    cdef real scale = d.scale
    for i in range(size):
        y[i] = x[i] * scale if word(s, <uint32_t>i) >= threshold else 0
