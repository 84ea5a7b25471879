# The sizes of a convolution, and of the one that takes the gradient for its output to that for its input.
#
# With groups, c_in and c_out are split into as many blocks, and each block of outputs sums over its block of inputs
# alone. The weights are (kh, kw, c_in / groups, c_out). A dilation is the distance of two neighbouring positions of
# the kernel in the image.

from ..arrays cimport read_sizes
from ..simd cimport real
from .gather cimport transpose


cdef struct Conv:  # cnn.backends.geometry.ConvGeometry, field by field
    Py_ssize_t h, w, c_in, c_out, kh, kw, sh, sw, ph, pw, oh, ow, dilation_h, dilation_w, groups


cdef inline Conv conv_from(geometry) except *:
    cdef Conv g
    read_sizes(geometry, sizeof(Conv) // sizeof(Py_ssize_t), &g.h)
    return g


cdef inline bint is_plain(const Conv* g) noexcept nogil:
    return g.groups == 1 and g.dilation_h == 1 and g.dilation_w == 1


cdef inline bint is_pointwise(const Conv* g) noexcept nogil:
    # A matrix product of pixels and weights, (h * w, c_in) by (c_in, c_out).
    return is_plain(g) and g.kh == 1 and g.kw == 1 and g.sh == 1 and g.sw == 1 and g.ph == 0 and g.pw == 0


cdef inline bint is_depthwise(const Conv* g) noexcept nogil:
    # Every output channel is made of the input channel of its number.
    return g.groups > 1 and g.c_in == g.groups and g.c_out == g.groups


cdef inline Py_ssize_t group_inputs(const Conv* g) noexcept nogil:
    return g.c_in // g.groups


cdef inline Py_ssize_t dilated_kh(const Conv* g) noexcept nogil:
    return (g.kh - 1) * g.dilation_h + 1


cdef inline Py_ssize_t dilated_kw(const Conv* g) noexcept nogil:
    return (g.kw - 1) * g.dilation_w + 1


cdef inline Py_ssize_t kernel_size(const Conv* g) noexcept nogil:
    # Reals of the weights.
    return g.kh * g.kw * group_inputs(g) * g.c_out


cdef inline Conv flipped(const Conv* g) noexcept nogil:
    # The convolution that takes dy, its pixels set apart by the stride, to dx. Its padding may be negative: then it
    # leaves the border of dy out.
    cdef Conv t = g[0]
    t.h, t.w, t.c_in, t.c_out = (g.oh - 1) * g.sh + 1, (g.ow - 1) * g.sw + 1, g.c_out, g.c_in
    t.sh, t.sw, t.ph, t.pw = 1, 1, dilated_kh(g) - 1 - g.ph, dilated_kw(g) - 1 - g.pw
    t.oh, t.ow = g.h, g.w
    return t


cdef inline void flip_weights(const Conv* g, const real* w, real* out) noexcept nogil:
    # out[k, l, o, q * inputs + c] = w[kh - 1 - k, kw - 1 - l, c, q * outputs + o] for every group q
    cdef:
        Py_ssize_t k, q, positions = g.kh * g.kw, inputs = group_inputs(g), outputs = g.c_out // g.groups
        const real* from_
    for k in range(positions):
        from_ = w + (positions - 1 - k) * inputs * g.c_out
        for q in range(g.groups):
            transpose(inputs, outputs, from_ + q * outputs, g.c_out, out + k * outputs * g.c_in + q * inputs, g.c_in)
