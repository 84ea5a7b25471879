# The update, after the last image of a step: sums of chunks are merged, and every parameter follows its gradient. It is
# weights that are shared out among the threads here, not images.

from libc.string cimport memcpy

from .conv cimport unpack_weight_gradient, weight_sums_size
from .conv_pool cimport conv_pool_gradient
from .conv_pool_image cimport conv_pool_image_gradient
from .dense cimport column_blocks, dense_update, dense_update_bias
from .optimizer cimport Optimizer, update_run
from .program cimport (
    BATCHNORM, CONV_POOL, CONV_POOL_IMAGE, DENSE, UPDATE, Operation, Program, Worker, place, tick, tock,
)
from .simd cimport real
from .step_moments cimport update_norm


cdef inline Py_ssize_t owner(Py_ssize_t chunks, Py_ssize_t parts, Py_ssize_t first, Py_ssize_t stop) noexcept nogil:
    # The thread that has all chunks first .. stop, or -1.
    cdef Py_ssize_t part = ((first + 1) * parts - 1) // chunks
    return part if stop <= chunks * (part + 1) // parts else -1


cdef inline void merge_sums(const Program* p, Py_ssize_t chunks, Py_ssize_t parts, Py_ssize_t part, Py_ssize_t at,
                            Py_ssize_t size) noexcept nogil:
    # Sums of chunks, `size` reals of each from `at` on, added up in pairs, then pairs of pairs and so on: always the
    # same sums, of which each thread makes those of its own chunks, and the update (part -1) the others.
    cdef:
        Py_ssize_t step = 1, first, i
        real* to
        const real* more
    while step < chunks:
        first = 0
        while first + step < chunks:
            if owner(chunks, parts, first, min(first + 2 * step, chunks)) == part:
                to = p.all_sums + first * p.sums + at
                more = to + step * p.sums
                for i in range(size):
                    to[i] += more[i]
            first += 2 * step
        step *= 2


cdef inline void update(const Program* p, const Worker* me, const Optimizer* optimizer, Py_ssize_t n,
                        Py_ssize_t chunks, Py_ssize_t part, Py_ssize_t parts) noexcept nogil:
    # This thread's share of all weights.
    cdef Py_ssize_t k
    cdef const Operation* o
    cdef long long began
    for k in range(p.count):
        o = p.operations + k
        began = tick(p)
        if o.kind == DENSE:
            update_dense(p, o, optimizer, n, part, parts)
        elif o.kind == BATCHNORM and k % parts == part:
            update_norm(p, o, optimizer, me, n)
        elif o.w >= 0 and k % parts == part:
            merge_sums(p, chunks, parts, -1, o.sums, o.sums_size)
            update_conv(p, o, optimizer, me.scratch)
        tock(p, k, UPDATE, began)


cdef inline void update_dense(const Program* p, const Operation* o, const Optimizer* optimizer, Py_ssize_t n,
                              Py_ssize_t part, Py_ssize_t parts) noexcept nogil:
    # Tiles of four units in one block of columns, shared out evenly.
    cdef:
        Py_ssize_t groups = (o.dense.units + 3) // 4, items = groups * column_blocks(&o.dense)
        Py_ssize_t item = items * part // parts, stop = items * (part + 1) // parts, block, last
        const real* dy = place(o.dy, NULL, p.rows)
        const real* x = place(o.x, NULL, p.rows)
    while item < stop and n > 1:
        block = item // groups
        last = min(stop, (block + 1) * groups)
        dense_update(&o.dense, block, (item - block * groups) * 4, min((last - block * groups) * 4, o.dense.units), n,
                     dy, p.row, x, p.row, optimizer, o.w)
        item = last
    if o.b >= 0 and part == parts - 1:
        dense_update_bias(&o.dense, n, dy, p.row, optimizer, o.b)


cdef inline void update_conv(const Program* p, const Operation* o, const Optimizer* optimizer,
                             real* scratch) noexcept nogil:
    cdef:
        real* sums = p.all_sums + o.sums
        real* db = scratch + o.w_size if o.b >= 0 else NULL
    if o.kind == CONV_POOL_IMAGE:
        conv_pool_image_gradient(&o.conv_pool, sums, scratch, db)
    elif o.kind == CONV_POOL:
        conv_pool_gradient(&o.conv_pool, sums, scratch, db)
    else:
        unpack_weight_gradient(&o.grouped, sums, 1, False, scratch)
        if db != NULL:
            memcpy(db, sums + weight_sums_size(&o.grouped), o.channels * sizeof(real))
    update_run(optimizer, o.w_size + (o.channels if db != NULL else 0), scratch, o.w)
