/* model: one question to the language model (Anthropic's Messages API). To be called inside a step: what can be tried
 * again fails the attempt, what cannot (a refusal, a wrong key) fails the step for good. An answer is paid for: one
 * that is of no use is asked for once more, one that is incomplete not at all. */
#ifndef RESEARCH_MODEL_H
#define RESEARCH_MODEL_H

#include <stepwell.h>

/* An answer that fits the schema. */
sw_value model_ask(sw_ctx *c, const char *system, const char *prompt, sw_value schema);

/* A text, pushed to the client as {"type": "token", "text"} while it is written. */
sw_value model_write(sw_ctx *c, const char *system, const char *prompt);

#endif
