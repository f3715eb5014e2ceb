/* provider: one way to speak to a language model: what a request looks like, and what its answers and the events of
 * its streams say. It makes no calls (model.c does) and decides nothing about retries. */
#ifndef RESEARCH_PROVIDER_H
#define RESEARCH_PROVIDER_H

#include <stepwell.h>

typedef struct model_call {
    const char *system, *prompt;
    sw_value schema;    /* what the answer has to fit; nil: free text */
    int64_t tokens_max; /* of the answer */
} model_call;

typedef struct model_answer {
    const char *text;  /* "" if it has none */
    const char *unfit; /* NULL, or why it is no whole answer: the next one would be none either */
    const char *error; /* NULL, or an error that came with status 200 in place of an answer */
    int64_t input_tokens, output_tokens;
} model_answer;

typedef struct model_event {
    sw_value text;                       /* more of the answer; nil: none */
    const char *error;                   /* NULL, or why the stream breaks off */
    const char *reason;                  /* NULL, or why the model stopped, in the provider's words: the text is over */
    const char *unfit;                   /* as in model_answer, once there is a reason */
    int64_t input_tokens, output_tokens; /* so far; negative: not said */
} model_event;

typedef struct provider {
    const char *name;
    sw_request (*request)(sw_ctx *c, const model_call *call, bool streamed); /* without its timeout */
    model_answer (*answer)(sw_ctx *c, sw_value json);
    bool (*is_ping)(const sw_sse *event); /* says only that the stream is there */
    bool (*is_end)(const sw_sse *event);  /* nothing follows; its data need not be JSON */
    model_event (*event)(sw_ctx *c, const sw_sse *event, sw_value data);
} provider;

extern const provider provider_anthropic, provider_openai;

bool provider_is(const char *text, const char *what); /* equal; false for NULL */

/* Servers differ: {"message": ..., "type" or "code": ...} or a text. NULL for nil. */
const char *provider_error(sw_ctx *c, sw_value error);

#endif
