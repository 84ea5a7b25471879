# Stochastic gradient descent over a run of parameters, by one thread; PyTorch's rules.
#
#   g += decay * p;   v = momentum * v + g;   p -= rate * (g + momentum * v  if nesterov else  v)

from .simd cimport real


cdef inline void sgd_run(Py_ssize_t size, real rate, real momentum, bint nesterov, real decay, const real* g, real* v,
                         real* p) noexcept nogil:
    # v: the velocities, NULL without momentum
    cdef Py_ssize_t i
    cdef real gradient, own, carried  # how much of the step is the gradient's own, and the velocity's
    if v == NULL:
        for i in range(size):
            p[i] = p[i] - rate * (g[i] + decay * p[i])
        return
    own = rate if nesterov else 0
    carried = rate * momentum if nesterov else rate
    for i in range(size):
        gradient = g[i] + decay * p[i]
        v[i] = momentum * v[i] + gradient
        p[i] = p[i] - (own * gradient + carried * v[i])
