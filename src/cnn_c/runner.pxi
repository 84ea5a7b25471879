# The whole step, as Python calls it. A part of kernels.pyx.
#
# A Runner owns all memory of a plan and runs many steps in one parallel region, whose threads steps.pxd guides: images
# are shared out, then weights, with a barrier after each.

from cpython.exc cimport PyErr_Occurred
from cython.parallel cimport parallel, threadid
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport calloc, free

from .conv_pool cimport conv_pool_sums_size
from .conv_pool_image cimport conv_pool_image_sums_size
from .program cimport (
    AVGPOOL, BATCHNORM, CONV, CONV_POOL, CONV_POOL_IMAGE, COPY, DENSE, DROPOUT, LOAD, MAXPOOL, MAXPOOL_TIES, RELU,
    RESCALE, Operation, Program, Worker,
)
from .step_weights cimport scratch_size, set_own, set_own_size
from .steps cimport Steps, predict_images, run_steps

cdef extern from *:
    """
    #ifdef _OPENMP
    #include <omp.h>
    static int team_size(void) { return omp_get_num_threads(); }
    #else
    static int team_size(void) { return 1; }
    #endif
    """
    int team_size() noexcept nogil

_KINDS = {"load": LOAD, "conv": CONV, "conv+pool": CONV_POOL, "image conv+pool": CONV_POOL_IMAGE, "maxpool": MAXPOOL,
          "maxpool, ties": MAXPOOL_TIES, "avgpool": AVGPOOL, "batchnorm": BATCHNORM, "dropout": DROPOUT, "relu": RELU,
          "rescale": RESCALE, "copy": COPY, "dense": DENSE}


cdef class Runner:
    """A plan and the memory that it wants: trains and predicts in one call, on a net's flat parameters.

    Not for two threads of Python at a time. With `profile` and one thread it adds up in `nanoseconds`, (operations, 3),
    what forward, backward and update of each operation take.
    """

    cdef:
        Program program
        Worker* workers
        list memory
        readonly int threads       # that it has memory for
        readonly Py_ssize_t bytes  # that it holds
        readonly np.ndarray nanoseconds
        Py_ssize_t image_size, batch_size, parameters, statistics  # sizes

    def __cinit__(self):
        self.program.operations = NULL
        self.workers = NULL

    def __init__(self, plan, int threads, bint training, bint profile=False):
        cdef:
            Py_ssize_t i, own = 0, scratch = 0, channels = 0, norms = 0
            np.npy_intp shape[2]
            Program* p = &self.program
            Operation* o
        self.threads = threads
        self.memory, self.bytes = [], 0
        p.count, p.lowest = len(plan.operations), plan.lowest
        p.cell, p.row, p.block, p.chunks, p.classes = plan.cell, plan.row, plan.block, plan.chunks, plan.classes
        self.batch_size, self.image_size = plan.batch_size, plan.image_size
        self.parameters, self.statistics = plan.parameters, plan.statistics
        p.operations = <Operation*>calloc(p.count, sizeof(Operation))
        self.workers = <Worker*>calloc(threads, sizeof(Worker))
        if p.operations == NULL or self.workers == NULL:
            raise MemoryError
        p.sums = p.moments = 0
        for i in range(p.count):
            o = p.operations + i
            set_operation(o, plan.operations[i])
            o.own, o.sums, o.moments = own, p.sums, p.moments
            own += set_own_size(o, training)
            if training:
                p.sums += o.sums_size
                p.moments += 4 * o.channels if o.kind == BATCHNORM else 0
            scratch = max(scratch, scratch_size(o))
            channels = max(channels, o.channels)
            norms += training and o.kind == BATCHNORM
        scratch = padded(max(scratch, p.classes))
        shape[0], shape[1] = p.count, 3
        self.nanoseconds = np.PyArray_ZEROS(2, shape, np.NPY_INT64, 0)
        p.nanoseconds = <int64_t*>np.PyArray_DATA(self.nanoseconds) if profile else NULL
        p.no_bias = self.allocate(padded(channels))
        p.all_sums = self.allocate(p.chunks * p.sums)
        p.rows = self.allocate(plan.batch_size * p.row if training else 0)
        p.cells = self.allocate(plan.batch_size * p.cell) if norms else NULL
        p.all_moments = self.allocate_doubles(p.chunks * p.moments)
        for i in range(threads):
            self.workers[i].cells = self.allocate(0 if norms else p.block * p.cell)
            self.workers[i].merged = self.allocate_doubles(2 * channels if norms else 0)
            self.workers[i].rows = self.allocate(0 if training else p.block * p.row)
            self.workers[i].own = self.allocate(own)
            self.workers[i].scratch = self.allocate(scratch)
            set_own(p, self.workers + i)

    def __dealloc__(self):
        free(self.program.operations)
        free(self.workers)

    cdef real* allocate(self, Py_ssize_t size) except NULL:
        cdef np.ndarray array = zeros(size + CACHE_LINE // sizeof(real))
        self.memory.append(array)
        self.bytes += size * sizeof(real)
        return aligned(array)

    cdef double* allocate_doubles(self, Py_ssize_t size) except NULL:
        return <double*>self.allocate(size * (sizeof(double) // sizeof(real)))

    def train(self, learned, update, batches, int threads):
        """As many steps as there are rows of step scalars, on the images that `batches` names: named tuples of
        cnn.backends.program.

        Fills the loss of every image, and whether it was classified correctly. Returns the number of steps done; it is
        less than all where a loss was not finite, and the parameters are then as before that step.
        """
        cdef:
            Steps s
            Warp warp
            np.ndarray parameters = <np.ndarray?>learned.parameters, statistics = <np.ndarray?>learned.statistics
            np.ndarray first = update.first, second = update.second
            np.ndarray scalars = <np.ndarray?>update.step_scalars
            np.ndarray x = <np.ndarray?>batches.x, order = <np.ndarray?>batches.order
            Py_ssize_t size = self.parameters, given = count(x, self.image_size)
            int team
        s.program, s.workers = &self.program, self.workers
        s.optimizer = optimizer_from(update.rule)
        s.optimizer.parameters = self.program.parameters = results(parameters, size)
        s.optimizer.first = results(first, size) if first is not None else NULL
        s.optimizer.second = results(second, size) if second is not None else NULL
        self.program.statistics = results(statistics, self.statistics)
        s.images, s.steps, s.batch_size = np.PyArray_SIZE(order), np.PyArray_SIZE(scalars) // 3, self.batch_size
        if (s.images + s.batch_size - 1) // s.batch_size != s.steps:
            raise SystemError(f"{s.images} images are not {s.steps} steps of {s.batch_size}")
        s.factors = <double*>checked(scalars, np.NPY_FLOAT64, 3 * s.steps, False)
        set_data(&s.batch, x)
        s.batch.seed, s.batch.position = batches.seed, batches.position
        s.batch.smoothing = batches.label_smoothing
        s.batch.warp = NULL
        if batches.warp is not None:
            warp = warp_from(batches.warp)
            s.batch.warp = &warp
            if warp.h * warp.w * warp.c != self.image_size:
                raise SystemError("a kernel was given an augmentation of other images")
        s.batch.order = <int64_t*>checked(order, np.NPY_INT64, s.images, False)
        s.batch.labels = <int64_t*>checked(<np.ndarray?>batches.labels, np.NPY_INT64, given, False)
        self.check_labels(&s, given)
        s.losses = <double*>checked(<np.ndarray?>batches.losses, np.NPY_FLOAT64, s.images, True)
        s.right = <uint8_t*>checked(<np.ndarray?>batches.correct, np.NPY_UINT8, s.images, True)
        s.not_finite = s.interrupted = 0
        s.done = 0
        team = <int>min(threads, self.threads, self.program.chunks)
        with nogil:
            if team == 1:
                run_steps(&s, 0, 1)
            else:
                with parallel(num_threads=team):
                    run_steps(&s, threadid(), team_size())
        if s.interrupted:
            raise_pending()
        return s.done

    cdef int check_labels(self, const Steps* s, Py_ssize_t images) except -1:
        # Once more, like sizes: a label is the place where the loss is read and its gradient written.
        cdef Py_ssize_t i
        cdef int64_t of
        for i in range(s.images):
            of = s.batch.order[i]
            if not (0 <= of < images and 0 <= s.batch.labels[of] < self.program.classes):
                raise SystemError(f"a kernel was given image {of} of {images}, or a label above {self.program.classes}")
        return 0

    def predict(self, learned, np.ndarray x not None, np.ndarray out not None, bint probabilities, int threads):
        """Probabilities, or logits, (n, classes) of images x (n, ...), into out."""
        cdef:
            Batch batch
            Py_ssize_t n = count(x, self.image_size), part, parts
            real* to = results(out, n * self.program.classes)
        self.program.parameters = results(<np.ndarray?>learned.parameters, self.parameters)
        self.program.statistics = results(<np.ndarray?>learned.statistics, self.statistics)
        set_data(&batch, x)
        batch.n, batch.order, batch.warp = n, NULL, NULL
        parts = min(threads, self.threads, n)
        with nogil:
            if parts <= 1:
                predict_images(&self.program, self.workers, &batch, probabilities, 0, n, to)
            else:
                for part in prange(parts, num_threads=<int>parts, schedule="static"):
                    predict_images(&self.program, self.workers + part, &batch, probabilities, n * part // parts,
                                   n * (part + 1) // parts, to)


cdef int raise_pending() except -1:
    return -1 if PyErr_Occurred() != NULL else 0


cdef void set_operation(Operation* o, given) except *:
    # A cnn.plan.Operation, with the sizes that depend on the level.
    cdef double scale = given.scale, offset = given.offset
    cdef Conv turned_conv
    o.kind = _KINDS[given.kind]
    o.with_dx = given.with_dx
    o.x.in_row, o.x.at = given.x
    o.y.in_row, o.y.at = given.y
    o.dx.in_row, o.dx.at = given.dx
    o.dy.in_row, o.dy.at = given.dy
    o.out_size, o.frame_size = given.out_size, given.frame_size
    o.gamma, o.statistics = given.gamma, given.statistics
    o.norm.epsilon = given.epsilon
    o.kept, o.codes = given.kept, given.codes
    o.w, o.b, o.w_size, o.channels = given.w, given.b, given.w_size, given.channels
    o.scale, o.offset = <real>scale, <real>offset
    if o.kind == CONV:
        o.conv = conv_from(given.geometry)
        o.grouped, o.frame = grouped(&o.conv), input_frame(&o.conv)
        turned_conv = turned(&o.conv)
        o.turned, o.turned_frame = grouped(&turned_conv), output_gradient_frame(&o.conv)
        o.sums_size = weight_sums_size(&o.grouped) + o.channels
    elif o.kind == CONV_POOL or o.kind == CONV_POOL_IMAGE:
        o.conv_pool.h, o.conv_pool.w, o.conv_pool.c_in, o.conv_pool.c_out, o.conv_pool.kh, o.conv_pool.kw, \
            o.conv_pool.ph, o.conv_pool.pw, o.conv_pool.oh, o.conv_pool.ow, o.conv_pool.x_pitch, \
            o.conv_pool.y_pitch, o.conv_pool.relu = as_tuple(given.geometry)
        if o.kind == CONV_POOL_IMAGE:
            o.sums_size = conv_pool_image_sums_size(&o.conv_pool)
        else:
            o.sums_size = conv_pool_sums_size(&o.conv_pool)
    elif o.kind == LOAD and given.geometry:
        o.in_h, o.in_w, o.in_c = as_tuple(given.geometry)
    elif o.kind == BATCHNORM:
        o.norm.positions, o.norm.c, o.norm.relu, o.norm.keep = as_tuple(given.geometry)
    elif o.kind == DROPOUT:
        set_dropout(o, given)
    elif o.kind == MAXPOOL or o.kind == MAXPOOL_TIES or o.kind == AVGPOOL:
        o.pool = pool_from(given.geometry)
    elif o.kind == DENSE:
        o.dense.inputs, o.dense.units, o.dense.relu = as_tuple(given.geometry)
    elif o.kind == COPY:
        o.rows, o.width, o.x_pitch, o.y_pitch = as_tuple(given.geometry)
    o.sums_size = padded(o.sums_size)


cdef void set_dropout(Operation* o, given) except *:
    cdef double rate = given.geometry.rate
    o.dropout.threshold = given.geometry.threshold
    o.dropout.scale = <real>(1 / (1 - rate))
    o.stream = given.geometry.stream
