# Layer normalisation (Ba, Kiros and Hinton, 2016) of one image, by one thread: over the channels of every position.
#
#   y  = xhat * gamma + beta,   xhat = (x - mean) * inverse + shift,   inverse = 1 / sqrt(variance + epsilon)
#   dx = inverse * (d - mean of d - xhat * mean of d * xhat),   d = dy * gamma
#   dgamma += sum of dy * xhat,   dbeta += sum of dy,   over positions
#
# The lanes of a register are channels. Deviations are taken from a mean that is rounded; its error is their own mean,
# which `shift` takes off again, or a large mean would be seen in the last digits of small deviations.

from ..simd cimport (
    LANES, flattened, iramp, lanes, lanes_of, real, registers, rounded_up, vdivide, vec, vgreater, vload, vload_lanes,
    vreal, vselect, vsplat, vsqrt, vstore, vstore_lanes, vsum,
)


cdef enum:
    SUMS = 4  # kept apart, to hide the latency of an addition


cdef struct LayerNorm:
    Py_ssize_t positions, c
    double epsilon


cdef struct Statistics:
    # Of every position, each (positions,).
    real* mean
    real* inverse
    real* shift


cdef inline Statistics statistics_at(const LayerNorm* g, real* start) noexcept nogil:
    cdef Statistics s
    cdef Py_ssize_t n = rounded_up(g.positions)
    s.mean, s.inverse, s.shift = start, start + n, start + 2 * n
    return s


cdef inline Py_ssize_t statistics_size(const LayerNorm* g) noexcept nogil:
    return 3 * rounded_up(g.positions)


cdef inline vec channels_at(const real* p, Py_ssize_t left) noexcept nogil:
    # A register of the `left` channels from there on, and zeros behind them.
    return vload(p) if left >= LANES else vload_lanes(p, lanes_of(left))


cdef inline void set_channels(real* p, vec v, Py_ssize_t left) noexcept nogil:
    # A whole register is stored as such: with AVX2, a masked store takes many times as long on some processors.
    if left >= LANES: vstore(p, v)
    else: vstore_lanes(p, v, lanes_of(left))


cdef inline vec deviations(const real* x, vec mean, Py_ssize_t left) noexcept nogil:
    # Of the channels in a register; 0 behind them.
    cdef vec d = channels_at(x, left) - mean
    return vselect(vgreater(vsplat(<real>left), vreal(iramp())), d, vsplat(0)) if left < LANES else d


cdef inline void add_statistics(const LayerNorm* g, const real* x, Statistics s) noexcept nogil:
    # x: (positions, c). `inverse` is left as the variance, `shift` as the mean deviation from the mean.
    cdef:
        Py_ssize_t i, block, c
        real share = <real>1 / <real>g.c
        vec total, squares, d, mean
    for i in range(g.positions):
        total = squares = vsplat(0)
        for block in range(registers(g.c)):
            c = block * LANES
            total = total + channels_at(x + i * g.c + c, g.c - c)
        s.mean[i] = vsum(total) * share
        mean, total = vsplat(s.mean[i]), vsplat(0)
        for block in range(registers(g.c)):
            c = block * LANES
            d = deviations(x + i * g.c + c, mean, g.c - c)
            total, squares = total + d, squares + d * d
        s.shift[i] = vsum(total) * share
        s.inverse[i] = vsum(squares) * share - s.shift[i] * s.shift[i]


cdef inline void finish_statistics(const LayerNorm* g, Statistics s) noexcept nogil:
    cdef:
        Py_ssize_t block, i
        vec inverse, one = vsplat(1), epsilon = vsplat(<real>g.epsilon)
        lanes live
    for block in range(registers(g.positions)):
        i = block * LANES
        live = lanes_of(g.positions - i)
        inverse = vdivide(one, vsqrt(vload_lanes(s.inverse + i, live) + epsilon))
        vstore_lanes(s.inverse + i, inverse, live)
        vstore_lanes(s.shift + i, vsplat(0) - vload_lanes(s.shift + i, live) * inverse, live)


cdef inline vec normalized(const LayerNorm* g, const real* x, Py_ssize_t i, Py_ssize_t c, Statistics s) noexcept nogil:
    # xhat of the register from channel c on at position i
    return (channels_at(x + i * g.c + c, g.c - c) - vsplat(s.mean[i])) * s.inverse[i] + s.shift[i]


cdef inline flattened layernorm_forward(const LayerNorm* g, const real* gamma, const real* beta, const real* x,
                                        Statistics s, real* y) noexcept nogil:
    # x: (positions, c); gamma, beta: (c,) -> the statistics, y: (positions, c)
    cdef:
        Py_ssize_t i, block, c
        vec y_lanes
    add_statistics(g, x, s)
    finish_statistics(g, s)
    for i in range(g.positions):
        for block in range(registers(g.c)):
            c = block * LANES
            y_lanes = normalized(g, x, i, c, s) * channels_at(gamma + c, g.c - c) + channels_at(beta + c, g.c - c)
            set_channels(y + i * g.c + c, y_lanes, g.c - c)


cdef inline flattened add_parameter_gradients(const LayerNorm* g, const real* x, const real* dy, Statistics s,
                                              real* sums) noexcept nogil:
    # x, dy: (positions, c); to sums: (2, c), dgamma and dbeta, theirs are added
    cdef:
        Py_ssize_t block, c, i, t, left
        vec d
        vec along[SUMS]
        vec total[SUMS]
    for block in range(registers(g.c)):
        c = block * LANES
        left = g.c - c
        for t in range(SUMS):
            along[t] = total[t] = vsplat(0)
        for i in range(g.positions // SUMS):
            for t in range(SUMS):
                d = channels_at(dy + (SUMS * i + t) * g.c + c, left)
                along[t] = along[t] + d * normalized(g, x, SUMS * i + t, c, s)
                total[t] = total[t] + d
        for i in range(g.positions // SUMS * SUMS, g.positions):
            d = channels_at(dy + i * g.c + c, left)
            along[0] = along[0] + d * normalized(g, x, i, c, s)
            total[0] = total[0] + d
        for t in range(1, SUMS):
            along[0], total[0] = along[0] + along[t], total[0] + total[t]
        set_channels(sums + c, channels_at(sums + c, left) + along[0], left)
        set_channels(sums + g.c + c, channels_at(sums + g.c + c, left) + total[0], left)


cdef inline flattened layernorm_input_gradient(const LayerNorm* g, const real* gamma, const real* x, const real* dy,
                                               Statistics s, real* dx) noexcept nogil:
    # x, dy: (positions, c); gamma: (c,) -> dx: (positions, c), which may be dy
    cdef:
        Py_ssize_t i, block, c
        real share = <real>1 / <real>g.c, mean_d, mean_along
        vec d, total, along
    for i in range(g.positions):
        total = along = vsplat(0)
        for block in range(registers(g.c)):
            c = block * LANES
            d = channels_at(dy + i * g.c + c, g.c - c) * channels_at(gamma + c, g.c - c)
            total, along = total + d, along + d * normalized(g, x, i, c, s)
        mean_d, mean_along = vsum(total) * share, vsum(along) * share
        for block in range(registers(g.c)):
            c = block * LANES
            d = channels_at(dy + i * g.c + c, g.c - c) * channels_at(gamma + c, g.c - c)
            d = d - vsplat(mean_d) - normalized(g, x, i, c, s) * mean_along
            set_channels(dx + i * g.c + c, d * s.inverse[i], g.c - c)
