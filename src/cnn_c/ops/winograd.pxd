# Convolution by Winograd's algorithm, and its weight gradient, of one image, by one thread; see winograd_shape.pxd.
#
# The gradient for the weights is that of the same formula, dw = G^T (sum over tiles of (B^T d B) * (A dy A^T)) G. The
# sums over a chunk's images are kept before G^T, and transformed in the update. The input gradient is a convolution.

from libc.string cimport memset

from ..simd cimport LANES, lanes_of, real
from ..tile cimport Tile, channels_at_once, run_tiles
from .conv_shape cimport Conv
from .winograd_outputs cimport Outputs, put_tiles
from .winograd_shape cimport POINTS, Tiles, forward_tiles, gradient_tiles, point_step, points_size
from .winograd_transforms cimport transform_gradient, transform_input, transform_weights


cdef enum:
    BIAS_POINT = 5  # is a term of all four outputs of a tile


cdef inline Py_ssize_t winograd_weights_size(const Conv* g) noexcept nogil:
    # Transformed weights, bias, and zeros for the sums of the other points to begin with.
    return points_size(g) + g.c_out + 2 * LANES


cdef inline void pack_winograd_weights(const Conv* g, const real* w, const real* b, real* to) noexcept nogil:
    cdef Py_ssize_t o
    transform_weights(g, w, to)
    to += points_size(g)
    for o in range(g.c_out):
        to[o] = b[o] if b != NULL else 0
    memset(to + g.c_out, 0, 2 * LANES * sizeof(real))


# ---- matrix products ----

cdef inline void products(const Tiles* s, Py_ssize_t count, Py_ssize_t o, const real* x, const real* weights,
                          real* y) noexcept nogil:
    # x: (POINTS, count, c_in), weights: from pack_winograd_weights -> y: (POINTS, count, channels_at_once), from
    # channel o on
    cdef:
        Tile tile
        Py_ssize_t p, x_step = point_step(s.block * s.c_in), w_step = point_step(s.c_in * s.c_out)
        Py_ssize_t at_once = channels_at_once(s.c_out - o), y_step = point_step(s.block * at_once)
        const real* bias = weights + POINTS * w_step
    tile.outer, tile.inner = 1, s.c_in
    tile.x_tile, tile.x_outer, tile.x_inner, tile.x_down = s.c_in, 0, 1, 0
    tile.v_row, tile.v_outer, tile.v_inner = 0, 0, s.c_out
    tile.start_tile = tile.start_down = tile.y_down = 0
    tile.y_tile = at_once
    tile.live = tile.last = lanes_of(s.c_out - o - at_once + LANES)
    for p in range(POINTS):
        run_tiles(at_once > LANES, &tile, count, x + p * x_step, weights + p * w_step + o,
                  bias + o if p == BIAS_POINT else bias + s.c_out, y + p * y_step)


cdef inline void add_products(const Tiles* s, Py_ssize_t count, Py_ssize_t first, Py_ssize_t end, const real* x,
                              const real* dy, real* sums) noexcept nogil:
    # x: (POINTS, count, c_in), dy: (POINTS, count, c_out); sums: (POINTS, c_in, c_out), added to from channel `first`
    # up to `end`
    cdef:
        Tile tile
        Py_ssize_t p, o, at_once, x_step = point_step(s.block * s.c_in), dy_step = point_step(s.block * s.c_out)
        Py_ssize_t step = point_step(s.c_in * s.c_out)
    tile.outer, tile.inner = 1, count
    tile.x_tile, tile.x_outer, tile.x_inner, tile.x_down = 1, 0, s.c_in, 0
    tile.v_row, tile.v_outer, tile.v_inner = 0, 0, s.c_out
    tile.start_tile = tile.y_tile = s.c_out
    tile.start_down = tile.y_down = 0
    for p in range(POINTS):
        o = first
        while o < end:
            at_once = channels_at_once(end - o)
            tile.live = tile.last = lanes_of(end - o - at_once + LANES)
            run_tiles(at_once > LANES, &tile, s.c_in, x + p * x_step, dy + p * dy_step + o, sums + p * step + o,
                      sums + p * step + o)
            o += at_once


# ---- an image ----

cdef inline void winograd_forward(const Conv* g, const real* x, Py_ssize_t x_width, const real* weights,
                                  Py_ssize_t row, Py_ssize_t end, real* scratch, const Outputs* to) noexcept nogil:
    # Rows of tiles from `row` up to `end`. x: the padded image, with two rows and columns for every tile and two more;
    # weights: from pack_winograd_weights; scratch: forward_block_size
    cdef:
        Tiles s = forward_tiles(g)
        Py_ssize_t first = row * s.across, stop = end * s.across, count, o
        real* m = scratch + POINTS * point_step(s.block * s.c_in)
    while first < stop:
        count = min(s.block, stop - first)
        transform_input(&s, first, count, x, x_width, scratch)
        o = 0
        while o < g.c_out:
            products(&s, count, o, scratch, weights, m)
            put_tiles(&s, first, count, o, m, to)
            o += channels_at_once(g.c_out - o)
        first += count


cdef inline void winograd_weight_gradient(const Conv* g, const real* x, Py_ssize_t x_width, Py_ssize_t o,
                                          Py_ssize_t end, const real* dy, real* scratch, real* sums) noexcept nogil:
    # Of output channels o, a multiple of LANES, up to `end`; sums: (POINTS, c_in, c_out), to which those of this image
    # are added
    cdef:
        Tiles s = gradient_tiles(g)
        Py_ssize_t tiles = s.down * s.across, first = 0, count
        real* transformed = scratch + POINTS * point_step(s.block * s.c_in)
    while first < tiles:
        count = min(s.block, tiles - first)
        transform_input(&s, first, count, x, x_width, scratch)
        transform_gradient(&s, first, count, o, end, dy, transformed)
        add_products(&s, count, o, end, scratch, transformed, sums)
        first += count
