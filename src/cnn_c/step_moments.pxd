# What a normalisation has to know of the whole batch, forward its moments and back the means of its gradients: measured
# chunk by chunk, and taken together once all threads have met.

from libc.math cimport sqrt
from libc.string cimport memcpy, memset

from .batchnorm cimport add_gradients, add_image, add_squares, merge_moments
from .optimizer cimport Optimizer, update_run
from .program cimport BATCHNORM, Operation, Program, Worker, place
from .simd cimport real


cdef inline Py_ssize_t next_norm(const Program* p, Py_ssize_t k) noexcept nogil:
    # From operation k on; p.count if there is none.
    while k < p.count and p.operations[k].kind != BATCHNORM:
        k += 1
    return k


cdef inline Py_ssize_t last_norm(const Program* p, Py_ssize_t k) noexcept nogil:
    # Before operation k; 0, which is the load, if there is none.
    k -= 1
    while k > 0 and p.operations[k].kind != BATCHNORM:
        k -= 1
    return max(k, 0)


cdef inline double values_of(const Operation* o, Py_ssize_t n, Py_ssize_t chunks, Py_ssize_t chunk) noexcept nogil:
    # Of a channel, in a chunk of a batch of n.
    return <double>(n * (chunk + 1) // chunks - n * chunk // chunks) * o.norm.positions


cdef inline void measure(const Program* p, const Operation* o, Py_ssize_t n, Py_ssize_t chunks,
                         Py_ssize_t chunk) noexcept nogil:
    # Mean of every channel over a chunk, and the sum of squared distances from it.
    cdef:
        double* to = p.all_moments + chunk * p.moments + o.moments
        Py_ssize_t i, c, first = n * chunk // chunks, stop = n * (chunk + 1) // chunks
    memset(to, 0, 4 * o.channels * sizeof(double))
    for i in range(first, stop):
        add_image(&o.norm, place(o.x, p.cells + i * p.cell, p.rows + i * p.row), to)
    for c in range(o.channels):
        to[c] /= values_of(o, n, chunks, chunk)
    for i in range(first, stop):
        add_squares(&o.norm, place(o.x, p.cells + i * p.cell, p.rows + i * p.row), to, to + o.channels)


cdef inline void take_moments(const Program* p, const Operation* o, const Worker* me, Py_ssize_t n,
                              Py_ssize_t chunks) noexcept nogil:
    # All chunks' moments as the batch's, by every thread for itself.
    cdef:
        Py_ssize_t chunk, c, channels = o.channels
        real* own = me.own + o.own
        const real* gamma = p.parameters + o.w
        double count = values_of(o, n, chunks, 0), more, inverse, rest
    memcpy(me.merged, p.all_moments + o.moments, 2 * channels * sizeof(double))
    for chunk in range(1, chunks):
        more = values_of(o, n, chunks, chunk)
        merge_moments(&o.norm, count, me.merged, more, p.all_moments + chunk * p.moments + o.moments)
        count += more
    for c in range(channels):
        inverse = 1 / sqrt(me.merged[channels + c] / count + o.norm.epsilon)
        own[2 * channels + c], own[3 * channels + c] = <real>me.merged[c], <real>inverse
        rest = me.merged[c] - own[2 * channels + c]
        own[c], own[channels + c] = <real>(gamma[c] * inverse), <real>(gamma[channels + c] - rest * gamma[c] * inverse)
        own[7 * channels + c] = <real>rest
        own[6 * channels + c] = <real>(me.merged[channels + c] / max(count - 1, 1.0))


cdef inline void measure_gradients(const Program* p, const Operation* o, const Worker* me, Py_ssize_t n,
                                   Py_ssize_t chunks, Py_ssize_t chunk) noexcept nogil:
    cdef:
        const real* own = me.own + o.own
        real* cell
        real* row
        Py_ssize_t i
    for i in range(n * chunk // chunks, n * (chunk + 1) // chunks):
        cell, row = p.cells + i * p.cell, p.rows + i * p.row
        add_gradients(&o.norm, place(o.x, cell, row), place(o.y, cell, row), place(o.dy, cell, row),
                      own + 2 * o.channels, own + 3 * o.channels,
                      p.all_moments + chunk * p.moments + o.moments + 2 * o.channels)


cdef inline void take_gradients(const Program* p, const Operation* o, const Worker* me, Py_ssize_t n,
                                Py_ssize_t chunks) noexcept nogil:
    # Where the mean is large, its rounding error moves each xhat by the same amount. What that adds is taken away here,
    # or the sum of dx over the batch, times the next layer's mean, would be most of a weight's gradient.
    cdef:
        Py_ssize_t chunk, c, channels = o.channels
        real* own = me.own + o.own
        const double* sums
        double along, mean_dy, moved, count = <double>n * o.norm.positions
    for c in range(channels):
        along = mean_dy = 0
        for chunk in range(chunks):
            sums = p.all_moments + chunk * p.moments + o.moments + 2 * channels
            along += sums[c]
            mean_dy += sums[channels + c]
        moved = <double>own[7 * channels + c] * own[3 * channels + c]
        mean_dy /= count
        along = along / count - moved * mean_dy
        own[4 * channels + c], own[5 * channels + c] = <real>along, <real>mean_dy
        own[7 * channels + c] = <real>(mean_dy - moved * along)


cdef inline void update_norm(const Program* p, const Operation* o, const Optimizer* optimizer, const Worker* me,
                             Py_ssize_t n) noexcept nogil:
    cdef:
        Py_ssize_t c
        const real* own = me.own + o.own
        real* running = p.statistics + o.statistics
        real keep = <real>o.norm.keep, count = <real>(n * o.norm.positions)
    for c in range(2 * o.channels):
        me.scratch[c] = own[4 * o.channels + c] * count
    update_run(optimizer, 2 * o.channels, me.scratch, o.w)
    for c in range(o.channels):
        running[c] = keep * running[c] + (1 - keep) * own[2 * o.channels + c]
        running[o.channels + c] = keep * running[o.channels + c] + (1 - keep) * own[6 * o.channels + c]
