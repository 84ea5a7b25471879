# Elementwise: the rectifier, over a run of reals, by one thread.
#
#   y = x where x > 0 or x is NaN, else 0;   dx = dy where y > 0, else 0

from .simd cimport real


cdef inline void relu_forward(Py_ssize_t size, const real* x, real* y) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        y[i] = 0 if x[i] <= 0 else x[i]


cdef inline void relu_backward(Py_ssize_t size, const real* dy, const real* y, real* dx) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        dx[i] = dy[i] if y[i] > 0 else 0
