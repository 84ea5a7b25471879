# Rows of pixels copied from one pitch to another, where an operation cannot write what the next one reads.

from ..arrays cimport as_tuple
from ..simd cimport LANES, lanes_of, real, registers, vload_lanes, vstore_lanes
from ..step.program cimport Context, Image, Operation, OperationKind, Phase, Sizes, new_geometry, tensor


cdef struct Copy:
    Py_ssize_t rows, width, x_pitch, y_pitch  # in reals


cdef inline void copy_rows(Py_ssize_t rows, Py_ssize_t width, const real* x, Py_ssize_t x_pitch, real* y,
                           Py_ssize_t y_pitch) noexcept nogil:
    # Rows are short: calls of memcpy would take longer than the copies.
    cdef Py_ssize_t i, block, j
    for i in range(rows):
        for block in range(registers(width)):
            j = block * LANES
            vstore_lanes(y + i * y_pitch + j, vload_lanes(x + i * x_pitch + j, lanes_of(width - j)),
                         lanes_of(width - j))


# ---- as an operation of a plan ----

cdef inline int read(Operation* o, object geometry) except -1:
    cdef Copy* g = <Copy*>new_geometry(o, sizeof(Copy))
    g.rows, g.width, g.x_pitch, g.y_pitch = as_tuple(geometry)
    return 0


cdef inline void measure(const Operation* o, bint training, Sizes* sizes) noexcept nogil:
    cdef const Copy* g = <const Copy*>o.geometry
    sizes.x, sizes.y = (g.rows - 1) * g.x_pitch + g.width, (g.rows - 1) * g.y_pitch + g.width
    if training and o.with_dx:
        sizes.dx, sizes.dy = sizes.x, sizes.y


cdef inline void forward_pieces(const Operation* o, const Context* c, const Image* image, int stage, Py_ssize_t first,
                                Py_ssize_t stop) noexcept nogil:
    cdef const Copy* g = <const Copy*>o.geometry
    copy_rows(stop - first, g.width, tensor(o.x, image) + first * g.x_pitch, g.x_pitch,
              tensor(o.y, image) + first * g.y_pitch, g.y_pitch)


cdef inline void backward_pieces(const Operation* o, const Context* c, const Image* image, int stage, Py_ssize_t first,
                                 Py_ssize_t stop) noexcept nogil:
    cdef const Copy* g = <const Copy*>o.geometry
    copy_rows(stop - first, g.width, tensor(o.dy, image) + first * g.y_pitch, g.y_pitch,
              tensor(o.dx, image) + first * g.x_pitch, g.x_pitch)


cdef inline Py_ssize_t pieces(const Operation* o, const Context* c, Phase phase, int stage) noexcept nogil:
    return (<const Copy*>o.geometry).rows if stage == 0 else 0


cdef inline void forward(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    forward_pieces(o, c, image, 0, 0, (<const Copy*>o.geometry).rows)


cdef inline void backward(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    backward_pieces(o, c, image, 0, 0, (<const Copy*>o.geometry).rows)


cdef inline void set_copy(OperationKind* row) noexcept:
    row.name = "copy"
    row.read, row.measure, row.forward, row.backward = read, measure, forward, backward
    row.pieces, row.forward_pieces, row.backward_pieces = pieces, forward_pieces, backward_pieces
