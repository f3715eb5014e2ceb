/* patience: steps of a research, tried again for as long as --retries says. What a service refuses with a status of 400
 * to 499 (a wrong key, no credit, a model it does not know) is not tried for long: a person has to mend that first. In
 * both cases the research stops instead of failing, and its client lets it go on from that step. */
#ifndef RESEARCH_PATIENCE_H
#define RESEARCH_PATIENCE_H

#include <stepwell.h>

/* As sw_step. */
sw_value patience_step(sw_ctx *c, const char *id, sw_step_fn fn, sw_value input);

#endif
