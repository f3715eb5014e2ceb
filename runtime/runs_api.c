#include "runtime/runs_api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/uri.h"
#include "runtime/json.h"
#include "runtime/value.h"
#include "runtime/waiter.h"

enum { LIST_DEFAULT = 50, LIST_MAX = 500 };

/* A request that waits for the store. */
typedef struct inquiry {
    sw_loop *loop;
    http_exchange *x;
    bool one; /* one run with its steps, not the list */
} inquiry;

/* ---- JSON out of entries ---- */

typedef struct text {
    msgpack_sbuffer out;
    arena arena;
} text;

static void put(text *t, const char *s, size_t len)
{
    if (len > 0) (void)msgpack_sbuffer_write(&t->out, s, len);
}

static void puts_(text *t, const char *s) { put(t, s, strlen(s)); }

static void put_int(text *t, const char *name, int64_t n)
{
    char b[96];
    int len = snprintf(b, sizeof b, ",\"%s\":%lld", name, (long long)n);
    put(t, b, (size_t)len);
}

static void put_value(text *t, const char *name, sw_value v)
{
    sw_bytes json;
    if (!json_write(&t->arena, v, &json)) return;
    puts_(t, ",\"");
    puts_(t, name);
    puts_(t, "\":");
    put(t, json.data, json.len);
}

static void put_str(text *t, const char *name, entry_text s)
{
    sw_value v = {.type = MSGPACK_OBJECT_STR};
    v.via.str.ptr = s.data;
    v.via.str.size = (uint32_t)s.len;
    put_value(t, name, v);
}

static void put_packed(text *t, const char *name, entry_text packed)
{
    sw_value v;
    const char *error = NULL;
    if (packed.len > 0 && value_unpack(&t->arena, packed.data, packed.len, &v, &error)) put_value(t, name, v);
}

static const char *kind_text(entry_kind kind)
{
    switch (kind) {
    case ENTRY_STARTED:
        return "started";
    case ENTRY_STEP_DONE:
        return "step done";
    case ENTRY_STEP_FAILED:
        return "step failed";
    case ENTRY_SLEEP:
        return "sleep";
    case ENTRY_VALUE:
        return "value";
    case ENTRY_CHUNK:
        return "chunk";
    case ENTRY_RESPONSE:
        return "response";
    case ENTRY_ENDED:
        return "ended";
    case ENTRY_ROLLBACK:
        return "rollback";
    case ENTRY_CANCEL:
        return "cancel";
    case ENTRY_BRANCH:
        return "branch";
    case ENTRY_DIFFERS:
        return "differs";
    }
    return "unknown";
}

static void put_entry(text *t, const entry *e)
{
    char head[64];
    (void)snprintf(head, sizeof head, "{\"kind\":\"%s\"", kind_text(e->kind));
    puts_(t, head);
    put_int(t, "at", e->at_ms);
    if (e->id.len) put_str(t, "id", e->id);
    if (e->occurrence) put_int(t, "occurrence", e->occurrence);
    if (e->attempt) put_int(t, "attempt", e->attempt);
    if (e->kind == ENTRY_STEP_DONE || e->kind == ENTRY_STEP_FAILED) put_int(t, "duration", e->duration_ms);
    if (e->due_ms) put_int(t, "due", e->due_ms);
    if (e->error.len) put_str(t, "error", e->error);
    put_packed(t, "input", e->input);
    put_packed(t, "value", e->value);
    if (e->kind == ENTRY_RESPONSE) put_int(t, "status", e->status);
    puts_(t, "}");
}

static const char *state_of(const store_journal *j, const entry *ended)
{
    if (!ended->kind) return j->due_ms > loop_now_ms() ? "sleeping" : "running";
    return ended->status == ENTRY_SUCCEEDED ? "succeeded" : ended->status == ENTRY_FAILED ? "failed" : "cancelled";
}

static void put_run(text *t, const store_journal *j, bool with_entries)
{
    char id[RUN_ID_TEXT + 1];
    run_id_format(&j->run, id);
    entry started = {0}, ended = {0}, e;
    const char *error = NULL;
    int64_t steps = 0, failures = 0, differences = 0;
    for (size_t at = 0, n; at < j->len && (n = entry_decode(j->data + at, j->len - at, &e, &error)) > 0; at += n) {
        if (e.kind == ENTRY_STARTED) started = e;
        if (e.kind == ENTRY_ENDED) ended = e;
        steps += e.kind == ENTRY_STEP_DONE;
        failures += e.kind == ENTRY_STEP_FAILED;
        differences += e.kind == ENTRY_DIFFERS;
    }
    puts_(t, "{\"runId\":\"");
    puts_(t, id);
    puts_(t, "\",\"state\":\"");
    puts_(t, state_of(j, &ended));
    puts_(t, "\"");
    put_str(t, "endpoint", started.function);
    put_str(t, "target", started.target);
    put_int(t, "startedAt", started.at_ms);
    if (ended.kind) put_int(t, "endedAt", ended.at_ms);
    if (ended.error.len) put_str(t, "error", ended.error);
    if (!ended.kind && j->due_ms) put_int(t, "due", j->due_ms);
    put_int(t, "stepsDone", steps);
    put_int(t, "failedAttempts", failures);
    if (differences) put_int(t, "inputsDiffered", differences);
    if (with_entries) {
        puts_(t, ",\"entries\":[");
        bool first = true;
        for (size_t at = 0, n; at < j->len && (n = entry_decode(j->data + at, j->len - at, &e, &error)) > 0; at += n) {
            if (!first) puts_(t, ",");
            first = false;
            put_entry(t, &e);
        }
        puts_(t, "]");
    }
    if (error) put_str(t, "damage", (entry_text){error, strlen(error)});
    puts_(t, "}");
}

/* ---- The answers ---- */

static void on_gone(http_exchange *x) { (void)x; /* the store answers soon; then the exchange is ended */ }

static inquiry *inquire(sw_loop *l, http_exchange *x, bool one)
{
    inquiry *q = malloc(sizeof *q);
    if (!q) {
        waiter_problem(x, 503, "out of memory", "5");
        return NULL;
    }
    *q = (inquiry){l, x, one};
    http_exchange_on_gone(x, on_gone);
    return q;
}

static void on_loaded(void *arg, store_journal *journals, size_t count)
{
    inquiry *q = arg;
    http_exchange *x = q->x;
    if (q->one && (journals[0].error || !journals[0].found)) {
        waiter_problem(x, journals[0].error ? 500 : 404, journals[0].error ? journals[0].error : "no such run", NULL);
        free(q);
        return;
    }
    text t;
    msgpack_sbuffer_init(&t.out);
    arena_init(&t.arena, q->loop->arenas);
    if (!q->one) puts_(&t, "{\"runs\":[");
    bool first = true;
    for (size_t i = 0; i < count; i++) {
        if (!journals[i].found) continue;
        if (!first) puts_(&t, ",\n");
        first = false;
        put_run(&t, &journals[i], q->one);
    }
    puts_(&t, q->one ? "\n" : "]}\n");
    http_reply_header type = {"Content-Type", "application/json"};
    http_reply(x, 200, &type, 1, t.out.data, t.out.size);
    msgpack_sbuffer_destroy(&t.out);
    arena_free(&t.arena);
    free(q);
}

static void on_ids(void *arg, const run_id *ids, size_t count, const char *error)
{
    inquiry *q = arg;
    if (!error && count > 0) {
        store_load(q->loop->port, ids, count, on_loaded, q);
        return;
    }
    if (error) {
        waiter_problem(q->x, 500, error, NULL);
    } else {
        http_reply_header type = {"Content-Type", "application/json"};
        http_reply(q->x, 200, &type, 1, "{\"runs\":[]}\n", 12);
    }
    free(q);
}

void runs_api_list(sw_loop *l, http_exchange *x)
{
    const http_request *r = http_exchange_request(x);
    char value[1024] = "";
    bool readable = r->query.len < sizeof value;
    run_id before;
    bool after_one = readable && uri_query(r->query.data, r->query.len, "before", value);
    if (!readable || (after_one && !run_id_parse(value, strlen(value), &before))) {
        waiter_problem(x, 400, "\"before\" is not a run id", NULL);
        return;
    }
    long limit = LIST_DEFAULT;
    if (uri_query(r->query.data, r->query.len, "limit", value)) limit = strtol(value, NULL, 10);
    if (limit < 1 || limit > LIST_MAX) {
        waiter_problem(x, 400, "\"limit\" is 1 to 500", NULL);
        return;
    }
    if (!l->port) {
        waiter_problem(x, 404, "this program has no endpoints", NULL);
        return;
    }
    inquiry *q = inquire(l, x, false);
    if (q) store_list(l->port, after_one ? &before : NULL, (size_t)limit, on_ids, q);
}

void runs_api_one(sw_loop *l, http_exchange *x, const run_id *id)
{
    if (!l->port) {
        waiter_problem(x, 404, "no such run", NULL);
        return;
    }
    inquiry *q = inquire(l, x, true);
    if (q) store_load(l->port, id, 1, on_loaded, q);
}

/* ---- Metrics: the Prometheus text format, version 0.0.4 ---- */

typedef struct metric {
    const char *name, *type, *help;
    uint64_t value;
} metric;

static loop_counters all_counters(const sw_app *app, size_t *runs, size_t *slots, size_t *waiting)
{
    loop_counters sum = {0};
    for (unsigned i = 0; i < app->loop_count; i++) {
        const sw_loop *l = &app->loops[i];
        uint64_t *to = (uint64_t *)&sum;
        const uint64_t *from = (const uint64_t *)&l->counters;
        for (size_t k = 0; k < sizeof sum / sizeof *to; k++) to[k] += __atomic_load_n(&from[k], __ATOMIC_RELAXED);
        *runs += __atomic_load_n(&l->runs, __ATOMIC_RELAXED);
        *slots += __atomic_load_n(&l->slots.count, __ATOMIC_RELAXED);
        *waiting += __atomic_load_n(&l->gate.waiting, __ATOMIC_RELAXED);
    }
    return sum;
}

void runs_api_metrics(sw_loop *l, http_exchange *x)
{
    size_t runs = 0, slots = 0, waiting = 0;
    loop_counters n = all_counters(l->app, &runs, &slots, &waiting);
    store_stats s = {0};
    if (l->app->store) store_stats_get(l->app->store, &s);
    const metric all[] = {{"runs_started_total", "counter", "Runs begun, plain requests included.", n.runs_started},
                          {"runs_resumed_total", "counter", "Runs taken up again from their journal.", n.runs_resumed},
                          {"runs_succeeded_total", "counter", "Runs whose handler returned.", n.runs_succeeded},
                          {"runs_failed_total", "counter", "Runs that failed for good.", n.runs_failed},
                          {"runs_cancelled_total", "counter", "Runs that were cancelled.", n.runs_cancelled},
                          {"runs_parked_total", "counter", "Times a run gave its stack back to sleep.", n.runs_parked},
                          {"steps_done_total", "counter", "Steps that succeeded.", n.steps_done},
                          {"steps_replayed_total", "counter", "Steps answered from the journal.", n.steps_replayed},
                          {"attempts_failed_total", "counter", "Step attempts that failed.", n.attempts_failed},
                          {"inputs_differed_total", "counter",
                           "Journaled results used for another input than they were made from.", n.inputs_differed},
                          {"requests_refused_total", "counter", "Requests answered 503.", n.requests_refused},
                          {"connections_kept_total", "counter",
                           "Connections given to the supervisor to outlive this process.", n.connections_kept},
                          {"connections_taken_back_total", "counter", "Connections that were a former worker's.",
                           n.connections_taken_back},
                          {"runs_in_memory", "gauge", "Runs with a stack.", runs},
                          {"runs_unfinished", "gauge", "Runs that can be asked for and have not ended.", slots},
                          {"journal_commits_total", "counter", "Synced batches.", s.commits},
                          {"journal_segments_total", "counter", "Segments in them.", s.segments},
                          {"journal_bytes_total", "counter", "Bytes in them.", s.bytes},
                          {"journal_errors_total", "counter", "Batches that could not be written.", s.commit_errors},
                          {"journal_queue_bytes", "gauge", "Bytes that wait to be written.", s.queue_bytes},
                          {"journal_attempts_waiting", "gauge",
                           "Attempts and chunks that wait for a journal that is full or takes no writes.", waiting},
                          {"journal_disk_bytes", "gauge", "Size on disk, about.", s.disk_bytes},
                          {"journal_runs_deleted_total", "counter", "Runs deleted by retention.", s.runs_deleted},
                          {"journal_read_only", "gauge", "1 while writes fail.", s.read_only ? 1 : 0}};
    text t;
    msgpack_sbuffer_init(&t.out);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        char line[320];
        int len =
            snprintf(line, sizeof line, "# HELP stepwell_%s %s\n# TYPE stepwell_%s %s\nstepwell_%s %llu\n", all[i].name,
                     all[i].help, all[i].name, all[i].type, all[i].name, (unsigned long long)all[i].value);
        put(&t, line, (size_t)len);
    }
    http_reply_header type = {"Content-Type", "text/plain; version=0.0.4"};
    http_reply(x, 200, &type, 1, t.out.data, t.out.size);
    msgpack_sbuffer_destroy(&t.out);
}
