# The gradient of a convolution for its input, of one image, by one thread.
#
#   dx[i, j, c] = sum over k, l, o of dy[(i + ph - k) / sh, (j + pw - l) / sw, o] * w[k, l, c, o], where both are whole
#
# Every pixel of dx whose row and column have the same remainders a, b of the stride meets the same positions of the
# kernel: k = k0, k0 + sh, ... and l = l0, l0 + sw, ... So the gradient is a convolution of stride 1 over dy for each
# pair of remainders, a phase, with that part of the kernel, turned by half a circle. The pixels of a phase are put
# between those of the others. Without a stride there is one phase. With a stride above 2, or groups or a dilation, it
# is one convolution over dy, its pixels set apart by the stride.

from libc.string cimport memcpy, memset

from ..simd cimport real
from .conv_forward cimport conv2d_forward_rows
from .gather cimport transpose
from .conv_shape cimport Conv, flip_weights, flipped, is_plain, kernel_size
from .padding cimport Padding, gradient_padding, input_padding, padded, padded_size
from .pixel_packing cimport Packed, pack_weights, packed, packed_size, transformed_size


cdef enum:
    MOST_PHASES = 4


cdef struct Phase:
    Conv conv                # over dy, of stride 1
    Packed packing
    Padding dy
    Py_ssize_t a, b          # remainders: the first row and the first column of dx
    Py_ssize_t k0, l0        # the first position of the kernel
    bint is_empty            # no position of the kernel: dx is zero


cdef struct InputGradient:
    Conv conv
    int count
    bint is_strided          # whether a phase is a part of dx
    Phase phases[MOST_PHASES]


cdef inline Phase phase_of(const Conv* g, Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    cdef:
        Phase p
        Conv t = g[0]
    p.a, p.b, p.k0, p.l0 = a, b, (a + g.ph) % g.sh, (b + g.pw) % g.sw
    t.h, t.w, t.c_in, t.c_out, t.sh, t.sw = g.oh, g.ow, g.c_out, g.c_in, 1, 1
    t.kh, t.kw = (g.kh - p.k0 + g.sh - 1) // g.sh, (g.kw - p.l0 + g.sw - 1) // g.sw
    t.oh, t.ow = (g.h - a + g.sh - 1) // g.sh, (g.w - b + g.sw - 1) // g.sw
    p.is_empty = p.k0 >= g.kh or p.l0 >= g.kw
    if p.is_empty:
        t.kh = t.kw = 1
    t.ph, t.pw = t.kh - 1 - (a + g.ph - p.k0) // g.sh, t.kw - 1 - (b + g.pw - p.l0) // g.sw
    p.conv, p.packing, p.dy = t, packed(&t), input_padding(&t)
    return p


cdef inline InputGradient input_gradient_of(const Conv* g) noexcept nogil:
    cdef:
        InputGradient s
        Conv t
        Py_ssize_t a, b
    s.conv, s.count, s.is_strided = g[0], 0, is_plain(g) and max(g.sh, g.sw) == 2
    if not s.is_strided:
        t = flipped(g)
        s.count = 1
        s.phases[0].packing, s.phases[0].dy, s.phases[0].is_empty = packed(&t), gradient_padding(g), False
        return s
    for a in range(min(g.sh, g.h)):
        for b in range(min(g.sw, g.w)):
            s.phases[s.count] = phase_of(g, a, b)
            s.count += 1
    return s


cdef inline Py_ssize_t gradient_memory_size(const InputGradient* s) noexcept nogil:
    # Zeroed once: the padded dy of every phase, and all phases of dx.
    cdef Py_ssize_t i, size = 0
    for i in range(s.count):
        size += padded_size(&s.phases[i].dy)
    return size + (s.conv.h * s.conv.w * s.conv.c_in if s.is_strided else 0)


cdef inline Py_ssize_t gradient_weights_size(const InputGradient* s) noexcept nogil:
    # The packed weights of every phase, and room for the turned ones.
    cdef Py_ssize_t i, size = kernel_size(&s.conv)
    for i in range(s.count):
        size += packed_size(&s.phases[i].packing)
    return size


cdef inline Py_ssize_t gradient_scratch_size(const InputGradient* s) noexcept nogil:
    cdef Py_ssize_t i, size = 0
    for i in range(s.count):
        size = max(size, transformed_size(&s.phases[i].packing))
    return size


cdef inline void turn_weights(const Conv* g, const Phase* p, const real* w, real* out) noexcept nogil:
    # out[m, n, o, c] = w[k0 + sh * (kh' - 1 - m), l0 + sw * (kw' - 1 - n), c, o], the phase's kernel being kh' x kw'
    cdef:
        Py_ssize_t m, n, k, l
        const real* from_
    for m in range(p.conv.kh):
        for n in range(p.conv.kw):
            k, l = p.k0 + g.sh * (p.conv.kh - 1 - m), p.l0 + g.sw * (p.conv.kw - 1 - n)
            from_ = w + (k * g.kw + l) * g.c_in * g.c_out
            transpose(g.c_in, g.c_out, from_, g.c_out, out, g.c_in)
            out += g.c_in * g.c_out


cdef inline void pack_gradient_weights(const InputGradient* s, const real* w, real* memory) noexcept nogil:
    cdef:
        Py_ssize_t i
        real* turned = memory + gradient_weights_size(s) - kernel_size(&s.conv)
    for i in range(s.count):
        if not s.is_strided:
            flip_weights(&s.conv, w, turned)
        elif not s.phases[i].is_empty:
            turn_weights(&s.conv, &s.phases[i], w, turned)
        pack_weights(&s.phases[i].packing, turned, NULL, memory)
        memory += packed_size(&s.phases[i].packing)


cdef inline void put_phase(const Conv* g, const Phase* p, Py_ssize_t first, Py_ssize_t stop, const real* part,
                           real* dx) noexcept nogil:
    # Pixels of rows first .. stop of the phase, between those of the others.
    cdef Py_ssize_t i, j
    for i in range(first, stop):
        for j in range(p.conv.ow):
            memcpy(dx + ((p.a + g.sh * i) * g.w + p.b + g.sw * j) * g.c_in, part + (i * p.conv.ow + j) * g.c_in,
                   g.c_in * sizeof(real))


cdef inline void phase_rows(const InputGradient* s, const Phase* p, Py_ssize_t first, Py_ssize_t stop, const real* dy,
                            const real* weights, real* scratch, real* part, real* dx) noexcept nogil:
    # Rows first .. stop of a phase, as `conv2d_forward_rows`; dy: padded; part: the phase of dx
    if p.is_empty:
        memset(part + first * p.conv.ow * p.conv.c_out, 0, (stop - first) * p.conv.ow * p.conv.c_out * sizeof(real))
    else:
        conv2d_forward_rows(&p.packing, &p.dy, dy, weights, first, stop, scratch, part)
    if s.is_strided:
        put_phase(&s.conv, p, first, stop, part, dx)


cdef struct PhaseMemory:
    # Where what a phase needs lies.
    real* padded             # its padded dy
    const real* weights
    real* part               # of dx


cdef inline PhaseMemory memory_of_phase(const InputGradient* s, Py_ssize_t phase, const real* weights, real* memory,
                                        real* dx) noexcept nogil:
    # weights: from pack_gradient_weights; memory: gradient_memory_size reals
    cdef PhaseMemory m
    cdef const Phase* p
    cdef Py_ssize_t i
    m.padded, m.weights, m.part = memory, weights, dx
    if s.is_strided:
        m.part = memory + gradient_memory_size(s) - s.conv.h * s.conv.w * s.conv.c_in
    for i in range(phase):
        p = s.phases + i
        m.padded += padded_size(&p.dy)
        m.weights += packed_size(&p.packing)
        m.part += p.conv.oh * p.conv.ow * p.conv.c_out
    return m


cdef inline void conv2d_input_gradient(const InputGradient* s, const real* dy, const real* weights, real* memory,
                                       real* scratch, real* dx) noexcept nogil:
    # weights and memory as in memory_of_phase; scratch: gradient_scratch_size
    cdef:
        const Phase* p
        PhaseMemory m
        Py_ssize_t i
    for i in range(s.count):
        p = s.phases + i
        m = memory_of_phase(s, i, weights, memory, dx)
        phase_rows(s, p, 0, p.packing.conv.oh, padded(&p.dy, dy, m.padded), m.weights, scratch, m.part, dx)
