# Convolution, ReLU and 2x2 max pooling in one, of an image with several channels, by one thread.
#
# Forward, the lanes of a register are output channels, as in conv.pxd: two rows of outputs are made in scratch memory
# and pooled at once; the map before pooling is never stored. Backward, the four positions of a pooling window have
# one gradient that is not zero, so both gradients are sums over (pooled pixel p, channel o) alone:
#
#   dw[:, :, :, o] = sum over p of g[p, o] * x[window of p, o's winner]      lanes: (kw, c_in) of a row of the kernel
#   dx[window of p, o's winner] += g[p, o] * w[:, :, :, o]                   lanes: the same
#
# Both gather: a list of scalars g and of places in memory, from which registers are read. `gather` does either.

from libc.string cimport memcpy, memset

from .simd cimport (
    LANES, MAX_TILE, choice, first_lanes, flattened, ihas_bit, iload, iselect, isplat, istore, ivec, lanes, lanes_of,
    real, registers, vec, vequals, vload, vload_lanes, vnot_positive, vselect, vstore, vstore_lanes, vtakes,
)
from .tile cimport Tile, run_tile


cdef struct ConvPool:
    Py_ssize_t h, w, c_in, c_out, kh, kw, ph, pw  # a convolution of stride 1
    Py_ssize_t oh, ow                             # of its pooled output
    Py_ssize_t x_pitch, y_pitch                   # pixels from a row of the framed input, of the output, to the next
    bint relu


cdef enum:
    IDLE = 4  # the code of a window through which no gradient passes


# ---- forward ----

cdef inline Py_ssize_t rows_size(const ConvPool* g) noexcept nogil:
    return 2 * 2 * g.ow * g.c_out


cdef inline flattened conv_pool_forward(const ConvPool* g, const real* x, const real* w, const real* b, real* y,
                                        int* codes, real* scratch) noexcept nogil:
    # x: the image in its zeroed frame; w: (kh, kw, c_in, c_out); b: (c_out,) -> y: (oh, ow, c_out) with
    # y_pitch, codes: (oh, ow, c_out) or NULL. scratch: rows_size
    cdef Py_ssize_t i, width = 2 * g.ow * g.c_out
    for i in range(g.oh):
        convolve_row(g, 2 * i, x, w, b, scratch)
        convolve_row(g, 2 * i + 1, x, w, b, scratch + width)
        if codes != NULL:
            pool_rows(True, g, scratch, scratch + width, y + i * g.y_pitch * g.c_out, codes + i * g.ow * g.c_out)
        else:
            pool_rows(False, g, scratch, scratch + width, y + i * g.y_pitch * g.c_out, NULL)


cdef inline void convolve_row(const ConvPool* g, Py_ssize_t i, const real* x, const real* w, const real* b,
                              real* y) noexcept nogil:
    # Row i of the convolution; rows of the kernel that meet only padding are skipped.
    cdef:
        Tile tile
        Py_ssize_t j, block, o, t, columns = 2 * g.ow, tiles = (columns + MAX_TILE - 1) // MAX_TILE
        Py_ssize_t first = max(g.ph - i, 0), stop = min(g.kh, g.ph + g.h - i)
        int size
    tile.rows, tile.outer, tile.inner = 1, max(stop - first, 0), g.kw * g.c_in
    tile.x_row = tile.v_row = tile.start_row = tile.y_row = 0
    tile.x_down = tile.start_down = tile.y_down = tile.start_tile = 0
    tile.x_tile, tile.x_outer, tile.x_inner = g.c_in, g.x_pitch * g.c_in, 1
    tile.v_outer, tile.v_inner, tile.y_tile = g.kw * g.c_in * g.c_out, g.c_out, g.c_out
    x += (i + first) * tile.x_outer
    w += first * tile.v_outer
    for block in range(registers(g.c_out)):
        o = block * LANES
        tile.live = tile.last = lanes_of(g.c_out - o)
        j = 0
        for t in range(tiles):
            size = <int>((columns - j) // (tiles - t))
            run_tile(size, &tile, x + j * g.c_in, w + o, b + o, y + j * g.c_out + o)
            j += size


cdef inline void pool_rows(const bint keep, const ConvPool* g, const real* upper, const real* lower, real* y,
                           int* codes) noexcept nogil:
    cdef:
        Py_ssize_t j, block, o, c = g.c_out
        vec best, value, zero
        ivec code
        choice takes
        lanes live
    zero = vload_lanes(upper, first_lanes(0))
    for j in range(g.ow):
        for block in range(registers(c)):
            o = block * LANES
            live = lanes_of(c - o)
            best = vload_lanes(upper + o, live)
            value = vload_lanes(upper + c + o, live)
            takes = vtakes(value, best)
            best = vselect(takes, value, best)
            code = iselect(takes, isplat(1), isplat(0))
            value = vload_lanes(lower + o, live)
            takes = vtakes(value, best)
            best = vselect(takes, value, best)
            code = iselect(takes, isplat(2), code)
            value = vload_lanes(lower + c + o, live)
            takes = vtakes(value, best)
            best = vselect(takes, value, best)
            code = iselect(takes, isplat(3), code)
            if g.relu:
                takes = vnot_positive(best)
                code = iselect(takes, isplat(IDLE), code)
                best = vselect(takes, vselect(vequals(best, best), zero, best), best)  # ReLU keeps a NaN
            vstore_lanes(y + o, best, live)
            if keep:
                istore(codes + o, code, live)
        upper += 2 * c
        lower += 2 * c
        y += c
        if keep:
            codes += c


# ---- backward ----

cdef inline void gather_tile(const int down, const int across, Py_ssize_t count, const real* g, const int* places,
                             Py_ssize_t step, const real* v, Py_ssize_t v_down, real* sums,
                             Py_ssize_t sums_down) noexcept nogil:
    # sums[d, a, :] += sum over j of g[j] * v[places[j] + d * v_down + a * LANES + :]
    cdef:
        vec totals[24]
        const real* vj
        vec scalar, zero
        Py_ssize_t _
        int d, a
    zero = vload_lanes(v, first_lanes(0))
    for d in range(down):
        for a in range(across):
            totals[d * across + a] = vload(sums + d * sums_down + a * LANES)
    for _ in range(count):
        vj = v + places[0]
        scalar = zero + g[0]
        for d in range(down):
            for a in range(across):
                totals[d * across + a] = totals[d * across + a] + scalar * vload(vj + d * v_down + a * LANES)
        g += step
        places += step
    for d in range(down):
        for a in range(across):
            vstore(sums + d * sums_down + a * LANES, totals[d * across + a])


cdef inline Py_ssize_t rows_at_once(Py_ssize_t rows, Py_ssize_t across) noexcept nogil:
    # As many rows as there are registers for sums, in passes of nearly the same number.
    cdef Py_ssize_t most = max(1, min(6, (24 if MAX_TILE == 14 else 12) // across))
    cdef Py_ssize_t passes = (rows + most - 1) // most
    return (rows + passes - 1) // passes


cdef inline void gather_rows(const int across, Py_ssize_t down, Py_ssize_t count, const real* g, const int* places,
                             Py_ssize_t step, const real* v, Py_ssize_t v_down, real* sums,
                             Py_ssize_t sums_down) noexcept nogil:
    if down == 1: gather_tile(1, across, count, g, places, step, v, v_down, sums, sums_down)
    elif down == 2: gather_tile(2, across, count, g, places, step, v, v_down, sums, sums_down)
    elif down == 3: gather_tile(3, across, count, g, places, step, v, v_down, sums, sums_down)
    elif down == 4: gather_tile(4, across, count, g, places, step, v, v_down, sums, sums_down)
    elif down == 5: gather_tile(5, across, count, g, places, step, v, v_down, sums, sums_down)
    elif down == 6: gather_tile(6, across, count, g, places, step, v, v_down, sums, sums_down)


cdef inline void gather(Py_ssize_t rows, Py_ssize_t width, Py_ssize_t count, const real* g, const int* places,
                        Py_ssize_t step, const real* v, Py_ssize_t v_down, real* sums,
                        Py_ssize_t sums_down) noexcept nogil:
    # sums: rows of width reals, rounded up to whole registers
    cdef Py_ssize_t a = 0, r, across, at_once, left = registers(width)
    while left > 0:
        across = min(left, <Py_ssize_t>4)
        at_once = rows_at_once(rows, across)
        r = 0
        while r < rows:
            if across == 1:
                gather_rows(1, min(at_once, rows - r), count, g, places, step, v + r * v_down + a, v_down,
                            sums + r * sums_down + a, sums_down)
            elif across == 2:
                gather_rows(2, min(at_once, rows - r), count, g, places, step, v + r * v_down + a, v_down,
                            sums + r * sums_down + a, sums_down)
            elif across == 3:
                gather_rows(3, min(at_once, rows - r), count, g, places, step, v + r * v_down + a, v_down,
                            sums + r * sums_down + a, sums_down)
            else:
                gather_rows(4, min(at_once, rows - r), count, g, places, step, v + r * v_down + a, v_down,
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
    # Of one output channel: a zero row, those of the kernel, a zero row; in the left place, then in the right one.
    return 2 * (g.kh + 2) * spread_row(g)


cdef inline void spread_weights(const ConvPool* g, const real* w, real* spread) noexcept nogil:
    # w: (kh, kw, c_in, c_out) -> spread: (c_out, 2, kh + 2, spread_row), zeroed once
    cdef Py_ssize_t k, i, o, row = spread_row(g), width = g.kw * g.c_in, right = (g.kh + 2) * row + g.c_in
    cdef real* to
    for o in range(g.c_out):
        for k in range(g.kh):
            to = spread + o * spread_size(g) + (k + 1) * row
            for i in range(width):
                to[i] = to[right + i] = w[(k * width + i) * g.c_out + o]


cdef inline Py_ssize_t lists_size(const ConvPool* g) noexcept nogil:
    # Reals of scratch memory for the gradients and the two lists of places; an int is no larger than a real.
    return 3 * (g.oh * g.ow * g.c_out + LANES)


cdef inline void list_winners(const ConvPool* g, const real* dy, const int* codes, real* gradients, int* in_x,
                              int* in_w, real* db) noexcept nogil:
    # dy: (oh, ow, c_out) with y_pitch, codes: (oh, ow, c_out) -> gradients that pass, where in x's frame the
    # winner's window begins, and where in `spread` the weights begin that lie as the winner's window does; db += dy
    cdef:
        Py_ssize_t i, j, block, o, at = 0, row = spread_row(g)
        const real* from_
        vec gradient, zero
        ivec code, x_place, w_place
        choice down, right
        lanes live
        int t
        int first_weights[16]
    zero = vload_lanes(dy, first_lanes(0))
    for i in range(g.oh):
        for j in range(g.ow):
            from_ = dy + (i * g.y_pitch + j) * g.c_out
            for block in range(registers(g.c_out)):
                o = block * LANES
                live = lanes_of(g.c_out - o)
                code = iload(codes + at + o, live)
                down = ihas_bit(code, 2)
                right = ihas_bit(code, 1)
                gradient = vselect(ihas_bit(code, IDLE), zero, vload_lanes(from_ + o, live))
                x_place = (isplat(<int>((2 * i * g.x_pitch + 2 * j) * g.c_in))
                           + iselect(down, isplat(<int>(g.x_pitch * g.c_in)), isplat(0))
                           + iselect(right, isplat(<int>g.c_in), isplat(0)))
                for t in range(LANES):
                    first_weights[t] = <int>((o + t) * spread_size(g))
                w_place = (iload(first_weights, first_lanes(LANES)) + iselect(down, isplat(0), isplat(<int>row))
                           + iselect(right, isplat(<int>((g.kh + 2) * row)), isplat(0)))
                vstore_lanes(gradients + at + o, gradient, live)
                istore(in_x + at + o, x_place, live)
                istore(in_w + at + o, w_place, live)
                vstore_lanes(db + o, vload_lanes(db + o, live) + gradient, live)
            at += g.c_out


cdef inline Py_ssize_t sums_size(const ConvPool* g) noexcept nogil:
    # Reals of the sums of the weight gradient, (c_out, kh, kernel_row), and of the bias gradient.
    return g.c_out * g.kh * kernel_row(g) + g.c_out


cdef inline flattened conv_pool_backward(const ConvPool* g, const real* dy, const int* codes, const real* x,
                                         const real* spread, real* sums, real* dx, Py_ssize_t frame_size,
                                         real* scratch) noexcept nogil:
    # dy and codes as in list_winners, x: the framed image -> sums, to which this image's are added, and, unless NULL,
    # dx: the gradient for the framed image. scratch: lists_size
    cdef:
        Py_ssize_t i, j, o, n = g.oh * g.ow, row = kernel_row(g), wide = spread_row(g)
        real* gradients = scratch
        int* in_x = <int*>(scratch + n * g.c_out + LANES)
        int* in_w = <int*>(scratch + 2 * (n * g.c_out + LANES))
    list_winners(g, dy, codes, gradients, in_x, in_w, sums + g.c_out * g.kh * row)
    for o in range(g.c_out):
        gather(g.kh, g.kw * g.c_in, n, gradients + o, in_x + o, g.c_out, x, g.x_pitch * g.c_in,
               sums + o * g.kh * row, row)
    if dx == NULL:
        return
    memset(dx, 0, frame_size * sizeof(real))
    for i in range(g.oh):
        for j in range(g.ow):
            gather(g.kh + 1, (g.kw + 1) * g.c_in, g.c_out, gradients, in_w, 1, spread, wide,
                   dx + (2 * i * g.x_pitch + 2 * j) * g.c_in, g.x_pitch * g.c_in)
            gradients += g.c_out
            in_w += g.c_out


cdef inline void conv_pool_gradient(const ConvPool* g, const real* sums, real* dw, real* db) noexcept nogil:
    # sums of the batch -> dw: (kh, kw, c_in, c_out), db: (c_out,) or NULL
    cdef Py_ssize_t o, k, i, row = kernel_row(g), width = g.kw * g.c_in
    for o in range(g.c_out):
        for k in range(g.kh):
            for i in range(width):
                dw[(k * width + i) * g.c_out + o] = sums[(o * g.kh + k) * row + i]
    if db != NULL:
        memcpy(db, sums + g.c_out * g.kh * row, g.c_out * sizeof(real))
