/* findings: what a research has gathered, and how the answers of a level are added to it. Pure work on values: the same
 * answers give the same findings, whatever came first. */
#ifndef RESEARCH_FINDINGS_H
#define RESEARCH_FINDINGS_H

#include <stepwell.h>

typedef struct findings {
    sw_value sources;   /* [{n, title, url}], no URL twice; n counts from 1 */
    sw_value learnings; /* [{insight, sourceRationale, connection, sources: [n], query, depth}] */
    sw_value doubts;    /* [{doubt, sources: [n], query, depth}] */
    sw_value notes;     /* [{level, query, note}] */
    sw_value queries;   /* [{id, query, reasoning, depth}] */
    sw_value usage;     /* of all steps so far */
} findings;

findings findings_new(sw_ctx *c);

/* The URLs of all sources, for queries of the next level to know what is new. */
sw_value findings_urls(sw_ctx *c, const findings *f);

/* The latest summaries, at most as many as a prompt should have of them. */
sw_value findings_digest(sw_ctx *c, const findings *f);

/* The queries that a level begins with, under their ids: [{id, query, reasoning}]. */
sw_value findings_begin_level(sw_ctx *c, findings *f, sw_value queries, int64_t depth);

/* Adds what the level's queries brought, in their order: answers[i] is {usage, sources?, answer?} of queries[i], whose
 * learnings have numbers of its own sources. Returns the next level's queries: [{query, reasoning}]. */
sw_value findings_end_level(sw_ctx *c, findings *f, sw_value queries, sw_value answers, int64_t follow_ups_max);

#endif
