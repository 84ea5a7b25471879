# Predictions, as one thread of a team goes through them.

from libc.stdint cimport int64_t

from ..simd cimport flush_subnormals, real, restore_mode
from ..team cimport meet, take_items
from .forward cimport forward_block, write_outputs
from .program cimport Context, Group, Image, Program, image_of_batch
from .shared cimport share_forward, takes
from .steps cimport Range, Steps, is_set, join_group, last_range, pass_chunks, pass_forward, prepare


cdef inline void predict_images(Steps* s, bint probabilities, int part, Py_ssize_t start, Py_ssize_t n,
                                real* out) noexcept nogil:
    # The images that one thread takes, a block at a time, or that of its group; the team's are n from image `start` on.
    cdef:
        unsigned long long mode = flush_subnormals()
        int64_t first, count
        Context c
        Group group
        Image image
    c.program, c.workers, c.batch, c.optimizer, c.training = s.program, s.workers, &s.batch, NULL, False
    join_group(s, &c, &group, part, n)
    prepare(&c)
    image.transient, image.persistent, image.sums = c.worker.transient, c.worker.persistent, NULL
    if c.group != NULL:
        image.i = start + group.index
        share_forward(&c, &image, 0, s.program.count)
        if takes(&group):
            write_outputs(&c, &image, 1, probabilities, out)
    while c.group == NULL:
        count = take_items(s.team, part, s.program.block, &first)
        if count == 0:
            break
        image.i = start + first
        forward_block(&c, &image, count, 0, s.program.count)
        write_outputs(&c, &image, count, probabilities, out)
    restore_mode(mode)


cdef inline void predict_batch(Steps* s, bint probabilities, int part, real* out) noexcept nogil:
    # Where an operation needs all images of a batch: forward as in a step.
    cdef:
        const Program* p = s.program
        unsigned long long mode = flush_subnormals()
        Range r = last_range(p)
        int64_t first, count
        Context c
        Group group
        Image image
    c.program, c.workers, c.batch, c.optimizer, c.training = p, s.workers, &s.batch, NULL, False
    join_group(s, &c, &group, part, s.batch.own_chunks)
    pass_forward(s, &c, part)
    r.backward = False
    pass_chunks(s, &c, r, part)
    meet(s.team, s.batch.n)
    while not is_set(&s.interrupted):
        count = take_items(s.team, part, p.block, &first)
        if count == 0:
            break
        image = image_of_batch(p, c.worker, &s.batch, first, first)
        write_outputs(&c, &image, count, probabilities, out)
    restore_mode(mode)
