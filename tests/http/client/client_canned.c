/* A call whose answer is given instead of made: it is as one that was made, and reaches nobody. */
#include "tests/harness/wire.h"

static int news;

static void on_news(void *arg)
{
    (void)arg;
    news++;
}

static http_call *start(const http_canned *answer)
{
    news = 0;
    http_call *call = http_call_canned(client, answer, on_news, NULL);
    CHECK(call);
    CHECK_INT(news, 0); /* never from within */
    CHECK_INT(http_call_state_of(call), HTTP_CALL_RUNNING);
    return call;
}

static void finish(http_call *call)
{
    http_client_flush(client);
    CHECK(http_call_state_of(call) >= HTTP_CALL_DONE);
    CHECK(news > 0);
}

static void expect_body(const http_call *call, const char *body, size_t body_len)
{
    size_t len = 0;
    const char *data = http_call_data(call, &len);
    CHECK_INT(len, body_len);
    CHECK(len == 0 || memcmp(data, body, len) == 0);
}

static bool answer(int fd, const wire_request *r)
{
    static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    (void)r;
    wire_say(fd, ok, sizeof ok - 1);
    return true;
}

static void begin(void) { wire_begin(answer, &(http_client_options){.calls_max = 0}); }

static void canned_answer(void)
{
    char body[300000], header[] = "X-Kind: canned";
    const char *const headers[] = {"Content-Type: text/plain", header, NULL};
    for (size_t i = 0; i < sizeof body; i++) body[i] = (char)(i * 7);
    http_call *call = start(&(http_canned){.status = 201, .headers = headers, .body = body, .body_len = sizeof body});
    header[0] = 'Y'; /* copied */
    finish(call);
    CHECK_INT(http_call_state_of(call), HTTP_CALL_DONE);
    CHECK_INT(http_call_status(call), 201);
    CHECK_STR(http_call_headers(call)[0], "Content-Type: text/plain");
    CHECK_STR(http_call_headers(call)[1], "X-Kind: canned");
    CHECK(!http_call_headers(call)[2]);
    expect_body(call, body, sizeof body);
    CHECK_INT(http_call_received(call), sizeof body);
    http_call_consume(call, 299999);
    expect_body(call, body + 299999, 1);
    wire_close(call);
}

static void canned_failures(void)
{
    http_call *call = start(&(http_canned){.error = HTTP_CALL_RESOLVE});
    finish(call);
    CHECK_INT(http_call_state_of(call), HTTP_CALL_FAILED);
    CHECK_INT(http_call_error(call), HTTP_CALL_RESOLVE);
    CHECK_STR(http_call_error_text(call), "the host name could not be resolved");
    CHECK(!http_call_answered(call));
    wire_close(call);
    call = start(&(http_canned){
        .error = HTTP_CALL_BROKEN, .error_text = "it broke", .status = 200, .body = "half", .body_len = 4});
    finish(call);
    CHECK_INT(http_call_error(call), HTTP_CALL_BROKEN);
    CHECK_STR(http_call_error_text(call), "it broke");
    CHECK(http_call_answered(call)); /* it came so far */
    CHECK_INT(http_call_status(call), 200);
    expect_body(call, "half", 4);
    wire_close(call);
}

/* It is not under way either: nobody would wait for it. */
static void test_never(void)
{
    begin();
    http_call *call = start(&(http_canned){.never = true}), *other = start(&(http_canned){.status = 204});
    CHECK_INT(http_client_active(client), 1);
    finish(other);
    CHECK_INT(http_call_state_of(call), HTTP_CALL_RUNNING);
    CHECK_INT(http_client_active(client), 0);
    CHECK_INT(news, 1);
    wire_close(call);
    wire_close(other);
    wire_end();
}

static void test_closed_early(void)
{
    begin();
    http_call *call = start(&(http_canned){.status = 200, .error_text = "unused"});
    wire_close(call);
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    CHECK_INT(news, 0);
    CHECK_INT(http_client_active(client), 0);
    wire_end();
}

/* Structs of calls are used again. */
static void test_beside_real_calls(void)
{
    begin();
    for (int i = 0; i < 3; i++) {
        wire_finish(wire_start(&(http_call_options){.url = wire_url("/real")}), 200);
        canned_answer();
        canned_failures();
    }
    CHECK_INT(wire_heard(), 3);
    wire_end();
}

static void test_answer(void)
{
    begin();
    canned_answer();
    CHECK_INT(wire_heard(), 0);
    wire_end();
}

static void test_failures(void)
{
    begin();
    canned_failures();
    wire_end();
}

static const check_case cases[] = {{"an answer as it was given", test_answer},
                                   {"failures before and behind the head", test_failures},
                                   {"an answer that never comes", test_never},
                                   {"a call that is closed before its answer", test_closed_early},
                                   {"beside calls that are made", test_beside_real_calls}};
CHECK_MAIN(cases)
