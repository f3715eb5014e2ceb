/* What a handler may do and what it is refused, seen from its client; each refusal leaves the process serving. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "runtime/stepwell.h"
#include "tests/harness/served.h"

typedef struct notes {
    int attempts, cleaned, stop_computing, order[8], slow_started, slow_ended;
} notes;
static notes *seen;

/* ---- Handlers ---- */

static sw_value echo(sw_ctx *c, sw_value v)
{
    (void)c;
    return v;
}

static void on_hello(sw_ctx *c)
{
    sw_value v = sw_step(c, "greet", echo, sw_strf(c, "hello %s", sw_param(c, "name")));
    sw_reply_header(c, "X-Method", sw_method(c));
    sw_reply_header(c, "X-Path", sw_path(c));
    sw_reply(c, 203, "application/x-test", sw_cstr(c, v), sw_len(v));
}

static void on_binary(sw_ctx *c)
{
    sw_bytes b = sw_body(c);
    sw_reply(c, 200, "application/octet-stream", b.data, b.len);
}

static void on_json(sw_ctx *c)
{
    sw_value v = sw_body_json(c);
    sw_reply_json(c, 200, sw_step(c, "keep", echo, v));
}

static void on_nothing(sw_ctx *c) { (void)sw_step(c, "s", echo, sw_nil()); }

static sw_value nested(sw_ctx *c, sw_value v) { return sw_step(c, "inner", echo, v); }
static sw_value large(sw_ctx *c, sw_value v)
{
    (void)v;
    size_t n = 5u << 20;
    return sw_bin(c, sw_alloc(c, n), n);
}
static sw_value deep(sw_ctx *c, sw_value v)
{
    for (int i = 0; i < 400; i++) v = sw_array(c, 1, v);
    return v;
}
static sw_value no_value(sw_ctx *c, sw_value v)
{
    (void)c;
    v.type = (msgpack_object_type)99;
    return v;
}
static sw_value reply_inside(sw_ctx *c, sw_value v)
{
    sw_reply_text(c, 200, "no");
    return v;
}
static sw_value fatal(sw_ctx *c, sw_value v)
{
    (void)v;
    seen->attempts++;
    sw_fail_fatal(c, "never again \"%s\"", "x");
}
static sw_value compute(sw_ctx *c, sw_value v)
{
    (void)c;
    while (!__atomic_load_n(&seen->stop_computing, __ATOMIC_ACQUIRE)) v.via.u64 ^= v.via.u64 << 1;
    return sw_int(1);
}
static void on_compute(sw_ctx *c) { sw_reply_json(c, 200, sw_step(c, "crunch", compute, sw_int(1))); }
static sw_value hang(sw_ctx *c, sw_value v)
{
    seen->attempts++;
    sw_sleep(c, "long", 60000);
    return v;
}

static void on_misuse(sw_ctx *c)
{
    const char *what = sw_query(c, "what");
    char id[300];
    memset(id, 'x', sizeof id);
    id[257] = 0;
    if (strcmp(what, "empty id") == 0) sw_step(c, "", echo, sw_nil());
    if (strcmp(what, "long id") == 0) sw_step(c, id, echo, sw_nil());
    if (strcmp(what, "null id") == 0) sw_step(c, NULL, echo, sw_nil());
    if (strcmp(what, "nested") == 0) sw_step(c, "outer", nested, sw_nil());
    if (strcmp(what, "large") == 0) sw_step(c, "big", large, sw_nil());
    if (strcmp(what, "deep") == 0) sw_step(c, "deep", deep, sw_nil());
    if (strcmp(what, "no value") == 0) sw_step(c, "odd", no_value, sw_nil());
    if (strcmp(what, "many") == 0)
        for (int i = 0; i < 300; i++) sw_step(c, "again", echo, sw_int(i));
    if (strcmp(what, "many at once") == 0) {
        sw_value inputs = sw_nil();
        for (int i = 0; i < 300; i++) sw_push(c, &inputs, sw_int(i));
        sw_each(c, "at once", echo, inputs, 0);
    }
    if (strcmp(what, "reply inside") == 0) sw_step(c, "r", reply_inside, sw_nil());
    if (strcmp(what, "split") == 0) sw_reply_header(c, "X-A", "b\r\nX-Injected: 1");
    if (strcmp(what, "own header") == 0) sw_reply_header(c, "Content-Length", "5");
    if (strcmp(what, "status") == 0) sw_reply(c, 99, NULL, NULL, 0);
    if (strcmp(what, "fetch") == 0) sw_fetch(c, &(sw_request){.url = "http://127.0.0.1:1/"});
    if (strcmp(what, "fatal") == 0) sw_step(c, "f", fatal, sw_nil());
    if (strcmp(what, "each") == 0) sw_each(c, "e", echo, sw_int(5), 0);
    if (strcmp(what, "parse") == 0) sw_json_parse(c, "{\"a\": }", 7);
    if (strcmp(what, "memory") == 0) sw_alloc(c, (size_t)1 << 40);
    if (strcmp(what, "timeout") == 0)
        sw_step_with(c, "t", hang, sw_nil(), &(sw_step_options){.retries = 1, .timeout_ms = 30, .backoff_ms = 1});
    sw_reply_text(c, 200, "first");
    if (strcmp(what, "second reply") == 0) sw_reply_text(c, 200, "second");
}

static void on_plain_step(sw_ctx *c)
{
    sw_step(c, "s", echo, sw_nil());
    sw_reply_text(c, 200, "ran");
}

static void note_order(void *arg) { seen->order[seen->cleaned++] = (int)(intptr_t)arg; }

static sw_value with_defer(sw_ctx *c, sw_value v)
{
    sw_defer(c, note_order, (void *)3);
    if (++seen->attempts == 1) sw_fail_after(c, 0, "once");
    return v;
}

static void on_defer(sw_ctx *c)
{
    sw_defer(c, note_order, (void *)1);
    sw_defer(c, note_order, (void *)2);
    sw_step(c, "d", with_defer, sw_nil());
    sw_fail(c, "the handler gives up");
}

static sw_value may_fail(sw_ctx *c, sw_value v)
{
    if (sw_as_int(v, 0) == 2) sw_fail_fatal(c, "two is bad");
    return sw_int(sw_as_int(v, 0) * 10);
}

static void on_settle(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    for (int i = 1; i <= 3; i++) sw_group_step(g, "s", may_fail, sw_int(i));
    sw_reply_json(c, 200, sw_group_settle(g));
}

static void on_group_wait(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    for (int i = 1; i <= 3; i++) sw_group_step(g, "s", may_fail, sw_int(i));
    sw_group_wait(g);
}

static sw_value streamed(sw_ctx *c, sw_value v)
{
    sw_push_chunk(c, sw_str(c, "part"));
    if (++seen->attempts == 1) sw_fail_after(c, 1, "cut");
    return v;
}

static void on_stream(sw_ctx *c)
{
    sw_push_chunk(c, sw_map(c, "progress", sw_int(1), NULL));
    sw_step(c, "tell", streamed, sw_nil());
    sw_reply_text(c, 200, "done");
}

static sw_value slow(sw_ctx *c, sw_value v)
{
    seen->slow_started++;
    sw_sleep(c, "work", 400);
    seen->slow_ended++;
    return v;
}

static void on_slow(sw_ctx *c)
{
    sw_step(c, "slow", slow, sw_nil());
    sw_step_with(c, "after", echo, sw_nil(), &(sw_step_options){.sync = true});
    sw_reply_text(c, 200, "slow done");
}

static void on_rest(sw_ctx *c)
{
    sw_step(c, "before", echo, sw_nil());
    sw_sleep(c, "an hour", 3600000);
    sw_reply_text(c, 200, "rested");
}

/* Lets files grow only so far, as a full disk would. */
static void on_disk(sw_ctx *c)
{
    struct rlimit r;
    signal(SIGXFSZ, SIG_IGN);
    bool full = strcmp(sw_query(c, "is"), "full") == 0;
    bool ok = getrlimit(RLIMIT_FSIZE, &r) == 0;
    r.rlim_cur = full ? 1 : RLIM_INFINITY;
    ok = ok && setrlimit(RLIMIT_FSIZE, &r) == 0;
    sw_reply_text(c, ok ? 200 : 500, "disk");
}

static int serve(int argc, char **argv)
{
    static const char *const headers[] = {"x-secret", NULL};
    const char *abi = getenv("ABI");
    sw_app *app = abi ? sw_app_new_abi("api", atoi(abi)) : sw_app_new("api");
    seen = served_notes(sizeof *seen);
    sw_endpoint(app, "GET /hello/:name", on_hello, &(sw_endpoint_options){.version = "1", .journal_headers = headers});
    sw_endpoint(app, "POST /binary", on_binary, &(sw_endpoint_options){.durability = SW_RELAXED});
    sw_endpoint(app, "POST /json", on_json, NULL);
    sw_endpoint(app, "GET /nothing", on_nothing, &(sw_endpoint_options){.retain = SW_RETAIN_NONE});
    sw_endpoint(app, "GET /misuse", on_misuse, NULL);
    sw_endpoint(app, "GET /defer", on_defer, NULL);
    sw_endpoint(app, "GET /settle", on_settle, NULL);
    sw_endpoint(app, "GET /group-wait", on_group_wait, NULL);
    sw_endpoint(app, "GET /stream", on_stream, NULL);
    sw_endpoint(app, "GET /slow", on_slow, NULL);
    sw_endpoint(app, "GET /rest", on_rest, NULL);
    sw_endpoint(app, "GET /compute", on_compute, NULL);
    sw_route(app, "GET /plain-step", on_plain_step);
    sw_route(app, "GET /disk", on_disk);
    if (getenv("BAD_ROUTE")) sw_endpoint(app, getenv("BAD_ROUTE"), on_nothing, NULL);
    return sw_main(app, argc, argv);
}

/* ---- Tests ---- */

static answer a;
static char text[4096];

static const char *header(const char *name) { return answer_header(&a, name, text, sizeof text); }

static const char *data_folder(void)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/data", root);
    return path;
}

static void start(void)
{
    const char *const flags[] = {"--data", data_folder(), "--loops",     "2",    "--steps-max",
                                 "200",    "--dev",       "--log-level", "info", NULL};
    memset(seen, 0, sizeof *seen);
    served_start(&server, flags);
}

static void stop(void) { CHECK_INT(served_stop(&server, SIGTERM), 0); }

static void test_replies(void)
{
    start();
    call(NULL, server_url("/hello/a%20b?x=1"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 203);
    CHECK_STR(a.body, "hello a b");
    CHECK_STR(header("X-Path"), "/hello/a b");
    CHECK_STR(header("Content-Type"), "application/x-test");
    CHECK_INT(strlen(header("X-Run-Id")), 26);
    call(NULL, server_url("/nothing"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 204);
    call("POST", server_url("/json"), NULL, "{\"b\":[1,2.5,true,null,\"\\u00e9\"],\"a\":{}}", 0, &a);
    CHECK_STR(a.body, "{\"b\":[1,2.5,true,null,\"é\"],\"a\":{}}");
    call("POST", server_url("/json"), NULL, "{\"a\":", 0, &a);
    CHECK_INT(a.status, 400);
    CHECK(strstr(a.body, "not JSON: line 1"));
    call(NULL, server_url("/_sw/metrics"), NULL, NULL, 0, &a); /* nobody is called for what a client has sent */
    CHECK(strstr(a.body, "\nstepwell_runs_failed_total 0\n"));
    call("POST", server_url("/binary"), NULL, "any\x01\xff bytes", 0, &a);
    CHECK_STR(a.body, "any\x01\xff bytes");
    call(NULL, server_url("/nowhere"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 404);
    call("DELETE", server_url("/stream"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 405);
    CHECK(strstr(header("Allow"), "GET"));
    stop();
}

static void misuse(const char *what, const char *message)
{
    char path[256], *escaped = curl_easy_escape(NULL, what, 0);
    snprintf(path, sizeof path, "/misuse?what=%s", escaped);
    curl_free(escaped);
    call(NULL, server_url(path), NULL, NULL, 0, &a);
    if (a.status != 500 || !strstr(a.body, message)) printf("# %s: %ld %s\n", what, a.status, a.body);
    CHECK_INT(a.status, 500);
    CHECK_STR(header("Content-Type"), "application/problem+json");
    CHECK(strstr(a.body, message));
    CHECK(!strstr(a.head, "X-Injected"));
}

static void test_misuse(void)
{
    start();
    misuse("empty id", "1 to 256 bytes");
    misuse("long id", "at most 256");
    misuse("null id", "1 to 256 bytes");
    misuse("nested", "branch");
    misuse("large", "--step-result-max");
    misuse("deep", "128 levels");
    misuse("no value", "no msgpack value");
    misuse("many", "--steps-max");
    misuse("many at once", "--steps-max"); /* none has begun, and nobody waits for those that were counted */
    misuse("reply inside", "inside step");
    misuse("split", "response header");
    misuse("own header", "set by the server");
    misuse("status", "200 to 599");
    misuse("fetch", "inside sw_step");
    misuse("each", "array");
    misuse("parse", "line 1");
    misuse("memory", "--run-state-max");
    misuse("second reply", "second reply");
    misuse("fatal", "never again \\\"x\\\"");
    CHECK(strstr(a.body, "\"attempts\":1") && strstr(a.body, "\"step\":\"f\""));
    CHECK_INT(seen->attempts, 1);
    seen->attempts = 0;
    misuse("timeout", "timed out after 30 ms");
    CHECK_INT(seen->attempts, 2);
    call(NULL, server_url("/plain-step"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 500);
    CHECK(strstr(a.body, "plain route"));
    call(NULL, server_url("/hello/still-here"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 203);
    stop();
}

static void test_limits(void)
{
    start();
    static char big[9 << 20];
    memset(big, 'a', sizeof big - 1);
    /* A client that is still sending may miss the answer (RFC 9112, 9.6): it asks again, as clients do. */
    for (int i = 0; i < 5 && a.status != 413; i++) (void)call_try("POST", server_url("/binary"), NULL, big, 0, &a);
    CHECK_INT(a.status, 413);
    char path[20000];
    memset(path, 'p', sizeof path);
    path[0] = '/';
    path[17000] = 0;
    char url[20100];
    snprintf(url, sizeof url, "%s%s", server.address, path);
    call(NULL, url, NULL, NULL, 0, &a);
    CHECK_INT(a.status, 414);
    stop();
}

static void test_defers(void)
{
    start();
    call(NULL, server_url("/defer"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 500);
    CHECK(strstr(a.body, "the handler gives up"));
    CHECK_INT(seen->cleaned, 4);
    CHECK_INT(seen->order[0], 3);
    CHECK_INT(seen->order[1], 3);
    CHECK_INT(seen->order[2], 2);
    CHECK_INT(seen->order[3], 1);
    stop();
}

static void test_groups(void)
{
    start();
    call(NULL, server_url("/settle"), NULL, NULL, 0, &a);
    CHECK_STR(a.body,
              "[{\"ok\":true,\"value\":10},{\"ok\":false,\"error\":\"two is bad\"},{\"ok\":true,\"value\":30}]");
    call(NULL, server_url("/group-wait"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 500);
    CHECK(strstr(a.body, "two is bad"));
    stop();
}

static void test_stream(void)
{
    const char *const accept[] = {"Accept: text/event-stream", NULL};
    start();
    call(NULL, server_url("/stream"), accept, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    CHECK_STR(header("Content-Type"), "text/event-stream");
    const char *at = a.body;
    static const char *const order[] = {"inngest.metadata", "\"progress\":1",    "\"data\":\"part\"",
                                        "inngest.rollback", "\"data\":\"part\"", "inngest.commit",
                                        "inngest.response", "\"body\":\"done\""};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        const char *found = strstr(at, order[i]);
        if (!found) printf("# %s is not in %s\n", order[i], at);
        CHECK(found);
        at = found + strlen(order[i]);
    }
    stop();
}

static void test_async(void)
{
    const char *const prefer[] = {"Prefer: respond-async", NULL};
    char url[sizeof text], *token;
    start();
    call(NULL, server_url("/slow"), prefer, NULL, 0, &a);
    CHECK_INT(a.status, 202);
    CHECK(strstr(header("Location"), "/output?token="));
    snprintf(url, sizeof url, "%s", text);
    call(NULL, url, NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    CHECK_STR(a.body, "slow done");
    CHECK(answer_header(&a, "Access-Control-Allow-Origin", text, sizeof text)[0]);
    token = strstr(url, "token=") + 6;
    token[strlen(token) - 1] = token[strlen(token) - 1] == 'A' ? 'B' : 'A';
    call(NULL, url, NULL, NULL, 0, &a);
    CHECK_INT(a.status, 403);
    token[-6] = 0;
    call(NULL, url, NULL, NULL, 0, &a);
    CHECK_INT(a.status, 401);
    call(NULL, server_url("/_sw/runs/00000000000000000000000000/output?token=1.x"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 403);
    call(NULL, server_url("/_sw/runs/none/output?token=1.x"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 404);
    static const char *const refused[] = {"limit=1x",
                                          "limit=",
                                          "limit=0",
                                          "limit=501",
                                          "limit=-1",
                                          "limit=+1",
                                          "limit=99999999999999999999",
                                          "state=broken",
                                          "limit=1&stat=failed",
                                          "Limit=1",
                                          "before=1"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        snprintf(url, sizeof url, "/_sw/runs?%s", refused[i]);
        call(NULL, server_url(url), NULL, NULL, 0, &a);
        CHECK_INT(a.status, 400);
    }
    call(NULL, server_url("/_sw/runs?limit=1"), NULL, NULL, 0, &a);
    CHECK(strstr(a.body, "\"endpoint\":\"GET /slow\"") && strstr(a.body, "\"stepsDone\":2"));
    call(NULL, server_url("/_sw/healthz"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    call(NULL, server_url("/_sw/metrics"), NULL, NULL, 0, &a);
    CHECK(strstr(a.body, "stepwell_runs_succeeded_total 1"));
    stop();
}

/* A run that is going on when the process is told to stop, or dies, is finished by the next. */
static void interrupted(int signal_number, int steps_started)
{
    const char *const prefer[] = {"Prefer: respond-async", NULL};
    char path[1024];
    start();
    call(NULL, server_url("/slow"), prefer, NULL, 0, &a);
    CHECK_INT(a.status, 202);
    snprintf(path, sizeof path, "%s", strstr(header("Location"), "/_sw/"));
    while (!seen->slow_started) usleep(1000);
    CHECK_INT(served_stop(&server, signal_number), signal_number == SIGTERM ? 0 : -signal_number);
    notes before = *seen;
    start();
    call(NULL, server_url(path), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    CHECK_STR(a.body, "slow done");
    CHECK_INT(before.slow_started + seen->slow_started, steps_started);
    stop();
}

static void test_sigterm(void) { interrupted(SIGTERM, 1); }
static void test_sigkill(void) { interrupted(SIGKILL, 2); }

static bool metrics_say(const char *line)
{
    for (int i = 0; i < 500; i++) {
        call(NULL, server_url("/_sw/metrics"), NULL, NULL, 0, &a);
        if (strstr(a.body, line)) return true;
        usleep(10000);
    }
    return false;
}

/* A run that sleeps long leaves memory, and its loop goes on to serve others; the client is sent on. */
static void test_parking(void)
{
    start();
    call(NULL, server_url("/rest"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 303);
    CHECK(strstr(header("Location"), "/output?token="));
    CHECK(metrics_say("\nstepwell_runs_parked_total 1\n"));
    CHECK(metrics_say("\nstepwell_runs_in_memory 0\n"));
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    start();
    CHECK(metrics_say("\nstepwell_runs_unfinished 1\n"));
    CHECK(metrics_say("\nstepwell_runs_in_memory 0\n"));
    stop();
}

/* Its log up to the line that has `words`. */
static void await_log(const char *words)
{
    static char said[65536];
    size_t len = 0;
    do {
        struct pollfd p = {.fd = server.log, .events = POLLIN};
        CHECK(poll(&p, 1, PATIENCE_MS) == 1 && len < sizeof said - 1);
        ssize_t n = read(server.log, said + len, sizeof said - 1 - len);
        CHECK(n > 0);
        len += (size_t)n;
        said[len] = 0;
    } while (!strstr(said, words) || !strchr(strstr(said, words), '\n'));
    snprintf(text, sizeof text, "%.*s", (int)strcspn(strstr(said, words), "\n"), strstr(said, words));
}

static void *ask_compute(void *arg)
{
    call(NULL, server_url("/compute"), NULL, NULL, 0, arg);
    return arg;
}

static void test_blocked(void)
{
    static answer computed;
    pthread_t asking;
    start();
    CHECK(pthread_create(&asking, NULL, ask_compute, &computed) == 0);
    await_log("GET /compute has held loop ");
    CHECK(strstr(text, " ms in step \"crunch\""));
    __atomic_store_n(&seen->stop_computing, 1, __ATOMIC_RELEASE);
    await_log("GET /compute held loop ");
    CHECK(strstr(text, " ms in step \"crunch\""));
    CHECK(pthread_join(asking, NULL) == 0);
    CHECK_INT(computed.status, 200);
    stop();
}

static void *ask_json(void *arg)
{
    call("POST", server_url("/json"), NULL, "[1]", 0, arg);
    return arg;
}

static void test_full_disk(void)
{
    static answer unknown;
    pthread_t asking;
    char output[1024];
    const char *const prefer[] = {"Prefer: respond-async", NULL};
    start();
    call(NULL, server_url("/hello/before"), prefer, NULL, 0, &a);
    CHECK_INT(a.status, 202);
    snprintf(output, sizeof output, "%s", header("Location"));
    call(NULL, output, NULL, NULL, 0, &a);
    CHECK_STR(a.body, "hello before");
    call(NULL, server_url("/disk?is=full"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    /* The write that fails is this one's: its client waits until it is known whether it is on disk. */
    CHECK(pthread_create(&asking, NULL, ask_json, &unknown) == 0);
    do {
        usleep(10000);
        call(NULL, server_url("/_sw/readyz"), NULL, NULL, 0, &a);
    } while (a.status == 200);
    CHECK_INT(a.status, 503);
    call("POST", server_url("/json"), NULL, "[1]", 0, &a);
    CHECK_INT(a.status, 503);
    CHECK(strstr(a.body, "the journal cannot be written; the request was not done"));
    call(NULL, server_url("/_sw/healthz"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    call(NULL, output, NULL, NULL, 0, &a);
    CHECK_STR(a.body, "hello before"); /* what is on disk can be read */
    call(NULL, server_url("/disk?is=free"), NULL, NULL, 0, &a);
    for (int i = 0; i < 500; i++) {
        call(NULL, server_url("/_sw/readyz"), NULL, NULL, 0, &a);
        if (a.status == 200) break;
        usleep(20000);
    }
    CHECK(pthread_join(asking, NULL) == 0);
    CHECK_INT(unknown.status, 200);
    CHECK_STR(unknown.body, "[1]");
    call("POST", server_url("/json"), NULL, "[1]", 0, &a);
    CHECK_INT(a.status, 200);
    CHECK_STR(a.body, "[1]");
    call(NULL, output, NULL, NULL, 0, &a);
    CHECK_STR(a.body, "hello before");
    stop();
}

static void refused(const char *const *flags, const char *message)
{
    char said[8192];
    int code = 0;
    served s;
    bool started = served_try(&s, flags, said, sizeof said, &code);
    if (started || code != 2 || !strstr(said, message)) printf("# exit code %d: %s\n", code, said);
    CHECK(!started);
    CHECK_INT(code, 2);
    CHECK(strstr(said, message));
}

#define REFUSED(message, ...) refused((const char *const[]){__VA_ARGS__, NULL}, message)

static void test_start_refusals(void)
{
    char path[256];
    start();
    REFUSED("did you mean --loops?", "--lops", "2");
    REFUSED("needs a value", "--data");
    REFUSED("unexpected argument", "serve");
    REFUSED("must be a time", "--hold", "soon");
    REFUSED("must be a size", "--body-max", "8MB");
    REFUSED("must be between", "--loops", "1000");
    REFUSED("must be a whole number", "--loops", "0x1");
    REFUSED("must be a size", "--body-max", "0x10");
    REFUSED("must be a time", "--hold", "1e3s");
    REFUSED("--dev=maybe: a switch is", "--dev=maybe");
    CHECK(setenv("STEPWELL_SUPERVISE", "never", 1) == 0);
    REFUSED("--supervise=never: a switch is", "--data", data_folder());
    CHECK(unsetenv("STEPWELL_SUPERVISE") == 0);
    REFUSED("must be one of text|json", "--log-format", "xml");
    REFUSED("in use by process", "--data", data_folder());
    REFUSED("parent folder does not exist", "--data", "/nonexistent/folder");
    REFUSED("is not a folder", "--data", getenv("NOTES"));
    snprintf(path, sizeof path, "%s/other", root);
    REFUSED("Address already in use", "--data", path, "--listen", server.address + 7);
    REFUSED("HOST:PORT", "--data", path, "--listen", "nonsense");
    REFUSED("No such file", "--data", path, "--secret-file", "/nonexistent");
    CHECK(setenv("STEPWELL_DRAIN", "x", 1) == 0);
    REFUSED("--drain x", "--data", path);
    CHECK(unsetenv("STEPWELL_DRAIN") == 0);
    CHECK(setenv("ABI", "1", 1) == 0);
    REFUSED("compiled with a <stepwell.h> of SW_ABI 1", "--data", path);
    CHECK(unsetenv("ABI") == 0);
    CHECK(setenv("BAD_ROUTE", "GET nothing", 1) == 0);
    REFUSED("GET nothing", "--data", path);
    CHECK(setenv("BAD_ROUTE", "GET /slow", 1) == 0);
    REFUSED("/slow", "--data", path);
    CHECK(unsetenv("BAD_ROUTE") == 0);
    snprintf(path, sizeof path, "%s/newer", root);
    CHECK(mkdir(path, 0700) == 0);
    snprintf(path, sizeof path, "%s/newer/FORMAT", root);
    FILE *f = fopen(path, "w");
    CHECK(f && fputs("99\n", f) >= 0 && fclose(f) == 0);
    snprintf(path, sizeof path, "%s/newer", root);
    REFUSED("format 99", "--data", path);
    call(NULL, server_url("/hello/still-here"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 203);
    stop();
}

static const check_case cases[] = {{"replies", test_replies},
                                   {"misuse fails the run with a message", test_misuse},
                                   {"requests over the limits", test_limits},
                                   {"clean-ups run last first", test_defers},
                                   {"groups", test_groups},
                                   {"a stream's frames", test_stream},
                                   {"respond-async and the output URL", test_async},
                                   {"a long sleep leaves memory", test_parking},
                                   {"who keeps a loop from turning is logged", test_blocked},
                                   {"SIGTERM lets running steps end", test_sigterm},
                                   {"SIGKILL repeats only what was not journaled", test_sigkill},
                                   {"a full disk refuses runs and is got over", test_full_disk},
                                   {"what keeps it from starting", test_start_refusals}};

SERVED_MAIN_NOTES(serve, seen, cases)
