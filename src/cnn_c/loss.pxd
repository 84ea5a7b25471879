# Softmax and cross-entropy of one row of logits, by one thread.
#
#   p[j] = exp(z[j] - max z) / sum over i of exp(z[i] - max z)
#   loss = log(sum over i of exp(z[i] - max z)) - (z[label] - max z);   dz[j] = (p[j] - [j == label]) * scale

from libc.math cimport exp, log

from .simd cimport REAL_BITS, real


cdef extern from "<math.h>" nogil:
    float expf(float)


cdef inline double softmax(Py_ssize_t classes, const real* z, real* p) noexcept nogil:
    # Returns the log of the sum of exponentials, max z taken off; NaN where a logit is NaN or inf.
    cdef:
        Py_ssize_t j
        real largest = z[0]
        real inverse
        double total = 0
    for j in range(1, classes):
        largest = z[j] if z[j] > largest else largest
    for j in range(classes):
        if REAL_BITS == 32:  # no conditional expression: it would pass through a float
            p[j] = expf(z[j] - largest)
        else:
            p[j] = <real>exp(z[j] - largest)
        total += p[j]
    inverse = <real>(1 / total)
    for j in range(classes):
        p[j] = p[j] * inverse
    return log(total)


cdef inline void softmax_backward(Py_ssize_t classes, const real* dp, const real* p, real* dz) noexcept nogil:
    # dz[j] = p[j] * (dp[j] - sum over i of dp[i] * p[i])
    cdef Py_ssize_t j
    cdef real mean = 0
    for j in range(classes):
        mean += dp[j] * p[j]
    for j in range(classes):
        dz[j] = p[j] * (dp[j] - mean)


cdef inline double cross_entropy(Py_ssize_t classes, const real* z, Py_ssize_t label, double log_total,
                                 double scale, real* p, real* dz) noexcept nogil:
    cdef Py_ssize_t j
    cdef real largest = z[0]
    for j in range(1, classes):
        largest = z[j] if z[j] > largest else largest
    for j in range(classes):
        dz[j] = <real>(p[j] * scale)
    dz[label] = <real>((p[label] - 1) * scale)
    return log_total - (<double>z[label] - <double>largest)
