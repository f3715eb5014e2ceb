/* question: what a request asks for: its parameters, read from the query string or from a JSON object in the body,
 * checked and with their defaults. */
#ifndef RESEARCH_QUESTION_H
#define RESEARCH_QUESTION_H

#include <stepwell.h>

enum {
    TOPIC_CHARACTERS_MAX = 2000,
    CLARIFICATIONS_CHARACTERS_MAX = 8000,
    ID_CHARACTERS_MAX = 200,
    DEPTH_DEFAULT = 2,
    DEPTH_MAX = 5,
    BREADTH_DEFAULT = 3,
    BREADTH_MAX = 10,
    LEVEL_QUERIES_MAX = 64
};

typedef struct question {
    sw_value body;  /* of a POST; nil: the query string has the parameters */
    sw_value topic; /* a string */
    sw_value research_id;
    int64_t depth, breadth;
    sw_value clarifications; /* a map */
    sw_value queries;        /* [{query, reasoning, angle}]; nil: none were given */
    sw_value fault;          /* nil, or what steps.h says */
    const char *wrong;       /* NULL, or what is wrong with the request */
} question;

typedef enum question_kind { ASKS_TOPIC, ASKS_PLAN, ASKS_RESEARCH } question_kind;

/* Whether nothing but blanks is in the text; true for what is no text. */
bool question_is_blank(sw_ctx *c, sw_value words);

/* The first so many characters of the text. */
sw_value question_cut(sw_ctx *c, sw_value words, int64_t characters);

/* The first of a model's queries [{query, reasoning, angle}] that a request may have: none that is blank or there
 * twice, long texts cut. */
sw_value question_usable_queries(sw_ctx *c, sw_value queries, int64_t most);

/* Reads the request of the run; what is wrong with it is in .wrong. */
question question_of(sw_ctx *c, question_kind kind);

#endif
