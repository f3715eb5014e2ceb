/* Runs of an endpoint with SW_CANCEL end with the clients that wait for their answer, and with nobody else, also when
 * the process is killed under them. */
#include <netinet/in.h>

#include "runtime/stepwell.h"
#include "tests/harness/disk_faults.h"
#include "tests/harness/served.h"

enum { RUN_TEXT = 26 };

/* Seen by the test and all its workers. */
typedef struct notes {
    int gate;       /* opened by the test */
    int hold_start; /* workers wait before they serve */
    int starts;     /* of workers */
    disk_state disk;
} notes;
static notes *seen;
static char folder[128];

static void nap(void) { usleep(5000); }
static int load(const int *at) { return __atomic_load_n(at, __ATOMIC_SEQ_CST); }
static void set(int *at, int value) { __atomic_store_n(at, value, __ATOMIC_SEQ_CST); }

/* ---- The program ---- */

static sw_value await_gate(sw_ctx *c, sw_value input)
{
    while (!load(&seen->gate)) sw_sleep(c, "gate", 5);
    return input;
}

static sw_value say(sw_ctx *c, sw_value input)
{
    sw_push_chunk(c, input);
    return input;
}

static sw_value look_at_gate(sw_ctx *c, sw_value input)
{
    (void)input;
    sw_sleep(c, "a while", 5);
    return sw_bool(load(&seen->gate));
}

static void on_tied(sw_ctx *c)
{
    sw_step(c, "say", say, sw_str(c, "one"));
    if (sw_query(c, "nap")) sw_sleep(c, "nap", 300);
    while (sw_query(c, "looks") && !sw_as_bool(sw_step(c, "look", look_at_gate, sw_nil()), false)) continue;
    if (sw_query(c, "late")) sw_sleep(c, "late", 1500);
    sw_step(c, "gate", await_gate, sw_nil());
    sw_reply_text(c, 200, "done");
}

/* Its step begins once all before it is on disk. */
static void on_naps(sw_ctx *c)
{
    sw_step_with(c, "say", say, sw_str(c, "one"), &(sw_step_options){.sync = true});
    disk_set(&seen->disk, DISK_SYNC_HANGS);
    sw_sleep(c, "nap", 3000);
    sw_reply_text(c, 200, "done");
}

static const char *on_start(sw_app *app, void *arg)
{
    (void)app, (void)arg;
    (void)__atomic_add_fetch(&seen->starts, 1, __ATOMIC_SEQ_CST);
    while (load(&seen->hold_start)) nap();
    return NULL;
}

static int serve(int argc, char **argv)
{
    seen = served_notes(sizeof *seen);
    disk = &seen->disk;
    sw_app *app = sw_app_new("tied");
    sw_endpoint(app, "GET /tied", on_tied, &(sw_endpoint_options){.on_disconnect = SW_CANCEL});
    sw_endpoint(app, "GET /naps", on_naps, &(sw_endpoint_options){.on_disconnect = SW_CANCEL});
    sw_on_start(app, on_start, NULL);
    return sw_main(app, argc, argv);
}

/* ---- Clients ---- */

static int ask_as(const char *path, const char *version, const char *headers)
{
    char text[16384];
    int fd = server_dial();
    int n = snprintf(text, sizeof text, "GET %s %s\r\nHost: x\r\n%s\r\n", path, version, headers);
    CHECK(send(fd, text, (size_t)n, MSG_NOSIGNAL) == n);
    return fd;
}

static int ask(const char *path, const char *headers) { return ask_as(path, "HTTP/1.1", headers); }

static char got[65536]; /* by the last await_text */

static void await_text(int fd, const char *text)
{
    size_t len = 0;
    for (got[0] = 0; !strstr(got, text);) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        CHECK(poll(&p, 1, PATIENCE_MS) == 1);
        ssize_t n = recv(fd, got + len, sizeof got - 1 - len, 0);
        CHECK(n > 0);
        len += (size_t)n;
        got[len] = 0;
    }
}

/* So many runs are in the journal; a run that has just begun can be asked for before it is. */
static void await_on_disk(int count)
{
    static answer a;
    char url[160];
    snprintf(url, sizeof url, "%s/_sw/runs?limit=100", server.address);
    for (int n = 0; n < count; nap()) {
        call(NULL, url, NULL, NULL, 0, &a);
        CHECK_INT(a.status, 200);
        n = 0;
        for (const char *at = a.body; (at = strstr(at, "\"runId\"")); at++) n++;
    }
}

static void start(const char *const *more, bool anew)
{
    static int folders;
    const char *flags[20] = {"--data", folder, "--loops", "1", "--dev", "--redirect-after", "200ms"};
    size_t n = 7;
    for (; more && *more; more++) flags[n++] = *more;
    if (anew) snprintf(folder, sizeof folder, "%s/data%d", root, folders++);
    if (anew) seen->gate = 0;
    seen->starts = 0;
    served_start(&server, flags);
}

/* Begins a run with 202. The paths of its URLs. */
static void begin_async(char output[512], char stream[512])
{
    server_begin(NULL, "/tied", output, 512);
    stream_of_output(output, stream, 512);
}

static void open_gate(void) { set(&seen->gate, 1); }

/* All runs are over: so many were cancelled, so many have succeeded. */
static void check_ends(int cancelled, int succeeded)
{
    while (server_metric("runs_cancelled_total") + (succeeded ? 0 : server_metric("runs_succeeded_total")) < cancelled)
        nap();
    open_gate();
    while (server_metric("runs_succeeded_total") < succeeded || server_metric("runs_in_memory") > 0) nap();
    CHECK_INT(server_metric("runs_cancelled_total"), cancelled);
    CHECK_INT(server_metric("runs_succeeded_total"), succeeded);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* ---- Tests ---- */

/* A client was sent on with 202: an observer that leaves ends nothing. One that waits does, whoever observes. */
static void test_observers(void)
{
    char output[512], stream[512];
    start((const char *const[]){"--hold", "300ms", NULL}, true);
    begin_async(output, stream);
    int observer = ask(stream, "");
    await_text(observer, "\"one\"");
    close(observer);
    observer = ask(stream, "");
    await_text(observer, "\"one\"");
    int waits = ask("/tied", "Accept: text/event-stream\r\n");
    await_text(waits, "\"one\"");
    char *url = strstr(got, "/_sw/"), *end = url ? strchr(url, '"') : NULL;
    CHECK(url && end);
    snprintf(output, sizeof output, "%.*s/output%.*s", (int)(strstr(url, "/stream?") - url), url,
             (int)(end - strstr(url, "/stream?") - 7), strstr(url, "/stream?") + 7);
    int sent_round = ask(output, ""); /* after --hold: that is no client who may come back */
    await_text(sent_round, "HTTP/1.1 303 ");
    close(waits);
    check_ends(1, 1);
    close(observer);
    close(sent_round);
}

/* Killed under its clients: the run of the one that waited ends, those of the others go on. */
static void test_killed(void)
{
    char output[512], stream[512];
    start(NULL, true);
    begin_async(output, stream);
    int fds[] = {ask("/tied", ""), ask("/tied", "Accept: text/event-stream\r\n"),
                 ask("/tied", "Idempotency-Key: \"k\"\r\n"), ask("/tied?nap=1", "")};
    await_text(fds[1], "\"one\"");
    await_text(fds[3], "HTTP/1.1 303 ");
    await_on_disk(5);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    start(NULL, false);
    check_ends(2, 3);
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) close(fds[i]);
}

/* A drain sends everybody on: the run is resumed, and ends for nobody's leaving. */
static void test_stopped(void)
{
    start((const char *const[]){"--drain", "100ms", NULL}, true);
    int waits = ask("/tied", "");
    while (server_metric("runs_started_total") < 1) nap();
    CHECK(kill(server.pid, SIGTERM) == 0);
    await_text(waits, "HTTP/1.1 303 ");
    close(waits);
    CHECK_INT(served_stop(&server, 0), 0);
    start(NULL, false);
    usleep(400000); /* beyond --redirect-after */
    check_ends(0, 1);
}

static pid_t worker_of(pid_t supervisor)
{
    char path[64];
    long long worker = 0;
    snprintf(path, sizeof path, "/proc/%lld/task/%lld/children", (long long)supervisor, (long long)supervisor);
    FILE *f = fopen(path, "r");
    CHECK(f && fscanf(f, "%lld", &worker) == 1);
    fclose(f);
    return (pid_t)worker;
}

/* A kept client counts, before and after. */
static void test_kept(void)
{
    start((const char *const[]){"--supervise", "--keep-after", "20ms", NULL}, true);
    int stays = ask("/tied", ""), leaves = ask("/tied", "");
    while (server_metric("connections_kept_total") < 2) nap();
    CHECK(kill(worker_of(server.pid), SIGKILL) == 0);
    while (server_metric("connections_taken_back_total") < 2) nap();
    usleep(400000); /* beyond --redirect-after */
    CHECK_INT(server_metric("runs_cancelled_total"), 0);
    close(leaves);
    while (server_metric("runs_cancelled_total") < 1) nap();
    open_gate();
    await_text(stays, "done");
    close(stays);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* Counters begin anew with each worker, runs do not. */
static int cancelled_runs(void)
{
    static answer a;
    char url[160];
    int n = 0;
    snprintf(url, sizeof url, "%s/_sw/runs?limit=100", server.address);
    call(NULL, url, NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    for (const char *at = a.body; (at = strstr(at, "\"state\":\"cancelled\"")); at++) n++;
    return n;
}

/* Nor does it matter whether a worker is there when they leave: they do so all the way through a replacement. */
static void test_between_workers(void)
{
    enum { LEAVE = 60 };
    int fds[LEAVE];
    start((const char *const[]){"--supervise", "--keep-after", "20ms", NULL}, true);
    for (int i = 0; i < LEAVE; i++) fds[i] = ask("/tied?looks=1", "");
    while (server_metric("connections_kept_total") < LEAVE) nap();
    CHECK(kill(server.pid, SIGHUP) == 0);
    for (int i = 0; i < LEAVE; i++, nap()) close(fds[i]);
    int cancelled = 0;
    for (int i = 0; i < 600 && (cancelled = cancelled_runs()) < LEAVE; i++) usleep(100000);
    CHECK_INT(cancelled, LEAVE); /* a run that nobody ends would keep the test waiting for ever */
    open_gate();
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* From its machine comes a reset, as when it is killed with something unread. */
static void break_off(int fd)
{
    const struct linger reset = {.l_onoff = 1};
    CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) == 0 && close(fd) == 0);
}

static void await_cancelled(int count)
{
    int cancelled = 0;
    for (int i = 0; i < 600 && (cancelled = cancelled_runs()) < count; i++) usleep(100000);
    CHECK_INT(cancelled, count);
}

/* The worker has ended, the next one begins and does not serve yet. */
static void await_next_worker(void)
{
    while (load(&seen->starts) < 2) nap();
}

/* While nobody serves, clients are broken off: the next worker cannot take them over, and that is how it learns. */
static void broken_off_between(int signal_number, const char *headers)
{
    start((const char *const[]){"--supervise", "--keep-after", "20ms", NULL}, true);
    int leaves = ask("/tied?looks=1", headers), reads = ask("/tied?looks=1", "Accept: text/event-stream\r\n"),
        stays = ask("/tied?looks=1", "");
    await_text(reads, "\"one\"");
    while (server_metric("connections_kept_total") < 3) nap();
    set(&seen->hold_start, 1);
    CHECK(kill(signal_number == SIGHUP ? server.pid : worker_of(server.pid), signal_number) == 0);
    await_next_worker();
    break_off(leaves);
    break_off(reads);
    set(&seen->hold_start, 0);
    await_cancelled(2);
    open_gate();
    await_text(stays, "done");
    close(stays);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static void test_broken_off(void)
{
    broken_off_between(SIGHUP, "");
    broken_off_between(SIGHUP, "Idempotency-Key: \"k\"\r\n");
    broken_off_between(SIGKILL, "");
    broken_off_between(SIGKILL, "Idempotency-Key: \"k\"\r\n");
}

/* Who has sent its last byte may be gone or may read on: the next worker finds out. */
static void test_half_closed(void)
{
    start((const char *const[]){"--supervise", "--keep-after", "20ms", NULL}, true);
    int leaves = ask("/tied?looks=1", ""), stays = ask("/tied?looks=1", "");
    while (server_metric("connections_kept_total") < 2) nap();
    CHECK(shutdown(leaves, SHUT_WR) == 0 && shutdown(stays, SHUT_WR) == 0);
    await_text(leaves, "HTTP/1.1 100 ");
    await_text(stays, "HTTP/1.1 100 ");
    set(&seen->hold_start, 1);
    CHECK(kill(server.pid, SIGHUP) == 0);
    await_next_worker();
    break_off(leaves);
    set(&seen->hold_start, 0);
    await_cancelled(1);
    open_gate();
    await_text(stays, "done");
    CHECK(!strstr(got, "HTTP/1.1 303 "));
    close(stays);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* What the supervisor hands on late comes in time: until it has handed on all, nobody's client is taken for gone. */
static void test_handed_on_late(void)
{
    enum { STAY = 200, FILL = 12000 }; /* more than the supervisor's socket holds */
    static char headers[FILL + 16];
    int fds[STAY];
    int n = snprintf(headers, sizeof headers, "X-Fill: %0*d\r\n", FILL, 1);
    CHECK(n > FILL);
    start((const char *const[]){"--supervise", "--keep-after", "20ms", NULL}, true);
    for (int i = 0; i < STAY; i++) fds[i] = ask("/tied?looks=1", headers);
    while (server_metric("connections_kept_total") < STAY) nap();
    set(&seen->hold_start, 1);
    CHECK(kill(worker_of(server.pid), SIGKILL) == 0);
    await_next_worker();
    CHECK(kill(server.pid, SIGSTOP) == 0);
    set(&seen->hold_start, 0);
    CHECK(server_metric("connections_taken_back_total") < STAY); /* it does not wait for ever */
    usleep(600000);                                              /* beyond --redirect-after */
    CHECK_INT(server_metric("runs_cancelled_total"), 0);
    CHECK(kill(server.pid, SIGCONT) == 0);
    while (server_metric("connections_taken_back_total") < STAY) nap();
    open_gate();
    for (int i = 0; i < STAY; i++) {
        await_text(fds[i], "done");
        close(fds[i]);
    }
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* The supervisor is asked to hold no more than it may: who is not left to the next worker is told so. */
static void test_not_crowded_out(void)
{
    enum { IDLE = 5 };
    int idle[IDLE];
    start((const char *const[]){"--supervise", "--keep-after", "1h", "--keep-max", "3", NULL}, true);
    for (int i = 0; i < IDLE; i++) {
        idle[i] = ask("/_sw/healthz", "");
        await_text(idle[i], "HTTP/1.1 200 ");
    }
    int waits = ask("/tied?looks=1", "");
    while (server_metric("runs_unfinished") < 1) nap();
    CHECK(kill(server.pid, SIGHUP) == 0);
    await_text(waits, "HTTP/1.1 303 ");
    open_gate();
    for (int i = 0; i < IDLE; i++) close(idle[i]);
    close(waits);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* A process that ends before it has found out that a client is gone leaves that to the next one. */
static void test_left_undecided(void)
{
    start(NULL, true);
    int waits = ask("/tied?looks=1", ""), sent_on = ask("/tied?looks=1", "Prefer: respond-async\r\n");
    await_text(sent_on, "HTTP/1.1 202 ");
    await_on_disk(2);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    for (int i = 0; i < 3; i++) { /* for an hour clients may come back */
        start((const char *const[]){"--redirect-after", "1h", NULL}, false);
        while (server_metric("runs_resumed_total") < 2) nap();
        CHECK_INT(served_stop(&server, SIGTERM), 0);
    }
    start(NULL, false);
    check_ends(1, 1);
    close(waits);
    close(sent_on);
}

/* Killed while it drains: whoever it has sent on comes back, whose connection has ended with it does not. */
static void test_killed_in_drain(void)
{
    start((const char *const[]){"--redirect-after", "10s", "--park-after", "100ms", NULL}, true);
    int sent_on = ask("/tied?nap=1", ""), works = ask("/tied", "");
    while (server_metric("runs_parked_total") < 1 || server_metric("runs_started_total") < 2) nap();
    CHECK(kill(server.pid, SIGTERM) == 0);
    await_text(sent_on, "HTTP/1.1 303 ");
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    start(NULL, false);
    check_ends(1, 1);
    close(sent_on);
    close(works);
}

/* They go a moment before the drain, or have sent their last byte and read on: who has gone was not sent on, whatever
 * the process finds out first. */
static void test_gone_before_drain(void)
{
    enum { EACH = 8 };
    int closes[EACH], breaks[EACH], reads[EACH];
    start(NULL, true);
    for (int i = 0; i < EACH; i++) {
        closes[i] = ask("/tied?looks=1", "");
        breaks[i] = ask("/tied?looks=1", "");
        reads[i] = ask("/tied?looks=1", "");
    }
    await_on_disk(3 * EACH);
    CHECK(kill(server.pid, SIGSTOP) == 0);
    for (int i = 0; i < EACH; i++) {
        close(closes[i]);
        break_off(breaks[i]);
        CHECK(shutdown(reads[i], SHUT_WR) == 0);
    }
    CHECK(kill(server.pid, SIGTERM) == 0 && kill(server.pid, SIGCONT) == 0);
    for (int i = 0; i < EACH; i++) await_text(reads[i], "HTTP/1.1 303 ");
    CHECK_INT(served_stop(&server, 0), 0);
    start(NULL, false);
    await_cancelled(2 * EACH);
    usleep(400000); /* beyond --redirect-after */
    CHECK_INT(cancelled_runs(), 2 * EACH);
    open_gate();
    while (server_metric("runs_unfinished") > 0) nap();
    CHECK_INT(cancelled_runs(), 2 * EACH);
    for (int i = 0; i < EACH; i++) close(reads[i]);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* Left to a process that sends the client on, for a reason that the journal shows, and is killed: the list of the one
 * before does not count any more. */
static void test_left_and_sent_on(void)
{
    start((const char *const[]){"--supervise", "--keep-after", "20ms", NULL}, true);
    int client = ask("/tied?looks=1&late=1", "");
    while (server_metric("connections_kept_total") < 1) nap();
    CHECK(kill(server.pid, SIGHUP) == 0);
    while (load(&seen->starts) < 2 || server_metric("connections_taken_back_total") < 1) nap();
    open_gate();
    await_text(client, "HTTP/1.1 303 ");
    CHECK(kill(worker_of(server.pid), SIGKILL) == 0);
    while (load(&seen->starts) < 3) nap();
    while (server_metric("runs_unfinished") > 0 || server_metric("runs_resumed_total") < 1) nap();
    CHECK_INT(server_metric("runs_cancelled_total"), 0);
    CHECK_INT(server_metric("runs_succeeded_total"), 1);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    close(client);
}

/* Whoever asks again under its key, while the run waits for its turn to be loaded, and goes. */
static void test_asked_again(void)
{
    static const char key[] = "Idempotency-Key: \"k\"\r\n";
    start(NULL, true);
    int sent_on = ask("/tied?looks=1", "Prefer: respond-async\r\n");
    await_text(sent_on, "HTTP/1.1 202 ");
    int first = ask("/tied?looks=1", key);
    await_on_disk(2);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    start((const char *const[]){"--runs-max", "1", NULL}, false); /* which the older run has */
    while (server_metric("runs_resumed_total") < 1) nap();
    int again = ask("/tied?looks=1", key);
    for (int i = 0; i < 5; i++) (void)server_metric("runs_started_total"); /* turns of the loop */
    close(again);
    for (int i = 0; i < 5; i++) (void)server_metric("runs_started_total");
    usleep(400000); /* beyond --redirect-after */
    open_gate();
    while (server_metric("runs_unfinished") > 0) nap();
    CHECK_INT(server_metric("runs_cancelled_total"), 1);
    CHECK_INT(server_metric("runs_succeeded_total"), 1);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    close(first);
    close(sent_on);
}

/* Clients whose end cannot be seen by reading: HTTP/1.0 has no reply that tells whether they read on, and behind more
 * than the server reads ahead of an answer. */
static void test_hard_to_see(void)
{
    enum { AHEAD = 8192 };
    static char more[AHEAD + 1];
    start(NULL, true);
    int old = ask_as("/tied?looks=1", "HTTP/1.0", ""), old_stays = ask_as("/tied?looks=1", "HTTP/1.0", "");
    int ahead = ask("/tied?looks=1", ""), ahead_stays = ask("/tied?looks=1", "");
    while (server_metric("runs_unfinished") < 4) nap();
    for (size_t len = 0; len + 64 < AHEAD;)
        len += (size_t)snprintf(more + len, sizeof more - len, "GET /_sw/healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(send(ahead, more, strlen(more), MSG_NOSIGNAL) == (ssize_t)strlen(more));
    CHECK(send(ahead_stays, more, strlen(more), MSG_NOSIGNAL) == (ssize_t)strlen(more));
    CHECK(shutdown(ahead_stays, SHUT_WR) == 0); /* and reads on */
    close(old);
    close(ahead);
    await_cancelled(2);
    open_gate();
    await_text(old_stays, "done");
    await_text(ahead_stays, "done");
    close(old_stays);
    close(ahead_stays);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static void release(const char *id)
{
    static answer a;
    char url[160];
    snprintf(url, sizeof url, "%s/_sw/runs/%s/release", server.address, id);
    call("POST", url, NULL, "", 0, &a);
    CHECK_INT(a.status, 200);
}

/* A process that resumes nothing decides nothing either, but for the run that is released: also when it is killed. */
static void test_not_resumed(void)
{
    static answer a;
    char url[160], id[RUN_TEXT + 1];
    start(NULL, true);
    int released = ask("/tied?looks=1", ""), gone = ask("/tied?looks=1", "");
    await_on_disk(2);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    start((const char *const[]){"--no-resume", NULL}, false);
    while (server_metric("runs_stopped") < 2) nap();
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    start((const char *const[]){"--no-resume", NULL}, false);
    while (server_metric("runs_stopped") < 2) nap();
    snprintf(url, sizeof url, "%s/_sw/runs?limit=1", server.address);
    call(NULL, url, NULL, NULL, 0, &a);
    const char *at = strstr(a.body, "\"runId\":\"");
    CHECK(at);
    snprintf(id, sizeof id, "%.*s", RUN_TEXT, at + 9);
    release(id);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    start(NULL, false);
    check_ends(1, 1);
    close(released);
    close(gone);
}

/* What an operator began, or made a fork of, is tied to nobody, whoever is killed. */
static void test_begun_by_operators(void)
{
    static answer a;
    char url[160];
    start(NULL, true);
    int tied = ask("/tied", "");
    await_on_disk(1);
    snprintf(url, sizeof url, "%s/_sw/runs", server.address);
    call(NULL, url, NULL, NULL, 0, &a);
    const char *at = strstr(a.body, "\"runId\":\"");
    CHECK(at);
    snprintf(url, sizeof url, "%s/_sw/runs/%.*s/fork", server.address, RUN_TEXT, at + 9);
    call("POST", url, NULL, "", 0, &a);
    CHECK_INT(a.status, 202);
    snprintf(url, sizeof url, "%s/_sw/runs", server.address);
    call("POST", url, NULL, "{\"endpoint\":\"GET /tied\",\"target\":\"/tied?looks=1\"}", 0, &a);
    CHECK_INT(a.status, 202);
    await_on_disk(3);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    start(NULL, false);
    check_ends(1, 2);
    close(tied);
}

/* Who was sent on by a process that has ended is not forgotten when the one behind is killed, nor by the next. */
static void test_sent_on_before(void)
{
    start(NULL, true);
    int sent_on = ask("/tied?looks=1", "");
    while (server_metric("runs_unfinished") < 1) nap();
    CHECK(kill(server.pid, SIGTERM) == 0);
    await_text(sent_on, "HTTP/1.1 303 ");
    CHECK_INT(served_stop(&server, 0), 0);
    for (int i = 0; i < 2; i++) {
        start((const char *const[]){"--redirect-after", "1h", NULL}, false);
        while (server_metric("runs_resumed_total") < 1) nap();
        CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    }
    start(NULL, false);
    usleep(400000); /* beyond --redirect-after */
    check_ends(0, 1);
    close(sent_on);
}

/* That a run waits is on disk before its client is sent on: who is killed in between has sent nobody on. */
static void test_sent_on_durably(void)
{
    start((const char *const[]){"--park-after", "1h", NULL}, true);
    int waits = ask("/naps", "");
    while (seen->disk.failed == 0) nap();                                  /* a commit of what comes behind the step */
    for (int i = 0; i < 3; i++) (void)server_metric("runs_started_total"); /* turns of the loop */
    char byte;
    CHECK(recv(waits, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0);
    disk_set(&seen->disk, DISK_GOOD);
    await_text(waits, "HTTP/1.1 303 ");
    close(waits);
    check_ends(0, 1);
}

static const check_case cases[] = {{"observers", test_observers},
                                   {"killed", test_killed},
                                   {"stopped", test_stopped},
                                   {"kept", test_kept},
                                   {"between workers", test_between_workers},
                                   {"broken off between workers", test_broken_off},
                                   {"half closed between workers", test_half_closed},
                                   {"handed on late", test_handed_on_late},
                                   {"not crowded out by idle ones", test_not_crowded_out},
                                   {"left undecided", test_left_undecided},
                                   {"killed while it drains", test_killed_in_drain},
                                   {"gone before it drains", test_gone_before_drain},
                                   {"left, then sent on", test_left_and_sent_on},
                                   {"asked again", test_asked_again},
                                   {"hard to see", test_hard_to_see},
                                   {"not resumed", test_not_resumed},
                                   {"begun by operators", test_begun_by_operators},
                                   {"sent on by the process before", test_sent_on_before},
                                   {"sent on when that is on disk", test_sent_on_durably}};

SERVED_MAIN_NOTES(serve, seen, cases)
