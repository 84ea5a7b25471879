# A team of threads that goes through phases of work together; see team.h.

from libc.stdint cimport int64_t

cdef extern from "team.h" nogil:
    ctypedef struct Team:
        int size
    Team* new_team(int threads) noexcept
    void free_team(Team* team) noexcept
    void begin_team(Team* team, int size, int64_t items) noexcept
    int64_t take_items(Team* team, int part, int64_t most, int64_t* first) noexcept
    unsigned meetings(Team* team) noexcept
    void meet(Team* team, int64_t items) noexcept
