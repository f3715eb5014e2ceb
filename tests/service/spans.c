/* Spans as a collector gets them: what they say of a request's end is what its client and the journal have, also when
 * the process was killed before anything was on disk; and each is exported, or counted. */
#include "runtime/stepwell.h"
#include "tests/harness/disk_faults.h"
#include "tests/harness/served.h"
#include "tests/harness/wire.h"

typedef struct notes {
    unsigned ones; /* requests whose handler has returned */
    disk_state disk;
} notes;
static notes *seen;

/* ---- The program ---- */

static void on_one(sw_ctx *c)
{
    sw_reply_text(c, 200, "one");
    __atomic_add_fetch(&seen->ones, 1, __ATOMIC_SEQ_CST);
}

/* ---- Plain routes: one ends in each of the ways ---- */

static void on_nothing(sw_ctx *c) { (void)c; }
static void on_quote(sw_ctx *c) { sw_fail(c, "answered 400: {\"pin\": 4711}"); }
static void on_fail(sw_ctx *c) { sw_fail(c, "there is no paper"); }

static void on_long(sw_ctx *c)
{
    __atomic_add_fetch(&seen->ones, 1, __ATOMIC_SEQ_CST);
    sw_sleep(c, "long", 3600000);
    sw_reply_text(c, 200, "late");
}

static void on_pieces(sw_ctx *c)
{
    sw_reply_open(c, 201, "text/plain");
    (void)sw_reply_write(c, "half", 4);
    if (sw_query(c, "fails")) sw_fail(c, "the other half is missing");
    if (sw_query(c, "aborts")) sw_reply_abort(c);
}

/* ---- More calls at a time than there are records ---- */

enum { CALLS = 16 };

static void on_hold(sw_ctx *c)
{
    sw_sleep(c, "hold", 300);
    sw_reply_text(c, 200, "held");
}

static sw_value ask(sw_ctx *c, sw_value input)
{
    (void)input;
    return sw_int(sw_fetch(c, &(sw_request){.url = sw_printf(c, "http://%s/hold", sw_query(c, "at"))}).status);
}

static void on_many(sw_ctx *c)
{
    sw_value inputs = sw_array(c, 0);
    for (int i = 0; i < CALLS; i++) sw_push(c, &inputs, sw_int(i));
    (void)sw_each(c, "ask", ask, inputs, 0);
    sw_reply_text(c, 200, "asked");
}

/* ---- Runs that call others ---- */

static sw_value on_pack(sw_ctx *c, sw_value input)
{
    sw_sleep(c, "tape", 500);
    return input;
}

static void on_calls(sw_ctx *c)
{
    (void)sw_call_with(c, "label", "pack", sw_nil(), &(sw_call_options){.detached = true});
    (void)sw_wait_for(c, "hurry", &(sw_wait){.signal = "hurry", .timeout_ms = 1}, NULL);
    (void)sw_call(c, "parcel", "pack", sw_nil());
    sw_reply_text(c, 200, "packed");
}

static int serve(int argc, char **argv)
{
    seen = served_notes(sizeof *seen);
    disk = &seen->disk;
    sw_app *app = sw_app_new("spans");
    sw_endpoint(app, "POST /one", on_one, NULL);
    sw_endpoint(app, "POST /many", on_many, NULL);
    sw_endpoint(app, "POST /calls", on_calls, NULL);
    sw_function(app, "pack", on_pack, NULL);
    sw_route(app, "GET /nothing", on_nothing);
    sw_route(app, "GET /fail", on_fail);
    sw_route(app, "GET /quote", on_quote);
    sw_route(app, "GET /long", on_long);
    sw_route(app, "GET /pieces", on_pieces);
    sw_route(app, "GET /hold", on_hold);
    return sw_main(app, argc, argv);
}

/* ---- The collector ---- */

static char data_dir[128];
static answer a;

static bool answer_ok(int fd, const wire_request *r)
{
    static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    (void)r;
    wire_say(fd, ok, sizeof ok - 1);
    return true;
}

enum { SPANS_MAX = 64 };

typedef struct spans {
    char text[SPANS_MAX][4096]; /* JSON of each */
    size_t count;
} spans;

/* Gathers the spans of that name that have come so far. */
static void spans_of(spans *out, const char *name)
{
    char words[128];
    snprintf(words, sizeof words, "\"name\":\"%s\"", name);
    out->count = 0;
    pthread_mutex_lock(&wire.lock);
    for (size_t i = 0; i < wire.heard_count; i++) {
        static const char begin[] = "{\"traceId\"";
        for (const char *at = strstr(wire.heard[i]->body, begin), *next; at; at = next) {
            next = strstr(at + 1, begin);
            char *to = out->text[out->count];
            CHECK(out->count < SPANS_MAX);
            snprintf(to, sizeof out->text[0], "%.*s", next ? (int)(next - at) : (int)strlen(at), at);
            out->count += strstr(to, words) != NULL;
        }
    }
    pthread_mutex_unlock(&wire.lock);
}

static bool says(const char *text, const char *key, const char *value)
{
    char words[256];
    snprintf(words, sizeof words, "{\"key\":\"%s\",\"value\":{\"stringValue\":\"%s", key, value);
    return strstr(text, words) != NULL;
}

/* ---- The test ---- */

static void start(const char *delay_ms)
{
    CHECK(setenv("OTEL_EXPORTER_OTLP_ENDPOINT", wire_url(""), 1) == 0);
    CHECK(setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", 1) == 0);
    CHECK(setenv("OTEL_BSP_SCHEDULE_DELAY", delay_ms, 1) == 0);
    snprintf(data_dir, sizeof data_dir, "%s/data", root);
    served_start(&server, (const char *const[]){"--data", data_dir, "--loops", "2", "--dev", "--redact", "json:pin",
                                                "--drain", "300ms", NULL});
}

static unsigned ones(void) { return __atomic_load_n(&seen->ones, __ATOMIC_SEQ_CST); }

/* Asks in a process of its own, since no answer may come; its exit code is 1 if one has. */
static void ask_in_vain(const char *method, const char *path)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid > 0) return;
    _exit(call_try(method, server_url(path), NULL, *method == 'P' ? "" : NULL, 0, &a));
}

/* Looks at each span's run. Returns how many are not in the journal. */
static unsigned compare(const spans *all)
{
    unsigned missing = 0;
    for (size_t i = 0; i < all->count; i++) {
        static const char key[] = "\"stepwell.run.id\",\"value\":{\"stringValue\":\"";
        char path[128];
        const char *text = all->text[i], *id = strstr(text, key);
        CHECK(id);
        snprintf(path, sizeof path, "/_sw/runs/%.26s", id + strlen(key));
        call(NULL, server_url(path), NULL, NULL, 0, &a);
        const bool is_there = a.status == 200;
        if (!is_there) CHECK_INT(a.status, 404);
        if (says(text, "stepwell.run.outcome", "") != is_there) printf("# %ld: %s\n", a.status, text);
        CHECK(says(text, "stepwell.run.outcome", "succeeded") == is_there);
        CHECK((strstr(text, "http.response.status_code") != NULL) == is_there);
        CHECK(says(text, "error.type", "process_ended") == !is_there);
        if (is_there) CHECK(strstr(a.body, "\"state\":\"succeeded\""));
        missing += !is_there;
    }
    return missing;
}

/* Of those that ask in processes of their own. */
static unsigned count_answered(void)
{
    unsigned answered = 0;
    for (int status; wait(&status) > 0;) answered += WIFEXITED(status) && WEXITSTATUS(status) == 1;
    return answered;
}

enum { LOOKS_MAX = 2000 }; /* only if a request was refused, which has no span, and its client had not heard so yet */

/* Requests are answered, then the disk fails, then the process is killed with requests whose end it has made. */
static void kill_with(disk_fault fault, unsigned before, unsigned in_vain)
{
    static spans all;
    *seen = (notes){.ones = 0};
    wire_listen(answer_ok);
    start("60000");
    for (unsigned i = 0; i < before; i++) call("POST", server_url("/one"), NULL, "", 0, &a);
    disk_set(&seen->disk, fault);
    for (unsigned i = 0; i < in_vain; i++) ask_in_vain("POST", "/one");
    while (ones() == before || disk_failed(&seen->disk) == 0) usleep(1000);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    const unsigned refused = count_answered();
    disk_set(&seen->disk, DISK_GOOD);
    start("20");
    int looks = 0;
    do {
        usleep(5000);
        spans_of(&all, "POST /one");
    } while (all.count + refused < ones() && ++looks < LOOKS_MAX);
    /* The kill may have come between a request's beginning and the handler's count. */
    CHECK(all.count <= before + in_vain && all.count + in_vain >= ones());
    const unsigned missing = compare(&all);
    if (fault == DISK_FULL) CHECK(missing > 0 || all.count < ones());
    CHECK(missing <= in_vain);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    wire_shut();
}

static void test_never_on_disk(void)
{
    for (unsigned before = 0; before < 3; before++) kill_with(DISK_FULL, before, 1 + before * 2);
}

static void test_perhaps_on_disk(void)
{
    for (unsigned before = 0; before < 3; before++) kill_with(DISK_SYNC_HANGS, before, 1 + before * 2);
}

/* ---- What clients got ---- */

typedef struct plain_case {
    const char *path, *span;
    int status;              /* 0: cut */
    const char *error, *why; /* NULL: none */
} plain_case;

static bool says_status(const char *text, int status)
{
    char words[128];
    snprintf(words, sizeof words, "\"http.response.status_code\",\"value\":{\"intValue\":\"%d\"", status);
    return strstr(text, status ? words : "http.response.status_code") != NULL;
}

static void check_plain(const plain_case *p)
{
    static spans all;
    do {
        usleep(2000);
        spans_of(&all, p->span);
    } while (all.count == 0);
    const char *text = all.text[0];
    if (says_status(text, p->status) != (p->status != 0)) printf("# %s: %s\n", p->path, text);
    CHECK_INT(all.count, 1);
    CHECK(says_status(text, p->status) == (p->status != 0));
    CHECK((strstr(text, "error.type") != NULL) == (p->error != NULL));
    CHECK(!p->error || says(text, "error.type", p->error));
    CHECK((strstr(text, "\"status\":{") != NULL) == (p->why != NULL));
    CHECK(!p->why || strstr(text, p->why));
}

/* Plain requests, those of whose handlers the drain has cut off too. */
static void test_plain(void)
{
    static const plain_case all[] = {
        {"/nothing", "GET /nothing", 204, NULL, NULL},
        {"/fail", "GET /fail", 500, "500", "there is no paper"},
        {"/quote", "GET /quote", 500, "500", "{\\\"pin\\\": \\\"[redacted]\\\"}"},
        {"/pieces", "GET /pieces", 201, NULL, NULL},
        {"/pieces?fails=1", "GET /pieces", 0, "cut", "the other half is missing"},
        {"/pieces?aborts=1", "GET /pieces", 0, "cut", NULL},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        wire_listen(answer_ok);
        start("20");
        (void)call_try(NULL, server_url(all[i].path), NULL, NULL, 0, &a);
        if (all[i].status) CHECK_INT(a.status, all[i].status);
        check_plain(&all[i]);
        CHECK_INT(served_stop(&server, SIGTERM), 0);
        wire_shut();
    }
    const plain_case drained = {"/long", "GET /long", 503, "503", "the server stopped before"};
    *seen = (notes){.ones = 0};
    wire_listen(answer_ok);
    start("60000");
    ask_in_vain("GET", "/long");
    while (ones() == 0) usleep(1000);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    while (wait(NULL) > 0) continue;
    start("20");
    check_plain(&drained);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    wire_shut();
}

/* ---- Samplers ---- */

/* A trace is drawn by its id alone: a service behind this one, with the same share, comes to the same. */
static void test_drawn(void)
{
    enum { RUNS = 24 };
    static spans all;
    CHECK(setenv("OTEL_TRACES_SAMPLER", "traceidratio", 1) == 0 && setenv("OTEL_TRACES_SAMPLER_ARG", "0.5", 1) == 0);
    wire_listen(answer_ok);
    start("5");
    for (int i = 0; i < RUNS; i++) call("POST", server_url("/one"), NULL, "", 0, &a);
    for (int i = 0; i < RUNS; i++) call(NULL, server_url("/nothing"), NULL, NULL, 0, &a);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    static const char *const names[] = {"POST /one", "GET /nothing"};
    for (int n = 0; n < 2; n++) {
        spans_of(&all, names[n]);
        CHECK(all.count > 0 && all.count < RUNS);
        for (size_t i = 0; i < all.count; i++) {
            const char *id = strstr(all.text[i], "\"traceId\":\"");
            CHECK(id);
            CHECK(id[strlen("\"traceId\":\"") + 16] < '8'); /* the first digit of the last 8 bytes */
        }
    }
    wire_shut();
    CHECK(unsetenv("OTEL_TRACES_SAMPLER") == 0 && unsetenv("OTEL_TRACES_SAMPLER_ARG") == 0);
}

/* ---- Each span is exported, or counted ---- */

static unsigned metric(const char *name)
{
    call(NULL, server_url("/_sw/metrics"), NULL, NULL, 0, &a);
    const char *at = strstr(a.body, name);
    CHECK(at);
    return (unsigned)strtoul(at + strlen(name), NULL, 10);
}

static void test_counted(void)
{
    static const char *const names[] = {"POST /many", "ask", "GET", "GET /hold"}, *const queues[] = {"3", "20", "200"};
    static spans all;
    for (size_t q = 0; q < 3; q++) {
        char path[256];
        CHECK(setenv("OTEL_BSP_MAX_QUEUE_SIZE", queues[q], 1) == 0);
        wire_listen(answer_ok);
        start("5");
        snprintf(path, sizeof path, "/many?at=%s", server.address + strlen("http://"));
        call("POST", server_url(path), NULL, "", 4, &a);
        CHECK_INT(a.status, 200);
        unsigned got, dropped;
        do {
            usleep(5000);
            dropped = metric("\nstepwell_trace_spans_dropped_total ");
            got = 0;
            for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
                spans_of(&all, names[i]);
                got += (unsigned)all.count;
            }
            CHECK(got + dropped <= 1 + 3 * CALLS);
        } while (got + dropped < 1 + 3 * CALLS);
        if (q == 0) CHECK(dropped > 0);
        if (q == 2) CHECK_INT(dropped, 0);
        CHECK_INT(served_stop(&server, SIGTERM), 0);
        wire_shut();
    }
    CHECK(unsetenv("OTEL_BSP_MAX_QUEUE_SIZE") == 0);
}

static void read_member(const char *text, const char *name, char value[64])
{
    char words[32];
    snprintf(words, sizeof words, "\"%s\":\"", name);
    const char *at = strstr(text, words);
    value[0] = 0;
    if (at) snprintf(value, 64, "%.*s", (int)strcspn(at + strlen(words), "\""), at + strlen(words));
}

/* Runs that a run has called are in its trace, below its request, whichever process executed them. */
static void test_called(void)
{
    static spans callers, called, waits;
    char trace[64], request[64], value[64];
    wire_listen(answer_ok);
    start("60000");
    call("POST", server_url("/calls"), (const char *const[]){"Prefer: respond-async", NULL}, "", 0, &a);
    CHECK_INT(a.status, 202);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    start("20");
    do {
        usleep(5000);
        spans_of(&callers, "POST /calls");
        spans_of(&called, "pack");
    } while (callers.count < 1 || called.count < 2);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    spans_of(&callers, "POST /calls");
    spans_of(&called, "pack");
    spans_of(&waits, "wait hurry");
    CHECK(callers.count == 1 && called.count == 2 && waits.count == 1);
    read_member(callers.text[0], "traceId", trace);
    read_member(callers.text[0], "spanId", request);
    for (size_t i = 0; i < called.count + waits.count; i++) {
        const char *text = i < called.count ? called.text[i] : waits.text[0];
        read_member(text, "traceId", value);
        CHECK_STR(value, trace);
        read_member(text, "parentSpanId", value);
        CHECK_STR(value, request);
    }
    wire_shut();
}

static const check_case cases[] = {{"a run that was never on disk has not succeeded", test_never_on_disk},
                                   {"one that was on disk has", test_perhaps_on_disk},
                                   {"a plain request is told of as its client saw it", test_plain},
                                   {"a trace is drawn by its id", test_drawn},
                                   {"runs that are called are in the trace", test_called},
                                   {"spans that find no room are counted", test_counted}};

SERVED_MAIN_NOTES(serve, seen, cases)
