/* cron_core: what an expression says, for the two files of cron: reading it (cron_text.c) and finding points (cron.c).
 */
#ifndef RUNTIME_FLOW_CRON_CORE_H
#define RUNTIME_FLOW_CRON_CORE_H

#include "runtime/flow/cron.h"
#include "runtime/flow/zone.h"

/* Bit n of a set stands for n. */
typedef struct cron_fields {
    int64_t every_s;   /* "@every": then nothing else counts; 0: it is none */
    uint64_t minutes;  /* 0 to 59 */
    uint64_t hours;    /* 0 to 23 */
    uint64_t days;     /* 1 to 31 */
    uint64_t months;   /* 1 to 12 */
    uint64_t weekdays; /* 0, which is Sunday, to 6 */
    bool either_day;   /* days and weekdays are both restricted: a day of either set will do; else it is in both */
} cron_fields;

/* Reads an expression. False: `why` has what is wrong. */
bool cron_read(const char *given, cron_fields *out, char *why, size_t why_size);

#endif
