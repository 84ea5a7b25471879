/* The time that passes, for measurements and time limits. */
#ifndef CNN_C_CLOCK_H
#define CNN_C_CLOCK_H

#include <time.h>

static inline long long now(void) /* nanoseconds */
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000000000 + t.tv_nsec;
}

#endif
