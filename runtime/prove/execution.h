/* execution: one run under --prove or --check, with the runs that it calls, in a process of its own with a disk in
 * memory: from the request, or from what is on disk, until all of them have ended or the process has died. Owns the
 * bytes that its process told. */
#ifndef RUNTIME_PROVE_EXECUTION_H
#define RUNTIME_PROVE_EXECUTION_H

#include <sys/types.h>

#include "runtime/probe/fact.h"
#include "runtime/probe/probe.h"
#include "runtime/probe/probe_runs.h"
#include "storage/run_id.h"

struct sw_app;

/* A run on disk. Borrowed. */
typedef struct disk_run {
    run_id id;
    uint64_t lineage, caller; /* caller: the lineage of the run that has called it; of that which nobody has: its own */
    const char *journal;      /* its entries */
    size_t len;
} disk_run;

/* A row of the inbox: a letter to a run. Borrowed. */
typedef struct disk_row {
    entry_text key, value;
} disk_row;

/* What is on disk when an execution begins. */
typedef struct disk {
    const disk_run *runs; /* NULL: nothing */
    size_t run_count;
    const disk_row *rows;
    size_t row_count;
} disk;

/* What an execution begins with. */
typedef struct execution_input {
    probe_plan plan;
    const char *request; /* bytes of a whole HTTP request; NULL: the runs on disk go on */
    size_t request_len;
    disk disk;         /* borrowed, as `request` is */
    unsigned openings; /* how often a process has opened the disk before */
    bool is_quiet;     /* its standard error goes nowhere */
} execution_input;

/* One run of an execution, as it is on disk at the end. */
typedef struct executed_run {
    run_id id;
    uint64_t lineage, caller;
    msgpack_sbuffer journal; /* texts of entries lie in it; owned */
    entry *entries;          /* owned */
    size_t *ends;            /* journal bytes up to the end of each entry; owned */
    size_t *places;          /* where each entry stands in the history; owned */
    size_t entry_count, entry_room;
    const entry *response, *cancelled, *ended, *stopped; /* NULL: the journal has no such entry */
} executed_run;

/* One entry of one run, in the order in which all came to the disk. */
typedef struct history_entry {
    uint32_t run;  /* which of the execution's runs */
    uint32_t at;   /* which of its entries */
    bool is_bound; /* of one commit with the next one: never on disk without it */
} history_entry;

/* A change of the inbox. */
typedef struct history_row {
    size_t place; /* of the entry with which it is on disk */
    bool is_deletion;
    disk_row row;
    uint32_t run;    /* which run has made it... */
    size_t from, to; /* ...in a commit of these of its entries; to: behind the last one */
} history_row;

typedef struct execution {
    char *bytes; /* as they came from the pipe; texts of facts lie in them; owned */
    size_t len, room;
    fact *facts; /* owned */
    size_t fact_count;
    executed_run *runs; /* the first one is that which nobody has called; owned */
    size_t run_count, run_room;
    history_entry *history; /* owned */
    size_t entry_count, entry_room;
    history_row *rows; /* owned */
    size_t row_count, row_room;
    bool died;          /* where its plan has it die */
    bool stands;        /* in the end all that had not ended waited for a run that was stopped */
    bool lacks_memory;  /* for what it tells */
    const char *broken; /* why it could not be made; owned. NULL: it was made */
    bool timed_out;     /* was killed after --prove-timeout */
    int status;         /* of waitpid */
} execution;

/* The run that nobody has called; NULL: it is not on disk. */
static inline const executed_run *execution_root(const execution *x) { return x->run_count > 0 ? &x->runs[0] : NULL; }
/* NULL: there is none. */
const executed_run *execution_run(const execution *x, uint64_t lineage);

/* Returns whether all runs came to an end that others can be compared with: they have ended, or stopped since a step
 * has used its retries, or wait for one that has. */
bool execution_is_over(const execution *x);

/* Makes an execution and waits for its end, at most --prove-timeout; execution_free it in any case. False with a
 * message: no process, pipe or memory, or the child could not serve. */
bool execution_make(struct sw_app *app, const execution_input *input, execution *out, char *error, size_t error_size);
void execution_free(execution *x);

/* In the child: serves until the run has ended or the plan has the process die. */
void execution_serve(struct sw_app *app, const execution_input *input) __attribute__((noreturn));

#endif
