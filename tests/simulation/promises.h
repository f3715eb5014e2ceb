/* promises: what Stepwell promises, each with a name and one place where it is looked at. A promise that is broken ends
 * the process; the simulator tells which, with the seed. */
#ifndef TESTS_SIMULATION_PROMISES_H
#define TESTS_SIMULATION_PROMISES_H

#include "storage/entry.h"
#include "storage/store.h"
#include "tests/simulation/world.h"

struct sw_app;

/* ---- What handlers do ---- */

void promise_execution_begins(run_record *r);
void promise_execution_ends(run_record *r);
/* The handler has come to this step, which may have to wait. */
void promise_comes_to(run_record *r, int op);
void promise_attempt_begins(run_record *r, int op, int attempt, const char *key);
void promise_attempt_ends(run_record *r, int op);
/* The result of an attempt: nobody else has it. */
uint64_t promise_nonce(const run_record *r, int op);
/* The number of a call that an attempt is about to make; and that it has come to the service, with the step's key. */
uint32_t promise_calls(void);
void promise_call(uint32_t number, const char *key);
/* A branch runs, or runs again from the journal. */
void promise_branch_begins(run_record *r, int op);
void promise_branch_ends(run_record *r, int op);
/* A handler has got this result. */
void promise_result(run_record *r, int op, uint64_t nonce);
void promise_choice(run_record *r, int op, uint64_t value);
void promise_patch(run_record *r, int op, bool is_new);
void promise_sleep_begins(run_record *r, int op);
void promise_sleep_ends(run_record *r, int op, int64_t ms);

/* ---- What the disk has ---- */

/* The operation whose step has this path; NO_OP: no attempt of such a step has begun. */
int promise_op_at(const run_record *r, uint64_t path);
/* A commit is on disk. */
void promise_committed(const store_segment *list);
/* Whether the run has ended with this response, when it had been reopened so often or more often. */
bool promise_has_ended_with(const run_record *r, unsigned reopened_before, int status, const char *body, size_t len);
/* The journal as a process finds it: `data` are all entries of the run. */
void promise_found(const char *run, const char *data, size_t len);
/* What the ledger keeps of entries that are on disk: a hash, which goes on with these bytes. */
uint64_t promise_hash(uint64_t hash, const char *data, size_t len);
/* Bytes of the first `entries` entries of a journal; SIZE_MAX: they are not all there, or have another hash. */
size_t promise_known(const char *data, size_t len, uint32_t entries, uint64_t hash);
/* A journal that was just read has all that the ledger knows of the run. */
void promise_kept(const run_record *r, const char *data, size_t len);

/* ---- What clients are told ---- */

/* The whole response of the run; `run` may be NULL where nothing says which. */
void promise_answered(client *c, run_record *r, int status, const char *body, size_t len);
void promise_refused(const client *c, int status);
/* The answer to DELETE. */
void promise_cancel_told(const client *c, run_record *r, int status);
/* The answer to a release: 503 is none. */
void promise_release_told(const client *c, const run_record *r, int status);
/* The answer to a stop: 503 is none. */
void promise_stop_told(const client *c, run_record *r, int status);
/* The answer to a resume: 503 is none. */
void promise_resume_told(const client *c, const run_record *r, int status);
/* That the run stands, and why. */
void promise_stopped_told(const client *c, const run_record *r, const char *reason, size_t len);
/* What the page of the run says. */
void promise_page(const client *c, const run_record *r, const char *page, size_t len);
/* A frame of a stream. */
void promise_frame(client *c, run_record *r, uint32_t number, const char *name, const char *text);
/* Whatever else a client is told. */
void promise_sense(const client *c, bool makes_sense, const char *what);

/* ---- The process ---- */

/* After each turn. */
void promise_turn(const struct sw_app *app);
/* Whether it is in time that something still waits; and at the end, that nothing does. */
void promise_rest(bool in_time);
/* It has drained for so long. */
void promise_drains(const struct sw_app *app, int64_t ns);
/* It has closed everything: how much of what was there before, and is now. */
void promise_left(const char *what, long before, long after);
/* All runs are over, and its loops close: no timer of theirs runs. */
void promise_timers(const struct sw_app *app);
/* All runs are over: how many letters, and rows of `tries`, are left. */
void promise_tables(size_t letters, size_t tries);

#endif
