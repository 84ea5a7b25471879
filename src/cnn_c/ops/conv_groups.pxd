# Convolution with groups or a dilation, of one image, by one thread.
#
#   y[i, j, o]  = b[o] + sum over k, l, c of x[i*sh + k*dilation_h, j*sw + l*dilation_w, first + c] * w[k, l, c, o]
#   dw[k, l, c, o] = sum over i, j of x[i*sh + k*dilation_h, j*sw + l*dilation_w, first + c] * dy[i, j, o]
#
# with x padded, c among the inputs of o's group and `first` the first of these. In a row of x only they lie side by
# side, so a row of the kernel is a tile of its own, which begins with the sums of the row before.

from ..simd cimport LANES, MAX_TILE, lanes_of, real, registers
from ..tile cimport Tile, run_tile
from .conv_shape cimport Conv, group_inputs


cdef inline void grouped_forward(const Conv* c, Py_ssize_t x_width, const real* x, const real* w, const real* bias,
                                 real* y) noexcept nogil:
    # x: the padded image, rows of x_width reals; w: (kh, kw, c_in / groups, c_out); y: (oh, ow, c_out)
    cdef:
        Tile tile
        Py_ssize_t inputs = group_inputs(c), outputs = c.c_out // c.groups, group, block, o
    tile.rows, tile.outer, tile.inner = c.oh, c.kw, inputs
    tile.x_row, tile.x_tile, tile.x_outer, tile.x_inner = c.sh * x_width, c.sw * c.c_in, c.dilation_w * c.c_in, 1
    tile.v_row, tile.v_outer, tile.v_inner = 0, inputs * c.c_out, c.c_out
    tile.y_row, tile.y_tile = c.ow * c.c_out, c.c_out
    tile.x_down = tile.start_down = tile.y_down = 0
    for group in range(c.groups):
        for block in range(registers(outputs)):
            o = group * outputs + block * LANES
            tile.live = tile.last = lanes_of(outputs - block * LANES)
            forward_tiles(c, &tile, x + group * inputs, c.dilation_h * x_width, w + o, bias + o, y + o)


cdef inline void forward_tiles(const Conv* c, Tile* tile, const real* x, Py_ssize_t x_down, const real* w,
                               const real* bias, real* y) noexcept nogil:
    # All rows and columns of a register of channels; x_down: from one row of the kernel to the next.
    cdef:
        Py_ssize_t t, k, j = 0, tiles = (c.ow + MAX_TILE - 1) // MAX_TILE
        real* to
        int size
    for t in range(tiles):
        size = <int>((c.ow - j) // (tiles - t))
        to = y + j * tile.y_tile
        tile.start_row = tile.start_tile = 0
        run_tile(size, tile, x + j * tile.x_tile, w, bias, to)
        tile.start_row, tile.start_tile = tile.y_row, tile.y_tile
        for k in range(1, c.kh):
            run_tile(size, tile, x + j * tile.x_tile + k * x_down, w + k * c.kw * tile.v_outer, to, to)
        j += size


cdef inline void grouped_weight_gradient(const Conv* c, Py_ssize_t x_width, const real* x, const real* dy,
                                         real* sums) noexcept nogil:
    # sums: (kh, kw, c_in / groups, c_out), to which this image's gradient is added. A tile is as many rows of the
    # kernel, of each one input at all its positions or one position with all its inputs: the more of them.
    cdef:
        Tile tile
        Py_ssize_t inputs = group_inputs(c), outputs = c.c_out // c.groups, group, block, o, other
        Py_ssize_t across = max(inputs, c.kw), others = min(inputs, c.kw)
        Py_ssize_t x_position = c.dilation_w * c.c_in, position = inputs * c.c_out
        bint by_inputs = inputs >= c.kw
        Py_ssize_t x_other = x_position if by_inputs else 1, y_other = position if by_inputs else c.c_out
    tile.rows, tile.outer, tile.inner = c.kh, c.oh, c.ow
    tile.x_row, tile.x_outer, tile.x_inner = c.dilation_h * x_width, c.sh * x_width, c.sw * c.c_in
    tile.x_tile, tile.y_tile = 1 if by_inputs else x_position, c.c_out if by_inputs else position
    tile.v_row, tile.v_outer, tile.v_inner = 0, c.ow * c.c_out, c.c_out
    tile.start_tile = tile.y_tile
    tile.start_row = tile.y_row = c.kw * position
    tile.x_down = tile.start_down = tile.y_down = 0
    for group in range(c.groups):
        for block in range(registers(outputs)):
            o = group * outputs + block * LANES
            tile.live = tile.last = lanes_of(outputs - block * LANES)
            for other in range(others):
                gradient_tiles(&tile, across, x + group * inputs + other * x_other, dy + o, sums + other * y_other + o)


cdef inline void gradient_tiles(const Tile* tile, Py_ssize_t across, const real* x, const real* dy,
                                real* sums) noexcept nogil:
    cdef:
        Py_ssize_t t, j = 0, tiles = (across + MAX_TILE - 1) // MAX_TILE
        real* to
        int size
    for t in range(tiles):
        size = <int>((across - j) // (tiles - t))
        to = sums + j * tile.y_tile
        run_tile(size, tile, x + j * tile.x_tile, dy, to, to)
        j += size
