# Softmax and cross-entropy of one row of logits, by one thread.
#
#   p[j] = exp(z[j] - max z) / sum over i of exp(z[i] - max z)
#   loss = log(sum over i of exp(z[i] - max z)) - sum over j of t[j] * (z[j] - max z);   dz[j] = (p[j] - t[j]) * scale
#
# t is 1 at the label and 0 elsewhere, or with label smoothing (Szegedy et al., 2016) smoothing / classes everywhere and
# the rest at the label.

from libc.math cimport exp, log

from ..simd cimport REAL_BITS, real


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


cdef inline double cross_entropy(Py_ssize_t classes, const real* z, Py_ssize_t label, double smoothing,
                                 double log_total, double scale, real* p, real* dz) noexcept nogil:
    cdef:
        Py_ssize_t j
        real largest = z[0]
        double everywhere = smoothing / classes, others = 0
    for j in range(1, classes):
        largest = z[j] if z[j] > largest else largest
    for j in range(classes):
        dz[j] = <real>((p[j] - everywhere) * scale)
        if smoothing > 0:  # 0 * inf would be NaN
            others += everywhere * (<double>z[j] - <double>largest)
    dz[label] = <real>((p[label] - everywhere - (1 - smoothing)) * scale)
    return log_total - (1 - smoothing) * (<double>z[label] - <double>largest) - others
