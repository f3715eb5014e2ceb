/* check_page: what --check prints: one line for each way in which runs differ, and how many runs do; or, with
 * --check-json, a JSON object a run. Owns its groups and their texts. */
#ifndef RUNTIME_CHECK_CHECK_PAGE_H
#define RUNTIME_CHECK_CHECK_PAGE_H

#include <stdio.h>

#include "runtime/check/judge.h"

enum { CHECK_KINDS = CHECK_UNREADABLE + 1 };

/* Runs of one endpoint and version that differ at one place: what differs is told of the first of them. */
typedef struct check_group {
    struct check_group *next;
    const char *endpoint, *version, *run;
    check_verdict verdict;
    size_t count;
} check_group;

typedef struct check_page {
    FILE *to;
    bool as_json;
    arena memory;
    check_group *groups, **end; /* in the order in which they were seen */
    size_t runs[CHECK_KINDS];
    size_t live; /* of all of them */
} check_page;

void check_page_init(check_page *p, FILE *to, bool as_json);
/* Adds a run; with --check-json it is printed at once. `started` NULL: the run's journal could not be read. */
void check_page_add(check_page *p, const char *run, bool is_live, const entry *started, const check_verdict *v);
/* Prints what is to be printed at the end, and frees the page. */
void check_page_end(check_page *p);

#endif
