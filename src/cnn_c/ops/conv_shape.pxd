# The sizes of a convolution, and of the one that takes the gradient for its output to that for its input.

from ..arrays cimport as_tuple
from ..simd cimport real


cdef struct Conv:  # cnn.backends.geometry.ConvGeometry, field by field
    Py_ssize_t h, w, c_in, c_out, kh, kw, sh, sw, ph, pw, oh, ow


cdef inline Conv conv_from(geometry) except *:
    cdef Conv g
    g.h, g.w, g.c_in, g.c_out, g.kh, g.kw, g.sh, g.sw, g.ph, g.pw, g.oh, g.ow = as_tuple(geometry)
    return g


cdef inline Py_ssize_t kernel_size(const Conv* g) noexcept nogil:
    # Reals of the weights (kh, kw, c_in, c_out).
    return g.kh * g.kw * g.c_in * g.c_out


cdef inline Conv flipped(const Conv* g) noexcept nogil:
    # The convolution that takes the padded dy to dx.
    cdef Conv t
    t.h, t.w, t.c_in, t.c_out = g.h + g.kh - 1, g.w + g.kw - 1, g.c_out, g.c_in
    t.kh, t.kw, t.sh, t.sw, t.ph, t.pw = g.kh, g.kw, 1, 1, 0, 0
    t.oh, t.ow = g.h, g.w
    return t


cdef inline void flip_weights(const Conv* g, const real* w, real* out) noexcept nogil:
    # out[k, l, o, c] = w[kh - 1 - k, kw - 1 - l, c, o]
    cdef Py_ssize_t k, c, o, positions = g.kh * g.kw
    for k in range(positions):
        for c in range(g.c_in):
            for o in range(g.c_out):
                out[(k * g.c_out + o) * g.c_in + c] = w[((positions - 1 - k) * g.c_in + c) * g.c_out + o]
