# One step of an optimiser for a register of parameters, by one thread; PyTorch's rules, where it has them.
#
#   SGD    g += decay * p;   v = momentum * v + g;   p -= rate * (g + momentum * v  if nesterov else  v)
#   Adam   g += decay * p;   m = beta1 * m + (1 - beta1) * g;   v = beta2 * v + (1 - beta2) * g * g;
#          p = keep * p - rate * m / (sqrt(v) * root_scale + epsilon)
#   RMSprop  g += decay * p;   s = beta2 * s + (1 - beta2) * g * g;   d = g / (sqrt(s) + epsilon);
#          p -= rate * d, or with momentum   v = momentum * v + d;   p -= rate * v
#   Adadelta g += decay * p;   s = beta2 * s + (1 - beta2) * g * g;   d = g * sqrt(u + epsilon) / sqrt(s + epsilon);
#          u = beta2 * u + (1 - beta2) * d * d;   p -= rate * d
#   Lion   p = keep * p - rate * sign(beta1 * m + (1 - beta1) * g);   m = beta2 * m + (1 - beta2) * g
#   none   the gradient is kept, where `first` says
#
# Called with gradients that are still in registers. What changes from step to step (a schedule's rate, Adam's
# corrections for its start from zero, the decay of AdamW and Lion) comes from Python with every step.

from ..simd cimport (
    LANES, flattened, lanes, lanes_of, real, registers, vdivide, vec, vgreater, vload_lanes, vselect, vsplat, vsqrt,
    vstore_lanes,
)


cdef enum OptimizerKind:
    KEEP_GRADIENT
    SGD
    SGD_MOMENTUM
    ADAM
    RMSPROP
    RMSPROP_MOMENTUM
    ADADELTA
    LION
    ANY_RULE  # in the text of a loop: the rule is no constant there


cdef struct Optimizer:
    int kind
    bint nesterov
    real rate, decay
    real momentum                        # or beta1 of Adam and Lion
    real gradient_rate, velocity_rate    # of SGD with momentum: p -= gradient_rate * g + velocity_rate * v
    real beta2, epsilon, root_scale, keep
    real one_minus_momentum, one_minus_beta2
    real* parameters
    real* first                          # velocities, first moments, or mean squares; as many as parameters
    real* second                         # second moments, of RMSprop velocities, of Adadelta mean squares of steps


cdef inline int kind_of_rule(str name) except -1:
    if name == "sgd":
        return SGD
    if name == "sgd_momentum":
        return SGD_MOMENTUM
    if name == "adam":
        return ADAM
    if name == "rmsprop":
        return RMSPROP
    if name == "rmsprop_momentum":
        return RMSPROP_MOMENTUM
    if name == "adadelta":
        return ADADELTA
    if name == "lion":
        return LION
    if name == "python":
        return KEEP_GRADIENT
    raise SystemError(f"there is no rule {name!r} for optimisers")


cdef inline Optimizer optimizer_from(rule) except *:
    # From a Rule of cnn/backends/calls.py, without parameters and their states.
    cdef Optimizer o
    cdef double decay = rule.weight_decay, momentum = rule.momentum, beta2 = rule.beta2, epsilon = rule.epsilon
    o.kind, o.nesterov = kind_of_rule(rule.kind), rule.nesterov
    o.decay, o.momentum, o.beta2, o.epsilon = <real>decay, <real>momentum, <real>beta2, <real>epsilon
    o.one_minus_momentum, o.one_minus_beta2 = <real>(1 - momentum), <real>(1 - beta2)
    return o


cdef inline void set_step_scalars(Optimizer* o, const double* scalars) noexcept nogil:
    # What changes from step to step: rate, root_scale, keep.
    o.rate, o.root_scale, o.keep = <real>scalars[0], <real>scalars[1], <real>scalars[2]
    if o.nesterov:
        o.gradient_rate, o.velocity_rate = o.rate, o.rate * o.momentum
    else:
        o.gradient_rate, o.velocity_rate = 0, o.rate


cdef inline vec sign(vec v) noexcept nogil:
    # 1, -1, or v itself where it is 0 or NaN
    cdef vec zero = vsplat(0)
    return vselect(vgreater(v, zero), vsplat(1), vselect(vgreater(zero, v), vsplat(-1), v))


cdef inline void update_lanes(const int kind, Optimizer o, vec g, Py_ssize_t at, lanes live) noexcept nogil:
    # The kind is a constant where this is inlined, and the optimiser a copy, which no store can change.
    cdef:
        real* to = o.parameters + at
        vec p, first, second, step
    if kind == KEEP_GRADIENT:
        vstore_lanes(o.first + at, g, live)
        return
    p = vload_lanes(to, live)
    g = g + o.decay * p
    if kind == SGD:
        vstore_lanes(to, p - o.rate * g, live)
        return
    first = vload_lanes(o.first + at, live)
    if kind == SGD_MOMENTUM:
        first = o.momentum * first + g
        vstore_lanes(to, p - (o.gradient_rate * g + o.velocity_rate * first), live)
    elif kind == RMSPROP or kind == RMSPROP_MOMENTUM:
        first = o.beta2 * first + o.one_minus_beta2 * g * g
        step = vdivide(g, vsqrt(first) + o.epsilon)
        if kind == RMSPROP_MOMENTUM:
            step = o.momentum * vload_lanes(o.second + at, live) + step
            vstore_lanes(o.second + at, step, live)
        vstore_lanes(to, p - o.rate * step, live)
    elif kind == ADADELTA:
        second = vload_lanes(o.second + at, live)
        first = o.beta2 * first + o.one_minus_beta2 * g * g
        step = vdivide(g * vsqrt(second + o.epsilon), vsqrt(first + o.epsilon))
        vstore_lanes(o.second + at, o.beta2 * second + o.one_minus_beta2 * step * step, live)
        vstore_lanes(to, p - o.rate * step, live)
    elif kind == LION:
        vstore_lanes(to, o.keep * p - o.rate * sign(o.momentum * first + o.one_minus_momentum * g), live)
        first = o.beta2 * first + o.one_minus_beta2 * g
    else:
        second = vload_lanes(o.second + at, live)
        first = o.momentum * first + o.one_minus_momentum * g
        second = o.beta2 * second + o.one_minus_beta2 * g * g
        vstore_lanes(to, o.keep * p - vdivide(o.rate * first, vsqrt(second) * o.root_scale + o.epsilon), live)
        vstore_lanes(o.second + at, second, live)
    vstore_lanes(o.first + at, first, live)


cdef inline void update_registers(const int kind, Optimizer o, Py_ssize_t size, const real* g,
                                  Py_ssize_t at) noexcept nogil:
    cdef Py_ssize_t block, i
    for block in range(registers(size)):
        i = block * LANES
        update_lanes(kind, o, vload_lanes(g + i, lanes_of(size - i)), at + i, lanes_of(size - i))


cdef inline flattened update_run(const Optimizer* o, Py_ssize_t size, const real* g, Py_ssize_t at) noexcept nogil:
    # g: (size,), for the parameters from `at` on
    if o.kind == SGD: update_registers(SGD, o[0], size, g, at)
    elif o.kind == SGD_MOMENTUM: update_registers(SGD_MOMENTUM, o[0], size, g, at)
    elif o.kind == ADAM: update_registers(ADAM, o[0], size, g, at)
    elif o.kind == RMSPROP: update_registers(RMSPROP, o[0], size, g, at)
    elif o.kind == RMSPROP_MOMENTUM: update_registers(RMSPROP_MOMENTUM, o[0], size, g, at)
    elif o.kind == ADADELTA: update_registers(ADADELTA, o[0], size, g, at)
    elif o.kind == LION: update_registers(LION, o[0], size, g, at)
    else: update_registers(KEEP_GRADIENT, o[0], size, g, at)
