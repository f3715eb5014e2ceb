/* model: one question to the language model. To be called inside a step: what can be tried again fails the attempt,
 * what cannot (a refusal, a wrong key) fails the step for good. An answer is paid for: one that is of no use is asked
 * for once more, one that is incomplete not at all. */
#ifndef RESEARCH_MODEL_H
#define RESEARCH_MODEL_H

#include <stepwell.h>

/* Tokens that an answer may have, and tokens that its prompt may have beside it: both fit the model's context. */
int64_t model_answer_room(void);
int64_t model_report_room(void);
int64_t model_prompt_room(int64_t answer_tokens);

const char *model_provider(void); /* "anthropic", "openai" */

/* An answer that fits the schema. Its calls are added to *usage. */
sw_value model_ask(sw_ctx *c, const char *system, const char *prompt, sw_value schema, sw_value *usage);

/* Where a text goes, piece by piece. */
typedef struct model_sink {
    void (*take)(void *arg, const char *data, size_t len);
    void *arg;
} model_sink;

/* Has the model write a text, which goes to the sink while it is written; returns its length in bytes. Its calls are
 * added to *usage. */
size_t model_write(sw_ctx *c, const char *system, const char *prompt, model_sink sink, sw_value *usage);

#endif
