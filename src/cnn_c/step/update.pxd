# The update, after the last image of a step: sums of chunks are merged, and every parameter follows its gradient. It is
# pieces of the parameters that are shared out among the threads here, not images.

from ..simd cimport real
from .program cimport UPDATE, Context, Operation, Program, tick, tock


cdef inline bint merges(const Context* c, Py_ssize_t parts, Py_ssize_t part, Py_ssize_t first,
                        Py_ssize_t stop) noexcept nogil:
    # Whether thread `part`, which took all chunks of its share, or the update (part -1) adds up chunks first .. stop.
    # A thread does not look at the flags of others, which these set meanwhile; the update begins when all are set.
    cdef Py_ssize_t begin = c.batch.first_chunk, own = c.batch.own_chunks, share
    cdef bint within
    if first < begin or stop > begin + own:
        return False  # a sum with chunks of another process
    share = ((first - begin + 1) * parts - 1) // own
    within = stop <= begin + own * (share + 1) // parts
    if part >= 0:
        return within and share == part
    return not (within and c.workers[share].has_whole_share)


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
            if merges(c, parts, part, first, min(first + 2 * step, chunks)):
                to = p.all_sums + first * p.sums + at
                more = to + step * p.sums
                for i in range(size):
                    to[i] += more[i]
            first += 2 * step
        step *= 2


cdef inline void sum_own_chunks(const Context* c, Py_ssize_t piece, Py_ssize_t parts) noexcept nogil:
    # One of so many pieces of what other processes are given: the sums of this one's chunks, as far up as they go.
    cdef:
        const Program* p = c.program
        Py_ssize_t k, at = p.image_sums * piece // parts
        const Operation* o
    merge_sums(c, parts, -1, at, p.image_sums * (piece + 1) // parts - at)
    for k in range(p.count):
        o = p.operations + k
        if o.by_chunk:
            o.kind.sum_chunks(o, c, piece, parts)


cdef inline void update(const Context* c, Py_ssize_t piece, Py_ssize_t parts) noexcept nogil:
    # One of so many pieces of all parameters, one for each thread of the team.
    cdef:
        const Program* p = c.program
        Py_ssize_t k
        const Operation* o
        long long began
    for k in range(p.count):
        o = p.operations + k
        if o.frozen:
            continue
        began = tick(p)
        if o.kind.update_share != NULL:
            o.kind.update_share(o, c, piece, parts)
        elif o.kind.update != NULL and k % parts == piece:
            if not p.exchanged:
                merge_sums(c, parts, -1, o.sums, o.sums_size)
            o.kind.update(o, c)
        tock(p, k, UPDATE, began)
