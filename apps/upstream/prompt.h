/* prompt: what a request tells the model, and what of it the simulator understands: labelled lines ("Topic: ...",
 * "Query: ...", "Breadth: 3") and numbered sources ("[1] Title https://..."). All text belongs to the request. */
#ifndef UPSTREAM_PROMPT_H
#define UPSTREAM_PROMPT_H

#include <stepwell.h>

enum { PROMPT_SOURCES_MAX = 512 };

typedef struct prompt_source {
    int64_t number;    /* as in "[3] " */
    const char *title; /* never empty */
    const char *url;   /* "" if none is near */
} prompt_source;

typedef struct prompt {
    const char *topic;      /* never empty */
    const char *query;      /* "" if none */
    int64_t breadth;        /* 0 if none */
    bool wants_report;      /* the words ask for a report */
    prompt_source *sources; /* in the order found, numbers told apart */
    size_t source_count;
} prompt;

/* `system` and `user` are the texts of all such blocks, borrowed for the request. */
prompt prompt_read(sw_ctx *c, const char *system, const char *user);

#endif
