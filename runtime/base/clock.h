/* clock: a loop's two clocks, and which of them a wait goes by. Owned by its loop and used on that loop's thread alone.
 *
 *     wait                                     in this process              after a restart
 *     relative: sw_sleep, a retry's pause,     the steady clock             at the journaled due time, at the latest
 * its a run's deadline                                                      full length after the process began
 *     absolute: sw_sleep_until                 the wall clock as it is set  the same
 *     all else: holds, time-outs, park-after   the steady clock             not kept
 *
 * The steady clock (CLOCK_BOOTTIME) is set by nobody and goes on while the machine sleeps. The journal's times are
 * those of the wall clock, which anybody may set, also twice to the same hour: so the clock keeps how far the wall
 * clock was ahead of the steady one after each *setting*, and an entry's `epoch` says under which setting its times
 * were taken. With both, a journaled time leads back to the steady clock for as long as the process lives. */
#ifndef RUNTIME_BASE_CLOCK_H
#define RUNTIME_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* A later setting takes the place of the last one: entries of that may then be off by what the clock was set. */
enum { CLOCK_SETTINGS_MAX = 1024 };
/* A wall clock that deviates by more has been set. Two readings of one moment differ by less, but for a preemption. */
enum { CLOCK_SET_MS = 20 };

typedef struct loop_clock {
    uint64_t opening; /* of the store, by this process */
    int64_t began_ms; /* steady, when this process began with the journal */
    uint32_t setting; /* the current one; 0: the wall clock has not been set since */
    bool was_set;     /* and clock_take_set has not said so */
    int64_t set_by_ms;
    int64_t ahead_ms[CLOCK_SETTINGS_MAX]; /* wall clock less steady clock, by setting */
} loop_clock;

/* One reading of both clocks. */
typedef struct clock_instant {
    int64_t wall_ms, steady_ms; /* wall: Unix, at most CLOCK_SET_MS off */
    uint64_t epoch;             /* for an entry that has wall_ms */
} clock_instant;

/* Until when somebody waits. Zeros: no wait. */
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

/* The first of several waits; CLOCK_NEVER: none of that kind. */
typedef struct clock_alarm {
    int64_t steady_ms; /* of the relative ones */
    int64_t wall_ms;   /* of the absolute ones, Unix */
} clock_alarm;

static const int64_t CLOCK_NEVER = INT64_MAX;

int64_t clock_steady_ms(void); /* the same for all processes of a machine, until that is started anew */
uint64_t clock_steady_us(void);
int64_t clock_wall_ms(void); /* Unix */
/* Both clocks of this process are so much later from now on. For --prove, which waits for nothing. */
void clock_skip_us(uint64_t us);
/* Of functions that read a clock or random numbers for the library itself: --prove tells them by it from the program's
 * own, when both are linked into one file. */
#define CLOCK_READER __attribute__((noinline, section("stepwell_readers")))

void clock_begin(loop_clock *c, uint64_t opening);

/* Notices when the wall clock has been set. */
clock_instant clock_now(loop_clock *c);
/* True once after it has: *by_ms is by how much, forwards above zero. */
bool clock_take_set(loop_clock *c, int64_t *by_ms);

/* A relative wait of `ms`, no time below zero. */
clock_wait clock_wait_for(const clock_instant *from, int64_t ms);
clock_wait clock_wait_until(int64_t unix_ms);
/* One that the journal has, of this process or of a former one. */
clock_wait clock_wait_of(const loop_clock *c, const clock_entry *e);

/* How long it was from one to the other, never below zero. By the steady clock as far as this process has seen it; the
 * time of former ones counts by the wall clock as it was set then, up to the moment at which this one began. */
int64_t clock_between_ms(const loop_clock *c, clock_mark from, clock_mark to);

/* How long yet; at most 0: it is over. */
int64_t clock_left_ms(const clock_wait *w);

clock_alarm clock_alarm_none(void);
clock_alarm clock_alarm_in(int64_t ms);
void clock_alarm_add(clock_alarm *a, const clock_wait *w);
int64_t clock_alarm_left_ms(const clock_alarm *a); /* CLOCK_NEVER: it never rings */

#endif
