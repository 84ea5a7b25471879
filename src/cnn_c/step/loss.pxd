# The losses of one image, by one thread: from a row of outputs z and its target t, the loss and its gradient, times
# `scale`, which makes it that of the batch's mean.
#
#   softmax cross-entropy   p[j] = exp(z[j] - max z) / sum over i of exp(z[i] - max z)
#                           loss = - sum over j of t[j] * log p[j];            dz[j] = p[j] * sum t - t[j]
#   binary cross-entropy    loss = mean over j of max(z[j], 0) - z[j] * t[j] + log(1 + exp(-|z[j]|))
#                           dz[j] = (1 / (1 + exp(-z[j])) - t[j]) / outputs
#   squared error           loss = mean over j of (z[j] - t[j])^2;             dz[j] = 2 * (z[j] - t[j]) / outputs
#   Huber                   loss = mean over j of (z[j] - t[j])^2 / 2, or delta * (|z[j] - t[j]| - delta / 2)
#                           where that distance is above delta;  dz[j] = the distance, within -delta .. delta, / outputs
#
# Of a label, t is 1 at the label and 0 elsewhere. With label smoothing (Szegedy et al., 2016) t becomes
# (1 - smoothing) * t + smoothing / classes.

from libc.math cimport exp, fabs, log, log1p

from ..simd cimport REAL_BITS, real


cdef extern from "<math.h>" nogil:
    float expf(float)


cdef enum LossKind:
    SOFTMAX_CROSS_ENTROPY
    BINARY_CROSS_ENTROPY
    SQUARED_ERROR
    HUBER
    PYTHON_LOSS                     # step/python_loss.pxd


cdef struct Loss:
    LossKind kind
    double constant                 # label smoothing, or delta
    void* call                      # of a loss in Python
    real* outputs                   # (n, outputs) that Python is given
    const real* gradients           # and that it returns


cdef inline int set_loss(Loss* loss, rule) except -1:
    # From a LossRule of cnn/backends/calls.py.
    cdef str name = rule.kind
    loss.constant, loss.call, loss.outputs, loss.gradients = rule.constant, NULL, NULL, NULL
    if name == "softmax_cross_entropy":
        loss.kind = SOFTMAX_CROSS_ENTROPY
    elif name == "binary_cross_entropy":
        loss.kind = BINARY_CROSS_ENTROPY
    elif name == "squared_error":
        loss.kind = SQUARED_ERROR
    elif name == "huber":
        loss.kind = HUBER
    elif name == "python":
        loss.kind = PYTHON_LOSS
    else:
        raise SystemError(f"there is no loss {name!r}")
    return 0


cdef inline real largest_of(Py_ssize_t size, const real* z) noexcept nogil:
    cdef Py_ssize_t j
    cdef real largest = z[0]
    for j in range(1, size):
        largest = z[j] if z[j] > largest else largest
    return largest


cdef inline double softmax(Py_ssize_t classes, const real* z, real* p) noexcept nogil:
    # Returns the log of the sum of exponentials, max z taken off; NaN where a logit is NaN or inf.
    cdef:
        Py_ssize_t j
        real largest = largest_of(classes, z)
        real inverse
        double total = 0
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
    # p and log_total are what `softmax` gives.
    cdef:
        Py_ssize_t j
        real largest = largest_of(classes, z)
        double everywhere = smoothing / classes, others = 0
    for j in range(classes):
        dz[j] = <real>((p[j] - everywhere) * scale)
        if smoothing > 0:  # 0 * inf would be NaN
            others += everywhere * (<double>z[j] - <double>largest)
    dz[label] = <real>((p[label] - everywhere - (1 - smoothing)) * scale)
    return log_total - (1 - smoothing) * (<double>z[label] - <double>largest) - others


cdef inline double soft_cross_entropy(Py_ssize_t classes, const real* z, const real* t, double smoothing,
                                      double log_total, double scale, const real* p, real* dz) noexcept nogil:
    cdef:
        Py_ssize_t j
        real largest = largest_of(classes, z)
        double everywhere = smoothing / classes, target, total = 0, loss = 0
    for j in range(classes):
        target = (1 - smoothing) * t[j] + everywhere
        total += target
        if target != 0:  # 0 * inf would be NaN
            loss += target * (log_total - (<double>z[j] - <double>largest))
    for j in range(classes):
        dz[j] = <real>((p[j] * total - ((1 - smoothing) * t[j] + everywhere)) * scale)
    return loss


cdef inline double binary_cross_entropy(Py_ssize_t outputs, const real* z, const real* t, double scale,
                                        real* dz) noexcept nogil:
    cdef:
        Py_ssize_t j
        double loss = 0, e, x
    for j in range(outputs):
        x = z[j]
        e = exp(-fabs(x))
        loss += (x if x > 0 else 0) - x * t[j] + log1p(e)
        dz[j] = <real>(((1 / (1 + e) if x >= 0 else e / (1 + e)) - t[j]) * (scale / outputs))
    return loss / outputs


cdef inline double squared_error(Py_ssize_t outputs, const real* z, const real* t, double scale,
                                 real* dz) noexcept nogil:
    cdef:
        Py_ssize_t j
        double loss = 0, distance
    for j in range(outputs):
        distance = <double>z[j] - t[j]
        loss += distance * distance
        dz[j] = <real>(distance * (2 * scale / outputs))
    return loss / outputs


cdef inline double huber(Py_ssize_t outputs, const real* z, const real* t, double delta, double scale,
                         real* dz) noexcept nogil:
    cdef:
        Py_ssize_t j
        double loss = 0, distance
    for j in range(outputs):
        distance = <double>z[j] - t[j]
        if fabs(distance) <= delta:
            loss += distance * distance / 2
        else:
            loss += delta * (fabs(distance) - delta / 2)
            distance = delta if distance > 0 else (-delta if distance < 0 else distance)  # NaN stays NaN
        dz[j] = <real>(distance * (scale / outputs))
    return loss / outputs
