/* replay: what a run's journal holds, by path, so that finished steps answer from memory. Owns a copy of the journal's
 * bytes and the table; lives as long as the run. */
#ifndef RUNTIME_RUN_REPLAY_H
#define RUNTIME_RUN_REPLAY_H

#include "runtime/base/arena.h"
#include "runtime/base/clock.h"
#include "storage/entry.h"

typedef struct replay replay;

typedef struct replay_record {
    uint64_t path;
    entry_kind kind;     /* ENTRY_STEP_DONE also while it has only failed; ENTRY_SLEEP; ENTRY_VALUE; ENTRY_BRANCH */
    entry_text id;       /* of its step, sleep, value or branch; "" while only chunks of it are known */
    entry_text label;    /* STEP that streamed: what its chunks were called */
    uint32_t occurrence; /* with `id` */
    bool done;           /* STEP: it has a result */
    bool failed;         /* STEP: it failed for good */
    bool fatal;
    bool used;                          /* the code has come to it */
    uint32_t attempts;                  /* that failed */
    uint32_t began;                     /* STEP: entries that the run had when its first attempt began */
    uint64_t input_hash, reported_hash; /* STEP: 0: unknown; of the input that was reported as another one, 0: none */
    clock_entry wait;                   /* STEP: until the next attempt; SLEEP; due_ms 0: none */
    entry_text value, error;
    entry_text calls;     /* STEP: of its last attempt that failed */
    uint32_t open_chunks; /* STEP: streamed by an attempt that neither finished nor was taken back */
} replay_record;

/* What replay_new says when there is no memory: nothing is wrong with the journal. */
extern const char replay_no_memory[];

/* Reads the whole journal into `a`. NULL with a message when it is damaged, or starts with something else than a
 * start. `on_entry` sees each in order (for rebuilding what was streamed). */
replay *replay_new(arena *a, const char *data, size_t len, void (*on_entry)(void *arg, const entry *e, uint32_t seq),
                   void *arg, const char **error);

const entry *replay_started(const replay *p);  /* always there */
const entry *replay_response(const replay *p); /* NULL: none yet */
const entry *replay_ended(const replay *p);    /* NULL: unfinished */
entry_cancel replay_cancel(const replay *p);   /* ENTRY_CANCEL_NONE: it goes on */
const entry *replay_stopped(const replay *p);  /* NULL: it never was, or has been released since */
/* It is released now, by an entry that the journal gets: what that means for its steps. */
void replay_release(replay *p);
int64_t replay_stood_ms(const replay *p,
                        const loop_clock *c); /* how long it was stopped until it was released, all times together */
unsigned replay_crashes(const replay *p);     /* of the process, by it, since its last progress */
int64_t replay_last_ms(const replay *p);      /* Unix; of the latest entry */
uint32_t replay_entries(const replay *p);
size_t replay_used(const replay *p);   /* records the code has come to */
size_t replay_unused(const replay *p); /* and those it has not */

replay_record *replay_find(replay *p, uint64_t path); /* NULL if it is not in the journal; marks it used */
/* Chunks that were streamed from a branch's own code (outside steps), by the branch's path. */
uint32_t replay_chunks(const replay *p, uint64_t branch_path);

#endif
