/* What handlers do and what the disk has. What clients are told: told.c. */
#include "tests/simulation/promises.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/loop/loop.h"
#include "tests/simulation/forked.h"
#include "tests/simulation/program.h"
#include "tests/simulation/promise.h"
#include "tests/simulation/shut.h"
#include "tests/simulation/signalled.h"
#include "tests/simulation/solos.h"
#include "tests/simulation/standing.h"

enum { CRASHES_IN_A_ROW = 3 };

void promise_broken(const char *name, const char *format, ...)
{
    va_list args;
    int n = snprintf(w->broken, sizeof w->broken, "%s: ", name);
    va_start(args, format);
    (void)vsnprintf(w->broken + n, sizeof w->broken - (size_t)n, format, args);
    va_end(args);
    world_note("BROKEN %s", w->broken);
    if (w->rehearses) printf("# seed %llu, rehearsed, broke a promise: %s\n", (unsigned long long)w->seed, w->broken);
    world_exit(WORLD_BROKEN);
}

static int number(const run_record *r) { return (int)(r - w->runs); }
static const op *op_of(const run_record *r, int at) { return &w->jobs[r->job].ops[at]; }

/* ---- Executions ---- */

void promise_execution_begins(run_record *r)
{
    world_note("run %d begins, job %d", number(r), r->job);
    PROMISE("alone", !r->alive, "run %d has two executions at a time", number(r));
    PROMISE("stopped is stopped", !standing_is_held(r) || r->asked_to_release,
            "run %d begins, and stands (%d); nobody has released it", number(r), r->stop);
    if (r->executions == 0 && !r->on_disk) shut_new_run(r);
    solos_execution(r);
    r->alive = true;
    r->executions++;
    r->has_got_on = !r->on_disk;
    r->returned_count = 0;
    signalled_execution_begins(r);
    for (unsigned i = 0; i < OPS_MAX; i++) r->ops[i].seen = r->ops[i].said = false;
}

void promise_execution_ends(run_record *r)
{
    world_note("run %d leaves its handler", number(r));
    r->alive = false;
}

/* ---- Attempts ---- */

/* The choices that this execution has seen are on disk. */
static int first_unwritten(const run_record *r)
{
    if (w->jobs[r->job].endpoint == ENDPOINT_HASTY) return NO_OP;
    for (int i = 0; i < OPS_MAX; i++)
        if (r->ops[i].seen && !r->ops[i].chosen && !r->ops[i].given_up) return i;
    return NO_OP;
}

static bool all_before_written(const run_record *r, int at)
{
    for (unsigned i = 0; i < r->ops[at].before; i++) {
        uint64_t nonce = r->returned[i];
        const op_state *s = &r->ops[w->made[nonce].op];
        if (!s->done || s->nonce != nonce) return false;
    }
    return r->on_disk;
}

static unsigned open_of_parent(const run_record *r, int parent)
{
    unsigned n = 0;
    for (int m = op_of(r, parent)->child; m != NO_OP; m = op_of(r, m)->next) n += r->ops[m].open;
    return n;
}

static bool within_parallel(const run_record *r, int at)
{
    int parent = op_of(r, at)->parent;
    if (parent == NO_OP || op_of(r, parent)->parallel == 0) return true;
    return open_of_parent(r, parent) <= (unsigned)op_of(r, parent)->parallel;
}

/* With sw_each nothing begins any more once a member has failed for good. */
static bool is_decided(const run_record *r, int at)
{
    int parent = op_of(r, at)->parent;
    if (parent == NO_OP || op_of(r, parent)->kind != OP_EACH || op_of(r, parent)->settles) return false;
    for (int m = op_of(r, parent)->child; m != NO_OP; m = op_of(r, m)->next)
        if (r->ops[m].failed) return true;
    return false;
}

/* A run of SW_RELAXED that has lost a choice, or of a program that asks sw_patch only now, may go another way, and come
 * to a step by another path. */
static void forget_key(run_record *r, const char *key)
{
    for (unsigned o = 0; o < OPS_MAX; o++)
        if (strcmp(r->ops[o].key, key) == 0 && !r->ops[o].done && !r->ops[o].failed) r->ops[o].key[0] = 0;
}

static bool key_is_its_own(run_record *r, int at, const char *key)
{
    op_state *s = &r->ops[at];
    if (strcmp(s->key, key) == 0) return true;
    bool strays = w->jobs[r->job].endpoint == ENDPOINT_HASTY || w->plan.patched_from > 0;
    if (s->key[0] && !strays) return false;
    if (strays) forget_key(r, key);
    for (unsigned i = 0; i < w->run_count; i++)
        for (unsigned o = 0; o < OPS_MAX; o++)
            if (strcmp(w->runs[i].ops[o].key, key) == 0) return false;
    (void)snprintf(s->key, sizeof s->key, "%s", key);
    return true;
}

/* What may be tried: more often than the journal has failures, and not more often than the options say. */
static bool attempt_fits(const run_record *r, int at, int attempt)
{
    int retries = op_of(r, at)->retries;
    int most = 1 + (retries == 0 ? 4 : retries < 0 ? 0 : retries);
    return attempt > (int)r->ops[at].failures && attempt <= most;
}

void promise_attempt_begins(run_record *r, int at, int attempt, const char *key)
{
    op_state *s = &r->ops[at];
    s->open++;
    s->begun++;
    world_note("run %d op %d attempt %d begins", number(r), at, attempt);
    PROMISE("once", !s->done && !s->failed, "run %d op %d runs again, and its end is on disk", number(r), at);
    int unwritten = first_unwritten(r);
    PROMISE("choice first", unwritten == NO_OP, "run %d op %d begins, and the choice of op %d is not on disk",
            number(r), at, unwritten);
    PROMISE("sync", !op_of(r, at)->sync || attempt > 1 || all_before_written(r, at),
            "run %d op %d (.sync) begins, and what came before is not on disk", number(r), at);
    PROMISE("no writes, no work", !w->journal_fails, "run %d op %d begins while the journal takes no writes", number(r),
            at);
    PROMISE("a drain begins nothing", !w->drains, "run %d op %d begins, and the process drains", number(r), at);
    PROMISE("losers begin nothing", !s->given_up, "run %d op %d begins, and another member of its group has won",
            number(r), at);
    PROMISE("over is over", !r->ended && !r->cancelled, "run %d op %d begins, and the run is over", number(r), at);
    PROMISE("stopped is stopped", !standing_is_held(r), "run %d op %d begins, and the run stands (%d)", number(r), at,
            r->stop);
    PROMISE("three crashes", r->in_a_row < CRASHES_IN_A_ROW && r->crashes == r->kills,
            "run %d op %d begins: %u processes have died of the run, its journal has %u, %u of them in a row",
            number(r), at, r->kills, r->crashes, r->in_a_row);
    PROMISE("parallel", within_parallel(r, at), "run %d op %d is one more than its group may have", number(r), at);
    PROMISE("each is over at once", !is_decided(r, at), "run %d op %d begins, and another element has failed for good",
            number(r), at);
    PROMISE("attempts", attempt_fits(r, at, attempt), "run %d op %d: attempt %d of %d retries, %u failed on disk",
            number(r), at, attempt, op_of(r, at)->retries, s->failures);
    PROMISE("key", key_is_its_own(r, at, key), "run %d op %d has another key, or another's: %s", number(r), at, key);
}

void promise_attempt_ends(run_record *r, int at)
{
    r->ops[at].open--;
    r->ops[at].ended_ns = w->steady_ns;
    world_note("run %d op %d attempt ends", number(r), at);
}

void promise_branch_begins(run_record *r, int at)
{
    r->ops[at].open++;
    PROMISE("parallel", within_parallel(r, at), "run %d branch op %d is one more than its group may have", number(r),
            at);
}

void promise_branch_ends(run_record *r, int at) { r->ops[at].open--; }

void promise_comes_to(run_record *r, int at) { r->ops[at].before = r->returned_count; }

uint64_t promise_nonce(const run_record *r, int at)
{
    uint64_t n = ++w->nonces;
    if (n == NONCES_MAX) abort();
    w->made[n].run = (int16_t)number(r);
    w->made[n].op = (int16_t)at;
    w->made[n].changed = program_changes(r, at);
    return n;
}

uint32_t promise_calls(void)
{
    if (++w->calls == CALLS_MAX) abort();
    return w->calls;
}

void promise_call(uint32_t call, const char *key)
{
    bool known = call > 0 && call <= w->calls;
    PROMISE("nothing copied is paid again", !forked_has_copied(key), "call %u is of a step that a fork has copied",
            call);
    PROMISE("one call an attempt", known && ++w->called[call] == 1, "call %u came a second time, or nobody made it",
            call);
}

/* ---- What handlers see ---- */

void promise_result(run_record *r, int at, uint64_t nonce)
{
    const op_state *s = &r->ops[at];
    world_note("run %d op %d gave %llu", number(r), at, (unsigned long long)nonce);
    bool of_it = nonce <= w->nonces && w->made[nonce].op == at && w->made[nonce].run == number(r);
    bool its_own = of_it || (s->copied && s->nonce == nonce);
    bool the_same = !s->done || s->nonce == nonce;
    bool written = !op_of(r, at)->sync || s->done;
    PROMISE("result", its_own && the_same && written, "run %d op %d gave %llu, the disk has %llu", number(r), at,
            (unsigned long long)nonce, (unsigned long long)s->nonce);
    bool fits = !endpoint_stops(w->jobs[r->job].endpoint) || w->made[nonce].changed == program_changes(r, at);
    PROMISE("stops when it differs", fits, "run %d op %d goes on with a result of another input", number(r), at);
    if (r->returned_count < OPS_MAX) r->returned[r->returned_count++] = nonce;
}

void promise_choice(run_record *r, int at, uint64_t value)
{
    op_state *s = &r->ops[at];
    world_note("run %d op %d chose %llu", number(r), at, (unsigned long long)value);
    PROMISE("same choice", !s->chosen || s->choice == value, "run %d op %d chose %llu, the disk has %llu", number(r),
            at, (unsigned long long)value, (unsigned long long)s->choice);
    s->choice = value;
    s->drawn = ++r->draws;
    s->seen = true;
}

/* Whether the disk has anything of the list's operations, or of those in them. */
static bool has_trace(const run_record *r, int16_t first)
{
    for (int16_t at = first; at != NO_OP; at = op_of(r, at)->next) {
        const op_state *s = &r->ops[at];
        if (s->done || s->failures > 0 || s->chosen) return true;
        if (has_trace(r, op_of(r, at)->child) || has_trace(r, op_of(r, at)->other)) return true;
    }
    return false;
}

void promise_patch(run_record *r, int at, bool is_new)
{
    promise_choice(r, at, is_new);
    w->met[MET_PATCH_OLD] += !is_new;
    w->met[MET_PATCH_NEW] += is_new && r->executions > 1;
    PROMISE("one way", !has_trace(r, is_new ? op_of(r, at)->other : op_of(r, at)->child),
            "run %d takes the %s way at op %d, and has done something of the other", number(r), is_new ? "new" : "old",
            at);
}

void promise_sleep_begins(run_record *r, int at)
{
    if (r->ops[at].slept_ns == 0) r->ops[at].slept_ns = forked_has_slept(r, at) ? -1 : w->steady_ns;
}

void promise_sleep_ends(run_record *r, int at, int64_t ms)
{
    enum { ROUNDING_MS = 2 }; /* both ends are told in milliseconds */
    int64_t slept_ms = (w->steady_ns - r->ops[at].slept_ns) / 1000000;
    world_note("run %d op %d slept", number(r), at);
    PROMISE("sleep", r->ops[at].slept_ns < 0 || slept_ms + ROUNDING_MS >= ms, "run %d op %d slept %lld ms of %lld",
            number(r), at, (long long)slept_ms, (long long)ms);
}
