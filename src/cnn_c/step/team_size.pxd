# How many threads work while other processes may want the cores, too: the number that pays best, as measured while the
# work goes on.
#
#   cost = time of an image * cube root of the number of threads:  two threads pay if they are 1.26 times as fast as one
#
# All threads, all but one, half of them, and one are tried in turn, each for TRIAL nanoseconds; then the best number
# works. The others are tried again after a pause, which doubles each time they lose, or at once when the best has
# become worse than they were. A thread whose core another process takes holds up its team until it has one again, which
# may take 3 ms; a trial is longer than that, and older measurements count too, but lose weight with time.
#
# Work of which the smallest piece takes long, such as a step on a large batch, gains by all threads in any case.

from libc.math cimport cbrt
from libc.string cimport memset

cdef enum:
    CANDIDATES = 4
    # nanoseconds:
    TRIAL = 5_000_000
    LONGEST_TRIAL = 20_000_000
    HALF_WEIGHT = 10_000_000       # after which a measurement has half of its weight
    SHORTEST_PAUSE = 20_000_000
    LONGEST_PAUSE = 1_000_000_000
    PROVEN = 500_000_000           # after which the best number's next pause is the shortest again


cdef struct Candidate:
    int threads
    double time, images            # measured, with today's weights; no images: never measured
    long long measured, pause, next_trial


cdef struct TeamSize:
    Candidate candidates[CANDIDATES]
    int count, best, current
    double time, images            # of the current candidate, not yet among its measurements
    long long best_since


cdef inline void set_team_size(TeamSize* t, int most) noexcept nogil:
    # Candidates from `most` threads down to one, none of them measured.
    cdef int i, threads
    memset(t, 0, sizeof(TeamSize))
    for i in range(CANDIDATES):
        threads = most if i == 0 else most - 1 if i == 1 else most // 2 if i == 2 else 1
        if threads >= 1 and (t.count == 0 or threads < t.candidates[t.count - 1].threads):
            t.candidates[t.count].threads, t.candidates[t.count].pause = threads, SHORTEST_PAUSE
            t.count += 1


cdef inline int next_team_size(TeamSize* t, int most) noexcept nogil:
    # For the work that begins now, of at most `most` threads.
    if t.candidates[0].threads != most:
        set_team_size(t, most)
    return t.candidates[t.current].threads


cdef inline bint is_trial(const TeamSize* t) noexcept nogil:
    return t.current != t.best or t.candidates[t.best].images == 0


cdef inline double cost(const Candidate* c) noexcept nogil:
    return c.time / c.images * cbrt(c.threads)


cdef inline void add_time(TeamSize* t, long long now, double time, Py_ssize_t images) noexcept nogil:
    # `time` nanoseconds, up to now, were taken by so many images; chooses the number of threads for what comes next.
    cdef Candidate* c = &t.candidates[t.current]
    cdef double weight
    t.time += time
    t.images += images
    if t.time < TRIAL or (time > LONGEST_TRIAL and t.current == 0):
        return
    weight = HALF_WEIGHT / <double>(HALF_WEIGHT + now - c.measured)
    c.time, c.images, c.measured = weight * c.time + t.time, weight * c.images + t.images, now
    t.time = t.images = 0
    if t.current != t.best:
        compare_with_best(t, now)
    elif now - t.best_since > PROVEN:
        c.pause = SHORTEST_PAUSE
    t.current = next_candidate(t, now)


cdef inline void compare_with_best(TeamSize* t, long long now) noexcept nogil:
    # After a trial; the candidate that loses is not tried again before its pause is over.
    cdef Candidate* loser = &t.candidates[t.current]
    if cost(loser) < cost(&t.candidates[t.best]):
        loser = &t.candidates[t.best]
        t.best, t.best_since = t.current, now
    loser.next_trial = now + loser.pause
    loser.pause = min(2 * loser.pause, <long long>LONGEST_PAUSE)


cdef inline int next_candidate(const TeamSize* t, long long now) noexcept nogil:
    # One to be tried now, or the best.
    cdef int i
    cdef const Candidate* c
    for i in range(t.count):
        c = &t.candidates[i]
        if i != t.best and (c.images == 0 or now >= c.next_trial
                            or cost(c) < cost(&t.candidates[t.best])):
            return i
    return t.best
