# Batch normalisation (Ioffe and Szegedy, 2015) of maps or rows, channels last, by one thread.
#
#   y  = gamma * (x - mean) / sqrt(variance + epsilon) + beta,   mean and variance of a channel over the whole batch
#   dx = gamma / sqrt(variance + epsilon) * (dy - mean of dy - xhat * mean of dy * xhat),   xhat = y before gamma, beta
#
# What is summed over the batch is summed in double, of a chunk of images at a time: forward its mean and its squared
# distance from that mean, which merge without cancellation (Chan, Golub and LeVeque, 1983). A ReLU may follow at once.

from .simd cimport real


cdef struct Norm:
    Py_ssize_t positions, c    # of one image
    bint relu
    double epsilon, keep       # how much of a running statistic stays


cdef inline void add_image(const Norm* g, const real* x, double* sums) noexcept nogil:
    # sums: (c,)
    cdef Py_ssize_t i, c
    for i in range(g.positions):
        for c in range(g.c):
            sums[c] += x[i * g.c + c]


cdef inline void add_squares(const Norm* g, const real* x, const double* mean, double* sums) noexcept nogil:
    # of the distances from mean: (c,); sums: (c,)
    cdef Py_ssize_t i, c
    cdef double distance
    for i in range(g.positions):
        for c in range(g.c):
            distance = x[i * g.c + c] - mean[c]
            sums[c] += distance * distance


cdef inline void merge_moments(const Norm* g, double count, double* moments, double more_count,
                               const double* more) noexcept nogil:
    # moments: (2, c), means and sums of squares of `count` values, joined by those of `more_count`
    cdef Py_ssize_t c
    cdef double delta, share = more_count / (count + more_count)
    for c in range(g.c):
        delta = more[c] - moments[c]
        moments[c] += delta * share
        moments[g.c + c] += more[g.c + c] + delta * delta * count * share


cdef inline void normalize(const Norm* g, const real* slope, const real* shift, const real* x, real* y) noexcept nogil:
    # x, y: (positions, c); slope, shift: (c,)
    cdef Py_ssize_t i, c
    cdef real v
    for i in range(g.positions):
        for c in range(g.c):
            v = x[i * g.c + c] * slope[c] + shift[c]
            y[i * g.c + c] = 0 if g.relu and v <= 0 else v


cdef inline void add_gradients(const Norm* g, const real* x, const real* y, real* dy, const real* mean,
                               const real* inverse, double* sums) noexcept nogil:
    # sums: (2, c) of dy * xhat and of dy, which for a ReLU loses first what it stops
    cdef Py_ssize_t i, c
    for i in range(g.positions):
        for c in range(g.c):
            if g.relu and not y[i * g.c + c] > 0:
                dy[i * g.c + c] = 0
            sums[c] += dy[i * g.c + c] * ((x[i * g.c + c] - mean[c]) * inverse[c])
            sums[g.c + c] += dy[i * g.c + c]


cdef inline void normalize_backward(const Norm* g, const real* slope, const real* mean, const real* inverse,
                                    const real* mean_dy_xhat, const real* mean_dy, const real* x, const real* dy,
                                    real* dx) noexcept nogil:
    cdef Py_ssize_t i, c
    for i in range(g.positions):
        for c in range(g.c):
            dx[i * g.c + c] = slope[c] * (
                dy[i * g.c + c] - mean_dy[c] - (x[i * g.c + c] - mean[c]) * inverse[c] * mean_dy_xhat[c])
