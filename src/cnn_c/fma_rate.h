/* How many multiply-adds a core does in registers of 256 and of 512 bits: some processors have one unit for 512 bits
   where they have two for 256, and some are slower in clock while they use it.

   The loops are assembly, so that they compile without -mavx512f; only a processor that has the registers may run them.
   Twelve sums hide the latency of four cycles of two units. */
#ifndef CNN_C_FMA_RATE_H
#define CNN_C_FMA_RATE_H

#include "clock.h"

#if (defined(__x86_64__) || defined(__amd64__)) && defined(__GNUC__)

enum {
    SUMS = 12,
    ROUNDS = 1000,             /* of the loop, some microseconds */
    WARM_UP = 200000,          /* nanoseconds: a core may change its clock for wide registers */
    MEASURED = 100000,         /* nanoseconds */
};

#define ZERO(n) "vxorps %%xmm" n ", %%xmm" n ", %%xmm" n "\n\t"
#define ADD(r, n) "vfmadd231ps %%" r "12, %%" r "13, %%" r n "\n\t"
#define LOOP(r)                                                                                                        \
    ZERO("0") ZERO("1") ZERO("2") ZERO("3") ZERO("4") ZERO("5") ZERO("6") ZERO("7") ZERO("8") ZERO("9") ZERO("10")     \
    ZERO("11") ZERO("12") ZERO("13")                                                                                   \
    "1:\n\t"                                                                                                           \
    ADD(r, "0") ADD(r, "1") ADD(r, "2") ADD(r, "3") ADD(r, "4") ADD(r, "5") ADD(r, "6") ADD(r, "7") ADD(r, "8")        \
    ADD(r, "9") ADD(r, "10") ADD(r, "11")                                                                              \
    "dec %0\n\t"                                                                                                       \
    "jnz 1b\n\t"                                                                                                       \
    "vzeroupper"
#define CLOBBERED                                                                                                      \
    "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",   \
        "xmm13"

static void add_256(void)
{
    long rounds = ROUNDS;
    __asm__ volatile(LOOP("ymm") : "+r"(rounds) : : CLOBBERED);
}

static void add_512(void)
{
    long rounds = ROUNDS;
    __asm__ volatile(LOOP("zmm") : "+r"(rounds) : : CLOBBERED);
}

/* Multiply-adds a nanosecond, the most of some rounds: whatever takes the core away meanwhile does not count. */
static double fma_rate(int bits)
{
    long long start = now(), before, time;
    double most = 0;
    do {
        before = now();
        bits == 512 ? add_512() : add_256();
        time = now() - before;
        if (before - start > WARM_UP && time > 0 && (double)ROUNDS * SUMS * (bits / 32) / (double)time > most)
            most = (double)ROUNDS * SUMS * (bits / 32) / (double)time;
    } while (before - start < WARM_UP + MEASURED);
    return most;
}

#else
static double fma_rate(int bits) { return 0 * bits; }
#endif

#endif
