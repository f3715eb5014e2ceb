/* omit: a request without what its endpoint leaves out (sw_endpoint_options.omit), before its run begins, or a fork of
 * its run: so neither a journal nor a handler has that. Pure. */
#ifndef RUNTIME_RUN_OMIT_H
#define RUNTIME_RUN_OMIT_H

#include "runtime/base/arena.h"
#include "runtime/run/run_input.h"

struct endpoint;

typedef enum omit_result {
    OMIT_DONE,
    OMIT_NO_JSON, /* parts of the body are to be left out, and it is not JSON: nothing of it may be kept */
    OMIT_NO_MEMORY
} omit_result;

/* What whoever sent the body is told with OMIT_NO_JSON. */
extern const char omit_no_json[];

/* Takes out of *input what the endpoint leaves out; what is changed lies in `a`. A body of which parts may be left out
 * is written anew as JSON; an empty one stays. Of a function's input, which has no form but its own, parts go as they
 * are. */
omit_result omit_take_out(const struct endpoint *e, arena *a, run_input *input);

#endif
