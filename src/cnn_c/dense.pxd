# The dense layer over a batch, a share of the units or of the rows of weights at a time, by one thread.
#
#   y[n, u]  = b[u] + sum over k of x[n, k] * w[k, u]
#   dw[k, u] =        sum over n of x[n, k] * dy[n, u]
#   dx[n, k] =        sum over u of w[k, u] * dy[n, u]
#
# For the first two the lanes of a register are units and the tiles hold images or rows of w. For dx they are
# images: w is read row by row as it lies, and the small arrays dy and dx are transposed instead.

from .simd cimport (
    LANES, MAX_TILE, first_lanes, lanes, lanes_of, real, registers, vec, vload, vload_lanes, vstore_lanes, vsum,
)
from .tile cimport Tile, run_tile


cdef enum:
    FEW = 4  # images: with fewer, tiles have too few sums to hide the latency of a multiply-add


cdef inline void dense_forward(Py_ssize_t n, Py_ssize_t inputs, Py_ssize_t units, Py_ssize_t first, Py_ssize_t stop,
                               const real* x, const real* w, const real* b, real* y) noexcept nogil:
    # Registers first .. stop of the units of y: (n, units), from x: (n, inputs), w: (inputs, units) and b: (units,)
    # or NULL
    cdef:
        Tile tile
        vec zeros
        Py_ssize_t block, u, image, t, tiles = (n + MAX_TILE - 1) // MAX_TILE
        int size
        lanes live
        const real* start
    zeros = vload_lanes(w, first_lanes(0))
    tile.x_down = tile.start_down = tile.y_down = 0
    tile.rows, tile.outer, tile.inner = 1, 1, inputs
    tile.x_row = tile.y_row = 0
    tile.x_tile, tile.x_outer, tile.x_inner = inputs, 0, 1
    tile.v_row, tile.v_outer, tile.v_inner = 0, 0, units
    tile.start_row = tile.start_tile = 0
    tile.y_tile = units
    for block in range(first, stop):
        u = block * LANES
        live = tile.live = tile.last = lanes_of(units - u)
        start = b + u if b != NULL else <const real*>&zeros
        if n < FEW:
            for image in range(n):
                row_times_matrix(inputs, units, x + image * inputs, w + u, start, y + image * units + u, live)
            continue
        image = 0
        for t in range(tiles):  # of nearly equal sizes: 32 images are 11, 11 and 10
            size = <int>((n - image) // (tiles - t))
            run_tile(size, &tile, x + image * inputs, w + u, start, y + image * units + u)
            image += size


cdef inline void row_times_matrix(Py_ssize_t inputs, Py_ssize_t units, const real* x, const real* w, const real* start,
                                  real* y, lanes live) noexcept nogil:
    # One image: eight sums, each over every eighth input.
    cdef:
        vec sums[8]
        Py_ssize_t k
        int t
    sums[0] = vload_lanes(start, live)
    for t in range(1, 8):
        sums[t] = vload_lanes(start, first_lanes(0))
    for k in range(0, inputs - 7, 8):
        for t in range(8):
            sums[t] = sums[t] + x[k + t] * vload_lanes(w + (k + t) * units, live)
    for k in range(inputs - inputs % 8, inputs):
        sums[0] = sums[0] + x[k] * vload_lanes(w + k * units, live)
    vstore_lanes(y, ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7])), live)


cdef inline void dense_weight_gradient(Py_ssize_t n, Py_ssize_t inputs, Py_ssize_t units, Py_ssize_t first,
                                       Py_ssize_t count, const real* x, const real* dy, real* dw) noexcept nogil:
    # Rows first .. first + count of dw: (inputs, units), from x: (n, inputs) and dy: (n, units)
    cdef:
        Tile tile
        vec zeros
        Py_ssize_t block, u, done
        int size
    zeros = vload_lanes(dy, first_lanes(0))
    tile.x_down = tile.start_down = tile.y_down = 0
    tile.outer, tile.inner = 1, n
    tile.x_tile, tile.x_outer, tile.x_inner = 1, 0, inputs
    tile.v_row, tile.v_outer, tile.v_inner = 0, 0, units
    tile.start_row = tile.start_tile = 0
    tile.y_tile = units
    for block in range(registers(units)):
        u = block * LANES
        tile.live = tile.last = lanes_of(units - u)
        done = 0
        while done < count:
            size = <int>min(MAX_TILE, count - done)
            tile.rows = (count - done) // size
            tile.x_row, tile.y_row = size, size * units
            run_tile(size, &tile, x + first + done, dy + u, <const real*>&zeros, dw + (first + done) * units + u)
            done += tile.rows * size


cdef inline void transpose(Py_ssize_t rows, Py_ssize_t columns, const real* a, Py_ssize_t a_row, real* out,
                           Py_ssize_t out_row) noexcept nogil:
    cdef Py_ssize_t i, j
    for j in range(columns):
        for i in range(rows):
            out[j * out_row + i] = a[i * a_row + j]


cdef inline void dense_input_gradient(Py_ssize_t n, Py_ssize_t inputs, Py_ssize_t units, Py_ssize_t first,
                                      Py_ssize_t count, const real* dy, const real* w, real* dx,
                                      real* scratch) noexcept nogil:
    # Columns first .. first + count of dx: (n, inputs), from dy: (n, units) and those rows of w: (inputs, units).
    # scratch: LANES * (units + MAX_TILE) reals
    cdef:
        Tile tile
        vec zeros
        Py_ssize_t block, image, images, k, t, tiles = (count + MAX_TILE - 1) // MAX_TILE
        int size
        real* dy_t = scratch
        real* dx_t = scratch + LANES * units
    zeros = vload_lanes(dy, first_lanes(0))
    if n < FEW:
        for image in range(n):
            matrix_times_column(count, units, w + first * units, dy + image * units, dx + image * inputs + first)
        return
    tile.x_down = tile.start_down = tile.y_down = 0
    tile.rows, tile.outer, tile.inner = 1, 1, units
    tile.x_row, tile.x_tile, tile.x_outer, tile.x_inner = 0, units, 0, 1
    tile.v_row, tile.v_outer, tile.v_inner = 0, 0, LANES
    tile.start_row = tile.start_tile = tile.y_row = 0
    tile.y_tile = LANES
    for block in range(registers(n)):
        image = block * LANES
        images = min(LANES, n - image)
        tile.live = tile.last = first_lanes(<int>images)
        transpose(images, units, dy + image * units, units, dy_t, LANES)
        k = first
        for t in range(tiles):
            size = <int>((first + count - k) // (tiles - t))
            run_tile(size, &tile, w + k * units, dy_t, <const real*>&zeros, dx_t)
            transpose(size, images, dx_t, LANES, dx + image * inputs + k, inputs)
            k += size


cdef inline void matrix_times_column(Py_ssize_t inputs, Py_ssize_t units, const real* w, const real* dy,
                                     real* dx) noexcept nogil:
    # One image: dx[k] is the inner product of dy with row k of w.
    cdef:
        Py_ssize_t block, k, u
        vec sum
        lanes tail = first_lanes(<int>(units % LANES))
    for k in range(inputs):
        sum = vload_lanes(w, first_lanes(0))
        for block in range(units // LANES):
            u = block * LANES
            sum = sum + vload(w + u) * vload(dy + u)
        if units % LANES:
            u = units - units % LANES
            sum = sum + vload_lanes(w + u, tail) * vload_lanes(dy + u, tail)
        dx[k] = vsum(sum)
        w += units
