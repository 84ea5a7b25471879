# The tutorial's last layer, dense and softmax in one, for one image, by one thread.
#
#   p = softmax(w @ x + b),   dx = dz @ w,   w += step * outer(dz, x)
#
# A few units over many inputs: w lies unit by unit, (units, inputs), and the lanes of a register are inputs, so that
# every pass runs along w from one end to the other.

from .loss cimport softmax
from .simd cimport (
    LANES, first_lanes, flattened, lanes, lanes_of, real, registers, vec, vload, vload_lanes, vstore_lanes, vsum,
)


cdef inline void inner_products(const int size, Py_ssize_t inputs, const real* x, const real* w,
                                real* totals) noexcept nogil:
    # totals[u] += w[u] @ x for `size` units, a constant; each has a sum of its own in a register
    cdef:
        vec sums[5]
        vec value
        Py_ssize_t _, whole = inputs - inputs % LANES
        lanes tail = first_lanes(<int>(inputs % LANES))
        int u
    value = vload_lanes(x + whole, tail)
    for u in range(size):
        sums[u] = value * vload_lanes(w + u * inputs + whole, tail)
    for _ in range(inputs // LANES):
        value = vload(x)
        for u in range(size):
            sums[u] = sums[u] + value * vload(w + u * inputs)
        x += LANES
        w += LANES
    for u in range(size):
        totals[u] += vsum(sums[u])


cdef inline flattened softmax_layer_forward(Py_ssize_t inputs, Py_ssize_t units, const real* x, const real* w,
                                            const real* b, real* p) noexcept nogil:
    # x: (inputs,), w: (units, inputs), b: (units,) -> p: (units,)
    cdef Py_ssize_t u
    for u in range(units):
        p[u] = b[u]
    for u in range(units // 5):  # ten classes are two times five
        inner_products(5, inputs, x, w + u * 5 * inputs, p + u * 5)
    for u in range(units - units % 5, units):
        inner_products(1, inputs, x, w + u * inputs, p + u)
    softmax(units, p, p)


cdef inline void backward_units(const int size, const bint first, const bint update, Py_ssize_t inputs,
                                const real* dz, real step, const real* x, real* w, real* dx) noexcept nogil:
    # dx (+)= dz @ w over `size` units, a constant; with update, then w += step * outer(dz, x), in the same pass
    cdef:
        Py_ssize_t block, k
        lanes live
        vec sum, row, value
        real gradients[5]  # copies: the compiler cannot know that w and dz do not overlap
        real steps[5]
        int u
    for u in range(size):
        gradients[u] = dz[u]
        steps[u] = step * dz[u]
    for block in range(registers(inputs)):
        k = block * LANES
        live = lanes_of(inputs - k)
        value = vload_lanes(x + k, live)
        sum = vload_lanes(dx + k, first_lanes(0) if first else live)
        for u in range(size):
            row = vload_lanes(w + u * inputs + k, live)
            sum = sum + gradients[u] * row
            if update:
                vstore_lanes(w + u * inputs + k, row + steps[u] * value, live)
        vstore_lanes(dx + k, sum, live)


cdef inline flattened softmax_layer_backward(bint update, Py_ssize_t inputs, Py_ssize_t units, const real* dz,
                                             real step, const real* x, real* w, real* dx) noexcept nogil:
    # dz: (units,), x: (inputs,), w: (units, inputs) -> dx: (inputs,); with update, w is changed after its use
    cdef Py_ssize_t u = 0
    while u < units:
        if units - u >= 5:
            if update: backward_units(5, u == 0, True, inputs, dz + u, step, x, w + u * inputs, dx)
            else: backward_units(5, u == 0, False, inputs, dz + u, step, x, w + u * inputs, dx)
            u += 5
        else:
            backward_units(1, u == 0, update, inputs, dz + u, step, x, w + u * inputs, dx)
            u += 1


cdef inline void softmax_layer_update(Py_ssize_t inputs, real step, const real* x, real* w) noexcept nogil:
    # One unit's row of w: w += step * x
    cdef:
        Py_ssize_t block, k
        lanes live
    for block in range(registers(inputs)):
        k = block * LANES
        live = lanes_of(inputs - k)
        vstore_lanes(w + k, vload_lanes(w + k, live) + step * vload_lanes(x + k, live), live)
