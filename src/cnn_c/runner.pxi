# Whole steps, as Python calls them. A part of kernels.pyx.
#
# A Runner owns all memory of a plan and runs many steps in one parallel region, whose threads step/steps.pxd guides:
# images are shared out, then weights, and the threads meet after each. step/team_size.pxd says how many threads there
# are; plan_reader.pxi reads and checks the plan.

from cpython.exc cimport PyErr_Occurred
from cython.parallel cimport parallel, threadid
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from .augment cimport Warp
from .step.loss cimport PYTHON_LOSS, SOFTMAX_CROSS_ENTROPY, set_loss
from .step.program cimport Batch, Operation, Program, Worker, now
from .step.predictions cimport predict_batch, predict_images
from .step.shared cimport begin_groups, useful_threads
from .step.steps cimport Steps, chunks_of_step, is_over, run_steps
from .step.team_size cimport TeamSize, add_time, is_trial, next_team_size
from .step.whole_update cimport WholeUpdate, pieces
from .team cimport Team, begin_team, free_team, meetings, new_team

cdef extern from *:
    """
    #ifdef _OPENMP
    #include <omp.h>
    static int threads_here(void) { return omp_get_num_threads(); }
    static void wait_for_all(void) { _Pragma("omp barrier") } /* of the caller's parallel region */
    #else
    static int threads_here(void) { return 1; }
    static void wait_for_all(void) { }
    #endif
    """
    int threads_here() noexcept nogil
    void wait_for_all() noexcept nogil

include "plan_reader.pxi"


cdef class Runner:
    """A plan and the memory that it needs: trains and predicts in one call, on a net's flat parameters.

    Not for two threads of Python at a time. With `profile` and one thread it adds up in `nanoseconds`, (operations, 3),
    what forward, backward and update of each operation take. SystemError where the plan has less room for an operation
    than its kernels touch.
    """

    cdef:
        Program program
        Worker* workers
        Team* team
        Team** groups              # of threads that share an image
        TeamSize team_size
        readonly dict memory       # the arrays of each kind of memory, for tests
        readonly int threads       # that it has memory for
        readonly Py_ssize_t bytes  # that it holds
        readonly np.ndarray nanoseconds
        object plan                # which keeps what is called in Python
        Py_ssize_t image_size, batch_size, parameters, statistics  # sizes
        double* squares            # of gradients, for clipping
        real* before               # the parameters before an update in Python
        real* statistics_before    # the running statistics before a step

    def __cinit__(self):
        self.program.operations = NULL
        self.workers = NULL
        self.team = NULL
        self.groups = NULL
        self.squares, self.before, self.statistics_before = NULL, NULL, NULL

    def __init__(self, plan, int threads, bint training, bint profile=False):
        cdef:
            np.npy_intp shape[2]
            Program* p = &self.program
        if threads < 1:
            raise SystemError(f"a Runner needs a thread, got {threads}")
        self.threads, self.plan = threads, plan
        self.memory, self.bytes = {}, 0
        p.count = len(plan.operations)
        p.operations = <Operation*>calloc(p.count, sizeof(Operation))
        self.workers = <Worker*>calloc(threads, sizeof(Worker))
        self.team = new_team(threads)
        if p.operations == NULL or self.workers == NULL or self.team == NULL:
            raise MemoryError
        read_plan(p, plan, training)
        if p.shared:
            self.allocate_groups()
        self.batch_size, self.image_size = plan.batch_size, plan.image_size
        self.parameters, self.statistics = plan.parameters, plan.statistics
        shape[0], shape[1] = p.count, 3
        self.nanoseconds = np.PyArray_ZEROS(2, shape, np.NPY_INT64, 0)
        p.nanoseconds = <int64_t*>np.PyArray_DATA(self.nanoseconds) if profile else NULL
        self.allocate_memory(plan, training)

    def __dealloc__(self):
        cdef Py_ssize_t k
        if self.program.operations != NULL:
            for k in range(self.program.count):
                free(self.program.operations[k].geometry)
        free(self.program.operations)
        free(self.workers)
        free_team(self.team)
        if self.groups != NULL:
            for k in range(self.threads // 2):
                free_team(self.groups[k])
        free(self.groups)

    cdef int allocate_groups(self) except -1:
        # At least two threads each: where there are more than g, none has more than a (g + 1)-th of the threads.
        cdef int g
        self.groups = <Team**>calloc(max(self.threads // 2, 1), sizeof(Team*))
        if self.groups == NULL:
            raise MemoryError
        for g in range(self.threads // 2):
            self.groups[g] = new_team(self.threads // (g + 1) + 1)
            if self.groups[g] == NULL:
                raise MemoryError
        return 0

    cdef int allocate_memory(self, plan, bint training) except -1:
        cdef:
            Program* p = &self.program
            Py_ssize_t channels = 1, moments = plan.moments, scratch = plan.scratch
            bint lasts = training or p.whole_batch
            int i, k
        for k in range(p.count):
            channels = max(channels, p.operations[k].channels)
            if p.operations[k].kind.reserve != NULL:
                p.operations[k].kind.reserve(p.operations + k, self.batch_size)
        p.no_bias = self.allocate("no bias", channels)
        self.statistics_before = self.allocate("statistics before", self.statistics if training else 0)
        p.all_sums = self.allocate("sums", p.chunks * p.sums)
        p.all_moments = <double*>self.allocate("moments", doubles(p.chunks * p.moments))
        p.all_persistent = self.allocate("persistent", self.batch_size * p.persistent) if lasts else NULL
        for i in range(self.threads):
            self.workers[i].transient = self.allocate("transient", p.block * p.transient)
            self.workers[i].persistent = self.allocate("persistent", 0 if lasts else p.block * p.persistent)
            self.workers[i].workspace = self.allocate("workspace", plan.workspace)
            self.workers[i].scratch = self.allocate("scratch", scratch)
            self.workers[i].merged = <double*>self.allocate("merged", doubles(moments))
            for k in range(p.count):
                if p.operations[k].kind.initialize != NULL:
                    p.operations[k].kind.initialize(p.operations + k, self.workers[i].workspace +
                                                    p.operations[k].workspace)
        return 0

    cdef real* allocate(self, str name, Py_ssize_t size) except NULL:
        cdef np.ndarray array = zeros(size + CACHE_LINE // sizeof(real))
        cdef real* start = aligned(array)
        cdef Py_ssize_t first = start - <real*>np.PyArray_DATA(array)
        self.memory.setdefault(name, []).append(array[first:first + size])
        self.bytes += size * sizeof(real)
        return start

    def train(self, learned, update, batches, int threads, bint fixed):
        """As many steps as `update` has rows of step scalars, on the images that `batches` names.

        The three are a Learned, an Update and a Batches of cnn/backends/calls.py. At most so many threads work, or if
        `fixed` just so many. Fills the losses of the batches and which images were right. Returns the number of steps
        done; it is less than all where a loss was not finite. After that, and after an exception, all that was learned
        is as before that step.
        """
        cdef:
            Steps s
            Warp warp
            WholeUpdate whole_update
            int most, size
        s.whole_update = &whole_update
        s.program, s.workers, s.team, s.groups = &self.program, self.workers, self.team, self.groups
        self.set_learned(learned)
        self.set_batches(&s, batches)
        self.set_update(&s, update)
        if batches.warp is not None:
            warp = warp_from(batches.warp)
            s.batch.warp = &warp
            if warp.h * warp.w * warp.c != self.image_size:
                raise SystemError("a kernel was given an augmentation of other images")
        s.statistics, s.statistics_before = self.statistics, self.statistics_before
        self.set_exchange(&s, batches.exchange)
        s.not_finite = s.interrupted = 0
        s.done, s.checked_at = 0, now()
        most = useful_threads(&self.program, min(threads, self.threads), self.program.chunks)
        s.team_size = NULL if fixed or most == 1 else &self.team_size
        with nogil:
            while not is_over(&s):
                size = most if s.team_size == NULL else next_team_size(s.team_size, most)
                s.resized = 0
                if size == 1:
                    begin_team(s.team, 1, chunks_of_step(&s, s.done))
                    run_steps(&s, 0, 1)
                else:
                    # Always `most`: OpenMP ends threads that a region has no use for, and may not get them again.
                    with parallel(num_threads=most):
                        if threadid() == 0:  # there may be fewer threads than were asked for
                            begin_team(s.team, min(size, threads_here()), chunks_of_step(&s, s.done))
                            begin_groups(s.program, s.groups, s.team.size, chunks_of_step(&s, s.done))
                        wait_for_all()
                        if threadid() < s.team.size:
                            run_steps(&s, threadid(), s.team.size)
        if s.not_finite or s.interrupted:  # layers in Python have changed them, or a normalisation before an update
            memcpy(self.program.statistics, s.statistics_before, self.statistics * sizeof(real))
        if s.interrupted:
            raise_pending()
        return s.done

    def predict(self, learned, np.ndarray x not None, np.ndarray out not None, bint probabilities, int threads,
                bint fixed):
        """Probabilities, or logits, (n, classes) of images x (n, ...), into out; threads as for `train`."""
        cdef:
            Steps s
            Py_ssize_t n = count(x, self.image_size)
            real* to = results(out, n * self.program.classes)
            int most = useful_threads(&self.program, min(threads, self.threads), n)
        self.set_learned(learned)
        s.program, s.workers, s.team, s.groups = &self.program, self.workers, self.team, self.groups
        s.not_finite = s.interrupted = 0
        s.exchange, s.checked_at = NULL, now()
        set_data(&s.batch, x)
        s.batch.n, s.batch.chunks, s.batch.order, s.batch.warp = n, min(n, self.program.chunks), NULL, NULL
        s.batch.first_chunk, s.batch.own_chunks = 0, s.batch.chunks
        s.batch.loss.kind = SOFTMAX_CROSS_ENTROPY  # no loss is computed
        if self.program.whole_batch and n > self.batch_size:
            raise SystemError(f"{n} images were given to a runner that has memory for {self.batch_size}")
        with nogil:
            self.predict_measured(&s, probabilities, most, most <= 1 or fixed, to)
        if s.interrupted:
            raise_pending()

    cdef void predict_measured(self, Steps* s, bint probabilities, int most, bint fixed, real* out) noexcept nogil:
        # While a number of threads is tried, a few blocks at a time.
        cdef:
            Py_ssize_t first = 0, n
            int size = most
            long long began, end
        while first < s.batch.n:
            n = s.batch.n - first
            if not fixed:
                size = next_team_size(&self.team_size, most)
                if is_trial(&self.team_size) and not self.program.whole_batch:
                    n = min(n, 4 * size * self.program.block)
                began = now()
            self.predict_part(s, probabilities, most, size, first, n, out)
            if not fixed:
                end = now()
                add_time(&self.team_size, end, end - began, n)
            first += n

    cdef void predict_part(self, Steps* s, bint probabilities, int most, int size, Py_ssize_t first, Py_ssize_t n,
                           real* out) noexcept nogil:
        # By `size` of `most` threads, as in `train`. Where an operation needs all images, these are all.
        cdef bint whole_batch = self.program.whole_batch
        cdef Py_ssize_t items = s.batch.chunks if whole_batch else n
        if size <= 1:
            begin_team(self.team, 1, items)
            self.predict_share(s, whole_batch, probabilities, 0, first, n, out)
            return
        with parallel(num_threads=most):
            if threadid() == 0:
                begin_team(self.team, min(size, threads_here()), items)
                begin_groups(s.program, s.groups, self.team.size, items)
            wait_for_all()
            if threadid() < self.team.size:
                self.predict_share(s, whole_batch, probabilities, threadid(), first, n, out)

    cdef void predict_share(self, Steps* s, bint whole_batch, bint probabilities, int part, Py_ssize_t first,
                            Py_ssize_t n, real* out) noexcept nogil:
        if whole_batch:
            predict_batch(s, probabilities, part, out)
        else:
            predict_images(s, probabilities, part, first, n, out)

    @property
    def measured(self):
        """Nanoseconds an image with each number of threads that was tried, and the number that works: ({2: ...}, 2)."""
        cdef TeamSize* t = &self.team_size
        times = {c.threads: c.time / c.images for c in t.candidates[:t.count] if c.images > 0}
        return times, t.candidates[t.current].threads

    @property
    def meetings(self):
        """How often the team has met so far, and the first group of threads that share an image."""
        return meetings(self.team), meetings(self.groups[0]) if self.groups != NULL and self.threads > 1 else 0

    # ---- what Python gives, checked once more ----

    cdef int set_learned(self, learned) except -1:
        self.program.parameters = results(learned.parameters, self.parameters)
        self.program.gradients = results(learned.gradients, self.parameters)
        self.program.statistics = results(learned.statistics, self.statistics)
        return 0

    cdef int set_update(self, Steps* s, update) except -1:
        s.optimizer = optimizer_from(update.rule)
        s.optimizer.parameters = self.program.parameters
        s.optimizer.first = results(update.first, self.parameters) if update.first is not None else NULL
        s.optimizer.second = results(update.second, self.parameters) if update.second is not None else NULL
        s.steps = np.PyArray_SIZE(update.step_scalars) // 3
        s.step_scalars = <double*>checked(update.step_scalars, np.NPY_FLOAT64, 3 * s.steps, False)
        if (s.images + s.batch_size - 1) // s.batch_size != s.steps:
            raise SystemError(f"{s.images} images are not {s.steps} steps of {s.batch_size}")
        if update.call is None and not update.clip_norm and not update.clip_value and not self.may_fail_on_the_way(s):
            s.whole_update = NULL
            return 0
        s.whole_update.clip_norm, s.whole_update.clip_value = update.clip_norm, update.clip_value
        s.whole_update.parameters = self.parameters
        s.whole_update.call = <void*>update.call if update.call is not None else NULL
        if self.before == NULL:
            self.squares = <double*>self.allocate("squares", doubles(pieces(s.whole_update)))
            self.before = self.allocate("before", self.parameters)
        s.whole_update.squares, s.whole_update.before = self.squares, self.before
        return 0

    cdef int set_exchange(self, Steps* s, exchange) except -1:
        s.exchange, s.rank, s.ranks = NULL, 0, 1
        if self.program.exchanged != (exchange is not None):
            raise SystemError("a plan for several processes needs an exchange between them, and no other plan does")
        if exchange is None:
            return 0
        s.exchange, s.rank, s.ranks = <void*>exchange, exchange.rank, exchange.ranks
        if not 0 <= s.rank < s.ranks:
            raise SystemError(f"there is no rank {s.rank} of {s.ranks}")
        return 0

    cdef bint may_fail_on_the_way(self, const Steps* s) noexcept:
        # Whether a layer in Python may raise when weights above it were updated, as they are at once in a batch of one.
        cdef Py_ssize_t k
        if s.batch_size > 1 and s.images % s.batch_size != 1:
            return False
        for k in range(self.program.count):
            if self.program.operations[k].kind.call != NULL:
                return True
        return False

    cdef int set_batches(self, Steps* s, batches) except -1:
        cdef Py_ssize_t i, given = count(batches.x, self.image_size)
        cdef int64_t of
        s.images, s.batch_size = np.PyArray_SIZE(batches.order), self.batch_size
        set_data(&s.batch, batches.x)
        s.batch.seed, s.batch.position, s.batch.warp = batches.seed, batches.position, NULL
        s.batch.order = <int64_t*>checked(batches.order, np.NPY_INT64, s.images, False)
        s.batch.losses = <double*>checked(batches.losses, np.NPY_FLOAT64, s.images, True)
        s.batch.correct = <uint8_t*>checked(batches.correct, np.NPY_UINT8, s.images, True)
        s.batch.weights = NULL
        if batches.weights is not None:
            s.batch.weights = <double*>checked(batches.weights, np.NPY_FLOAT64, given, False)
        self.set_targets(&s.batch, batches, given)
        # A label is the place where the loss is read and its gradient written.
        for i in range(s.images):
            of = s.batch.order[i]
            if not (0 <= of < given and (s.batch.labels == NULL or 0 <= s.batch.labels[of] < self.program.classes)):
                raise SystemError(f"a kernel was given image {of} of {given}, or a label above {self.program.classes}")
        return 0

    cdef int set_targets(self, Batch* batch, batches, Py_ssize_t given) except -1:
        # Labels, or rows of targets, and what the loss is; one in Python looks at the targets itself.
        cdef np.ndarray targets
        batch.labels, batch.targets = NULL, NULL
        set_loss(&batch.loss, batches.loss)
        if batch.loss.kind == PYTHON_LOSS:
            batches.loss_call.reserve(self.batch_size)
            batch.loss.call = <void*>batches.loss_call
            batch.loss.outputs = results(batches.loss_call.outputs, self.batch_size * self.program.classes)
            if not self.program.whole_batch:
                raise SystemError("a loss in Python needs a plan with memory for the whole batch")
            return 0
        targets = batches.targets
        if targets.descr.type_num == np.NPY_INT64 and batch.loss.kind == SOFTMAX_CROSS_ENTROPY:
            batch.labels = <int64_t*>checked(targets, np.NPY_INT64, given, False)
        else:
            batch.targets = values(targets, given * self.program.classes)
        return 0


cdef int raise_pending() except -1:
    return -1 if PyErr_Occurred() != NULL else 0


cdef inline Py_ssize_t doubles(Py_ssize_t n) noexcept:
    # Reals that take as much memory.
    return n * (sizeof(double) // sizeof(real))
