# Forward pass of convolution, ReLU and 2x2 max pooling of an image with several channels, by one thread.
#
# The lanes of a register are output channels, as in conv_forward.pxd: two rows of outputs are made in registers and
# pooled there; the map before pooling is never stored. Where wide tiles pay, two rows of two registers of channels
# are stored, in the first cache, and pooled from there.

from ..simd cimport (
    LANES, MAX_TILE, USUAL_CASES, first_lanes, flattened, istore, ivec, lanes, lanes_of, real, vec, vload,
    vload_lanes, vstore_lanes,
)
from ..tile cimport WIDE_TILE, Tile, add_products, takes_wide_tiles, wide_tile_of_size
from .conv_pool_shape cimport ConvPool, window_maximum


cdef struct Part:  # of an output
    Py_ssize_t row, end_row, channel, end_channel


cdef inline void windows(const int count, const Py_ssize_t c_in, const bint keep, const ConvPool* g,
                         const Tile* tile, const real* x, const real* w, vec bias, real* y, int* argmax) noexcept nogil:
    # `count` pooling windows side by side, of LANES channels: two rows of convolution outputs, in registers.
    cdef:
        vec sums[28]
        ivec code
        Py_ssize_t _
        int t, d
    for _ in range(tile.rows):  # one; see tile_rows
        for d in range(2):
            for t in range(2 * count):
                sums[d * 2 * count + t] = bias
        add_products(2, 2 * count, c_in, False, tile, x, w, sums)
        for t in range(count):
            vstore_lanes(y + t * g.c_out, window_maximum(g.relu, sums[2 * t], sums[2 * t + 1],
                                                         sums[2 * count + 2 * t], sums[2 * count + 2 * t + 1], &code),
                         tile.live)
            if keep:
                istore(argmax + t * g.c_out, code, tile.live)


cdef inline Py_ssize_t lines_size(const ConvPool* g) noexcept nogil:
    # Reals of scratch memory for two rows of outputs, (2, 2 * ow, 2 * LANES)
    return 8 * g.ow * LANES


cdef inline void pool_lines(const bint keep, const ConvPool* g, lanes live, const real* lines, real* y,
                            int* argmax) noexcept nogil:
    # lines: (2, 2 * ow, 2 * LANES)
    cdef:
        Py_ssize_t j, half, down = 4 * g.ow * LANES
        const real* p
        ivec code
        lanes part
    for j in range(g.ow):
        for half in range(2):
            p = lines + (4 * j + half) * LANES
            part = live if half == 1 else first_lanes(LANES)
            vstore_lanes(y + j * g.c_out + half * LANES,
                         window_maximum(g.relu, vload(p), vload(p + 2 * LANES), vload(p + down),
                                        vload(p + down + 2 * LANES), &code), part)
            if keep:
                istore(argmax + j * g.c_out + half * LANES, code, part)


cdef inline void wide_row(const Py_ssize_t c_in, const ConvPool* g, const Tile* tile, const real* x, const real* w,
                          const real* b, real* lines, real* y, int* argmax) noexcept nogil:
    # A row of pooling windows, of 2 * LANES channels.
    cdef:
        Py_ssize_t j = 0, t, width = 2 * g.ow, tiles = (width + WIDE_TILE - 1) // WIDE_TILE
        int size
    for t in range(tiles):  # of nearly the same width
        size = <int>((width - j) // (tiles - t))
        wide_tile_of_size(size, c_in, tile, x + j * c_in, w, b, lines + j * 2 * LANES)
        j += size
    if argmax != NULL:
        pool_lines(True, g, tile.live, lines, y, argmax)
    else:
        pool_lines(False, g, tile.live, lines, y, argmax)


cdef inline void either_windows(const int count, const Py_ssize_t c_in, const ConvPool* g, const Tile* tile,
                                const real* x, const real* w, vec bias, real* y, int* argmax) noexcept nogil:
    if argmax != NULL:
        windows(count, c_in, True, g, tile, x, w, bias, y, argmax)
    else:
        windows(count, c_in, False, g, tile, x, w, bias, y, argmax)


cdef inline void windows_of_count(int count, const Py_ssize_t c_in, const ConvPool* g, const Tile* tile, const real* x,
                                  const real* w, vec bias, real* y, int* argmax) noexcept nogil:
    # Sums that no registers are left for would take GCC twenty seconds at the level v2.
    if count == 1: either_windows(1, c_in, g, tile, x, w, bias, y, argmax)
    elif count == 2: either_windows(2, c_in, g, tile, x, w, bias, y, argmax)
    elif count == 3 and MAX_TILE >= 12: either_windows(3, c_in, g, tile, x, w, bias, y, argmax)
    elif count == 4 and MAX_TILE == 14: either_windows(4, c_in, g, tile, x, w, bias, y, argmax)
    elif count == 5 and MAX_TILE == 14: either_windows(5, c_in, g, tile, x, w, bias, y, argmax)
    elif count == 6 and MAX_TILE == 14: either_windows(6, c_in, g, tile, x, w, bias, y, argmax)
    elif count == 7 and MAX_TILE == 14: either_windows(7, c_in, g, tile, x, w, bias, y, argmax)


cdef inline void forward(const Py_ssize_t c_in, const ConvPool* g, Part part, const real* x, const real* w,
                         const real* b, real* lines, real* y, int* argmax) noexcept nogil:
    cdef:
        Tile tile, wide
        Py_ssize_t i, j, o, t, first, stop
        Py_ssize_t most = MAX_TILE // 2 if MAX_TILE == 14 else MAX_TILE // 4, tiles = (g.ow + most - 1) // most
        int count
        int* codes
    tile.rows, tile.inner = 1, g.kw * c_in
    tile.x_down = tile.x_outer = g.x_pitch * c_in
    tile.x_inner = 1
    tile.v_outer, tile.v_inner = g.kw * c_in * g.c_out, g.c_out
    wide = tile
    wide.rows, wide.x_row, wide.x_tile, wide.v_row = 2, g.x_pitch * c_in, c_in, 0
    wide.start_row = wide.start_tile = wide.start_down = 0
    wide.y_row, wide.y_tile = 4 * g.ow * LANES, 2 * LANES
    for i in range(part.row, part.end_row):
        # Rows of the kernel that meet only padding, under both rows of outputs, are skipped.
        first, stop = max(g.ph - 2 * i - 1, 0), min(g.kh, g.ph + g.h - 2 * i)
        tile.outer = max(stop - first, 0)
        o = part.channel
        while takes_wide_tiles(part.end_channel - o):
            wide.live, wide.outer = lanes_of(part.end_channel - o - LANES), tile.outer
            codes = argmax + i * g.ow * g.c_out + o if argmax != NULL else NULL
            wide_row(c_in, g, &wide, x + (2 * i + first) * g.x_pitch * c_in, w + first * tile.v_outer + o, b + o, lines,
                     y + i * g.y_pitch * g.c_out + o, codes)
            o += 2 * LANES
        while o < part.end_channel:
            tile.live = lanes_of(part.end_channel - o)
            j = 0
            for t in range(tiles):  # of nearly the same width
                count = <int>((g.ow - j) // (tiles - t))
                codes = argmax + (i * g.ow + j) * g.c_out + o if argmax != NULL else NULL
                windows_of_count(count, c_in, g, &tile, x + ((2 * i + first) * g.x_pitch + 2 * j) * c_in,
                                 w + first * tile.v_outer + o, vload_lanes(b + o, tile.live),
                                 y + (i * g.y_pitch + j) * g.c_out + o, codes)
                j += count
            o += LANES


cdef inline flattened conv_pool_forward(const ConvPool* g, Part part, const real* x, const real* w, const real* b,
                                        real* lines, real* y, int* argmax) noexcept nogil:
    # x: the image in its frame of zeros; w: (kh, kw, c_in, c_out); b: (c_out,); lines: scratch of lines_size reals
    # -> a part of y: (oh, ow, c_out) with y_pitch, and of argmax: (oh, ow, c_out) or NULL. A number of channels that
    # the compiler knows goes into the addresses.
    if USUAL_CASES and g.c_in == 6: forward(6, g, part, x, w, b, lines, y, argmax)
    elif USUAL_CASES and g.c_in == 8: forward(8, g, part, x, w, b, lines, y, argmax)
    else: forward(g.c_in, g, part, x, w, b, lines, y, argmax)
