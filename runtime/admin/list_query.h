/* list_query: the query of an operator's request: each parameter decoded and given to whoever knows its name. One that
 * nobody knows is refused: it may be meant as a filter, and without it everything would be taken for the chosen; or as
 * dryRun, whose place is the body. So is one that comes twice. */
#ifndef RUNTIME_ADMIN_LIST_QUERY_H
#define RUNTIME_ADMIN_LIST_QUERY_H

#include <stdbool.h>
#include <stddef.h>

#include "http/http_text.h"

struct http_exchange;

enum { LIST_QUERY_WRONG = 256 };

/* What a taker returns for a name that it does not know. */
extern const char list_query_unknown[];
/* Returns NULL, or what is wrong with the value: static. */
typedef const char *list_query_take(void *arg, const char *name, const char *value);

/* Returns NULL, or what is wrong with the query: static, or in `wrong`. `known`: the names, for the refusal. */
const char *list_query_read(http_text query, const char *known, list_query_take *take, void *arg,
                            char wrong[LIST_QUERY_WRONG]);
/* Whether the request has no parameters. False: it has its answer. */
bool list_query_is_empty(struct http_exchange *x);
/* Reads a number from 1 to `most`; 0: the text is none. */
size_t list_query_number(const char *text, size_t most);

#endif
