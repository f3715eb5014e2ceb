/* Streams of runs that are parked, being loaded or taken back when their clients come. */
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <time.h>

#include "runtime/stepwell.h"
#include "tests/harness/served.h"

enum { STATE_MAX = 65536, SIZES = 24, SIZE_STEP = 40, PIECES = 8, NAP_MS = 1500 };

/* Seen by the test and all its workers. */
typedef struct notes {
    int starts;
    int gate;    /* opened by the test */
    int waiting; /* steps that have come to the gate */
    int again;   /* the first process is over: steps push nothing any more */
} notes;
static notes *seen;
static char folder[128];

static int load(const int *at) { return __atomic_load_n(at, __ATOMIC_SEQ_CST); }
static void set(int *at, int value) { __atomic_store_n(at, value, __ATOMIC_SEQ_CST); }
static void nap(void) { usleep(5000); }

/* ---- The program ---- */

static sw_value say(sw_ctx *c, sw_value input)
{
    sw_push_chunk(c, input);
    return input;
}

static sw_value await_gate(sw_ctx *c, sw_value input)
{
    __atomic_add_fetch(&seen->waiting, 1, __ATOMIC_SEQ_CST);
    while (!load(&seen->gate)) sw_sleep(c, "gate", 5);
    return input;
}

static void on_naps(sw_ctx *c)
{
    sw_step(c, "say", say, sw_str(c, "one"));
    sw_step(c, "say", say, sw_str(c, "two"));
    sw_sleep(c, "nap", NAP_MS);
    sw_step(c, "gate", await_gate, sw_nil());
    sw_reply_text(c, 200, "said");
}

static sw_value say_much(sw_ctx *c, sw_value input)
{
    size_t len = (size_t)sw_as_int(input, 0) / PIECES;
    char *text = sw_alloc(c, len + 1);
    memset(text, 'x', len);
    sw_value chunk = sw_str(c, text);
    for (int i = 0; i < PIECES && !load(&seen->again); i++) sw_push_chunk(c, chunk);
    return await_gate(c, sw_nil());
}

static void on_much(sw_ctx *c)
{
    sw_step_with(c, "much", say_much, sw_int(strtoll(sw_param(c, "size"), NULL, 10)),
                 &(sw_step_options){.retries = SW_NO_RETRIES});
    sw_reply_text(c, 200, "said");
}

static const char *on_start(sw_app *app, void *arg)
{
    (void)app, (void)arg;
    __atomic_add_fetch(&seen->starts, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

static int serve(int argc, char **argv)
{
    seen = served_notes(sizeof *seen);
    sw_app *app = sw_app_new("streams");
    sw_endpoint(app, "GET /naps", on_naps, NULL);
    sw_endpoint(app, "GET /much/:size", on_much, NULL);
    sw_on_start(app, on_start, NULL);
    return sw_main(app, argc, argv);
}

/* ---- Clients ---- */

typedef struct client {
    int fd;
    char data[65536]; /* all that came */
    size_t len;
} client;

static void client_open(client *c) { *c = (client){.fd = server_dial()}; }

static void client_send(const client *c, const char *path, const char *headers)
{
    char text[2048];
    int n = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n", path, headers);
    CHECK(send(c->fd, text, (size_t)n, MSG_NOSIGNAL) == n);
}

static void client_more(client *c)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    CHECK(poll(&p, 1, PATIENCE_MS) == 1);
    ssize_t n = recv(c->fd, c->data + c->len, sizeof c->data - 1 - c->len, 0);
    CHECK(n > 0);
    c->len += (size_t)n;
    c->data[c->len] = 0;
}

static void client_await(client *c, const char *text)
{
    while (!strstr(c->data, text)) client_more(c);
}

static int count_of(const char *text, const char *what)
{
    int n = 0;
    for (const char *at = strstr(text, what); at; at = strstr(at + 1, what)) n++;
    return n;
}

static void start(const char *const *more, bool anew)
{
    static int folders;
    const char *flags[20] = {"--data", folder, "--loops", "1", "--park-after", "10ms"};
    size_t n = 6;
    for (; more && *more; more++) flags[n++] = *more;
    if (anew) snprintf(folder, sizeof folder, "%s/data%d", root, folders++);
    if (anew) memset(seen, 0, sizeof *seen);
    served_start(&server, flags);
}

/* Begins a run of /naps. The path of its URL with `what`, "stream" or "output". */
static void begin_naps(char output[512], char stream[512])
{
    server_begin(NULL, "/naps", output, 512);
    stream_of_output(output, stream, 512);
}

/* A run that lies in no memory for the rest of its nap: where the disk is slow another one is begun. */
static void begin_parked(char output[512], char stream[512])
{
    for (long parked = 0; parked == 0; parked = server_metric("runs_parked_total")) {
        int waiting = load(&seen->waiting);
        begin_naps(output, stream);
        while (server_metric("runs_parked_total") == 0 && load(&seen->waiting) == waiting) nap();
    }
}

static void finish(client *c)
{
    set(&seen->gate, 1);
    client_await(c, "event: inngest.response");
}

/* ---- Tests ---- */

/* The request lies in the socket when the run is due: loading begins before it is read. */
static void test_while_loading(void)
{
    static client c;
    char output[512], stream[512];
    start((const char *const[]){"--dev", NULL}, true);
    client_open(&c);
    begin_parked(output, stream);
    CHECK(kill(server.pid, SIGSTOP) == 0);
    client_send(&c, stream, "");
    usleep((NAP_MS + 200) * 1000);
    CHECK(kill(server.pid, SIGCONT) == 0);
    client_await(&c, "\"two\""); /* what there is comes before the step that runs now has ended */
    CHECK_INT(load(&seen->gate), 0);
    finish(&c);
    close(c.fd);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* Both requests are read in one turn: the other client comes while the run is about to be loaded. */
static void test_last_event_id(void)
{
    static client c, other;
    char output[512], stream[512];
    start((const char *const[]){"--dev", NULL}, true);
    client_open(&c);
    client_open(&other);
    begin_parked(output, stream);
    CHECK(kill(server.pid, SIGSTOP) == 0);
    client_send(&c, stream, "Last-Event-ID: 1\r\n");
    usleep(20000);
    client_send(&other, output, "");
    CHECK(kill(server.pid, SIGCONT) == 0);
    finish(&c);
    close(c.fd);
    CHECK_INT(count_of(c.data, "\"one\""), 0);
    CHECK_INT(count_of(c.data, "\"two\""), 1);
    close(other.fd);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static pid_t worker_of(pid_t supervisor)
{
    char path[64];
    long long worker = 0;
    snprintf(path, sizeof path, "/proc/%lld/task/%lld/children", (long long)supervisor, (long long)supervisor);
    FILE *f = fopen(path, "r");
    CHECK(f && fscanf(f, "%lld", &worker) == 1 && worker > 0);
    fclose(f);
    return (pid_t)worker;
}

static long held(void) { return server_metric("connections_kept_total"); }

/* Clients of one run are handed to the next worker, the stream between two others. */
static void test_taken_back(void)
{
    static client c, others[2];
    static answer a;
    char output[512], stream[512], url[160];
    start((const char *const[]){"--dev", "--supervise", "--keep-after", "20ms", "--park-after", "1h", NULL}, true);
    snprintf(url, sizeof url, "%s/_sw/healthz", server.address);
    begin_naps(output, stream);
    for (int i = 0; i < 2; i++) {
        client_open(&others[i]);
        client_send(&others[i], output, "");
        while (held() < 2 * i + 1) nap();
        if (i > 0) break;
        client_open(&c);
        client_send(&c, stream, "");
        client_await(&c, "\"two\"");
        while (held() < 2) nap();
    }
    while (load(&seen->waiting) < 1) nap();
    CHECK(kill(worker_of(server.pid), SIGKILL) == 0);
    while (load(&seen->waiting) < 2) nap();
    call(NULL, url, NULL, NULL, 0, &a);
    finish(&c);
    CHECK_INT(count_of(c.data, "\"one\""), 1);
    CHECK_INT(count_of(c.data, "\"two\""), 1);
    for (int i = 0; i < 2; i++) {
        client_await(&others[i], "said");
        close(others[i].fd);
    }
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* Nothing but whole chunks, of which the last one is empty. */
static void check_chunks(const client *c)
{
    const char *at = strstr(c->data, "\r\n\r\n") + 4, *end = c->data + c->len;
    for (size_t size = 1; size > 0; at += size + 2) {
        char *line_end;
        size = strtoull(at, &line_end, 16);
        CHECK(line_end > at && strncmp(line_end, "\r\n", 2) == 0);
        at = line_end + 2;
        CHECK(size + 2 <= (size_t)(end - at) && strncmp(at + size, "\r\n", 2) == 0);
    }
    CHECK(at == end);
}

/* Takes what has come. False: the connection has ended. */
static bool client_take(client *c)
{
    ssize_t n = recv(c->fd, c->data + c->len, sizeof c->data - 1 - c->len, MSG_DONTWAIT);
    if (n > 0) c->len += (size_t)n;
    c->data[c->len] = 0;
    return n > 0 || (n < 0 && errno == EAGAIN);
}

enum { KILLS = 3, BEATS = 3, TRIES_MAX = 10 };
static const char beat[] = "3\r\n:\n\n\r\n";

/* Kills each worker that has sent a few heartbeats. False: the connection has ended. */
static bool kill_between_heartbeats(client *c)
{
    for (int k = 0;; k++) {
        while (load(&seen->waiting) <= k) nap();
        for (; held() + server_metric("connections_taken_back_total") == 0; nap())
            if (!client_take(c)) return false;
        if (k == KILLS) return true;
        for (int before = count_of(c->data, beat); count_of(c->data, beat) < before + BEATS; nap())
            if (!client_take(c)) return false;
        CHECK(kill(worker_of(server.pid), SIGKILL) == 0);
    }
}

/* A silent stream is kept alive, and the next worker knows which bytes of it were heartbeats. For each of them the
 * supervisor lets go of the connection and gets it again. A worker that is killed in between, where the scheduler may
 * stop it on a busy machine, takes the connection with it: then all is done once more. */
static void test_heartbeat(void)
{
    static client c;
    char output[512], stream[512];
    bool is_there = false;
    for (int tries = 1; !is_there; tries++) {
        CHECK(tries <= TRIES_MAX);
        start((const char *const[]){"--dev", "--supervise", "--keep-after", "20ms", "--park-after", "1h", "--heartbeat",
                                    "100ms", NULL},
              true);
        begin_naps(output, stream);
        client_open(&c);
        client_send(&c, stream, "");
        client_await(&c, "\"two\"");
        is_there = kill_between_heartbeats(&c);
        if (is_there) finish(&c);
        if (is_there) client_await(&c, "\r\n0\r\n\r\n");
        set(&seen->gate, 1);
        close(c.fd);
        CHECK_INT(served_stop(&server, SIGTERM), 0);
    }
    check_chunks(&c);
    CHECK_INT(count_of(c.data, "\"one\""), 1);
    CHECK_INT(count_of(c.data, "\"two\""), 1);
    CHECK_INT(count_of(c.data, "event: inngest.response"), 1);
}

/* Chunks of an attempt that was killed are taken back also when the run has no room for another entry. */
static void test_rollback_at_limit(void)
{
    static answer a;
    static char urls[SIZES][512]; /* paths */
    char url[1024], location[512];
    const char *const flags[] = {"--dev", "--run-state-max", "65536", NULL};
    int runs = 0;
    start(flags, true);
    for (int i = 0; i < SIZES; i++) {
        snprintf(url, sizeof url, "%s/much/%d", server.address, STATE_MAX - i * SIZE_STEP);
        call(NULL, url, (const char *const[]){"Prefer: respond-async", NULL}, NULL, 0, &a);
        CHECK_INT(a.status, 202);
        answer_header(&a, "Location", location, sizeof location);
        snprintf(urls[runs++], sizeof urls[0], "%s", strstr(location, "/_sw/"));
    }
    while (load(&seen->waiting) == 0) nap();
    usleep(200000);
    set(&seen->again, 1);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    start(flags, false);
    set(&seen->gate, 1);
    int succeeded = 0;
    for (int i = 0; i < runs; i++) {
        snprintf(url, sizeof url, "%.64s%.511s", server.address, urls[i]);
        call(NULL, url, NULL, NULL, 0, &a);
        CHECK(a.status == 200 || a.status == 500);
        succeeded += a.status == 200;
    }
    CHECK(succeeded > 0 && succeeded < runs); /* the sizes lie on both sides of the limit */
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static const check_case cases[] = {{"a client that comes while its run is loaded", test_while_loading},
                                   {"Last-Event-ID beside another client", test_last_event_id},
                                   {"taken back beside another client", test_taken_back},
                                   {"heartbeats", test_heartbeat},
                                   {"chunks taken back at --run-state-max", test_rollback_at_limit}};

SERVED_MAIN_NOTES(serve, seen, cases)
