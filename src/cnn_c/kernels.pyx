# cython: language_level=3, freethreading_compatible=True, boundscheck=False, wraparound=False
# cython: cdivision=True, binding=False, emit_code_comments=False
"""The kernels of one instruction-set level and precision, as Python calls them.

Every function takes C-contiguous arrays of this module's dtype, which Python has checked; `values` and `results` check
dtype, layout and size once more. Threads are opened here alone: for single operations by `share_out` of
single/jobs.pxi, for whole steps by the `Runner` of runner.pxi. Results are the same bits for any number of threads.
"""

cimport numpy as np

from .arrays cimport CACHE_LINE, aligned, checked, count, results, values, zeros
from .simd cimport LANES, real, rounded_up

np.import_array()

cdef extern from *:
    """
    #ifdef _OPENMP
    #include <omp.h>
    #define OPENMP_VERSION _OPENMP
    #else
    #define OPENMP_VERSION 0
    #define omp_get_max_threads() 1
    #endif
    """
    int OPENMP_VERSION
    int omp_get_max_threads()

lanes = LANES
openmp = OPENMP_VERSION  # the year and month of the OpenMP standard that this was built for, 0 without OpenMP


def openmp_limit():
    """Threads that OpenMP would use: those of OMP_NUM_THREADS, or of a limit set since then, as by threadpoolctl."""
    return omp_get_max_threads()


include "single/jobs.pxi"
include "single/conv.pxi"
include "single/pool.pxi"
include "single/dense.pxi"
include "single/elementwise.pxi"
include "single/loss.pxi"
include "single/value_range.pxi"
include "single/augment.pxi"
include "single/tutorial.pxi"
include "single/peak.pxi"
include "runner.pxi"
