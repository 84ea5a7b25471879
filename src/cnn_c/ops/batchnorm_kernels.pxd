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
    LANES, lanes, lanes_of, real, registers, vec, vgreater, vload_lanes, vload_some, vselect, vsplat, vstore,
    vstore_some,
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


cdef inline vec term(const bint full, const bint squares, const real* x, vec mean, lanes live) noexcept nogil:
    cdef vec v = vload_some(full, x, live)
    if not squares:
        return v
    v = v - mean
    return v * v


cdef inline void add_terms_of_block(const bint full, const bint squares, Py_ssize_t positions, Py_ssize_t step,
                                    const real* x, vec mean, lanes live, vec* totals) noexcept nogil:
    cdef Py_ssize_t i, t
    for i in range(positions // SUMS):
        for t in range(SUMS):
            totals[t] = totals[t] + term(full, squares, x + t * step, mean, live)
        x += SUMS * step
    for i in range(positions % SUMS):
        totals[0] = totals[0] + term(full, squares, x + i * step, mean, live)


cdef inline void add_terms(const bint squares, const Norm* g, const real* x, const double* means,
                           double* sums) noexcept nogil:
    cdef:
        Py_ssize_t block, c, t, count
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
        if count == LANES:
            add_terms_of_block(True, squares, g.positions, g.c, x + c, m, live, totals)
        else:
            add_terms_of_block(False, squares, g.positions, g.c, x + c, m, live, totals)
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


cdef inline void normalize_block(const bint full, const Norm* g, vec slope, vec shift, vec mean, lanes live,
                                 const real* x, real* y) noexcept nogil:
    cdef Py_ssize_t i
    cdef vec v, zero = vsplat(0)
    for i in range(g.positions):
        v = (vload_some(full, x + i * g.c, live) - mean) * slope + shift
        if g.relu:
            v = vselect(vgreater(zero, v), zero, v)  # NaN stays NaN
        vstore_some(full, y + i * g.c, v, live)


cdef inline void normalize(const Norm* g, const real* slope, const real* shift, const real* mean, const real* x,
                           real* y) noexcept nogil:
    # x, y: (positions, c); the others: (c,). The mean comes off first, or a large one would take y's last digits.
    cdef:
        Py_ssize_t block, c
        vec a, b, m
        lanes live
    for block in range(registers(g.c)):
        c = block * LANES
        live = lanes_of(g.c - c)
        a, b, m = vload_lanes(slope + c, live), vload_lanes(shift + c, live), vload_lanes(mean + c, live)
        if g.c - c >= LANES:
            normalize_block(True, g, a, b, m, live, x + c, y + c)
        else:
            normalize_block(False, g, a, b, m, live, x + c, y + c)


cdef inline vec rectified(const bint full, const Norm* g, const real* y, real* dy, lanes live) noexcept nogil:
    # dy without what the ReLU keeps back, in place
    cdef vec zero = vsplat(0), d = vload_some(full, dy, live)
    if g.relu:
        d = vselect(vgreater(vload_some(full, y, live), zero), d, zero)
        vstore_some(full, dy, d, live)
    return d


cdef inline void add_gradients_of_block(const bint full, const Norm* g, const real* x, const real* y, real* dy,
                                        vec mean, vec inverse, lanes live, vec* along, vec* totals) noexcept nogil:
    cdef:
        Py_ssize_t i, t, at = 0
        vec d
    for i in range(g.positions // SUMS):
        for t in range(SUMS):
            d = rectified(full, g, y + at, dy + at, live)
            along[t] = along[t] + d * ((vload_some(full, x + at, live) - mean) * inverse)
            totals[t] = totals[t] + d
            at += g.c
    for i in range(g.positions % SUMS):
        d = rectified(full, g, y + at, dy + at, live)
        along[0] = along[0] + d * ((vload_some(full, x + at, live) - mean) * inverse)
        totals[0] = totals[0] + d
        at += g.c


cdef inline void add_gradients(const Norm* g, const real* x, const real* y, real* dy, const real* mean,
                               const real* inverse, double* sums) noexcept nogil:
    # sums: (2, c) of dy * xhat and of dy, from which the ReLU's part is taken first, in place
    cdef:
        Py_ssize_t block, c, t, count
        vec m, k
        vec along[SUMS]
        vec totals[SUMS]
        lanes live
    for block in range(registers(g.c)):
        c = block * LANES
        count = min(LANES, g.c - c)
        live = lanes_of(count)
        m, k = vload_lanes(mean + c, live), vload_lanes(inverse + c, live)
        for t in range(SUMS):
            along[t] = totals[t] = vsplat(0)
        if count == LANES:
            add_gradients_of_block(True, g, x + c, y + c, dy + c, m, k, live, along, totals)
        else:
            add_gradients_of_block(False, g, x + c, y + c, dy + c, m, k, live, along, totals)
        add_lanes(along, count, sums + c)
        add_lanes(totals, count, sums + g.c + c)


cdef inline void normalize_backward_block(const bint full, const Norm* g, vec slope, vec mean, vec along, vec mean_dy,
                                          lanes live, const real* x, const real* dy, real* dx) noexcept nogil:
    cdef Py_ssize_t i
    cdef vec v
    for i in range(g.positions):
        v = vload_some(full, dy + i * g.c, live) - mean_dy - (vload_some(full, x + i * g.c, live) - mean) * along
        vstore_some(full, dx + i * g.c, slope * v, live)


cdef inline void normalize_backward(const Norm* g, const real* slope, const real* mean, const real* inverse,
                                    const real* mean_dy_xhat, const real* mean_dy, const real* x, const real* dy,
                                    real* dx) noexcept nogil:
    # x, dx: (positions, c), dy likewise, and may be dx; the others: (c,)
    cdef:
        Py_ssize_t block, c
        vec a, m, along, total
        lanes live
    for block in range(registers(g.c)):
        c = block * LANES
        live = lanes_of(g.c - c)
        a, m, total = vload_lanes(slope + c, live), vload_lanes(mean + c, live), vload_lanes(mean_dy + c, live)
        along = vload_lanes(inverse + c, live) * vload_lanes(mean_dy_xhat + c, live)
        if g.c - c >= LANES:
            normalize_backward_block(True, g, a, m, along, total, live, x + c, dy + c, dx + c)
        else:
            normalize_backward_block(False, g, a, m, along, total, live, x + c, dy + c, dx + c)


cdef inline void scale_gradient(const Norm* g, const real* slope, const real* y, real* dy, real* dx) noexcept nogil:
    # dx = dy * slope, where the ReLU let x pass: of a normalisation by statistics that do not depend on x
    cdef:
        Py_ssize_t block, c, i, at
        vec a
        lanes live
    for block in range(registers(g.c)):
        c = block * LANES
        live = lanes_of(g.c - c)
        a = vload_lanes(slope + c, live)
        for i in range(g.positions):
            at = i * g.c + c
            vstore_some(False, dx + at, a * rectified(False, g, y + at, dy + at, live), live)
