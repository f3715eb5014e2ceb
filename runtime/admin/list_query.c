#include "runtime/admin/list_query.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/uri.h"

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
        if (!((name.data[i] >= 'a' && name.data[i] <= 'z') || name.data[i] == '_')) return false;
    return name.len > 0 && name.len < NAME_BYTES;
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
        if (why == list_query_unknown) {
            int n = snprintf(wrong, LIST_QUERY_WRONG, "this request takes no parameter \"%s\", only %s", name, known);
            assert(n > 0 && n < LIST_QUERY_WRONG);
            (void)n;
            why = wrong;
        }
        if (why) return why;
    }
    return NULL;
}
