# The transforms of winograd_shape.pxd, of LANES channels at a time.

from ..simd cimport LANES, flattened, lanes, lanes_of, load, real, registers, store, vec, vload, vload_lanes, vsplat
from .conv_shape cimport Conv
from .winograd_shape cimport Position, Tiles, point_step, position_of, to_next_tile


# ---- weights: G w G^T ----

cdef inline void times_g(vec a, vec b, vec c, vec* to, const int step) noexcept nogil:
    cdef vec half = vsplat(<real>0.5)
    cdef vec outer = (a + c) * half, inner = b * half
    to[0], to[step], to[2 * step], to[3 * step] = a, outer + inner, outer - inner, c


cdef inline flattened transform_weights(const Conv* g, const real* w, real* to) noexcept nogil:
    # w: (3, 3, c_in, c_out) -> to: (POINTS, c_in, c_out)
    cdef:
        Py_ssize_t block, i, size = g.c_in * g.c_out, step = point_step(size)
        vec columns[12]
        vec points[4]
        lanes live
        int k, l
    for block in range(registers(size)):
        i = block * LANES
        live = lanes_of(size - i)
        for l in range(3):
            times_g(vload_lanes(w + l * size + i, live), vload_lanes(w + (3 + l) * size + i, live),
                    vload_lanes(w + (6 + l) * size + i, live), columns + l, 3)
        for k in range(4):
            times_g(columns[3 * k], columns[3 * k + 1], columns[3 * k + 2], points, 1)
            for l in range(4):
                store(False, to + (4 * k + l) * step + i, points[l], live)


# ---- pixels: B^T d B ----

cdef inline void input_row(const bint whole, const bint plus, Py_ssize_t c_in, const real* p, const real* q, real* to,
                           Py_ssize_t step, lanes live) noexcept nogil:
    # Of the sum or the difference of two rows of pixels.
    cdef vec d[4]
    cdef int l
    for l in range(4):
        if plus:
            d[l] = load(whole, p + l * c_in, live) + load(whole, q + l * c_in, live)
        else:
            d[l] = load(whole, p + l * c_in, live) - load(whole, q + l * c_in, live)
    store(whole, to, d[0] - d[2], live)
    store(whole, to + step, d[1] + d[2], live)
    store(whole, to + 2 * step, d[2] - d[1], live)
    store(whole, to + 3 * step, d[3] - d[1], live)


cdef inline void input_tile(const bint whole, Py_ssize_t c_in, const real* x, Py_ssize_t x_width, real* to,
                            Py_ssize_t step, lanes live) noexcept nogil:
    # Every pixel is loaded twice: sixteen registers would not hold all of d.
    input_row(whole, False, c_in, x, x + 2 * x_width, to, step, live)
    input_row(whole, True, c_in, x + x_width, x + 2 * x_width, to + 4 * step, step, live)
    input_row(whole, False, c_in, x + 2 * x_width, x + x_width, to + 8 * step, step, live)
    input_row(whole, False, c_in, x + 3 * x_width, x + x_width, to + 12 * step, step, live)


cdef inline flattened transform_input(const Tiles* s, Py_ssize_t first, Py_ssize_t count, const real* x,
                                      Py_ssize_t x_width, real* to) noexcept nogil:
    # Tiles first .. first + count of the padded image, whose rows are x_width reals -> to: (POINTS, count, c_in)
    cdef:
        Py_ssize_t _, block, c, step = point_step(s.block * s.c_in)
        Position at = position_of(s, first)
        const real* corner
    for _ in range(count):
        corner = x + 2 * at.i * x_width + 2 * at.j * s.c_in
        for block in range(s.c_in // LANES):
            c = block * LANES
            input_tile(True, s.c_in, corner + c, x_width, to + c, step, lanes_of(LANES))
        c = s.c_in // LANES * LANES
        if c < s.c_in:
            input_tile(False, s.c_in, corner + c, x_width, to + c, step, lanes_of(s.c_in - c))
        to += s.c_in
        to_next_tile(s, &at)


# ---- products to outputs: A^T m A ----

cdef inline void output_tile(const real* m, Py_ssize_t step, vec* y) noexcept nogil:
    # m: (4, 4), points `step` apart -> y: (2, 2)
    cdef:
        vec top[4]
        vec bottom[4]
        vec second, third
        int l
    for l in range(4):
        second, third = vload(m + (4 + l) * step), vload(m + (8 + l) * step)
        top[l] = vload(m + l * step) + second + third
        bottom[l] = second - third + vload(m + (12 + l) * step)
    y[0], y[1] = top[0] + top[1] + top[2], top[1] - top[2] + top[3]
    y[2], y[3] = bottom[0] + bottom[1] + bottom[2], bottom[1] - bottom[2] + bottom[3]


# ---- gradients of outputs: A dy A^T ----

cdef inline void gradient_row(vec left, vec right, real* to, Py_ssize_t step, lanes live) noexcept nogil:
    store(False, to, left, live)
    store(False, to + step, left + right, live)
    store(False, to + 2 * step, left - right, live)
    store(False, to + 3 * step, right, live)


cdef inline void gradient_tile(Py_ssize_t down, Py_ssize_t across, Py_ssize_t c_out, const real* dy,
                               Py_ssize_t dy_width, real* to, Py_ssize_t step, lanes live) noexcept nogil:
    # down x across outputs, one or two of each; beyond the image there is no gradient
    cdef:
        vec zero = vsplat(0)
        vec a = vload_lanes(dy, live), b = zero, c = zero, d = zero
    if across > 1:
        b = vload_lanes(dy + c_out, live)
    if down > 1:
        c = vload_lanes(dy + dy_width, live)
    if down > 1 and across > 1:
        d = vload_lanes(dy + dy_width + c_out, live)
    gradient_row(a, b, to, step, live)
    gradient_row(a + c, b + d, to + 4 * step, step, live)
    gradient_row(a - c, b - d, to + 8 * step, step, live)
    gradient_row(c, d, to + 12 * step, step, live)


cdef inline flattened transform_gradient(const Tiles* s, Py_ssize_t first, Py_ssize_t count, Py_ssize_t channel,
                                         Py_ssize_t end, const real* dy, real* to) noexcept nogil:
    # dy: (oh, ow, c_out) -> to: (POINTS, count, c_out), from a channel on, a multiple of LANES, up to `end`
    cdef:
        Py_ssize_t _, block, o, step = point_step(s.block * s.c_out), dy_width = s.ow * s.c_out
        Position at = position_of(s, first)
        const real* corner
    for _ in range(count):
        corner = dy + 2 * at.i * dy_width + 2 * at.j * s.c_out
        for block in range(channel // LANES, registers(end)):
            o = block * LANES
            gradient_tile(s.oh - 2 * at.i, s.ow - 2 * at.j, s.c_out, corner + o, dy_width, to + o, step,
                          lanes_of(end - o))
        to += s.c_out
        to_next_tile(s, &at)


# ---- sums to gradients of weights: G^T sums G ----

cdef inline void times_g_transposed(vec a, vec b, vec c, vec d, vec* to, const int step) noexcept nogil:
    cdef vec half = vsplat(<real>0.5)
    cdef vec total = (b + c) * half
    to[0], to[step], to[2 * step] = a + total, (b - c) * half, total + d


cdef inline flattened transform_sums(const Conv* g, const real* sums, real scale, bint add, real* dw) noexcept nogil:
    # sums: (POINTS, c_in, c_out) -> dw: (3, 3, c_in, c_out), scale times the gradient, or added to what is there
    cdef:
        Py_ssize_t block, i, size = g.c_in * g.c_out, step = point_step(size)
        vec columns[12]
        vec row[3]
        vec factor = vsplat(scale), value
        lanes live
        int k, l
    for block in range(registers(size)):
        i = block * LANES
        live = lanes_of(size - i)
        for l in range(4):
            times_g_transposed(vload_lanes(sums + l * step + i, live), vload_lanes(sums + (4 + l) * step + i, live),
                               vload_lanes(sums + (8 + l) * step + i, live),
                               vload_lanes(sums + (12 + l) * step + i, live), columns + l, 4)
        for k in range(3):
            times_g_transposed(columns[4 * k], columns[4 * k + 1], columns[4 * k + 2], columns[4 * k + 3], row, 1)
            for l in range(3):
                value = factor * row[l]
                if add:
                    value = value + vload_lanes(dw + (3 * k + l) * size + i, live)
                store(False, dw + (3 * k + l) * size + i, value, live)
