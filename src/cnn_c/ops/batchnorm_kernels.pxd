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
    LANES, lanes, lanes_of, real, registers, vec, vgreater, vload_lanes, vselect, vsplat, vstore, vstore_lanes,
)


cdef enum:
    SUMS = 4


cdef struct Norm:
    Py_ssize_t positions, c    # of one image
    bint relu
    double keep                # how much of a running statistic stays in a step


cdef inline void add_lanes(const vec* totals, Py_ssize_t count, double* sums) noexcept nogil:
    cdef real parts[SUMS][LANES]
    cdef Py_ssize_t t, i
    for t in range(SUMS):
        vstore(parts[t], totals[t])
    for i in range(count):
        for t in range(SUMS):
            sums[i] += parts[t][i]


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
        add_lanes(totals, count, sums + c)


cdef inline void add_image(const Norm* g, const real* x, double* sums) noexcept nogil:
    # sums: (c,)
    add_terms(False, g, x, NULL, sums)


cdef inline void add_squares(const Norm* g, const real* x, const double* means, double* sums) noexcept nogil:
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


cdef inline void normalize(const Norm* g, const real* slope, const real* shift, const real* mean, const real* x,
                           real* y) noexcept nogil:
    # x, y: (positions, c); the others: (c,). The mean comes off first, or a large one would take y's last digits.
    cdef:
        Py_ssize_t block, c, i
        vec a, b, m, v, zero = vsplat(0)
        lanes live
    for block in range(registers(g.c)):
        c = block * LANES
        live = lanes_of(g.c - c)
        a, b, m = vload_lanes(slope + c, live), vload_lanes(shift + c, live), vload_lanes(mean + c, live)
        for i in range(g.positions):
            v = (vload_lanes(x + i * g.c + c, live) - m) * a + b
            if g.relu:
                v = vselect(vgreater(zero, v), zero, v)  # NaN stays NaN
            vstore_lanes(y + i * g.c + c, v, live)


cdef inline void add_gradients(const Norm* g, const real* x, const real* y, real* dy, const real* mean,
                               const real* inverse, double* sums) noexcept nogil:
    # sums: (2, c) of dy * xhat and of dy, from which the ReLU's part is taken first, in place
    cdef:
        Py_ssize_t block, c, i, t, count
        vec m, k, d, zero = vsplat(0)
        vec along[SUMS]
        vec totals[SUMS]
        lanes live
    for block in range(registers(g.c)):
        c = block * LANES
        count = min(LANES, g.c - c)
        live = lanes_of(count)
        m, k = vload_lanes(mean + c, live), vload_lanes(inverse + c, live)
        for t in range(SUMS):
            along[t] = totals[t] = zero
        for i in range(g.positions // SUMS):
            for t in range(SUMS):
                d = rectified(g, y, dy, (SUMS * i + t) * g.c + c, live)
                along[t] = along[t] + d * ((vload_lanes(x + (SUMS * i + t) * g.c + c, live) - m) * k)
                totals[t] = totals[t] + d
        for i in range(g.positions // SUMS * SUMS, g.positions):
            d = rectified(g, y, dy, i * g.c + c, live)
            along[0] = along[0] + d * ((vload_lanes(x + i * g.c + c, live) - m) * k)
            totals[0] = totals[0] + d
        add_lanes(along, count, sums + c)
        add_lanes(totals, count, sums + g.c + c)


cdef inline vec rectified(const Norm* g, const real* y, real* dy, Py_ssize_t at, lanes live) noexcept nogil:
    cdef vec zero = vsplat(0), d = vload_lanes(dy + at, live)
    if g.relu:
        d = vselect(vgreater(vload_lanes(y + at, live), zero), d, zero)
        vstore_lanes(dy + at, d, live)
    return d


cdef inline void normalize_backward(const Norm* g, const real* slope, const real* mean, const real* inverse,
                                    const real* mean_dy_xhat, const real* mean_dy, const real* x, const real* dy,
                                    real* dx) noexcept nogil:
    # x, dx: (positions, c), dy likewise, and may be dx; the others: (c,)
    cdef:
        Py_ssize_t block, c, i
        vec a, m, k, along, total
        lanes live
    for block in range(registers(g.c)):
        c = block * LANES
        live = lanes_of(g.c - c)
        a, m, total = vload_lanes(slope + c, live), vload_lanes(mean + c, live), vload_lanes(mean_dy + c, live)
        k = vload_lanes(inverse + c, live)
        along = k * vload_lanes(mean_dy_xhat + c, live)
        for i in range(g.positions):
            vstore_lanes(dx + i * g.c + c, a * (
                vload_lanes(dy + i * g.c + c, live) - total - (vload_lanes(x + i * g.c + c, live) - m) * along), live)


cdef inline void scale_gradient(const Norm* g, const real* slope, const real* y, real* dy, real* dx) noexcept nogil:
    # dx = dy * slope, where the ReLU let x pass: of a normalisation by statistics that do not depend on x
    cdef:
        Py_ssize_t block, c, i
        vec a
        lanes live
    for block in range(registers(g.c)):
        c = block * LANES
        live = lanes_of(g.c - c)
        a = vload_lanes(slope + c, live)
        for i in range(g.positions):
            vstore_lanes(dx + i * g.c + c, a * rectified(g, y, dy, i * g.c + c, live), live)
