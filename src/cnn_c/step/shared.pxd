# One image, shared by a group of threads, where there are fewer images, or chunks of them, than threads. The group goes
# through the operations together and meets before each: of those that are long enough (`shared`) the threads take
# pieces, all between two of them is done by one. They share an image's memory, and that of the first thread.

from libc.stdint cimport int64_t

from ..team cimport Team, begin_team, meet, take_items
from .backward cimport backward_block
from .forward cimport forward_block
from .program cimport BACKWARD, FORWARD, STAGES, Context, Group, Image, Operation, Phase, Program, Worker


cdef inline int groups_of(const Program* p, int threads, Py_ssize_t items) noexcept nogil:
    # How many groups of threads take an item each; 0 where every thread takes items of its own.
    return <int>items if p.shared and 2 * items <= threads else 0


cdef inline int useful_threads(const Program* p, int threads, Py_ssize_t items) noexcept nogil:
    # Of so many threads, those that find work.
    return threads if groups_of(p, threads, items) > 0 else <int>min(threads, items)


cdef inline void begin_groups(const Program* p, Team** teams, int threads, Py_ssize_t items) noexcept nogil:
    # By one thread, before the others look for their group.
    cdef int g, groups = groups_of(p, threads, items)
    for g in range(groups):
        begin_team(teams[g], threads * (g + 1) // groups - threads * g // groups, 0)


cdef inline Group group_of(Worker* workers, Team** teams, int threads, int part, int groups) noexcept nogil:
    cdef Group group
    cdef int first
    group.index = ((part + 1) * groups - 1) // threads
    first = <int>(threads * group.index // groups)
    group.team, group.part, group.leader = teams[group.index], part - first, workers + first
    group.worker.transient, group.worker.persistent = group.leader.transient, group.leader.persistent
    group.worker.workspace, group.worker.merged = group.leader.workspace, group.leader.merged
    group.worker.scratch, group.worker.has_whole_share = workers[part].scratch, False
    return group


cdef inline bint takes(const Group* group) noexcept nogil:
    # Before what one thread does: whether it is this one, once all are here.
    cdef int64_t first
    meet(group.team, 1)
    return take_items(group.team, group.part, 1, &first) == 1


cdef inline void share_prepare(const Context* c) noexcept nogil:
    # What `prepare` does before a step's first image.
    cdef const Program* p = c.program
    cdef int64_t k
    meet(c.group.team, p.count)
    while take_items(c.group.team, c.group.part, 1, &k):
        if p.operations[k].kind.prepare != NULL:
            p.operations[k].kind.prepare(p.operations + k, c)


cdef inline void share_operation(const Context* c, const Image* image, const Operation* o, Phase phase) noexcept nogil:
    cdef:
        Team* team = c.group.team
        Py_ssize_t pieces
        int64_t first, count
        int stage
    for stage in range(STAGES):
        pieces = o.kind.pieces(o, c, phase, stage)
        if pieces == 0:
            continue
        meet(team, pieces)
        while True:
            count = take_items(team, c.group.part, max(1, pieces // (4 * team.size)), &first)
            if count == 0:
                break
            if phase == FORWARD:
                o.kind.forward_pieces(o, c, image, stage, first, first + count)
            else:
                o.kind.backward_pieces(o, c, image, stage, first, first + count)


cdef inline void share_forward(const Context* c, const Image* image, Py_ssize_t k, Py_ssize_t end) noexcept nogil:
    # As `forward_block` on one image.
    cdef const Program* p = c.program
    cdef Py_ssize_t stop
    while True:
        stop = k
        while stop < end and not p.operations[stop].shared:
            stop += 1
        if (stop > k or (stop == end and end < p.count)) and takes(c.group):
            forward_block(c, image, 1, k, stop)
        if stop == end:
            return
        share_operation(c, image, p.operations + stop, FORWARD)
        k = stop + 1


cdef inline void share_backward(const Context* c, const Image* image, Py_ssize_t low, Py_ssize_t k) noexcept nogil:
    # As `backward_block` on one image.
    cdef const Program* p = c.program
    cdef Py_ssize_t start
    while True:
        start = k
        while start > low and not p.operations[start - 1].shared:
            start -= 1
        if (start < k or (start == low and low > p.lowest)) and takes(c.group):
            backward_block(c, image, 1, start, k)
        if start == low:
            return
        share_operation(c, image, p.operations + start - 1, BACKWARD)
        k = start - 1
