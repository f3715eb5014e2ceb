/* execution: one go of a request under --prove, from the request or from a journal to the run's end or its process's,
 * in a process of its own with a journal in memory. Owns what it told. */
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
    const char *journal; /* the entries on its disk */
    size_t journal_len;
    unsigned openings; /* how often the journal was opened before */
    bool is_quiet;     /* what it prints is nobody's */
} execution_input;

typedef struct execution {
    char *bytes; /* as they came; facts and entries lie in there or in `journal` */
    size_t len, room;
    fact *facts;
    size_t fact_count;
    run_id run;
    msgpack_sbuffer journal; /* all entries on its disk at its end */
    entry *entries;
    size_t *ends; /* bytes up to and with each */
    size_t entry_count;
    const entry *response, *cancelled, *ended, *stopped; /* NULL: it has none */
    bool died;                                           /* as planned */
    const char *broken;                                  /* why it could not be made; owned. NULL: it could */
    bool timed_out;
    int status; /* of waitpid */
} execution;

/* The run has ended, or stands still since a step has used its retries: then that is how it goes. */
static inline bool execution_is_over(const execution *x)
{
    return x->ended || (x->stopped && x->stopped->status == ENTRY_STOP_EXHAUSTED);
}

/* Makes it, and waits for its end, at most timeout_ms. False with a message: there is no process, pipe or memory. */
bool execution_make(struct sw_app *app, const execution_input *t, int64_t timeout_ms, execution *out, char *error,
                    size_t error_size);
void execution_free(execution *x);

/* In the child's process: serves until the run has ended or the process is to die. Never returns. */
void execution_serve(struct sw_app *app, const execution_input *t) __attribute__((noreturn));

#endif
