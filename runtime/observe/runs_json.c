#include "runtime/observe/runs_json.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/json.h"
#include "runtime/base/value.h"
#include "runtime/run/stop.h"

void runs_text_init(runs_text *t, arena_cache *arenas)
{
    msgpack_sbuffer_init(&t->out);
    arena_init(&t->arena, arenas);
    t->is_short = false;
}

void runs_text_free(runs_text *t)
{
    msgpack_sbuffer_destroy(&t->out);
    arena_free(&t->arena);
}

static void put(runs_text *t, const char *s, size_t len)
{
    if (len > 0 && msgpack_sbuffer_write(&t->out, s, len) != 0) t->is_short = true;
}

void runs_text_add(runs_text *t, const char *s) { put(t, s, strlen(s)); }

static void put_int(runs_text *t, const char *name, int64_t n)
{
    char b[96];
    int len = snprintf(b, sizeof b, ",\"%s\":%lld", name, (long long)n);
    put(t, b, (size_t)len);
}

static void put_json(runs_text *t, sw_value v)
{
    sw_bytes json;
    if (json_write(&t->arena, v, &json))
        put(t, json.data, json.len);
    else
        t->is_short = true; /* what a journal has is not too deep */
}

static void put_value(runs_text *t, const char *name, sw_value v)
{
    runs_text_add(t, ",\"");
    runs_text_add(t, name);
    runs_text_add(t, "\":");
    put_json(t, v);
}

static void put_str(runs_text *t, const char *name, entry_text s)
{
    sw_value v = {.type = MSGPACK_OBJECT_STR};
    v.via.str.ptr = s.data;
    v.via.str.size = (uint32_t)s.len;
    put_value(t, name, v);
}

static void put_text(runs_text *t, const char *name, const char *s) { put_str(t, name, entry_text_of(s)); }

/* False: it is damaged, or there is no memory for it. */
static bool unpack(runs_text *t, entry_text packed, sw_value *v)
{
    const char *error = NULL;
    if (value_unpack(&t->arena, packed.data, packed.len, v, &error)) return true;
    t->is_short = t->is_short || error == value_no_memory;
    return false;
}

static void put_packed(runs_text *t, const char *name, entry_text packed)
{
    sw_value v;
    if (packed.len > 0 && unpack(t, packed, &v)) put_value(t, name, v);
}

static void put_call(runs_text *t, sw_value call)
{
    int64_t status = sw_as_int(sw_at(call, 2), 0);
    runs_text_add(t, "{\"method\":");
    put_json(t, sw_at(call, 0));
    put_value(t, "host", sw_at(call, 1));
    if (status > 0) put_int(t, "status", status);
    if (sw_len(sw_at(call, 3)) > 0) put_value(t, "error", sw_at(call, 3));
    put_int(t, "ms", sw_as_int(sw_at(call, 4), 0));
    put_int(t, "bytes", sw_as_int(sw_at(call, 5), 0));
    runs_text_add(t, "}");
}

/* Of an attempt: see docs/internals/journal.md. */
static void put_calls(runs_text *t, entry_text packed)
{
    sw_value calls;
    const char *before = "";
    if (packed.len == 0 || !unpack(t, packed, &calls)) return;
    runs_text_add(t, ",\"calls\":[");
    for (size_t i = 0; i < sw_len(calls); i++) {
        if (sw_at(calls, i).type != MSGPACK_OBJECT_ARRAY) continue; /* how many are left out */
        runs_text_add(t, before);
        put_call(t, sw_at(calls, i));
        before = ",";
    }
    runs_text_add(t, "]");
    int64_t left_out = sw_len(calls) > 0 ? sw_as_int(sw_at(calls, sw_len(calls) - 1), 0) : 0;
    if (left_out > 0) put_int(t, "callsLeftOut", left_out);
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

static void put_entry(runs_text *t, const entry *e)
{
    char head[64];
    (void)snprintf(head, sizeof head, "{\"kind\":\"%s\"", kind_text(e->kind));
    runs_text_add(t, head);
    put_int(t, "at", e->at_ms);
    if (e->id.len) put_str(t, "id", e->id);
    if (e->occurrence) put_int(t, "occurrence", e->occurrence);
    if (e->attempt) put_int(t, "attempt", e->attempt);
    if (e->kind == ENTRY_STEP_DONE || e->kind == ENTRY_STEP_FAILED) put_int(t, "duration", e->duration_ms);
    if (e->due_ms) put_int(t, "due", e->due_ms);
    if (e->error.len) put_str(t, "error", e->error);
    put_packed(t, "input", e->input);
    if (e->input_bytes) put_int(t, "inputLeftOut", (int64_t)e->input_bytes);
    put_packed(t, "value", e->value);
    put_calls(t, e->calls);
    if (e->kind == ENTRY_RESPONSE) put_int(t, "status", e->status);
    if (e->kind == ENTRY_STOPPED) put_text(t, "reason", stop_name(stop_of_entry(e)));
    if (e->kind == ENTRY_CRASHED) put_int(t, "signal", e->status);
    runs_text_add(t, "}");
}

/* As the run's loop finds it, which may be another one. */
static stop_reason stop_of(const sw_app *app, const store_summary *s)
{
    const run_summary *of = &s->of;
    if (!s->live) return STOP_NONE;
    if (of->error) return of->error == entry_newer ? STOP_NEWER : STOP_UNREADABLE;
    if (!of->started.kind) return STOP_UNREADABLE;
    if (of->stopped.kind) return stop_of_entry(&of->stopped);
    if (s->due_ms == STORE_DUE_STOPPED)
        return STOP_UNKNOWN; /* too much has been streamed since: its own page says why */
    if (!app_endpoint(app, of->started.function.data, of->started.function.len)) return STOP_NO_ENDPOINT;
    uint64_t epoch = store_epoch(app->store);
    bool former = app->opt.no_resume && entry_opening(of->started.epoch) != epoch;
    return former && entry_opening(of->released_epoch) != epoch ? STOP_NOT_RESUMED : STOP_NONE;
}

static const char *state_of(const store_summary *s, stop_reason stop)
{
    if (stop != STOP_NONE) return "stopped";
    if (!s->live && s->of.error) return "unreadable";
    if (!s->of.ended.kind) return s->due_ms > clock_wall_ms() ? "sleeping" : "running";
    int outcome = s->of.ended.status;
    return outcome == ENTRY_SUCCEEDED ? "succeeded" : outcome == ENTRY_FAILED ? "failed" : "cancelled";
}

static void put_entries(runs_text *t, const store_journal *j)
{
    const char *error = NULL;
    entry e;
    runs_text_add(t, ",\"entries\":[");
    for (size_t at = 0, n; at < j->len && (n = entry_decode(j->data + at, j->len - at, &e, &error)) > 0; at += n) {
        if (at > 0) runs_text_add(t, ",");
        put_entry(t, &e);
    }
    runs_text_add(t, "]");
}

/* Of a journal that was not read whole only the number of its entries is known. */
static void put_counts(runs_text *t, const store_summary *s)
{
    const run_summary *of = &s->of;
    put_int(t, "entryCount", of->entries);
    if (s->cut) return;
    put_int(t, "stepsDone", of->steps);
    put_int(t, "failedAttempts", of->failures);
    if (of->differences) put_int(t, "inputsDiffered", of->differences);
    if (of->crashes) put_int(t, "crashes", of->crashes);
}

/* `journal` NULL: without what each entry says. */
static void put_run(runs_text *t, const sw_app *app, const store_summary *s, const store_journal *journal)
{
    char id[RUN_ID_TEXT + 1];
    const run_summary *of = &s->of;
    stop_reason stop = stop_of(app, s);
    run_id_format(&s->run, id);
    runs_text_add(t, "{\"runId\":\"");
    runs_text_add(t, id);
    runs_text_add(t, "\"");
    put_text(t, "state", state_of(s, stop));
    if (stop != STOP_NONE) put_text(t, "reason", stop_name(stop));
    if (stop != STOP_NONE && !of->stopped.kind) put_text(t, "detail", stop_text(stop));
    if (stop != STOP_NONE && of->stopped.kind) put_str(t, "detail", of->stopped.error);
    put_str(t, "endpoint", of->started.function);
    put_str(t, "target", of->started.target);
    put_int(t, "startedAt", of->started.kind ? of->started.at_ms : run_id_time_ms(&s->run));
    if (of->ended.kind) put_int(t, "endedAt", of->ended.at_ms);
    if (of->ended.error.len) put_str(t, "error", of->ended.error);
    if (stop == STOP_NONE && !of->ended.kind && s->due_ms) put_int(t, "due", s->due_ms);
    put_counts(t, s);
    if (journal) put_entries(t, journal);
    if (of->error) put_text(t, "damage", of->error);
    runs_text_add(t, "}");
}

void runs_text_line(runs_text *t, const sw_app *app, const store_summary *s) { put_run(t, app, s, NULL); }

void runs_text_run(runs_text *t, const sw_app *app, const store_journal *j)
{
    store_summary s = {.run = j->run, .found = j->found, .live = j->live, .due_ms = j->due_ms, .of.error = j->error};
    summary_read(&s.of, j->data, j->len);
    put_run(t, app, &s, j);
}
