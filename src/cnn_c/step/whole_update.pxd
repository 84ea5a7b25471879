# The update where somebody looks at all gradients first: they were stored, in p.gradients, and pieces of the flat
# arrays are shared out among the threads.
#
#   clip_value   g = g, within -clip_value .. clip_value
#   clip_norm    g = g * min(1, clip_norm / (norm + 1e-6)), with the norm of all gradients together
#
# (PyTorch's rules.) Then the compiled rule of an optimiser, or one in Python, which is called once for all parameters.

from libc.math cimport sqrt
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from ..simd cimport LANES, lanes_of, real, registers, vec, vload_lanes, vsplat, vstore
from ..team cimport Team, meet, take_items
from .optimizer cimport Optimizer, update_run
from .program cimport Operation, Program, learned_size
from .python_calls cimport call_with_step


cdef enum:
    PIECE = 4096  # parameters: sums of squares of a piece are added up in registers, those of pieces in their order


cdef struct WholeUpdate:
    double clip_norm, clip_value  # 0 for none
    double* squares               # of every piece
    void* call                    # an UpdateCall of cnn/backends/python_calls.py, or NULL
    real* before                  # the parameters before that call
    Py_ssize_t parameters


cdef inline Py_ssize_t pieces(const WholeUpdate* w) noexcept nogil:
    return (w.parameters + PIECE - 1) // PIECE


cdef inline void clip_values(Py_ssize_t size, double limit, real* g) noexcept nogil:
    cdef Py_ssize_t i
    cdef real most = <real>limit
    for i in range(size):
        g[i] = most if g[i] > most else (-most if g[i] < -most else g[i])


cdef inline double sum_of_squares(Py_ssize_t size, const real* g) noexcept nogil:
    cdef:
        Py_ssize_t block
        vec value, total = vsplat(0)
        real lanes_[LANES]
        double result = 0
    for block in range(registers(size)):
        value = vload_lanes(g + block * LANES, lanes_of(size - block * LANES))
        total = total + value * value
    vstore(lanes_, total)
    for block in range(LANES):
        result += lanes_[block]
    return result


cdef inline double clip_factor(const WholeUpdate* w) noexcept nogil:
    # The same of every thread.
    cdef Py_ssize_t i
    cdef double total = 0
    if w.clip_norm == 0:
        return 1
    for i in range(pieces(w)):
        total += w.squares[i]
    total = w.clip_norm / (sqrt(total) + 1e-6)
    return total if total < 1 else 1


cdef inline void look_at_piece(const WholeUpdate* w, const Program* p, Py_ssize_t piece) noexcept nogil:
    # Before the norm is known.
    cdef Py_ssize_t at = piece * PIECE, size = min(<Py_ssize_t>PIECE, w.parameters - at)
    if w.clip_value > 0:
        clip_values(size, w.clip_value, p.gradients + at)
    if w.clip_norm > 0:
        w.squares[piece] = sum_of_squares(size, p.gradients + at)
    if w.call != NULL:
        memcpy(w.before + at, p.parameters + at, size * sizeof(real))


cdef inline void update_piece(const WholeUpdate* w, const Program* p, const Optimizer* o, double factor,
                              Py_ssize_t piece) noexcept nogil:
    # Gradients times the factor; and the rule, for the parameters of layers that are not frozen.
    cdef:
        Py_ssize_t at = piece * PIECE, end = min(at + PIECE, w.parameters), i, k, first, stop
        const Operation* operation
    if factor != 1:
        for i in range(at, end):
            p.gradients[i] = <real>(p.gradients[i] * factor)
    if w.call != NULL:
        return
    for k in range(p.count):
        operation = p.operations + k
        first, stop = max(at, operation.w), min(end, operation.w + learned_size(operation))
        if operation.w >= 0 and not operation.frozen and first < stop:
            update_run(o, stop - first, p.gradients + first, first)


cdef inline int update_in_python(const WholeUpdate* w, const Program* p, Py_ssize_t step) noexcept nogil:
    # -1 after an exception; the parameters are as before then, and those of frozen layers are in any case.
    cdef:
        Py_ssize_t k
        const Operation* o
    if call_with_step(w.call, step) != 0:
        memcpy(p.parameters, w.before, w.parameters * sizeof(real))
        return -1
    for k in range(p.count):
        o = p.operations + k
        if o.w >= 0 and o.frozen:
            memcpy(p.parameters + o.w, w.before + o.w, learned_size(o) * sizeof(real))
    return 0


cdef inline int update_whole(const WholeUpdate* w, const Program* p, const Optimizer* o, Team* team, int part,
                             Py_ssize_t step) noexcept nogil:
    # One thread's part, after a meeting that has shared out the pieces. -1, of the first thread, where Python failed.
    cdef int64_t piece
    cdef double factor
    while take_items(team, part, 1, &piece):
        look_at_piece(w, p, piece)
    meet(team, pieces(w))
    factor = clip_factor(w)
    while take_items(team, part, 1, &piece):
        update_piece(w, p, o, factor, piece)
    if w.call == NULL:
        return 0
    meet(team, 0)
    return update_in_python(w, p, step) if part == 0 else 0
