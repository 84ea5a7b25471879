# The processor's peak, to which benchmarks compare the kernels. A part of kernels.pyx.

from .simd cimport LANES, flattened, real, vec, vload, vstore


cdef inline flattened sum_products(Py_ssize_t rounds, vec factor, real* total) noexcept nogil:
    cdef vec sums[12]
    cdef Py_ssize_t _
    cdef int t
    for t in range(12):
        sums[t] = factor
    for _ in range(rounds):
        for t in range(12):
            sums[t] = sums[t] * factor + factor
    for t in range(1, 12):
        sums[0] = sums[0] + sums[t]
    vstore(total, sums[0])


def fused_multiply_adds(Py_ssize_t rounds):
    """Run `rounds` x 12 multiply-adds of whole registers and return how many floating-point operations that is.

    Twelve independent sums, no memory: timed, it gives the core's peak, to which benchmarks hold the kernels.
    """
    cdef real ones[LANES]
    cdef int t
    for t in range(LANES):
        ones[t] = 0.5
    with nogil:
        sum_products(rounds, vload(ones), ones)
    return rounds * 12 * 2 * LANES if ones[0] == ones[0] else 0
