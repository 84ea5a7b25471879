# Weights and bias of an operation, for predictions with the normalisation that follows it folded into them:
#
#   w'[.., o] = w[.., o] * s[o],   b'[o] = (b[o] - mean[o]) * s[o] + beta[o]
#   s[o] = gamma[o] / sqrt(variance[o] + epsilon)
#
# Folded weights lie at the beginning of the operation's workspace; `own_workspace` is what comes after them.

from libc.math cimport sqrt

from ..simd cimport real, rounded_up
from ..step.program cimport Context, Operation, workspace


cdef inline Py_ssize_t folded_size(const Operation* o) noexcept nogil:
    return rounded_up(o.w_size + o.channels) if o.gamma >= 0 else 0


cdef inline real* own_workspace(const Operation* o, const Context* c) noexcept nogil:
    return workspace(o, c) + folded_size(o)


cdef inline const real* weights(const Operation* o, const Context* c) noexcept nogil:
    return workspace(o, c) if o.gamma >= 0 else c.program.parameters + o.w


cdef inline const real* bias(const Operation* o, const Context* c) noexcept nogil:
    if o.gamma >= 0:
        return workspace(o, c) + o.w_size
    return c.program.parameters + o.b if o.b >= 0 else c.program.no_bias


cdef inline void channel_scales(const Operation* o, const Context* c, real* scales) noexcept nogil:
    # scales: (channels,), the s above
    cdef Py_ssize_t i
    cdef const real* variance = c.program.statistics + o.statistics + o.channels
    for i in range(o.channels):
        scales[i] = c.program.parameters[o.gamma + i] / <real>sqrt(variance[i] + o.epsilon)


cdef inline void fold_normalization(const Operation* o, const Context* c) noexcept nogil:
    # Before the first image of a prediction.
    cdef:
        Py_ssize_t i, k, channels = o.channels
        const real* w = c.program.parameters + o.w
        const real* mean = c.program.statistics + o.statistics
        const real* beta = c.program.parameters + o.gamma + channels
        real* scales = c.worker.scratch
        real* to = workspace(o, c)
    if o.gamma < 0:
        return
    channel_scales(o, c, scales)
    for i in range(o.w_size // channels):
        for k in range(channels):
            to[i * channels + k] = w[i * channels + k] * scales[k]
    for k in range(channels):
        to[o.w_size + k] = ((c.program.parameters[o.b + k] if o.b >= 0 else 0) - mean[k]) * scales[k] + beta[k]
