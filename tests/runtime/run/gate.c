/* The gate: no attempt begins, no parked run is loaded and no request is taken while the journal takes no writes; what
 * clients are told then is true; and a slow journal keeps running runs waiting instead of filling memory. */
#include "runtime/stepwell.h"
#include "tests/harness/disk_faults.h"
#include "tests/harness/served.h"

enum { LARGE_STEPS = 300, LARGE_BYTES = 64 << 10 };

typedef struct notes {
    disk_state disk;
    volatile unsigned charges, seconds, larges, chunks, firsts;
    volatile bool first_may_end;
} notes;
static notes *seen;

static unsigned count(volatile unsigned *n) { return __atomic_add_fetch(n, 1, __ATOMIC_SEQ_CST); }

/* ---- The program ---- */

static sw_value charge(sw_ctx *c, sw_value v)
{
    (void)c;
    count(&seen->charges);
    return v;
}

static void on_charge(sw_ctx *c)
{
    sw_step(c, "charge", charge, sw_nil());
    sw_reply_text(c, 200, "charged");
}

static sw_value first(sw_ctx *c, sw_value v)
{
    count(&seen->firsts);
    while (!seen->first_may_end) sw_sleep(c, "wait", 5);
    return v;
}

static sw_value second(sw_ctx *c, sw_value v)
{
    (void)c;
    count(&seen->seconds);
    return v;
}

static void on_parked(sw_ctx *c)
{
    sw_sleep(c, "a moment", 400);
    sw_step(c, "second", second, sw_nil());
    sw_reply_text(c, 200, "rested");
}

static void on_two(sw_ctx *c)
{
    sw_step(c, "first", first, sw_nil());
    sw_step(c, "second", second, sw_nil());
    sw_reply_text(c, 200, "both");
}

static sw_value large(sw_ctx *c, sw_value v)
{
    (void)v;
    count(&seen->larges);
    char *bytes = sw_alloc(c, LARGE_BYTES);
    memset(bytes, 'l', LARGE_BYTES);
    return sw_strn(c, bytes, LARGE_BYTES);
}

static void on_large(sw_ctx *c)
{
    sw_value inputs = sw_array(c, 0);
    for (int i = 0; i < LARGE_STEPS; i++) sw_push(c, &inputs, sw_int(i));
    sw_value results = sw_each(c, "large", large, inputs, 0);
    sw_reply_text(c, 200, "%zu results", sw_len(results));
}

static void on_chunks(sw_ctx *c)
{
    char *bytes = sw_alloc(c, LARGE_BYTES);
    memset(bytes, 'c', LARGE_BYTES);
    for (int i = 0; i < LARGE_STEPS; i++) {
        count(&seen->chunks);
        sw_push_chunk(c, sw_strn(c, bytes, LARGE_BYTES));
    }
    sw_reply_text(c, 200, "pushed");
}

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("gate");
    seen = served_notes(sizeof *seen);
    disk = &seen->disk;
    sw_endpoint(app, "POST /charge", on_charge, NULL);
    sw_endpoint(app, "GET /parked", on_parked, NULL);
    sw_endpoint(app, "GET /two", on_two, NULL);
    sw_endpoint(app, "GET /large", on_large, NULL);
    sw_endpoint(app, "GET /chunks", on_chunks, NULL);
    return sw_main(app, argc, argv);
}

/* ---- Tests ---- */

static char text[4096];
static answer a;

static const char *header(const char *name) { return answer_header(&a, name, text, sizeof text); }

static void start(const char *name)
{
    char data[128];
    snprintf(data, sizeof data, "%s/%s", root, name);
    const char *const flags[] = {"--data", data,           "--loops", "1",
                                 "--dev",  "--park-after", "100ms",   "--journal-queue-max",
                                 "1MiB",   "--drain",      "1s",      NULL};
    memset(seen, 0, sizeof *seen);
    served_start(&server, flags);
}

static void stop(void) { CHECK_INT(served_stop(&server, SIGTERM), 0); }

static void wait_metric(const char *name, long least)
{
    for (int i = 0; i < 3000 && server_metric(name) < least; i++) usleep(10000);
    CHECK(server_metric(name) >= least);
}

static void wait_ready(void)
{
    do {
        usleep(10000);
        call(NULL, server_url("/_sw/readyz"), NULL, NULL, 0, &a);
    } while (a.status != 200);
}

/* A request that is answered 202 with the URL of its output. */
static void begin_async(const char *path, char output[1024])
{
    const char *const prefer[] = {"Prefer: respond-async", NULL};
    call(NULL, server_url(path), prefer, NULL, 0, &a);
    CHECK_INT(a.status, 202);
    snprintf(output, 1024, "%s", header("Location"));
}

/* Exit codes of a client that charges. */
enum { CLIENT_CHARGED, CLIENT_CUT, CLIENT_TOLD_OTHERWISE };
static pid_t charging;

/* Charges while the disk fails: that commit's outcome is not known, so its client waits, and the gate is closed. */
static void close_gate(disk_fault fault)
{
    disk_set(&seen->disk, fault);
    charging = fork();
    CHECK(charging >= 0);
    if (charging == 0) {
        bool answered = call_try("POST", server_url("/charge"), NULL, "", 0, &a);
        bool charged = answered && a.status == 200 && strcmp(a.body, "charged") == 0;
        _exit(charged ? CLIENT_CHARGED : answered || a.status ? CLIENT_TOLD_OTHERWISE : CLIENT_CUT);
    }
    wait_metric("journal_read_only", 1);
}

static void client_heard(int code)
{
    int status = 0;
    CHECK(waitpid(charging, &status, 0) == charging && WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), code);
}

static void charge_ten_times(disk_fault fault)
{
    close_gate(fault);
    CHECK_INT(seen->charges, 1);
    for (int i = 0; i < 9; i++) {
        call("POST", server_url("/charge"), NULL, "", 0, &a);
        CHECK_INT(a.status, 503);
        CHECK(strstr(a.body, "was not done"));
        CHECK_STR(header("Retry-After"), "5");
    }
    CHECK_INT(seen->charges, 1);
    CHECK_INT(waitpid(charging, NULL, WNOHANG), 0);
    disk_set(&seen->disk, DISK_GOOD);
    client_heard(CLIENT_CHARGED);
    wait_ready();
    CHECK_INT(seen->charges, 1); /* its result was kept */
    call("POST", server_url("/charge"), NULL, "", 0, &a);
    CHECK_INT(a.status, 200);
    CHECK_INT(seen->charges, 2);
}

static void test_charges(void)
{
    start("charges");
    charge_ten_times(DISK_SYNC_FAILS);
    stop();
    start("charges-full");
    charge_ten_times(DISK_FULL);
    stop();
}

/* The client of a run that comes back from the log at the next start has not been told that it failed. */
static void test_comes_back(void)
{
    start("comes-back");
    close_gate(DISK_SYNC_FAILS);
    usleep(700000); /* it is tried to open the journal meanwhile */
    CHECK_INT(waitpid(charging, NULL, WNOHANG), 0);
    (void)served_stop(&server, SIGKILL);
    client_heard(CLIENT_CUT);
    disk_set(&seen->disk, DISK_GOOD);
    start("comes-back");
    wait_ready();
    call("POST", server_url("/charge"), NULL, "", 0, &a);
    CHECK_INT(a.status, 200);
    stop();
}

/* A process that ends while the outcome is not known tells nobody either. */
static void test_ends_unknown(void)
{
    start("ends-unknown");
    close_gate(DISK_SYNC_FAILS);
    stop();
    client_heard(CLIENT_CUT);
    start("ends-unknown");
    wait_ready();
    stop();
}

static void test_parked(void)
{
    char output[1024];
    start("parked");
    begin_async("/parked", output);
    wait_metric("runs_parked_total", 1);
    close_gate(DISK_SYNC_FAILS);
    char cancel[1024];
    snprintf(cancel, sizeof cancel, "%s", output);
    memcpy(strstr(cancel, "/output"), "?token=", 7);
    memmove(strstr(cancel, "?token=") + 7, strstr(output, "token=") + 6, strlen(strstr(output, "token=") + 6) + 1);
    call("DELETE", cancel, NULL, NULL, 0, &a);
    CHECK_INT(a.status, 503);
    CHECK(strstr(a.body, "was not cancelled"));
    usleep(1500000); /* the sleep is over */
    CHECK_INT(server_metric("runs_resumed_total"), 0);
    CHECK_INT(seen->seconds, 0);
    disk_set(&seen->disk, DISK_GOOD);
    call(NULL, output, NULL, NULL, 5, &a);
    CHECK_STR(a.body, "rested");
    CHECK_INT(seen->seconds, 1);
    client_heard(CLIENT_CHARGED);
    stop();
}

/* The journal fails while a step is being tried: the next one waits, and is tried once. */
static void test_running(void)
{
    char output[1024];
    start("running");
    begin_async("/two", output);
    for (int i = 0; i < 6000 && seen->firsts == 0; i++) usleep(10000);
    close_gate(DISK_SYNC_FAILS);
    seen->first_may_end = true;
    usleep(700000);
    CHECK_INT(seen->seconds, 0);
    CHECK_INT(seen->firsts, 1);
    disk_set(&seen->disk, DISK_GOOD);
    call(NULL, output, NULL, NULL, 5, &a);
    CHECK_STR(a.body, "both");
    CHECK_INT(seen->seconds, 1);
    client_heard(CLIENT_CHARGED);
    stop();
}

/* While the disk hangs, a run's steps fill the queue to its limit and no further. */
static void test_pressure(void)
{
    char output[1024];
    start("pressure");
    begin_async("/large", output);
    call(NULL, output, NULL, NULL, 5, &a);
    CHECK_INT(seen->larges, LARGE_STEPS);
    seen->larges = 0;
    disk_set(&seen->disk, DISK_SYNC_HANGS);
    pid_t asks = fork();
    CHECK(asks >= 0);
    if (asks == 0) {
        call(NULL, server_url("/large"), NULL, NULL, 5, &a);
        _exit(a.status == 200 && strcmp(a.body, "300 results") == 0 ? 0 : 1);
    }
    wait_metric("journal_attempts_waiting", 1);
    CHECK(seen->larges > 0 && seen->larges <= (2 << 20) / LARGE_BYTES);
    disk_set(&seen->disk, DISK_GOOD);
    int status = 0;
    CHECK(waitpid(asks, &status, 0) == asks);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_INT(seen->larges, LARGE_STEPS);
    CHECK_INT(server_metric("journal_attempts_waiting"), 0);
    stop();
}

static void test_chunks(void)
{
    start("chunks");
    disk_set(&seen->disk, DISK_SYNC_HANGS);
    pid_t asks = fork();
    CHECK(asks >= 0);
    if (asks == 0) {
        call(NULL, server_url("/chunks"), NULL, NULL, 5, &a);
        _exit(a.status == 200 ? 0 : 1);
    }
    wait_metric("journal_attempts_waiting", 1);
    CHECK(seen->chunks <= (2 << 20) / LARGE_BYTES);
    disk_set(&seen->disk, DISK_GOOD);
    int status = 0;
    CHECK(waitpid(asks, &status, 0) == asks);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_INT(seen->chunks, LARGE_STEPS);
    stop();
}

/* A run that waits at the gate is left to the next process like any other. */
static void test_drain(void)
{
    char output[1024];
    start("drain");
    begin_async("/parked", output);
    wait_metric("runs_parked_total", 1);
    close_gate(DISK_SYNC_FAILS);
    usleep(600000);
    stop();
    client_heard(CLIENT_CUT);
    CHECK_INT(seen->seconds, 0);
    start("drain");
    for (int i = 0; i < 6000 && seen->seconds == 0; i++) usleep(10000);
    CHECK_INT(seen->seconds, 1);
    stop();
}

static const check_case cases[] = {{"no charge while the journal fails, and clients are told the truth", test_charges},
                                   {"a run that comes back was not told to have failed", test_comes_back},
                                   {"a process that ends with a commit of unknown outcome", test_ends_unknown},
                                   {"a parked run waits for the journal", test_parked},
                                   {"a running run's next step waits for the journal", test_running},
                                   {"steps wait for a slow journal", test_pressure},
                                   {"chunks wait for a slow journal", test_chunks},
                                   {"a drain while the gate is closed", test_drain}};

SERVED_MAIN_NOTES(serve, seen, cases)
