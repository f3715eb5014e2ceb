/* message_request: the body and headers of POST /v1/messages, checked as the API checks them. */
#ifndef UPSTREAM_MESSAGE_REQUEST_H
#define UPSTREAM_MESSAGE_REQUEST_H

#include <stdint.h>

#include <stepwell.h>

typedef struct message_request {
    const char *model;
    const char *system; /* all text of it; "" if none */
    const char *user;   /* all text of the messages */
    int64_t max_tokens; /* 1 or more */
    bool stream;
    sw_value schema;  /* what the output must fit; nil: free text */
    const char *tool; /* the tool that must be used; NULL: none */
} message_request;

typedef struct api_problem {
    int status;
    const char *type; /* "invalid_request_error", ... */
    const char *message;
} api_problem;

/* The key and the version of the API; false with the problem. */
bool message_headers_check(sw_ctx *c, api_problem *problem);

/* False with the problem. */
bool message_request_read(sw_ctx *c, message_request *out, api_problem *problem);

/* The text of a string or of an array of content blocks, a line for each; false if it is neither. */
bool message_content_text(sw_ctx *c, sw_value content, sw_text *into);

/* The models that exist, NULL-terminated, the newest first. */
const char *const *message_models(void);

#endif
