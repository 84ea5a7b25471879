# Rows of pixels copied from one pitch to another, where an operation cannot write what the next one reads.

from ..arrays cimport as_tuple
from ..simd cimport LANES, lanes_of, real, registers, vload_lanes, vstore_lanes
from ..step.program cimport Context, Image, Operation, OperationKind, Sizes, new_geometry, tensor


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


cdef inline void forward(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    cdef const Copy* g = <const Copy*>o.geometry
    copy_rows(g.rows, g.width, tensor(o.x, image), g.x_pitch, tensor(o.y, image), g.y_pitch)


cdef inline void backward(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    cdef const Copy* g = <const Copy*>o.geometry
    copy_rows(g.rows, g.width, tensor(o.dy, image), g.y_pitch, tensor(o.dx, image), g.x_pitch)


cdef inline void set_copy(OperationKind* row) noexcept:
    row.name = "copy"
    row.read, row.measure, row.forward, row.backward = read, measure, forward, backward
