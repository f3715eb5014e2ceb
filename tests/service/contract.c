/* What a client is promised beyond the happy path: Prefer, redirects, other origins, Idempotency-Key, cancelling,
 * deadlines. */
#include "runtime/stepwell.h"
#include <pthread.h>
#include <signal.h>

#include "tests/harness/served.h"

typedef struct notes {
    int runs, steps, cleaned, cut; /* atomic */
    int go_on;                     /* the test lets a step end */
} notes;

static notes *seen;

static void count_up(int *n) { __atomic_add_fetch(n, 1, __ATOMIC_SEQ_CST); }
static int count_of(const int *n) { return __atomic_load_n(n, __ATOMIC_SEQ_CST); }

/* ---- The service ---- */

static void clean(void *arg)
{
    (void)arg;
    count_up(&seen->cleaned);
}

static sw_value once(sw_ctx *c, sw_value v)
{
    (void)c;
    count_up(&seen->steps);
    return v;
}

static sw_value until_told(sw_ctx *c, sw_value v)
{
    count_up(&seen->steps);
    sw_defer(c, clean, NULL);
    while (!count_of(&seen->go_on)) sw_sleep(c, "poll", 5);
    return v;
}

static sw_value call_slow(sw_ctx *c, sw_value v)
{
    (void)v;
    count_up(&seen->steps);
    sw_defer(c, clean, NULL);
    sw_fetch(c, &(sw_request){.url = sw_query(c, "url")});
    return sw_nil();
}

static void on_order(sw_ctx *c)
{
    count_up(&seen->runs);
    sw_step(c, "charge", once, sw_nil());
    sw_reply_header(c, "X-Order", sw_param(c, "id"));
    sw_reply(c, 201, "application/octet-stream", "a\0b\xff", 4);
}

static void on_wait(sw_ctx *c)
{
    count_up(&seen->runs);
    sw_defer(c, clean, NULL);
    sw_step(c, "work", until_told, sw_nil());
    sw_reply_text(c, 200, "worked");
}

static void on_call(sw_ctx *c)
{
    sw_step(c, "call", call_slow, sw_nil());
    sw_reply_text(c, 200, "called");
}

/* Never answers; ends when its client goes away. */
static void on_hang(sw_ctx *c)
{
    sw_reply_open(c, 200, "text/plain");
    count_up(&seen->go_on);
    while (sw_reply_write(c, ".", 1)) sw_sleep(c, "tick", 5);
    count_up(&seen->cut);
}

static void *block(void *arg)
{
    while (!count_of(&seen->go_on)) usleep(5000);
    return arg;
}

static sw_value stubborn(sw_ctx *c, sw_value v)
{
    count_up(&seen->steps);
    sw_blocking(c, block, NULL);
    return v;
}

/* A thread works for it, which cannot be interrupted. */
static void on_stubborn(sw_ctx *c)
{
    sw_step(c, "block", stubborn, sw_nil());
    sw_step(c, "after", once, sw_nil());
    sw_reply_text(c, 200, "done");
}

static void on_nap(sw_ctx *c)
{
    count_up(&seen->runs);
    sw_step(c, "before", once, sw_nil());
    sw_sleep(c, "nap", sw_query(c, "ms") ? atoi(sw_query(c, "ms")) : 3600000);
    sw_reply_text(c, 200, "rested");
}

static sw_value fail_once(sw_ctx *c, sw_value v)
{
    count_up(&seen->steps);
    if (count_of(&seen->steps) == 1) sw_fail_after(c, 600, "not yet");
    return v;
}

static void on_stumble(sw_ctx *c)
{
    sw_step(c, "stumble", fail_once, sw_nil());
    sw_reply_text(c, 200, "recovered");
}

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("contract");
    seen = served_notes(sizeof *seen);
    sw_endpoint(app, "POST /orders/:id", on_order,
                &(sw_endpoint_options){.caller_header = "x-caller", .cors_origin = "https://shop.example"});
    sw_endpoint(app, "POST /wait", on_wait, NULL);
    sw_endpoint(app, "GET /wait", on_wait, NULL);
    sw_endpoint(app, "GET /tied", on_wait, &(sw_endpoint_options){.on_disconnect = SW_CANCEL});
    sw_endpoint(app, "GET /late", on_wait, &(sw_endpoint_options){.timeout_ms = 150});
    sw_endpoint(app, "GET /late-nap", on_nap, &(sw_endpoint_options){.timeout_ms = 1200});
    sw_endpoint(app, "GET /call", on_call, NULL);
    sw_endpoint(app, "GET /stubborn", on_stubborn, NULL);
    if (!getenv("WITHOUT_NAP")) sw_endpoint(app, "GET /nap", on_nap, NULL);
    sw_endpoint(app, "PUT /nap", on_nap, NULL);
    sw_endpoint(app, "PUT /open-nap", on_nap, &(sw_endpoint_options){.cors_origin = "*"});
    sw_endpoint(app, "GET /open-nap", on_nap, &(sw_endpoint_options){.cors_origin = "*"});
    sw_endpoint(app, "GET /stumble", on_stumble, NULL);
    sw_endpoint(app, "POST /brief/:id", on_order, &(sw_endpoint_options){.retain_ms = 1});
    sw_route(app, "GET /hang", on_hang);
    return sw_main(app, argc, argv);
}

/* ---- Tools ---- */

static answer a;
static char text[4096];

static const char *header(const char *name) { return answer_header(&a, name, text, sizeof text); }

static const char *data_folder(void)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/data", root);
    return path;
}

static void start_with(const char *flag, const char *value)
{
    const char *const flags[] = {"--data",       data_folder(), "--loops",          "2",     "--dev", "--hold", "10s",
                                 "--park-after", "20ms",        "--redirect-after", "100ms", flag,    value,    NULL};
    memset(seen, 0, sizeof *seen);
    served_start(&server, flags);
}

static void start(void) { start_with(NULL, NULL); }
static void stop(void) { CHECK_INT(served_stop(&server, SIGTERM), 0); }

static void wait_for(const int *n, int at_least)
{
    for (int i = 0; i < 6000 && count_of(n) < at_least; i++) usleep(10000);
    CHECK(count_of(n) >= at_least);
}

static bool metrics_say(const char *line)
{
    for (int i = 0; i < 1000; i++) {
        call(NULL, server_url("/_sw/metrics"), NULL, NULL, 0, &a);
        if (strstr(a.body, line)) return true;
        usleep(10000);
    }
    return false;
}

/* A request made beside the test's own. */
typedef struct request {
    pthread_t thread;
    const char *method, *body;
    char url[2048];
    const char *headers[4];
    long follow;
    answer a;
} request;

static void *make_request(void *arg)
{
    request *r = arg;
    if (!call_try(r->method, r->url, r->headers, r->body, r->follow, &r->a)) r->a.status = -1;
    return NULL;
}

static void begin(request *r, const char *method, const char *path, const char *one_header)
{
    memset(r, 0, sizeof *r);
    r->method = method;
    r->headers[0] = one_header;
    snprintf(r->url, sizeof r->url, "%s", server_url(path));
    CHECK(pthread_create(&r->thread, NULL, make_request, r) == 0);
}

static void end(request *r) { CHECK(pthread_join(r->thread, NULL) == 0); }

/* A client that sends a request and does not wait: the socket. */
static int connect_and_say(const char *said)
{
    int fd = server_dial();
    ssize_t len = (ssize_t)strlen(said);
    CHECK(send(fd, said, (size_t)len, 0) == len);
    return fd;
}

static int connect_and_ask(const char *path)
{
    char line[256];
    snprintf(line, sizeof line, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    return connect_and_say(line);
}

static void wait_for_log(const char *what)
{
    static char said[65536];
    size_t len = 0;
    do {
        struct pollfd p = {.fd = server.log, .events = POLLIN};
        CHECK(poll(&p, 1, PATIENCE_MS) == 1);
        ssize_t n = read(server.log, said + len, sizeof said - 1 - len);
        CHECK(n > 0);
        len += (size_t)n;
        said[len] = 0;
    } while (!strstr(said, what));
}

/* ---- Prefer and redirects ---- */

static void test_prefer(void)
{
    const char *const wait[] = {"Prefer: respond-async, wait=1; a=\"b,c\"", NULL};
    const char *const wait_none[] = {"prefer: WAIT=\"0\"", NULL};
    const char *const odd[] = {"Prefer: wait=soon, waiting=1", NULL};
    char url[sizeof text];
    start();
    call(NULL, server_url("/wait"), wait, NULL, 0, &a);
    CHECK_INT(a.status, 202);
    CHECK_STR(header("Preference-Applied"), "wait=1");
    CHECK(strstr(header("Location"), "/output?token="));
    snprintf(url, sizeof url, "%s", text);
    seen->go_on = 1;
    call(NULL, url, NULL, NULL, 0, &a);
    CHECK_STR(a.body, "worked");
    call(NULL, server_url("/wait"), wait, NULL, 0, &a); /* done before */
    CHECK_INT(a.status, 200);
    call(NULL, server_url("/wait"), wait_none, NULL, 0, &a);
    CHECK_INT(a.status, 202);
    CHECK_STR(header("Preference-Applied"), "respond-async");
    call(NULL, server_url("/wait"), odd, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    stop();
}

/* Whatever the method was, the output URL is asked with GET or with it again, and holds, and sends round to itself. */
static void test_redirect(void)
{
    char url[2048], longer[3000];
    start_with("--hold", "200ms");
    call("PUT", server_url("/nap?ms=600"), NULL, "x", 0, &a);
    CHECK_INT(a.status, 303);
    CHECK_STR(header("Access-Control-Allow-Origin"), ""); /* the endpoint names none */
    CHECK_STR(header("Cache-Control"), "no-store");
    snprintf(url, sizeof url, "%s", header("Location"));
    CHECK(strncmp(url, server.address, strlen(server.address)) == 0);
    call(NULL, url, NULL, NULL, 0, &a);
    CHECK_INT(a.status, 303);                           /* --hold is over */
    snprintf(longer, sizeof longer, "%s&round=1", url); /* another URL each time */
    CHECK_STR(header("Location"), longer);
    call(NULL, longer, NULL, NULL, 0, &a);
    if (a.status == 303) CHECK(strstr(header("Location"), "&round=2"));
    call("PUT", server_url("/nap?ms=600"), NULL, "x", 20, &a);
    CHECK_INT(a.status, 200);
    CHECK_STR(a.body, "rested");
    static const char *const methods[] = {"POST", "PUT", "PATCH", "DELETE", "GET"};
    for (size_t i = 0; i < 5; i++) {
        call(methods[i], url, NULL, NULL, 20, &a);
        CHECK_INT(a.status, 200);
        CHECK_STR(a.body, "rested");
    }
    snprintf(longer, sizeof longer, "%sx", url);
    call(NULL, longer, NULL, NULL, 0, &a);
    CHECK_INT(a.status, 403);
    stop();
}

/* A retry that waits longer than --redirect-after is no client's business either. */
static void test_redirect_of_retry(void)
{
    start();
    call(NULL, server_url("/stumble"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 303);
    CHECK(strstr(header("Location"), "/output?token="));
    call(NULL, text, NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    CHECK_STR(a.body, "recovered");
    CHECK_INT(seen->steps, 2);
    stop();
}

/* The response at the output URL is the handler's, also from the next process: status, headers, each byte. */
static void test_exact_output(void)
{
    const char *const prefer[] = {"Prefer: respond-async", NULL};
    char path[2048];
    start();
    call("POST", server_url("/orders/77"), prefer, "x", 0, &a);
    CHECK_INT(a.status, 202);
    snprintf(path, sizeof path, "%s", strstr(header("Location"), "/_sw/"));
    for (int round = 0; round < 2; round++) {
        call(NULL, server_url(path), NULL, NULL, 0, &a);
        CHECK_INT(a.status, 201);
        CHECK_STR(header("X-Order"), "77");
        CHECK_STR(header("Content-Type"), "application/octet-stream");
        CHECK(a.body_len == 4 && memcmp(a.body, "a\0b\xff", 4) == 0);
        if (round == 0) {
            CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
            start();
        }
    }
    stop();
}

/* Who asks for a run that sleeps while the server drains is sent round at once: the drain does not wait for that. */
static void check_output_while_draining(const char *loops)
{
    const char *const prefer[] = {"Prefer: respond-async", NULL};
    char path[2048], line[3000], got[8192];
    static request working;
    start_with("--loops", loops);
    call(NULL, server_url("/nap"), prefer, NULL, 0, &a);
    snprintf(path, sizeof path, "%s", strstr(header("Location"), "/_sw/"));
    CHECK(metrics_say("\nstepwell_runs_parked_total 1\n"));
    begin(&working, NULL, "/wait", NULL);
    wait_for(&seen->steps, 2);
    int fd = connect_and_say("GET /_sw/healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /_sw/"),
        len = snprintf(line, sizeof line, "%s HTTP/1.1\r\nHost: x\r\n\r\n", path + 5);
    ssize_t n = recv(fd, got, sizeof got - 1, 0);
    /* The server has the half behind it, too: such a connection is not closed by a drain. */
    CHECK(n > 0 && strncmp(got, "HTTP/1.1 200 ", 13) == 0);
    CHECK(kill(server.pid, SIGTERM) == 0);
    wait_for_log("draining");
    CHECK(send(fd, line, (size_t)len, 0) == len);
    n = recv(fd, got, sizeof got - 1, MSG_WAITALL); /* up to the end of the connection */
    CHECK(n > 0);
    got[n] = 0;
    bool is_sent_on = strncmp(got, "HTTP/1.1 303 ", 13) == 0 && strstr(got, path) && strstr(got, "Connection: close");
    /* The run's loop may have ended before the connection's has heard of the drain. */
    bool is_told_when = *loops == '2' && strncmp(got, "HTTP/1.1 503 ", 13) == 0 && strstr(got, "Retry-After: 1\r");
    CHECK(is_sent_on || is_told_when);
    CHECK_INT(count_of(&seen->cleaned), 0); /* the step still runs */
    close(fd);
    seen->go_on = 1;
    end(&working);
    CHECK_INT(working.a.status, 200);
    int status = 0;
    CHECK(waitpid(server.pid, &status, 0) == server.pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(server.log);
}

static void test_output_while_draining(void)
{
    check_output_while_draining("1");
    check_output_while_draining("2");
}

/* A Host that is no host is not repeated; with --public-url it only chooses. */
static void test_host(void)
{
    const char *const good[] = {"Host: api.example:81", "Prefer: respond-async", NULL};
    const char *const other[] = {"Host: Alt.Example", "Prefer: respond-async", NULL};
    const char *const evil[] = {"Host: evil.example", "Prefer: respond-async", NULL};
    seen->go_on = 1;
    start();
    seen->go_on = 1;
    call(NULL, server_url("/wait"), good, NULL, 0, &a);
    CHECK(strncmp(header("Location"), "http://api.example:81/_sw/runs/", 31) == 0);
    stop();
    start_with("--public-url", "https://api.example/base/, https://alt.example");
    seen->go_on = 1;
    call(NULL, server_url("/wait"), evil, NULL, 0, &a);
    CHECK(strncmp(header("Location"), "https://api.example/base/_sw/runs/", 34) == 0);
    call(NULL, server_url("/wait"), other, NULL, 0, &a);
    CHECK(strncmp(header("Location"), "https://alt.example/_sw/runs/", 29) == 0);
    stop();
    static const char *const wrong[] = {"ftp://x", "https://", "https://a b", "http://u@h", "https://ok,nonsense"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *const flags[] = {"--data", data_folder(), "--public-url", wrong[i], NULL};
        char said[8192];
        int code = 0;
        CHECK(!served_try(&server, flags, said, sizeof said, &code));
        CHECK_INT(code, 2);
        CHECK(strstr(said, "--public-url"));
    }
}

static void test_other_origins(void)
{
    const char *const ask[] = {"Origin: https://shop.example", "Access-Control-Request-Method: POST",
                               "Access-Control-Request-Headers: idempotency-key", NULL};
    const char *const ask_get[] = {"Origin: https://any.example", "Access-Control-Request-Method: GET", NULL};
    start();
    call("OPTIONS", server_url("/orders/1"), ask, NULL, 0, &a);
    CHECK_INT(a.status, 204);
    CHECK_STR(header("Access-Control-Allow-Origin"), "https://shop.example");
    CHECK_STR(header("Access-Control-Allow-Headers"), "idempotency-key");
    CHECK(strstr(header("Access-Control-Allow-Methods"), "POST"));
    call("POST", server_url("/orders/1"), NULL, "x", 0, &a);
    CHECK_STR(header("Access-Control-Allow-Origin"), "https://shop.example");
    call("OPTIONS", server_url("/wait"), ask, NULL, 0, &a); /* does not ask to be called by others */
    CHECK_INT(a.status, 204);
    CHECK_STR(header("Access-Control-Allow-Origin"), "");
    call("OPTIONS", server_url("/_sw/runs/x/output"), ask_get, NULL, 0, &a);
    CHECK_STR(header("Access-Control-Allow-Origin"), "*");
    call("OPTIONS", server_url("/_sw/runs"), ask_get, NULL, 0, &a);
    CHECK_STR(header("Access-Control-Allow-Origin"), "");
    call("OPTIONS", server_url("/nowhere"), ask_get, NULL, 0, &a);
    CHECK_INT(a.status, 404);
    stop();
}

/* ---- Idempotency-Key ---- */

static void post(const char *path, const char *key, const char *caller, const char *body)
{
    const char *const headers[] = {key, caller, NULL};
    call("POST", server_url(path), headers, body, 0, &a);
}

static void test_key_replays(void)
{
    char first[64];
    start();
    post("/orders/1", "Idempotency-Key: \"k-1\"", NULL, "body");
    CHECK_INT(a.status, 201);
    CHECK_STR(header("Idempotency-Replayed"), "");
    snprintf(first, sizeof first, "%s", header("X-Run-Id"));
    for (int round = 0; round < 2; round++) {
        const char *again = round ? "Idempotency-Key: \"k-1\";from=\"a proxy\"" : "Idempotency-Key: k-1";
        post("/orders/1", again, NULL, "body"); /* quotes and parameters are the field's, not the key's */
        CHECK_INT(a.status, 201);
        CHECK_STR(header("Idempotency-Replayed"), "true");
        CHECK_STR(header("X-Run-Id"), first);
        CHECK_STR(header("X-Order"), "1");
        CHECK(a.body_len == 4 && memcmp(a.body, "a\0b\xff", 4) == 0);
        post("/orders/1", "Idempotency-Key: k-1", NULL, "another");
        CHECK_INT(a.status, 422);
        post("/orders/2", "Idempotency-Key: k-1", NULL, "body");
        CHECK_INT(a.status, 422);
        post("/orders/1?x", "Idempotency-Key: k-1", NULL, "body");
        CHECK_INT(a.status, 422);
        CHECK_INT(seen->runs, round ? 0 : 1);
        if (round == 0) {
            CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
            start();
        }
    }
    post("/orders/1", "Idempotency-Key: k-1", "X-Caller: bob", "body"); /* another caller, another key */
    CHECK_STR(header("Idempotency-Replayed"), "");
    post("/brief/1", "Idempotency-Key: k-1", NULL, "body"); /* another endpoint likewise */
    CHECK_STR(header("Idempotency-Replayed"), "");
    CHECK_INT(seen->runs, 2);
    stop();
}

static void test_key_refusals(void)
{
    static char large[11000] = "Idempotency-Key: ";
    const char *const two[] = {"Idempotency-Key: a", "Idempotency-Key: b", NULL};
    start();
    memset(large + strlen(large), 'k', 10240);
    post("/orders/1", large, NULL, "x");
    CHECK_INT(a.status, 400);
    CHECK(strstr(a.body, "longer than 255 bytes"));
    post("/orders/1", "Idempotency-Key: \"\"", NULL, "x");
    CHECK_INT(a.status, 400);
    CHECK(strstr(a.body, "empty"));
    post("/orders/1", "Idempotency-Key: \"k", NULL, "x");
    CHECK_INT(a.status, 400);
    CHECK(strstr(a.body, "no closing quote") && strstr(header("Link"), "rel=\"describedby\""));
    call("POST", server_url("/orders/1"), two, "x", 0, &a);
    CHECK_INT(a.status, 400);
    CHECK_INT(seen->runs, 0);
    stop();
}

/* Many at the same moment, on connections of both loops: one run, and all get its answer. */
static void test_key_concurrent(void)
{
    enum { CLIENTS = 40 };
    static request clients[CLIENTS];
    start();
    for (int i = 0; i < CLIENTS; i++) begin(&clients[i], "POST", "/wait", "Idempotency-Key: together");
    wait_for(&seen->steps, 1);
    usleep(50000);
    seen->go_on = 1;
    int replayed = 0;
    for (int i = 0; i < CLIENTS; i++) {
        end(&clients[i]);
        CHECK_INT(clients[i].a.status, 200);
        CHECK_STR(clients[i].a.body, "worked");
        replayed += *answer_header(&clients[i].a, "Idempotency-Replayed", text, sizeof text) != 0;
    }
    CHECK_INT(replayed, CLIENTS - 1);
    CHECK_INT(seen->runs, 1);
    CHECK_INT(seen->steps, 1);
    stop();
}

/* A key lives as long as the run that it began. */
static void test_key_expires(void)
{
    char first[64];
    start();
    post("/brief/1", "Idempotency-Key: brief", NULL, "body");
    CHECK_INT(a.status, 201);
    snprintf(first, sizeof first, "%s", header("X-Run-Id"));
    stop();
    start(); /* retention looks at the start, then every minute */
    for (int i = 0; i < 1000; i++) {
        post("/brief/1", "Idempotency-Key: brief", NULL, "body");
        CHECK_INT(a.status, 201);
        if (!*header("Idempotency-Replayed")) break;
        CHECK_STR(header("X-Run-Id"), first);
        usleep(10000);
    }
    CHECK_STR(header("Idempotency-Replayed"), "");
    CHECK(strcmp(header("X-Run-Id"), first) != 0);
    post("/brief/1", "Idempotency-Key: brief", NULL, "another body"); /* the new run's by now */
    CHECK_INT(a.status, 422);
    stop();
}

/* To a run that sleeps: sent on at once. After a restart with more loops the key still leads to it. */
static void test_key_parked(void)
{
    char first[2048];
    const char *const key[] = {"Idempotency-Key: sleepy", NULL};
    start();
    call("PUT", server_url("/nap"), key, "x", 0, &a);
    CHECK_INT(a.status, 303);
    snprintf(first, sizeof first, "%s", header("X-Run-Id"));
    CHECK(metrics_say("\nstepwell_runs_in_memory 0\n"));
    call("PUT", server_url("/nap"), key, "x", 0, &a);
    CHECK_INT(a.status, 303);
    CHECK_STR(header("X-Run-Id"), first);
    CHECK_STR(header("Idempotency-Replayed"), "true");
    stop();
    start_with("--loops", "5");
    for (int i = 0; i < 10; i++) {
        call("PUT", server_url("/nap"), key, "x", 0, &a);
        CHECK_INT(a.status, 303);
        CHECK_STR(header("X-Run-Id"), first);
    }
    CHECK_INT(seen->steps, 0);
    stop();
}

/* ---- Cancelling ---- */

static void start_async(const char *path, char output[2048], char cancel[2048])
{
    const char *const prefer[] = {"Prefer: respond-async", NULL};
    call(NULL, server_url(path), prefer, NULL, 0, &a);
    CHECK_INT(a.status, 202);
    snprintf(output, 2048, "%s", header("Location"));
    char *cut = strstr(output, "/output");
    snprintf(cancel, 2048, "%.*s%s", (int)(cut - output), output, cut + 7);
}

static void test_cancel(void)
{
    static request waiting, streaming;
    char output[2048], cancel[2048], path[2048];
    start();
    start_async("/wait", output, cancel);
    wait_for(&seen->steps, 1);
    begin(&waiting, NULL, strstr(output, "/_sw"), NULL);
    snprintf(path, sizeof path, "%.*s/stream%s", (int)(strstr(output, "/output") - strstr(output, "/_sw")),
             strstr(output, "/_sw"), strstr(output, "?token"));
    begin(&streaming, NULL, path, NULL);
    usleep(50000);
    *strchr(cancel, '?') = 0;
    call("DELETE", cancel, NULL, NULL, 0, &a); /* --dev: from this machine without a token */
    CHECK_INT(a.status, 200);
    CHECK(strstr(a.body, "\"status\":\"cancelled\""));
    end(&waiting);
    CHECK_INT(waiting.a.status, 410);
    CHECK(strstr(waiting.a.body, "the run was cancelled"));
    end(&streaming);
    CHECK(strstr(streaming.a.body, "{\"status\":\"failed\",") && strstr(streaming.a.body, "\"statusCode\":410"));
    CHECK_INT(seen->cleaned, 2); /* the step's and the handler's */
    call("DELETE", cancel, NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200); /* it is what it was to be */
    CHECK(metrics_say("\nstepwell_runs_cancelled_total 1\n"));
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    start();
    call(NULL, server_url(strstr(output, "/_sw")), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 410);
    CHECK_INT(seen->steps, 0);
    stop();
}

static void test_cancel_parked(void)
{
    char output[2048], cancel[2048];
    start();
    start_async("/nap", output, cancel);
    CHECK(metrics_say("\nstepwell_runs_parked_total 1\n"));
    call("DELETE", cancel, NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    call(NULL, output, NULL, NULL, 0, &a);
    CHECK_INT(a.status, 410);
    CHECK_INT(seen->runs, 1);
    CHECK(metrics_say("\nstepwell_runs_cancelled_total 1\n"));
    stop();
}

/* Cancelled while its code could not be stopped, in a process that then died; it does not go on in the next. */
static void test_cancel_survives(void)
{
    static request asking;
    char output[2048], cancel[2048], path[512];
    start();
    start_async("/stubborn", output, cancel);
    snprintf(path, sizeof path, "%.*s", (int)(strstr(cancel, "?token") - strstr(cancel, "/_sw")),
             strstr(cancel, "/_sw"));
    wait_for(&seen->steps, 1);
    begin(&asking, "DELETE", strstr(cancel, "/_sw"), NULL);
    for (int i = 0; i < 1000; i++) {
        call(NULL, server_url(path), NULL, NULL, 0, &a);
        if (strstr(a.body, "\"kind\":\"cancel\"")) break;
        usleep(10000);
    }
    CHECK(strstr(a.body, "\"kind\":\"cancel\""));
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    end(&asking);
    start();
    call(NULL, server_url(strstr(output, "/_sw")), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 410);
    CHECK_INT(seen->steps, 0);
    start_async("/stubborn", output, cancel); /* and in one process: it ends when the thread lets go */
    wait_for(&seen->steps, 1);
    begin(&asking, "DELETE", strstr(cancel, "/_sw"), NULL);
    usleep(50000);
    seen->go_on = 1;
    end(&asking);
    CHECK_INT(asking.a.status, 200);
    CHECK_INT(seen->steps, 1);
    stop();
}

/* A run that no code is left for. */
static void test_cancel_orphan(void)
{
    char output[2048], cancel[2048];
    start();
    start_async("/nap?ms=400", output, cancel);
    CHECK(metrics_say("\nstepwell_runs_parked_total 1\n"));
    stop();
    CHECK(setenv("WITHOUT_NAP", "1", 1) == 0);
    start();
    usleep(500000);
    call("DELETE", server_url(strstr(cancel, "/_sw")), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    call(NULL, server_url(strstr(output, "/_sw")), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 410);
    stop();
    CHECK(unsetenv("WITHOUT_NAP") == 0);
}

static void test_cancel_refusals(void)
{
    char output[2048], cancel[2048];
    start();
    seen->go_on = 1;
    start_async("/wait", output, cancel);
    call(NULL, output, NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    call("DELETE", cancel, NULL, NULL, 0, &a);
    CHECK_INT(a.status, 409);
    call("DELETE", server_url("/_sw/runs/00000000000000000000000000"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 404);
    call("DELETE", server_url("/_sw/runs/none"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 404);
    size_t last = strlen(cancel) - 1;
    cancel[last] = cancel[last] == 'A' ? 'B' : 'A';
    call("DELETE", cancel, NULL, NULL, 0, &a);
    CHECK_INT(a.status, 403);
    stop();
}

/* A call that is under way is cut: the other side sees its client go. */
static void test_cancel_cuts_calls(void)
{
    char output[2048], cancel[2048], path[256];
    start();
    snprintf(path, sizeof path, "/call?url=%s/hang", server.address);
    start_async(path, output, cancel);
    wait_for(&seen->go_on, 1);
    call("DELETE", cancel, NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    wait_for(&seen->cut, 1);
    CHECK_INT(seen->cleaned, 1);
    CHECK_INT(seen->steps, 1);
    stop();
}

static void test_client_gone(void)
{
    start();
    int fd = connect_and_ask("/tied");
    wait_for(&seen->steps, 1);
    close(fd);
    CHECK(metrics_say("\nstepwell_runs_cancelled_total 1\n"));
    wait_for(&seen->cleaned, 2);
    fd = connect_and_ask("/wait"); /* the default: it goes on */
    wait_for(&seen->steps, 2);
    close(fd);
    usleep(50000);
    seen->go_on = 1;
    CHECK(metrics_say("\nstepwell_runs_succeeded_total 1\n"));
    CHECK(metrics_say("\nstepwell_runs_cancelled_total 1\n"));
    stop();
}

static void test_deadline(void)
{
    char output[2048], cancel[2048];
    start();
    call(NULL, server_url("/late"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 504);
    CHECK(strstr(a.body, "deadline"));
    CHECK_INT(seen->cleaned, 2);
    start_async("/late-nap", output, cancel); /* sleeps an hour, in a process that dies */
    CHECK(metrics_say("\nstepwell_runs_parked_total 1\n"));
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    start();
    call(NULL, server_url(strstr(output, "/_sw")), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 504);
    CHECK_INT(seen->steps, 0); /* that it had done */
    stop();
}

static const check_case cases[] = {{"Prefer", test_prefer},
                                   {"the output URL, whatever the method", test_redirect},
                                   {"a retry that waits is a redirect too", test_redirect_of_retry},
                                   {"the exact response at the output URL", test_exact_output},
                                   {"the output URL during a drain", test_output_while_draining},
                                   {"Host and --public-url", test_host},
                                   {"calls from other origins", test_other_origins},
                                   {"a key replays the response", test_key_replays},
                                   {"keys that are refused", test_key_refusals},
                                   {"a key at the same moment", test_key_concurrent},
                                   {"a key of a run that sleeps", test_key_parked},
                                   {"a key expires with its run", test_key_expires},
                                   {"DELETE cancels", test_cancel},
                                   {"DELETE of a sleeping run", test_cancel_parked},
                                   {"a cancellation survives the process", test_cancel_survives},
                                   {"a run whose endpoint is gone", test_cancel_orphan},
                                   {"DELETE refused", test_cancel_refusals},
                                   {"cancelling cuts calls", test_cancel_cuts_calls},
                                   {"the last client goes away", test_client_gone},
                                   {"deadlines", test_deadline}};

SERVED_MAIN_NOTES(serve, seen, cases)
