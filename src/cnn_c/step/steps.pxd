# Steps of training, and predictions, as one thread of a team goes through them: what comes after what, and where the
# threads wait for each other. The other files of step/ say what is done to a block of images; runner.pxi opens the
# team.

from libc.stdint cimport uint8_t
from libc.string cimport memset

from ..simd cimport flush_subnormals, real, restore_mode
from .backward cimport backward_block
from .forward cimport forward_block, losses_of_block, predict_block
from .optimizer cimport Optimizer, set_step_scalars
from .program cimport Batch, Context, Image, Operation, Program, Worker, first_of_chunk, image_of_batch, now
from .update cimport merge_sums, update

cdef extern from *:
    """
    #ifdef _OPENMP
    static void barrier(int parts) { if (parts > 1) { _Pragma("omp barrier") } } /* of the caller's parallel region */
    #else
    static void barrier(int parts) { (void)parts; }
    #endif
    #ifdef __GNUC__
    static void set_flag(int *flag) { __atomic_store_n(flag, 1, __ATOMIC_RELAXED); }
    static int is_set(const int *flag) { return __atomic_load_n(flag, __ATOMIC_RELAXED); }
    #else
    static void set_flag(int *flag) { *(volatile int *)flag = 1; }
    static int is_set(const int *flag) { return *(const volatile int *)flag; }
    #endif
    """
    void barrier(int parts) noexcept nogil
    void set_flag(int* flag) noexcept nogil  # at which other threads may look meanwhile
    int is_set(const int* flag) noexcept nogil
    int check_signals "PyErr_CheckSignals"() noexcept  # the exception waits until all threads are done


cdef enum:
    CHECKED_AFTER = 50_000_000  # nanoseconds in which a step may go on without a look at signals


cdef struct Steps:
    # Some steps of training, as all threads see them.
    const Program* program
    Worker* workers
    Optimizer optimizer
    Batch batch                      # of all steps; each step takes its part
    Py_ssize_t batch_size, images, steps
    const double* step_scalars       # three of each step
    int not_finite, interrupted      # flags: whoever sees one early saves work, all see it after the barrier
    Py_ssize_t done


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


cdef inline void run_steps(Steps* s, int part, int parts) noexcept nogil:
    # One thread's share of all steps.
    cdef:
        Py_ssize_t step
        Context c
        Batch batch
        Optimizer optimizer = s.optimizer
        unsigned long long mode = flush_subnormals()
        long long checked_at = now()
    c.program, c.worker, c.batch, c.optimizer, c.training = s.program, s.workers + part, &batch, &optimizer, True
    for step in range(s.steps):
        batch = batch_of_step(s, step)
        set_step_scalars(&optimizer, s.step_scalars + 3 * step)
        train_images(s, &c, part, parts, &checked_at)
        barrier(parts)
        if is_set(&s.not_finite) or is_set(&s.interrupted):
            break
        update(&c, part, parts)
        if part == 0:
            s.done += 1
        barrier(parts)
    restore_mode(mode)


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


cdef inline void train_images(Steps* s, const Context* c, int part, int parts, long long* checked_at) noexcept nogil:
    # Forward and backward for this thread's chunks of images. All threads meet at every operation that depends on the
    # whole batch, on both ways; between two of them, images pass a range of operations, the last range both ways.
    cdef:
        const Program* p = c.program
        const Operation* o
        Py_ssize_t low = c.batch.chunks * part // parts, high = c.batch.chunks * (part + 1) // parts, chunk
        Range r
    memset(p.all_sums + low * p.sums, 0, (high - low) * p.sums * sizeof(real))
    prepare(c)
    r.start, r.end, r.forward, r.backward = 0, next_whole_batch(p, 0), True, False
    while r.end < p.count:
        pass_range(s, c, low, high, r, part, checked_at)
        o = p.operations + r.end
        for chunk in range(low, high):
            o.kind.add_moments(o, c, chunk)
        barrier(parts)
        o.kind.merge_moments(o, c)
        r.start, r.end = r.end, next_whole_batch(p, r.end + 1)
    r.backward = True
    pass_range(s, c, low, high, r, part, checked_at)
    r.forward = False
    while r.start > 0:
        o = p.operations + r.start
        for chunk in range(low, high):
            o.kind.add_gradient_moments(o, c, chunk)
        barrier(parts)
        o.kind.merge_gradient_moments(o, c)
        r.end = r.start + 1
        r.start = last_whole_batch(p, r.start)
        pass_range(s, c, low, high, r, part, checked_at)
    merge_sums(c, parts, part, 0, p.sums)


cdef inline void pass_range(Steps* s, const Context* c, Py_ssize_t low, Py_ssize_t high, Range r, int part,
                            long long* checked_at) noexcept nogil:
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
        if may_stop and now() - checked_at[0] > CHECKED_AFTER:
            with gil:
                if check_signals() != 0:
                    set_flag(&s.interrupted)
            checked_at[0] = now()
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


cdef inline void predict_images(const Program* p, const Worker* worker, const Batch* batch, bint probabilities,
                                Py_ssize_t first, Py_ssize_t stop, real* out) noexcept nogil:
    cdef:
        unsigned long long mode = flush_subnormals()
        Context c
    c.program, c.worker, c.batch, c.optimizer, c.training = p, worker, batch, NULL, False
    prepare(&c)
    while first < stop:
        predict_block(&c, probabilities, first, min(p.block, stop - first), out)
        first += p.block
    restore_mode(mode)
