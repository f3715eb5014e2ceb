/* probe_core: what the parts of the probe share: steps, values and time (probe.c), calls (probe_calls.c), what handlers
 * do outside Stepwell (outside.c), signals (probe_signals.c). */
#ifndef RUNTIME_PROBE_PROBE_CORE_H
#define RUNTIME_PROBE_PROBE_CORE_H

#include "runtime/probe/fact.h"
#include "runtime/probe/probe.h"
#include "runtime/probe/tape.h"

extern probe_plan probe_active_plan; /* the plan of this process; set by probe_begin */

static inline entry_text probe_text(const char *text) { return (entry_text){text, text ? strlen(text) : 0}; }

/* Makes a fact of that kind with path, attempt, id and label of the step that `c` stands for; outside steps with the
 * branch's path and label. Borrows the texts. */
fact probe_fact(const sw_ctx *c, fact_kind kind);

/* probe_signals.c: sends each run the signals of --prove-signal, once. True: something was sent. */
bool probe_send_signals(struct home *h);

/* outside.c: from now on a handler's own calls of clocks, random numbers and effects are seen. Before there is another
 * thread. */
void outside_watch(unsigned crash);
/* Sets the fact's data and hash to the file of `code`, a return address, and the address in that file. */
void outside_locate(fact *f, const void *code);

#endif
