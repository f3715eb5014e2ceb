/* execution: one run under --prove or --check, in a process of its own with a journal in memory: from the request, or
 * from a journal, until the run has ended or the process has died. Owns the bytes that its process told. */
#ifndef RUNTIME_PROVE_EXECUTION_H
#define RUNTIME_PROVE_EXECUTION_H

#include <sys/types.h>

#include "runtime/probe/fact.h"
#include "runtime/probe/probe.h"
#include "storage/run_id.h"

struct sw_app;

/* What an execution begins with. */
typedef struct execution_input {
    probe_plan plan;
    const char *request; /* bytes of a whole HTTP request; NULL: the run goes on from its journal */
    size_t request_len;
    run_id run;
    const char *journal; /* the entries on disk; borrowed, as `request` is */
    size_t journal_len;
    unsigned openings; /* how often a process has opened the journal before */
    bool is_quiet;     /* its standard error goes nowhere */
} execution_input;

typedef struct execution {
    char *bytes; /* as they came from the pipe; texts of facts lie in them; owned */
    size_t len, room;
    fact *facts; /* owned */
    size_t fact_count;
    run_id run;
    msgpack_sbuffer journal; /* the entries on disk at the end; texts of entries lie in it; owned */
    entry *entries;          /* owned */
    size_t *ends;            /* journal bytes up to the end of each entry; owned */
    size_t entry_count;
    const entry *response, *cancelled, *ended, *stopped; /* NULL: the journal has no such entry */
    bool died;                                           /* where its plan has it die */
    bool lacks_memory;                                   /* for what it tells */
    const char *broken;                                  /* why it could not be made; owned. NULL: it was made */
    bool timed_out;                                      /* was killed after --prove-timeout */
    int status;                                          /* of waitpid */
} execution;

/* Returns whether the run came to an end that others can be compared with: it has ended, or stopped since a step has
 * used its retries. */
static inline bool execution_is_over(const execution *x)
{
    return x->ended || (x->stopped && x->stopped->status == ENTRY_STOP_EXHAUSTED);
}

/* Makes an execution and waits for its end, at most --prove-timeout; execution_free it in any case. False with a
 * message: no process, pipe or memory, or the child could not serve. */
bool execution_make(struct sw_app *app, const execution_input *input, execution *out, char *error, size_t error_size);
void execution_free(execution *x);

/* In the child: serves until the run has ended or the plan has the process die. */
void execution_serve(struct sw_app *app, const execution_input *input) __attribute__((noreturn));

#endif
