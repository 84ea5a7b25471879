# Before the first image of a step: the weights in the form that the kernels take, in memory of each thread's own.

from libc.math cimport sqrt

from .augment cimport warp_size
from .conv cimport frame_size, pack_weights, packed_size, turn_weights
from .conv_pool cimport lists_size, spread_row, spread_size, spread_weights
from .conv_pool_image cimport padded, pixels
from .program cimport BATCHNORM, CONV, CONV_POOL, CONV_POOL_IMAGE, DENSE, LOAD, Operation, Program, Worker
from .simd cimport real


cdef enum:
    # Rows of channels: slope, shift; mean, 1 / deviation; means of dy * xhat, of dy; variance; what rounding took from
    # the mean, and in its place the mean of dy that makes up for it.
    OWN_NORM = 8


cdef inline void prepare(const Program* p, const Worker* me, bint training) noexcept nogil:
    cdef Py_ssize_t i
    cdef const Operation* o
    cdef const real* w
    cdef real* own
    for i in range(p.count):
        o = p.operations + i
        own = me.own + o.own
        if o.gamma >= 0 and not training:
            fold(p, o, own + o.folded, me.scratch)
        if o.kind == CONV_POOL and training and o.with_dx:
            spread_weights(&o.conv_pool, p.parameters + o.w, own)
        elif o.kind == CONV:
            w = weights(p, o, own)
            own += frame_size(&o.frame)
            pack_weights(&o.grouped, w, bias(p, o, me.own + o.own), own)
            if training and o.with_dx:
                own += packed_size(&o.grouped) + frame_size(&o.turned_frame)
                turn_weights(&o.conv, w, own + packed_size(&o.turned))
                pack_weights(&o.turned, own + packed_size(&o.turned), NULL, own)


cdef inline void fold(const Program* p, const Operation* o, real* to, real* scratch) noexcept nogil:
    # For predictions a normalisation is part of the weights and bias of the convolution below it, or on its own, where
    # there is none, slope, shift and mean of every channel.
    cdef:
        Py_ssize_t i, c, channels = o.channels
        const real* mean = p.statistics + o.statistics
        const real* variance = mean + channels
        const real* gamma = p.parameters + o.gamma
        const real* beta = gamma + channels
    for c in range(channels):
        scratch[c] = gamma[c] / <real>sqrt(variance[c] + o.norm.epsilon)
    if o.kind == BATCHNORM:
        for c in range(channels):
            to[c], to[channels + c], to[2 * channels + c] = scratch[c], beta[c], mean[c]
        return
    for i in range(o.w_size // channels):
        for c in range(channels):
            to[i * channels + c] = p.parameters[o.w + i * channels + c] * scratch[c]
    for c in range(channels):
        to[o.w_size + c] = ((p.parameters[o.b + c] if o.b >= 0 else 0) - mean[c]) * scratch[c] + beta[c]


cdef inline const real* weights(const Program* p, const Operation* o, const real* own) noexcept nogil:
    return own + o.folded if o.folded >= 0 else p.parameters + o.w


cdef inline const real* bias(const Program* p, const Operation* o, const real* own) noexcept nogil:
    if o.folded >= 0:
        return own + o.folded + o.w_size
    return p.parameters + o.b if o.b >= 0 else p.no_bias


cdef inline Py_ssize_t set_own_size(Operation* o, bint training) noexcept nogil:
    # Reals of a thread's memory for one operation: frames, which are zeroed once, and prepared weights.
    cdef Py_ssize_t size = 0
    o.folded = -1
    if o.kind == CONV_POOL and training and o.with_dx:
        size = spread_size(&o.conv_pool) * o.conv_pool.c_out + spread_row(&o.conv_pool)
    elif o.kind == CONV_POOL_IMAGE:
        size = padded(pixels(&o.conv_pool))
    elif o.kind == CONV:
        size = frame_size(&o.frame) + packed_size(&o.grouped)
        if training and o.with_dx:
            size += frame_size(&o.turned_frame) + packed_size(&o.turned) + o.w_size
    elif o.kind == BATCHNORM:
        size = OWN_NORM * o.channels
    size = padded(size)
    if o.gamma >= 0 and not training:
        o.folded = size if o.kind != BATCHNORM else 0
        size += padded(o.w_size + o.channels)
    return size


cdef inline void set_own(const Program* p, const Worker* me) noexcept nogil:
    # What stays in that memory for good: which pixels between two rows do not count.
    cdef Py_ssize_t k, i, j
    cdef const Operation* o
    for k in range(p.count):
        o = p.operations + k
        if o.kind == CONV_POOL_IMAGE:
            for i in range(o.conv_pool.oh):
                for j in range(o.conv_pool.ow):
                    me.own[o.own + i * o.conv_pool.y_pitch + j] = 1


cdef inline Py_ssize_t scratch_size(const Operation* o) noexcept nogil:
    # Reals of memory that operations share one after the other.
    cdef Py_ssize_t size = 0
    if o.kind == LOAD:
        size = warp_size(o.in_h, o.in_w, o.in_c)
    elif o.kind != DENSE and o.w >= 0:
        size = o.w_size + o.channels
    if o.kind == CONV_POOL:
        size = max(size, lists_size(&o.conv_pool))
    return padded(size)
