# Convolution of one image, channels last, by one thread; with the weights flipped, its input gradient too.
#
#   y[i, j, o] = b[o] + sum over k, l, c of x[i*sh + k - ph, j*sw + l - pw, c] * w[k, l, c, o]
#
# The lanes of a register are output channels. In a row of x the positions (l, c) under the kernel lie side by side,
# so the sum over them is one loop of kw * c_in steps. With groups or a dilation they do not: conv_groups.pxd and
# conv_depthwise.pxd.

from ..simd cimport LANES, MAX_TILE, lanes, lanes_of, real
from ..tile cimport (
    WIDE_TILE, Tile, channels_at_once, has_masked_rectangle, run_masked_rectangle, run_masked_tile, run_tile,
    run_tiles, run_wide_rectangle, run_wide_tile, takes_wide_tiles,
)
from .conv_depthwise cimport depthwise_forward
from .conv_groups cimport grouped_forward
from .conv_registers cimport fits_in_registers, run_in_registers
from .conv_shape cimport Conv, is_depthwise, is_plain, is_pointwise, kernel_size
from .padding cimport Padding, padded_width
from .pixel_packing cimport Packed, missing
from .winograd cimport winograd_forward
from .winograd_outputs cimport Outputs


cdef enum:
    NARROW = 7  # columns
    PAIR = 2    # rows that count as one where a rectangle is used, and that a tile of Winograd's algorithm has


cdef inline void conv2d_forward(const Packed* g, const Padding* f, const real* x, const real* packed,
                                real* scratch, real* y) noexcept nogil:
    # x: the padded image; packed: from pack_weights; scratch: transformed_size; y: (oh, ow, c_out)
    conv2d_forward_rows(g, f, x, packed, 0, g.conv.oh, scratch, y)


cdef inline void conv2d_forward_rows(const Packed* g, const Padding* f, const real* x, const real* packed,
                                     Py_ssize_t i, Py_ssize_t end, real* scratch, real* y) noexcept nogil:
    # Rows i up to `end` of y: i is a multiple of PAIR; where `has_row_pieces` says no, all of them.
    cdef:
        Tile tile
        Outputs to
        const Conv* c = &g.conv
        const real* bias = packed + kernel_size(c)
        Py_ssize_t x_width = padded_width(f), y_width = (c.ow * g.pixels - missing(g)) * g.c_out
        Py_ssize_t lines, rows, more, first, stop
    if is_depthwise(c):
        depthwise_forward(c, f, x, packed, bias, y)
        return
    if g.by_winograd:
        to.y, to.y_width, to.pooled, to.relu, to.argmax = y, y_width, False, False, NULL
        winograd_forward(c, x, x_width, packed, i // 2, (end + 1) // 2, scratch, &to)
        return
    if is_pointwise(c):
        pointwise_forward(c, x + i * x_width, packed, bias, (end - i) * c.ow, y + i * y_width)
        return
    if not is_plain(c):
        grouped_forward(c, x_width, x, packed, bias, y)
        return
    tile.last = lanes_of(c.c_out - missing(g) * g.c_out)
    tile.masks = <lanes*>(bias + c.c_out)
    if fits_in_registers(c):
        run_in_registers(c, x, x_width, packed, tile.masks, tile.last, i, end, y_width, y)
        return
    tile.x_row = tile.x_down = c.sh * x_width
    tile.x_tile, tile.x_outer, tile.x_inner = c.sw * c.c_in, x_width, 1
    tile.v_row, tile.v_outer, tile.v_inner = 0, c.kw * c.c_in * c.c_out, c.c_out
    tile.start_row = tile.start_tile = tile.start_down = 0
    tile.y_row, tile.y_tile, tile.y_down = y_width, c.c_out, y_width
    tile.inner = c.kw * c.c_in
    # Rows under which the same rows of the kernel meet the image, not the padding, go together; in a rectangle two
    # rows count as one, which meets what either meets.
    lines = PAIR if uses_rectangle(g) else 1
    while i < end:
        rows = min(lines, end - i)
        first, stop = first_row(c, f, i + rows - 1), stop_row(c, f, i)
        while i + rows < end:
            more = min(lines, end - i - rows)
            if first_row(c, f, i + rows + more - 1) != first or stop_row(c, f, i + rows) != stop:
                break
            rows += more
        tile.rows, tile.outer = rows, max(stop - first, 0)
        forward_rows(g, &tile, x + (i * c.sh + first) * x_width, packed + first * tile.v_outer, bias, y + i * y_width)
        i += rows


cdef inline bint has_row_pieces(const Packed* g) noexcept nogil:
    # Whether rows of y can be asked for.
    return is_plain(&g.conv)


cdef inline void pointwise_forward(const Conv* c, const real* x, const real* w, const real* bias, Py_ssize_t pixels,
                                   real* y) noexcept nogil:
    # So many pixels as one line.
    cdef:
        Tile tile
        Py_ssize_t o = 0, at_once
    tile.outer, tile.inner = 1, c.c_in
    tile.x_tile, tile.x_outer, tile.x_inner, tile.x_down = c.c_in, 0, 1, 0
    tile.v_row, tile.v_outer, tile.v_inner = 0, 0, c.c_out
    tile.start_tile = tile.start_down = tile.y_down = 0
    tile.y_tile = c.c_out
    while o < c.c_out:
        at_once = channels_at_once(c.c_out - o)
        tile.live = tile.last = lanes_of(c.c_out - o - at_once + LANES)
        run_tiles(at_once > LANES, &tile, pixels, x, w + o, bias + o, y + o)
        o += at_once


cdef inline bint uses_rectangle(const Packed* g) noexcept nogil:
    return g.pixels > 1 and has_masked_rectangle(g.conv.ow)


cdef inline Py_ssize_t first_row(const Conv* c, const Padding* f, Py_ssize_t i) noexcept nogil:
    return min(max(f.top - i * c.sh, 0), c.kh)


cdef inline Py_ssize_t stop_row(const Conv* c, const Padding* f, Py_ssize_t i) noexcept nogil:
    return min(c.kh, f.top + (f.h - 1) * f.row_step + 1 - i * c.sh)


cdef inline void wide_rows(const Conv* c, Tile tile, const real* x, const real* w, const real* bias,
                           real* y) noexcept nogil:
    # The rows that the tile says, of 2 * LANES channels: line by line, or of narrow maps, whose lines would fill their
    # tiles badly, two lines at a time and then the last one of an odd number.
    cdef:
        Py_ssize_t j = 0, t, tiles = (c.ow + 2) // 3, paired = tile.rows // 2 * 2 if c.ow <= NARROW else 0
        Tile pairs = tile
        int size
    if paired > 0:
        pairs.rows, pairs.x_row, pairs.y_row = paired // 2, 2 * tile.x_row, 2 * tile.y_row
        for t in range(tiles):  # of nearly equal widths
            size = <int>((c.ow - j) // (tiles - t))
            run_wide_rectangle(size, &pairs, x + j * tile.x_tile, w, bias, y + j * c.c_out)
            j += size
    x += paired * tile.x_row
    y += paired * tile.y_row
    tile.rows, tiles, j = tile.rows - paired, (c.ow + WIDE_TILE - 1) // WIDE_TILE, 0
    if tile.rows == 0:
        return
    for t in range(tiles):
        size = <int>((c.ow - j) // (tiles - t))
        run_wide_tile(size, &tile, x + j * tile.x_tile, w, bias, y + j * c.c_out)
        j += size


cdef inline void forward_rows(const Packed* g, Tile* tile, const real* x, const real* w, const real* bias,
                              real* y) noexcept nogil:
    # The rows that the tile says, all columns and channels.
    cdef:
        const Conv* c = &g.conv
        Py_ssize_t o = 0, j, t, tiles = (c.ow + MAX_TILE - 1) // MAX_TILE
        Tile pairs
        lanes last = tile.last
        int size
    if uses_rectangle(g) and tile.rows > 1:
        tile.live = lanes_of(c.c_out)
        pairs = tile[0]
        pairs.rows, pairs.x_row, pairs.y_row = tile.rows // 2, 2 * tile.x_row, 2 * tile.y_row
        run_masked_rectangle(c.ow, &pairs, x, w, bias, y)
        x += (tile.rows - 1) * tile.x_row
        y += (tile.rows - 1) * tile.y_row
        tile.rows %= 2
        if tile.rows == 0:
            return
    while g.pixels == 1 and takes_wide_tiles(c.c_out - o):
        tile.live = lanes_of(c.c_out - o - LANES)
        wide_rows(c, tile[0], x, w + o, bias + o, y + o)
        o += 2 * LANES
    while o < c.c_out:
        tile.live = lanes_of(c.c_out - o)
        j = 0
        for t in range(tiles):  # of nearly equal widths: 26 columns are 13 and 13, not 14 and 12
            size = <int>((c.ow - j) // (tiles - t))
            tile.last = last if g.pixels > 1 and t == tiles - 1 else tile.live
            if g.pixels == 1:
                run_tile(size, tile, x + j * tile.x_tile, w + o, bias + o, y + j * c.c_out + o)
            else:
                run_masked_tile(size, tile, x + j * tile.x_tile, w, bias, y + j * c.c_out)
            j += size
        o += LANES
    tile.last = last
