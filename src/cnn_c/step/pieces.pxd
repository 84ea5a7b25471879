# Pieces of several works that follow each other, such as the gradients of an operation, which threads take as one list.


cdef struct Pieces:  # from `first` up to `stop`; none if that is no more
    Py_ssize_t first, stop


cdef inline Pieces next_work(Pieces* wanted, Py_ssize_t count) noexcept nogil:
    # Those of the next work, which has `count`, that are wanted; `wanted` is counted from the work after it then.
    cdef Pieces own
    own.first, own.stop = max(wanted.first, <Py_ssize_t>0), min(wanted.stop, count)
    wanted.first -= count
    wanted.stop -= count
    return own
