/* clock: a loop's two clocks, and which of them a wait goes by. Owned by its loop and used on that loop's thread alone.
 *
 *     wait                                     in this process              after a restart
 *     relative: sw_sleep, a retry's pause,     the steady clock             at the journaled due time, at the latest
 *               a run's deadline                                            its full length after the process began
 *     absolute: sw_sleep_until                 the wall clock as it is set  the wall clock as it is set
 *     all else: holds, time-outs, park-after   the steady clock             begins anew
 *
 * The steady clock (CLOCK_BOOTTIME) is set by nobody and goes on while the machine sleeps. The journal's times are
 * those of the wall clock, which anybody may set, also twice to the same hour. So the loop's clock remembers how far
 * the wall clock was ahead of the steady one after each *setting*, and an entry's `epoch` says under which setting its
 * times were taken: together they lead from a journaled time back to the steady clock for as long as the process lives.
 */
#ifndef RUNTIME_BASE_CLOCK_H
#define RUNTIME_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Settings beyond this number take the place of the last one: its entries may then be off by what the clock was set. */
enum { CLOCK_SETTINGS_MAX = 1024 };
/* A wall clock that deviates by more has been set. Two readings of one moment differ by less, unless the thread lost
 * its processor in between. */
enum { CLOCK_SET_MS = 20 };

typedef struct loop_clock {
    uint64_t opening; /* of the store, by this process */
    int64_t began_ms; /* steady, when this process began with the journal */
    uint32_t setting; /* the current one; 0: the wall clock has not been set since */
    bool was_set;     /* the wall clock was set, and clock_take_set() has not told so yet */
    int64_t set_by_ms;
    int64_t ahead_ms[CLOCK_SETTINGS_MAX]; /* wall clock less steady clock, by setting */
} loop_clock;

/* One reading of both clocks. */
typedef struct clock_instant {
    int64_t wall_ms, steady_ms; /* wall: Unix, at most CLOCK_SET_MS off */
    uint64_t steady_us;
    uint64_t epoch; /* for an entry that has wall_ms */
} clock_instant;

/* Until when a strand or a run waits. Zeros: no wait. */
typedef struct clock_wait {
    int64_t due_ms;    /* Unix, as journaled */
    int64_t steady_ms; /* relative: when it is over */
    bool absolute;
} clock_wait;

/* What a wait says in the journal. */
typedef struct clock_entry {
    uint64_t epoch;
    int64_t at_ms, due_ms;
    bool absolute;
} clock_entry;

/* A time that the journal has. */
typedef struct clock_mark {
    uint64_t epoch;
    int64_t at_ms; /* Unix */
} clock_mark;

/* The first of several waits, of each kind; CLOCK_NEVER: there is none. */
typedef struct clock_alarm {
    int64_t steady_ms; /* of the relative ones */
    int64_t wall_ms;   /* of the absolute ones, Unix */
} clock_alarm;

static const int64_t CLOCK_NEVER = INT64_MAX;

int64_t clock_steady_ms(void); /* counts from one moment for all processes of a machine, until it is started anew */
uint64_t clock_steady_us(void);
int64_t clock_wall_ms(void); /* Unix */
/* Moves both clocks of this process forward. For --prove, which waits for nothing. */
void clock_skip_us(uint64_t us);
/* Marks functions that read a clock or random numbers for the library: by their section --prove tells them from the
 * program's own functions, when both are linked into one file. */
#define CLOCK_READER __attribute__((noinline, section("stepwell_readers")))

/* Begins a loop's clock. `opening`: which opening of the store this process is. */
void clock_begin(loop_clock *c, uint64_t opening);

/* Reads both clocks; begins a setting if the wall clock has been set. */
clock_instant clock_now(loop_clock *c);
/* True once after the wall clock has been set: *by_ms is by how much, forwards above zero. */
bool clock_take_set(loop_clock *c, int64_t *by_ms);

/* Returns a relative wait of `ms`, of no time if that is below zero. */
clock_wait clock_wait_for(const clock_instant *from, int64_t ms);
clock_wait clock_wait_until(int64_t unix_ms);
/* Returns the wait of a journaled entry, of this process or of a former one. */
clock_wait clock_wait_of(const loop_clock *c, const clock_entry *e);

/* Returns how long it was from one time to the other, never below zero. Counts by the steady clock since this process
 * began; before that by the wall clock as former processes had it. */
int64_t clock_between_ms(const loop_clock *c, clock_mark from, clock_mark to);

/* Returns how long the wait is yet; at most 0: it is over. */
int64_t clock_left_ms(const clock_wait *w);

clock_alarm clock_alarm_none(void);
clock_alarm clock_alarm_in(int64_t ms);
void clock_alarm_add(clock_alarm *a, const clock_wait *w);
int64_t clock_alarm_left_ms(const clock_alarm *a); /* CLOCK_NEVER: the alarm has no wait */

#endif
