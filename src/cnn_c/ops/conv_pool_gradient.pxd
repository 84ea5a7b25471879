# Both gradients of convolution, ReLU and 2x2 max pooling of an image with several channels, by one thread.
#
# The four positions of a pooling window have one gradient that is not zero, so both are sums over (pooled pixel p,
# channel o) alone:
#
#   dw[:, :, :, o] = sum over p of g[p, o] * x[window of p, o's maximum]     lanes: (kw, c_in) of a row of the kernel
#   dx[window of p, o's maximum] += g[p, o] * w[:, :, :, o]                  lanes: the same
#
# Both gather: a list of scalars g and of places in memory, from which registers are read. Scratch holds the lists of
# all gradients first, then one that is gathered.

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


cdef struct Lists:
    # All (padded pixels, padded channels): gradients that pass, where in the padded x the kernel lies whose output was
    # the maximum, and where in `window_weights` its weights begin.
    real* gradients
    int* in_x
    int* in_w


cdef inline Lists lists_in(const ConvPool* g, real* scratch) noexcept nogil:
    cdef Py_ssize_t size = padded_pixels(g) * padded_channels(g)
    cdef Lists lists
    lists.gradients, lists.in_x, lists.in_w = scratch, <int*>(scratch + size), <int*>(scratch + 2 * size)
    return lists


cdef inline real* rest_of_scratch(const ConvPool* g, real* scratch) noexcept nogil:
    return scratch + 3 * padded_pixels(g) * padded_channels(g)


cdef inline void list_gradients(const ConvPool* g, Py_ssize_t first, Py_ssize_t stop, const real* dy, const int* argmax,
                                Lists lists, real* db) noexcept nogil:
    # dy: (oh, ow, c_out) with y_pitch, argmax: (oh, ow, c_out) -> lists, of blocks first .. stop of LANES channels;
    # db += dy
    cdef:
        Py_ssize_t i, j, block, o, at, row = window_row(g), width = padded_channels(g)
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
            for block in range(first, stop):
                o = block * LANES
                at = (i * g.ow + j) * width + o
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
                vstore(lists.gradients + at, gradient)
                istore(lists.in_x + at, x_place, all_)
                istore(lists.in_w + at, w_place, all_)
                vstore_lanes(db + o, vload_lanes(db + o, live) + gradient, live)
    for i in range(g.oh * g.ow, padded_pixels(g)):
        memset(lists.gradients + i * width + first * LANES, 0, (stop - first) * LANES * sizeof(real))


cdef inline Py_ssize_t conv_pool_sums_size(const ConvPool* g) noexcept nogil:
    # Reals of the sums of the weight gradient, (c_out, kh, kernel_row), and of the bias gradient.
    return g.c_out * g.kh * kernel_row(g) + g.c_out


cdef inline void gather_channels(const ConvPool* g, Py_ssize_t first, Lists lists, const real* x, real* sums,
                                 real* scratch) noexcept nogil:
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
            columns[p] = vload(lists.gradients + (block * LANES + p) * width + first)
            place_columns[p] = as_vec(iload(lists.in_x + (block * LANES + p) * width + first, all_))
        vtranspose(columns)
        vtranspose(place_columns)
        for o in range(LANES):
            counts[o] += vkeep_nonzero(list_ + o * size + counts[o], places + o * size + counts[o], columns[o],
                                       as_ivec(place_columns[o]))
    for o in range(min(<Py_ssize_t>LANES, g.c_out - first)):
        gather(g.kh, g.kw * g.c_in, counts[o], list_ + o * size, places + o * size, x, g.x_pitch * g.c_in,
               sums + (first + o) * g.kh * row, row)


cdef inline flattened conv_pool_weight_gradient(const ConvPool* g, Py_ssize_t first, Py_ssize_t stop, const real* dy,
                                                const int* argmax, const real* x, Lists lists, real* sums,
                                                real* scratch) noexcept nogil:
    # Of blocks first .. stop of LANES channels. dy and argmax as in list_gradients, x: the padded image -> lists, and
    # sums, to which this image's are added; scratch: a list of LANES channels
    cdef Py_ssize_t block
    list_gradients(g, first, stop, dy, argmax, lists, sums + g.c_out * g.kh * kernel_row(g))
    for block in range(first, stop):
        gather_channels(g, block * LANES, lists, x, sums, scratch)


cdef inline flattened conv_pool_input_gradient(const ConvPool* g, Py_ssize_t first, Py_ssize_t stop, Lists lists,
                                               const real* window_weights, real* dx, real* scratch) noexcept nogil:
    # Rows first .. stop of dx, the gradient for the padded image, which is zero; those under each row of pooled pixels
    # get their terms in the order of these. scratch: a list of one pixel
    cdef:
        Py_ssize_t i, j, block, count, top, bottom, width = padded_channels(g), row = window_row(g)
        const real* gradients
        const int* in_w
        int* places = <int*>(scratch + width + LANES)
    for i in range(max(0, (first - g.kh + 1) // 2), min(g.oh, (stop + 1) // 2)):
        top, bottom = max(first - 2 * i, 0), min(stop - 2 * i, g.kh + 1)
        for j in range(g.ow):
            gradients, in_w = lists.gradients + (i * g.ow + j) * width, lists.in_w + (i * g.ow + j) * width
            count = 0
            for block in range(registers(g.c_out)):
                count += vkeep_nonzero(scratch + count, places + count, vload(gradients + block * LANES),
                                       iload(in_w + block * LANES, first_lanes(LANES)))
            gather(bottom - top, (g.kw + 1) * g.c_in, count, scratch, places, window_weights + top * row, row,
                   dx + ((2 * i + top) * g.x_pitch + 2 * j) * g.c_in, g.x_pitch * g.c_in)


cdef inline void conv_pool_gradient(const ConvPool* g, const real* sums, real* dw, real* db) noexcept nogil:
    # sums of the batch -> dw: (kh, kw, c_in, c_out), db: (c_out,) or NULL
    cdef Py_ssize_t k, row = kernel_row(g), width = g.kw * g.c_in
    for k in range(g.kh):
        transpose(g.c_out, width, sums + k * row, g.kh * row, dw + k * width * g.c_out, g.c_out)
    if db != NULL:
        memcpy(db, sums + g.c_out * g.kh * row, g.c_out * sizeof(real))
