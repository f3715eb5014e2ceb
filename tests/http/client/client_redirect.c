/* Redirects as the servers see them: methods, bodies and headers of the request that follows. */
#include "tests/harness/wire.h"

enum { BODY_BYTES = 300000 };

static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
static char location[256]; /* of redirecting answers; set while no call runs */

/* "/301" and its like redirect to `location`, "/endless" with a body that does not end. */
static bool answer(int fd, const wire_request *r)
{
    static char piece[1 << 14];
    char head[512];
    int status = atoi(r->target + 1);
    if (strcmp(r->target, "/break") == 0) return false;
    if (strcmp(r->target, "/endless") == 0) {
        int len = snprintf(head, sizeof head, "HTTP/1.1 302 Found\r\nLocation: %s\r\n\r\n", location);
        wire_say(fd, head, (size_t)len);
        while (send(fd, piece, sizeof piece, MSG_NOSIGNAL) > 0) {}
        return false;
    }
    if (!status) {
        wire_say(fd, ok, sizeof ok - 1);
        return true;
    }
    int len = snprintf(head, sizeof head, "HTTP/1.1 %d Go\r\nLocation: %s\r\nContent-Length: %d\r\n\r\n%s", status,
                       location, status == 304 ? 0 : 3, status == 304 || strcmp(r->method, "HEAD") == 0 ? "" : "not");
    wire_say(fd, head, (size_t)len);
    return true;
}

static const wire_request *last(void) { return wire.heard[wire_heard() - 1]; }

static void lead_to(const char *host, const char *path)
{
    snprintf(location, sizeof location, "http://%s:%d%s", host, wire.port, path);
}

static void test_methods(void)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
    static const int statuses[] = {301, 302, 303, 307, 308};
    static char body[BODY_BYTES];
    static const char *const typed[] = {"Content-Type: text/x-test", "Content-Language: de", NULL};
    memset(body, 'b', sizeof body);
    wire_begin(answer, &(http_client_options){.calls_max = 0});
    for (size_t s = 0; s < sizeof statuses / sizeof statuses[0]; s++)
        for (size_t m = 0; m < sizeof methods / sizeof methods[0]; m++)
            for (int crosses = 0; crosses < 2; crosses++) {
                bool has_body = m >= 2, post = strcmp(methods[m], "POST") == 0;
                bool keeps = statuses[s] > 303 || (statuses[s] < 303 && !post);
                char path[8];
                lead_to(crosses ? "localhost" : "127.0.0.1", "/there");
                snprintf(path, sizeof path, "/%d", statuses[s]);
                size_t before = wire_heard();
                wire_finish(wire_start(&(http_call_options){.url = wire_url(path),
                                                            .method = methods[m],
                                                            .headers = has_body ? typed : NULL,
                                                            .body = has_body ? body : NULL,
                                                            .body_len = has_body ? sizeof body : 0,
                                                            .redirects_max = 1}),
                            200);
                CHECK_INT(wire_heard() - before, 2);
                CHECK_STR(last()->method, keeps || strcmp(methods[m], "HEAD") == 0 ? methods[m] : "GET");
                CHECK_STR(last()->target, "/there");
                CHECK_INT(last()->body_len, keeps && has_body ? sizeof body : 0);
                CHECK(memcmp(last()->body, body, last()->body_len) == 0);
                CHECK((strcasestr(last()->head, "\r\nContent-") != NULL) == (keeps && has_body));
                CHECK((strstr(last()->head, "text/x-test") != NULL) == (keeps && has_body));
            }
    wire_end();
}

static void test_headers(void)
{
    static const char *const harmless[] = {"Accept: text/x-test", "Idempotency-Key: one", "If-None-Match: \"1\""};
    static const char *const secret[] = {"Authorization: Bearer s3cret",
                                         "Proxy-Authorization: Basic s3cret",
                                         "Cookie: s=s3cret",
                                         "X-Api-Key: s3cret",
                                         "Host: s3cret",
                                         "X-Anything:"};
    const char *headers[10] = {NULL};
    memcpy(headers, harmless, sizeof harmless);
    memcpy(headers + 3, secret, sizeof secret);
    wire_begin(answer, &(http_client_options){.user_agent = "test/1"});
    for (int crosses = 0; crosses < 2; crosses++) {
        char first[128];
        lead_to(crosses ? "localhost" : "127.0.0.1", "/there");
        snprintf(first, sizeof first, "http://me:s3cret@127.0.0.1:%d/307", wire.port);
        http_call_options o = {.url = first, .headers = headers, .body = "b", .body_len = 1, .redirects_max = 1};
        wire_finish(wire_start(&o), 200);
        for (size_t i = 0; i < 3; i++) CHECK(strstr(last()->head, harmless[i]));
        for (size_t i = 0; i < 5; i++) CHECK((strstr(last()->head, secret[i]) != NULL) == !crosses);
        CHECK((strcasestr(last()->head, "X-Anything") != NULL) == !crosses);
        CHECK((strstr(last()->head, "s3cret") != NULL) == !crosses);
        CHECK(strstr(last()->head, "User-Agent: test/1"));
        /* what the URL held for the first server is an Authorization header, too */
        o.headers = NULL;
        wire_finish(wire_start(&o), 200);
        CHECK((strstr(last()->head, "Authorization: Basic") != NULL) == !crosses);
    }
    wire_end();
}

static void follow(const char *to, const char *target)
{
    snprintf(location, sizeof location, "%s", to);
    wire_finish(wire_start(&(http_call_options){.url = wire_url("/302?a=b#f"), .redirects_max = 2}), 200);
    CHECK_STR(last()->target, target);
}

static void test_targets(void)
{
    char text[64];
    wire_begin(answer, &(http_client_options){.calls_max = 0});
    follow("there", "/there");
    follow("/one/../there?c=d#g", "/there?c=d");
    follow("a b", "/a%20b");
    snprintf(text, sizeof text, "//127.0.0.1:%d/there", wire.port);
    follow(text, "/there");
    wire_end();
}

/* A response with such a status and nowhere to go is the response. */
static void test_not_followed(void)
{
    static const int statuses[] = {300, 304, 305, 306};
    char path[8];
    wire_begin(answer, &(http_client_options){.calls_max = 0});
    lead_to("127.0.0.1", "/there");
    for (size_t s = 0; s < sizeof statuses / sizeof statuses[0]; s++) {
        snprintf(path, sizeof path, "/%d", statuses[s]);
        wire_finish(wire_start(&(http_call_options){.url = wire_url(path), .redirects_max = 5}), statuses[s]);
    }
    wire_finish(wire_start(&(http_call_options){.url = wire_url("/302")}), 302);
    location[0] = 0;
    wire_finish(wire_start(&(http_call_options){.url = wire_url("/302"), .redirects_max = 5}), 302);
    CHECK_INT(wire_heard(), 6);
    wire_end();
}

static void fail(const char *path, int redirects_max, http_call_error_kind kind, const char *why)
{
    http_call *call = wire_start(
        &(http_call_options){.url = wire_url(path), .body = "b", .body_len = 1, .redirects_max = redirects_max});
    wire_expect(call, 0);
    if (!strstr(http_call_error_text(call), why)) printf("# %s\n", http_call_error_text(call));
    CHECK(strstr(http_call_error_text(call), why));
    CHECK_INT(http_call_error(call), kind);
    wire_close(call);
}

static void test_failures(void)
{
    static const char *const nowhere[] = {"ftp://127.0.0.1/", "file:///etc/passwd", "http://", "http://a:b:c/"};
    wire_begin(answer, &(http_client_options){.calls_max = 0});
    for (size_t i = 0; i < sizeof nowhere / sizeof nowhere[0]; i++) {
        snprintf(location, sizeof location, "%s", nowhere[i]);
        fail("/302", 5, HTTP_CALL_REDIRECT, "/302: the redirect leads to what is no valid");
    }
    lead_to("127.0.0.1", "/307");
    size_t before = wire_heard();
    fail("/307", 3, HTTP_CALL_REDIRECT, "/307: more than 3 redirects");
    CHECK_INT(wire_heard() - before, 4);
    lead_to("localhost", "/break"); /* the request that follows is sent once as well */
    before = wire_heard();
    fail("/308", 3, HTTP_CALL_BROKEN, "/break: the connection broke before an answer; it may have been done");
    CHECK_INT(wire_heard() - before, 2);
    lead_to("127.0.0.1", "/there"); /* nobody waits for the end of what is not read */
    wire_finish(wire_start(&(http_call_options){.url = wire_url("/endless"), .redirects_max = 1}), 200);
    wire_end();
}

/* Each hop takes its turn at the host where it goes. */
static void test_turns(void)
{
    enum { CALLS = 20 };
    http_call *calls[CALLS];
    wire_begin(answer, &(http_client_options){.connections_per_host = 1});
    lead_to("localhost", "/there");
    for (int i = 0; i < CALLS; i++)
        calls[i] = wire_start(&(http_call_options){.url = wire_url("/302"), .redirects_max = 1});
    http_call_close(calls[0]);
    for (int i = 1; i < CALLS; i++) wire_finish(calls[i], 200);
    CHECK(wire.accepted <= 4);
    wire_end();
}

static const check_case cases[] = {{"methods and bodies", test_methods},   {"headers and credentials", test_headers},
                                   {"relative targets", test_targets},     {"what is not followed", test_not_followed},
                                   {"redirects that fail", test_failures}, {"turns at both hosts", test_turns}};
CHECK_MAIN(cases)
