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

from libc.string cimport memcpy

from .optimizer cimport ADAM, KEEP_GRADIENT, SGD, SGD_MOMENTUM, Optimizer, update_lanes, update_run
from .simd cimport (
    LANES, MATRIX_SIDE, first_lanes, flattened, lanes, lanes_of, prefetch_to_write, real, registers, vec, vload,
    vload_lanes, vmax, vsplat, vstore, vstore_lanes, vsums,
)


cdef enum:
    NEAR = 8  # images whose inputs stay in the first cache while the weights pass by


cdef struct Dense:
    Py_ssize_t inputs, units
    bint relu


# ---- forward: inner products along the inputs ----

cdef inline void inner_products(const int images, const int units, const Dense* g, const real** x, const real** w,
                                const real* start, real* y) noexcept nogil:
    # y[i * units + u] = start[i * units + u] + x[i] @ w[u], rectified; images * units is at most 16, y and start have
    # room for 16
    cdef:
        vec sums[32]
        vec row[4]
        vec value, zero = vsplat(0)
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
        sums[t] = zero
    t = 0
    while t < images * units:
        value = vsums(sums + t) + vload(start + t)
        vstore(y + t, vmax(zero, value) if g.relu else value)  # of the two, vmax keeps a NaN in the second
        t += LANES


cdef inline flattened dense_forward(const Dense* g, Py_ssize_t n, const real* x, Py_ssize_t x_step, const real* w,
                                    const real* b, real* y, Py_ssize_t y_step) noexcept nogil:
    # x: n rows of inputs, x_step apart; b: (units,) or NULL -> y: n rows of units, y_step apart
    cdef:
        Py_ssize_t near, first, image, tile, unit, units
        const real* xs[4]
        const real* ws[4]
        real start[16]
        real products[16]
        int i, u
    if n == 1:
        dense_forward_image(g, x, w, b, y)
        return
    for near in range((n + NEAR - 1) // NEAR):
        first = near * NEAR
        for tile in range((g.units + MATRIX_SIDE - 1) // MATRIX_SIDE):
            unit = tile * MATRIX_SIDE
            units = min(<Py_ssize_t>MATRIX_SIDE, g.units - unit)
            for u in range(MATRIX_SIDE):
                ws[u] = w + min(unit + u, g.units - 1) * g.inputs
                for i in range(4):
                    start[i * MATRIX_SIDE + u] = 0
                    if b != NULL:
                        start[i * MATRIX_SIDE + u] = b[min(unit + u, g.units - 1)]
            for image in range(first, min(first + NEAR, n), 4):
                for i in range(4):
                    xs[i] = x + min(image + i, n - 1) * x_step
                inner_products(4, MATRIX_SIDE, g, xs, ws, start, products)
                for i in range(<int>min(<Py_ssize_t>4, n - image)):
                    if units == MATRIX_SIDE:
                        memcpy(y + (image + i) * y_step + unit, products + i * MATRIX_SIDE, MATRIX_SIDE * sizeof(real))
                    else:
                        memcpy(y + (image + i) * y_step + unit, products + i * MATRIX_SIDE, units * sizeof(real))


cdef inline void dense_forward_image(const Dense* g, const real* x, const real* w, const real* b,
                                     real* y) noexcept nogil:
    # One image: units in tiles of nearly the same size, ten are five and five.
    cdef:
        Py_ssize_t unit = 0, t, tiles = (g.units + 7) // 8
        const real* xs[4]
        const real* ws[8]
        real start[16]
        real products[16]
        int u, size
    xs[0] = x
    for t in range(tiles):
        size = <int>((g.units - unit) // (tiles - t))
        for u in range(size):
            ws[u] = w + (unit + u) * g.inputs
            start[u] = 0
            if b != NULL:
                start[u] = b[unit + u]
        if size == 8: inner_products(1, 8, g, xs, ws, start, products)
        elif size == 7: inner_products(1, 7, g, xs, ws, start, products)
        elif size == 6: inner_products(1, 6, g, xs, ws, start, products)
        elif size == 5: inner_products(1, 5, g, xs, ws, start, products)
        elif size == 4: inner_products(1, 4, g, xs, ws, start, products)
        elif size == 3: inner_products(1, 3, g, xs, ws, start, products)
        elif size == 2: inner_products(1, 2, g, xs, ws, start, products)
        else: inner_products(1, 1, g, xs, ws, start, products)
        memcpy(y + unit, products, size * sizeof(real))
        unit += size


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
            if wide:
                input_gradient_tile(4, MATRIX_SIDE, g, n - image, s, w + k, live, dx + image * dx_step + k, dx_step)
            else:
                input_gradient_tile(4, 1, g, n - image, s, w + k, live, dx + image * dx_step + k, dx_step)


cdef inline void update_tile(const int kind, const int down, const int across, const Dense* g, Py_ssize_t left,
                             Py_ssize_t n, const real** s, Py_ssize_t dy_step, const real* x, Py_ssize_t x_step,
                             lanes live, Optimizer optimizer, Py_ssize_t at, Py_ssize_t ahead) noexcept nogil:
    cdef vec sums[16]
    cdef int d, a
    for d in range(down):
        for a in range(across):
            prefetch_to_write(optimizer.parameters + ahead + d * g.inputs + a * LANES)
            if kind != SGD:
                prefetch_to_write(optimizer.first + ahead + d * g.inputs + a * LANES)
    outer_products(down, across, n, s, dy_step, x, x_step, live, sums)
    for d in range(down):
        if d < left:
            for a in range(across):
                update_lanes(kind, optimizer, sums[d * across + a], at + d * g.inputs + a * LANES, live)


cdef inline void update_columns(const int kind, const Dense* g, Py_ssize_t block, Py_ssize_t first, Py_ssize_t stop,
                                Py_ssize_t n, const real* dy, Py_ssize_t dy_step, const real* x, Py_ssize_t x_step,
                                Optimizer optimizer, Py_ssize_t w) noexcept nogil:
    cdef:
        Py_ssize_t unit, k = column(g, block)
        bint wide = block < g.inputs // (MATRIX_SIDE * LANES)
        lanes live = lanes_of(g.inputs - k)
        const real* s[4]
        int u
    for unit in range(first, stop, 4):
        for u in range(4):
            s[u] = dy + min(unit + u, stop - 1)
        if wide:
            update_tile(kind, 4, MATRIX_SIDE, g, stop - unit, n, s, dy_step, x + k, x_step, first_lanes(LANES),
                        optimizer, w + unit * g.inputs + k, w + min(unit + 4, g.units - 4) * g.inputs + k)
        else:
            update_tile(kind, 4, 1, g, stop - unit, n, s, dy_step, x + k, x_step, live, optimizer,
                        w + unit * g.inputs + k, w + min(unit + 4, g.units - 4) * g.inputs + k)


cdef inline flattened dense_update(const Dense* g, Py_ssize_t block, Py_ssize_t first, Py_ssize_t stop, Py_ssize_t n,
                                   const real* dy, Py_ssize_t dy_step, const real* x, Py_ssize_t x_step,
                                   const Optimizer* o, Py_ssize_t w) noexcept nogil:
    # The weights of units first .. stop in one block of columns; w: where they begin among the parameters
    if o.kind == SGD: update_columns(SGD, g, block, first, stop, n, dy, dy_step, x, x_step, o[0], w)
    elif o.kind == SGD_MOMENTUM:
        update_columns(SGD_MOMENTUM, g, block, first, stop, n, dy, dy_step, x, x_step, o[0], w)
    elif o.kind == ADAM: update_columns(ADAM, g, block, first, stop, n, dy, dy_step, x, x_step, o[0], w)
    else: update_columns(KEEP_GRADIENT, g, block, first, stop, n, dy, dy_step, x, x_step, o[0], w)


# ---- both at once, for a batch of one image ----

cdef inline void backward_registers(const int kind, const int count, const Dense* g, const real* gradients,
                                    const real* x, Optimizer optimizer, Py_ssize_t w, lanes live, bint first,
                                    real* dx) noexcept nogil:
    cdef:
        vec sum, value = vload_lanes(x, live)
        int u
    if dx != NULL:
        sum = vload_lanes(dx, first_lanes(0) if first else live)
        for u in range(count):
            sum = sum + gradients[u] * vload_lanes(optimizer.parameters + w + u * g.inputs, live)
        vstore_lanes(dx, sum, live)
    for u in range(count):
        update_lanes(kind, optimizer, gradients[u] * value, w + u * g.inputs, live)


cdef inline void backward_units(const int kind, const int count, const Dense* g, const real* dy, const real* x,
                                Optimizer optimizer, Py_ssize_t w, bint first, real* dx) noexcept nogil:
    # dx (+)= dy @ w over `count` units, whose weights are updated as soon as they were used: they pass by once.
    cdef:
        Py_ssize_t _, k = 0
        real gradients[4]  # copies: the compiler cannot know that w and dy do not overlap
        int u
    for u in range(count):
        gradients[u] = dy[u]
    for _ in range(g.inputs // LANES):
        backward_registers(kind, count, g, gradients, x + k, optimizer, w + k, first_lanes(LANES), first,
                           dx + k if dx != NULL else NULL)
        k += LANES
    if k < g.inputs:
        backward_registers(kind, count, g, gradients, x + k, optimizer, w + k, lanes_of(g.inputs - k), first,
                           dx + k if dx != NULL else NULL)


cdef inline void backward_image(const int kind, const Dense* g, const real* dy, const real* x, Optimizer optimizer,
                                Py_ssize_t w, real* dx) noexcept nogil:
    # From the last unit to the first: the forward pass has left the last weights in the first cache.
    cdef Py_ssize_t unit
    for unit in range(g.units - 1, (g.units & ~3) - 1, -1):
        backward_units(kind, 1, g, dy + unit, x, optimizer, w + unit * g.inputs, unit == g.units - 1, dx)
    for unit in range((g.units & ~3) - 4, -1, -4):
        backward_units(kind, 4, g, dy + unit, x, optimizer, w + unit * g.inputs, unit == g.units - 4, dx)


cdef inline flattened dense_backward_image(const Dense* g, const real* dy, const real* x, const Optimizer* o,
                                           Py_ssize_t w, real* dx) noexcept nogil:
    # dy: (units,), x: (inputs,); w: where the weights begin among the parameters -> dx: (inputs,), or NULL
    if o.kind == SGD: backward_image(SGD, g, dy, x, o[0], w, dx)
    elif o.kind == SGD_MOMENTUM: backward_image(SGD_MOMENTUM, g, dy, x, o[0], w, dx)
    elif o.kind == ADAM: backward_image(ADAM, g, dy, x, o[0], w, dx)
    else: backward_image(KEEP_GRADIENT, g, dy, x, o[0], w, dx)


cdef inline void dense_update_bias(const Dense* g, Py_ssize_t n, const real* dy, Py_ssize_t dy_step,
                                   const Optimizer* optimizer, Py_ssize_t b) noexcept nogil:
    cdef Py_ssize_t block, unit, image
    cdef vec total
    cdef lanes live
    cdef real sums[LANES]
    for block in range(registers(g.units)):
        unit = block * LANES
        live = lanes_of(g.units - unit)
        total = vsplat(0)
        for image in range(n):
            total = total + vload_lanes(dy + image * dy_step + unit, live)
        vstore(sums, total)
        update_run(optimizer, min(<Py_ssize_t>LANES, g.units - unit), sums, b + unit)
