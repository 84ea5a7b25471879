# Convolution of one image, channels last: forward, weight gradient, input gradient, each by one thread.
#
#   y[i, j, o]      = b[o] + sum over k, l, c of x[i*sh + k - ph, j*sw + l - pw, c] * w[k, l, c, o]
#   dw[k, l, c, o]  =        sum over i, j    of x[i*sh + k - ph, j*sw + l - pw, c] * dy[i, j, o]
#   dx              = the forward sum over dy, spread by the stride and padded, with w turned by half a circle
#
# The lanes of a register are output channels. In a row of x the positions (l, c) under the kernel lie side by side,
# so the sum over them is one loop of kw * c_in steps. Padding is a copy into a zeroed frame, which costs a few per
# cent and leaves no edge cases in the arithmetic.

from libc.string cimport memcpy, memset

from .simd cimport (
    LANE_MASKS, LANES, MAX_TILE, first_lanes, flattened, lane_range, lanes, lanes_of, real, registers,
    vec, vload_lanes, vmultiply_add, vstore_lanes,
)
from .tile cimport (
    Tile, has_masked_rectangle, rectangle_lines, run_masked_rectangle, run_masked_tile, run_rectangle, run_tile,
)


cdef struct Conv:  # cnn.backends.geometry.ConvGeometry, field by field
    Py_ssize_t h, w, c_in, c_out, kh, kw, sh, sw, ph, pw, oh, ow


cdef struct Grouped:
    # A convolution as the kernels run it: `pixels` neighbouring outputs count as one of pixels * c_out channels.
    Conv conv         # as seen so
    int pixels
    Py_ssize_t c_out  # true channels
    Py_ssize_t rest   # true pixels in the last group of a row, 0 if it is full


cdef struct Frame:
    # Where an image of h x w x c lies inside a zeroed one of rows x columns x c: its top left corner (negative if
    # cut off), and how far apart its rows and its columns are set.
    Py_ssize_t h, w, c, rows, columns, top, left, row_step, column_step


cdef inline Py_ssize_t frame_columns(const Conv* g) noexcept nogil:
    # All that the kernel passes over, groups of pixels that stick out at the end of a row included.
    cdef Grouped s = grouped(g)
    return (s.conv.ow - 1) * s.conv.sw + s.conv.kw


cdef inline Frame input_frame(const Conv* g) noexcept nogil:
    cdef Frame f
    f.h, f.w, f.c = g.h, g.w, g.c_in
    f.rows, f.columns = (g.oh - 1) * g.sh + g.kh, frame_columns(g)
    f.top, f.left = g.ph, g.pw
    f.row_step = f.column_step = 1
    return f


cdef inline Frame output_gradient_frame(const Conv* g) noexcept nogil:
    cdef Frame f
    cdef Conv t = turned(g)
    f.h, f.w, f.c = g.oh, g.ow, g.c_out
    f.rows, f.columns = t.h, frame_columns(&t)
    f.top, f.left = g.kh - 1 - g.ph, g.kw - 1 - g.pw
    f.row_step, f.column_step = g.sh, g.sw
    return f


cdef inline bint frame_is_image(const Frame* f) noexcept nogil:
    # Nothing to add in front, nothing beyond the image is read: the image serves as it is.
    return (f.top == 0 and f.left == 0 and f.rows <= f.h and f.columns <= f.w
            and f.row_step == 1 and f.column_step == 1)


cdef inline Py_ssize_t frame_size(const Frame* f) noexcept nogil:
    return 0 if frame_is_image(f) else f.rows * f.columns * f.c


cdef inline void fill_frame(const Frame* f, const real* image, real* frame) noexcept nogil:
    # The frame was zeroed once; every image overwrites the same places.
    cdef Py_ssize_t i, j, row, first, last
    first = 0 if f.left >= 0 else (-f.left + f.column_step - 1) // f.column_step
    last = 0 if f.left >= f.columns else min(f.w, (f.columns - 1 - f.left) // f.column_step + 1)
    if last <= first:
        return
    for i in range(f.h):
        row = f.top + i * f.row_step
        if row < 0 or row >= f.rows:
            continue
        if f.column_step == 1:
            memcpy(frame + (row * f.columns + f.left + first) * f.c, image + (i * f.w + first) * f.c,
                   (last - first) * f.c * sizeof(real))
        else:
            for j in range(first, last):
                memcpy(frame + (row * f.columns + f.left + j * f.column_step) * f.c, image + (i * f.w + j) * f.c,
                       f.c * sizeof(real))


cdef inline const real* framed(const Frame* f, const real* image, real* frame) noexcept nogil:
    if frame_is_image(f):
        return image
    fill_frame(f, image, frame)
    return frame


cdef inline Py_ssize_t framed_width(const Frame* f) noexcept nogil:
    return (f.w if frame_is_image(f) else f.columns) * f.c


cdef inline Grouped grouped(const Conv* g) noexcept nogil:
    # A few output channels would leave most lanes idle. Output pixels lie side by side, so several of them can share
    # a register: a convolution with pixels * c_out channels, a kernel (pixels - 1) * sw wider, of whose weights some
    # are zero (and masked, so that NaN stays where it is), and a stride of pixels * sw.
    cdef:
        Grouped best
        int pixels
        double use, best_use = 1
    best.pixels, best.rest = 1, 0
    if LANE_MASKS and g.c_out <= LANES // 2:
        for pixels in range(2, <int>min(LANES // g.c_out, g.ow) + 1):
            use = <double>pixels * g.kw / (g.kw + (pixels - 1) * g.sw)
            if use > best_use:
                best.pixels, best_use = pixels, use
    best.conv = g[0]
    best.c_out = g.c_out
    best.conv.ow = (g.ow + best.pixels - 1) // best.pixels
    best.conv.c_out = best.pixels * g.c_out
    best.conv.kw = g.kw + (best.pixels - 1) * g.sw
    best.conv.sw = best.pixels * g.sw
    best.rest = g.ow % best.pixels
    return best


cdef inline Py_ssize_t packed_size(const Grouped* g) noexcept nogil:
    # Reals that `pack_weights` fills: weights, bias, masks.
    return weight_sums_size(g) + g.conv.c_out + g.conv.kw * g.conv.c_in


cdef inline void pack_weights(const Grouped* g, const real* w, const real* b, real* packed) noexcept nogil:
    # w: (kh, kw, c_in, c_out), b: (c_out,) or NULL -> those of the grouped convolution, and the masks of its positions
    cdef:
        const Conv* c = &g.conv
        Py_ssize_t k, l, i, o, p, stride = c.sw // g.pixels, kw = c.kw - (g.pixels - 1) * stride
        real* bias = packed + weight_sums_size(g)
        lanes* masks = <lanes*>(bias + c.c_out)
        real* to = packed
    for k in range(c.kh):
        for l in range(c.kw):
            for i in range(c.c_in):
                for p in range(g.pixels):
                    if 0 <= l - p * stride < kw:
                        memcpy(to, w + ((k * kw + l - p * stride) * c.c_in + i) * g.c_out, g.c_out * sizeof(real))
                    else:
                        memset(to, 0, g.c_out * sizeof(real))
                    to += g.c_out
    for p in range(g.pixels):
        for o in range(g.c_out):
            bias[p * g.c_out + o] = b[o] if b != NULL else 0
    if g.pixels > 1:
        for l in range(c.kw):
            # Pixel p sees position l if 0 <= l - p * stride < kw.
            masks[l * c.c_in] = lane_range(<int>((0 if l < kw else (l - kw) // stride + 1) * g.c_out),
                                           <int>(min(g.pixels, l // stride + 1) * g.c_out))
            for i in range(1, c.c_in):
                masks[l * c.c_in + i] = masks[l * c.c_in]


cdef inline void conv2d_forward(const Grouped* g, const Frame* f, const real* x, const real* packed,
                                real* y) noexcept nogil:
    # x: the framed image; packed: from pack_weights; y: (oh, ow, c_out)
    cdef:
        Tile tile
        const Conv* c = &g.conv
        const real* bias = packed + weight_sums_size(g)
        Py_ssize_t x_width = framed_width(f), y_width = (c.ow * g.pixels - missing(g)) * g.c_out
        Py_ssize_t i = 0, lines, rows, more, first, stop
    tile.last = lanes_of(c.c_out - missing(g) * g.c_out)
    tile.masks = <lanes*>(bias + c.c_out)
    if is_resident(c):
        run_resident(c, x, x_width, packed, tile.masks, tile.last, y_width, y)
        return
    tile.x_row = tile.x_down = c.sh * x_width
    tile.x_tile, tile.x_outer, tile.x_inner = c.sw * c.c_in, x_width, 1
    tile.v_row, tile.v_outer, tile.v_inner = 0, c.kw * c.c_in * c.c_out, c.c_out
    tile.start_row = tile.start_tile = tile.start_down = 0
    tile.y_row, tile.y_tile, tile.y_down = y_width, c.c_out, y_width
    tile.inner = c.kw * c.c_in
    # Rows under which the same rows of the kernel meet the image, not the padding, go together; in a rectangle two
    # rows count as one, which meets what either meets.
    lines = 2 if uses_rectangle(g) else 1
    while i < c.oh:
        rows = min(lines, c.oh - i)
        first, stop = first_row(c, f, i + rows - 1), stop_row(c, f, i)
        while i + rows < c.oh:
            more = min(lines, c.oh - i - rows)
            if first_row(c, f, i + rows + more - 1) != first or stop_row(c, f, i + rows) != stop:
                break
            rows += more
        tile.rows, tile.outer = rows, max(stop - first, 0)
        forward_rows(g, &tile, x + (i * c.sh + first) * x_width, packed + first * tile.v_outer, bias, y + i * y_width)
        i += rows


cdef inline bint uses_rectangle(const Grouped* g) noexcept nogil:
    return g.pixels > 1 and has_masked_rectangle(g.conv.ow)


cdef inline Py_ssize_t first_row(const Conv* c, const Frame* f, Py_ssize_t i) noexcept nogil:
    return min(max(f.top - i * c.sh, 0), c.kh)


cdef inline Py_ssize_t stop_row(const Conv* c, const Frame* f, Py_ssize_t i) noexcept nogil:
    return min(c.kh, f.top + (f.h - 1) * f.row_step + 1 - i * c.sh)


cdef inline Py_ssize_t missing(const Grouped* g) noexcept nogil:
    # Pixels that the last group of a row is short of.
    return g.pixels - g.rest if g.rest else 0


cdef inline void forward_rows(const Grouped* g, Tile* tile, const real* x, const real* w, const real* bias,
                              real* y) noexcept nogil:
    # The rows that the tile says, all columns and channels.
    cdef:
        const Conv* c = &g.conv
        Py_ssize_t block, o, j, t, tiles = (c.ow + MAX_TILE - 1) // MAX_TILE
        Tile pairs
        lanes last = tile.last
        int size
    if uses_rectangle(g) and tile.rows > 1:
        tile.live = lanes_of(c.c_out)
        pairs = tile[0]
        pairs.rows, pairs.x_row, pairs.y_row = tile.rows // 2, 2 * tile.x_row, 2 * tile.y_row
        run_masked_rectangle(c.ow, &pairs, x, w, bias, y)
        x += (tile.rows - 1) * tile.x_row
        y += (tile.rows - 1) * tile.y_row
        tile.rows %= 2
        if tile.rows == 0:
            return
    for block in range(registers(c.c_out)):
        o = block * LANES
        tile.live = lanes_of(c.c_out - o)
        j = 0
        for t in range(tiles):  # of nearly equal widths: 26 columns are 13 and 13, not 14 and 12
            size = <int>((c.ow - j) // (tiles - t))
            tile.last = last if g.pixels > 1 and t == tiles - 1 else tile.live
            if g.pixels == 1:
                run_tile(size, tile, x + j * tile.x_tile, w + o, bias + o, y + j * c.c_out + o)
            else:
                run_masked_tile(size, tile, x + j * tile.x_tile, w, bias, y + j * c.c_out)
            j += size
    tile.last = last


cdef inline bint is_resident(const Conv* c) noexcept nogil:
    # One input channel and a kernel whose weights all stay in registers; 3x4 and 5x6 are 3x3 and 5x5 for two pixels.
    if c.c_in > 1 or c.sh > 1 or c.c_out > LANES:
        return False
    if c.kh == 3:
        return c.kw == 3 and c.sw == 1 or c.kw == 4 and c.sw == 2
    return MAX_TILE == 14 and c.kh == 5 and (c.kw == 5 and c.sw == 1 or c.kw == 6 and c.sw == 2)


cdef inline void resident(const int kh, const int kw, const int step, const Conv* c, const real* x,
                          Py_ssize_t x_width, const real* packed, const lanes* masks, lanes last, Py_ssize_t y_width,
                          real* y) noexcept nogil:
    # With two pixels in a register the outermost positions belong to one of them each.
    cdef:
        vec w[30]
        const real* xr
        real* yr
        Py_ssize_t i, _, y_step = c.c_out, groups = c.ow
        int k, l
        lanes live = lanes_of(c.c_out), left = live, right = live
        vec bias = vload_lanes(packed + kh * kw * c.c_out, live)
    if step > 1:
        left, right = masks[0], masks[kw - 1]
    for i in range(c.oh):
        for k in range(kh):
            for l in range(kw):
                w[k * kw + l] = vload_lanes(packed + (k * kw + l) * y_step, live)
        xr = x + i * x_width
        yr = y + i * y_width
        for _ in range(groups - 1):
            vstore_lanes(yr, resident_sum(kh, kw, xr, x_width, w, bias, left, right), live)
            xr += step
            yr += y_step
        vstore_lanes(yr, resident_sum(kh, kw, xr, x_width, w, bias, left, right), last)


cdef inline vec resident_sum(const int kh, const int kw, const real* x, Py_ssize_t x_width, const vec* w, vec bias,
                             lanes left, lanes right) noexcept nogil:
    # A chain of twelve multiply-adds runs beside those of the next outputs; of 5x5 every row has a sum of its own.
    cdef:
        vec total = bias
        vec zero = vload_lanes(x, first_lanes(0))
        vec sum
        int k, l
    for k in range(kh):
        sum = total if kh == 3 else zero
        for l in range(1, kw - 1):
            sum = sum + x[k * x_width + l] * w[k * kw + l]
        sum = vmultiply_add(sum, x[k * x_width], w[k * kw], left)
        sum = vmultiply_add(sum, x[k * x_width + kw - 1], w[k * kw + kw - 1], right)
        total = sum if kh == 3 else total + sum
    return total


cdef inline flattened run_resident(const Conv* c, const real* x, Py_ssize_t x_width, const real* packed,
                                   const lanes* masks, lanes last, Py_ssize_t y_width, real* y) noexcept nogil:
    if c.kw == 3: resident(3, 3, 1, c, x, x_width, packed, masks, last, y_width, y)
    elif c.kw == 4: resident(3, 4, 2, c, x, x_width, packed, masks, last, y_width, y)
    elif c.kw == 5: resident(5, 5, 1, c, x, x_width, packed, masks, last, y_width, y)
    elif c.kw == 6: resident(5, 6, 2, c, x, x_width, packed, masks, last, y_width, y)


cdef inline Py_ssize_t weight_sums_size(const Grouped* g) noexcept nogil:
    return g.conv.kh * g.conv.kw * g.conv.c_in * g.conv.c_out


cdef inline void conv2d_weight_gradient(const Grouped* g, const Frame* f, const real* x, const real* dy,
                                        real* sums) noexcept nogil:
    # sums: the weight gradient of the grouped convolution, to which this image's is added
    cdef:
        Tile tile
        const Conv* c = &g.conv
        Py_ssize_t block, o, whole = c.ow - 1 if g.rest else c.ow, x_width = framed_width(f)
    tile.outer = c.oh
    tile.x_tile, tile.x_outer, tile.x_inner, tile.x_down = 1, c.sh * x_width, c.sw * c.c_in, x_width
    tile.v_row, tile.v_outer, tile.v_inner = 0, (c.ow * g.pixels - missing(g)) * g.c_out, c.c_out
    tile.start_tile = tile.y_tile = c.c_out
    tile.start_down = tile.y_down = c.kw * c.c_in * c.c_out
    for block in range(registers(c.c_out)):
        o = block * LANES
        tile.inner = whole
        tile.live = tile.last = lanes_of(c.c_out - o)
        weight_gradient_tiles(c, &tile, x, x_width, dy + o, sums + o)
    if g.rest:  # the last pixels of every row fill no register
        tile.inner = 1
        tile.live = tile.last = lanes_of(g.rest * g.c_out)
        weight_gradient_tiles(c, &tile, x + whole * c.sw * c.c_in, x_width, dy + whole * c.c_out, sums)


cdef inline void weight_gradient_tiles(const Conv* c, Tile* tile, const real* x, Py_ssize_t x_width, const real* dy,
                                       real* sums) noexcept nogil:
    # All of w's positions, tile by tile, over the pixels that the tile says.
    cdef:
        Py_ssize_t k = 0, j = 0, t, width = c.kw * c.c_in
        Py_ssize_t down = rectangle_lines(width), tiles = (width + MAX_TILE - 1) // MAX_TILE
        real* to
        int size
    tile.rows = 1
    tile.x_row = tile.start_row = tile.y_row = 0
    while down > 1 and k + down <= c.kh:
        to = sums + k * width * c.c_out
        run_rectangle(width, tile, x + k * x_width, dy, to, to)
        k += down
    if k == c.kh:
        return
    tile.rows = c.kh - k
    tile.x_row, tile.start_row, tile.y_row = x_width, width * c.c_out, width * c.c_out
    for t in range(tiles):
        size = <int>((width - j) // (tiles - t))
        to = sums + (k * width + j) * c.c_out
        run_tile(size, tile, x + k * x_width + j, dy, to, to)
        j += size


cdef inline void unpack_weight_gradient(const Grouped* g, const real* sums, real scale, bint add,
                                        real* dw) noexcept nogil:
    # dw[k, l, i, o] = scale * sum over the pixels p of a register of sums[k, l + p * stride, i, p, o], or added to dw
    cdef:
        const Conv* c = &g.conv
        Py_ssize_t k, l, i, o, p, stride = c.sw // g.pixels, kw = c.kw - (g.pixels - 1) * stride
        real total
    for k in range(c.kh):
        for l in range(kw):
            for i in range(c.c_in):
                for o in range(g.c_out):
                    total = 0
                    for p in range(g.pixels):
                        total += sums[((k * c.kw + l + p * stride) * c.c_in + i) * c.c_out + p * g.c_out + o]
                    dw[0] = scale * total + (dw[0] if add else 0)
                    dw += 1


cdef inline void bias_gradient(Py_ssize_t rows, Py_ssize_t channels, const real* dy, real* db) noexcept nogil:
    # db[o] += sum over rows of dy[row, o]. Four sums at a time hide the latency of an addition.
    cdef:
        vec s0, s1, s2, s3
        const real* p
        Py_ssize_t block, o, _
        lanes live
    for block in range(registers(channels)):
        o = block * LANES
        live = lanes_of(channels - o)
        p = dy + o
        s0 = vload_lanes(db + o, live)
        s1 = s2 = s3 = vload_lanes(p, first_lanes(0))
        for _ in range(0, rows - 3, 4):
            s0 = s0 + vload_lanes(p, live)
            s1 = s1 + vload_lanes(p + channels, live)
            s2 = s2 + vload_lanes(p + 2 * channels, live)
            s3 = s3 + vload_lanes(p + 3 * channels, live)
            p += 4 * channels
        for _ in range(rows % 4):
            s0 = s0 + vload_lanes(p, live)
            p += channels
        vstore_lanes(db + o, (s0 + s1) + (s2 + s3), live)


cdef inline Conv turned(const Conv* g) noexcept nogil:
    # The convolution that takes the framed dy to dx.
    cdef Conv t
    t.h, t.w, t.c_in, t.c_out = g.h + g.kh - 1, g.w + g.kw - 1, g.c_out, g.c_in
    t.kh, t.kw, t.sh, t.sw, t.ph, t.pw = g.kh, g.kw, 1, 1, 0, 0
    t.oh, t.ow = g.h, g.w
    return t


cdef inline void turn_weights(const Conv* g, const real* w, real* out) noexcept nogil:
    # out[k, l, o, c] = w[kh - 1 - k, kw - 1 - l, c, o]
    cdef Py_ssize_t k, c, o, positions = g.kh * g.kw
    for k in range(positions):
        for c in range(g.c_in):
            for o in range(g.c_out):
                out[(k * g.c_out + o) * g.c_in + c] = w[((positions - 1 - k) * g.c_in + c) * g.c_out + o]
