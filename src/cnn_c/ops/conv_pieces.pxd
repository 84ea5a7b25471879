# The convolution of one image by several threads. They copy rows into padded images first; then, forward, they take
# rows of y, and backward the bias gradient, channels of the weight gradient and rows of dx. Rows go in pairs, as some
# tiles take them: by Winograd's algorithm a pair is a row of tiles, and each piece of the weight gradient transforms
# the pixels once more. Of a convolution with groups or a dilation all go together.

from ..simd cimport real
from ..step.pieces cimport Pieces, next_work
from ..step.program cimport BACKWARD, FORWARD, Context, Image, Operation, Phase, tensor
from ..tile cimport channels_of_tile
from .conv_forward cimport PAIR, conv2d_forward_rows, has_row_pieces
from .conv_gradient cimport bias_gradient, conv2d_weight_gradient, weight_gradient_of_channels
from .conv_input_gradient cimport (
    InputGradient, PhaseMemory, gradient_memory_size, memory_of_phase, phase_rows,
)
from .conv_state cimport ConvState
from .folding cimport rest_of_workspace
from .padding cimport Padding, fill_padded, is_image, padded_size, rows_to_fill
from .pixel_packing cimport Packed, packed_size, weight_sums_size


cdef inline Py_ssize_t row_pieces(const Packed* g) noexcept nogil:
    return (g.conv.oh + PAIR - 1) // PAIR if has_row_pieces(g) else 1


cdef inline Pieces rows_of(const Packed* g, Pieces p) noexcept nogil:
    # The rows of these pieces.
    cdef Py_ssize_t size = PAIR if has_row_pieces(g) else g.conv.oh
    p.first, p.stop = p.first * size, min(p.stop * size, g.conv.oh)
    return p


cdef inline Py_ssize_t channel_pieces(const Packed* g) noexcept nogil:
    return (g.conv.c_out + channels_of_tile() - 1) // channels_of_tile() if has_row_pieces(g) else 1


cdef inline Py_ssize_t pieces(const Operation* o, const Context* c, Phase phase, int stage) noexcept nogil:
    cdef:
        const ConvState* s = <const ConvState*>o.geometry
        const InputGradient* dx = &s.input_gradient
        Py_ssize_t i, count = rows_to_fill(&s.x)
    if stage == 1:
        count = row_pieces(&s.forward) if phase == FORWARD else 1 + channel_pieces(&s.forward)
    if phase == BACKWARD and o.with_dx:
        for i in range(dx.count):
            count += rows_to_fill(&dx.phases[i].dy) if stage == 0 else row_pieces(&dx.phases[i].packing)
    return count


cdef inline const real* padded_image(const Padding* f, const real* image, int stage, Pieces* wanted,
                                     real* memory) noexcept nogil:
    # Where it lies after the first stage, which copies the rows that are wanted.
    cdef Pieces own
    if stage == 0:
        own = next_work(wanted, rows_to_fill(f))
        fill_padded(f, image, own.first, own.stop, memory)
    return image if is_image(f) else memory


cdef inline void forward_pieces(const Operation* o, const Context* c, const Image* image, int stage, Py_ssize_t first,
                                Py_ssize_t stop) noexcept nogil:
    cdef:
        const ConvState* s = <const ConvState*>o.geometry
        real* memory = rest_of_workspace(o, c)
        Pieces rows = Pieces(first, stop)
        const real* x = padded_image(&s.x, tensor(o.x, image), stage, &rows, memory)
    if stage == 0:
        return
    rows = rows_of(&s.forward, rows)
    conv2d_forward_rows(&s.forward, &s.x, x, memory + padded_size(&s.x), rows.first, rows.stop, c.worker.scratch,
                        tensor(o.y, image))


cdef inline void backward_pieces(const Operation* o, const Context* c, const Image* image, int stage, Py_ssize_t first,
                                 Py_ssize_t stop) noexcept nogil:
    cdef:
        const ConvState* s = <const ConvState*>o.geometry
        const real* dy = tensor(o.dy, image)
        real* memory = rest_of_workspace(o, c)
        Pieces wanted = Pieces(first, stop)
        const real* x = padded_image(&s.x, tensor(o.x, image), stage, &wanted, memory)
    if stage == 1:
        parameter_pieces(s, &wanted, x, dy, c.worker.scratch, image.sums + o.sums)
    if o.with_dx:
        memory += padded_size(&s.x) + packed_size(&s.forward)
        input_pieces(&s.input_gradient, &wanted, stage, dy, memory, c.worker.scratch, tensor(o.dx, image))


cdef inline void parameter_pieces(const ConvState* s, Pieces* wanted, const real* x, const real* dy, real* scratch,
                                  real* sums) noexcept nogil:
    # Of the gradients for bias and weights. x: padded
    cdef Pieces own = next_work(wanted, 1)
    cdef Py_ssize_t size = channels_of_tile()
    if own.first < own.stop:
        bias_gradient(s.conv.oh * s.conv.ow, s.conv.c_out, dy, sums + weight_sums_size(&s.forward))
    own = next_work(wanted, channel_pieces(&s.forward))
    if own.first >= own.stop:
        return
    if has_row_pieces(&s.forward):
        weight_gradient_of_channels(&s.forward, &s.x, own.first * size, min(own.stop * size, s.forward.conv.c_out), x,
                                    dy, scratch, sums)
    else:
        conv2d_weight_gradient(&s.forward, &s.x, x, dy, scratch, sums)


cdef inline void input_pieces(const InputGradient* g, Pieces* wanted, int stage, const real* dy, real* memory,
                              real* scratch, real* dx) noexcept nogil:
    # Of the gradient for the input. memory: as in memory_of_phase, its weights behind it
    cdef PhaseMemory m
    cdef Pieces own
    cdef Py_ssize_t i
    cdef const real* padded
    for i in range(g.count):
        m = memory_of_phase(g, i, memory + gradient_memory_size(g), memory, dx)
        padded = padded_image(&g.phases[i].dy, dy, stage, wanted, m.padded)
        if stage == 0:
            continue
        own = rows_of(&g.phases[i].packing, next_work(wanted, row_pieces(&g.phases[i].packing)))
        if own.first < own.stop:
            phase_rows(g, g.phases + i, own.first, own.stop, padded, m.weights, scratch, m.part, dx)
