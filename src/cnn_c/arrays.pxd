# Arrays as kernels.pyx takes them: Python has checked them, and dtype, layout and size are checked once more here, so
# that no call can leave an array. Memory for kernels begins at a cache line.

cimport numpy as np
from cpython.tuple cimport PyTuple_GetItem

from .simd cimport CACHE_LINE, real

cdef extern from *:
    """
    #define REAL (REAL_BITS == 64 ? NPY_FLOAT64 : NPY_FLOAT32)
    """
    int REAL  # NumPy's number for the dtype


cdef inline void* checked(np.ndarray a, int typenum, Py_ssize_t size, bint writable) except NULL:
    if a is None:
        raise SystemError("a kernel was given None for an array")
    if a.descr.type_num != typenum or not np.PyArray_ISCARRAY_RO(a) or np.PyArray_SIZE(a) != size:
        raise SystemError(f"a kernel was given {a.dtype} of {np.PyArray_SIZE(a)} elements where {size} were planned")
    if writable and not np.PyArray_ISWRITEABLE(a):
        raise SystemError("a kernel was given a read-only array for its result")
    return np.PyArray_DATA(a)


cdef inline const real* values(np.ndarray a, Py_ssize_t size) except NULL:
    return <const real*>checked(a, REAL, size, False)


cdef inline real* results(np.ndarray a, Py_ssize_t size) except NULL:
    return <real*>checked(a, REAL, size, True)


cdef inline Py_ssize_t count(np.ndarray a, Py_ssize_t size) except -1:
    # How many images of `size` reals an array holds, whatever its axes.
    if size < 1:
        raise SystemError("a kernel was given an empty image")
    return np.PyArray_SIZE(a) // size


cdef inline tuple as_tuple(geometry):
    # A named tuple is a tuple in memory; Cython's own conversion takes no subclass.
    if not isinstance(geometry, tuple):
        raise SystemError("a kernel was given no geometry")
    return <tuple>geometry


cdef inline int read_sizes(geometry, Py_ssize_t count, Py_ssize_t* to) except -1:
    # A struct of sizes, field by field. (An assignment to them all is a hundred lines of C for each.) For
    # the stable ABI `sizes[i]` calls a method of the named tuple's class, which takes ten times as long as this.
    cdef tuple sizes = as_tuple(geometry)
    cdef Py_ssize_t i
    if len(sizes) != count:
        raise SystemError(f"a kernel was given {len(sizes)} sizes, not {count}")
    for i in range(count):
        to[i] = <object>PyTuple_GetItem(sizes, i)
    return 0


cdef inline np.ndarray zeros(Py_ssize_t size):
    # Zeroed scratch memory for `size` reals from the cache line on that `aligned` finds.
    cdef np.npy_intp shape = size + CACHE_LINE // sizeof(real)
    return np.PyArray_ZEROS(1, &shape, REAL, 0)


cdef inline real* aligned(np.ndarray scratch) noexcept:
    cdef size_t address = <size_t>np.PyArray_DATA(scratch)
    return <real*>((address + CACHE_LINE - 1) // CACHE_LINE * CACHE_LINE)
