# The loop of the convolutions: tiles of sums of products, kept in registers.
#
#   y[row, t, :] = start[row, t, :] + sum over i, j of x[row, t, i, j] * v[row, i, j, :]
#
# with `:` the lanes of one register, and a stride in Tile for every index. A row of convolution outputs and a piece
# of a weight gradient are such tiles; they differ in their strides alone.
#
# One register of v is loaded, then multiplied by `size` broadcast scalars of x, one fused multiply-add with a memory
# operand each: size + 1 loads for size multiply-adds keeps both load ports and both arithmetic ports busy. Every sum
# is added up in the order of i and j, so equal inputs give equal bits wherever in a tile they lie.

from .simd cimport (
    LANES, MAX_TILE, USUAL_CASES, flattened, lanes, real, vec, vload, vload_lanes, vmultiply_add, vstore,
    vstore_lanes,
)


cdef struct Tile:
    Py_ssize_t rows
    Py_ssize_t outer, inner                     # how many i, how many j
    Py_ssize_t x_row, x_tile, x_outer, x_inner  # strides, in reals
    Py_ssize_t v_row, v_outer, v_inner
    Py_ssize_t start_row, start_tile
    Py_ssize_t y_row, y_tile
    Py_ssize_t x_down, start_down, y_down       # in a rectangle, from one line of it to the next
    lanes live, last                            # the lanes in use, and those of the last t of a line
    lanes* masks                                # of every j, where only some lanes take part


cdef inline void add_products(const int down, const int across, const Py_ssize_t x_tile, const bint masked,
                              const Tile* tile, const real* x, const real* v, vec* sums) noexcept nogil:
    # sums[d, t, :] += sum over i, j of x[d, t, i, j] * v[i, j, :]. The constants are known where this is inlined: the
    # loops over d and t are unrolled and each sum has a register of its own.
    cdef:
        vec value
        const real* lines[3]
        const real* vi
        Py_ssize_t i, _, j, inner = tile.inner, x_inner = tile.x_inner, v_inner = tile.v_inner, x_down = tile.x_down
        lanes live = tile.live
        const lanes* masks = tile.masks if masked else NULL
        lanes mask
        int d, t
    for i in range(tile.outer):
        for d in range(down):
            lines[d] = x + i * tile.x_outer + d * x_down
        vi = v + i * tile.v_outer
        for j in range(inner):
            value = vload_lanes(vi, live)
            mask = masks[j] if masked else live
            for d in range(down):
                for t in range(across):
                    if masked:
                        sums[d * across + t] = vmultiply_add(sums[d * across + t], lines[d][t * x_tile], value, mask)
                    else:
                        sums[d * across + t] = sums[d * across + t] + lines[d][t * x_tile] * value
                lines[d] += x_inner
            vi += v_inner


cdef inline void tile_rows(const int down, const int across, const Py_ssize_t x_tile, const bint masked,
                           const Tile* tile, const real* x, const real* v, const real* start,
                           real* y) noexcept nogil:
    # All rows of a tile; t runs over a rectangle, `down` lines of `across`. (GCC unrolls early enough to keep the sums
    # in registers only inside another loop, which is why the rows are looped over here.)
    cdef:
        vec sums[14]
        Py_ssize_t _
        int d, t
    for _ in range(tile.rows):
        for d in range(down):
            for t in range(across):
                sums[d * across + t] = vload_lanes(start + t * tile.start_tile + d * tile.start_down, tile.live)
        add_products(down, across, x_tile, masked, tile, x, v, sums)
        for d in range(down):
            for t in range(across):
                vstore_lanes(y + t * tile.y_tile + d * tile.y_down, sums[d * across + t],
                             tile.live if t < across - 1 else tile.last)
        x += tile.x_row
        v += tile.v_row
        start += tile.start_row
        y += tile.y_row


cdef inline void tile_of_size(int size, const Py_ssize_t x_tile, const bint masked, const Tile* tile, const real* x,
                              const real* v, const real* start, real* y) noexcept nogil:
    if size == 1: tile_rows(1, 1, x_tile, masked, tile, x, v, start, y)
    elif size == 2: tile_rows(1, 2, x_tile, masked, tile, x, v, start, y)
    elif size == 3: tile_rows(1, 3, x_tile, masked, tile, x, v, start, y)
    elif size == 4: tile_rows(1, 4, x_tile, masked, tile, x, v, start, y)
    elif size == 5: tile_rows(1, 5, x_tile, masked, tile, x, v, start, y)
    elif size == 6: tile_rows(1, 6, x_tile, masked, tile, x, v, start, y)
    elif size == 7: tile_rows(1, 7, x_tile, masked, tile, x, v, start, y)
    elif size == 8: tile_rows(1, 8, x_tile, masked, tile, x, v, start, y)
    elif size == 9 and MAX_TILE >= 12: tile_rows(1, 9, x_tile, masked, tile, x, v, start, y)
    elif size == 10 and MAX_TILE >= 12: tile_rows(1, 10, x_tile, masked, tile, x, v, start, y)
    elif size == 11 and MAX_TILE >= 12: tile_rows(1, 11, x_tile, masked, tile, x, v, start, y)
    elif size == 12 and MAX_TILE >= 12: tile_rows(1, 12, x_tile, masked, tile, x, v, start, y)
    elif size == 13 and MAX_TILE == 14: tile_rows(1, 13, x_tile, masked, tile, x, v, start, y)
    elif size == 14 and MAX_TILE == 14: tile_rows(1, 14, x_tile, masked, tile, x, v, start, y)


cdef inline flattened run_tile(int size, const Tile* tile, const real* x, const real* v, const real* start,
                               real* y) noexcept nogil:
    # A stride known to the compiler goes into the addresses: 1 in every weight gradient, 6 and 8 in second
    # convolutions, the former with sixteen outputs.
    if USUAL_CASES and tile.x_tile == 1: tile_of_size(size, 1, False, tile, x, v, start, y)
    elif USUAL_CASES and MAX_TILE == 14 and tile.x_tile == 6: tile_of_size(size, 6, False, tile, x, v, start, y)
    elif USUAL_CASES and tile.x_tile == 8: tile_of_size(size, 8, False, tile, x, v, start, y)
    else: tile_of_size(size, tile.x_tile, False, tile, x, v, start, y)


cdef inline flattened run_masked_tile(int size, const Tile* tile, const real* x, const real* v, const real* start,
                                      real* y) noexcept nogil:
    # Only the lanes in masks[j] take part: what lies there may be NaN and must not touch the sums of the others.
    if USUAL_CASES and tile.x_tile == 2: tile_of_size(size, 2, True, tile, x, v, start, y)
    elif USUAL_CASES and tile.x_tile == 32: tile_of_size(size, 32, True, tile, x, v, start, y)
    else: tile_of_size(size, tile.x_tile, True, tile, x, v, start, y)


# Wide tiles: two registers of v for each scalar, where a broadcast from memory is an instruction of its own and there
# are sixteen registers: twelve sums, two registers of v and the scalar. For twelve multiply-adds that is eight loads,
# where a tile of one register needs thirteen. Six pixels are in one line, or three in each of two.

cdef enum:
    WIDE_TILE = 6


cdef inline bint takes_wide_tiles(Py_ssize_t channels) noexcept nogil:
    # Whether a register of that many channels has another beside it.
    return MAX_TILE < 14 and channels > LANES


cdef inline Py_ssize_t channels_of_tile() noexcept nogil:
    # Of the widest: what threads take of the channels of one image, at least.
    return 2 * LANES if takes_wide_tiles(2 * LANES) else LANES


cdef inline void add_wide_products(const int down, const int across, const Py_ssize_t x_tile, const Tile* tile,
                                   const real* x, const real* v, vec* sums) noexcept nogil:
    # As add_products, of 2 * LANES channels, of whose second half those in tile.live: sums[d, t, half, :]
    cdef:
        vec low, high
        const real* lines[2]
        const real* vi
        Py_ssize_t i, _, inner = tile.inner, x_inner = tile.x_inner, v_inner = tile.v_inner, x_down = tile.x_down
        lanes live = tile.live
        int d, t
    for i in range(tile.outer):
        for d in range(down):
            lines[d] = x + i * tile.x_outer + d * x_down
        vi = v + i * tile.v_outer
        for _ in range(inner):
            low, high = vload(vi), vload_lanes(vi + LANES, live)
            for d in range(down):
                for t in range(across):
                    sums[2 * (d * across + t)] = sums[2 * (d * across + t)] + lines[d][t * x_tile] * low
                    sums[2 * (d * across + t) + 1] = sums[2 * (d * across + t) + 1] + lines[d][t * x_tile] * high
                lines[d] += x_inner
            vi += v_inner


cdef inline void wide_tile_rows(const int down, const int across, const Py_ssize_t x_tile, const Tile* tile,
                                const real* x, const real* v, const real* start, real* y) noexcept nogil:
    # As tile_rows.
    cdef:
        vec sums[12]
        Py_ssize_t _, at
        int d, t
    if not takes_wide_tiles(2 * LANES):  # is never asked for, and not compiled
        return
    for _ in range(tile.rows):
        for d in range(down):
            for t in range(across):
                at = t * tile.start_tile + d * tile.start_down
                sums[2 * (d * across + t)] = vload(start + at)
                sums[2 * (d * across + t) + 1] = vload_lanes(start + at + LANES, tile.live)
        add_wide_products(down, across, x_tile, tile, x, v, sums)
        for d in range(down):
            for t in range(across):
                at = t * tile.y_tile + d * tile.y_down
                vstore(y + at, sums[2 * (d * across + t)])
                vstore_lanes(y + at + LANES, sums[2 * (d * across + t) + 1], tile.live)
        x += tile.x_row
        v += tile.v_row
        start += tile.start_row
        y += tile.y_row


cdef inline void wide_tile_of_size(int size, const Py_ssize_t x_tile, const Tile* tile, const real* x, const real* v,
                                   const real* start, real* y) noexcept nogil:
    if size == 1: wide_tile_rows(1, 1, x_tile, tile, x, v, start, y)
    elif size == 2: wide_tile_rows(1, 2, x_tile, tile, x, v, start, y)
    elif size == 3: wide_tile_rows(1, 3, x_tile, tile, x, v, start, y)
    elif size == 4: wide_tile_rows(1, 4, x_tile, tile, x, v, start, y)
    elif size == 5: wide_tile_rows(1, 5, x_tile, tile, x, v, start, y)
    elif size == 6: wide_tile_rows(1, 6, x_tile, tile, x, v, start, y)


cdef inline flattened run_wide_tile(int size, const Tile* tile, const real* x, const real* v, const real* start,
                                    real* y) noexcept nogil:
    # Of one line.
    if USUAL_CASES and tile.x_tile == 1: wide_tile_of_size(size, 1, tile, x, v, start, y)
    else: wide_tile_of_size(size, tile.x_tile, tile, x, v, start, y)


cdef inline flattened run_wide_rectangle(int across, const Tile* tile, const real* x, const real* v, const real* start,
                                         real* y) noexcept nogil:
    # Of two lines; each of tile.rows is two rows.
    if across == 1: wide_tile_rows(2, 1, tile.x_tile, tile, x, v, start, y)
    elif across == 2: wide_tile_rows(2, 2, tile.x_tile, tile, x, v, start, y)
    elif across == 3: wide_tile_rows(2, 3, tile.x_tile, tile, x, v, start, y)


# Rectangles: where few scalars lie side by side, several lines of them make enough sums to hide the latency of a
# multiply-add, four cycles in which eight could start.

cdef inline Py_ssize_t rectangle_lines(Py_ssize_t across) noexcept nogil:
    return 3 if across == 3 or across == 4 else 2 if across == 5 or across == 6 else 1


cdef inline flattened run_rectangle(Py_ssize_t across, const Tile* tile, const real* x, const real* v,
                                    const real* start, real* y) noexcept nogil:
    # rectangle_lines(across) lines, x_tile 1
    if across == 3: tile_rows(3, 3, 1, False, tile, x, v, start, y)
    elif across == 4: tile_rows(3, 4, 1, False, tile, x, v, start, y)
    elif across == 5: tile_rows(2, 5, 1, False, tile, x, v, start, y)
    elif across == 6: tile_rows(2, 6, 1, False, tile, x, v, start, y)


cdef inline bint has_masked_rectangle(Py_ssize_t across) noexcept nogil:
    return across == 6 or across == 7


cdef inline flattened run_masked_rectangle(Py_ssize_t across, const Tile* tile, const real* x, const real* v,
                                           const real* start, real* y) noexcept nogil:
    # Two lines
    if USUAL_CASES and across == 6 and tile.x_tile == 32: tile_rows(2, 6, 32, True, tile, x, v, start, y)
    elif USUAL_CASES and across == 7 and tile.x_tile == 32: tile_rows(2, 7, 32, True, tile, x, v, start, y)
    elif across == 6: tile_rows(2, 6, tile.x_tile, True, tile, x, v, start, y)
    elif across == 7: tile_rows(2, 7, tile.x_tile, True, tile, x, v, start, y)


# Matrix products: any number of neighbours in one line, of a register of v or of two side by side.

cdef inline Py_ssize_t channels_at_once(Py_ssize_t left) noexcept nogil:
    return 2 * LANES if takes_wide_tiles(left) else LANES


cdef inline void run_of_size(bint wide, int size, Py_ssize_t rows, Tile* tile, const real* x, const real* v,
                             const real* start, real* y) noexcept nogil:
    # `rows` neighbouring tiles.
    tile.rows = rows
    tile.x_row, tile.y_row, tile.start_row = size * tile.x_tile, size * tile.y_tile, size * tile.start_tile
    if wide:
        run_wide_tile(size, tile, x, v, start, y)
    else:
        run_tile(size, tile, x, v, start, y)


cdef inline void run_tiles(bint wide, Tile* tile, Py_ssize_t count, const real* x, const real* v, const real* start,
                           real* y) noexcept nogil:
    # `count` neighbours, in as few tiles as possible, whose sizes differ by one at most.
    cdef:
        Py_ssize_t most = WIDE_TILE if wide else MAX_TILE
        Py_ssize_t tiles = (count + most - 1) // most, large = count % tiles
        int size = <int>(count // tiles)
    if large > 0:
        run_of_size(wide, size + 1, large, tile, x, v, start, y)
        x += large * tile.x_row
        y += large * tile.y_row
        start += large * tile.start_row
    run_of_size(wide, size, tiles - large, tile, x, v, start, y)
