/* progress: what a research says of itself to whoever runs the service, and to pages that wait: labels by which it is
 * found, and a status. What it has found is streamed (steps.h), not said here. */
#ifndef RESEARCH_PROGRESS_H
#define RESEARCH_PROGRESS_H

#include <stepwell.h>

#include "apps/research/question.h"

/* Labels: the beginning of the topic, and the depth. */
void progress_begin(sw_ctx *c, const question *q);

/* Status {"phase": ...}. */
void progress_say(sw_ctx *c, const char *phase);

/* Status {"phase": "searching", "level", "of", "queries", "sources"}: a level begins, with so many sources known. */
void progress_say_level(sw_ctx *c, int64_t level, int64_t of, sw_value queries, sw_value sources);

#endif
