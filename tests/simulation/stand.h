/* stand: what stands before libc in the simulation (stand.c). */
#ifndef TESTS_SIMULATION_STAND_H
#define TESTS_SIMULATION_STAND_H

/* As the kernel does for timers with TFD_TIMER_CANCEL_ON_SET. */
void stand_tell_clock_set(void);
/* The process has closed its timers. */
void stand_forget_clocks(void);
/* How often the kernel was asked for random bytes. */
unsigned stand_drawn(void);

#endif
