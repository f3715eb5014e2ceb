/* tracer: the export of traces by one process: which traces are exported, where their spans wait, and who posts them.
 * Owns settings, spool and exporter. A process without one exports nothing. From any thread, but for start and stop. */
#ifndef RUNTIME_TRACE_TRACER_H
#define RUNTIME_TRACE_TRACER_H

#include "runtime/trace/exporter.h"
#include "runtime/trace/spool.h"
#include "runtime/trace/trace_env.h"

typedef struct tracer {
    trace_env env;
    spool *spool;
    exporter *exporter;
} tracer;

typedef struct tracer_options {
    const char *service;  /* the program's name */
    const char *instance; /* tells this process from others of the service; NULL: nothing does */
    const char *folder;   /* of the spool's file; NULL: there is none */
} tracer_options;

/* Begins to export, if the environment says where to. *out NULL: it does not. False: no memory. */
bool tracer_start(tracer **out, const tracer_options *options);
/* Exports what waits, for `flush_ms` at most; what is left stays for the next process, if there is a file. */
void tracer_stop(tracer *t, int64_t flush_ms);

/* Gives a span that is over to the exporter. */
void tracer_ready(tracer *t, span *p);

/* ---- Requests of runs that a former process had under way. Each is for the loop that has the run ---- */

/* Fills *out with the index-th request that a former process had under way. False: there are not so many. */
bool tracer_former_at(const tracer *t, size_t index, spool_former *out);
/* The run goes on in this process, or has ended in it, which tells of its request. */
void tracer_forget_former(tracer *t, const uint8_t run[16]);
/* The run has ended, and is on disk: exports its request in the place of the process that could not. */
void tracer_end_former(tracer *t, const uint8_t run[16]);
/* The run was never on disk: its request ended with its process. */
void tracer_cut_former(tracer *t, const uint8_t run[16]);

#endif
