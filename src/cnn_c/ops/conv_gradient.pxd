# The gradients of a convolution for its weights and bias, of one image, by one thread.
#
#   dw[k, l, c, o] = sum over i, j of x[i*sh + k - ph, j*sw + l - pw, c] * dy[i, j, o]
#   db[o]          = sum over i, j of dy[i, j, o]
#
# The lanes of a register are output channels; a tile is a piece of dw that stays in registers while the pixels pass.

from ..simd cimport MAX_TILE, LANES, first_lanes, lanes, lanes_of, real, registers, vec, vload_lanes, vstore_lanes
from ..tile cimport WIDE_TILE, Tile, rectangle_lines, run_rectangle, run_tile, run_wide_tile, takes_wide_tiles
from .conv_depthwise_gradient cimport depthwise_weight_gradient
from .conv_groups cimport grouped_weight_gradient
from .conv_shape cimport Conv, group_inputs, is_depthwise, is_plain, is_pointwise
from .padding cimport Padding, padded_width
from .pixel_packing cimport Packed, missing, weight_sums_size
from .winograd cimport winograd_weight_gradient
from .winograd_transforms cimport transform_sums


cdef inline void conv2d_weight_gradient(const Packed* g, const Padding* f, const real* x, const real* dy,
                                        real* scratch, real* sums) noexcept nogil:
    # scratch: transformed_size; sums: of the packed convolution's weights, to which this image's gradient is added
    cdef const Conv* c = &g.conv
    if is_depthwise(c):
        depthwise_weight_gradient(c, x, dy, sums)
    elif is_plain(c):
        weight_gradient_of_channels(g, f, 0, c.c_out, x, dy, scratch, sums)
    else:
        grouped_weight_gradient(c, padded_width(f), x, dy, sums)


cdef inline void weight_gradient_of_channels(const Packed* g, const Padding* f, Py_ssize_t o, Py_ssize_t end,
                                             const real* x, const real* dy, real* scratch, real* sums) noexcept nogil:
    # Of output channels o, a multiple of `channels_of_tile`, up to `end`.
    cdef:
        Tile tile
        const Conv* c = &g.conv
        Py_ssize_t whole = c.ow - 1 if g.rest else c.ow, x_width = padded_width(f)
    if g.gradient_by_winograd:
        winograd_weight_gradient(c, x, x_width, o, end, dy, scratch, sums)
        return
    tile.outer = c.oh
    tile.x_tile, tile.x_outer, tile.x_inner, tile.x_down = 1, c.sh * x_width, c.sw * c.c_in, x_width
    tile.v_row, tile.v_outer, tile.v_inner = 0, (c.ow * g.pixels - missing(g)) * g.c_out, c.c_out
    tile.start_tile = tile.y_tile = c.c_out
    tile.start_down = tile.y_down = c.kw * c.c_in * c.c_out
    tile.inner = whole
    if is_pointwise(c):  # all pixels as one line
        tile.outer, tile.inner = 1, c.oh * c.ow
    while takes_wide_tiles(end - o):
        tile.live = lanes_of(end - o - LANES)
        wide_weight_gradient_tiles(c, &tile, x, x_width, dy + o, sums + o)
        o += 2 * LANES
    while o < end:
        tile.live = tile.last = lanes_of(end - o)
        weight_gradient_tiles(c, &tile, x, x_width, dy + o, sums + o)
        o += LANES
    if g.rest:  # the last pixels of every row fill no register
        tile.inner = 1
        tile.live = tile.last = lanes_of(g.rest * g.c_out)
        weight_gradient_tiles(c, &tile, x + whole * c.sw * c.c_in, x_width, dy + whole * c.c_out, sums)


cdef inline void wide_weight_gradient_tiles(const Conv* c, Tile* tile, const real* x, Py_ssize_t x_width,
                                            const real* dy, real* sums) noexcept nogil:
    # All of w's positions, tile by tile, for two registers of output channels.
    cdef:
        Py_ssize_t j = 0, t, width = c.kw * c.c_in, tiles = (width + WIDE_TILE - 1) // WIDE_TILE
        int size
    tile.rows = c.kh
    tile.x_row, tile.start_row, tile.y_row = x_width, width * c.c_out, width * c.c_out
    for t in range(tiles):
        size = <int>((width - j) // (tiles - t))
        run_wide_tile(size, tile, x + j, dy, sums + j * c.c_out, sums + j * c.c_out)
        j += size


cdef inline void weight_gradient_tiles(const Conv* c, Tile* tile, const real* x, Py_ssize_t x_width, const real* dy,
                                       real* sums) noexcept nogil:
    # All of w's positions, tile by tile, over the pixels that the tile says.
    cdef:
        Py_ssize_t k = 0, j = 0, t, width = c.kw * c.c_in
        Py_ssize_t down = rectangle_lines(width), tiles = (width + MAX_TILE - 1) // MAX_TILE
        real* to
        int size
    tile.rows = 1
    tile.x_row = tile.start_row = tile.y_row = 0
    while down > 1 and k + down <= c.kh:
        to = sums + k * width * c.c_out
        run_rectangle(width, tile, x + k * x_width, dy, to, to)
        k += down
    if k == c.kh:
        return
    tile.rows = c.kh - k
    tile.x_row, tile.start_row, tile.y_row = x_width, width * c.c_out, width * c.c_out
    for t in range(tiles):
        size = <int>((width - j) // (tiles - t))
        to = sums + (k * width + j) * c.c_out
        run_tile(size, tile, x + k * x_width + j, dy, to, to)
        j += size


cdef inline void unpack_weight_gradient(const Packed* g, const real* sums, real scale, bint add,
                                        real* dw) noexcept nogil:
    # dw[k, l, i, o] = scale * sum over the pixels p of a register of sums[k, l + p * stride, i, p, o], or added to dw
    cdef:
        const Conv* c = &g.conv
        Py_ssize_t k, l, i, o, p, stride = c.sw // g.pixels, kw = c.kw - (g.pixels - 1) * stride
        Py_ssize_t inputs = group_inputs(c)
        real total
    if g.gradient_by_winograd:
        transform_sums(c, sums, scale, add, dw)
        return
    for k in range(c.kh):
        for l in range(kw):
            for i in range(inputs):
                for o in range(g.c_out):
                    total = 0
                    for p in range(g.pixels):
                        total += sums[((k * c.kw + l + p * stride) * inputs + i) * c.c_out + p * g.c_out + o]
                    dw[0] = scale * total + (dw[0] if add else 0)
                    dw += 1


cdef inline void bias_gradient(Py_ssize_t rows, Py_ssize_t channels, const real* dy, real* db) noexcept nogil:
    # db[o] += sum over rows of dy[row, o]. Four sums at a time hide the latency of an addition.
    cdef:
        vec s0, s1, s2, s3
        const real* p
        Py_ssize_t block, o, _
        lanes live
    for block in range(registers(channels)):
        o = block * LANES
        live = lanes_of(channels - o)
        p = dy + o
        s0 = vload_lanes(db + o, live)
        s1 = s2 = s3 = vload_lanes(p, first_lanes(0))
        for _ in range(0, rows - 3, 4):
            s0 = s0 + vload_lanes(p, live)
            s1 = s1 + vload_lanes(p + channels, live)
            s2 = s2 + vload_lanes(p + 2 * channels, live)
            s3 = s3 + vload_lanes(p + 3 * channels, live)
            p += 4 * channels
        for _ in range(rows % 4):
            s0 = s0 + vload_lanes(p, live)
            p += channels
        vstore_lanes(db + o, (s0 + s1) + (s2 + s3), live)
