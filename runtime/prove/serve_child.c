/* serve_child: the child of an execution. The program serves as ever, with three differences: its disk is in memory,
 * and each commit is told to the parent; its only client is in this process; its clocks wait for nothing. */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "coro/coro.h"
#include "runtime/loop/loop.h"
#include "runtime/process/app.h"
#include "runtime/prove/execution.h"
#include "runtime/prove/history.h"
#include "runtime/prove/request_text.h"
#include "runtime/recovery/crash.h"
#include "runtime/run/letter.h"
#include "storage/memory/memory.h"

enum { RESPONSE_BYTES_MAX = 4096, ERROR_TEXT = 512 };

_Static_assert(sizeof((run_id){0}.bytes) == RUN_ID_BYTES, "a fact has the id as its bytes");

static int all_over = -1; /* eventfd, written when each run has ended, or is stopped, on disk */

/* Of the journal thread. Commits of a run whose stop is on disk are not told any more: the clocks wait for nothing, so
 * that --retain-stopped may end the run before this process has ended. */
typedef struct stopped_runs {
    run_id *ids;
    size_t count;
} stopped_runs;
static stopped_runs stopped;
static size_t runs_live; /* on disk, and neither ended nor stopped */

static __attribute__((noreturn)) void child_broken(const char *why)
{
    fact_tell(&(fact){.kind = FACT_BROKEN, .text = {why, strlen(why)}});
    fact_exit(1);
}

static void *child_must(void *made)
{
    if (!made) child_broken("out of memory");
    return made;
}

/* ---- The journal ---- */

static const backend_ops *memory_ops;

static bool run_is_stopped(const run_id *id)
{
    for (size_t i = 0; i < stopped.count; i++)
        if (memcmp(stopped.ids[i].bytes, id->bytes, RUN_ID_BYTES) == 0) return true;
    return false;
}

static void run_note_stop(const run_id *id)
{
    stopped.ids = child_must(realloc(stopped.ids, (stopped.count + 1) * sizeof *stopped.ids));
    stopped.ids[stopped.count++] = *id;
}

/* What the entries of a run leave it at. */
typedef struct entries_end {
    bool is_over, is_stopped;
} entries_end;

static entries_end entries_look(const char *data, size_t len)
{
    const char *error = NULL;
    entries_end end = {false, false};
    entry e;
    for (size_t at = 0, n; at < len; at += n) {
        if ((n = entry_decode(data + at, len - at, &e, &error)) == 0) return end;
        if (e.kind == ENTRY_STOPPED || e.kind == ENTRY_RELEASED) end.is_stopped = e.kind == ENTRY_STOPPED;
        if (e.kind == ENTRY_ENDED || e.kind == ENTRY_REOPENED) end.is_over = e.kind == ENTRY_ENDED;
    }
    return end;
}

static void segment_tell(const store_segment *s)
{
    msgpack_sbuffer rows = {.size = 0};
    assert(s->len > 0);
    if (!history_pack_rows(&rows, s->rows)) child_broken("out of memory");
    fact_tell(&(fact){.kind = FACT_SEGMENT,
                      .flags = s->joined ? FACT_JOINED : 0,
                      .id = {(const char *)s->run.bytes, RUN_ID_BYTES},
                      .text = {rows.data, rows.size},
                      .data = {s->data, s->len}});
    msgpack_sbuffer_destroy(&rows);
}

/* A segment is on disk. Nobody will release a run here that it stops. */
static void segment_look(const store_segment *s)
{
    if (s->len == 0 || s->outcome != STORE_DONE || run_is_stopped(&s->run)) return;
    segment_tell(s);
    const bool stops = entries_look(s->data, s->len).is_stopped;
    if (s->seq == 0) runs_live++;
    assert(runs_live > 0);
    if (stops) run_note_stop(&s->run);
    if (stops || s->live == STORE_LIVE_CLEAR) runs_live--;
}

static store_outcome journal_commit_and_tell(backend *b, store_segment *list, int64_t now_ms, char *error,
                                             size_t error_size)
{
    uint64_t one = 1;
    assert(b->ops != memory_ops); /* these would tell nothing */
    const size_t live = runs_live;
    store_outcome outcome = memory_ops->commit(b, list, now_ms, error, error_size);
    if (outcome != STORE_DONE) return outcome;
    bool any = live > 0;
    for (const store_segment *s = list; s; s = s->next) {
        any = any || s->len > 0;
        segment_look(s);
    }
    if (any && runs_live == 0 && write(all_over, &one, sizeof one) < 0) child_broken("an eventfd cannot be written");
    return outcome;
}

/* Writes what the process before has left, as one batch. */
static void journal_write(backend *b, const disk *d)
{
    char error[BACKEND_ERROR_MAX];
    store_segment *list = child_must(calloc(d->run_count, sizeof *list));
    store_row *rows = child_must(calloc(d->row_count + 1, sizeof *rows));
    for (size_t i = 0; i < d->row_count; i++)
        rows[i] = (store_row){.next = i + 1 < d->row_count ? &rows[i + 1] : NULL,
                              .op = STORE_ROW_PUT,
                              .table = letter_table,
                              .key = {d->rows[i].key.data, d->rows[i].key.len},
                              .value = {d->rows[i].value.data, d->rows[i].value.len}};
    for (size_t i = 0; i < d->run_count; i++) {
        const disk_run *r = &d->runs[i];
        const entries_end end = entries_look(r->journal, r->len);
        list[i] = (store_segment){.next = i + 1 < d->run_count ? &list[i + 1] : NULL,
                                  .run = r->id,
                                  .live = end.is_over ? STORE_LIVE_CLEAR : STORE_LIVE_SET,
                                  .retain_ms = -1,
                                  .data = r->journal,
                                  .len = r->len,
                                  .rows = i == 0 && d->row_count > 0 ? rows : NULL};
        if (!end.is_over && end.is_stopped) run_note_stop(&r->id);
        runs_live += !end.is_over && !end.is_stopped;
    }
    if (b->ops->commit(b, list, clock_wall_ms(), error, sizeof error) != STORE_DONE) child_broken(error);
    free(rows);
    free(list);
}

/* Makes the disk that the process before has left, opened as often as `input` says. */
static memory_disk *journal_make_disk(const execution_input *input)
{
    memory_disk *made = child_must(memory_disk_new());
    memory_set_wall_ms(made, clock_wall_ms());
    for (unsigned i = 0; i < input->openings; i++) {
        backend *b = child_must(memory_open(made));
        if (i == 0) journal_write(b, &input->disk);
        b->ops->close(b);
    }
    return made;
}

static void journal_open(sw_app *app, const execution_input *input)
{
    static backend_ops told;
    char error[ERROR_TEXT];
    backend *b = child_must(memory_open(journal_make_disk(input)));
    memory_ops = b->ops;
    told = *memory_ops;
    told.commit = journal_commit_and_tell;
    b->ops = &told;
    app->store = store_open(&(store_options){.backend = b,
                                             .retain_ms = app->opt.retain_ms,
                                             .queue_bytes_max = (size_t)app->opt.journal_queue_max,
                                             .wall_ms = clock_wall_ms},
                            error, sizeof error);
    if (!app->store) child_broken(error);
    run_token_key_derive(&app->key, store_secret(app->store), RUN_TOKEN_KEY_BYTES);
}

static int64_t journal_last_ms(const disk_run *r)
{
    const char *error = NULL;
    int64_t last_ms = 0;
    entry e;
    for (size_t at = 0, n; at < r->len; at += n) {
        if ((n = entry_decode(r->journal + at, r->len - at, &e, &error)) == 0) child_broken("the journal is damaged");
        if (e.at_ms > last_ms) last_ms = e.at_ms;
    }
    return last_ms;
}

/* Moves the clocks on to the last entry on disk, whose times would otherwise be in the future: the execution before had
 * moved its clocks on, too. */
static void clock_go_on_from(const disk *d)
{
    int64_t last_ms = 0;
    for (size_t i = 0; i < d->run_count; i++) {
        int64_t ms = journal_last_ms(&d->runs[i]);
        if (ms > last_ms) last_ms = ms;
    }
    int64_t behind_ms = last_ms - clock_wall_ms();
    if (behind_ms >= 0) clock_skip_us((uint64_t)(behind_ms + 1) * 1000);
}

/* ---- The client ---- */

typedef struct client {
    int fd;
    char response[RESPONSE_BYTES_MAX];
    size_t len;
    bool over; /* the server has closed the connection, or there is none */
} client;

static void client_send_request(client *c, const execution_input *input)
{
    assert(c->fd >= 0);
    assert(c->len == 0); /* the server answers what has been sent */
    for (size_t at = 0; at < input->request_len;) {
        ssize_t n = send(c->fd, input->request + at, input->request_len - at, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return; /* the server has refused the request before its end: the response says why */
        at += (size_t)n;
    }
}

static void client_take_response(client *c)
{
    char rest[RESPONSE_BYTES_MAX];
    size_t room = sizeof c->response - c->len;
    ssize_t n = read(c->fd, room > 0 ? c->response + c->len : rest, room > 0 ? room : sizeof rest);
    if (n < 0 && errno == EINTR) return;
    c->over = n <= 0;
    if (n > 0 && room > 0) c->len += (size_t)n;
    assert(c->len <= sizeof c->response);
}

static __attribute__((noreturn)) void client_wait_for_end(sw_app *app, client *c)
{
    for (;;) {
        struct pollfd fds[2] = {{all_over, POLLIN, 0}, {c->over ? -1 : c->fd, POLLIN, 0}};
        if (poll(fds, 2, -1) < 0 && errno != EINTR) child_broken("poll fails");
        if (fds[0].revents) fact_exit(0);
        if (fds[1].revents) client_take_response(c);
        bool began = __atomic_load_n(&app->loops[0].home.counters.runs_started, __ATOMIC_RELAXED) > 0;
        if (!c->over || c->fd < 0 || began) continue;
        fact_tell(&(fact){.kind = FACT_REFUSED, .data = {c->response, c->len}});
        fact_exit(0);
    }
}

/* ---- The program ---- */

static void loop_main(void *arg) { loop_run(arg); }

/* Has the only client, which is this process itself, be the operator who begins a function: at the only address that
 * there is. */
static void child_open_functions(sw_app *app)
{
    char why[ERROR_TEXT];
    static const char route[] = "POST /_sw/functions/*name";
    app->opt.dev = true;
    if (app->opt.admin_on_public) return; /* it is there */
    for (size_t i = 0; i < app->endpoint_count; i++) {
        endpoint *e = app->endpoints[i];
        if (strcmp(e->route, route) == 0 && !http_router_add(app->router, route, e, why, sizeof why)) child_broken(why);
    }
}

static void child_prepare(sw_app *app)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignore, NULL);
    overflow_install(crash_leave_record);
    const char *objection = app_begin(app);
    if (objection) child_broken(objection);
    if (app->opt.prove && request_is_of_function(app)) child_open_functions(app);
    app->opt.no_resume = false; /* the environment's; the one run is there to go on */
    app->opt.heartbeat_ms = 0;  /* the only client needs none, and a month that passes at once would have many */
    app->control = -1;
    app->loop_count = 1;
    app->ended_well = true; /* as if all clients were redirected: no SW_CANCEL run ends for want of clients */
}

static void loop_start(sw_app *app, struct sockaddr_storage *address, socklen_t *len)
{
    char error[ERROR_TEXT] = "";
    uv_thread_t thread;
    app->loops = child_must(calloc(1, sizeof *app->loops));
    app->blocking = child_must(pool_new((size_t)app->opt.blocking_threads));
    app->aside = child_must(pool_new(0)); /* the order of what happens does not depend on another thread */
    int listener = http_listen("127.0.0.1:0", error, sizeof error);
    if (listener < 0 || getsockname(listener, (struct sockaddr *)address, len) != 0) child_broken(error);
    if (!loop_init(&app->loops[0], app, listener, error, sizeof error)) child_broken(error);
    if (uv_thread_create(&thread, loop_main, &app->loops[0]) != 0) child_broken("no thread for the loop");
}

void execution_serve(sw_app *app, const execution_input *input)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    client c = {.fd = -1, .over = true};
    assert(input->openings > 0 || input->disk.run_count == 0);
    assert(input->request || input->disk.run_count > 0);
    probe_begin(&input->plan); /* before there is another thread */
    for (size_t i = 0; i < input->disk.run_count; i++)
        probe_know_run(&input->disk.runs[i].id, input->disk.runs[i].lineage);
    child_prepare(app);
    clock_go_on_from(&input->disk);
    all_over = eventfd(0, EFD_CLOEXEC);
    journal_open(app, input);
    app->started_ms = clock_wall_ms();
    loop_start(app, &address, &len);
    if (input->request) {
        c = (client){.fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        if (c.fd < 0 || connect(c.fd, (struct sockaddr *)&address, len) != 0)
            child_broken("the program does not listen");
        client_send_request(&c, input);
    }
    client_wait_for_end(app, &c);
}
