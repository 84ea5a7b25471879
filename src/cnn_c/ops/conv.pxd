# The convolution as an operation of a plan: any kernel, stride, padding, dilation and groups.
#
# Workspace of a thread: the padded image, weights packed for the forward pass; for the input gradient its memory and
# its weights, see conv_input_gradient.pxd.

from libc.string cimport memcpy

from ..simd cimport real
from ..step.optimizer cimport update_run
from ..step.program cimport Context, Image, Operation, OperationKind, Sizes, learned_size, new_geometry, tensor
from .conv_forward cimport conv2d_forward
from .conv_gradient cimport bias_gradient, conv2d_weight_gradient, unpack_weight_gradient
from .conv_input_gradient cimport (
    conv2d_input_gradient, gradient_memory_size, gradient_scratch_size, gradient_weights_size, input_gradient_of,
    pack_gradient_weights,
)
from .conv_pieces cimport backward_pieces, forward_pieces, pieces
from .conv_shape cimport Conv, conv_from, kernel_size
from .conv_state cimport ConvState
from .folding cimport bias, fold_normalization, folded_size, rest_of_workspace, weights
from .padding cimport input_padding, padded, padded_size
from .pixel_packing cimport pack_weights, packed, packed_size, transformed_size, weight_sums_size


cdef inline int read(Operation* o, object geometry) except -1:
    cdef Conv g = conv_from(geometry)
    cdef ConvState* s = <ConvState*>new_geometry(o, sizeof(ConvState))
    s.conv = g
    s.forward, s.x = packed(&g), input_padding(&g)
    s.input_gradient = input_gradient_of(&g)
    return 0


cdef inline void measure(const Operation* o, bint training, Sizes* sizes) noexcept nogil:
    cdef const ConvState* s = <const ConvState*>o.geometry
    cdef const Conv* g = &s.conv
    sizes.w, sizes.channels = kernel_size(g), g.c_out
    sizes.x, sizes.y = g.h * g.w * g.c_in, g.oh * g.ow * g.c_out
    sizes.workspace = folded_size(o) + padded_size(&s.x) + packed_size(&s.forward)
    sizes.scratch = max(sizes.w + g.c_out, transformed_size(&s.forward))
    if not training:
        return
    sizes.dy, sizes.sums = sizes.y, weight_sums_size(&s.forward) + g.c_out
    if o.with_dx:
        sizes.dx = sizes.x
        sizes.scratch = max(sizes.scratch, gradient_scratch_size(&s.input_gradient))
        sizes.workspace += gradient_memory_size(&s.input_gradient) + gradient_weights_size(&s.input_gradient)


cdef inline void prepare(const Operation* o, const Context* c) noexcept nogil:
    cdef:
        const ConvState* s = <const ConvState*>o.geometry
        real* to = rest_of_workspace(o, c) + padded_size(&s.x)
    fold_normalization(o, c)
    pack_weights(&s.forward, weights(o, c), bias(o, c), to)
    if c.training and o.with_dx:
        to += packed_size(&s.forward) + gradient_memory_size(&s.input_gradient)
        pack_gradient_weights(&s.input_gradient, weights(o, c), to)


cdef inline void forward(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    cdef const ConvState* s = <const ConvState*>o.geometry
    cdef real* memory = rest_of_workspace(o, c)
    conv2d_forward(&s.forward, &s.x, padded(&s.x, tensor(o.x, image), memory), memory + padded_size(&s.x),
                   c.worker.scratch, tensor(o.y, image))


cdef inline void backward(const Operation* o, const Context* c, const Image* image) noexcept nogil:
    cdef:
        const ConvState* s = <const ConvState*>o.geometry
        const real* dy = tensor(o.dy, image)
        real* sums = image.sums + o.sums
        real* memory = rest_of_workspace(o, c)
    conv2d_weight_gradient(&s.forward, &s.x, padded(&s.x, tensor(o.x, image), memory), dy, c.worker.scratch,
                           sums)
    bias_gradient(s.conv.oh * s.conv.ow, s.conv.c_out, dy, sums + weight_sums_size(&s.forward))
    if o.with_dx:
        memory += padded_size(&s.x) + packed_size(&s.forward)
        conv2d_input_gradient(&s.input_gradient, dy, memory + gradient_memory_size(&s.input_gradient), memory,
                              c.worker.scratch, tensor(o.dx, image))


cdef inline void update(const Operation* o, const Context* c) noexcept nogil:
    cdef:
        const ConvState* s = <const ConvState*>o.geometry
        const real* sums = c.program.all_sums + o.sums
        real* gradients = c.worker.scratch
    if s.forward.pixels == 1 and not s.forward.gradient_by_winograd:  # they lie as the parameters do
        update_run(c.optimizer, learned_size(o), sums, o.w)
        return
    unpack_weight_gradient(&s.forward, sums, 1, False, gradients)
    if o.b >= 0:
        memcpy(gradients + o.w_size, sums + weight_sums_size(&s.forward), o.channels * sizeof(real))
    update_run(c.optimizer, learned_size(o), gradients, o.w)


cdef inline void set_conv(OperationKind* row) noexcept:
    row.name = "conv"
    row.read, row.measure, row.prepare = read, measure, prepare
    row.forward, row.backward, row.update = forward, backward, update
    row.pieces, row.forward_pieces, row.backward_pieces = pieces, forward_pieces, backward_pieces
