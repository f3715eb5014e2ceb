/* What an HTTP request asks of a run, however its headers are written, ordered and repeated. */
#include "runtime/clients/request_wish.h"
#include "tests/harness/check.h"

enum { HEADERS_MAX = 16 };

/* `headers` is "Name: value" with newlines between them. */
static request_wish wish_of(const char *method, const char *path, const char *headers)
{
    static char text[1024];
    static http_header list[HEADERS_MAX];
    http_request q = {.method = {method, strlen(method)}, .path = {path, strlen(path)}, .headers = list};
    (void)snprintf(text, sizeof text, "%s", headers);
    for (char *at = strtok(text, "\n"); at; at = strtok(NULL, "\n")) {
        char *colon = strstr(at, ": ");
        CHECK(colon && q.header_count < HEADERS_MAX);
        *colon = 0;
        list[q.header_count++] = (http_header){{at, strlen(at)}, {colon + 2, strlen(colon + 2)}};
    }
    return request_wish_of(&q);
}

static void test_answer(void)
{
    static const struct {
        const char *headers;
        waiter_kind kind;
        int64_t wait_ms;
    } rows[] = {{"", WAITER_REQUEST, 0},
                {"Accept: application/json", WAITER_REQUEST, 0},
                {"Accept: text/html, Text/Event-Stream;q=0.5", WAITER_STREAM, 0},
                {"accept: text/event-stream\nPrefer: respond-async", WAITER_STREAM, 0},
                {"ACCEPT: */*\nAccept: text/event-stream", WAITER_STREAM, 0}, /* lines are one list */
                {"Accept: text/event-stream\nAccept: */*", WAITER_STREAM, 0},
                {"Accept: text/event-stream;q=0", WAITER_REQUEST, 0},
                {"Accept: text/event-stream ; Q = 0.000, */*", WAITER_REQUEST, 0},
                {"Accept: text/event-stream;q=0.", WAITER_REQUEST, 0},
                {"Accept: text/event-stream;q=0.001", WAITER_STREAM, 0},
                {"Accept: text/event-stream;q=1", WAITER_STREAM, 0},
                {"Accept: text/event-stream;q=often", WAITER_STREAM, 0}, /* no weight: as if there were none */
                {"Accept: text/event-stream;charset=utf-8;q=0", WAITER_REQUEST, 0},
                {"Accept: text/event-stream;x=\"a;q=0,\";y", WAITER_STREAM, 0},
                {"Accept: text/html;x=\", text/event-stream,\"", WAITER_REQUEST, 0},
                {"Accept: text/html;x=\"\\\", text/event-stream", WAITER_REQUEST, 0},
                {"Accept: , ,text/event-stream", WAITER_STREAM, 0},
                {"Accept: text/event-stream-of-mine, x-text/event-stream", WAITER_REQUEST, 0},
                {"Accept: text/*", WAITER_REQUEST, 0},
                {"Accept: text/html q=0, text/event-stream", WAITER_STREAM, 0},
                {"Prefer: respond-async", WAITER_ASYNC, 0},
                {"pReFeR: wait=5", WAITER_WAIT, 5000},
                {"Prefer: wait=5\nHost: a\nPrefer: respond-async, wait=7", WAITER_WAIT, 5000},
                {"Prefer: wait=0", WAITER_ASYNC, 0},
                {"Prefer: nothing-known", WAITER_REQUEST, 0},
                {"X-Prefer: respond-async\nReferer: respond-async", WAITER_REQUEST, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        request_wish w = wish_of("POST", "/orders", rows[i].headers);
        printf("# row %zu\n", i);
        CHECK_INT(w.answer.kind, rows[i].kind);
        CHECK_INT(w.answer.wait_ms, rows[i].wait_ms);
        CHECK_INT(w.answer.after, 0);
        CHECK(!w.answer.replayed && !w.answer.begun && !w.answer.rest);
    }
}

static void test_texts(void)
{
    request_wish none = wish_of("GET", "/", "Hosts: a\nHos: b\nLast-Event-Ids: 3\nIdempotency-Kex: c");
    CHECK(!none.host && !none.last_event_id);
    CHECK_INT(none.key_count, 0);
    request_wish all = wish_of("GET", "/",
                               "host: here.example:8080\nHOST: elsewhere\nLast-Event-ID: 12\nlast-event-id: 13\n"
                               "Idempotency-Key: \"k 1\"");
    CHECK_STR(all.host, "here.example:8080");
    CHECK_STR(all.last_event_id, "12");
    CHECK_INT(all.key_count, 1);
    CHECK_STR(all.key.data, "\"k 1\"");
    CHECK_INT(all.key.len, 5);
    CHECK_INT(wish_of("GET", "/", "Idempotency-Key: a\nX: y\nidempotency-key: b").key_count, 2);
}

static void test_request_line(void)
{
    static const struct {
        const char *method;
        bool is_head;
    } rows[] = {{"GET", false}, {"HEAD", true}, {"HEADS", false}, {"head", false}, {"POST", false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        request_wish w = wish_of(rows[i].method, "/_sw/runs/x/output", "");
        printf("# %s\n", rows[i].method);
        CHECK_INT(w.is_head, rows[i].is_head);
        CHECK(!w.observes); /* that is the route's to say */
        CHECK_INT(w.scope, RUN_TOKEN_CONTROL);
    }
}

static const check_case cases[] = {{"how it wants its answer", test_answer},
                                   {"its host, its last frame and its key", test_texts},
                                   {"its method", test_request_line}};
CHECK_MAIN(cases)
