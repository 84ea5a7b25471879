# One image, shifted, turned, scaled, sheared, bent and with noise, as its stream of random numbers says; by one thread.
#
#   y[i, j] = x at (A * (i, j, from the centre) + shift + bend(i, j)), between four pixels bilinear, beyond the border
#             the nearest pixel;   + noise * normal
#
# The bend is a smooth field: cubic B-splines (rows and columns come from cnn/training/augment.py) over 7 x 7 random
# vectors. The lanes of a register are pixels of a row. Time goes into fetching four pixels for each.

from libc.math cimport cos, exp, sin, tan
from libc.stdint cimport uint32_t

from .random cimport Stream, normal, uniform, word
from .simd cimport (
    LANES, flattened, iramp, isplat, ivec, lanes, lanes_of, real, registers, vec, vgather, vload_lanes, vmax, vmin,
    vreal, vsplat, vstore, vstore_lanes, vtruncate,
)


cdef enum:
    KNOTS = 7     # of the bend, a side
    AFFINE = 5    # random numbers before those of the bend: rows, columns, angle, scale, shear


cdef struct Warp:
    Py_ssize_t h, w, c
    double shift, rotate, scale, shear    # pixels, radians, the factor's logarithm, radians
    double elastic, noise                 # pixels, grey levels
    const real* rows                      # (h, KNOTS), the splines at each row
    const real* columns                   # (KNOTS, w)


cdef struct Affine:                       # where pixels come from: a place for the first one, steps down and across
    real start_i, start_j, ii, ij, ji, jj


cdef inline Py_ssize_t warp_size(Py_ssize_t h, Py_ssize_t w, Py_ssize_t c) noexcept nogil:
    # Reals of scratch memory: for an image, and for the bend of its columns.
    return h * w * c + 2 * KNOTS * w


cdef inline Affine drawn_affine(const Warp* g, Stream s) noexcept nogil:
    cdef:
        Affine a
        double angle = g.rotate * uniform(word(s, 2)), factor = exp(g.scale * uniform(word(s, 3)))
        double slant = tan(g.shear * uniform(word(s, 4)))
        double middle_i = (g.h - 1) * 0.5, middle_j = (g.w - 1) * 0.5
        double ii = cos(angle) * factor, ij = sin(angle) * factor
        double ji = (slant * cos(angle) - sin(angle)) * factor, jj = (slant * sin(angle) + cos(angle)) * factor
    a.ii, a.ij, a.ji, a.jj = <real>ii, <real>ij, <real>ji, <real>jj
    a.start_i = <real>(middle_i + g.shift * uniform(word(s, 0)) - ii * middle_i - ij * middle_j)
    a.start_j = <real>(middle_j + g.shift * uniform(word(s, 1)) - ji * middle_i - jj * middle_j)
    return a


cdef inline void bend_columns(const Warp* g, Stream s, real* to) noexcept nogil:
    # to: (2, KNOTS, w), the random vectors spread over the columns
    cdef:
        Py_ssize_t k, m, j, block
        real knots[2 * KNOTS * KNOTS]
        real size = <real>g.elastic
        vec total
        lanes live
    for k in range(2 * KNOTS * KNOTS):
        knots[k] = size * normal(word(s, <uint32_t>(AFFINE + k)))
    for block in range(registers(g.w)):
        j = block * LANES
        live = lanes_of(g.w - j)
        for k in range(2 * KNOTS):
            total = vsplat(0)
            for m in range(KNOTS):
                total = total + knots[k * KNOTS + m] * vload_lanes(g.columns + m * g.w + j, live)
            vstore_lanes(to + k * g.w + j, total, live)


cdef inline void warp_pixels(const Warp* g, const bint bends, Affine a, real gain, real offset, const real* x,
                             const real* bend, Py_ssize_t i, Py_ssize_t j, real* y) noexcept nogil:
    # A register of pixels of row i, from column j on; y is the row.
    cdef:
        lanes live = lanes_of(g.w - j)
        vec column = vreal(iramp()) + <real>j
        vec down = a.start_i + a.ii * <real>i + a.ij * column
        vec across = a.start_j + a.ji * <real>i + a.jj * column
        vec row, value, next_row
        ivec at
        Py_ssize_t k, t, c, below = g.w * g.c if g.h > 1 else 0, beside = g.c if g.w > 1 else 0
        real values[LANES]
    if bends:
        for k in range(KNOTS):
            down = down + g.rows[i * KNOTS + k] * vload_lanes(bend + k * g.w + j, live)
            across = across + g.rows[i * KNOTS + k] * vload_lanes(bend + (KNOTS + k) * g.w + j, live)
    down = vmin(vmax(down, vsplat(0)), vsplat(<real>(g.h - 1)))
    across = vmin(vmax(across, vsplat(0)), vsplat(<real>(g.w - 1)))
    row = vmin(vreal(vtruncate(down)), vsplat(<real>max(g.h - 2, 0)))
    column = vmin(vreal(vtruncate(across)), vsplat(<real>max(g.w - 2, 0)))
    at = (vtruncate(row) * isplat(<int>g.w) + vtruncate(column)) * isplat(<int>g.c)
    down, across = down - row, across - column
    for c in range(g.c):
        value = (vsplat(1) - across) * vgather(x + c, at) + across * vgather(x + c + beside, at)
        next_row = (vsplat(1) - across) * vgather(x + c + below, at) + across * vgather(x + c + below + beside, at)
        value = ((vsplat(1) - down) * value + down * next_row) * gain + offset
        if g.c == 1:
            vstore_lanes(y + j, value, live)
        else:
            vstore(values, value)
            for t in range(min(LANES, g.w - j)):
                y[(j + t) * g.c + c] = values[t]


cdef inline flattened warp_image(const Warp* g, Stream s, real gain, real offset, real* scratch,
                                 real* y) noexcept nogil:
    # The image (h, w, c) is at the beginning of scratch, of warp_size reals; y = gain * its warp + offset
    cdef:
        Py_ssize_t i, j, block
        real* bend = scratch + g.h * g.w * g.c
        Affine a = drawn_affine(g, s)
        uint32_t first_noise = AFFINE + 2 * KNOTS * KNOTS
        real noise = <real>g.noise * gain
    if g.elastic > 0:
        bend_columns(g, s, bend)
    for i in range(g.h):
        for block in range(registers(g.w)):
            j = block * LANES
            if g.elastic > 0: warp_pixels(g, True, a, gain, offset, scratch, bend, i, j, y + i * g.w * g.c)
            else: warp_pixels(g, False, a, gain, offset, scratch, bend, i, j, y + i * g.w * g.c)
    if g.noise > 0:
        for j in range(g.h * g.w * g.c):
            y[j] += noise * normal(word(s, first_noise + <uint32_t>j))
