# The one loop in which the package spends its time: tiles of sums of products, kept in registers.
#
#   y[row, t, :] = start[row, t, :] + sum over i, j of x[row, t, i, j] * v[row, i, j, :]
#
# with `:` the lanes of one register, and a stride in Tile for every index. A row of convolution outputs, a piece of
# a weight gradient and a block of a dense layer are such tiles; they differ in their strides alone.
#
# One register of v is loaded, then multiplied by `size` broadcast scalars of x, one fused multiply-add with a memory
# operand each: size + 1 loads for size multiply-adds keeps both load ports and both arithmetic ports busy. Every sum
# is added up in the order of i and j, so equal inputs give equal bits wherever in a tile they lie.

from .simd cimport flattened, lanes, real, vec, vload_lanes, vstore_lanes


cdef struct Tile:
    Py_ssize_t rows
    Py_ssize_t outer, inner                     # how many i, how many j
    Py_ssize_t x_row, x_tile, x_outer, x_inner  # strides, in reals
    Py_ssize_t v_row, v_outer, v_inner
    Py_ssize_t start_row, start_tile
    Py_ssize_t y_row, y_tile


cdef inline void tile_rows(const int size, const Py_ssize_t x_tile, const Tile* tile, const real* x, const real* v,
                           const real* start, real* y, lanes live) noexcept nogil:
    # The loops over t have a constant length and are unrolled, so that each sum has a register of its own. (GCC does
    # this early enough only for loops inside another one, which is why the rows are looped over here.)
    cdef:
        vec sums[14]
        vec value
        const real* xi
        const real* vi
        Py_ssize_t row, i, j
        Py_ssize_t inner = tile.inner, x_inner = tile.x_inner, v_inner = tile.v_inner
        int t
    for row in range(tile.rows):
        for t in range(size):
            sums[t] = vload_lanes(start + t * tile.start_tile, live)
        for i in range(tile.outer):
            xi = x + i * tile.x_outer
            vi = v + i * tile.v_outer
            for j in range(inner):
                value = vload_lanes(vi, live)
                for t in range(size):
                    sums[t] = sums[t] + xi[t * x_tile] * value
                xi += x_inner
                vi += v_inner
        for t in range(size):
            vstore_lanes(y + t * tile.y_tile, sums[t], live)
        x += tile.x_row
        v += tile.v_row
        start += tile.start_row
        y += tile.y_row


cdef inline void tile_of_size(int size, const Py_ssize_t x_tile, const Tile* tile, const real* x, const real* v,
                              const real* start, real* y, lanes live) noexcept nogil:
    if size == 1: tile_rows(1, x_tile, tile, x, v, start, y, live)
    elif size == 2: tile_rows(2, x_tile, tile, x, v, start, y, live)
    elif size == 3: tile_rows(3, x_tile, tile, x, v, start, y, live)
    elif size == 4: tile_rows(4, x_tile, tile, x, v, start, y, live)
    elif size == 5: tile_rows(5, x_tile, tile, x, v, start, y, live)
    elif size == 6: tile_rows(6, x_tile, tile, x, v, start, y, live)
    elif size == 7: tile_rows(7, x_tile, tile, x, v, start, y, live)
    elif size == 8: tile_rows(8, x_tile, tile, x, v, start, y, live)
    elif size == 9: tile_rows(9, x_tile, tile, x, v, start, y, live)
    elif size == 10: tile_rows(10, x_tile, tile, x, v, start, y, live)
    elif size == 11: tile_rows(11, x_tile, tile, x, v, start, y, live)
    elif size == 12: tile_rows(12, x_tile, tile, x, v, start, y, live)
    elif size == 13: tile_rows(13, x_tile, tile, x, v, start, y, live)
    elif size == 14: tile_rows(14, x_tile, tile, x, v, start, y, live)


cdef inline flattened run_tile(int size, const Tile* tile, const real* x, const real* v, const real* start, real* y,
                   lanes live) noexcept nogil:
    # A stride known to the compiler goes into the addresses; 1 is every gradient, 8 the second convolution's.
    if tile.x_tile == 1: tile_of_size(size, 1, tile, x, v, start, y, live)
    elif tile.x_tile == 8: tile_of_size(size, 8, tile, x, v, start, y, live)
    else: tile_of_size(size, tile.x_tile, tile, x, v, start, y, live)
