#include "runtime/base/problem.h"

#include <assert.h>
#include <string.h>

#include "runtime/base/arena.h"
#include "runtime/base/json.h"

/* Headers of a problem, beside its Content-Type. Borrowed. */
typedef struct problem_headers {
    const http_reply_header *list;
    size_t count;
} problem_headers;

static void problem_send(http_exchange *x, int status, problem_headers own, const char *body, size_t len)
{
    http_reply_header headers[1 + PROBLEM_HEADERS_MAX] = {{"Content-Type", "application/problem+json"}};
    assert(own.count <= PROBLEM_HEADERS_MAX);
    assert(status >= 400 && status < 600);
    for (size_t i = 0; i < own.count; i++) headers[1 + i] = own.list[i];
    http_reply(x, status, headers, 1 + own.count, (http_text){body, len});
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
    char plain[512];
    size_t plain_len = http_problem_body(plain, sizeof plain, status, NULL, detail);
    if (plain_len > 0) {
        problem_send(x, status, own, plain, plain_len);
        return;
    }
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
