/* Settings of a program that serves with several loops: an endpoint that is stopped takes no new requests, on any loop,
 * through a kill and other programs; what is under way goes on, and an Idempotency-Key finds its run. */
#include <time.h>

#include "runtime/stepwell.h"
#include "tests/harness/served.h"

enum { MANY = 24 };

typedef struct notes {
    int asleep; /* atomic */
    int begun;  /* atomic: executions of /orders */
} notes;
static notes *seen;

static sw_value wait_for_it(sw_ctx *c, sw_value v)
{
    while (__atomic_load_n(&seen->asleep, __ATOMIC_SEQ_CST)) sw_sleep(c, "poll", 5);
    return v;
}

static void on_order(sw_ctx *c)
{
    (void)__atomic_add_fetch(&seen->begun, 1, __ATOMIC_SEQ_CST);
    (void)sw_step(c, "wait", wait_for_it, sw_nil());
    sw_reply_text(c, 200, "ordered");
}

static void on_plain(sw_ctx *c) { sw_reply_text(c, 200, "plain"); }

static int serve(int argc, char **argv)
{
    seen = served_notes(sizeof *seen);
    sw_app *app = sw_app_new("settings");
    if (!getenv("WITHOUT_ORDERS")) sw_endpoint(app, "POST /orders", on_order, NULL);
    sw_endpoint(app, "POST /others/:id", on_order, NULL);
    sw_route(app, "GET /plain", on_plain);
    sw_static(app, "/files", getenv("FILES"));
    return sw_main(app, argc, argv);
}

#define ANN  "Authorization: Bearer ann-may-look-and-act"
#define EVE  "Authorization: Bearer eve-may-look-alone"
#define STOP "{\"value\":{\"stopped\":true,\"retryAfter\":7}}"

static char data[128], token[2][256], text[256];
static answer a;

static void start(void)
{
    operator_token(token[0], "ann:view,act", "ann-may-look-and-act");
    operator_token(token[1], "eve:view", "eve-may-look-alone");
    CHECK(setenv("FILES", root, 1) == 0);
    const char *const flags[] = {"--data", data,      "--loops", "4", "--park-after", "1h", "--token",
                                 token[0], "--token", token[1],  NULL};
    served_start(&server, flags);
}

static void in_folder(const char *name)
{
    snprintf(data, sizeof data, "%s/%s", root, name);
    memset(seen, 0, sizeof *seen);
}

static void stop(void) { CHECK_INT(served_stop(&server, SIGTERM), 0); }

static long ask(const char *method, const char *path, const char *header, const char *body)
{
    call(method, server_url(path), (const char *const[]){header, NULL}, body, 0, &a);
    return a.status;
}

static long set(const char *name, const char *body)
{
    char path[2304];
    snprintf(path, sizeof path, "/_sw/settings/%s", name);
    return ask(body ? "PUT" : "DELETE", path, ANN, body);
}

static void expect(long got, long status, const char *part)
{
    if (got != status || !strstr(a.body, part)) printf("# %ld %s\n", got, a.body);
    CHECK_INT(got, status);
    CHECK(strstr(a.body, part));
}

/* Each request has a connection of its own, and comes to any loop. */
static void check_refused(const char *method, const char *path, bool is_refused)
{
    for (int i = 0; i < MANY; i++) {
        long status = ask(method, path, "X: y", strcmp(method, "POST") == 0 ? "{}" : NULL);
        if (status != (is_refused ? 503 : 200)) printf("# %d %s: %ld %s\n", i, path, status, a.body);
        CHECK_INT(status, is_refused ? 503 : 200);
        if (!is_refused) continue;
        CHECK(strstr(a.body, "an operator has stopped this endpoint"));
        CHECK_STR(answer_header(&a, "Retry-After", text, sizeof text), "7");
        CHECK_STR(answer_header(&a, "Content-Type", text, sizeof text), "application/problem+json");
    }
}

static void test_stopped(void)
{
    in_folder("stopped");
    start();
    expect(ask(NULL, "/_sw/settings", EVE, NULL), 200, "{\"settings\":[]}");
    check_refused("POST", "/orders", false);
    expect(set("endpoint:POST%20%2Forders", STOP), 200,
           "\"name\":\"endpoint:POST /orders\",\"value\":{\"stopped\":true,\"retryAfter\":7},\"by\":\"ann\",\"at\":");
    CHECK_STR(answer_header(&a, "Content-Type", text, sizeof text), "application/json");
    check_refused("POST", "/orders", true);
    check_refused("POST", "/others/7", false);
    check_refused("GET", "/plain", false);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    start();
    check_refused("POST", "/orders", true);
    expect(ask(NULL, "/_sw/settings", EVE, NULL), 200, "\"by\":\"ann\"");
    expect(set("endpoint:POST%20%2Forders", "{\"value\":{\"stopped\":false}}"), 200, "\"stopped\":false");
    check_refused("POST", "/orders", false);
    expect(set("endpoint:POST%20%2Forders", STOP), 200, "true");
    expect(set("endpoint:POST%20%2Fothers%2F:id", STOP), 200, "POST /others/:id");
    expect(set("endpoint:GET%20%2Fplain", STOP), 200, "GET /plain");
    expect(set("endpoint:GET%20%2Ffiles%2F*path", STOP), 200, "GET /files/*path");
    check_refused("POST", "/others/8", true);
    check_refused("GET", "/plain", true);
    check_refused("GET", "/files/ann", true);
    CHECK_INT(set("endpoint:POST%20%2Forders", NULL), 204);
    check_refused("POST", "/orders", false);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    start();
    check_refused("POST", "/orders", false);
    check_refused("POST", "/others/8", true);
    CHECK_INT(set("endpoint:POST%20%2Forders", NULL), 404);
    stop();
}

static long order_with_key(const char *key, const char *prefer)
{
    char line[64];
    snprintf(line, sizeof line, "Idempotency-Key: \"%s\"", key);
    call("POST", server_url("/orders"), (const char *const[]){line, prefer, NULL}, "{}", 0, &a);
    return a.status;
}

/* Runs that are there go on, and requests that mean them find them. */
static void test_runs_go_on(void)
{
    char output[1024];
    in_folder("runs");
    seen->asleep = 1;
    start();
    server_begin("POST", "/orders", output, sizeof output);
    CHECK_INT(order_with_key("one", "Prefer: respond-async"), 202);
    while (__atomic_load_n(&seen->begun, __ATOMIC_SEQ_CST) < 2) usleep(1000);
    expect(set("endpoint:POST%20%2Forders", STOP), 200, "true");
    CHECK_INT(order_with_key("two", "X: y"), 503);
    for (int i = 0; i < MANY; i++) CHECK_INT(order_with_key("one", "Prefer: respond-async"), 202);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    start();
    CHECK_INT(order_with_key("one", "Prefer: respond-async"), 202);
    CHECK_INT(order_with_key("two", "X: y"), 503);
    seen->asleep = 0;
    call(NULL, server_url(output), NULL, NULL, 5, &a);
    expect(a.status, 200, "ordered");
    expect(order_with_key("one", "X: y"), 200, "ordered");
    CHECK_INT(__atomic_load_n(&seen->begun, __ATOMIC_SEQ_CST), 4); /* two runs, in two processes */
    CHECK_INT(set("endpoint:POST%20%2Forders", NULL), 204);
    CHECK_INT(order_with_key("two", "X: y"), 200);
    stop();
}

static void test_gone(void)
{
    in_folder("gone");
    start();
    expect(set("endpoint:POST%20%2Forders", STOP), 200, "true");
    CHECK(!strstr(a.body, "missing"));
    stop();
    CHECK(setenv("WITHOUT_ORDERS", "1", 1) == 0);
    start();
    expect(ask(NULL, "/_sw/settings", ANN, NULL), 200, "\"missing\":true");
    expect(set("endpoint:POST%20%2Forders", STOP), 404, "no such endpoint");
    CHECK(unsetenv("WITHOUT_ORDERS") == 0);
    stop();
    start(); /* it is back, and stopped as before */
    check_refused("POST", "/orders", true);
    stop();
    CHECK(setenv("WITHOUT_ORDERS", "1", 1) == 0);
    start();
    CHECK_INT(set("endpoint:POST%20%2Forders", NULL), 204);
    expect(ask(NULL, "/_sw/settings", ANN, NULL), 200, "{\"settings\":[]}");
    CHECK(unsetenv("WITHOUT_ORDERS") == 0);
    stop();
}

static void test_refused(void)
{
    char longest[2048], body[2200];
    in_folder("refused");
    start();
    CHECK_INT(ask("PUT", "/_sw/settings/endpoint:POST%20%2Forders", EVE, STOP), 403);
    CHECK(strstr(a.body, "scope act"));
    CHECK_INT(ask("PUT", "/_sw/settings/endpoint:POST%20%2Forders", "X: y", STOP), 401);
    CHECK_INT(ask(NULL, "/_sw/settings", "X: y", NULL), 401);
    expect(set("endpoint:POST%20%2Fnowhere", STOP), 404, "no such endpoint or function");
    expect(set("endpoint:GET%20%2F_sw%2Fruns", STOP), 404, "no such endpoint");
    expect(set("endpoint:POST%20%2F_sw%2Fbulk", STOP), 404, "no such endpoint");
    expect(set("endpoint:", STOP), 404, "no such endpoint");
    expect(set("limit:POST%20%2Forders", STOP), 404, "there is no such setting");
    expect(set("endpoint:POST%20%2Forders", "{\"value\":true}"), 400, "an object");
    expect(set("endpoint:POST%20%2Forders", ""), 400, "an object");
    expect(set("endpoint:POST%20%2Forders", "{\"value\":{\"stopped\":1}}"), 400, "true or false");
    expect(set("endpoint:POST%20%2Forders", "{\"value\":{\"paused\":true}}"), 400, "nothing else");
    expect(set("endpoint:POST%20%2Forders", "{\"value\":{\"stopped\":true,\"retryAfter\":0}}"), 400, "1 to 86400");
    expect(set("endpoint:POST%20%2Forders", "{\"value\":{\"stopped\":true,\"retryAfter\":86401}}"), 400, "1 to 86400");
    expect(set("endpoint:POST%20%2Forders", "{\"valeu\":{}}"), 400, "valeu");
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    snprintf(body, sizeof body, "endpoint:POST%%20%%2F%.600s", longest);
    expect(set(body, STOP), 404, "no such endpoint");
    expect(ask(NULL, "/_sw/settings", EVE, NULL), 200, "{\"settings\":[]}");
    check_refused("POST", "/orders", false);
    stop();
}

static const check_case cases[] = {{"a stopped endpoint, on all loops and through a kill", test_stopped},
                                   {"runs of a stopped endpoint go on", test_runs_go_on},
                                   {"a setting of an endpoint that is gone", test_gone},
                                   {"what is refused", test_refused}};

SERVED_MAIN_NOTES(serve, seen, cases)
