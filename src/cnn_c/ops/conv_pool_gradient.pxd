# Both gradients of convolution, ReLU and 2x2 max pooling of an image with several channels, by one thread.
#
# The four positions of a pooling window have one gradient that is not zero, so both are sums over (pooled pixel p,
# channel o) alone:
#
#   dw[:, :, :, o] = sum over p of g[p, o] * x[window of p, o's maximum]     lanes: (kw, c_in) of a row of the kernel
#   dx[window of p, o's maximum] += g[p, o] * w[:, :, :, o]                  lanes: the same
#
# Both gather: a list of scalars g and of places in memory, from which registers are read.

from libc.string cimport memcpy, memset

from ..simd cimport (
    LANES, as_ivec, as_vec, choice, first_lanes, flattened, ihas_bit, iload, iramp, iselect, isplat, istore, ivec,
    lanes, lanes_of, real, registers, vec, vkeep_nonzero, vload, vload_lanes, vselect, vsplat, vstore, vstore_lanes,
    vtranspose,
)
from .conv_pool_shape cimport IDLE, ConvPool
from .gather cimport gather, transpose


cdef inline Py_ssize_t kernel_row(const ConvPool* g) noexcept nogil:
    # Reals of a row of the kernel of one output channel, in whole registers.
    return registers(g.kw * g.c_in) * LANES


cdef inline Py_ssize_t window_row(const ConvPool* g) noexcept nogil:
    # The same one pixel wider: where the kernel may lie under the two columns of a pooling window.
    return registers((g.kw + 1) * g.c_in) * LANES


cdef inline Py_ssize_t window_weights_size(const ConvPool* g) noexcept nogil:
    # Of one output channel: a zero row, the kernel's in the left place, a zero row, the kernel's in the right place.
    # The next channel's zero row follows.
    # (One copy, read from a pixel further on, would be half as large, but its registers lay across cache lines.)
    return 2 * (g.kh + 1) * window_row(g)


cdef inline void set_window_weights(const ConvPool* g, const real* w, real* window_weights) noexcept nogil:
    # w: (kh, kw, c_in, c_out) -> window_weights: (c_out, 2, kh + 1, window_row) and a row more, zeroed once
    cdef Py_ssize_t k, row = window_row(g), width = g.kw * g.c_in
    for k in range(g.kh):
        transpose(width, g.c_out, w, g.c_out, window_weights + (k + 1) * row, window_weights_size(g))
        transpose(width, g.c_out, w, g.c_out, window_weights + (g.kh + 2 + k) * row + g.c_in, window_weights_size(g))
        w += width * g.c_out


cdef inline Py_ssize_t lists_size(const ConvPool* g) noexcept nogil:
    # Reals of scratch memory for gradients and the two kinds of places, then for the lists of LANES channels or of one
    # pixel; an int is no larger than a real.
    return (3 * padded_pixels(g) * padded_channels(g)
            + 2 * max(LANES * (padded_pixels(g) + LANES), padded_channels(g) + LANES))


cdef inline Py_ssize_t padded_channels(const ConvPool* g) noexcept nogil:
    return registers(g.c_out) * LANES


cdef inline Py_ssize_t padded_pixels(const ConvPool* g) noexcept nogil:
    return registers(g.oh * g.ow) * LANES


cdef inline void list_gradients(const ConvPool* g, const real* dy, const int* argmax, real* gradients, int* in_x,
                                int* in_w, real* db) noexcept nogil:
    # dy: (oh, ow, c_out) with y_pitch, argmax: (oh, ow, c_out) -> all (padded pixels, padded channels): gradients that
    # pass, where in the padded x the kernel lies whose output was the maximum, and where in `window_weights` its
    # weights begin; db += dy
    cdef:
        Py_ssize_t i, j, block, o, at = 0, row = window_row(g)
        const real* from_
        vec gradient, zero
        ivec code, x_place, w_place
        choice down, right
        lanes live, all_ = first_lanes(LANES)
        ivec channels = iramp() * isplat(<int>window_weights_size(g))
    zero = vsplat(0)
    for i in range(g.oh):
        for j in range(g.ow):
            from_ = dy + (i * g.y_pitch + j) * g.c_out
            for block in range(registers(g.c_out)):
                o = block * LANES
                live = lanes_of(g.c_out - o)
                code = iload(argmax + (i * g.ow + j) * g.c_out + o, live)
                down = ihas_bit(code, 2)
                right = ihas_bit(code, 1)
                gradient = vselect(ihas_bit(code, IDLE), zero, vload_lanes(from_ + o, live))
                x_place = (isplat(<int>((2 * i * g.x_pitch + 2 * j) * g.c_in))
                           + iselect(down, isplat(<int>(g.x_pitch * g.c_in)), isplat(0))
                           + iselect(right, isplat(<int>g.c_in), isplat(0)))
                w_place = (channels + isplat(<int>(o * window_weights_size(g)))
                           + iselect(down, isplat(0), isplat(<int>row))
                           + iselect(right, isplat(<int>((g.kh + 1) * row)), isplat(0)))
                vstore(gradients + at, gradient)
                istore(in_x + at, x_place, all_)
                istore(in_w + at, w_place, all_)
                vstore_lanes(db + o, vload_lanes(db + o, live) + gradient, live)
                at += LANES
    for at in range(at, padded_pixels(g) * padded_channels(g)):
        gradients[at] = 0


cdef inline Py_ssize_t conv_pool_sums_size(const ConvPool* g) noexcept nogil:
    # Reals of the sums of the weight gradient, (c_out, kh, kernel_row), and of the bias gradient.
    return g.c_out * g.kh * kernel_row(g) + g.c_out


cdef inline void gather_channels(const ConvPool* g, Py_ssize_t first, const real* gradients, const int* in_x,
                                 const real* x, real* sums, real* scratch) noexcept nogil:
    # The weight gradient of LANES channels: their columns of both arrays become rows, and the rows lists without
    # zeros, of which ReLU has left many.
    cdef:
        Py_ssize_t block, o, p, row = kernel_row(g), width = padded_channels(g), size = padded_pixels(g) + LANES
        Py_ssize_t counts[16]
        real* list_ = scratch
        int* places = <int*>(scratch + LANES * size)
        vec columns[16]
        vec place_columns[16]
        lanes all_ = first_lanes(LANES)
    for o in range(LANES):
        counts[o] = 0
    for block in range(registers(g.oh * g.ow)):
        for p in range(LANES):
            columns[p] = vload(gradients + (block * LANES + p) * width + first)
            place_columns[p] = as_vec(iload(in_x + (block * LANES + p) * width + first, all_))
        vtranspose(columns)
        vtranspose(place_columns)
        for o in range(LANES):
            counts[o] += vkeep_nonzero(list_ + o * size + counts[o], places + o * size + counts[o], columns[o],
                                       as_ivec(place_columns[o]))
    for o in range(min(<Py_ssize_t>LANES, g.c_out - first)):
        gather(g.kh, g.kw * g.c_in, counts[o], list_ + o * size, places + o * size, x, g.x_pitch * g.c_in,
               sums + (first + o) * g.kh * row, row)


cdef inline flattened conv_pool_backward(const ConvPool* g, const real* dy, const int* argmax, const real* x,
                                         const real* window_weights, real* sums, real* dx, Py_ssize_t dx_size,
                                         real* scratch) noexcept nogil:
    # dy and argmax as in list_gradients, x: the padded image -> sums, to which this image's are added, and, unless
    # NULL, dx: the gradient for the padded image. scratch: lists_size
    cdef:
        Py_ssize_t i, j, block, size = padded_pixels(g) * padded_channels(g)
        real* gradients = scratch
        int* in_x = <int*>(scratch + size)
        int* in_w = <int*>(scratch + 2 * size)
        real* list_ = scratch + 3 * size
        int* places = <int*>(list_ + padded_channels(g) + LANES)
        Py_ssize_t count
    list_gradients(g, dy, argmax, gradients, in_x, in_w, sums + g.c_out * g.kh * kernel_row(g))
    for block in range(registers(g.c_out)):
        gather_channels(g, block * LANES, gradients, in_x, x, sums, scratch + 3 * size)
    if dx == NULL:
        return
    memset(dx, 0, dx_size * sizeof(real))
    for i in range(g.oh):
        for j in range(g.ow):
            count = 0
            for block in range(registers(g.c_out)):
                count += vkeep_nonzero(list_ + count, places + count, vload(gradients + block * LANES),
                                       iload(in_w + block * LANES, first_lanes(LANES)))
            gather(g.kh + 1, (g.kw + 1) * g.c_in, count, list_, places, window_weights, window_row(g),
                   dx + (2 * i * g.x_pitch + 2 * j) * g.c_in, g.x_pitch * g.c_in)
            gradients += padded_channels(g)
            in_w += padded_channels(g)


cdef inline void conv_pool_gradient(const ConvPool* g, const real* sums, real* dw, real* db) noexcept nogil:
    # sums of the batch -> dw: (kh, kw, c_in, c_out), db: (c_out,) or NULL
    cdef Py_ssize_t k, row = kernel_row(g), width = g.kw * g.c_in
    for k in range(g.kh):
        transpose(g.c_out, width, sums + k * row, g.kh * row, dw + k * width * g.c_out, g.c_out)
    if db != NULL:
        memcpy(db, sums + g.c_out * g.kh * row, g.c_out * sizeof(real))
