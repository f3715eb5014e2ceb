/* message_answer: what the model says to a request, before it is known how it is sent. */
#ifndef UPSTREAM_MESSAGE_ANSWER_H
#define UPSTREAM_MESSAGE_ANSWER_H

#include "apps/upstream/faults.h"
#include "apps/upstream/message_request.h"

typedef struct message_answer {
    const char *id;          /* "msg_..." */
    const char *text;        /* of a text block, or a tool's input as JSON */
    size_t text_len;         /* bytes, after the cut at max_tokens */
    const char *tool;        /* NULL: a text block */
    const char *tool_id;     /* "toolu_..." */
    const char *stop_reason; /* "end_turn", "tool_use", "max_tokens", "refusal" */
    int64_t input_tokens;
    int64_t output_tokens;
} message_answer;

/* What the request is about, for the log of calls: "queries: rivers". */
const char *message_label(sw_ctx *c, const message_request *r);

/* `seed` chooses the words, `fault` may spoil them. */
message_answer message_answer_make(sw_ctx *c, const message_request *r, uint64_t seed, fault_kind fault);

/* Bytes of the next token of `words`: a word or a bracket with the white space before it. 0 at its end. */
size_t message_token_len(const char *words, size_t len);

sw_value message_value(sw_ctx *c, const message_request *r, const message_answer *a); /* the answer in one piece */

/* The message as its stream begins: without content and stop reason. */
sw_value message_value_start(sw_ctx *c, const message_request *r, const message_answer *a);

/* Why it was refused; nil if it was not. */
sw_value message_stop_details(sw_ctx *c, const message_answer *a);

#endif
