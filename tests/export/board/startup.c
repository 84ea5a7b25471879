/* What a Cortex-M runs before main, and its way out: text and the exit status go to the emulator by semihosting.

   The linker script names the sections. On a Cortex-M4 built for hardware floats, the unit is switched on first. */
#include <stdint.h>

extern uint32_t data_in_flash[], data_start[], data_end[], bss_start[], bss_end[], stack_top[];
int main(void);
void reset(void);
void stopped(void);
void write_text(const char *text);

static int semihosting(int operation, const void *argument)
{
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void write_text(const char *text)
{
    semihosting(0x04, text); /* SYS_WRITE0 */
}

void reset(void)
{
#ifdef __ARM_FP
    *(volatile uint32_t *)0xe000ed88 |= 0xfu << 20; /* CPACR: coprocessors 10 and 11 */
    __asm__ volatile("dsb\n isb");
#endif
    const uint32_t *from = data_in_flash;
    for (uint32_t *to = data_start; to < data_end; to++) {
        *to = *from++;
    }
    for (uint32_t *to = bss_start; to < bss_end; to++) {
        *to = 0;
    }
    main();
    semihosting(0x18, (const void *)0x20026); /* SYS_EXIT, ADP_Stopped_ApplicationExit */
}

void stopped(void) /* at a fault */
{
    write_text("fault\n");
    semihosting(0x18, (const void *)0x20023); /* ADP_Stopped_RunTimeErrorUnknown: status 1 */
}

/* The first stack pointer, the entry point, and the handlers of NMI and of the faults. */
__attribute__((section(".vectors"), used)) static const void *const vectors[] = {
    stack_top, (const void *)reset, (const void *)stopped, (const void *)stopped, (const void *)stopped,
    (const void *)stopped, (const void *)stopped,
};
