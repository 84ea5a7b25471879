# Calls of Python from a step, by the one thread that Python has called: the others wait. An exception is left pending,
# and -1 returned; whoever opened the parallel region raises it when all threads are done.

cimport numpy as np
from cpython.exc cimport PyErr_Fetch, PyErr_Restore
from cpython.object cimport PyObject

from ..arrays cimport values
from ..simd cimport real

cdef extern from "Python.h":
    void PyErr_SetObject(object kind, object value)


cdef inline int left_pending(object caught) noexcept:
    if caught is None:
        return 0
    PyErr_SetObject(type(caught), caught)
    return -1


cdef inline int call_for_array(void* callee, Py_ssize_t first, Py_ssize_t count, bint flag, Py_ssize_t size,
                               const real** result) noexcept with gil:
    # result = callee(first, count, flag), an array of `size` reals that the callee keeps
    cdef object caught = None
    cdef np.ndarray array
    try:
        array = (<object>callee)(first, count, flag)
        result[0] = values(array, size)
    except BaseException as error:
        caught = error
    return left_pending(caught)


cdef inline int call_with_step(void* callee, Py_ssize_t step) noexcept with gil:
    # callee(step)
    cdef object caught = None
    try:
        (<object>callee)(step)
    except BaseException as error:
        caught = error
    return left_pending(caught)


cdef inline int call_exchange(void* callee, int what, Py_ssize_t k, Py_ssize_t n, Py_ssize_t chunks,
                              int status) noexcept with gil:
    # status = callee(what, k, n, chunks, status), beside an exception that may be pending; 2 after another one
    cdef:
        PyObject* kind
        PyObject* value
        PyObject* traceback
        object caught = None
    PyErr_Fetch(&kind, &value, &traceback)
    try:
        status = (<object>callee)(what, k, n, chunks, status)
    except BaseException as error:
        status, caught = 2, error
    if kind != NULL:
        PyErr_Restore(kind, value, traceback)
    else:
        left_pending(caught)
    return status
