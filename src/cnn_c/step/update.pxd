# The update, after the last image of a step: sums of chunks are merged, and every parameter follows its gradient. It is
# pieces of the parameters that are shared out among the threads here, not images.

from ..simd cimport real
from .program cimport UPDATE, Context, Operation, Program, tick, tock


cdef inline Py_ssize_t owner(const Context* c, Py_ssize_t parts, Py_ssize_t first, Py_ssize_t stop) noexcept nogil:
    # The thread that took all chunks first .. stop and has them in its share, or -1.
    cdef Py_ssize_t part = ((first + 1) * parts - 1) // c.batch.chunks
    return part if stop <= c.batch.chunks * (part + 1) // parts and c.workers[part].has_whole_share else -1


cdef inline void merge_sums(const Context* c, Py_ssize_t parts, Py_ssize_t part, Py_ssize_t at,
                            Py_ssize_t size) noexcept nogil:
    # Sums of chunks, `size` reals of each from `at` on, added up in pairs, then pairs of pairs and so on: always the
    # same sums, of which each thread makes those of its own chunks, and the update (part -1) the others.
    cdef:
        const Program* p = c.program
        Py_ssize_t step = 1, first, i, chunks = c.batch.chunks
        real* to
        const real* more
    while step < chunks:
        first = 0
        while first + step < chunks:
            if owner(c, parts, first, min(first + 2 * step, chunks)) == part:
                to = p.all_sums + first * p.sums + at
                more = to + step * p.sums
                for i in range(size):
                    to[i] += more[i]
            first += 2 * step
        step *= 2


cdef inline void update(const Context* c, Py_ssize_t piece, Py_ssize_t parts) noexcept nogil:
    # One of so many pieces of all parameters, one for each thread of the team.
    cdef:
        const Program* p = c.program
        Py_ssize_t k
        const Operation* o
        long long began
    for k in range(p.count):
        o = p.operations + k
        began = tick(p)
        if o.kind.update_share != NULL:
            o.kind.update_share(o, c, piece, parts)
        elif o.kind.update != NULL and k % parts == piece:
            merge_sums(c, parts, -1, o.sums, o.sums_size)
            o.kind.update(o, c)
        tock(p, k, UPDATE, began)
