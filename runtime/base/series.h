/* series: under which labels a metric counts. A table of them belongs to each metric that has labels, and all loops
 * share it: found without a lock, added under one. A table only grows, up to its limit; labels that find no place in it
 * count as the series SERIES_OTHER. Has no figures: each loop has its own, by the series' id. */
#ifndef RUNTIME_BASE_SERIES_H
#define RUNTIME_BASE_SERIES_H

#include <stddef.h>
#include <stdint.h>

typedef struct series_table series_table;

/* What tells the series of one table apart. */
typedef struct series_labels {
    const char *route; /* borrowed for as long as the table lives; NULL: none */
    const char *name;  /* copied; no zero is needed behind it */
    size_t name_len;
    int code;
} series_labels;

enum { SERIES_OTHER = 0 };

/* Makes a table of at most `max` series beside SERIES_OTHER. NULL: no memory. */
series_table *series_table_new(uint32_t max);
void series_table_free(series_table *t);

/* Returns the id of the series with these labels, which is added if it is new: 1 to `max`. SERIES_OTHER: the table is
 * full, or there is no memory. From any thread. */
uint32_t series_find(series_table *t, const series_labels *labels);
uint32_t series_max(const series_table *t);
/* Ids from 1 to this number have labels. From any thread. */
uint32_t series_count(const series_table *t);
/* The labels of an id up to series_count; the texts are the table's. */
series_labels series_get(const series_table *t, uint32_t id);

#endif
