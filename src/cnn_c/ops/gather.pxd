# Sums of registers that lie at listed places in memory, each times a scalar; and the transpose of a matrix.

from ..simd cimport (
    LANES, MAX_TILE, flattened, lanes, lanes_of, real, registers, vec, vload, vload_lanes, vsplat, vstore, vstore_lanes,
    vtranspose,
)


cdef inline Py_ssize_t most_rows(Py_ssize_t across) noexcept nogil:
    # As many as there are registers for sums, up to four side by side.
    return 6 if MAX_TILE == 14 or across < 3 else 7 - across


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
    if down > most_rows(across):  # is never asked for, and not compiled
        return
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
    # In two passes of nearly the same number rather than in one and a rest. No division: this is asked for every pixel.
    if rows <= most_rows(across):
        return rows
    return min(most_rows(across), (rows + 1) >> 1)


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


cdef inline flattened transpose(Py_ssize_t rows, Py_ssize_t columns, const real* a, Py_ssize_t a_step, real* out,
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
