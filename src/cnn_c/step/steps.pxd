# Steps of training, and predictions, as one thread of a team goes through them: what comes after what, and where the
# threads meet. The other files of step/ say what is done to a block of images; runner.pxi opens the parallel region.

from libc.stdint cimport int64_t
from libc.string cimport memset

from ..simd cimport flush_subnormals, real, restore_mode
from ..team cimport Team, meet, take_items
from .backward cimport backward_block
from .forward cimport forward_block, losses_of_block, predict_block
from .optimizer cimport Optimizer, set_step_scalars
from .program cimport Batch, Context, Image, Operation, Program, Worker, first_of_chunk, image_of_batch, now
from .team_size cimport TeamSize, add_time
from .update cimport merge_sums, update

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


cdef struct Steps:
    # Some steps of training, as all threads see them.
    const Program* program
    Worker* workers
    Team* team
    TeamSize* team_size              # measured; NULL where the size of the team stays as it is
    Optimizer optimizer
    Batch batch                      # of all steps; each step takes its part
    Py_ssize_t batch_size, images, steps
    const double* step_scalars       # three of each step
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
    return batch


cdef inline void prepare(const Context* c) noexcept nogil:
    # Before the first image of a step: weights in the form that the kernels take, in each thread's workspace.
    cdef Py_ssize_t i
    cdef const Operation* o
    for i in range(c.program.count):
        o = c.program.operations + i
        if o.kind.prepare != NULL:
            o.kind.prepare(o, c)


cdef inline bint is_over(const Steps* s) noexcept nogil:
    return s.done == s.steps or s.not_finite or s.interrupted


cdef inline Py_ssize_t chunks_of_step(const Steps* s, Py_ssize_t step) noexcept nogil:
    # The items of the step's first phase; none after the last step.
    return batch_of_step(s, step).chunks if step < s.steps else 0


cdef inline void run_steps(Steps* s, int part, int parts) noexcept nogil:
    # One thread's part of the steps, until all are done or another number of threads is to go on.
    cdef:
        Py_ssize_t step = s.done
        int64_t piece
        Context c
        Batch batch
        Optimizer optimizer = s.optimizer
        unsigned long long mode = flush_subnormals()
        long long began = now()
    c.program, c.workers, c.worker, c.batch = s.program, s.workers, s.workers + part, &batch
    c.optimizer, c.training = &optimizer, True
    while step < s.steps:
        batch = batch_of_step(s, step)
        set_step_scalars(&optimizer, s.step_scalars + 3 * step)
        train_images(s, &c, part)
        meet(s.team, parts)
        if is_set(&s.not_finite) or is_set(&s.interrupted):
            break
        while take_items(s.team, part, 1, &piece):
            update(&c, piece, parts)
        step += 1
        if part == 0:
            s.done = step
            s.resized = s.team_size != NULL and is_resized(s, batch.n, &began)
        meet(s.team, chunks_of_step(s, step))
        if s.resized:
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
    while k < p.count and p.operations[k].kind.add_moments == NULL:
        k += 1
    return k


cdef inline Py_ssize_t last_whole_batch(const Program* p, Py_ssize_t k) noexcept nogil:
    # The last one before operation k; 0, which is the load, if there is none.
    k -= 1
    while k > 0 and p.operations[k].kind.add_moments == NULL:
        k -= 1
    return max(k, 0)


cdef inline void train_images(Steps* s, const Context* c, int part) noexcept nogil:
    # Forward and backward for the chunks of images that this thread takes. All threads meet at every operation that
    # depends on the whole batch, on both ways; between two of them, images pass a range of operations, the last range
    # both ways.
    cdef:
        const Program* p = c.program
        const Operation* o
        Range r
    prepare(c)
    r.start, r.end, r.forward, r.backward = 0, next_whole_batch(p, 0), True, False
    while r.end < p.count:
        pass_chunks(s, c, r, part)
        meet(s.team, c.batch.chunks)
        o = p.operations + r.end
        o.kind.merge_moments(o, c)
        r.start, r.end = r.end, next_whole_batch(p, r.end + 1)
    r.backward = True
    pass_chunks(s, c, r, part)
    r.forward = False
    while r.start > 0:
        meet(s.team, c.batch.chunks)
        o = p.operations + r.start
        o.kind.merge_gradient_moments(o, c)
        r.end = r.start + 1
        r.start = last_whole_batch(p, r.start)
        pass_chunks(s, c, r, part)
    if c.worker.has_whole_share:
        merge_sums(c, s.team.size, part, 0, p.sums)


cdef inline void pass_chunks(Steps* s, const Context* c, Range r, int part) noexcept nogil:
    # The chunks that this thread takes through a range of operations, and then into the sums of the one that depends on
    # the whole batch: on the way forward the operation at the end of the range, on the way back that at its start.
    cdef:
        const Program* p = c.program
        const Operation* o = p.operations + (r.start if r.backward else r.end)
        Py_ssize_t chunks = c.batch.chunks, parts = s.team.size, chunk, taken = 0
        Py_ssize_t most = chunks if parts == 1 else max(1, p.block * chunks // c.batch.n)
        Py_ssize_t low = chunks * part // parts, high = chunks * (part + 1) // parts
        int64_t first, count
    while True:
        count = take_items(s.team, part, most, &first)
        if count == 0:
            break
        if low <= first < high:
            taken += count
        if r.start == 0 and r.forward:
            memset(p.all_sums + first * p.sums, 0, count * p.sums * sizeof(real))
        pass_range(s, c, first, first + count, r, part)
        for chunk in range(first, first + count):
            if not r.backward:
                o.kind.add_moments(o, c, chunk)
            elif r.start > 0:
                o.kind.add_gradient_moments(o, c, chunk)
    c.worker.has_whole_share = taken == high - low


cdef inline void pass_range(Steps* s, const Context* c, Py_ssize_t low, Py_ssize_t high, Range r,
                            int part) noexcept nogil:
    # The images of chunks low .. high, a block at a time: operations start .. end forward, and backward down to the one
    # above start, which needs the whole batch first. If both, the loss lies between. With a batch of one, weights are
    # updated on the way back: where the loss is not finite there is none, and it is interrupted before it begins.
    cdef:
        const Program* p = c.program
        Py_ssize_t first = first_of_chunk(c.batch, low), stop = first_of_chunk(c.batch, high), n
        Py_ssize_t lowest = r.start + 1 if r.start > 0 else p.lowest
        Image image
        bint finite = not is_set(&s.not_finite)
        bint may_stop = part == 0 and (c.batch.n > 1 or (r.forward and r.start == 0))
    while first < stop and not is_set(&s.interrupted):
        if may_stop and now() - s.checked_at > CHECKED_AFTER:
            with gil:
                if check_signals() != 0:
                    set_flag(&s.interrupted)
            s.checked_at = now()
            if is_set(&s.interrupted):
                break
        n = min(p.block, stop - first)
        image = image_of_batch(p, c.worker, c.batch, first, first)
        if r.forward:
            forward_block(c, &image, n, r.start, r.end)
            if r.backward:
                finite = losses_of_block(c, &image, n)
        if not finite:
            set_flag(&s.not_finite)
        elif r.backward:
            backward_block(c, &image, n, lowest, r.end)
        first += n


cdef inline void predict_images(const Program* p, Worker* workers, Team* team, const Batch* batch, bint probabilities,
                                int part, Py_ssize_t start, real* out) noexcept nogil:
    # The images that one thread takes, a block at a time; those of the team begin with image `start`.
    cdef:
        unsigned long long mode = flush_subnormals()
        int64_t first, count
        Context c
    c.program, c.workers, c.worker, c.batch, c.optimizer, c.training = p, workers, workers + part, batch, NULL, False
    prepare(&c)
    while True:
        count = take_items(team, part, p.block, &first)
        if count == 0:
            break
        predict_block(&c, probabilities, start + first, count, out)
    restore_mode(mode)
