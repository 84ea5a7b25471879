# Convolution of stride 1, ReLU and 2x2 max pooling as one operation of a plan, of an image with several channels.
#
# x lies in a frame of zeros with a pitch of its own, and so does dx; y may have any pitch. Workspace of a thread: the
# weights transformed, where Winograd's algorithm is used; the weights as the input gradient reads them, for every
# position of the maximum in its window.

from libc.string cimport memset

from ..simd cimport LANES, real, registers, rounded_up
from ..step.optimizer cimport update_run
from ..step.program cimport FORWARD, Context, Image, Operation, OperationKind, Phase, Sizes, new_geometry, tensor
from ..tile cimport channels_of_tile
from .conv_pool_forward cimport Part, conv_pool_forward, lines_size
from .conv_pool_gradient cimport (
    Lists, conv_pool_gradient, conv_pool_input_gradient, conv_pool_sums_size, conv_pool_weight_gradient, kernel_row,
    lists_in, lists_size, rest_of_scratch, set_window_weights, window_row, window_weights_size,
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


cdef inline Py_ssize_t dx_rows(const ConvPool* g) noexcept nogil:
    # Of the padded image, that lie under the kernel.
    return 2 * g.oh + g.kh - 1


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


cdef inline void forward_part(const Operation* o, const Context* c, const Image* image, Part part) noexcept nogil:
    # By Winograd's algorithm all channels of its rows.
    cdef const ConvPool* g = <const ConvPool*>o.geometry
    cdef int* argmax = <int*>tensor(o.argmax, image) if c.training else NULL
    if pools_by_winograd(g):
        conv_pool_winograd(g, part.row, part.end_row, tensor(o.x, image), rest_of_workspace(o, c), c.worker.scratch,
                           tensor(o.y, image), argmax)
    else:
        conv_pool_forward(g, part, tensor(o.x, image), weights(o, c), bias(o, c), c.worker.scratch, tensor(o.y, image),
                          argmax)


cdef inline void forward(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    cdef const ConvPool* g = <const ConvPool*>o.geometry
    cdef Part part
    part.row, part.end_row, part.channel, part.end_channel = 0, g.oh, 0, g.c_out
    forward_part(o, c, image, part)


cdef inline void backward_channels(const Operation* o, const Context* c, const Image* image, Lists lists,
                                   Py_ssize_t first, Py_ssize_t stop) noexcept nogil:
    # Weight gradients of blocks of LANES channels.
    cdef const ConvPool* g = <const ConvPool*>o.geometry
    conv_pool_weight_gradient(g, first, stop, tensor(o.dy, image), <int*>tensor(o.argmax, image), tensor(o.x, image),
                              lists, image.sums + o.sums, rest_of_scratch(g, c.worker.scratch))


cdef inline void backward_rows(const Operation* o, const Context* c, const Image* image, Lists lists, Py_ssize_t first,
                               Py_ssize_t stop) noexcept nogil:
    # Rows first .. stop of dx; after the last row that counts all that kernels touch.
    cdef:
        const ConvPool* g = <const ConvPool*>o.geometry
        Py_ssize_t row = g.x_pitch * g.c_in
        real* dx = tensor(o.dx, image)
    memset(dx + first * row, 0, ((dx_size(g) if stop == dx_rows(g) else stop * row) - first * row) * sizeof(real))
    conv_pool_input_gradient(g, first, stop, lists, rest_of_workspace(o, c) + transformed_size(g), dx,
                             rest_of_scratch(g, c.worker.scratch))


cdef inline void backward(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    cdef const ConvPool* g = <const ConvPool*>o.geometry
    cdef Lists lists = lists_in(g, c.worker.scratch)
    backward_channels(o, c, image, lists, 0, registers(g.c_out))
    if o.with_dx:
        backward_rows(o, c, image, lists, 0, dx_rows(g))


# ---- one image by several threads ----

cdef inline Py_ssize_t blocks(const ConvPool* g) noexcept nogil:
    # Of channels. Winograd's algorithm has one: all channels need the same transformed pixels.
    return 1 if pools_by_winograd(g) else (g.c_out + channels_of_tile() - 1) // channels_of_tile()


cdef inline bint has_dx_pieces(const ConvPool* g) noexcept nogil:
    # Whether a row of dx can be written without the next: its registers do not end there.
    return (g.kw + 1) * g.c_in % LANES == 0


cdef inline Py_ssize_t pieces(const Operation* o, const Context* c, Phase phase, int stage) noexcept nogil:
    # Forward: blocks of channels, row by row of y. A thread's rows are those that it had of the operation before.
    # Backward: registers of channels, then rows of dx.
    cdef const ConvPool* g = <const ConvPool*>o.geometry
    if phase == FORWARD:
        return blocks(g) * g.oh if stage == 0 else 0
    if stage == 0:
        return registers(g.c_out)
    if not o.with_dx:
        return 0
    return dx_rows(g) if has_dx_pieces(g) else 1


cdef inline void forward_pieces(const Operation* o, const Context* c, const Image* image, int stage, Py_ssize_t first,
                                Py_ssize_t stop) noexcept nogil:
    cdef const ConvPool* g = <const ConvPool*>o.geometry
    cdef Part part
    part.row, part.end_row, part.channel, part.end_channel = first, stop, 0, g.c_out
    if blocks(g) == 1:  # rows together
        forward_part(o, c, image, part)
        return
    while first < stop:
        part.row = first // blocks(g)
        part.end_row = part.row + 1
        part.channel = (first - part.row * blocks(g)) * channels_of_tile()
        part.end_channel = min((stop - part.row * blocks(g)) * channels_of_tile(), g.c_out)
        forward_part(o, c, image, part)
        first = part.end_row * blocks(g)


cdef inline void backward_pieces(const Operation* o, const Context* c, const Image* image, int stage, Py_ssize_t first,
                                 Py_ssize_t stop) noexcept nogil:
    # The lists of all channels lie with the group's first thread.
    cdef const ConvPool* g = <const ConvPool*>o.geometry
    cdef Lists lists = lists_in(g, c.group.leader.scratch)
    if stage == 0:
        backward_channels(o, c, image, lists, first, stop)
    elif has_dx_pieces(g):
        backward_rows(o, c, image, lists, first, stop)
    else:
        backward_rows(o, c, image, lists, 0, dx_rows(g))


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
    row.pieces, row.forward_pieces, row.backward_pieces = pieces, forward_pieces, backward_pieces
