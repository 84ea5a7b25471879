# Steps of training, as one thread of a team goes through them: what comes after what, and where the threads meet. The
# other files of step/ say what is done to a block of images; runner.pxi opens the parallel region.

from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from ..simd cimport flush_subnormals, real, restore_mode
from ..team cimport Team, meet, take_items
from .backward cimport backward_block
from .forward cimport forward_block
from .loss cimport PYTHON_LOSS, Loss
from .losses cimport collect_outputs, losses_of_block, spread_gradients
from .optimizer cimport KEEP_GRADIENT, Optimizer, set_step_scalars
from .program cimport (
    Batch, Context, Group, Image, Operation, Program, Worker, first_of_chunk, image_at, image_of_batch, now,
)
from .python_calls cimport call_exchange, call_for_array
from .shared cimport begin_groups, group_of, groups_of, share_backward, share_forward, share_prepare, takes
from .team_size cimport TeamSize, add_time
from .update cimport merge_sums, sum_own_chunks, update
from .whole_update cimport WholeUpdate, pieces, update_whole

cdef extern from *:
    """
    #ifdef __GNUC__
    static void set_flag(int *flag) { __atomic_store_n(flag, 1, __ATOMIC_RELAXED); }
    static int is_set(const int *flag) { return __atomic_load_n(flag, __ATOMIC_RELAXED); }
    #else
    static void set_flag(int *flag) { *(volatile int *)flag = 1; }
    static int is_set(const int *flag) { return *(const volatile int *)flag; }
    #endif
    """
    void set_flag(int* flag) noexcept nogil  # at which other threads may look meanwhile
    int is_set(const int* flag) noexcept nogil
    int check_signals "PyErr_CheckSignals"() noexcept  # the exception waits until all threads are done


cdef enum:
    CHECKED_AFTER = 50_000_000  # nanoseconds in which a step may go on without a look at signals


cdef enum What:  # is exchanged with other processes; the numbers stand in cnn/backends/exchange.py, too
    MOMENTS             # of an operation that needs the whole batch: of its x
    GRADIENT_MOMENTS    # and of its dy
    OUTPUTS             # for a loss in Python
    SUMS                # of chunks, of all gradients
    NOTHING             # but whether a process has failed


cdef struct Steps:
    # Some steps of training, as all threads see them.
    const Program* program
    Worker* workers
    Team* team
    Team** groups                    # of threads that share an image
    TeamSize* team_size              # measured; NULL where the size of the team stays as it is
    Optimizer optimizer
    WholeUpdate* whole_update        # NULL where a parameter follows its gradient at once
    Batch batch                      # of all steps; each step takes its part
    Py_ssize_t batch_size, images, steps
    void* exchange                   # with other processes, as cnn/backends/exchange.py has it, or NULL
    Py_ssize_t rank, ranks           # this process, and how many there are
    const double* step_scalars       # three of each step
    Py_ssize_t statistics            # how many
    real* statistics_before          # a copy of them, as they were before the step
    int not_finite, interrupted      # flags: whoever sees one early saves work, all see it at the end of the phase
    int resized                      # a flag: another number of threads goes on
    Py_ssize_t done
    long long checked_at             # when the first thread has looked at signals


cdef struct Range:
    # Operations between two that depend on the whole batch, and the way that images take through them.
    Py_ssize_t start, end
    bint forward, backward


cdef inline Batch batch_of_step(const Steps* s, Py_ssize_t step) noexcept nogil:
    cdef Batch batch = s.batch
    cdef Py_ssize_t first = step * s.batch_size
    batch.order += first
    batch.losses += first
    batch.correct += first
    batch.position += first
    batch.n = min(s.batch_size, s.images - first)
    batch.chunks = min(batch.n, s.program.chunks)
    batch.first_chunk = batch.chunks * s.rank // s.ranks
    batch.own_chunks = batch.chunks * (s.rank + 1) // s.ranks - batch.first_chunk
    return batch


cdef inline double weight_of(const Batch* batch) noexcept nogil:
    # Of all its images; 1 where they all count nothing.
    cdef Py_ssize_t i
    cdef double total = 0
    if batch.weights == NULL:
        return batch.n
    for i in range(batch.n):
        total += batch.weights[image_at(batch, i)]
    return total if total != 0 else 1


cdef inline void prepare(const Context* c) noexcept nogil:
    # Before the first image of a step: weights in the form that the kernels take, in each thread's workspace.
    cdef Py_ssize_t i
    cdef const Operation* o
    if c.group != NULL:
        share_prepare(c)
        return
    for i in range(c.program.count):
        o = c.program.operations + i
        if o.kind.prepare != NULL:
            o.kind.prepare(o, c)


cdef inline bint is_over(const Steps* s) noexcept nogil:
    return s.done == s.steps or s.not_finite or s.interrupted


cdef inline Py_ssize_t chunks_of_step(const Steps* s, Py_ssize_t step) noexcept nogil:
    # The items of the step's first phase; none after the last step.
    return batch_of_step(s, step).own_chunks if step < s.steps else 0


cdef inline void join_group(const Steps* s, Context* c, Group* group, int part, Py_ssize_t items) noexcept nogil:
    # With whom, and in whose memory, this thread works on a batch of so many items, chunks or images.
    cdef int groups = groups_of(s.program, s.team.size, items)
    c.worker, c.group = s.workers + part, NULL
    if groups > 0:
        c.worker.has_whole_share = False
        group[0] = group_of(s.workers, s.groups, s.team.size, part, groups)
        c.worker, c.group = &group.worker, group


cdef inline void run_steps(Steps* s, int part, int parts) noexcept nogil:
    # One thread's part of the steps, until all are done or another number of threads is to go on.
    cdef:
        Py_ssize_t step = s.done
        int64_t piece
        Context c
        Batch batch
        Group group
        Optimizer optimizer = s.optimizer, keeper
        unsigned long long mode = flush_subnormals()
        long long began = now()
    c.program, c.workers, c.batch = s.program, s.workers, &batch
    keeper = optimizer
    keeper.kind, keeper.first = KEEP_GRADIENT, s.program.gradients
    c.optimizer, c.training = &keeper if s.whole_update != NULL else &optimizer, True
    while step < s.steps:
        batch = batch_of_step(s, step)
        batch.total_weight = weight_of(&batch)
        join_group(s, &c, &group, part, batch.own_chunks)
        if part == 0:
            memcpy(s.statistics_before, s.program.statistics, s.statistics * sizeof(real))
        set_step_scalars(&optimizer, s.step_scalars + 3 * step)
        train_images(s, &c, &batch, part)
        meet(s.team, parts)
        if s.exchange != NULL:
            exchange_sums(s, &c, part)
        if is_set(&s.not_finite) or is_set(&s.interrupted):
            break
        while take_items(s.team, part, 1, &piece):
            update(&c, piece, parts)
        if s.whole_update != NULL:
            meet(s.team, pieces(s.whole_update))
            if update_whole(s.whole_update, s.program, &optimizer, s.team, part, step) != 0:
                set_flag(&s.interrupted)
            if part == 0 and s.whole_update.call != NULL:
                exchange(s, &batch, NOTHING, 0)
        step += 1
        if part == 0 and not is_set(&s.interrupted):
            begin_groups(s.program, s.groups, parts, chunks_of_step(s, step))
            s.done = step
            s.resized = s.team_size != NULL and is_resized(s, batch.n, &began)
        meet(s.team, chunks_of_step(s, step))
        if s.resized or is_set(&s.interrupted):
            break
    restore_mode(mode)


cdef inline bint is_resized(Steps* s, Py_ssize_t images, long long* began) noexcept nogil:
    # Whether the time that the last step took makes another number of threads go on.
    cdef int current = s.team_size.current
    cdef long long end = now()
    add_time(s.team_size, end, end - began[0], images)
    began[0] = end
    return s.team_size.current != current


cdef inline Py_ssize_t next_whole_batch(const Program* p, Py_ssize_t k) noexcept nogil:
    # The first operation from k on that depends on the whole batch; p.count if there is none.
    while k < p.count and not p.operations[k].whole_batch:
        k += 1
    return k


cdef inline Py_ssize_t last_whole_batch(const Program* p, Py_ssize_t k) noexcept nogil:
    # The last one before operation k; 0, which is the load, if there is none.
    k -= 1
    while k > 0 and not p.operations[k].whole_batch:
        k -= 1
    return max(k, 0)


cdef inline Range last_range(const Program* p) noexcept nogil:
    # From the last operation that depends on the whole batch, or the load, to the loss.
    cdef Range r
    r.start, r.end, r.forward, r.backward = last_whole_batch(p, p.count), p.count, True, True
    return r


cdef inline void complete(Steps* s, const Context* c, const Operation* o, bint forward, int part) noexcept nogil:
    # All chunks have passed an operation that depends on the whole batch: what it makes of them together.
    if o.kind.call != NULL or s.exchange != NULL:
        meet(s.team, 0)
        if part == 0:
            exchange(s, c.batch, MOMENTS if forward else GRADIENT_MOMENTS, o - c.program.operations)
            call_whole_batch(s, c, o, forward)
    meet(s.team, c.batch.own_chunks)
    if o.kind.call != NULL or (c.group != NULL and c.group.part > 0):
        return
    if forward:
        o.kind.merge_moments(o, c)
    else:
        o.kind.merge_gradient_moments(o, c)


cdef inline void call_whole_batch(Steps* s, const Context* c, const Operation* o, bint forward) noexcept nogil:
    if o.kind.call == NULL or is_set(&s.not_finite) or is_set(&s.interrupted):
        return
    if o.kind.call(o, c, forward) != 0:
        set_flag(&s.interrupted)


cdef inline void complete_loss(Steps* s, const Context* c, int part) noexcept nogil:
    # A loss in Python, of the whole batch: it says itself whether it is finite.
    cdef:
        const Batch* batch = c.batch
        Loss* loss = &s.batch.loss  # of which c.batch has a copy
        Py_ssize_t first = batch.losses - s.batch.losses
    meet(s.team, 0)
    if part == 0:
        exchange(s, batch, OUTPUTS, 0)
    if part == 0 and not is_set(&s.interrupted):
        if call_for_array(loss.call, first, batch.n, True, batch.n * c.program.classes, &loss.gradients) != 0:
            set_flag(&s.interrupted)
        elif not batch.losses[0] - batch.losses[0] == 0:
            set_flag(&s.not_finite)
    meet(s.team, batch.own_chunks)


cdef inline void pass_forward(Steps* s, const Context* c, int part) noexcept nogil:
    # Up to the last operation that depends on the whole batch, and what that makes of it. All threads meet at every
    # such operation; between two of them, images pass a range of operations.
    cdef:
        const Program* p = c.program
        Range r
    prepare(c)
    r.start, r.end, r.forward, r.backward = 0, next_whole_batch(p, 0), True, False
    while r.end < p.count:
        pass_chunks(s, c, r, part)
        complete(s, c, p.operations + r.end, True, part)
        r.start, r.end = r.end, next_whole_batch(p, r.end + 1)


cdef inline void train_images(Steps* s, const Context* c, Batch* batch, int part) noexcept nogil:
    # Forward and backward for the chunks of images that this thread takes: through the last range both ways at once,
    # unless the loss is in Python; and down to the lowest operation that learns. `batch` is the one of `c`.
    cdef:
        const Program* p = c.program
        Range r = last_range(p)
    pass_forward(s, c, part)
    if c.batch.loss.kind == PYTHON_LOSS:
        r.backward = False
        pass_chunks(s, c, r, part)
        complete_loss(s, c, part)
        batch.loss = s.batch.loss  # with the gradients
        r.forward, r.backward = False, True
    pass_chunks(s, c, r, part)
    r.forward, r.backward = False, True
    while r.start > 0 and r.start >= p.lowest:
        complete(s, c, p.operations + r.start, False, part)
        r.end = r.start + 1
        r.start = last_whole_batch(p, r.start)
        pass_chunks(s, c, r, part)
    if c.worker.has_whole_share:
        merge_sums(c, s.team.size, part, 0, p.image_sums)


cdef inline void pass_chunks(Steps* s, const Context* c, Range r, int part) noexcept nogil:
    # The chunks that this thread takes through a range of operations, and into the sums of the one that depends on the
    # whole batch: on the way forward the operation at the end of the range, on the way back that at its start.
    cdef:
        const Program* p = c.program
        Py_ssize_t chunks = c.batch.own_chunks, parts = s.team.size, taken = 0
        Py_ssize_t most = chunks if parts == 1 else max(1, p.block * c.batch.chunks // c.batch.n)
        Py_ssize_t low = chunks * part // parts, high = chunks * (part + 1) // parts
        int64_t first, count
    if c.group != NULL:
        pass_chunk_together(s, c, r, part)
        return
    while True:
        count = take_items(s.team, part, most, &first)
        if count == 0:
            break
        if low <= first < high:
            taken += count
        first += c.batch.first_chunk
        if c.training and r.start == 0 and r.forward:
            clear_sums(p, first, count)
        pass_range(s, c, first, first + count, r, part)
    c.worker.has_whole_share = taken == high - low


cdef inline void clear_sums(const Program* p, Py_ssize_t first, Py_ssize_t count) noexcept nogil:
    # What images add to, of so many chunks.
    cdef Py_ssize_t chunk
    for chunk in range(first, first + count):
        memset(p.all_sums + chunk * p.sums, 0, p.image_sums * sizeof(real))


cdef inline bint is_stopped(Steps* s) noexcept nogil:
    # By the first thread: whether a signal, at which it looks from time to time, interrupts the steps.
    if now() - s.checked_at > CHECKED_AFTER:
        with gil:
            if check_signals() != 0:
                set_flag(&s.interrupted)
        s.checked_at = now()
    return is_set(&s.interrupted)


cdef inline void pass_chunk_together(Steps* s, const Context* c, Range r, int part) noexcept nogil:
    # As `pass_chunks`, the one chunk of a group of threads. Only its first thread looks at flags, for all of them.
    cdef:
        const Program* p = c.program
        Worker* leader = c.group.leader
        Py_ssize_t chunk = c.batch.first_chunk + c.group.index, i
        Image image
    if c.training and r.start == 0 and r.forward and c.group.part == 0:
        clear_sums(p, chunk, 1)
    for i in range(first_of_chunk(c.batch, chunk), first_of_chunk(c.batch, chunk + 1)):
        if c.group.part == 0:
            leader.stops = is_stopped(s) if part == 0 else is_set(&s.interrupted)
            leader.finite = not is_set(&s.not_finite)
        meet(c.group.team, 0)
        if leader.stops:
            break
        image = image_of_batch(p, c.worker, c.batch, i, i)
        pass_range_together(s, c, &image, r)


cdef inline void pass_range_together(Steps* s, const Context* c, const Image* image, Range r) noexcept nogil:
    # As `pass_range`, one image.
    cdef:
        const Program* p = c.program
        Worker* leader = c.group.leader
        bint in_python = r.end == p.count and c.batch.loss.kind == PYTHON_LOSS
    if r.forward:
        share_forward(c, image, r.start, r.end)
    if r.forward == r.backward or in_python:
        if takes(c.group):
            if r.forward and r.backward:
                leader.finite = losses_of_block(c, image, 1)
            elif r.forward and c.training:
                collect_outputs(c, image, 1)
            elif r.backward and leader.finite:
                spread_gradients(c, image, 1)
            if not leader.finite:
                set_flag(&s.not_finite)
        meet(c.group.team, 0)
    if r.backward and leader.finite:
        share_backward(c, image, max(r.start + 1 if r.start > 0 else 0, p.lowest), r.end)


cdef inline void pass_range(Steps* s, const Context* c, Py_ssize_t low, Py_ssize_t high, Range r,
                            int part) noexcept nogil:
    # The images of chunks low .. high, a block at a time: operations start .. end forward, and backward down to the one
    # above start, which needs the whole batch first. If both, the loss lies between. With a batch of one, weights are
    # updated on the way back: where the loss is not finite there is none, and it is interrupted before it begins.
    cdef:
        const Program* p = c.program
        Py_ssize_t first = first_of_chunk(c.batch, low), stop = first_of_chunk(c.batch, high), n
        Py_ssize_t lowest = max(r.start + 1 if r.start > 0 else 0, p.lowest)
        Image image
        bint finite = not is_set(&s.not_finite), in_python = r.end == p.count and c.batch.loss.kind == PYTHON_LOSS
        bint may_stop = part == 0 and (c.batch.n > 1 or (r.forward and r.start == 0))
    while first < stop and not is_set(&s.interrupted):
        if may_stop and is_stopped(s):
            break
        n = min(p.block, stop - first)
        image = image_of_batch(p, c.worker, c.batch, first, first)
        if r.forward:
            forward_block(c, &image, n, r.start, r.end)
            if r.backward:
                finite = losses_of_block(c, &image, n)
            elif in_python and c.training:
                collect_outputs(c, &image, n)
        elif in_python and finite:
            spread_gradients(c, &image, n)
        if not finite:
            set_flag(&s.not_finite)
        elif r.backward:
            backward_block(c, &image, n, lowest, r.end)
        first += n


# ---- several processes ----

cdef inline void exchange(Steps* s, const Batch* batch, What what, Py_ssize_t k) noexcept nogil:
    # By one thread while the others wait: what all processes need of each other, and whether one of them has failed,
    # which ends the step of all.
    cdef int status
    if s.exchange == NULL:
        return
    status = 2 if is_set(&s.interrupted) else (1 if is_set(&s.not_finite) else 0)
    status = call_exchange(s.exchange, what, k, batch.n, batch.chunks, status)
    if status == 2:
        set_flag(&s.interrupted)
    elif status == 1:
        set_flag(&s.not_finite)


cdef inline void exchange_sums(Steps* s, const Context* c, int part) noexcept nogil:
    # After it, the sums of all chunks of all processes lie in the place of the first chunk.
    cdef int64_t piece
    while take_items(s.team, part, 1, &piece):
        sum_own_chunks(c, piece, s.team.size)
    meet(s.team, 0)
    if part == 0:
        exchange(s, c.batch, SUMS, 0)
    meet(s.team, s.team.size)
