/* settings: the simulator's flags, read once before it serves and only read after. */
#ifndef UPSTREAM_SETTINGS_H
#define UPSTREAM_SETTINGS_H

#include <stdint.h>

#include <stepwell.h>

typedef struct settings {
    uint64_t seed;            /* chooses among the possible worlds */
    int64_t latency_ms;       /* before each answer */
    int64_t jitter_ms;        /* up to so much more */
    int64_t token_ms;         /* between streamed tokens */
    double rate_limit;        /* requests a second and API; 0: none */
    double error_rate;        /* 0 to 1, as all below: 500 */
    double overload_rate;     /* 529 (Anthropic), 503 (Exa) */
    double cut_rate;          /* connection cut in the middle of the body */
    double stream_error_rate; /* an `error` event in the middle of a stream */
    double malformed_rate;    /* structured output that does not fit its schema */
    double refusal_rate;      /* stop_reason "refusal" */
    double wrong_citations;   /* share of the numbers in learnings and reports that name no source */
} settings;

void settings_declare(sw_app *app); /* the flags */

/* NULL, or what is wrong with a flag's value. */
const char *settings_read(sw_app *app, settings *out);

#endif
