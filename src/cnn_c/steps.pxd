# Steps of training, and predictions, as one thread of a team goes through them: what comes after what, and where the
# threads wait for each other. step_*.pxd say what is done to a block of images; runner.pxi opens the team.

from libc.stdint cimport uint8_t
from libc.string cimport memset

from .optimizer cimport Optimizer, set_factors
from .program cimport Batch, Operation, Program, Worker, cells_from, now
from .simd cimport flush_subnormals, real, restore_mode
from .step_backward cimport backward_block
from .step_forward cimport forward_block, losses_of_block, predict_block
from .step_moments cimport last_norm, measure, measure_gradients, next_norm, take_gradients, take_moments
from .step_update cimport merge_sums, update
from .step_weights cimport prepare

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
    Batch batch
    Py_ssize_t batch_size, images, steps
    const double* factors            # three of each step
    double* losses                   # of each image
    uint8_t* right
    int not_finite, interrupted      # flags: whoever sees one early saves work, all see it after the barrier
    Py_ssize_t done


cdef inline void run_steps(Steps* s, int part, int parts) noexcept nogil:
    # One thread's share of all steps.
    cdef:
        Py_ssize_t step, chunks
        Worker* me = s.workers + part
        Batch batch
        Optimizer optimizer = s.optimizer
        unsigned long long mode = flush_subnormals()
        long long checked_at = now()
    for step in range(s.steps):
        batch = s.batch
        batch.order += step * s.batch_size
        batch.losses = s.losses + step * s.batch_size
        batch.right = s.right + step * s.batch_size
        batch.position += step * s.batch_size
        batch.n = min(s.batch_size, s.images - step * s.batch_size)
        chunks = min(batch.n, s.program.chunks)
        set_factors(&optimizer, s.factors + 3 * step)
        train_images(s, me, &batch, &optimizer, chunks, part, parts, &checked_at)
        barrier(parts)
        if is_set(&s.not_finite) or is_set(&s.interrupted):
            break
        update(s.program, me, &optimizer, batch.n, chunks, part, parts)
        if part == 0:
            s.done += 1
        barrier(parts)
    restore_mode(mode)


cdef inline void train_images(Steps* s, Worker* me, const Batch* batch, const Optimizer* optimizer, Py_ssize_t chunks,
                              int part, int parts, long long* checked_at) noexcept nogil:
    # Forward and back for this thread's chunks of images. All threads meet at every normalisation, both ways: between
    # two of them, images pass a stretch of operations; in the last stretch, which mostly is the only one, they turn.
    cdef:
        const Program* p = s.program
        const Operation* norm
        Py_ssize_t low = chunks * part // parts, high = chunks * (part + 1) // parts, chunk
        Py_ssize_t start = 0, end = next_norm(p, 0)
    memset(p.all_sums + low * p.sums, 0, (high - low) * p.sums * sizeof(real))
    prepare(p, me, True)
    while end < p.count:
        pass_stretch(s, me, batch, optimizer, chunks, low, high, start, end, True, False, part, checked_at)
        norm = p.operations + end
        for chunk in range(low, high):
            measure(p, norm, batch.n, chunks, chunk)
        barrier(parts)
        take_moments(p, norm, me, batch.n, chunks)
        start, end = end, next_norm(p, end + 1)
    pass_stretch(s, me, batch, optimizer, chunks, low, high, start, end, True, True, part, checked_at)
    while start > 0:
        norm = p.operations + start
        for chunk in range(low, high):
            measure_gradients(p, norm, me, batch.n, chunks, chunk)
        barrier(parts)
        take_gradients(p, norm, me, batch.n, chunks)
        start, end = last_norm(p, start), start + 1
        pass_stretch(s, me, batch, optimizer, chunks, low, high, start, end, False, True, part, checked_at)
    merge_sums(p, chunks, parts, part, 0, p.sums)


cdef inline void pass_stretch(Steps* s, Worker* me, const Batch* batch, const Optimizer* optimizer, Py_ssize_t chunks,
                              Py_ssize_t low, Py_ssize_t high, Py_ssize_t start, Py_ssize_t end, bint forward,
                              bint backward, int part, long long* checked_at) noexcept nogil:
    # The images of chunks low .. high, a block at a time: operations start .. end forward, and back down to the one
    # above start, which is a normalisation and waits. If both, the loss lies between. With a batch of one, weights are
    # updated on the way back: where the loss is not finite it does not go back, and it is interrupted before it begins.
    cdef:
        const Program* p = s.program
        Py_ssize_t first = batch.n * low // chunks, stop = batch.n * high // chunks, n
        Py_ssize_t lowest = start + 1 if start > 0 else p.lowest
        real* rows
        real* cells
        bint finite = not is_set(&s.not_finite)
        bint may_stop = part == 0 and (batch.n > 1 or (forward and start == 0))
    while first < stop and not is_set(&s.interrupted):
        if may_stop and now() - checked_at[0] > CHECKED_AFTER:
            with gil:
                if check_signals() != 0:
                    set_flag(&s.interrupted)
            checked_at[0] = now()
            if is_set(&s.interrupted):
                break
        n = min(p.block, stop - first)
        rows = p.rows + first * p.row
        cells = cells_from(p, me, first)
        if forward:
            forward_block(p, me, batch, first, n, True, cells, rows, start, end)
            if backward:
                finite = losses_of_block(p, me, batch, first, n, cells, rows)
        if not finite:
            set_flag(&s.not_finite)
        elif backward:
            backward_block(p, me, optimizer, batch, chunks, first, n, cells, rows, lowest, end)
        first += n


cdef inline void predict_images(const Program* p, const Worker* me, const Batch* batch, bint probabilities,
                                Py_ssize_t first, Py_ssize_t stop, real* out) noexcept nogil:
    cdef unsigned long long mode = flush_subnormals()
    prepare(p, me, False)
    while first < stop:
        predict_block(p, me, batch, probabilities, first, min(p.block, stop - first), out)
        first += p.block
    restore_mode(mode)
