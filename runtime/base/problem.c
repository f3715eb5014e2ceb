#include "runtime/base/problem.h"

#include <assert.h>
#include <string.h>

#include "runtime/base/arena.h"
#include "runtime/base/json.h"

enum { FIXED_BYTES = 96 /* without title and detail, and more */ };

/* A problem's own headers. */
typedef struct problem_headers {
    const http_reply_header *list;
    size_t count;
} problem_headers;

static void problem_send(http_exchange *x, int status, problem_headers own, const char *body, size_t len)
{
    http_reply_header headers[1 + PROBLEM_HEADERS_MAX] = {{"Content-Type", "application/problem+json"}};
    assert(own.count <= PROBLEM_HEADERS_MAX);
    for (size_t i = 0; i < own.count; i++) headers[1 + i] = own.list[i];
    http_reply(x, status, headers, 1 + own.count, body, len);
}

/* Most details are plain text of ours, and a server that refuses has no time to lose: nothing is allocated for them. */
static bool problem_send_plain(http_exchange *x, int status, const char *detail, problem_headers own)
{
    char body[512], digits[4];
    const char *title = http_status_text(status);
    size_t len = strlen(detail);
    for (size_t i = 0; i < len; i++)
        if (detail[i] < 0x20 || detail[i] == 0x7f || detail[i] == '"' || detail[i] == '\\') return false;
    if (len + strlen(title) > sizeof body - FIXED_BYTES) return false;
    for (int i = 2, rest = status; i >= 0; i--, rest /= 10) digits[i] = (char)('0' + rest % 10);
    digits[3] = 0;
    char *end = stpcpy(stpcpy(body, "{\"type\":\"about:blank\",\"title\":\""), title);
    end = stpcpy(stpcpy(end, "\",\"status\":"), digits);
    end = stpcpy(stpcpy(stpcpy(end, ",\"detail\":\""), detail), "\"}\n");
    problem_send(x, status, own, body, (size_t)(end - body));
    return true;
}

char *problem_text(arena *a, int status, const char *detail, const char *members)
{
    sw_bytes text;
    sw_value v = {.type = MSGPACK_OBJECT_STR};
    v.via.str.ptr = detail;
    v.via.str.size = (uint32_t)strlen(detail);
    if (!json_write(a, v, &text)) return NULL;
    return arena_printf(a, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"detail\":%.*s%s}\n",
                        http_status_text(status), status, (int)text.len, text.data, members);
}

void problem_reply_with(http_exchange *x, int status, const char *detail, const http_reply_header *headers,
                        size_t count)
{
    const problem_headers own = {headers, count};
    if (problem_send_plain(x, status, detail, own)) return;
    arena a;
    arena_init(&a, NULL);
    const char *body = problem_text(&a, status, detail, "");
    problem_send(x, status, own, body ? body : "", body ? strlen(body) : 0);
    arena_free(&a);
}

void problem_reply(http_exchange *x, int status, const char *detail, const char *retry_after)
{
    const http_reply_header wait = {"Retry-After", retry_after};
    problem_reply_with(x, status, detail, &wait, retry_after ? 1 : 0);
}
