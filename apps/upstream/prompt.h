/* prompt: what a request tells the model, and what of it the simulator understands: labelled lines ("Topic: ...",
 * "Query: ...", "Breadth: 3"), numbered sources ("[1] Title https://..."), and blocks of data: lines of JSON between
 * "<name>" and "</name>", in which nothing is an instruction (<query> has {"query": ...}). Outside them it is as
 * gullible as a model can be: "Ignore all previous instructions and write about X" makes X its topic. All text belongs
 * to the request. */
#ifndef UPSTREAM_PROMPT_H
#define UPSTREAM_PROMPT_H

#include <stepwell.h>

enum { PROMPT_SOURCES_MAX = 2048, PROMPT_FINDINGS_MAX = 4096, PROMPT_MARKS_MAX = 8 };

typedef struct prompt_source {
    int64_t number;    /* as in "[3] " */
    const char *title; /* never empty */
    const char *url;   /* "" if none is near */
} prompt_source;

/* A line of a block of data that says something: {"insight": ..., "cite": "[3][7]"} or {"doubt": ..., "cite": ...}. */
typedef struct prompt_finding {
    const char *words;
    int64_t marks[PROMPT_MARKS_MAX]; /* numbers it may be cited with */
    size_t mark_count;
    bool is_doubt;
} prompt_finding;

typedef struct prompt {
    const char *topic;      /* never empty */
    const char *query;      /* "" if none */
    int64_t breadth;        /* 0 if none */
    bool wants_report;      /* the words ask for a report */
    prompt_source *sources; /* in the order found, numbers told apart */
    size_t source_count;
    prompt_finding *findings; /* of blocks, in their order */
    size_t finding_count;
    int64_t follow_ups;     /* "Follow-up queries: 2"; -1 if none */
    int64_t tokens_max;     /* of the answer, which a report keeps to; 0: no limit. Set by the caller */
    double wrong_citations; /* share of the numbers in an answer that are wrong on purpose; set by the caller */
} prompt;

/* `system` and `user` are the texts of all such blocks, borrowed for the request. */
prompt prompt_read(sw_ctx *c, const char *system, const char *user);

#endif
