# Batch normalisation (Ioffe and Szegedy, 2015) of maps or rows, channels last, by one thread.
#
#   y  = gamma * (x - mean) / sqrt(variance + epsilon) + beta,   mean and variance of a channel over the whole batch
#   dx = gamma / sqrt(variance + epsilon) * (dy - mean of dy - xhat * mean of dy * xhat),   xhat = y before gamma, beta
#
# What is summed over the batch is summed in double, of a chunk of images at a time: forward its mean and its squared
# distance from that mean, which merge without cancellation (Chan, Golub and LeVeque, 1983). Within an image the lanes
# of a register are channels, and four sums are kept apart, to hide the latency of an addition. A ReLU may follow in
# the same pass.

from ..simd cimport (
    LANES, flattened, lanes, lanes_of, load, real, registers, store, vec, vgreater, vload_lanes, vselect, vsplat,
    vstore, vstore_lanes,
)


cdef enum:
    SUMS = 4


cdef struct Norm:
    Py_ssize_t positions, c    # of one image
    bint relu
    double keep                # how much of a running statistic stays in a step


cdef inline void add_lanes(const int across, const vec* totals, Py_ssize_t count, double* sums) noexcept nogil:
    # totals: (SUMS // across, across registers), sums: (count,)
    cdef real parts[SUMS][LANES]
    cdef Py_ssize_t t, i
    for t in range(SUMS):
        vstore(parts[t], totals[t])
    for i in range(count):
        for t in range(SUMS // across):
            sums[i] += parts[t * across + i // LANES][i % LANES]


cdef inline vec term(const bint squares, const real* x, Py_ssize_t at, vec mean, lanes live) noexcept nogil:
    cdef vec v = vload_lanes(x + at, live)
    if not squares:
        return v
    v = v - mean
    return v * v


cdef inline void add_terms(const bint squares, const Norm* g, const real* x, const double* means,
                           double* sums) noexcept nogil:
    cdef:
        Py_ssize_t block, c, i, t, count
        real mean[LANES]
        vec m
        vec totals[SUMS]
        lanes live
    for block in range(registers(g.c)):
        c = block * LANES
        count = min(LANES, g.c - c)
        live = lanes_of(count)
        for t in range(LANES):
            mean[t] = <real>means[c + t] if squares and t < count else 0
        m = vload_lanes(mean, live)
        for t in range(SUMS):
            totals[t] = vsplat(0)
        for i in range(g.positions // SUMS):
            for t in range(SUMS):
                totals[t] = totals[t] + term(squares, x, (SUMS * i + t) * g.c + c, m, live)
        for i in range(g.positions // SUMS * SUMS, g.positions):
            totals[0] = totals[0] + term(squares, x, i * g.c + c, m, live)
        add_lanes(1, totals, count, sums + c)


cdef inline flattened add_image(const Norm* g, const real* x, double* sums) noexcept nogil:
    # sums: (c,)
    add_terms(False, g, x, NULL, sums)


cdef inline flattened add_squares(const Norm* g, const real* x, const double* means, double* sums) noexcept nogil:
    # of the distances from the means: (c,); sums: (c,)
    add_terms(True, g, x, means, sums)


cdef inline void merge_moments(const Norm* g, double count, double* moments, double more_count,
                               const double* more) noexcept nogil:
    # moments: (2, c), means and sums of squares of `count` values, joined by those of `more_count`
    cdef Py_ssize_t c
    cdef double delta, share = more_count / (count + more_count)
    for c in range(g.c):
        delta = more[c] - moments[c]
        moments[c] += delta * share
        moments[g.c + c] += more[g.c + c] + delta * delta * count * share


# The passes over what is far away take two registers of channels side by side, a cache line, if there are as many.

cdef inline void normalize_channels(const int across, const bint whole, const Norm* g, lanes live, const real* slope,
                                    const real* shift, const real* mean, const real* x, real* y) noexcept nogil:
    # The mean comes off first, or a large one would take y's last digits.
    cdef:
        vec a[2]
        vec b[2]
        vec m[2]
        vec v, zero = vsplat(0)
        Py_ssize_t _
        int k
    for k in range(across):
        a[k], b[k] = load(whole, slope + k * LANES, live), load(whole, shift + k * LANES, live)
        m[k] = load(whole, mean + k * LANES, live)
    for _ in range(g.positions):
        for k in range(across):
            v = (load(whole, x + k * LANES, live) - m[k]) * a[k] + b[k]
            if g.relu:
                v = vselect(vgreater(zero, v), zero, v)  # NaN stays NaN
            store(whole, y + k * LANES, v, live)
        x += g.c
        y += g.c


cdef inline flattened normalize(const Norm* g, const real* slope, const real* shift, const real* mean, const real* x,
                                real* y) noexcept nogil:
    # x, y: (positions, c); the others: (c,)
    cdef Py_ssize_t c = 0
    while c + 2 * LANES <= g.c:
        normalize_channels(2, True, g, lanes_of(LANES), slope + c, shift + c, mean + c, x + c, y + c)
        c += 2 * LANES
    while c < g.c:
        normalize_channels(1, False, g, lanes_of(g.c - c), slope + c, shift + c, mean + c, x + c, y + c)
        c += LANES


cdef inline vec rectified(const Norm* g, vec d, vec x, vec slope, vec shift) noexcept nogil:
    # d where the ReLU let y pass; x has lost its mean. To compute y once more takes less time than to read it.
    cdef vec zero = vsplat(0)
    return vselect(vgreater(x * slope + shift, zero), d, zero) if g.relu else d


cdef inline void add_channels(const int across, const bint whole, const Norm* g, lanes live, const real* slope,
                              const real* shift, const real* mean, const real* inverse, const real* x, const real* dy,
                              Py_ssize_t count, double* sums) noexcept nogil:
    # Of `count` channels.
    cdef:
        vec a[2]
        vec b[2]
        vec m[2]
        vec along[SUMS]
        vec totals[SUMS]
        vec d, v
        Py_ssize_t left = g.positions, at_once = SUMS // across
        int t, k
    for k in range(across):
        a[k], b[k] = load(whole, slope + k * LANES, live), load(whole, shift + k * LANES, live)
        m[k] = load(whole, mean + k * LANES, live)
    for t in range(SUMS):
        along[t] = totals[t] = vsplat(0)
    while left > 0:
        for t in range(SUMS // across):
            if t < left:
                for k in range(across):
                    v = load(whole, x + t * g.c + k * LANES, live) - m[k]
                    d = rectified(g, load(whole, dy + t * g.c + k * LANES, live), v, a[k], b[k])
                    along[t * across + k] = along[t * across + k] + d * v
                    totals[t * across + k] = totals[t * across + k] + d
        x += at_once * g.c
        dy += at_once * g.c
        left -= at_once
    for t in range(SUMS):
        k = t % across
        along[t] = along[t] * load(whole, inverse + k * LANES, live)
    add_lanes(across, along, count, sums)
    add_lanes(across, totals, count, sums + g.c)


cdef inline flattened add_gradients(const Norm* g, const real* slope, const real* shift, const real* mean,
                                    const real* inverse, const real* x, const real* dy, double* sums) noexcept nogil:
    # sums: (2, c) of dy * xhat and of dy, after the ReLU's part is taken from dy
    cdef Py_ssize_t c = 0
    while c + 2 * LANES <= g.c:
        add_channels(2, True, g, lanes_of(LANES), slope + c, shift + c, mean + c, inverse + c, x + c, dy + c,
                     2 * LANES, sums + c)
        c += 2 * LANES
    while c < g.c:
        add_channels(1, False, g, lanes_of(g.c - c), slope + c, shift + c, mean + c, inverse + c, x + c, dy + c,
                     min(LANES, g.c - c), sums + c)
        c += LANES


cdef inline void channels_backward(const int across, const bint whole, const Norm* g, lanes live, const real* slope,
                                   const real* shift, const real* mean, const real* inverse, const real* mean_dy_xhat,
                                   const real* mean_dy, const real* x, const real* dy, real* dx) noexcept nogil:
    cdef:
        vec a[2]
        vec b[2]
        vec m[2]
        vec along[2]
        vec total[2]
        vec d, v
        Py_ssize_t _
        int k
    for k in range(across):
        a[k], b[k] = load(whole, slope + k * LANES, live), load(whole, shift + k * LANES, live)
        m[k], total[k] = load(whole, mean + k * LANES, live), load(whole, mean_dy + k * LANES, live)
        along[k] = load(whole, inverse + k * LANES, live) * load(whole, mean_dy_xhat + k * LANES, live)
    for _ in range(g.positions):
        for k in range(across):
            v = load(whole, x + k * LANES, live) - m[k]
            d = rectified(g, load(whole, dy + k * LANES, live), v, a[k], b[k])
            store(whole, dx + k * LANES, a[k] * (d - total[k] - v * along[k]), live)
        x += g.c
        dy += g.c
        dx += g.c


cdef inline flattened normalize_backward(const Norm* g, const real* slope, const real* shift, const real* mean,
                                         const real* inverse, const real* mean_dy_xhat, const real* mean_dy,
                                         const real* x, const real* dy, real* dx) noexcept nogil:
    # x, dx: (positions, c), dy likewise, and may be dx; the others: (c,)
    cdef Py_ssize_t c = 0
    while c + 2 * LANES <= g.c:
        channels_backward(2, True, g, lanes_of(LANES), slope + c, shift + c, mean + c, inverse + c, mean_dy_xhat + c,
                          mean_dy + c, x + c, dy + c, dx + c)
        c += 2 * LANES
    while c < g.c:
        channels_backward(1, False, g, lanes_of(g.c - c), slope + c, shift + c, mean + c, inverse + c,
                          mean_dy_xhat + c, mean_dy + c, x + c, dy + c, dx + c)
        c += LANES


cdef inline void scale_gradient(const Norm* g, const real* slope, const real* y, const real* dy,
                                real* dx) noexcept nogil:
    # dx = dy * slope, where the ReLU let x pass: of a normalisation by statistics that do not depend on x
    cdef:
        Py_ssize_t block, c, i
        vec a, d, zero = vsplat(0)
        lanes live
    for block in range(registers(g.c)):
        c = block * LANES
        live = lanes_of(g.c - c)
        a = vload_lanes(slope + c, live)
        for i in range(g.positions):
            d = vload_lanes(dy + i * g.c + c, live)
            if g.relu:
                d = vselect(vgreater(vload_lanes(y + i * g.c + c, live), zero), d, zero)
            vstore_lanes(dx + i * g.c + c, a * d, live)
