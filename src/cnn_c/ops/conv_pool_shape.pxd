# The sizes of a convolution with 2x2 max pooling, and the maximum of a window, for the two operations that fuse them.

from ..arrays cimport read_sizes
from ..simd cimport (
    choice, iselect, isplat, ivec, vec, vgreater, vmax, vselect, vsplat, vunordered,
)


cdef struct ConvPool:
    Py_ssize_t h, w, c_in, c_out, kh, kw, ph, pw  # a convolution of stride 1
    Py_ssize_t oh, ow                             # of its pooled output
    Py_ssize_t x_pitch, y_pitch                   # pixels from a row of the padded input, of the output, to the next
    Py_ssize_t relu                               # 0 or 1


cdef enum:
    IDLE = 4  # the code of a window through which no gradient passes


cdef inline ConvPool conv_pool_from(geometry) except *:
    cdef ConvPool g
    read_sizes(geometry, sizeof(ConvPool) // sizeof(Py_ssize_t), &g.h)
    return g


cdef inline vec window_maximum(const bint relu, vec s0, vec s1, vec s2, vec s3, ivec* argmax) noexcept nogil:
    # The first maximum of a window in row order, rectified. NaN stays; its code is of no use, for the loss is NaN then.
    cdef:
        vec zero = vsplat(0)
        vec upper = vmax(s0, s1), lower = vmax(s2, s3)
        vec best = vmax(upper, lower)
        choice down = vgreater(lower, upper)
        choice right = vgreater(vselect(down, s3, s1), vselect(down, s2, s0))
    argmax[0] = iselect(down, isplat(2), isplat(0))
    argmax[0] = iselect(right, argmax[0] + isplat(1), argmax[0])
    best = vselect(vunordered(s0, s1), s0 + s1, best)
    best = vselect(vunordered(s2, s3), s2 + s3, best)
    if relu:
        best = vmax(zero, best)
        argmax[0] = iselect(vgreater(best, zero), argmax[0], isplat(IDLE))
    return best
