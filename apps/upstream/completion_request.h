/* completion_request: the body and headers of POST /v1/chat/completions, checked as the API checks them. */
#ifndef UPSTREAM_COMPLETION_REQUEST_H
#define UPSTREAM_COMPLETION_REQUEST_H

#include "apps/upstream/message_request.h"

typedef struct completion_request {
    message_request asked; /* what the model is asked, as of the other API */
    bool include_usage;    /* a last chunk of the stream tells it */
} completion_request;

typedef struct completion_problem {
    int status;
    const char *type;    /* "invalid_request_error", ... */
    const char *message; /* for people */
    const char *param;   /* NULL: null */
    const char *code;    /* NULL: null */
} completion_problem;

/* The key; false with the problem. */
bool completion_key_check(sw_ctx *c, completion_problem *problem);

/* False with the problem. */
bool completion_request_read(sw_ctx *c, completion_request *out, completion_problem *problem);

/* The models that exist, NULL-terminated. */
const char *const *completion_models(void);

#endif
