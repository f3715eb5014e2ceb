/* program: what a run of the simulation does: a tree of operations that its job's seed has made (program.c), which a
 * handler interprets (handler.c), and what its answer has to be (oracle.c). */
#ifndef TESTS_SIMULATION_PROGRAM_H
#define TESTS_SIMULATION_PROGRAM_H

#include "runtime/stepwell.h"
#include "storage/entry.h"
#include "tests/simulation/world.h"

/* Fills w->jobs[at]. */
void program_make(unsigned at);
/* One that is called; those behind it are made. */
void program_make_child(unsigned at);

/* An attempt of its first step kills the process, where that is planned. False: it has none. */
bool program_poison(unsigned at);

/* The program of this process gives the operation another input than it did at first. */
bool program_changes(const run_record *r, int op);

/* Prints its tree. */
void program_tell(unsigned at);

/* Registers the endpoints; POST to them with {"job":N} begins a run of that job. Of the function the name is the route.
 */
void program_endpoints(sw_app *app);
extern const char *const program_routes[ENDPOINTS];

/* Reads a number that the run was asked for with: "job" or "salt", in its body or its input. -1: it is not there. */
int program_asked(const entry *started, const char *name);

/* What a result or a choice makes of what was there before. */
uint64_t program_mix(uint64_t before, uint64_t with);
uint64_t program_first(unsigned at);
static const uint64_t PROGRAM_FAILED = 0xfa11;

/* A handler's answer, as text of JSON, and its status. */
enum { PROGRAM_REPLY_MAX = 96 };
void program_reply(char out[PROGRAM_REPLY_MAX], unsigned at, unsigned salt, uint64_t result);
int program_status(unsigned at, uint64_t result);

typedef enum verdict_kind {
    VERDICT_ANSWER, /* `result` */
    VERDICT_FAILS,  /* the operation `op` fails, and the run with it */
    VERDICT_OPEN    /* of `op` there is nothing on disk */
} verdict_kind;

typedef struct verdict {
    verdict_kind kind;
    uint64_t result;
    int op;
    bool is_exhausted; /* VERDICT_FAILS: all causes are steps that have used their retries */
    uint64_t causes;   /* VERDICT_FAILS: bits of the steps whose failures that is */
} verdict;

/* What the run has to answer, out of what the disk has of its steps and choices. */
verdict program_verdict(const run_record *r);
/* Whether the disk has all that the member of a group has succeeded by. */
bool program_has_succeeded(const run_record *r, int member);

#endif
