/* prose: readable sentences about a topic, the same for the same numbers. Owns its phrases; knows nothing of APIs. */
#ifndef UPSTREAM_PROSE_H
#define UPSTREAM_PROSE_H

#include <stepwell.h>

typedef enum prose_kind {
    PROSE_QUERY,
    PROSE_FOLLOW_UP,
    PROSE_REASONING,
    PROSE_ANGLE,
    PROSE_INSIGHT,
    PROSE_RATIONALE,
    PROSE_CONNECTION,
    PROSE_SYNTHESIS,
    PROSE_DOUBT,
    PROSE_QUESTION,
    PROSE_OPTION,
    PROSE_TITLE,
    PROSE_HEADING, /* the topic alone */
    PROSE_SENTENCE,
    PROSE_KINDS
} prose_kind;

/* The index-th text of its kind; neighbours by index differ, `seed` chooses where the sequence begins. */
const char *prose_make(sw_ctx *c, prose_kind kind, const char *topic, uint64_t seed, size_t index);

/* The angle under which the index-th query looks: "costs and economics". */
const char *prose_angle(uint64_t seed, size_t index);

/* Option `index` of the question that prose_make(PROSE_QUESTION) gives for `question`. */
const char *prose_option(sw_ctx *c, uint64_t seed, size_t question, size_t index);

#endif
