/* Runs that cannot go on are stopped for a reason that is named, their clients are told, and they go on when the reason
 * is gone: by themselves, or when somebody releases them. */
#include <ctype.h>
#include <dirent.h>
#include <time.h>

#include "runtime/stepwell.h"
#include "storage/entry.h"
#include "storage/store.h"
#include "tests/harness/served.h"

enum { LARGE = 100000, HOUR_MS = 3600000 };

/* Seen by the test and all its servers. */
typedef struct notes {
    volatile bool asleep; /* naps go on */
} notes;
static notes *seen;

/* ---- The program ---- */

static sw_value look(sw_ctx *c, sw_value v)
{
    (void)c, (void)v;
    return sw_bool(seen->asleep);
}

/* Parks, and is not over before the test says so, however slow the machine is. */
static void on_nap(sw_ctx *c)
{
    sw_push_chunk(c, sw_str(c, "good night"));
    do sw_sleep(c, "nap", 300);
    while (sw_as_bool(sw_step(c, "look", look, sw_nil()), false));
    sw_reply_text(c, 200, "rested");
}

/* Keeps its place in memory. */
static sw_value wait_long(sw_ctx *c, sw_value v)
{
    sw_sleep(c, "long", HOUR_MS);
    return v;
}

static void on_busy(sw_ctx *c)
{
    sw_step(c, "busy", wait_long, sw_nil());
    sw_reply_text(c, 200, "never");
}

static void on_late(sw_ctx *c)
{
    sw_sleep(c, "nap", 300);
    sw_sleep(c, "sleep", HOUR_MS);
    sw_reply_text(c, 200, "never");
}

static int serve(int argc, char **argv)
{
    const char *limit = getenv("LATE_MS");
    const sw_endpoint_options late = {.timeout_ms = limit ? atoll(limit) : HOUR_MS};
    seen = served_notes(sizeof *seen);
    sw_app *app = sw_app_new("stopped");
    if (!getenv("WITHOUT_NAP")) {
        sw_endpoint(app, "POST /nap", on_nap, NULL);
        sw_endpoint(app, "POST /late", on_late, &late);
    }
    sw_endpoint(app, "POST /other", on_nap, NULL);
    sw_endpoint(app, "POST /busy", on_busy, NULL);
    return sw_main(app, argc, argv);
}

/* ---- Tests ---- */

static char data[128], text[4096];
static answer a;

static void start_with(const char *flag, const char *value)
{
    const char *const flags[] = {"--data", data,     "--dev", "--loops", "2",   "--park-after",
                                 "20ms",   "--hold", "20s",   flag,      value, NULL};
    served_start(&server, flags);
}

static void in_folder(const char *name)
{
    snprintf(data, sizeof data, "%s/%s", root, name);
    seen->asleep = true;
}

static void wake(void) { seen->asleep = false; }
static void start(void) { start_with(NULL, NULL); }
static void stop(void) { CHECK_INT(served_stop(&server, SIGTERM), 0); }

/* A run that parks. `output` is the path of its output URL with the token. */
static void begin(const char *path, const char *body, char id[32], char output[1024])
{
    const char *const prefer[] = {"Prefer: respond-async", NULL};
    call("POST", server_url(path), prefer, body, 0, &a);
    CHECK_INT(a.status, 202);
    snprintf(output, 1024, "%s", strstr(answer_header(&a, "Location", text, sizeof text), "/_sw/"));
    snprintf(id, 32, "%.26s", strstr(output, "/runs/") + 6);
}

static const char *path_of(const char *id, const char *what)
{
    static char path[128];
    snprintf(path, sizeof path, "/_sw/runs/%s%s", id, what);
    return path;
}

/* Waits until the run's page says so. */
static void wait_state(const char *id, const char *state)
{
    for (int i = 0; i < PATIENCE_MS / 20; i++) {
        call(NULL, server_url(path_of(id, "")), NULL, NULL, 0, &a);
        if (strstr(a.body, state)) return;
        usleep(20000);
    }
    printf("# %s\n", a.body);
    CHECK(!"the run does not come to that state");
}

static void wait_metric(const char *line)
{
    for (int i = 0; i < PATIENCE_MS / 20; i++) {
        call(NULL, server_url("/_sw/metrics"), NULL, NULL, 0, &a);
        if (strstr(a.body, line)) return;
        usleep(20000);
    }
    printf("# %s\n", a.body);
    CHECK(!"the metrics do not come to that");
}

/* Naps park again and again: at least once. */
static void wait_parked(void)
{
    static const char name[] = "\nstepwell_runs_parked_total ";
    for (int i = 0; i < PATIENCE_MS / 20; i++) {
        call(NULL, server_url("/_sw/metrics"), NULL, NULL, 0, &a);
        const char *at = strstr(a.body, name);
        if (at && atoll(at + strlen(name)) > 0) return;
        usleep(20000);
    }
    CHECK(!"no run is parked");
}

static void output_is(const char *output, long status, const char *part)
{
    call(NULL, server_url(output), NULL, NULL, 0, &a);
    if (a.status != status || !strstr(a.body, part)) printf("# %ld %s\n", a.status, a.body);
    CHECK_INT(a.status, status);
    CHECK(strstr(a.body, part));
}

static void refused_with(const char *output, const char *reason)
{
    output_is(output, 503, reason);
    CHECK_STR(answer_header(&a, "Content-Type", text, sizeof text), "application/problem+json");
    CHECK(isdigit((unsigned char)*answer_header(&a, "Retry-After", text, sizeof text)));
}

static size_t take_until(char *bytes, size_t size, size_t n, void *arg)
{
    answer_body(bytes, size, n, arg);
    return strstr(((answer *)arg)->body, (const char *)text) ? 0 : size * n; /* 0: that is enough */
}

/* Reads the run's stream until it has this. */
static void stream_until(const char *output, const char *part)
{
    char url[2048];
    snprintf(text, sizeof text, "%s", part);
    snprintf(url, sizeof url, "%s", server_url(output));
    char *what = strstr(url, "/output?");
    char query[1024];
    snprintf(query, sizeof query, "%s", what + strlen("/output"));
    snprintf(what, sizeof url - (size_t)(what - url), "/stream%s", query);
    memset(&a, 0, sizeof a);
    CURL *h = curl_easy_init();
    curl_easy_setopt(h, CURLOPT_URL, url);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take_until);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, &a);
    curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)PATIENCE_MS);
    CURLcode rc = curl_easy_perform(h);
    if (!strstr(a.body, part)) printf("# %d: %s\n", (int)rc, a.body);
    CHECK(strstr(a.body, part));
    curl_easy_cleanup(h);
}

static void without_nap(bool without)
{
    CHECK((without ? setenv("WITHOUT_NAP", "1", 1) : unsetenv("WITHOUT_NAP")) == 0);
}

static void test_no_endpoint(void)
{
    char id[32], output[1024];
    in_folder("no_endpoint");
    start();
    begin("/nap", "", id, output);
    wait_parked();
    stop();
    without_nap(true);
    start();
    wait_state(id, "\"state\":\"stopped\",\"reason\":\"no endpoint\"");
    wait_metric("\nstepwell_runs_stopped 1\n");
    refused_with(output, "\"reason\":\"no endpoint\"");
    stream_until(output, "event: stepwell.stopped\ndata: {\"runId\":\"");
    CHECK(strstr(a.body, "good night") < strstr(a.body, "stepwell.stopped"));
    CHECK(strstr(a.body, "good night") && strstr(a.body, "\"reason\":\"no endpoint\""));
    call("POST", server_url(path_of(id, "/release")), NULL, "", 0, &a);
    CHECK_INT(a.status, 409);
    CHECK(strstr(a.body, "no such endpoint"));
    stop();
    without_nap(false);
    wake();
    start();
    output_is(output, 200, "rested");
    wait_metric("\nstepwell_runs_stopped 0\n");
    stop();
}

/* The state that the run's page shows first of these two. */
static const char *first_state(const char *id, const char *one, const char *other)
{
    for (int i = 0; i < PATIENCE_MS / 20; i++) {
        call(NULL, server_url(path_of(id, "")), NULL, NULL, 0, &a);
        if (strstr(a.body, one)) return one;
        if (strstr(a.body, other)) return other;
        usleep(20000);
    }
    printf("# %s\n", a.body);
    CHECK(!"the run comes to neither state");
    return NULL;
}

/* Whether it was found stopped before this deadline, which goes by on a stopped run. */
static bool ends_when_late(int limit_ms)
{
    static const char no_endpoint[] = "\"reason\":\"no endpoint\"", failed[] = "\"state\":\"failed\"";
    char id[32], output[1024], text_ms[16];
    snprintf(text_ms, sizeof text_ms, "%d", limit_ms);
    in_folder(text_ms);
    CHECK(setenv("LATE_MS", text_ms, 1) == 0);
    start();
    begin("/late", "", id, output);
    stop();
    without_nap(true);
    start();
    bool in_time = first_state(id, no_endpoint, failed) == no_endpoint;
    wait_state(id, failed);
    output_is(output, 504, "over its deadline");
    stop();
    without_nap(false);
    CHECK(unsetenv("LATE_MS") == 0);
    return in_time;
}

/* Its deadline goes by, and so does the time for which stopped runs are kept. */
static void test_ends(void)
{
    char nap[32], nap_output[1024];
    int limit_ms = 3000;
    while (!ends_when_late(limit_ms)) limit_ms *= 2; /* on a slow machine */
    in_folder("ends");
    start();
    begin("/nap", "", nap, nap_output);
    wait_parked();
    stop();
    without_nap(true);
    start_with("--retain-stopped", "2s");
    wait_state(nap, "\"state\":\"failed\"");
    output_is(nap_output, 500, "--retain-stopped");
    wait_metric("\nstepwell_runs_stopped 0\n");
    without_nap(false);
    stop();
}

static void test_cancel(void)
{
    char id[32], output[1024];
    in_folder("cancel");
    start();
    begin("/nap", "", id, output);
    stop();
    without_nap(true);
    start();
    wait_state(id, "\"reason\":\"no endpoint\"");
    call("DELETE", server_url(path_of(id, "")), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    output_is(output, 410, "cancelled");
    wait_metric("\nstepwell_runs_stopped 0\n");
    call("POST", server_url(path_of(id, "/release")), NULL, "", 0, &a);
    CHECK_INT(a.status, 409);
    without_nap(false);
    stop();
}

/* Values of 16 KiB and more are in files of their own. Changes a byte of each, or changes it back. */
static int touch_blobs(void)
{
    char folder[256];
    int count = 0;
    snprintf(folder, sizeof folder, "%s/journal", data);
    DIR *dir = opendir(folder);
    CHECK(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        char byte;
        if (!strstr(e->d_name, ".blob")) continue;
        int fd = openat(dirfd(dir), e->d_name, O_RDWR | O_CLOEXEC);
        CHECK(fd >= 0 && pread(fd, &byte, 1, LARGE / 2) == 1);
        byte ^= 1;
        CHECK(pwrite(fd, &byte, 1, LARGE / 2) == 1 && close(fd) == 0);
        count++;
    }
    closedir(dir);
    return count;
}

/* A run whose request is in a damaged file, between two others. */
static void begin_damaged(char id[32], char output[1024], char others[2][1024])
{
    static char large[LARGE + 1];
    char ignored[32];
    memset(large, 'x', LARGE);
    start();
    begin("/nap", "", ignored, others[0]);
    usleep(5000); /* the list may pass over what began in the same millisecond as a damaged run */
    begin("/nap", large, id, output);
    usleep(5000);
    begin("/nap", "", ignored, others[1]);
    wait_parked();
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    start_with("--no-resume", NULL); /* what the log had is in tables and files now */
    wait_metric("\nstepwell_runs_stopped 3\n");
    stop();
    CHECK(touch_blobs() > 0);
    wake();
}

static void test_unreadable(void)
{
    char id[32], output[1024], others[2][1024];
    in_folder("unreadable");
    begin_damaged(id, output, others);
    start();
    output_is(others[0], 200, "rested");
    output_is(others[1], 200, "rested");
    wait_state(id, "\"state\":\"stopped\",\"reason\":\"unreadable\"");
    refused_with(output, "\"reason\":\"unreadable\"");
    stream_until(output, "event: stepwell.stopped");
    call(NULL, server_url("/_sw/runs"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    CHECK(strstr(a.body, id));
    int runs = 0;
    for (const char *at = a.body; (at = strstr(at, "\"runId\"")); at++) runs++;
    CHECK(runs >= 3);
    call("POST", server_url(path_of(id, "/release")), NULL, "", 0, &a);
    CHECK_INT(a.status, 409);
    CHECK(touch_blobs() > 0);
    output_is(output, 503, "unreadable"); /* nobody has looked again yet */
    wait_state(id, "\"state\":\"succeeded\"");
    output_is(output, 200, "rested");
    wait_metric("\nstepwell_runs_stopped 0\n");
    stop();
}

static void test_unreadable_for_long(void)
{
    char id[32], output[1024], others[2][1024];
    in_folder("unreadable_for_long");
    begin_damaged(id, output, others);
    start_with("--retain-stopped", "2s");
    wait_state(id, "no such run");
    output_is(output, 404, "no such run");
    output_is(others[0], 200, "rested");
    CHECK(touch_blobs() >= 0);
    stop();
}

/* ---- The store, when no program has it ---- */

typedef struct desk {
    uv_loop_t loop;
    store_port *port;
    size_t letters;
    bool done;
} desk;

static void on_committed(void *arg, store_segment *list)
{
    desk *d = arg;
    CHECK(!list->error && !list->next);
    d->done = true;
}

static void nothing(void *arg) { (void)arg; }

static store *open_desk(desk *d)
{
    char error[512];
    *d = (desk){.done = false};
    store *s = store_open(&(store_options){.path = data}, error, sizeof error);
    CHECK(s && uv_loop_init(&d->loop) == 0);
    d->port = store_port_open(s, &d->loop, on_committed, d);
    return s;
}

static void close_desk(desk *d, store *s)
{
    while (!d->done) uv_run(&d->loop, UV_RUN_ONCE);
    store_port_close(d->port, nothing, NULL);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&d->loop) == 0);
    store_close(s);
}

/* An entry of a kind to come is put behind those that the run has. */
static void add_newer(const char *id)
{
    static const char newer[] = "\x92\x3f\x01";
    desk d;
    store *s = open_desk(&d);
    store_segment segment = {.seq = 1000, .live = STORE_LIVE_UNCHANGED, .retain_ms = -1, .data = newer, .len = 3};
    CHECK(run_id_parse(id, 26, &segment.run));
    store_append(d.port, &segment);
    close_desk(&d, s);
}

static void on_rows(void *arg, const store_table_row *rows, size_t count, bool end, const char *error)
{
    desk *d = arg;
    (void)rows;
    CHECK(end && !error);
    d->letters = count;
    d->done = true;
}

static size_t count_letters(void)
{
    desk d;
    store *s = open_desk(&d);
    CHECK(store_scan(d.port, &(store_range){.table = "inbox", .rows_max = 100}, on_rows, &d));
    close_desk(&d, s);
    return d.letters;
}

static void test_newer(void)
{
    char id[32], output[1024];
    in_folder("newer");
    start();
    begin("/nap", "", id, output);
    wait_parked();
    stop();
    add_newer(id);
    start_with("--retain-stopped", "1s");
    wait_state(id, "\"state\":\"stopped\",\"reason\":\"newer\"");
    refused_with(output, "\"reason\":\"newer\"");
    stop();
    usleep(1100000); /* it is left as it is, however long */
    start_with("--retain-stopped", "1s");
    wait_state(id, "\"reason\":\"newer\"");
    refused_with(output, "\"reason\":\"newer\"");
    stop();
}

static void test_no_resume(void)
{
    char id[2][32], output[2][1024], other[32], other_output[1024];
    in_folder("no_resume");
    start();
    for (int i = 0; i < 2; i++) begin("/nap", "", id[i], output[i]);
    stop();
    start_with("--no-resume", NULL);
    wait_metric("\nstepwell_runs_stopped 2\n");
    wait_state(id[0], "\"reason\":\"not resumed\"");
    stream_until(output[0], "event: stepwell.stopped");
    CHECK(strstr(a.body, "good night"));
    begin("/other", "", other, other_output); /* new runs go on, also when they have been parked */
    wake();
    output_is(other_output, 200, "rested");
    call("POST", server_url(path_of(id[0], "/release")), NULL, "", 0, &a);
    if (a.status != 200) printf("# %s\n", a.body);
    CHECK_INT(a.status, 200);
    CHECK(strstr(a.body, "\"status\":\"released\""));
    output_is(output[0], 200, "rested");
    wait_state(id[0], "\"kind\":\"released\"");
    wait_state(id[1], "\"reason\":\"not resumed\"");
    wait_metric("\nstepwell_runs_stopped 1\n");
    call("POST", server_url(path_of(id[0], "/release")), NULL, "", 0, &a);
    CHECK_INT(a.status, 409);
    call("POST", server_url(path_of("00000000000000000000000000", "/release")), NULL, "", 0, &a);
    CHECK_INT(a.status, 404);
    stop();
    start();
    output_is(output[1], 200, "rested");
    stop();
}

/* What was promised is done by whoever can, once. */
static void test_cancel_unreadable(void)
{
    char id[32], output[1024], others[2][1024];
    in_folder("cancel_unreadable");
    begin_damaged(id, output, others);
    start();
    wait_state(id, "\"reason\":\"unreadable\"");
    for (int i = 0; i < 3; i++) {
        call("DELETE", server_url(path_of(id, "")), NULL, NULL, 0, &a);
        if (a.status != 202) printf("# %d %s\n", i, a.body);
        CHECK_INT(a.status, 202);
        CHECK(strstr(a.body, "\"status\":\"cancelling\""));
    }
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    CHECK_INT(count_letters(), 1);
    start();
    wait_state(id, "\"reason\":\"unreadable\"");
    stop();
    CHECK_INT(count_letters(), 1);
    CHECK(touch_blobs() > 0);
    start();
    wait_state(id, "\"state\":\"cancelled\"");
    output_is(output, 410, "cancelled");
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    CHECK_INT(count_letters(), 0);
    start();
    output_is(output, 410, "cancelled");
    stop();
}

static void test_release_later(void)
{
    char id[32], output[1024], busy[32], busy_output[1024];
    in_folder("release_later");
    start();
    begin("/nap", "", id, output);
    stop();
    const char *const flags[] = {"--data",     data, "--dev",  "--loops", "1", "--no-resume",
                                 "--runs-max", "1",  "--hold", "4s",      NULL};
    served_start(&server, flags);
    begin("/busy", "", busy, busy_output); /* has the only place */
    call("POST", server_url(path_of(id, "/release")), NULL, "", 0, &a);
    if (a.status != 202) printf("# %s\n", a.body);
    CHECK_INT(a.status, 202);
    CHECK(strstr(a.body, "\"status\":\"releasing\""));
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    CHECK_INT(count_letters(), 1);
    wake();
    start_with("--no-resume", NULL);
    output_is(output, 200, "rested");
    wait_state(id, "\"kind\":\"released\"");
    wait_state(busy, "\"reason\":\"not resumed\"");
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    CHECK_INT(count_letters(), 0);
}

/* Of a run that cannot be released, and of one that sleeps and is cancelled. */
static void test_no_letter_stays(void)
{
    char id[32], output[1024];
    in_folder("no_letter");
    start();
    begin("/nap", "", id, output);
    stop();
    without_nap(true);
    start();
    wait_state(id, "\"reason\":\"no endpoint\"");
    call("POST", server_url(path_of(id, "/release")), NULL, "", 0, &a);
    CHECK_INT(a.status, 409);
    stop();
    CHECK_INT(count_letters(), 0);
    without_nap(false);
    start();
    begin("/late", "", id, output);
    wait_parked();
    call("DELETE", server_url(path_of(id, "")), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    stop();
    CHECK_INT(count_letters(), 0);
}

/* A run that was over its deadline half an hour ago, but stopped half an hour before that. */
static run_id write_stopped(desk *d)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    int64_t now_ms = (int64_t)t.tv_sec * 1000, half_hour_ms = 1800000;
    run_id id = run_id_make(now_ms - 3 * half_hour_ms, (const uint8_t[10]){7}, 0, 2);
    const entry entries[] = {{.kind = ENTRY_STARTED,
                              .at_ms = now_ms - 3 * half_hour_ms,
                              .function = {"POST /nap", 9},
                              .method = {"POST", 4},
                              .target = {"/nap", 4},
                              .params = {"\x80", 1},
                              .headers = {"\x90", 1},
                              .due_ms = now_ms - half_hour_ms},
                             {.kind = ENTRY_STOPPED,
                              .at_ms = now_ms - 2 * half_hour_ms,
                              .status = ENTRY_STOP_OPERATOR,
                              .error = {"wait for it", 11}}};
    msgpack_sbuffer b;
    msgpack_sbuffer_init(&b);
    for (int i = 0; i < 2; i++) CHECK_INT(entry_encode(&b, &entries[i]), 0);
    store_segment s = {.run = id, .live = STORE_LIVE_SET, .retain_ms = -1, .data = b.data, .len = b.size};
    store_append(d->port, &s);
    while (!d->done) uv_run(&d->loop, UV_RUN_ONCE);
    msgpack_sbuffer_destroy(&b);
    return id;
}

static void test_deadline_stands(void)
{
    char id[32];
    desk d;
    in_folder("deadline");
    store *s = open_desk(&d);
    run_id run = write_stopped(&d);
    close_desk(&d, s);
    run_id_format(&run, id);
    wake();
    start();
    wait_state(id, "\"state\":\"stopped\",\"reason\":\"operator\",\"detail\":\"wait for it\"");
    wait_metric("\nstepwell_runs_stopped 1\n");
    call("POST", server_url(path_of(id, "/release")), NULL, "", 0, &a);
    CHECK_INT(a.status, 200);
    wait_state(id, "\"state\":\"succeeded\"");
    stop();
    CHECK_INT(count_letters(), 0);
}

static const check_case cases[] = {
    {"no endpoint: named, told, and on when it is back", test_no_endpoint},
    {"no endpoint: ends at its deadline, or when it was stopped for too long", test_ends},
    {"a stopped run is cancelled without its handler", test_cancel},
    {"unreadable: named, listed, and on when it can be read", test_unreadable},
    {"unreadable for too long: deleted", test_unreadable_for_long},
    {"newer: left as it is", test_newer},
    {"--no-resume: stopped until released", test_no_resume},
    {"a deadline stands still while a run is stopped", test_deadline_stands},
    {"a cancellation that was promised survives the process", test_cancel_unreadable},
    {"a release that was promised survives the process", test_release_later},
    {"no letter stays that leads to nothing", test_no_letter_stays}};

static void share_notes(void) { seen = served_notes(sizeof *seen); }

SERVED_MAIN(serve, share_notes, cases)
