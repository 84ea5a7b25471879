# A plan of cnn/backends/program.py as structs, and the sizes that it is made of. A part of kernels.pyx.
#
# Kernels say what memory they touch (`measure` in ops/). The plan asks for it by `operation_sizes` when it lays memory
# out, and `read_plan` compares once more: an operation whose room is too small is refused before anything runs.

from libc.string cimport memset

from .ops.table cimport KINDS, set_table
from .step.program cimport MOST_CHUNKS, OperationKind, Place, Sizes, most_chunks

cdef OperationKind _TABLE[KINDS]
set_table(_TABLE)
_KINDS = {(<bytes>_TABLE[i].name).decode(): i for i in range(KINDS)}


def operation_sizes(operation, bint training):
    """The `Sizes` of an Operation of cnn/backends/program.py whose geometry is known, as a tuple."""
    cdef Operation o
    cdef Sizes s
    memset(&o, 0, sizeof(Operation))
    try:
        read_operation(&o, operation)
        s = sizes_of(&o, training)
    finally:
        free(o.geometry)
    return s.x, s.y, s.dx, s.dy, s.also_x, s.also_dy, s.kept, s.argmax, s.workspace, s.scratch, s.sums, s.moments


def chunks_of(Py_ssize_t batch_size):
    """How many parts of a batch have sums of their own."""
    return min(batch_size, most_chunks(batch_size))


cdef Sizes sizes_of(const Operation* o, bint training) except *:
    cdef Sizes s
    memset(&s, 0, sizeof(Sizes))
    o.kind.measure(o, training, &s)
    if s.w != max(o.w_size, 0) or (s.w > 0 and s.channels != o.channels):
        raise SystemError(f"{o.kind.name.decode()} has {s.w} weights of {s.channels} channels, "
                          f"{o.w_size} of {o.channels} were planned")
    return s


cdef int read_operation(Operation* o, given) except -1:
    cdef Py_ssize_t kind = _KINDS[given.kind]
    o.kind = &_TABLE[kind]
    o.with_dx, o.out_size = given.with_dx, given.out_size
    o.frozen, o.whole_batch, o.by_chunk = given.frozen, given.whole_batch, given.by_chunk
    o.shared = given.shared and o.kind.pieces != NULL
    o.has_also_x, o.has_also_dy = given.has_also_x, given.has_also_dy
    o.w, o.b, o.w_size, o.channels = given.w, given.b, given.w_size, given.channels
    o.gamma, o.statistics, o.epsilon, o.stream = given.gamma, given.statistics, given.epsilon, given.stream
    return o.kind.read(o, given.geometry)


cdef int read_plan(Program* p, plan, bint training) except -1:
    cdef:
        Py_ssize_t k
        Operation* o
        Sizes s
    p.lowest, p.classes, p.block, p.chunks = plan.lowest, plan.classes, plan.block, plan.chunks
    p.whole_batch = plan.whole_batch
    p.transient, p.persistent, p.sums, p.moments = plan.transient, plan.persistent, plan.sums, plan.moments
    p.image_sums, p.exchanged = plan.image_sums, plan.exchanged
    if not 0 < p.chunks <= MOST_CHUNKS:
        raise SystemError(f"a batch has {p.chunks} chunks, at most {MOST_CHUNKS} are possible")
    for k in range(p.count):
        o, given = p.operations + k, plan.operations[k]
        read_operation(o, given)
        p.shared = p.shared or o.shared
        s = sizes_of(o, training)
        if k == p.count - 1:  # the loss reads the logits and writes their gradient
            s.y, s.dy = max(s.y, p.classes), max(s.dy, p.classes if training else 0)
        o.x = place_of(given.x, "x", s.x, plan)
        o.y = place_of(given.y, "y", s.y, plan)
        o.dx = place_of(given.dx, "dx", s.dx, plan)
        o.dy = place_of(given.dy, "dy", s.dy, plan)
        o.also_x = place_of(given.also_x, "also_x", s.also_x, plan)
        o.also_dy = place_of(given.also_dy, "also_dy", s.also_dy, plan)
        o.kept = place_of(given.kept, "kept", s.kept, plan)
        o.argmax = place_of(given.argmax, "argmax", s.argmax, plan)
        o.workspace = start_of(given.workspace, "workspace", s.workspace, plan.workspace)
        o.sums, o.sums_size = start_of(given.sums, "sums", s.sums, p.sums), s.sums
        check_sums(o, p)
        o.moments = start_of(given.moments, "moments", s.moments, p.moments)
        check_room("scratch", max(s.scratch, p.classes), 0, plan.scratch, plan.scratch)
        check_learned(o, plan)
    return 0


cdef Place place_of(given, str name, Py_ssize_t needed, plan) except *:
    cdef Place place
    place.persistent, place.at = given.persistent, given.at
    check_room(name, needed, given.at, given.size, plan.persistent if given.persistent else plan.transient)
    return place


cdef Py_ssize_t start_of(given, str name, Py_ssize_t needed, Py_ssize_t memory) except? -1:
    check_room(name, needed, given.at, given.size, memory)
    return given.at


cdef int check_room(str name, Py_ssize_t needed, Py_ssize_t at, Py_ssize_t size, Py_ssize_t memory) except -1:
    if needed > 0 and (at < 0 or size < needed or at > memory - size):
        raise SystemError(f"{name} needs {needed} reals, the plan has {size} from {at} on, of {memory}")
    return 0


cdef int check_sums(const Operation* o, const Program* p) except -1:
    # What images add to is set to zero before, what is summed chunk by chunk lies behind it.
    cdef bint first = o.sums + o.sums_size <= p.image_sums
    if o.by_chunk and (o.kind.sum_chunks == NULL or not p.exchanged):
        raise SystemError(f"{o.kind.name.decode()} has no sums for other processes")
    if o.sums_size > 0 and (first if o.by_chunk else not first):
        raise SystemError(f"sums at {o.sums} lie on the wrong side of {p.image_sums}")
    return 0


cdef int check_learned(const Operation* o, plan) except -1:
    # Parameters and statistics of the operation, and of a normalisation that is a part of it.
    cdef Py_ssize_t parameters = plan.parameters, statistics = plan.statistics
    check_room("weights", o.w_size, o.w, o.w_size, parameters)
    if o.b >= 0:
        check_room("bias", o.channels, o.b, o.channels, parameters)
        if o.b != o.w + o.w_size:
            raise SystemError(f"a bias at {o.b} does not follow its weights")
    if o.gamma >= 0:
        check_room("gamma and beta", 2 * o.channels, o.gamma, 2 * o.channels, parameters)
        check_room("running statistics", 2 * o.channels, o.statistics, 2 * o.channels, statistics)
    return 0
