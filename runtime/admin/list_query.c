#include "runtime/admin/list_query.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/server/server.h"
#include "http/uri.h"
#include "runtime/base/problem.h"

enum { NAME_BYTES = 32, VALUE_BYTES = 3 * 512 + 1 /* as long as a text of 511 bytes can be when it is encoded */ };

const char list_query_unknown[] = "it is not known";

size_t list_query_number(const char *text, size_t most)
{
    char *end;
    unsigned long long n = *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
    return n > 0 && *end == 0 && n <= most ? (size_t)n : 0;
}

static bool name_is_plain(http_text name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!isalnum((unsigned char)name.data[i]) && !strchr("_-.", name.data[i])) return false;
    return name.len > 0 && name.len < NAME_BYTES;
}

/* Whether a parameter before the one that is named there has that name. */
static bool query_had(http_text query, http_text name)
{
    const http_text before = {query.data, (size_t)(name.data - query.data)};
    http_text other, ignored;
    for (size_t at = 0; uri_query_next(before, &at, &other, &ignored);)
        if (other.len == name.len && memcmp(other.data, name.data, name.len) == 0) return true;
    return false;
}

const char *list_query_read(http_text query, const char *known, list_query_take *take, void *arg,
                            char wrong[LIST_QUERY_WRONG])
{
    char name[NAME_BYTES], value[VALUE_BYTES];
    http_text raw_name, raw_value;
    size_t len;
    for (size_t at = 0; uri_query_next(query, &at, &raw_name, &raw_value);) {
        bool is_plain = name_is_plain(raw_name);
        (void)snprintf(name, sizeof name, "%.*s", is_plain ? (int)raw_name.len : 1, is_plain ? raw_name.data : "?");
        if (raw_value.len >= sizeof value) {
            (void)snprintf(wrong, LIST_QUERY_WRONG, "\"%s\" is too long", name);
            return wrong;
        }
        uri_decode_query(raw_value.data, raw_value.len, value, &len);
        const char *why = take(arg, name, value);
        if (why == list_query_unknown)
            (void)snprintf(wrong, LIST_QUERY_WRONG, "this request takes no parameter \"%s\", only %s", name, known);
        else if (!why && query_had(query, raw_name))
            (void)snprintf(wrong, LIST_QUERY_WRONG, "\"%s\" is to be given once", name);
        else if (!why)
            continue;
        return why && why != list_query_unknown ? why : wrong;
    }
    return NULL;
}

bool list_query_is_empty(http_exchange *x)
{
    const http_request *q = http_exchange_request(x);
    const bool has_body = strcmp(q->method.data, "POST") == 0 || strcmp(q->method.data, "PUT") == 0;
    char why[LIST_QUERY_WRONG];
    http_text name, value;
    size_t at = 0;
    if (!uri_query_next(q->query, &at, &name, &value)) return true;
    const bool is_plain = name_is_plain(name);
    (void)snprintf(why, sizeof why, "this request takes no parameter \"%.*s\", nor any other%s",
                   is_plain ? (int)name.len : 1, is_plain ? name.data : "?",
                   has_body ? ": what it takes is in its body" : "");
    problem_reply(x, 400, why, NULL);
    return false;
}
