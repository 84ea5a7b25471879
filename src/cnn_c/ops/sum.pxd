# The operations of a residual block: a tensor that is read twice, and the sum of two.
#
#   y = x + also_x,   dx = dy + also_dy,   either of them without its first or its second term
#
# also_x and also_dy are x and dy of another operation of the block; see cnn/layers/residual.py.

from libc.string cimport memcpy

from ..arrays cimport as_tuple
from ..simd cimport real
from ..step.program cimport Context, Image, Operation, OperationKind, Sizes, new_geometry, tensor


cdef struct Sum:
    Py_ssize_t x_size, y_size
    bint own_x, own_dy


cdef inline int read(Operation* o, object geometry) except -1:
    cdef Sum* s = <Sum*>new_geometry(o, sizeof(Sum))
    s.x_size, s.y_size, s.own_x, s.own_dy = as_tuple(geometry)
    return 0


cdef inline void measure(const Operation* o, bint training, Sizes* sizes) noexcept nogil:
    cdef const Sum* s = <const Sum*>o.geometry
    sizes.x, sizes.y = s.x_size, s.y_size
    sizes.also_x = s.y_size if o.has_also_x else 0
    if training and o.with_dx:
        sizes.dx, sizes.dy = s.x_size, s.y_size
        sizes.also_dy = s.x_size if o.has_also_dy else 0


cdef inline void add(Py_ssize_t size, const real* a, const real* b, real* to) noexcept nogil:
    # Either of them may be NULL, and `to` may be `a`.
    cdef Py_ssize_t i
    if a == NULL or b == NULL:
        a = b if a == NULL else a
        if a != to:
            memcpy(to, a, size * sizeof(real))
        return
    for i in range(size):
        to[i] = a[i] + b[i]


cdef inline void forward(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    cdef const Sum* s = <const Sum*>o.geometry
    add(s.y_size, tensor(o.x, image) if s.own_x else NULL, tensor(o.also_x, image) if o.has_also_x else NULL,
        tensor(o.y, image))


cdef inline void backward(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    cdef const Sum* s = <const Sum*>o.geometry
    if o.with_dx:
        add(s.x_size, tensor(o.dy, image) if s.own_dy else NULL, tensor(o.also_dy, image) if o.has_also_dy else NULL,
            tensor(o.dx, image))


cdef inline void set_sum(OperationKind* row) noexcept:
    row.name = "sum"
    row.read, row.measure, row.forward, row.backward = read, measure, forward, backward
