# Convolution of stride 1, ReLU and 2x2 max pooling as one operation of a plan, of an image with several channels.
#
# x lies in a frame of zeros with a pitch of its own, and so does dx; y may have any pitch. Workspace of a thread: the
# weights transformed, where Winograd's algorithm is used; the weights as the input gradient reads them, for every
# position of the maximum in its window.

from ..simd cimport real, rounded_up
from ..step.optimizer cimport update_run
from ..step.program cimport Context, Image, Operation, OperationKind, Sizes, new_geometry, tensor
from .conv_pool_forward cimport conv_pool_forward, lines_size
from .conv_pool_gradient cimport (
    conv_pool_backward, conv_pool_gradient, conv_pool_sums_size, kernel_row, lists_size, set_window_weights, window_row,
    window_weights_size,
)
from .conv_pool_shape cimport ConvPool, conv_pool_from
from .conv_pool_winograd cimport conv_pool_winograd, convolution_of, pools_by_winograd
from .conv_shape cimport Conv
from .folding cimport bias, fold_normalization, folded_size, rest_of_workspace, weights
from .winograd cimport pack_winograd_weights, winograd_weights_size
from .winograd_shape cimport forward_block_size


cdef inline int read(Operation* o, object geometry) except -1:
    cdef ConvPool* g = <ConvPool*>new_geometry(o, sizeof(ConvPool))
    g[0] = conv_pool_from(geometry)
    return 0


cdef inline Py_ssize_t map_size(const ConvPool* g) noexcept nogil:
    # From the first real of the frame to the last one of the image in it.
    return ((g.ph + g.h - 1) * g.x_pitch + g.pw + g.w) * g.c_in


cdef inline Py_ssize_t last_pixel(const ConvPool* g) noexcept nogil:
    # Of the padded image, under the top left of the kernel at the last window's last position.
    return (2 * g.oh - 1) * g.x_pitch + 2 * g.ow - 1


cdef inline Py_ssize_t dx_size(const ConvPool* g) noexcept nogil:
    # Added up, and therefore zeroed first: all of the image, and the registers written for the last window.
    return max(map_size(g), (last_pixel(g) + (g.kh - 1) * g.x_pitch - 1) * g.c_in + window_row(g))


cdef inline Py_ssize_t transformed_size(const ConvPool* g) noexcept nogil:
    # Of the weights.
    cdef Conv c = convolution_of(g)
    return rounded_up(winograd_weights_size(&c)) if pools_by_winograd(g) else 0


cdef inline void measure(const Operation* o, bint training, Sizes* sizes) noexcept nogil:
    cdef:
        const ConvPool* g = <const ConvPool*>o.geometry
        Py_ssize_t last = last_pixel(g) + (g.kh - 1) * g.x_pitch
        Py_ssize_t y = ((g.oh - 1) * g.y_pitch + g.ow) * g.c_out
        Conv c = convolution_of(g)
    sizes.w, sizes.channels = g.kh * g.kw * g.c_in * g.c_out, g.c_out
    sizes.x = max(map_size(g), (last + g.kw) * g.c_in)
    sizes.y = y
    sizes.workspace = folded_size(o) + transformed_size(g)
    sizes.scratch = max(sizes.w + g.c_out, forward_block_size(&c) if pools_by_winograd(g) else lines_size(g))
    if not training:
        return
    sizes.x = max(sizes.x, last * g.c_in + kernel_row(g))
    sizes.dy, sizes.argmax = y, g.oh * g.ow * g.c_out
    sizes.sums = conv_pool_sums_size(g)
    sizes.scratch = max(sizes.scratch, lists_size(g))
    if o.with_dx:
        sizes.dx = dx_size(g)
        sizes.workspace += window_weights_size(g) * g.c_out + window_row(g)


cdef inline void prepare(const Operation* o, const Context* c) noexcept nogil:
    cdef const ConvPool* g = <const ConvPool*>o.geometry
    cdef Conv convolution = convolution_of(g)
    fold_normalization(o, c)
    if pools_by_winograd(g):
        pack_winograd_weights(&convolution, weights(o, c), bias(o, c), rest_of_workspace(o, c))
    if c.training and o.with_dx:
        set_window_weights(g, c.program.parameters + o.w, rest_of_workspace(o, c) + transformed_size(g))


cdef inline void forward(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    cdef const ConvPool* g = <const ConvPool*>o.geometry
    cdef int* argmax = <int*>tensor(o.argmax, image) if c.training else NULL
    if pools_by_winograd(g):
        conv_pool_winograd(g, tensor(o.x, image), rest_of_workspace(o, c), c.worker.scratch, tensor(o.y, image), argmax)
    else:
        conv_pool_forward(g, tensor(o.x, image), weights(o, c), bias(o, c), c.worker.scratch, tensor(o.y, image),
                          argmax)


cdef inline void backward(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    cdef const ConvPool* g = <const ConvPool*>o.geometry
    conv_pool_backward(g, tensor(o.dy, image), <int*>tensor(o.argmax, image), tensor(o.x, image),
                       rest_of_workspace(o, c) + transformed_size(g), image.sums + o.sums,
                       tensor(o.dx, image) if o.with_dx else NULL, dx_size(g), c.worker.scratch)


cdef inline void update(const Operation* o, const Context* c) noexcept nogil:
    cdef:
        const ConvPool* g = <const ConvPool*>o.geometry
        real* gradients = c.worker.scratch
    conv_pool_gradient(g, c.program.all_sums + o.sums, gradients, gradients + o.w_size if o.b >= 0 else NULL)
    update_run(c.optimizer, o.w_size + (o.channels if o.b >= 0 else 0), gradients, o.w)


cdef inline void set_conv_pool(OperationKind* row) noexcept:
    row.name = "conv+pool"
    row.read, row.measure, row.prepare = read, measure, prepare
    row.forward, row.backward, row.update = forward, backward, update
