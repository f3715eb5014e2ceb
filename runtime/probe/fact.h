/* fact: one thing that an execution under --prove or --check tells the process that proves or checks. A child writes
 * facts to a pipe, each whole or not at all, so that its facts are good however the child ends; the parent reads them
 * when the child has ended. Parent and child are one program, so that a fact is written as its struct and its texts. */
#ifndef RUNTIME_PROBE_FACT_H
#define RUNTIME_PROBE_FACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/entry.h"

typedef enum fact_kind {
    /* A segment is on disk. data: its entries; id: run id, RUN_ID_BYTES; text: rows of the inbox
     * (runtime/prove/history.h); flags: FACT_JOINED */
    FACT_SEGMENT = 1,
    FACT_STEP,    /* the code asks for a step, sleep, wait or call. hash: of the input; data: the input; label: the
                     branch's */
    FACT_ATTEMPT, /* an attempt begins. flags: FACT_SYNC */
    FACT_MEMBER,  /* --check: the step that was just asked for is a member of a group */
    FACT_HELD,    /* --check: an attempt, `attempt`, a sleep or a wait would begin */
    FACT_CALL,    /* the attempt asks for its call `number`, from 1. data: see call_fact.h; flags */
    FACT_ANSWER,  /* the answer of call `number`. data: see call_fact.h */
    FACT_READ,    /* clock or random numbers read outside steps. text: function; data: file; hash: address in it */
    FACT_EFFECT,  /* something done outside steps. text: function; data: file; hash: address in it */
    FACT_MISUSE,  /* a function of stepwell.h was called outside steps; text, data, hash: as of FACT_READ */
    FACT_DIED,    /* the process ends where its plan has it die */
    FACT_STANDS,  /* nothing goes on any more: a run is stopped, and others wait for it */
    FACT_REFUSED, /* the request began no run. data: the response */
    FACT_BROKEN,  /* the execution cannot be made. text: why */
    /* made by the parent from the first execution's journal: */
    FACT_DONE,  /* data: a step's result */
    FACT_VALUE, /* hash: a value of sw_now or sw_random outside steps */
    FACT_RUN    /* of a run that was called. id: run id, RUN_ID_BYTES */
} fact_kind;

enum {
    FACT_SYNC = 1,     /* ATTEMPT: the step is .sync */
    FACT_STEP_KEY = 2, /* CALL: the call sends sw_step_key */
    FACT_UNKNOWN = 4,  /* CALL: the recording does not have the call */
    FACT_SLEEP = 8,    /* STEP, HELD: a sleep */
    FACT_DRAWN = 16,   /* STEP: the code asks for a recorded value */
    FACT_WAIT = 32,    /* STEP, HELD: a wait for a signal */
    FACT_CHOICE = 64,  /* STEP: the code asks which member of a group has won */
    FACT_SENT = 128,   /* STEP, HELD: a signal to another run */
    FACT_CALLED = 256, /* STEP, with FACT_WAIT: a call of a function */
    FACT_JOINED = 512  /* SEGMENT: of one commit with the next one */
};

typedef struct fact {
    fact_kind kind;
    uint32_t attempt, number, flags;
    uint64_t run;  /* which run of the proof: its lineage (runtime/probe/probe_runs.h) */
    uint64_t path; /* of the step */
    uint64_t hash;
    entry_text id;    /* of the step */
    entry_text label; /* of the branch that holds it, "" for the handler */
    entry_text text, data;
} fact;

/* ---- The child's side, from any thread ---- */

/* Has all facts written to `fd`, at most bytes_max bytes: a fact beyond them is replaced by FACT_BROKEN, and ends the
 * process. Borrows fd. Once, before there is another thread. */
void fact_open(int fd, uint64_t bytes_max);
/* Writes one fact, whole. Ends the process when nobody reads the pipe. */
void fact_tell(const fact *f);
/* Ends the process, once the facts that other threads are writing are whole. */
void fact_exit(int code) __attribute__((noreturn));

/* ---- The parent's side ---- */

/* Reads the fact at the beginning of the bytes, which its texts borrow. Returns its length; 0: no fact is whole. */
size_t fact_read(const char *bytes, size_t len, fact *out);

/* Returns whether both facts stand in one cell of a tape. */
static inline bool fact_is(const fact *f, const fact *other)
{
    return f->kind == other->kind && f->run == other->run && f->path == other->path && f->attempt == other->attempt &&
           f->number == other->number;
}

#endif
