# Forward pass of convolution, ReLU and 2x2 max pooling by Winograd's algorithm (winograd_shape.pxd): the outputs of a
# tile are a pooling window.

from ..simd cimport LANES, flattened, istore, ivec, lanes, lanes_of, real, store, vec
from ..tile cimport channels_at_once
from .conv_pool_shape cimport ConvPool, window_maximum
from .conv_shape cimport Conv
from .winograd cimport products
from .winograd_shape cimport POINTS, Tiles, forward_tiles, point_step, takes_winograd
from .winograd_transforms cimport output_tile, transform_input


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


cdef inline flattened put_windows(const ConvPool* g, const Tiles* s, Py_ssize_t first, Py_ssize_t count, Py_ssize_t o,
                                  const real* m, real* y, int* argmax) noexcept nogil:
    # m: (POINTS, count, channels_at_once), from channel o on; argmax may be NULL
    cdef:
        Py_ssize_t t, k, c, i = first // s.across, j = first % s.across
        Py_ssize_t at_once = channels_at_once(s.c_out - o), step = point_step(s.block * at_once)
        vec values[4]
        ivec code
        lanes live
    for t in range(first, first + count):
        for k in range(at_once // LANES):
            c = o + k * LANES
            live = lanes_of(s.c_out - c)
            output_tile(m + k * LANES, step, values)
            store(False, y + (i * g.y_pitch + j) * s.c_out + c,
                  window_maximum(g.relu, values[0], values[1], values[2], values[3], &code), live)
            if argmax != NULL:
                istore(argmax + t * s.c_out + c, code, live)
        m += at_once
        j += 1
        if j == s.across:
            i, j = i + 1, 0


cdef inline void conv_pool_winograd(const ConvPool* g, Py_ssize_t row, Py_ssize_t end_row, const real* x,
                                    const real* weights, real* scratch, real* y, int* argmax) noexcept nogil:
    # x: the image in its frame of zeros; weights: from pack_winograd_weights; scratch: forward_block_size
    # -> rows of y: (oh, ow, c_out) with y_pitch, and of argmax: (oh, ow, c_out) or NULL
    cdef:
        Conv c = convolution_of(g)
        Tiles s = forward_tiles(&c)
        Py_ssize_t first = row * s.across, stop = end_row * s.across, count, o
        real* m = scratch + POINTS * point_step(s.block * s.c_in)
    while first < stop:
        count = min(s.block, stop - first)
        transform_input(&s, first, count, x, g.x_pitch * g.c_in, scratch)
        o = 0
        while o < g.c_out:
            products(&s, count, o, scratch, weights, m)
            put_windows(g, &s, first, count, o, m, y, argmax)
            o += channels_at_once(g.c_out - o)
        first += count
