/* report: Markdown about a topic: sections that cite the prompt's sources by number, and their list. A prompt that has
 * findings is answered with those, each with its marks. */
#ifndef UPSTREAM_REPORT_H
#define UPSTREAM_REPORT_H

#include "apps/upstream/prompt.h"

const char *report_make(sw_ctx *c, const prompt *p, uint64_t seed);

/* What the model says when nothing particular is asked of it. */
const char *report_short_answer(sw_ctx *c, const prompt *p, uint64_t seed);

#endif
