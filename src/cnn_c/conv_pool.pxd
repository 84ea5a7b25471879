# Convolution, ReLU and 2x2 max pooling in one, of an image with several channels, by one thread.
#
# Forward, the lanes of a register are output channels, as in conv.pxd: two rows of outputs are made in registers and
# pooled there; the map before pooling is never stored. Backward, the four positions of a pooling window have
# one gradient that is not zero, so both gradients are sums over (pooled pixel p, channel o) alone:
#
#   dw[:, :, :, o] = sum over p of g[p, o] * x[window of p, o's winner]      lanes: (kw, c_in) of a row of the kernel
#   dx[window of p, o's winner] += g[p, o] * w[:, :, :, o]                   lanes: the same
#
# Both gather: a list of scalars g and of places in memory, from which registers are read. `gather` does either.

from libc.string cimport memcpy, memset

from .simd cimport (
    LANES, MAX_TILE, as_ivec, as_vec, choice, first_lanes, flattened, ihas_bit, iload, iramp, iselect, isplat, istore,
    ivec, lanes, lanes_of, real, registers, vec, vgreater, vkeep_nonzero, vload, vload_lanes, vmax, vselect, vsplat,
    vstore, vstore_lanes, vtranspose, vunordered,
)
from .tile cimport Tile, add_products


cdef struct ConvPool:
    Py_ssize_t h, w, c_in, c_out, kh, kw, ph, pw  # a convolution of stride 1
    Py_ssize_t oh, ow                             # of its pooled output
    Py_ssize_t x_pitch, y_pitch                   # pixels from a row of the framed input, of the output, to the next
    bint relu


cdef enum:
    IDLE = 4  # the code of a window through which no gradient passes


# ---- forward ----

cdef inline vec window_maximum(const bint relu, vec s0, vec s1, vec s2, vec s3, ivec* code) noexcept nogil:
    # The first maximum of a window in row order, rectified. NaN stays; its code is of no use, for the loss is NaN then.
    cdef:
        vec zero = vsplat(0)
        vec upper = vmax(s0, s1), lower = vmax(s2, s3)
        vec best = vmax(upper, lower)
        choice down = vgreater(lower, upper)
        choice right = vgreater(vselect(down, s3, s1), vselect(down, s2, s0))
    code[0] = iselect(down, isplat(2), isplat(0))
    code[0] = iselect(right, code[0] + isplat(1), code[0])
    best = vselect(vunordered(s0, s1), s0 + s1, best)
    best = vselect(vunordered(s2, s3), s2 + s3, best)
    if relu:
        best = vmax(zero, best)
        code[0] = iselect(vgreater(best, zero), code[0], isplat(IDLE))
    return best


cdef inline void windows(const int count, const Py_ssize_t c_in, const bint keep, const ConvPool* g,
                         const Tile* tile, const real* x, const real* w, vec bias, real* y, int* codes) noexcept nogil:
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
                istore(codes + t * g.c_out, code, tile.live)


cdef inline void windows_of_count(int count, const Py_ssize_t c_in, const bint keep, const ConvPool* g,
                                  const Tile* tile, const real* x, const real* w, vec bias, real* y,
                                  int* codes) noexcept nogil:
    if count == 1: windows(1, c_in, keep, g, tile, x, w, bias, y, codes)
    elif count == 2: windows(2, c_in, keep, g, tile, x, w, bias, y, codes)
    elif count == 3: windows(3, c_in, keep, g, tile, x, w, bias, y, codes)
    elif count == 4: windows(4, c_in, keep, g, tile, x, w, bias, y, codes)
    elif count == 5: windows(5, c_in, keep, g, tile, x, w, bias, y, codes)
    elif count == 6: windows(6, c_in, keep, g, tile, x, w, bias, y, codes)
    elif count == 7: windows(7, c_in, keep, g, tile, x, w, bias, y, codes)


cdef inline void forward(const Py_ssize_t c_in, const bint keep, const ConvPool* g, const real* x, const real* w,
                         const real* b, real* y, int* codes) noexcept nogil:
    cdef:
        Tile tile
        Py_ssize_t i, j, block, o, t, first, stop
        Py_ssize_t most = MAX_TILE // 2 if MAX_TILE == 14 else MAX_TILE // 4, tiles = (g.ow + most - 1) // most
        int count
    tile.rows, tile.inner = 1, g.kw * c_in
    tile.x_down = tile.x_outer = g.x_pitch * c_in
    tile.x_inner = 1
    tile.v_outer, tile.v_inner = g.kw * c_in * g.c_out, g.c_out
    for i in range(g.oh):
        # Rows of the kernel that meet only padding, under both rows of outputs, are skipped.
        first, stop = max(g.ph - 2 * i - 1, 0), min(g.kh, g.ph + g.h - 2 * i)
        tile.outer = max(stop - first, 0)
        for block in range(registers(g.c_out)):
            o = block * LANES
            tile.live = lanes_of(g.c_out - o)
            j = 0
            for t in range(tiles):  # of nearly the same width
                count = <int>((g.ow - j) // (tiles - t))
                windows_of_count(count, c_in, keep, g, &tile, x + ((2 * i + first) * g.x_pitch + 2 * j) * c_in,
                                 w + first * tile.v_outer + o, vload_lanes(b + o, tile.live),
                                 y + (i * g.y_pitch + j) * g.c_out + o,
                                 codes + (i * g.ow + j) * g.c_out + o if keep else NULL)
                j += count


cdef inline flattened conv_pool_forward(const ConvPool* g, const real* x, const real* w, const real* b, real* y,
                                        int* codes) noexcept nogil:
    # x: the image in its zeroed frame; w: (kh, kw, c_in, c_out); b: (c_out,) -> y: (oh, ow, c_out) with y_pitch,
    # codes: (oh, ow, c_out) or NULL. A number of channels that the compiler knows goes into the addresses.
    if codes != NULL:
        if g.c_in == 6: forward(6, True, g, x, w, b, y, codes)
        elif g.c_in == 8: forward(8, True, g, x, w, b, y, codes)
        else: forward(g.c_in, True, g, x, w, b, y, codes)
    else:
        if g.c_in == 6: forward(6, False, g, x, w, b, y, codes)
        elif g.c_in == 8: forward(8, False, g, x, w, b, y, codes)
        else: forward(g.c_in, False, g, x, w, b, y, codes)


# ---- backward ----

cdef inline void gather_tile(const int down, const int across, Py_ssize_t count, const real* g, const int* places,
                             const real* v, Py_ssize_t v_down, real* sums, Py_ssize_t sums_down) noexcept nogil:
    # sums[d, a, :] += sum over j of g[j] * v[places[j] + d * v_down + a * LANES + :]. What was there is added last:
    # the pixel before has just written it, and the sum need not wait.
    cdef:
        vec totals[24]
        const real* rows[6]
        vec scalar
        Py_ssize_t j, place
        int d, a
    for d in range(down):
        rows[d] = v + d * v_down
        for a in range(across):
            totals[d * across + a] = vsplat(0)
    for j in range(count):
        place = places[j]
        scalar = vsplat(g[j])
        for d in range(down):
            for a in range(across):
                totals[d * across + a] = totals[d * across + a] + scalar * vload(rows[d] + place + a * LANES)
    for d in range(down):
        for a in range(across):
            vstore(sums + d * sums_down + a * LANES, vload(sums + d * sums_down + a * LANES) + totals[d * across + a])


cdef inline Py_ssize_t rows_at_once(Py_ssize_t rows, Py_ssize_t across) noexcept nogil:
    # As many rows as there are registers for sums, up to four side by side; in two passes of nearly the same number
    # rather than in one and a rest. No division: this is asked for every pixel.
    cdef Py_ssize_t most = 6 if MAX_TILE == 14 or across < 3 else 7 - across
    if rows <= most:
        return rows
    return min(most, (rows + 1) >> 1)


cdef inline void gather_rows(const int across, Py_ssize_t down, Py_ssize_t count, const real* g, const int* places,
                             const real* v, Py_ssize_t v_down, real* sums, Py_ssize_t sums_down) noexcept nogil:
    if down == 1: gather_tile(1, across, count, g, places, v, v_down, sums, sums_down)
    elif down == 2: gather_tile(2, across, count, g, places, v, v_down, sums, sums_down)
    elif down == 3: gather_tile(3, across, count, g, places, v, v_down, sums, sums_down)
    elif down == 4: gather_tile(4, across, count, g, places, v, v_down, sums, sums_down)
    elif down == 5: gather_tile(5, across, count, g, places, v, v_down, sums, sums_down)
    elif down == 6: gather_tile(6, across, count, g, places, v, v_down, sums, sums_down)


cdef inline void gather(Py_ssize_t rows, Py_ssize_t width, Py_ssize_t count, const real* g, const int* places,
                        const real* v, Py_ssize_t v_down, real* sums, Py_ssize_t sums_down) noexcept nogil:
    # sums: rows of width reals, rounded up to whole registers
    cdef Py_ssize_t a = 0, r, across, at_once, left = registers(width)
    while left > 0:
        across = min(left, <Py_ssize_t>4)
        at_once = rows_at_once(rows, across)
        r = 0
        while r < rows:
            if across == 1:
                gather_rows(1, min(at_once, rows - r), count, g, places, v + r * v_down + a, v_down,
                            sums + r * sums_down + a, sums_down)
            elif across == 2:
                gather_rows(2, min(at_once, rows - r), count, g, places, v + r * v_down + a, v_down,
                            sums + r * sums_down + a, sums_down)
            elif across == 3:
                gather_rows(3, min(at_once, rows - r), count, g, places, v + r * v_down + a, v_down,
                            sums + r * sums_down + a, sums_down)
            else:
                gather_rows(4, min(at_once, rows - r), count, g, places, v + r * v_down + a, v_down,
                            sums + r * sums_down + a, sums_down)
            r += at_once
        left -= across
        a += across * LANES


cdef inline Py_ssize_t kernel_row(const ConvPool* g) noexcept nogil:
    # Reals of a row of the kernel of one output channel, in whole registers.
    return registers(g.kw * g.c_in) * LANES


cdef inline Py_ssize_t spread_row(const ConvPool* g) noexcept nogil:
    # The same one pixel wider: where the kernel may lie under the two columns of a pooling window.
    return registers((g.kw + 1) * g.c_in) * LANES


cdef inline Py_ssize_t spread_size(const ConvPool* g) noexcept nogil:
    # Of one output channel: a zero row, the kernel's in the left place, a zero row, the kernel's in the right place.
    # The next channel's zero row follows.
    # (One copy, read from a pixel further on, would be half as large, but its registers lay across cache lines.)
    return 2 * (g.kh + 1) * spread_row(g)


cdef inline void spread_weights(const ConvPool* g, const real* w, real* spread) noexcept nogil:
    # w: (kh, kw, c_in, c_out) -> spread: (c_out, 2, kh + 1, spread_row) and a row more, zeroed once
    cdef Py_ssize_t k, row = spread_row(g), width = g.kw * g.c_in
    for k in range(g.kh):
        transpose(width, g.c_out, w, g.c_out, spread + (k + 1) * row, spread_size(g))
        transpose(width, g.c_out, w, g.c_out, spread + (g.kh + 2 + k) * row + g.c_in, spread_size(g))
        w += width * g.c_out


cdef inline void transpose(Py_ssize_t rows, Py_ssize_t columns, const real* a, Py_ssize_t a_step, real* out,
                           Py_ssize_t out_step) noexcept nogil:
    # out[j, i] = a[i, j], tile by tile
    cdef:
        Py_ssize_t down, across, i, j, t
        vec tile[16]
        lanes wide, high
    for down in range(registers(rows)):
        i = down * LANES
        high = lanes_of(rows - i)
        for across in range(registers(columns)):
            j = across * LANES
            wide = lanes_of(columns - j)
            for t in range(LANES):
                tile[t] = vload_lanes(a + min(i + t, rows - 1) * a_step + j, wide)
            vtranspose(tile)
            for t in range(min(<Py_ssize_t>LANES, columns - j)):
                vstore_lanes(out + (j + t) * out_step + i, tile[t], high)


cdef inline Py_ssize_t lists_size(const ConvPool* g) noexcept nogil:
    # Reals of scratch memory for gradients and the two kinds of places, then for the lists of LANES channels or of one
    # pixel; an int is no larger than a real.
    return (3 * padded_pixels(g) * padded_channels(g)
            + 2 * max(LANES * (padded_pixels(g) + LANES), padded_channels(g) + LANES))


cdef inline Py_ssize_t padded_channels(const ConvPool* g) noexcept nogil:
    return registers(g.c_out) * LANES


cdef inline Py_ssize_t padded_pixels(const ConvPool* g) noexcept nogil:
    return registers(g.oh * g.ow) * LANES


cdef inline void list_winners(const ConvPool* g, const real* dy, const int* codes, real* gradients, int* in_x,
                              int* in_w, real* db) noexcept nogil:
    # dy: (oh, ow, c_out) with y_pitch, codes: (oh, ow, c_out) -> all (padded pixels, padded channels): gradients that
    # pass, where in x's frame the winner's window begins, and where in `spread` the weights begin that lie as the
    # winner's window does; db += dy
    cdef:
        Py_ssize_t i, j, block, o, at = 0, row = spread_row(g)
        const real* from_
        vec gradient, zero
        ivec code, x_place, w_place
        choice down, right
        lanes live, all_ = first_lanes(LANES)
        ivec channels = iramp() * isplat(<int>spread_size(g))
    zero = vsplat(0)
    for i in range(g.oh):
        for j in range(g.ow):
            from_ = dy + (i * g.y_pitch + j) * g.c_out
            for block in range(registers(g.c_out)):
                o = block * LANES
                live = lanes_of(g.c_out - o)
                code = iload(codes + (i * g.ow + j) * g.c_out + o, live)
                down = ihas_bit(code, 2)
                right = ihas_bit(code, 1)
                gradient = vselect(ihas_bit(code, IDLE), zero, vload_lanes(from_ + o, live))
                x_place = (isplat(<int>((2 * i * g.x_pitch + 2 * j) * g.c_in))
                           + iselect(down, isplat(<int>(g.x_pitch * g.c_in)), isplat(0))
                           + iselect(right, isplat(<int>g.c_in), isplat(0)))
                w_place = (channels + isplat(<int>(o * spread_size(g))) + iselect(down, isplat(0), isplat(<int>row))
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


cdef inline flattened conv_pool_backward(const ConvPool* g, const real* dy, const int* codes, const real* x,
                                         const real* spread, real* sums, real* dx, Py_ssize_t frame_size,
                                         real* scratch) noexcept nogil:
    # dy and codes as in list_winners, x: the framed image -> sums, to which this image's are added, and, unless NULL,
    # dx: the gradient for the framed image. scratch: lists_size
    cdef:
        Py_ssize_t i, j, block, size = padded_pixels(g) * padded_channels(g)
        real* gradients = scratch
        int* in_x = <int*>(scratch + size)
        int* in_w = <int*>(scratch + 2 * size)
        real* list_ = scratch + 3 * size
        int* places = <int*>(list_ + padded_channels(g) + LANES)
        Py_ssize_t count
    list_winners(g, dy, codes, gradients, in_x, in_w, sums + g.c_out * g.kh * kernel_row(g))
    for block in range(registers(g.c_out)):
        gather_channels(g, block * LANES, gradients, in_x, x, sums, scratch + 3 * size)
    if dx == NULL:
        return
    memset(dx, 0, frame_size * sizeof(real))
    for i in range(g.oh):
        for j in range(g.ow):
            count = 0
            for block in range(registers(g.c_out)):
                count += vkeep_nonzero(list_ + count, places + count, vload(gradients + block * LANES),
                                       iload(in_w + block * LANES, first_lanes(LANES)))
            gather(g.kh + 1, (g.kw + 1) * g.c_in, count, list_, places, spread, spread_row(g),
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
