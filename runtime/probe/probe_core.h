/* What the parts of the probe share: steps and values (probe.c), calls (probe_calls.c), what the program does behind
 * the library's back (outside.c). */
#ifndef RUNTIME_PROBE_PROBE_CORE_H
#define RUNTIME_PROBE_PROBE_CORE_H

#include "runtime/probe/fact.h"
#include "runtime/probe/probe.h"
#include "runtime/probe/tape.h"

extern probe_plan probe_now;

static inline entry_text probe_text(const char *text) { return (entry_text){text, text ? strlen(text) : 0}; }

/* Of the step that is innermost, and outside steps of the branch: path, id, label. */
fact probe_fact(const sw_ctx *c, fact_kind kind);

/* outside.c: from now on the program's own reads of clocks and random numbers, and what it does outside steps, are seen
 * where they come from its own code. */
void outside_watch(unsigned crash);
/* Adds where `code` is: its file and the address in it. */
void outside_locate(fact *f, const void *code);

#endif
