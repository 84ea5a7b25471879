# The dense layer's gradients over a block of images, by one thread. The weights lie unit by unit, w: (units, inputs).
#
#   dx[n, k] = sum over u of dy[n, u] * w[u, k]
#   dw[u, k] = sum over n of dy[n, u] * x[n, k]     at once used to update w, and never stored
#
# Scalars times vectors of inputs, in tiles as in dense_forward.pxd. The rule of the optimiser is a constant where the
# loops are compiled. `dense_update` has a line for those that are used most, which update from registers, and
# `dense_backward_image` one for each.

from ..simd cimport (
    LANES, MATRIX_SIDE, USUAL_CASES, first_lanes, flattened, lanes, lanes_of, prefetch_to_write, real, registers, vec,
    vload, vload_lanes, vsplat, vstore, vstore_lanes,
)
from ..step.optimizer cimport (
    ADADELTA, ADAM, ANY_RULE, KEEP_GRADIENT, LION, RMSPROP, RMSPROP_MOMENTUM, SGD, SGD_MOMENTUM, Optimizer,
    update_lanes, update_run,
)
from .dense_forward cimport Dense


cdef inline void outer_products(const int down, const int across, Py_ssize_t count, const real** s, Py_ssize_t s_step,
                                const real* v, Py_ssize_t v_step, lanes live, vec* sums) noexcept nogil:
    # sums[d, a, :] = sum over j of s[d][j * s_step] * v[j * v_step + a * LANES + :]
    cdef:
        vec row[4]
        Py_ssize_t j
        int d, a
    for d in range(down):
        for a in range(across):
            sums[d * across + a] = vload_lanes(v, first_lanes(0))
    for j in range(count):
        for a in range(across):
            row[a] = vload(v + a * LANES) if across > 1 else vload_lanes(v, live)
        for d in range(down):
            for a in range(across):
                sums[d * across + a] = sums[d * across + a] + s[d][j * s_step] * row[a]
        v += v_step


cdef inline Py_ssize_t column_blocks(const Dense* g) noexcept nogil:
    # Columns of the weights as both gradients take them: blocks of MATRIX_SIDE registers, then single ones.
    cdef Py_ssize_t wide = g.inputs // (MATRIX_SIDE * LANES)
    return wide + (g.inputs - wide * MATRIX_SIDE * LANES + LANES - 1) // LANES


cdef inline Py_ssize_t column(const Dense* g, Py_ssize_t block) noexcept nogil:
    cdef Py_ssize_t wide = g.inputs // (MATRIX_SIDE * LANES)
    return block * MATRIX_SIDE * LANES if block <= wide else wide * MATRIX_SIDE * LANES + (block - wide) * LANES


cdef inline void input_gradient_tile(const int down, const int across, const Dense* g, Py_ssize_t left,
                                     const real** s, const real* w, lanes live, real* dx,
                                     Py_ssize_t dx_step) noexcept nogil:
    cdef vec sums[16]
    cdef int d, a
    outer_products(down, across, g.units, s, 1, w, g.inputs, live, sums)
    for d in range(down):
        if d < left:
            for a in range(across):
                vstore_lanes(dx + d * dx_step + a * LANES, sums[d * across + a], live)


cdef inline flattened dense_input_gradient(const Dense* g, Py_ssize_t block, Py_ssize_t n, const real* dy,
                                           Py_ssize_t dy_step, const real* w, real* dx,
                                           Py_ssize_t dx_step) noexcept nogil:
    # One block of columns of dx: n rows of inputs, dx_step apart; dy: n rows of units, dy_step apart
    cdef:
        Py_ssize_t image, k = column(g, block)
        bint wide = block < g.inputs // (MATRIX_SIDE * LANES)
        lanes live = lanes_of(g.inputs - k)
        const real* s[4]
        int i
    for image in range(0, n, 4):
        for i in range(4):
            s[i] = dy + min(image + i, n - 1) * dy_step
        if n - image == 1:
            if wide: input_gradient_tile(1, MATRIX_SIDE, g, 1, s, w + k, live, dx + image * dx_step + k, dx_step)
            else: input_gradient_tile(1, 1, g, 1, s, w + k, live, dx + image * dx_step + k, dx_step)
        else:
            if wide:
                input_gradient_tile(4, MATRIX_SIDE, g, n - image, s, w + k, live, dx + image * dx_step + k, dx_step)
            else:
                input_gradient_tile(4, 1, g, n - image, s, w + k, live, dx + image * dx_step + k, dx_step)


cdef inline void update_tile(const int kind, const int down, const int across, const Dense* g, Py_ssize_t left,
                             Py_ssize_t n, const real** s, Py_ssize_t dy_step, const real* x, Py_ssize_t x_step,
                             lanes live, Py_ssize_t width, Optimizer optimizer, Py_ssize_t at,
                             Py_ssize_t ahead) noexcept nogil:
    # width: of the columns, no more than `across` registers
    cdef:
        vec sums[16]
        real rows[16 * LANES]
        Py_ssize_t row
        int d, a
    for d in range(down):
        for a in range(across):
            prefetch_to_write(optimizer.parameters + ahead + d * g.inputs + a * LANES)
            if kind != SGD:
                prefetch_to_write(optimizer.first + ahead + d * g.inputs + a * LANES)
    outer_products(down, across, n, s, dy_step, x, x_step, live, sums)
    if kind == ANY_RULE:
        for a in range(down * across):
            vstore(rows + a * LANES, sums[a])
        for row in range(min(<Py_ssize_t>down, left)):
            update_run(&optimizer, width, rows + row * across * LANES, at + row * g.inputs)
        return
    for d in range(down):
        if d < left:
            for a in range(across):
                update_lanes(kind, optimizer, sums[d * across + a], at + d * g.inputs + a * LANES, live)


cdef inline void update_columns(const int kind, const Dense* g, Py_ssize_t block, Py_ssize_t first, Py_ssize_t stop,
                                Py_ssize_t n, const real* dy, Py_ssize_t dy_step, const real* x, Py_ssize_t x_step,
                                Optimizer optimizer, Py_ssize_t w) noexcept nogil:
    cdef:
        Py_ssize_t unit, k = column(g, block)
        bint wide = block < g.inputs // (MATRIX_SIDE * LANES)
        lanes live = lanes_of(g.inputs - k)
        const real* s[4]
        int u
    for unit in range(first, stop, 4):
        for u in range(4):
            s[u] = dy + min(unit + u, stop - 1)
        if wide:
            update_tile(kind, 4, MATRIX_SIDE, g, stop - unit, n, s, dy_step, x + k, x_step, first_lanes(LANES),
                        MATRIX_SIDE * LANES, optimizer, w + unit * g.inputs + k,
                        w + min(unit + 4, g.units - 4) * g.inputs + k)
        else:
            update_tile(kind, 4, 1, g, stop - unit, n, s, dy_step, x + k, x_step, live,
                        min(<Py_ssize_t>LANES, g.inputs - k), optimizer, w + unit * g.inputs + k,
                        w + min(unit + 4, g.units - 4) * g.inputs + k)


cdef inline flattened dense_update(const Dense* g, Py_ssize_t block, Py_ssize_t first, Py_ssize_t stop, Py_ssize_t n,
                                   const real* dy, Py_ssize_t dy_step, const real* x, Py_ssize_t x_step,
                                   const Optimizer* o, Py_ssize_t w) noexcept nogil:
    # The weights of units first .. stop in one block of columns; w: where they begin among the parameters
    if o.kind == SGD: update_columns(SGD, g, block, first, stop, n, dy, dy_step, x, x_step, o[0], w)
    elif o.kind == SGD_MOMENTUM:
        update_columns(SGD_MOMENTUM, g, block, first, stop, n, dy, dy_step, x, x_step, o[0], w)
    elif USUAL_CASES and o.kind == ADAM:
        update_columns(ADAM, g, block, first, stop, n, dy, dy_step, x, x_step, o[0], w)
    else: update_columns(ANY_RULE, g, block, first, stop, n, dy, dy_step, x, x_step, o[0], w)


# ---- both at once, for a batch of one image ----

cdef inline void backward_registers(const int kind, const int count, const Dense* g, const real* gradients,
                                    const real* x, Optimizer optimizer, Py_ssize_t w, lanes live, bint first,
                                    real* dx) noexcept nogil:
    cdef:
        vec sum, value = vload_lanes(x, live), zero = vsplat(0)
        int u
    if dx != NULL:
        sum = vload_lanes(dx, first_lanes(0) if first else live)
        for u in range(count):
            sum = sum + gradients[u] * vload_lanes(optimizer.parameters + w + u * g.inputs, live)
        vstore_lanes(dx, sum, live)
    for u in range(count):
        # A sum, as of several images: else the product would be fused with the decay, and not be rounded as a gradient.
        update_lanes(kind, optimizer, zero + gradients[u] * value, w + u * g.inputs, live)


cdef inline void backward_units(const int kind, const int count, const Dense* g, const real* dy, const real* x,
                                Optimizer optimizer, Py_ssize_t w, bint first, Py_ssize_t k, Py_ssize_t end,
                                real* dx) noexcept nogil:
    # dx (+)= dy @ w over `count` units, whose weights are updated as soon as they were used: they pass by once. The
    # inputs from k up to `end`.
    cdef:
        Py_ssize_t _
        real gradients[4]  # copies: the compiler cannot know that w and dy do not overlap
        int u
    for u in range(count):
        gradients[u] = dy[u]
    for _ in range((end - k) // LANES):
        backward_registers(kind, count, g, gradients, x + k, optimizer, w + k, first_lanes(LANES), first,
                           dx + k if dx != NULL else NULL)
        k += LANES
    if k < end:
        backward_registers(kind, count, g, gradients, x + k, optimizer, w + k, lanes_of(end - k), first,
                           dx + k if dx != NULL else NULL)


cdef inline void backward_image(const int kind, const bint unrolled, const Dense* g, const real* dy, const real* x,
                                Optimizer optimizer, Py_ssize_t w, Py_ssize_t k, Py_ssize_t end,
                                real* dx) noexcept nogil:
    # From the last unit to the first: the forward pass has left the last weights in the first cache. Four at a time,
    # from a multiple of four on; their loop is unrolled for rules that are used much.
    cdef Py_ssize_t unit = g.units, at
    cdef bint first
    cdef int count
    while unit > 0:
        count = 1 if unit & 3 else 4
        first = unit == g.units
        unit -= count
        at = w + unit * g.inputs
        if not unrolled: backward_units(kind, count, g, dy + unit, x, optimizer, at, first, k, end, dx)
        elif count == 4: backward_units(kind, 4, g, dy + unit, x, optimizer, at, first, k, end, dx)
        else: backward_units(kind, 1, g, dy + unit, x, optimizer, at, first, k, end, dx)


cdef inline flattened dense_backward_image(const Dense* g, const real* dy, const real* x, const Optimizer* o,
                                           Py_ssize_t w, Py_ssize_t k, Py_ssize_t end, real* dx) noexcept nogil:
    # dy: (units,), x: (inputs,); w: where the weights begin among the parameters -> dx: (inputs,), or NULL; of inputs
    # from k, which is a multiple of LANES, up to `end`
    if o.kind == SGD: backward_image(SGD, True, g, dy, x, o[0], w, k, end, dx)
    elif o.kind == SGD_MOMENTUM: backward_image(SGD_MOMENTUM, USUAL_CASES, g, dy, x, o[0], w, k, end, dx)
    elif o.kind == ADAM: backward_image(ADAM, USUAL_CASES, g, dy, x, o[0], w, k, end, dx)
    elif o.kind == RMSPROP: backward_image(RMSPROP, False, g, dy, x, o[0], w, k, end, dx)
    elif o.kind == RMSPROP_MOMENTUM: backward_image(RMSPROP_MOMENTUM, False, g, dy, x, o[0], w, k, end, dx)
    elif o.kind == ADADELTA: backward_image(ADADELTA, False, g, dy, x, o[0], w, k, end, dx)
    elif o.kind == LION: backward_image(LION, False, g, dy, x, o[0], w, k, end, dx)
    else: backward_image(KEEP_GRADIENT, False, g, dy, x, o[0], w, k, end, dx)


# ---- chunk by chunk, for other processes ----

cdef enum:
    TREE_LEVELS = 8  # more than MOST_CHUNKS need


cdef inline void sums_of_chunks(const int down, const int across, const Py_ssize_t* starts, Py_ssize_t chunks,
                                const real** s, Py_ssize_t s_step, const real* v, Py_ssize_t v_step, lanes live,
                                vec* result) noexcept nogil:
    # As `outer_products`, of the images of so many chunks, which begin at `starts`: chunks are added up in pairs, then
    # pairs of pairs and so on, as soon as both are there, so that the sums that wait are few and stay in the first
    # cache. s and v are those of the batch's first image.
    cdef:
        vec waiting[TREE_LEVELS][16]
        vec sums[16]  # of the last chunk and those that it was added to: in registers
        const real* at[4]
        Py_ssize_t chunk, index
        int depth = 0, d, k
    for chunk in range(chunks):
        for d in range(down):
            at[d] = s[d] + starts[chunk] * s_step
        outer_products(down, across, starts[chunk + 1] - starts[chunk], at, s_step, v + starts[chunk] * v_step, v_step,
                       live, sums)
        index = chunk
        while depth > 0 and (index & 1 or chunk == chunks - 1):
            depth -= 1
            for k in range(down * across):
                sums[k] = waiting[depth][k] + sums[k]
            index >>= 1
        for k in range(down * across):
            waiting[depth][k] = sums[k]
        depth += 1
    for k in range(down * across):
        result[k] = waiting[0][k]


cdef inline void sums_tile(const int across, const Dense* g, Py_ssize_t left, const Py_ssize_t* starts,
                           Py_ssize_t chunks, const real** s, const real* x, Py_ssize_t step, lanes live,
                           real* to) noexcept nogil:
    cdef vec sums[16]
    cdef int d, a
    sums_of_chunks(4, across, starts, chunks, s, step, x, step, live, sums)
    for d in range(4):
        if d < left:
            for a in range(across):
                vstore_lanes(to + d * g.inputs + a * LANES, sums[d * across + a], live)


cdef inline flattened dense_sums(const Dense* g, Py_ssize_t block, Py_ssize_t unit, const Py_ssize_t* starts,
                                 Py_ssize_t chunks, const real* dy, const real* x, Py_ssize_t step,
                                 real* sums) noexcept nogil:
    # dw[u, k] of the images of so many chunks, for four units in one block of columns; dy and x: of all images of the
    # batch, `step` apart
    cdef:
        Py_ssize_t k = column(g, block)
        const real* s[4]
        int u
    for u in range(4):
        s[u] = dy + min(unit + u, g.units - 1)
    if block < g.inputs // (MATRIX_SIDE * LANES):
        sums_tile(MATRIX_SIDE, g, g.units - unit, starts, chunks, s, x + k, step, first_lanes(LANES),
                  sums + unit * g.inputs + k)
    else:
        sums_tile(1, g, g.units - unit, starts, chunks, s, x + k, step, lanes_of(g.inputs - k),
                  sums + unit * g.inputs + k)


cdef inline void dense_bias_sums(const Dense* g, const Py_ssize_t* starts, Py_ssize_t chunks, const real* dy,
                                 Py_ssize_t step, real* sums) noexcept nogil:
    # The same of the bias: dy times one.
    cdef:
        Py_ssize_t block, unit
        real one = 1
        const real* s[4]
        vec total
    s[0] = &one
    for block in range(registers(g.units)):
        unit = block * LANES
        sums_of_chunks(1, 1, starts, chunks, s, 0, dy + unit, step, lanes_of(g.units - unit), &total)
        vstore_lanes(sums + unit, total, lanes_of(g.units - unit))


# ---- the bias ----

cdef inline void dense_update_bias(const Dense* g, Py_ssize_t n, const real* dy, Py_ssize_t dy_step,
                                   const Optimizer* optimizer, Py_ssize_t b) noexcept nogil:
    cdef Py_ssize_t block, unit, image
    cdef vec total
    cdef lanes live
    cdef real sums[LANES]
    for block in range(registers(g.units)):
        unit = block * LANES
        live = lanes_of(g.units - unit)
        total = vsplat(0)
        for image in range(n):
            total = total + vload_lanes(dy + image * dy_step + unit, live)
        vstore(sums, total)
        update_run(optimizer, min(<Py_ssize_t>LANES, g.units - unit), sums, b + unit)
