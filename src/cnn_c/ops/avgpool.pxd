# Average pooling of one image, channels last, forward and backward, by one thread.
#
#   y[i, j, c] = mean over the window's k, l inside the image of x[i*sh + k - ph, j*sw + l - pw, c]
#   dx         = dy over that number of elements, added to each of them
#
# Loops over channels, which the compiler makes vectors of; memory bound.

from libc.string cimport memset

from ..simd cimport real
from ..step.program cimport Context, Image, Operation, OperationKind, tensor
from .maxpool cimport Pool, first_inside, measure_pool, read_pool


cdef inline void avgpool_forward(const Pool* g, const real* x, real* y) noexcept nogil:
    # x: (h, w, c) -> y: (oh, ow, c)
    cdef:
        Py_ssize_t i, j, k, l, c, row, column, k0, k1, l0, l1
        const real* p
        real share
    for i in range(g.oh):
        row = i * g.sh - g.ph
        k0, k1 = first_inside(row), min(g.kh, g.h - row)
        for j in range(g.ow):
            column = j * g.sw - g.pw
            l0, l1 = first_inside(column), min(g.kw, g.w - column)
            share = <real>1 / <real>((k1 - k0) * (l1 - l0))
            memset(y, 0, g.c * sizeof(real))
            for k in range(k0, k1):
                for l in range(l0, l1):
                    p = x + ((row + k) * g.w + column + l) * g.c
                    for c in range(g.c):
                        y[c] += p[c]
            for c in range(g.c):
                y[c] *= share
            y += g.c


cdef inline void avgpool_backward(const Pool* g, const real* dy, real* dx) noexcept nogil:
    # dy: (oh, ow, c) -> dx: (h, w, c)
    cdef:
        Py_ssize_t i, j, k, l, c, row, column, k0, k1, l0, l1
        real* p
        real share
    memset(dx, 0, g.h * g.w * g.c * sizeof(real))
    for i in range(g.oh):
        row = i * g.sh - g.ph
        k0, k1 = first_inside(row), min(g.kh, g.h - row)
        for j in range(g.ow):
            column = j * g.sw - g.pw
            l0, l1 = first_inside(column), min(g.kw, g.w - column)
            share = <real>1 / <real>((k1 - k0) * (l1 - l0))
            for k in range(k0, k1):
                for l in range(l0, l1):
                    p = dx + ((row + k) * g.w + column + l) * g.c
                    for c in range(g.c):
                        p[c] += dy[c] * share
            dy += g.c

# ---- as an operation of a plan ----

cdef inline void forward(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    avgpool_forward(<const Pool*>o.geometry, tensor(o.x, image), tensor(o.y, image))


cdef inline void backward(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    avgpool_backward(<const Pool*>o.geometry, tensor(o.dy, image), tensor(o.dx, image))


cdef inline void set_avgpool(OperationKind* row) noexcept:
    row.name = "avgpool"
    row.read, row.measure, row.forward, row.backward = read_pool, measure_pool, forward, backward
