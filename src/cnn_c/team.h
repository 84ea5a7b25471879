/* A team of threads that goes through phases of work together.

   Before a phase every thread has a share of its items. It takes the first ones of that, a few at a time; when nothing
   is left there, it takes the last ones of another thread's share, so that nobody waits for a thread whose core is slow
   or busy with another process. At the end of a phase the threads meet. One that waits there looks again for a
   tenth of a millisecond, which a phase's last items may take; then it sleeps, and leaves its core to others.

   Without OpenMP there is one thread, and nobody to wait for. */
#ifndef CNN_C_TEAM_H
#define CNN_C_TEAM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "clock.h"

enum { TEAM_LOOKS_FOR = 100000 /* nanoseconds, before a thread sleeps */ };

typedef struct {
    _Alignas(64) _Atomic uint64_t rest; /* items that nobody has taken: the first in the low half, their end in the high */
} Share;

typedef struct {
    int size;
    Share *shares;
    _Alignas(64) atomic_int arrived; /* threads that wait for the end of the phase */
    _Alignas(64) atomic_uint phase;  /* how many have ended */
    atomic_int asleep;
    pthread_mutex_t lock;
    pthread_cond_t ended;
} Team;

/* Memory for a team of at most so many threads; NULL if there is none. */
static inline Team *new_team(int threads)
{
    void *memory = NULL;
    if (posix_memalign(&memory, 64, sizeof(Team) + (size_t)threads * sizeof(Share)))
        return NULL;
    Team *team = memory;
    team->size = 1;
    team->shares = (Share *)(team + 1);
    atomic_init(&team->arrived, 0);
    atomic_init(&team->phase, 0);
    atomic_init(&team->asleep, 0);
    pthread_mutex_init(&team->lock, NULL);
    pthread_cond_init(&team->ended, NULL);
    return team;
}

static inline void free_team(Team *team)
{
    if (team == NULL)
        return;
    pthread_cond_destroy(&team->ended);
    pthread_mutex_destroy(&team->lock);
    free(team);
}

static inline void share_items(Team *team, int64_t items)
{
    for (int i = 0; i < team->size; i++) {
        uint64_t first = (uint64_t)(items * i / team->size), end = (uint64_t)(items * (i + 1) / team->size);
        atomic_store_explicit(&team->shares[i].rest, end << 32 | first, memory_order_relaxed);
    }
}

/* Before the threads begin: how many they are, and the items of the first phase. */
static inline void begin_team(Team *team, int size, int64_t items)
{
    team->size = size;
    share_items(team, items);
}

/* The next items of this phase for thread `part`, at most `most`: how many, and the number of the first. */
static inline int64_t take_items(Team *team, int part, int64_t most, int64_t *first)
{
    for (int i = 0; i < team->size; i++) {
        Share *share = team->shares + (part + i) % team->size;
        uint64_t rest = atomic_load_explicit(&share->rest, memory_order_relaxed), left;
        for (;;) {
            int64_t begin = (int64_t)(rest & UINT32_MAX), end = (int64_t)(rest >> 32);
            int64_t count = end - begin < most ? end - begin : most;
            if (count <= 0)
                break;
            *first = i == 0 ? begin : end - count;
            left = i == 0 ? rest + (uint64_t)count : rest - ((uint64_t)count << 32);
            if (atomic_compare_exchange_weak_explicit(&share->rest, &rest, left, memory_order_relaxed,
                                                      memory_order_relaxed))
                return count;
        }
    }
    return 0;
}

static inline void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

static inline void wait_for_end(Team *team, unsigned phase)
{
    long long until = now() + TEAM_LOOKS_FOR;
    do {
        for (int i = 0; i < 16; i++) {
            if (atomic_load_explicit(&team->phase, memory_order_acquire) != phase)
                return;
            pause_briefly();
        }
    } while (now() < until);
    pthread_mutex_lock(&team->lock);
    atomic_fetch_add(&team->asleep, 1);
    while (atomic_load(&team->phase) == phase)
        pthread_cond_wait(&team->ended, &team->lock);
    atomic_fetch_sub(&team->asleep, 1);
    pthread_mutex_unlock(&team->lock);
}

/* How often the threads have met. */
static inline unsigned meetings(Team *team)
{
    return atomic_load_explicit(&team->phase, memory_order_relaxed);
}

/* Wait until all threads are here. What each has written before, all see afterwards; the next phase has `items`. */
static inline void meet(Team *team, int64_t items)
{
    unsigned phase = atomic_load_explicit(&team->phase, memory_order_relaxed);
    if (team->size > 1 && atomic_fetch_add(&team->arrived, 1) + 1 < team->size) {
        wait_for_end(team, phase);
        return;
    }
    share_items(team, items);
    if (team->size == 1)
        return;
    atomic_store_explicit(&team->arrived, 0, memory_order_relaxed);
    atomic_store(&team->phase, phase + 1);
    if (atomic_load(&team->asleep) > 0) {
        pthread_mutex_lock(&team->lock);
        pthread_cond_broadcast(&team->ended);
        pthread_mutex_unlock(&team->lock);
    }
}

#endif
