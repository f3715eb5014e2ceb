#include "runtime/runs_api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/uri.h"
#include "runtime/app.h"
#include "runtime/json.h"
#include "runtime/stop.h"
#include "runtime/value.h"
#include "runtime/waiter.h"

enum { LIST_DEFAULT = 50, LIST_MAX = 500 };

/* A request that waits for the store. */
typedef struct inquiry {
    home *home;
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

static void put_text(text *t, const char *name, const char *s) { put_str(t, name, (entry_text){s, strlen(s)}); }

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
    case ENTRY_STOPPED:
        return "stopped";
    case ENTRY_RELEASED:
        return "released";
    case ENTRY_CRASHED:
        return "crashed";
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
    if (e->kind == ENTRY_STOPPED) put_text(t, "reason", stop_name(stop_of_entry(e)));
    if (e->kind == ENTRY_CRASHED) put_int(t, "signal", e->status);
    puts_(t, "}");
}

/* What a journal says of its run as a whole. */
typedef struct summary {
    entry started, stopped, ended; /* kind 0: it has none; stopped: none since it was last released */
    const char *error;             /* why it could not be read to its end; NULL: it could */
    int64_t steps, failures, differences, crashes;
    int64_t released_ms; /* Unix; the last time; 0: never */
} summary;

static summary summarize(const store_journal *j)
{
    summary s = {.error = j->error};
    entry e;
    for (size_t at = 0, n; !s.error && at < j->len; at += n) {
        n = entry_decode(j->data + at, j->len - at, &e, &s.error);
        if (n == 0) break;
        if (e.kind == ENTRY_STARTED) s.started = e;
        if (e.kind == ENTRY_ENDED) s.ended = e;
        if (e.kind == ENTRY_STOPPED) s.stopped = e;
        if (e.kind == ENTRY_RELEASED) s.stopped = (entry){.path = 0};
        if (e.kind == ENTRY_RELEASED) s.released_ms = e.at_ms;
        s.steps += e.kind == ENTRY_STEP_DONE;
        s.failures += e.kind == ENTRY_STEP_FAILED;
        s.differences += e.kind == ENTRY_DIFFERS;
        s.crashes += e.kind == ENTRY_CRASHED;
    }
    return s;
}

/* As the run's loop finds it, which may be another one. */
static stop_reason stop_of(const sw_app *app, const store_journal *j, const summary *s)
{
    if (!j->live) return STOP_NONE;
    if (s->error) return s->error == entry_newer ? STOP_NEWER : STOP_UNREADABLE;
    if (!s->started.kind) return STOP_UNREADABLE;
    if (s->stopped.kind) return stop_of_entry(&s->stopped);
    if (!app_endpoint(app, s->started.function.data, s->started.function.len)) return STOP_NO_ENDPOINT;
    bool former = app->opt.no_resume && entry_opening(s->started.epoch) != store_epoch(app->store);
    return former && s->released_ms < app->started_ms ? STOP_NOT_RESUMED : STOP_NONE;
}

static const char *state_of(const store_journal *j, const summary *s, stop_reason stop)
{
    if (stop != STOP_NONE) return "stopped";
    if (!j->live && s->error) return "unreadable";
    if (!s->ended.kind) return j->due_ms > clock_wall_ms() ? "sleeping" : "running";
    int outcome = s->ended.status;
    return outcome == ENTRY_SUCCEEDED ? "succeeded" : outcome == ENTRY_FAILED ? "failed" : "cancelled";
}

static void put_entries(text *t, const store_journal *j)
{
    const char *error = NULL;
    entry e;
    puts_(t, ",\"entries\":[");
    for (size_t at = 0, n; at < j->len && (n = entry_decode(j->data + at, j->len - at, &e, &error)) > 0; at += n) {
        if (at > 0) puts_(t, ",");
        put_entry(t, &e);
    }
    puts_(t, "]");
}

static void put_run(text *t, const sw_app *app, const store_journal *j, bool with_entries)
{
    char id[RUN_ID_TEXT + 1];
    summary s = summarize(j);
    stop_reason stop = stop_of(app, j, &s);
    run_id_format(&j->run, id);
    puts_(t, "{\"runId\":\"");
    puts_(t, id);
    puts_(t, "\"");
    put_text(t, "state", state_of(j, &s, stop));
    if (stop != STOP_NONE) put_text(t, "reason", stop_name(stop));
    if (stop != STOP_NONE && !s.stopped.kind) put_text(t, "detail", stop_text(stop));
    if (stop != STOP_NONE && s.stopped.kind) put_str(t, "detail", s.stopped.error);
    put_str(t, "endpoint", s.started.function);
    put_str(t, "target", s.started.target);
    put_int(t, "startedAt", s.started.kind ? s.started.at_ms : run_id_time_ms(&j->run));
    if (s.ended.kind) put_int(t, "endedAt", s.ended.at_ms);
    if (s.ended.error.len) put_str(t, "error", s.ended.error);
    if (stop == STOP_NONE && !s.ended.kind && j->due_ms) put_int(t, "due", j->due_ms);
    put_int(t, "stepsDone", s.steps);
    put_int(t, "failedAttempts", s.failures);
    if (s.differences) put_int(t, "inputsDiffered", s.differences);
    if (s.crashes) put_int(t, "crashes", s.crashes);
    if (with_entries) put_entries(t, j);
    if (s.error) put_text(t, "damage", s.error);
    puts_(t, "}");
}

/* ---- The answers ---- */

static void on_gone(http_exchange *x) { (void)x; /* the store answers soon; then the exchange is ended */ }

static inquiry *inquire(home *h, http_exchange *x, bool one)
{
    inquiry *q = malloc(sizeof *q);
    if (!q) {
        waiter_problem(x, 503, "out of memory", "5");
        return NULL;
    }
    *q = (inquiry){h, x, one};
    http_exchange_on_gone(x, on_gone);
    return q;
}

/* One that cannot be read is shown as such: it hides neither itself nor others. */
static bool is_there(const store_journal *j) { return j->found || j->live || j->error; }

static void on_loaded(void *arg, store_journal *journals, size_t count)
{
    inquiry *q = arg;
    http_exchange *x = q->x;
    if (q->one && !journals[0].found && !journals[0].live) {
        if (journals[0].error)
            waiter_problem(x, 503, journals[0].error, "5");
        else
            waiter_problem(x, 404, "no such run", NULL);
        free(q);
        return;
    }
    text t;
    msgpack_sbuffer_init(&t.out);
    arena_init(&t.arena, q->home->arenas);
    if (!q->one) puts_(&t, "{\"runs\":[");
    bool first = true;
    for (size_t i = 0; i < count; i++) {
        if (!is_there(&journals[i])) continue;
        if (!first) puts_(&t, ",\n");
        first = false;
        put_run(&t, q->home->app, &journals[i], q->one);
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
        store_load(q->home->port, ids, count, on_loaded, q);
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

void runs_api_list(home *h, http_exchange *x)
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
    if (!h->port) {
        waiter_problem(x, 404, "this program has no endpoints", NULL);
        return;
    }
    inquiry *q = inquire(h, x, false);
    if (q) store_list(h->port, after_one ? &before : NULL, (size_t)limit, on_ids, q);
}

void runs_api_one(home *h, http_exchange *x, const run_id *id)
{
    if (!h->port) {
        waiter_problem(x, 404, "no such run", NULL);
        return;
    }
    inquiry *q = inquire(h, x, true);
    if (q) store_load(h->port, id, 1, on_loaded, q);
}
