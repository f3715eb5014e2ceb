/* cron: at which points in time a schedule's work is due: "30 2 * * mon-fri" in a time zone, or "@every 90s". Made from
 * text; unchanged once made, so that any thread may ask. Never looks at a clock. What may be written, and what happens
 * when a zone's clocks are changed: docs/schedules.md. */
#ifndef RUNTIME_FLOW_CRON_H
#define RUNTIME_FLOW_CRON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cron cron;

enum {
    CRON_TEXT_MAX = 256,           /* bytes of an expression */
    CRON_EVERY_MAX_S = 366 * 86400 /* the longest "@every" */
};
static const int64_t CRON_NEVER = INT64_MAX;

/* Makes it from an expression and the name of a zone (NULL: UTC). NULL: `why` has what is wrong, as the end of a
 * sentence that has named the option: `.cron "61 * * * *": ...`. */
cron *cron_new(const char *text, const char *timezone, char *why, size_t why_size);
void cron_free(cron *c); /* NULL is fine */
/* Whether its points depend on the time zone. */
bool cron_has_zone(const cron *c);

/* Returns the first point after a moment, both in Unix ms; CRON_NEVER: there is none before the year 10000. */
int64_t cron_next(const cron *c, int64_t after_ms);
/* Returns the last point of those after `after_ms` and not after `upto_ms`; CRON_NEVER: there is none. */
int64_t cron_newest(const cron *c, int64_t after_ms, int64_t upto_ms);

#endif
