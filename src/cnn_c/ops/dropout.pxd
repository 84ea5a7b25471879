# Dropout of one image's values, by one thread: its mask is hashed from a stream, forward and once more backward.
#
#   y[i] = x[i] / (1 - rate) where word i of the stream is at least rate * 2^32, else 0;   dx from dy likewise

from libc.stdint cimport uint32_t

from ..random cimport Stream, stream, word
from ..simd cimport real
from ..step.program cimport Context, Image, Operation, OperationKind, new_geometry, tensor
from .elementwise cimport measure_elementwise


cdef struct Dropout:
    uint32_t threshold
    real scale       # 1 / (1 - rate)


cdef inline void dropout(const Dropout* d, Stream s, Py_ssize_t size, const real* x, real* y) noexcept nogil:
    cdef Py_ssize_t i
    cdef uint32_t threshold = d.threshold
    cdef real scale = d.scale
    for i in range(size):
        y[i] = x[i] * scale if word(s, <uint32_t>i) >= threshold else 0

# ---- as an operation of a plan ----

cdef inline int read(Operation* o, object geometry) except -1:
    cdef double rate = geometry.rate
    cdef Dropout* d = <Dropout*>new_geometry(o, sizeof(Dropout))
    d.threshold, d.scale = geometry.threshold, <real>(1 / (1 - rate))
    return 0


cdef inline Stream stream_of(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    return stream(c.batch.seed, c.batch.position + image.i, o.stream)


cdef inline void forward(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    dropout(<const Dropout*>o.geometry, stream_of(o, c, image), o.out_size, tensor(o.x, image), tensor(o.y, image))


cdef inline void backward(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    dropout(<const Dropout*>o.geometry, stream_of(o, c, image), o.out_size, tensor(o.dy, image), tensor(o.dx, image))


cdef inline void set_dropout(OperationKind* row) noexcept:
    row.name = "dropout"
    row.read, row.measure, row.forward, row.backward = read, measure_elementwise, forward, backward
