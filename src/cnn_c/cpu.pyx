# cython: language_level=3, freethreading_compatible=True
"""Which instruction-set levels this processor and its operating system run, and how fast its wide registers are."""

cdef extern from *:
    """
    #if (defined(__x86_64__) || defined(__amd64__)) && defined(__GNUC__)
    static int runs_v3(void)
    {
        __builtin_cpu_init();
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi")
            && __builtin_cpu_supports("bmi2");
    }
    static int runs_v4(void)
    {
        return runs_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
            && __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq")
            && __builtin_cpu_supports("avx512vl");
    }
    #else
    static int runs_v3(void) { return 0; }
    static int runs_v4(void) { return 0; }
    #endif
    """
    bint runs_v3()
    bint runs_v4()

cdef extern from "fma_rate.h":
    double fma_rate(int bits)


def levels():
    """Names of the levels above the baseline, best first."""
    return [name for name, runs in (("v4", runs_v4()), ("v3", runs_v3())) if runs]


def multiply_add_rate(int bits):
    """Multiply-adds a nanosecond, float32, in registers of 256 or 512 bits, measured for 0.3 ms; 0.0 without these."""
    return fma_rate(bits) if bits == 256 and runs_v3() or bits == 512 and runs_v4() else 0.0
