# The processor's peak, to which benchmarks compare the kernels. A part of kernels.pyx.

from .simd cimport vec, vload, vstore


def fused_multiply_adds(Py_ssize_t rounds):
    """Run `rounds` x 12 multiply-adds of whole registers and return how many floating-point operations that is.

    Twelve independent sums, no memory: timed, it gives the core's peak, to which benchmarks hold the kernels.
    """
    cdef:
        vec sums[12]
        vec factor
        real ones[LANES]
        Py_ssize_t _
        int t
    for t in range(LANES):
        ones[t] = 0.5
    factor = vload(ones)
    with nogil:
        for t in range(12):
            sums[t] = factor
        for _ in range(rounds):
            for t in range(12):
                sums[t] = sums[t] * factor + factor
        for t in range(1, 12):
            sums[0] = sums[0] + sums[t]
    vstore(ones, sums[0])
    return rounds * 12 * 2 * LANES if ones[0] == ones[0] else 0
