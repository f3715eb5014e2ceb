/* exporter: posts the spool's spans to a collector (OTLP over HTTP), batch by batch, on a thread of its own, which
 * alone waits for the network. Owns the thread and its curl handles; borrows spool and settings. A batch that the
 * collector may take later (no answer, 429, 502, 503, 504) is sent again, in growing pauses or when the collector says;
 * meanwhile spans wait in the spool, and those for which it has no room are dropped. */
#ifndef RUNTIME_TRACE_EXPORTER_H
#define RUNTIME_TRACE_EXPORTER_H

#include "runtime/trace/spool.h"
#include "runtime/trace/trace_env.h"

typedef struct exporter exporter;

/* Begins to export. NULL: no memory, or no thread. */
exporter *exporter_start(spool *s, const trace_env *env);
/* Has it export now; from any thread. */
void exporter_wake(exporter *e);
/* Exports what waits, for `flush_ms` at most, 0: nothing more, and ends the thread. Spans that are left stay in the
 * spool. */
void exporter_stop(exporter *e, int64_t flush_ms);

typedef struct exporter_figures {
    uint64_t exported, refused; /* spans: taken by the collector, and given up */
    uint64_t errors;            /* exports that failed */
} exporter_figures;
exporter_figures exporter_figures_of(const exporter *e);

#endif
