/* Server-sent events by the rules of the WHATWG HTML standard, 9.2.6, whatever pieces they arrive in. */
#include <stdbool.h>

#include "http/client/sse.h"
#include "tests/harness/check.h"

/* Events as text: "event|data|id;" each. */
static char seen[4096];

static sse_result feed(sse_parser *p, const char *data, size_t len)
{
    sse_event e;
    sse_result result;
    do {
        size_t taken = 0;
        result = sse_parser_feed(p, data, len, &taken, &e);
        CHECK(taken <= len);
        data += taken;
        len -= taken;
        if (result != SSE_EVENT) continue;
        CHECK_INT(strlen(e.data), e.data_len);
        size_t at = strlen(seen);
        CHECK(at + e.data_len + 64 < sizeof seen);
        sprintf(seen + at, "%s|%s|%s;", e.event, e.data, e.id);
    } while (result == SSE_EVENT);
    if (result == SSE_MORE) CHECK_INT(len, 0);
    return result;
}

/* Whole, cut once at every place, and byte by byte. */
static void events(const char *stream, size_t len, const char *expected)
{
    for (size_t cut = 0; cut <= len + 1; cut++) {
        sse_parser *p = sse_parser_new(0);
        CHECK(p);
        seen[0] = 0;
        if (cut <= len) {
            CHECK_INT(feed(p, stream, cut), SSE_MORE);
            CHECK_INT(feed(p, stream + cut, len - cut), SSE_MORE);
        } else {
            for (size_t i = 0; i < len; i++) CHECK_INT(feed(p, stream + i, 1), SSE_MORE);
        }
        CHECK_STR(seen, expected);
        sse_parser_free(p);
    }
}

#define EVENTS(stream, expected) events(stream, sizeof(stream) - 1, expected)

static void test_rules(void)
{
    EVENTS("data: a\n\n", "message|a|;");
    EVENTS("data:a\n\n", "message|a|;");
    EVENTS("data:  a\n\n", "message| a|;"); /* one space goes */
    EVENTS("data: a\ndata: b\n\n", "message|a\nb|;");
    EVENTS("data\n\n", "message||;");
    EVENTS("data\ndata\n\n", "message|\n|;");
    EVENTS("data: a\r\rdata: b\r\n\r\ndata: c\n\n", "message|a|;message|b|;message|c|;");
    EVENTS("event: e\ndata: a\n\ndata: b\n\n", "e|a|;message|b|;");
    EVENTS("event: e\n\ndata: b\n\n",
           "message|b|;"); /* without data nothing is dispatched, and the name is forgotten */
    EVENTS(": comment\n:\ndata: a\n\n", "message|a|;");
    EVENTS("unknown: x\nDATA: y\ndata : z\ndata: a\n\n", "message|a|;");
    EVENTS("id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n", "message|a|1;message|b|1;message|c|;");
    EVENTS("id: x\0y\ndata: a\n\n", "message|a|;"); /* an id with a zero is ignored */
    EVENTS("\xef\xbb\xbf"
           "data: a\n\n",
           "message|a|;");
    EVENTS("\xef\xbb"
           "data: a\n\ndata: b\n\n",
           "message|b|;");   /* half a mark is part of the field's name */
    EVENTS("data: a\n", ""); /* unfinished */
    EVENTS("data: a\n\ndata: b", "message|a|;");
    EVENTS("\n\n\ndata: a:b\n\n", "message|a:b|;");
}

static void test_retry(void)
{
    sse_event e;
    size_t taken;
    sse_parser *p = sse_parser_new(0);
    CHECK_INT(sse_parser_feed(p, "data: a\n\n", 9, &taken, &e), SSE_EVENT);
    CHECK_INT(e.retry_ms, -1);
    CHECK_INT(sse_parser_feed(p, "retry: 2500\nretry: 1x\nretry: -3\ndata: a\n\n", 41, &taken, &e), SSE_EVENT);
    CHECK_INT(e.retry_ms, 2500);
    sse_parser_free(p);
}

static void test_limit(void)
{
    char line[2000];
    memset(line, 'x', sizeof line);
    memcpy(line, "data: ", 6);
    sse_parser *p = sse_parser_new(1000);
    seen[0] = 0;
    CHECK_INT(feed(p, line, sizeof line), SSE_TOO_LARGE);
    CHECK_INT(feed(p, "\n\ndata: a\n\n", 11), SSE_TOO_LARGE);
    CHECK_STR(seen, "");
    sse_parser_free(p);
    p = sse_parser_new(1000);
    for (int i = 0; i < 100; i++, seen[0] = 0)
        CHECK_INT(feed(p, "data: 0123456789012345678901234567890123456789\n\n", 48), SSE_MORE);
    int lines = 0;
    while (feed(p, "data: 0123456789\n", 17) == SSE_MORE) lines++;
    CHECK(lines > 50 && lines < 100); /* many short lines are one large event too */
    sse_parser_free(p);
}

static const check_case cases[] = {
    {"the standard's rules", test_rules}, {"retry", test_retry}, {"too large", test_limit}};
CHECK_MAIN(cases)
