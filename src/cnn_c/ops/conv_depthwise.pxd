# Depthwise convolution, every channel by itself, of one image, by one thread; with the weights flipped, its input
# gradient too.
#
#   y[i, j, o] = b[o] + sum over k, l of x[(i*sh + k*dilation_h - ph) / up_h, (j*sw + l*dilation_w - pw) / up_w, o]
#                                        * w[k, l, o], where both are whole
#
# up: 1, or for an input gradient the stride. The lanes of a register are channels, of x as of y. There are few products
# for each number that is read, so nothing is copied into a padded image: the sums go over what lies inside of it.

from ..simd cimport LANES, flattened, lanes, lanes_of, real, registers, vec, vload, vload_lanes, vstore, vstore_lanes
from .conv_shape cimport Conv
from .depthwise_columns cimport (
    Columns, Meeting, Pair, columns_of, is_inside, meeting, meets, open_outputs, pair_of, position, slides,
)
from .padding cimport Padding


cdef inline flattened depthwise_forward(const Conv* c, const Padding* f, const real* x, const real* w,
                                        const real* bias, real* y) noexcept nogil:
    # x: (f.h, f.w, c_out), w: (kh, kw, c_out), y: (oh, ow, c_out). Row by row: one of all channels is in the first
    # cache.
    cdef:
        Py_ssize_t i = 0, r, y_row = c.ow * c.c_out
        bint sliding = slides(c, f)
        Meeting rows
        Pair pair = pair_of(c, f, 0)
        Columns s = columns_of(c, f, 0)
    while i < c.oh:
        if i + 1 == c.oh and pair.exists:  # the last row of an odd number, and once more the one before
            i -= 1
        pair = pair_of(c, f, i)
        if pair.exists:
            if s.step == 2: slide_pair(2, 1, c, &s, &pair, x, w, bias, y + i * y_row)
            elif s.up == 2: slide_pair(1, 2, c, &s, &pair, x, w, bias, y + i * y_row)
            else: slide_pair(1, 1, c, &s, &pair, x, w, bias, y + i * y_row)
            i += 2
            continue
        rows = meeting(i * c.sh - c.ph, c.dilation_h, f.row_step, f.h, c.kh)
        if not sliding:
            any_row(c, f, &rows, x, w, bias, y + i * y_row)
        for r in range(c.dilation_w if sliding else 0):
            s = columns_of(c, f, r)
            if c.kw == 3: slide_row_of_kind(3, c, &s, &rows, x, w, bias, y + i * y_row)
            elif c.kw == 5: slide_row_of_kind(5, c, &s, &rows, x, w, bias, y + i * y_row)
            else: slide_row(7, 1, 1, c, &s, &rows, x, w, bias, y + i * y_row)
        i += 1


# Two rows of y, with 3x3 weights in nine registers.

cdef inline void slide_pair(const int step, const int up, const Conv* c, const Columns* s, const Pair* pair,
                            const real* x, const real* w, const real* bias, real* y) noexcept nogil:
    # A register of channels after the other, the last of which overlap. The columns of x pass once: `step` of them in a
    # round, which ends `up` outputs of each row.
    cdef:
        vec weights[9]
        vec sums[6]
        const real* p
        real* q
        Py_ssize_t block, o, t, stop
        int l
    x += pair.line * s.x_row + s.x_first + s.first * step * s.x_pixel
    y += s.y_first + s.first * up * s.y_pixel
    for block in range(registers(c.c_out)):
        o = min(block * LANES, c.c_out - LANES)
        for l in range(6):
            sums[l] = vload(bias + o)
        for l in range(9):
            weights[l] = vload(w + o + l * c.c_out)
        p, q, t = x + o, y + o, s.first
        while t < s.stop:
            stop = s.main if t <= s.main else s.stop
            while t < stop:
                pair_round(True, step, up, s, t, pair, p, weights, bias + o, sums, q)
                p += step * s.x_pixel
                q += up * s.y_pixel
                t += 1
            while t < s.main_stop:
                pair_round(False, step, up, s, t, pair, p, weights, bias + o, sums, q)
                p += step * s.x_pixel
                q += up * s.y_pixel
                t += 1


cdef inline void pair_round(const bint at_border, const int step, const int up, const Columns* s, Py_ssize_t t,
                            const Pair* pair, const real* x, const vec* weights, const real* bias, vec* sums,
                            real* y) noexcept nogil:
    # sums[r, n]: of the n-th output of row r that is not ended
    cdef:
        vec value
        int i, d, r, n, k, l
    for i in range(step):
        if at_border and not is_inside(s.column + t * step + i, s.w):
            continue
        for d in range(meets(step, up)):
            if d == 0 and pair.lacks_first or d == meets(step, up) - 1 and pair.lacks_last:
                continue
            value = vload(x + d * s.x_row + i * s.x_pixel)
            for r in range(2):
                k = d * up + up - 1 - r * step
                for n in range(open_outputs(3, step)):
                    l = position(3, i, n, step, up)
                    if 0 <= k < 3 and 0 <= l < 3:
                        sums[3 * r + n] = sums[3 * r + n] + value * weights[3 * k + l]
    for r in range(2):
        for n in range(up):
            if not at_border or is_inside(s.out + t * up + n, s.ow):
                vstore(y + r * s.y_row + n * s.y_pixel, sums[3 * r + n])
        for n in range(open_outputs(3, step)):
            sums[3 * r + n] = sums[3 * r + n + up] if n + up < open_outputs(3, step) else vload(bias)


# One row of y, with any lines of the kernel.

cdef inline void slide_row_of_kind(const int kw, const Conv* c, const Columns* s, const Meeting* rows, const real* x,
                                   const real* w, const real* bias, real* y) noexcept nogil:
    if s.step == 2: slide_row(kw, 2, 1, c, s, rows, x, w, bias, y)
    elif s.up == 2: slide_row(kw, 1, 2, c, s, rows, x, w, bias, y)
    else: slide_row(kw, 1, 1, c, s, rows, x, w, bias, y)


cdef inline void slide_row(const int kw, const int step, const int up, const Conv* c, const Columns* s,
                           const Meeting* rows, const real* x, const real* w, const real* bias,
                           real* y) noexcept nogil:
    # As slide_pair.
    cdef:
        vec sums[7]
        const real* p
        real* q
        Py_ssize_t block, o, t
        int l
    x += rows.at * s.x_row + s.x_first + s.first * step * s.x_pixel
    y += s.y_first + s.first * up * s.y_pixel
    w += rows.first * kw * c.c_out
    for block in range(registers(c.c_out)):
        o = min(block * LANES, c.c_out - LANES)
        for l in range(kw):
            sums[l] = vload(bias + o)
        p, q = x + o, y + o
        for t in range(s.first, s.stop):
            row_round(kw, step, up, c, s, t, rows, p, w + o, bias + o, sums, q)
            p += step * s.x_pixel
            q += up * s.y_pixel


cdef inline void row_round(const int kw, const int step, const int up, const Conv* c, const Columns* s, Py_ssize_t t,
                           const Meeting* rows, const real* x, const real* w, const real* bias, vec* sums,
                           real* y) noexcept nogil:
    # sums[n]: as in pair_round
    cdef:
        vec value
        const real* p
        const real* v
        Py_ssize_t _, x_down = rows.at_step * s.x_row, w_down = rows.step * kw * c.c_out
        int i, n, l
    for i in range(step):
        if not is_inside(s.column + t * step + i, s.w):
            continue
        p, v = x + i * s.x_pixel, w
        for _ in range(rows.count):
            value = vload(p)
            for n in range(open_outputs(kw, step)):
                l = position(kw, i, n, step, up)
                if 0 <= l < kw:
                    sums[n] = sums[n] + value * vload(v + l * c.c_out)
            p += x_down
            v += w_down
    for n in range(up):
        if is_inside(s.out + t * up + n, s.ow):
            vstore(y + n * s.y_pixel, sums[n])
    for n in range(open_outputs(kw, step)):
        sums[n] = sums[n + up] if n + up < open_outputs(kw, step) else vload(bias)


cdef inline void any_row(const Conv* c, const Padding* f, const Meeting* rows, const real* x, const real* w,
                         const real* bias, real* y) noexcept nogil:
    # A row of y with any kernel, one output after the other.
    cdef:
        vec total
        Meeting columns
        Py_ssize_t j, block, o, k, _, channels = c.c_out
        const real* p
        const real* v
        lanes live
    x += rows.at * f.w * channels
    w += rows.first * c.kw * channels
    for j in range(c.ow):
        columns = meeting(j * c.sw - c.pw, c.dilation_w, f.column_step, f.w, c.kw)
        for block in range(registers(channels)):
            o = block * LANES
            live = lanes_of(channels - o)
            total = vload_lanes(bias + o, live)
            for k in range(rows.count):
                p = x + (k * rows.at_step * f.w + columns.at) * channels + o
                v = w + (k * rows.step * c.kw + columns.first) * channels + o
                for _ in range(columns.count):
                    total = total + vload_lanes(p, live) * vload_lanes(v, live)
                    p += columns.at_step * channels
                    v += columns.step * channels
            vstore_lanes(y + o, total, live)
        y += channels
