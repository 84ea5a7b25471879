# The dense layer over a block of images, by one thread. The weights lie unit by unit, w: (units, inputs), so that the
# lanes of a register are inputs in all three products and no array is ever transposed.
#
#   y[n, u]  = b[u] + sum over k of x[n, k] * w[u, k]
#   dx[n, k] =        sum over u of dy[n, u] * w[u, k]
#   dw[u, k] =        sum over n of dy[n, u] * x[n, k]     at once used to update w, and never stored
#
# The sums are tiles of 4 x 4 registers (4 x 2 where there are only 16): eight loads for sixteen multiply-adds. A tile
# that sticks out repeats the last image or unit and drops the result. Every sum is added up in one order, whatever
# the tile and the number of images.

from .optimizer cimport Optimizer, update_lanes
from .simd cimport (
    LANES, MATRIX_SIDE, first_lanes, flattened, lanes, lanes_of, real, registers, vec, vload, vload_lanes, vstore_lanes, vsums,
)


cdef enum:
    NEAR = 8  # images whose inputs stay in the first cache while the weights pass by


cdef struct Dense:
    Py_ssize_t inputs, units
    bint relu


# ---- forward: inner products along the inputs ----

cdef inline void inner_products(const int images, const int units, const Dense* g, const real** x, const real** w,
                                real* y) noexcept nogil:
    # y[i * units + u] = x[i] @ w[u]; images * units is at most 16. sums has room for a last vsums.
    cdef:
        vec sums[32]
        vec row[4]
        vec value
        Py_ssize_t block, k, whole = g.inputs - g.inputs % LANES
        lanes tail = first_lanes(<int>(g.inputs % LANES))
        int i, u, t
    for i in range(images):
        row[i] = vload_lanes(x[i] + whole, tail)
    for u in range(units):
        value = vload_lanes(w[u] + whole, tail)
        for i in range(images):
            sums[i * units + u] = row[i] * value
    for block in range(g.inputs // LANES):
        k = block * LANES
        for i in range(images):
            row[i] = vload(x[i] + k)
        for u in range(units):
            value = vload(w[u] + k)
            for i in range(images):
                sums[i * units + u] = sums[i * units + u] + row[i] * value
    for t in range(images * units, 32):
        sums[t] = vload_lanes(x[0], first_lanes(0))
    t = 0
    while t < images * units:
        vstore_lanes(y + t, vsums(sums + t), first_lanes(LANES if LANES < images * units - t else images * units - t))
        t += LANES


cdef inline flattened dense_forward(const Dense* g, Py_ssize_t n, const real* x, Py_ssize_t x_step, const real* w,
                                    const real* b, real* y, Py_ssize_t y_step) noexcept nogil:
    # x: n rows of inputs, x_step apart; b: (units,) or NULL -> y: n rows of units, y_step apart
    cdef:
        Py_ssize_t near, first, image, tile, unit
        const real* xs[4]
        const real* ws[8]
        real products[16]
        int i, u
    if n == 1:
        dense_forward_image(g, x, w, b, y)
        return
    for near in range((n + NEAR - 1) // NEAR):
        first = near * NEAR
        for tile in range((g.units + MATRIX_SIDE - 1) // MATRIX_SIDE):
            unit = tile * MATRIX_SIDE
            for u in range(MATRIX_SIDE):
                ws[u] = w + min(unit + u, g.units - 1) * g.inputs
            for image in range(first, min(first + NEAR, n), 4):
                for i in range(4):
                    xs[i] = x + min(image + i, n - 1) * x_step
                inner_products(4, MATRIX_SIDE, g, xs, ws, products)
                for i in range(<int>min(<Py_ssize_t>4, n - image)):
                    finish_units(g, min(<Py_ssize_t>MATRIX_SIDE, g.units - unit), products + MATRIX_SIDE * i, b, unit,
                                 y + (image + i) * y_step)


cdef inline void dense_forward_image(const Dense* g, const real* x, const real* w, const real* b,
                                     real* y) noexcept nogil:
    # One image: units in tiles of nearly the same size, ten are five and five.
    cdef:
        Py_ssize_t unit = 0, t, tiles = (g.units + 7) // 8
        const real* xs[4]
        const real* ws[8]
        real products[16]
        int u, size
    xs[0] = x
    for t in range(tiles):
        size = <int>((g.units - unit) // (tiles - t))
        for u in range(size):
            ws[u] = w + (unit + u) * g.inputs
        if size == 8: inner_products(1, 8, g, xs, ws, products)
        elif size == 7: inner_products(1, 7, g, xs, ws, products)
        elif size == 6: inner_products(1, 6, g, xs, ws, products)
        elif size == 5: inner_products(1, 5, g, xs, ws, products)
        elif size == 4: inner_products(1, 4, g, xs, ws, products)
        elif size == 3: inner_products(1, 3, g, xs, ws, products)
        elif size == 2: inner_products(1, 2, g, xs, ws, products)
        else: inner_products(1, 1, g, xs, ws, products)
        finish_units(g, size, products, b, unit, y)
        unit += size


cdef inline void finish_units(const Dense* g, Py_ssize_t count, const real* products, const real* b, Py_ssize_t unit,
                              real* y) noexcept nogil:
    cdef Py_ssize_t u
    cdef real value
    for u in range(count):
        value = products[u]
        if b != NULL:
            value = value + b[unit + u]
        if g.relu and value <= 0:
            value = 0
        y[unit + u] = value


# ---- both gradients: scalars times vectors of inputs ----

cdef inline void outer_products(const int down, const int across, Py_ssize_t count, const real** s, Py_ssize_t s_step,
                                const real* v, Py_ssize_t v_step, lanes live, vec* sums) noexcept nogil:
    # sums[d, a, :] = sum over j of s[d][j * s_step] * v[j * v_step + a * LANES + :]
    cdef:
        vec row[4]
        Py_ssize_t j
        int d, a
    for d in range(down):
        for a in range(across):
            sums[d * across + a] = vload_lanes(v, first_lanes(0))
    for j in range(count):
        for a in range(across):
            row[a] = vload(v + a * LANES) if across > 1 else vload_lanes(v, live)
        for d in range(down):
            for a in range(across):
                sums[d * across + a] = sums[d * across + a] + s[d][j * s_step] * row[a]
        v += v_step


cdef inline Py_ssize_t column_blocks(const Dense* g) noexcept nogil:
    # Columns of the weights as both gradients take them: blocks of MATRIX_SIDE registers, then single ones.
    cdef Py_ssize_t wide = g.inputs // (MATRIX_SIDE * LANES)
    return wide + (g.inputs - wide * MATRIX_SIDE * LANES + LANES - 1) // LANES


cdef inline Py_ssize_t column(const Dense* g, Py_ssize_t block) noexcept nogil:
    cdef Py_ssize_t wide = g.inputs // (MATRIX_SIDE * LANES)
    return block * MATRIX_SIDE * LANES if block <= wide else wide * MATRIX_SIDE * LANES + (block - wide) * LANES


cdef inline void input_gradient_tile(const int down, const int across, const Dense* g, Py_ssize_t left,
                                     const real** s, const real* w, lanes live, real* dx,
                                     Py_ssize_t dx_step) noexcept nogil:
    cdef vec sums[16]
    cdef int d, a
    outer_products(down, across, g.units, s, 1, w, g.inputs, live, sums)
    for d in range(down):
        if d < left:
            for a in range(across):
                vstore_lanes(dx + d * dx_step + a * LANES, sums[d * across + a], live)


cdef inline flattened dense_input_gradient(const Dense* g, Py_ssize_t block, Py_ssize_t n, const real* dy,
                                           Py_ssize_t dy_step, const real* w, real* dx,
                                           Py_ssize_t dx_step) noexcept nogil:
    # One block of columns of dx: n rows of inputs, dx_step apart; dy: n rows of units, dy_step apart
    cdef:
        Py_ssize_t image, k = column(g, block)
        bint wide = block < g.inputs // (MATRIX_SIDE * LANES)
        lanes live = lanes_of(g.inputs - k)
        const real* s[4]
        int i
    for image in range(0, n, 4):
        for i in range(4):
            s[i] = dy + min(image + i, n - 1) * dy_step
        if n - image == 1:
            if wide: input_gradient_tile(1, MATRIX_SIDE, g, 1, s, w + k, live, dx + image * dx_step + k, dx_step)
            else: input_gradient_tile(1, 1, g, 1, s, w + k, live, dx + image * dx_step + k, dx_step)
        else:
            if wide: input_gradient_tile(4, MATRIX_SIDE, g, n - image, s, w + k, live, dx + image * dx_step + k, dx_step)
            else: input_gradient_tile(4, 1, g, n - image, s, w + k, live, dx + image * dx_step + k, dx_step)


cdef inline void update_tile(const int down, const int across, const Dense* g, Py_ssize_t left, Py_ssize_t n,
                             const real** s, Py_ssize_t dy_step, const real* x, Py_ssize_t x_step, lanes live,
                             const Optimizer* optimizer, Py_ssize_t at) noexcept nogil:
    cdef vec sums[16]
    cdef int d, a
    outer_products(down, across, n, s, dy_step, x, x_step, live, sums)
    for d in range(down):
        if d < left:
            for a in range(across):
                update_lanes(optimizer, sums[d * across + a], at + d * g.inputs + a * LANES, live)


cdef inline flattened dense_update(const Dense* g, Py_ssize_t block, Py_ssize_t first, Py_ssize_t stop, Py_ssize_t n,
                                   const real* dy, Py_ssize_t dy_step, const real* x, Py_ssize_t x_step,
                                   const Optimizer* optimizer, Py_ssize_t w) noexcept nogil:
    # The weights of units first .. stop in one block of columns; w: where they begin among the parameters
    cdef:
        Py_ssize_t unit, k = column(g, block)
        bint wide = block < g.inputs // (MATRIX_SIDE * LANES)
        lanes live = lanes_of(g.inputs - k)
        const real* s[4]
        int u
    for unit in range(first, stop, 4):
        for u in range(4):
            s[u] = dy + min(unit + u, stop - 1)
        if wide: update_tile(4, MATRIX_SIDE, g, stop - unit, n, s, dy_step, x + k, x_step, live, optimizer,
                             w + unit * g.inputs + k)
        else: update_tile(4, 1, g, stop - unit, n, s, dy_step, x + k, x_step, live, optimizer,
                          w + unit * g.inputs + k)


cdef inline void dense_update_bias(const Dense* g, Py_ssize_t n, const real* dy, Py_ssize_t dy_step,
                                   const Optimizer* optimizer, Py_ssize_t b) noexcept nogil:
    cdef Py_ssize_t block, unit, image
    cdef vec total
    cdef lanes live
    for block in range(registers(g.units)):
        unit = block * LANES
        live = lanes_of(g.units - unit)
        total = vload_lanes(dy, first_lanes(0))
        for image in range(n):
            total = total + vload_lanes(dy + image * dy_step + unit, live)
        update_lanes(optimizer, total, b + unit, live)
