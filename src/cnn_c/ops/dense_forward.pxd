# The dense layer's forward pass over a block of images, by one thread. The weights lie unit by unit, w: (units,
# inputs), so that the lanes of a register are inputs in all products and no array is ever transposed.
#
#   y[n, u] = b[u] + sum over k of x[n, k] * w[u, k]
#
# The sums are tiles of 4 x 4 registers (4 x 2 where there are only 16): eight loads for sixteen multiply-adds. A tile
# that sticks out repeats the last image or unit and drops the result. Every sum is added up in one order, whatever
# the tile and the number of images.

from libc.string cimport memcpy

from ..simd cimport (
    LANES, MATRIX_SIDE, first_lanes, flattened, lanes, real, vec, vload, vload_lanes, vmax, vsplat, vstore, vsums,
)


cdef enum:
    NEAR = 8   # images whose inputs stay in the first cache while the weights pass by
    UNITS = 8  # at most, in a tile of one image


cdef struct Dense:
    Py_ssize_t inputs, units
    bint relu


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
        dense_forward_image(g, x, w, b, 0, g.units, y)
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


cdef inline flattened dense_forward_image(const Dense* g, const real* x, const real* w, const real* b, Py_ssize_t unit,
                                          Py_ssize_t end, real* y) noexcept nogil:
    # One image: units from `unit` up to `end`, in tiles of nearly the same size; ten are five and five.
    cdef:
        Py_ssize_t t, tiles = (end - unit + UNITS - 1) // UNITS
        const real* xs[4]
        const real* ws[8]
        real start[16]
        real products[16]
        int u, size
    xs[0] = x
    for t in range(tiles):
        size = <int>((end - unit) // (tiles - t))
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
