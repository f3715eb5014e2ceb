/* fact: one thing that an execution under --prove tells the process that proves it. Children write facts to a pipe,
 * each whole or not at all, so what they told is good however they end; the parent reads them when the child is over.
 * Parent and child are one program, so a fact is its struct and its texts. */
#ifndef RUNTIME_PROBE_FACT_H
#define RUNTIME_PROBE_FACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/entry.h"

typedef enum fact_kind {
    FACT_SEGMENT = 1, /* is on disk. data: entries; id: run id, 16 bytes */
    FACT_STEP,    /* the code asks for a step or a sleep. hash: of the input; data: the input; id, label: branch's */
    FACT_ATTEMPT, /* begins. flags: FACT_SYNC */
    FACT_CALL,    /* the number-th of this attempt is asked for. data: see call_fact.h; flags */
    FACT_ANSWER,  /* what that call got. data: see call_fact.h */
    FACT_READ,    /* a clock or random numbers, outside steps. text: function; data: file; hash: address in that */
    FACT_EFFECT,  /* something done outside steps. text, data, hash: as of FACT_READ */
    FACT_MISUSE,  /* a function of stepwell.h that belongs in a step was called outside; as FACT_READ */
    FACT_DIED,    /* the process ends where its plan has it die */
    FACT_REFUSED, /* the request began no run. data: the response */
    FACT_BROKEN,  /* the execution cannot be made. text: why */
    /* made by the parent, of the first execution's journal */
    FACT_DONE, /* data: a step's result */
    FACT_VALUE /* hash: a value of sw_now or sw_random outside steps */
} fact_kind;

enum {
    FACT_SYNC = 1,     /* ATTEMPT: the step is .sync */
    FACT_STEP_KEY = 2, /* CALL: it sends sw_step_key */
    FACT_UNKNOWN = 4,  /* CALL: the recording has no answer for it */
    FACT_SLEEP = 8     /* STEP: it is a sleep */
};

typedef struct fact {
    fact_kind kind;
    uint32_t attempt, number, flags;
    uint64_t path; /* of the step */
    uint64_t hash;
    entry_text id;    /* of the step */
    entry_text label; /* of the branch that holds it, "" for the handler */
    entry_text text, data;
} fact;

/* ---- The child's side, from any thread ---- */

/* All facts go to `fd`, at most bytes_max of them: more end the process, with FACT_BROKEN. */
void fact_open(int fd, uint64_t bytes_max);
void fact_tell(const fact *f);
/* Ends the process here; what other threads are telling is told whole. */
void fact_exit(int code) __attribute__((noreturn));

/* ---- The parent's side ---- */

/* The fact at the beginning of the bytes, which it borrows. Returns its length; 0: no whole one is there. */
size_t fact_read(const char *bytes, size_t len, fact *out);

static inline bool fact_is(const fact *f, const fact *other)
{
    return f->kind == other->kind && f->path == other->path && f->attempt == other->attempt &&
           f->number == other->number;
}

#endif
