/* trace_env: what the environment says of exporting traces: the standard variables of OpenTelemetry (OTEL_...), of
 * which docs/operations.md, *Tracing*, has a table. What is wrong there is logged and counts as not given, as the
 * specification wants it: the variables may be meant for other programs too. Owns its texts. */
#ifndef RUNTIME_TRACE_TRACE_ENV_H
#define RUNTIME_TRACE_TRACE_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/trace/sampler.h"

enum { TRACE_PAIRS_MAX = 64 };

typedef struct trace_pair {
    char *name, *value;
} trace_pair;

typedef struct trace_pairs {
    trace_pair all[TRACE_PAIRS_MAX];
    size_t count;
} trace_pairs;

typedef struct trace_env {
    bool is_on;                                      /* somebody has said where traces go */
    bool is_json;                                    /* http/json; else http/protobuf */
    bool is_gzip;                                    /* bodies are packed */
    char *url;                                       /* that batches are posted to */
    char *shown_url;                                 /* the same without user, password and query, for people */
    char *ca_file, *client_certificate, *client_key; /* NULL: not given */
    trace_pairs headers;                             /* of each export */
    trace_pairs resource;                            /* attributes of this process; service.name is the first */
    sampler sampler;
    int64_t timeout_ms;          /* of one export */
    int64_t delay_ms;            /* between two exports */
    size_t queue_max, batch_max; /* spans */
} trace_env;

/* Reads the environment. `service`: the program's name. False: no memory. trace_env_free is due in any case. */
bool trace_env_read(trace_env *out, const char *service);
void trace_env_free(trace_env *e);

/* Adds an attribute of this process, unless the environment has it. False: no memory. */
bool trace_env_add(trace_env *e, const char *name, const char *value);

#endif
