/* turned: a program that the test turns by hand, one turn of its only loop at a time, on a disk of memory: writes and
 * reads are done when the test says so, and fail when it likes. Clients are sockets of the same thread. A test may have
 * a second loop, which it turns itself. */
#ifndef TESTS_HARNESS_TURNED_H
#define TESTS_HARNESS_TURNED_H

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/loop/loop.h"
#include "runtime/process/by_hand.h"
#include "runtime/run/run.h"
#include "storage/memory/memory.h"
#include "storage/store_by_hand.h"
#include "tests/harness/check.h"

enum { TURNED_TEXT = 16384, TURNED_LOOPS_MAX = 2 };
#define TURNED_ADMIN "an administrator of the test"

static memory_disk *turned_disk;
static sw_app *turned_app;
static int turned_port;
static bool turned_writes = true;     /* what is queued is written in each turn */
static unsigned turned_aside_threads; /* see by_hand_options */
static unsigned turned_loops = 1;     /* clients come to the last one */
static const cluster *turned_cluster = &cluster_alone;
static void (*turned_also)(void); /* what else happens in each turn; NULL: nothing */

/* `flags` ends with NULL. */
static inline void turned_open(void (*routes)(sw_app *app), const char *const *flags)
{
    static char token_flag[] = "--admin-token=" TURNED_ADMIN, on_public_flag[] = "--admin-on-public";
    char why[512], address[64], name[] = "turned";
    char *argv[16] = {name};
    int argc = 1, fds[TURNED_LOOPS_MAX] = {-1, -1};
    argv[argc++] = token_flag;
    argv[argc++] = on_public_flag;
    for (; flags && *flags; flags++) argv[argc++] = (char *)(uintptr_t)*flags;
    CHECK(turned_loops <= TURNED_LOOPS_MAX);
    for (unsigned i = 0; i < turned_loops; i++) {
        fds[i] = http_listen("127.0.0.1:0", why, sizeof why);
        CHECK(fds[i] >= 0 && http_listen_address(fds[i], address, sizeof address));
    }
    turned_port = atoi(strrchr(address, ':') + 1);
    if (!turned_disk) turned_disk = memory_disk_new();
    CHECK(turned_disk);
    turned_writes = true;
    turned_app = sw_app_new("turned");
    routes(turned_app);
    const by_hand_options o = {.backend = memory_open_node(turned_disk, turned_cluster),
                               .listeners = fds,
                               .loops = turned_loops,
                               .aside_threads = turned_aside_threads,
                               .ended_well = true};
    bool opened = by_hand_open(turned_app, argc, argv, &o, why, sizeof why);
    if (!opened) printf("# %s\n", why);
    CHECK(opened);
}

static inline home *turned_home(void) { return &turned_app->loops[0].home; }

/* NULL: it has none. */
static inline slot *turned_slot(const run_id *id) { return slot_find(&turned_home()->slots, id); }

/* The slot of the only run that the process knows; NULL: it knows none. */
static inline slot *turned_only_slot(void)
{
    const slot_table *t = &turned_home()->slots;
    slot *s = NULL;
    for (size_t i = 0; i < t->bucket_count && !s; i++) s = t->buckets[i];
    return s;
}

/* One turn of the loop, in which nothing is read from the disk. False: the loop has ended. */
static inline bool turned_turn_unread(void)
{
    store *s = turned_app->store;
    if (turned_writes && store_hand_write_due_ms(s) == 0) store_hand_write(s);
    return uv_run(&turned_app->loops[0].uv, UV_RUN_NOWAIT) != 0;
}

static inline bool turned_turn(void)
{
    while (store_hand_reads(turned_app->store) > 0) store_hand_read(turned_app->store, 0);
    if (turned_also) turned_also();
    return turned_turn_unread();
}

#define TURN_UNTIL(condition)                                                                                          \
    while (!(condition)) CHECK(turned_turn())

/* Long enough for all that can happen by itself. */
static inline void turned_often(void)
{
    for (int i = 0; i < 20; i++) CHECK(turned_turn());
}

/* A run of this route that no client waits for. */
static inline run *turned_begin(const char *route)
{
    static const run_origin nobody = {.key = NULL};
    const run_input none = {.method = {"POST", 4}, .target = {"/", 1}, .body = {"", 0}};
    run_refusal why;
    run *r = run_begin(turned_home(), app_endpoint(turned_app, route, strlen(route)), &none, &nobody, &why);
    CHECK(r);
    return r;
}

static inline void turned_drain(void) { loop_drain(&turned_app->loops[0], LOOP_STOPPED); }

/* The disk stays, for the next one. */
static inline void turned_end(void)
{
    turned_drain();
    while (turned_turn()) continue;
    by_hand_close(turned_app);
}

static inline void turned_close(void)
{
    turned_end();
    memory_disk_free(turned_disk);
    turned_disk = NULL;
}

/* A run of this route, which sleeps, when it has left memory. */
static inline run_id turned_park(const char *route)
{
    run_id id = turned_begin(route)->id;
    TURN_UNTIL(turned_slot(&id) && turned_slot(&id)->state == SLOT_PARKED);
    return id;
}

/* ---- Clients ---- */

static inline int turned_connect(void)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)turned_port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    return fd;
}

/* The request is on its way when this returns; the connection closes after the reply. */
static inline int turned_send(const char *method, const char *target, const char *header)
{
    char request[1024];
    int fd = turned_connect();
    int len = snprintf(request, sizeof request,
                       "%s %s HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: 0\r\n%s\r\n", method,
                       target, header);
    CHECK_INT(write(fd, request, (size_t)len), len);
    return fd;
}

/* Of one of the run's own URLs: what is "/output", "/stream", "/release" or "". */
static inline int turned_send_to(const char *method, const run_id *id, const char *what)
{
    char name[RUN_ID_TEXT + 1], token[RUN_TOKEN_TEXT_MAX], target[512];
    run_id_format(id, name);
    run_token_make(&turned_app->key, id, RUN_TOKEN_CONTROL, clock_wall_ms() + 1000000, token);
    (void)snprintf(target, sizeof target, "/_sw/runs/%s%s?token=%s", name, what, token);
    return turned_send(method, target, "");
}

/* As administrator; like turned_send, with a body, which may be empty. `key`: the value of Idempotency-Key, or NULL. */
static inline int turned_ask_keyed(const char *method, const char *target, const char *key, const char *body)
{
    char request[4096];
    int fd = turned_connect();
    int len =
        snprintf(request, sizeof request,
                 "%s %s HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: %zu\r\n"
                 "%s%s%sAuthorization: Bearer " TURNED_ADMIN "\r\n\r\n%s",
                 method, target, strlen(body), key ? "Idempotency-Key: " : "", key ? key : "", key ? "\r\n" : "", body);
    CHECK(len < (int)sizeof request);
    CHECK_INT(write(fd, request, (size_t)len), len);
    return fd;
}

static inline int turned_ask(const char *method, const char *target, const char *body)
{
    return turned_ask_keyed(method, target, NULL, body);
}

/* As administrator, of a run: what is "/stop", "/fork" or "", for example. */
static inline int turned_ask_run(const char *method, const run_id *id, const char *what, const char *body)
{
    char name[RUN_ID_TEXT + 1], target[128];
    run_id_format(id, name);
    (void)snprintf(target, sizeof target, "/_sw/runs/%s%s", name, what);
    return turned_ask(method, target, body);
}

/* Sends the run a signal. `key`: as of turned_ask_keyed. */
static inline int turned_send_signal(const run_id *id, const char *name, const char *key, const char *body)
{
    char of[RUN_ID_TEXT + 1], target[512];
    run_id_format(id, of);
    CHECK((size_t)snprintf(target, sizeof target, "/_sw/runs/%s/signals/%s", of, name) < sizeof target);
    return turned_ask_keyed("POST", target, key, body);
}

static inline int turned_send_release(const run_id *id) { return turned_ask_run("POST", id, "/release", ""); }

static inline int turned_send_stop(const run_id *id, const char *text)
{
    char body[512];
    CHECK((size_t)snprintf(body, sizeof body, "{\"text\":\"%s\"}", text) < sizeof body);
    return turned_ask_run("POST", id, "/stop", body);
}

/* What has come so far, behind what `text` holds; false: the server has closed. Does not wait. */
static inline bool turned_read(int fd, char text[TURNED_TEXT])
{
    size_t len = strlen(text);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, 0) == 0) return true;
    ssize_t n = read(fd, text + len, TURNED_TEXT - 1 - len);
    if (n <= 0) return false;
    text[len + (size_t)n] = 0;
    return true;
}

/* All that comes until the server closes; returns the status, 0: none. */
static inline int turned_reply(int fd, char text[TURNED_TEXT])
{
    int status = 0;
    text[0] = 0;
    while (turned_read(fd, text)) CHECK(turned_turn());
    close(fd);
    return sscanf(text, "HTTP/1.1 %d", &status) == 1 ? status : 0;
}

/* Checks the status of the reply, and that it has the part. */
static inline void turned_check(int fd, int status, const char *part)
{
    char text[TURNED_TEXT];
    int came = turned_reply(fd, text);
    if (came != status || !strstr(text, part)) printf("# %s\n", text);
    CHECK_INT(came, status);
    CHECK(strstr(text, part));
}

/* ---- Looking ---- */

static inline void turned_on_rows(void *arg, const store_table_row *rows, size_t count, bool end, const char *wrong)
{
    (void)rows;
    CHECK(end && !wrong);
    *(long *)arg = (long)count;
}

/* How many rows the table has, of which there are few. */
static inline long turned_rows(const char *table)
{
    long count = -1;
    CHECK(store_scan(turned_home()->port, &(store_range){.table = table, .rows_max = 100}, turned_on_rows, &count));
    TURN_UNTIL(count >= 0);
    return count;
}

typedef struct turned_journal {
    bool found, live, done;
    char text[TURNED_TEXT]; /* "started; step done a; ended": kinds, and ids of steps */
} turned_journal;

static inline const char *turned_kind(entry_kind kind)
{
    static const char *const names[] = {"?",      "started",   "step done", "step failed", "sleep",
                                        "value",  "chunk",     "response",  "ended",       "rollback",
                                        "cancel", "stopped",   "released",  "wait",        "signal",
                                        "taken",  "timed out", "won",       "abandoned"};
    if (kind == ENTRY_SENT) return "sent";
    if (kind == ENTRY_LABEL) return "label";
    if (kind == ENTRY_STATUS) return "status";
    if (kind == ENTRY_USAGE) return "usage";
    return (size_t)kind < sizeof names / sizeof names[0] ? names[kind] : "other";
}

static inline void turned_on_journal(void *arg, store_journal *loaded, size_t count)
{
    turned_journal *j = arg;
    size_t len = 0;
    const char *mistake = NULL;
    CHECK_INT(count, 1);
    CHECK(!loaded->error);
    j->done = true;
    j->found = loaded->found;
    j->live = loaded->live;
    for (size_t at = 0, n; at < loaded->len; at += n) {
        entry e;
        n = entry_decode(loaded->data + at, loaded->len - at, &e, &mistake);
        CHECK(n > 0);
        len += (size_t)snprintf(j->text + len, sizeof j->text - len, "%s%s%s%.*s", at ? "; " : "", turned_kind(e.kind),
                                e.id.len > 0 ? " " : "", (int)e.id.len, e.id.data);
        CHECK(len < sizeof j->text);
    }
}

static inline void turned_load(const run_id *id, turned_journal *j)
{
    *j = (turned_journal){.done = false};
    CHECK(store_load(turned_home()->port, id, 1, turned_on_journal, j));
    TURN_UNTIL(j->done);
}

#endif
