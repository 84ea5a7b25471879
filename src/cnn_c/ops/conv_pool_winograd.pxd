# Forward pass of convolution, ReLU and 2x2 max pooling by Winograd's algorithm (winograd_shape.pxd): the outputs of a
# tile are a pooling window.

from ..simd cimport real
from .conv_pool_shape cimport ConvPool
from .conv_shape cimport Conv
from .winograd cimport winograd_forward
from .winograd_outputs cimport Outputs
from .winograd_shape cimport takes_winograd


cdef inline Conv convolution_of(const ConvPool* g) noexcept nogil:
    # Without what of its output is in no window.
    cdef Conv c
    c.h, c.w, c.c_in, c.c_out, c.kh, c.kw, c.ph, c.pw = g.h, g.w, g.c_in, g.c_out, g.kh, g.kw, g.ph, g.pw
    c.oh, c.ow = 2 * g.oh, 2 * g.ow
    c.sh = c.sw = c.dilation_h = c.dilation_w = c.groups = 1
    return c


cdef inline bint pools_by_winograd(const ConvPool* g) noexcept nogil:
    cdef Conv c = convolution_of(g)
    return takes_winograd(&c)


cdef inline void conv_pool_winograd(const ConvPool* g, Py_ssize_t row, Py_ssize_t end_row, const real* x,
                                    const real* weights, real* scratch, real* y, int* argmax) noexcept nogil:
    # Rows of y. x: the image in its frame of zeros; weights, scratch: as in winograd_forward; argmax may be NULL
    cdef Conv c = convolution_of(g)
    cdef Outputs to
    to.y, to.y_width, to.pooled, to.relu, to.argmax = y, g.y_pitch * g.c_out, True, g.relu, argmax
    winograd_forward(&c, x, g.x_pitch * g.c_in, weights, row, end_row, scratch, &to)
