/* Spans of requests as a collector gets them: what they say of a request's end is what its client and the journal have,
 * also when the process was killed before anything was on disk. */
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

static int serve(int argc, char **argv)
{
    seen = served_notes(sizeof *seen);
    disk = &seen->disk;
    sw_app *app = sw_app_new("spans");
    sw_endpoint(app, "POST /one", on_one, NULL);
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
    served_start(&server, (const char *const[]){"--data", data_dir, "--loops", "2", "--dev", NULL});
}

static unsigned ones(void) { return __atomic_load_n(&seen->ones, __ATOMIC_SEQ_CST); }

/* Asks in a process of its own: no answer may come. */
static void ask_in_vain(void)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid > 0) return;
    (void)call_try("POST", server_url("/one"), NULL, "", 0, &a);
    _exit(0);
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

/* Requests are answered, then the disk fails, then the process is killed with requests whose end it has made. */
static void kill_with(disk_fault fault, unsigned before, unsigned in_vain)
{
    static spans all;
    *seen = (notes){.ones = 0};
    wire_listen(answer_ok);
    start("60000");
    for (unsigned i = 0; i < before; i++) call("POST", server_url("/one"), NULL, "", 0, &a);
    disk_set(&seen->disk, fault);
    for (unsigned i = 0; i < in_vain; i++) ask_in_vain();
    while (ones() == before || disk_failed(&seen->disk) == 0) usleep(1000);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    while (wait(NULL) > 0) continue;
    disk_set(&seen->disk, DISK_GOOD);
    start("20");
    do {
        usleep(5000);
        spans_of(&all, "POST /one");
    } while (all.count < ones());
    CHECK_INT(all.count, ones());
    const unsigned missing = compare(&all);
    if (fault == DISK_FULL) CHECK(missing > 0);
    CHECK(missing <= ones() - before);
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

static const check_case cases[] = {{"a run that was never on disk has not succeeded", test_never_on_disk},
                                   {"one that was on disk has", test_perhaps_on_disk}};

SERVED_MAIN_NOTES(serve, seen, cases)
