#include "runtime/observe/entry_json.h"

#include <string.h>

#include "runtime/base/redact.h"
#include "runtime/base/value.h"
#include "runtime/observe/questions_json.h"
#include "runtime/run/attempt_input.h"
#include "runtime/run/stop.h"
#include "runtime/stepwell.h"
#include "storage/run_id.h"

static void put_bytes(json_writer *w, const char *name, entry_text s) { json_put_bytes(w, name, s.data, s.len); }

/* False: the value is damaged, or there is no memory for it. */
static bool unpack(json_writer *w, entry_text packed, sw_value *v)
{
    const char *error = NULL;
    if (value_unpack(&w->arena, packed.data, packed.len, v, &error)) return true;
    w->is_short = w->is_short || error == value_no_memory;
    return false;
}

void entry_json_packed(json_writer *w, const char *name, entry_text packed)
{
    sw_value v;
    if (packed.len > 0 && unpack(w, packed, &v)) json_put_value(w, name, v);
}

void entry_json_target(json_writer *w, entry_text target)
{
    const char *shown = redact_target(w->hides, &w->arena, target.len > 0 ? target.data : "", &target.len);
    if (shown)
        json_put_said(w, "target", shown, target.len); /* a value may be a URL with parameters of its own */
    else
        w->is_short = true;
}

/* One call of an attempt, in the form that docs/internals/journal.md has. */
static void put_call(json_writer *w, sw_value call)
{
    int64_t status = sw_as_int(sw_at(call, 2), 0);
    json_open_map(w, NULL);
    json_put_value(w, "method", sw_at(call, 0));
    json_put_value(w, "host", sw_at(call, 1));
    if (status > 0) json_put_int(w, "status", status);
    sw_value error = sw_at(call, 3);
    if (sw_type(error) == SW_STRING && sw_len(error) > 0)
        json_put_said(w, "error", error.via.str.ptr, error.via.str.size);
    json_put_int(w, "ms", sw_as_int(sw_at(call, 4), 0));
    json_put_int(w, "bytes", sw_as_int(sw_at(call, 5), 0));
    if (sw_len(call) > 6) json_put_int(w, "retryAfterMs", sw_as_int(sw_at(call, 6), 0));
    json_close_map(w);
}

/* The calls of an attempt; a number among them is how many more there were. */
void entry_json_calls(json_writer *w, entry_text packed)
{
    sw_value calls;
    size_t shown = 0;
    int64_t left_out = 0;
    if (packed.len == 0 || !unpack(w, packed, &calls)) return;
    for (size_t i = 0; i < sw_len(calls); i++) {
        sw_value item = sw_at(calls, i);
        if (sw_as_int(item, 0) > 0) left_out = sw_as_int(item, 0); /* a negative one: what the attempt failed for */
        if (sw_type(item) != SW_ARRAY) continue;
        if (shown++ == 0) json_open_array(w, "calls");
        put_call(w, item);
    }
    if (shown > 0) json_close_array(w);
    if (left_out > 0) json_put_int(w, "callsLeftOut", left_out);
}

void entry_json_input(json_writer *w, const entry *e)
{
    entry_text input = e->input;
    uint64_t left_out = e->input_bytes;
    w->is_short = !attempt_input_find(&w->arena, e->calls, &input, &left_out) || w->is_short;
    entry_json_packed(w, "input", input);
    if (left_out > 0) json_put_int(w, "inputLeftOut", (int64_t)left_out);
}

static const char *kind_text(entry_kind kind)
{
    static const char *const names[] = {[ENTRY_STARTED] = "started",
                                        [ENTRY_STEP_DONE] = "step done",
                                        [ENTRY_STEP_FAILED] = "step failed",
                                        [ENTRY_SLEEP] = "sleep",
                                        [ENTRY_VALUE] = "value",
                                        [ENTRY_CHUNK] = "chunk",
                                        [ENTRY_RESPONSE] = "response",
                                        [ENTRY_ENDED] = "ended",
                                        [ENTRY_ROLLBACK] = "rollback",
                                        [ENTRY_CANCEL] = "cancel",
                                        [ENTRY_STOPPED] = "stopped",
                                        [ENTRY_RELEASED] = "released",
                                        [ENTRY_WAIT] = "wait",
                                        [ENTRY_SIGNAL] = "signal",
                                        [ENTRY_TAKEN] = "taken",
                                        [ENTRY_TIMED_OUT] = "timed out",
                                        [ENTRY_CALLED] = "called",
                                        [ENTRY_RETURNED] = "returned",
                                        [ENTRY_WON] = "won",
                                        [ENTRY_ABANDONED] = "abandoned",
                                        [ENTRY_SENT] = "sent",
                                        [ENTRY_REOPENED] = "reopened",
                                        [ENTRY_PATCH] = "patch",
                                        [ENTRY_CRASHED] = "crashed",
                                        [ENTRY_BRANCH] = "branch",
                                        [ENTRY_LABEL] = "label",
                                        [ENTRY_STATUS] = "status",
                                        [ENTRY_USAGE] = "usage",
                                        [ENTRY_DIFFERS] = "differs",
                                        [ENTRY_UNASKED] = "unasked"};
    bool is_known = (size_t)kind < sizeof names / sizeof *names && names[kind];
    return is_known ? names[kind] : "unknown";
}

void entry_json_child(json_writer *w, entry_text child)
{
    run_id run;
    char id[RUN_ID_TEXT + 1];
    if (child.len != sizeof run.bytes) return;
    memcpy(run.bytes, child.data, sizeof run.bytes);
    run_id_format(&run, id);
    json_put_text(w, "child", id);
}

/* What *called* has beside the others. */
static void put_called(json_writer *w, const entry *e)
{
    put_bytes(w, "function", e->function);
    if (e->detached) json_put_bool(w, "detached", true);
    if (e->begins_ms) json_put_int(w, "begins", e->begins_ms);
}

static const char *attempt_name(entry_kind kind)
{
    return kind == ENTRY_REOPENED || kind == ENTRY_CALLED ? "generation" : "attempt";
}

void entry_json_used(json_writer *w, const int64_t used[ENTRY_USED])
{
    json_put_int(w, "inputTokens", used[ENTRY_INPUT_TOKENS]);
    json_put_int(w, "outputTokens", used[ENTRY_OUTPUT_TOKENS]);
    json_put_int(w, "units", used[ENTRY_UNITS]);
}

msgpack_object entry_json_text(entry_text t)
{
    sw_value v = {.type = MSGPACK_OBJECT_STR};
    v.via.str.ptr = t.data;
    v.via.str.size = (uint32_t)t.len;
    return v;
}

/* The text of a label, hidden as it is among all labels of the run. */
static void put_label(json_writer *w, const entry *e)
{
    msgpack_object_kv pair = {entry_json_text(e->id), entry_json_text(e->value)};
    sw_value labels = {.type = MSGPACK_OBJECT_MAP};
    labels.via.map.ptr = &pair;
    labels.via.map.size = 1;
    if (redact_value(w->hides, &w->arena, &labels))
        json_put_value(w, "value", labels.via.map.ptr[0].val);
    else
        w->is_short = true;
}

void entry_json_put(json_writer *w, const entry *e)
{
    json_open_map(w, NULL);
    json_put_text(w, "kind", kind_text(e->kind));
    if (e->at_ms) json_put_int(w, "at", e->at_ms);
    if (e->id.len) put_bytes(w, e->kind == ENTRY_USAGE ? "model" : "id", e->id);
    if (e->occurrence) json_put_int(w, "occurrence", e->occurrence);
    if (e->attempt) json_put_int(w, attempt_name(e->kind), e->attempt);
    bool is_attempt =
        e->kind == ENTRY_STEP_DONE || e->kind == ENTRY_STEP_FAILED || (e->kind == ENTRY_ABANDONED && e->attempt > 0);
    if (is_attempt) json_put_int(w, "duration", e->duration_ms);
    if (e->kind == ENTRY_WON) json_put_int(w, "member", e->member);
    if (e->kind == ENTRY_WON) json_put_int(w, "givenUp", (int64_t)(e->causes.len / sizeof e->path));
    if (e->due_ms) json_put_int(w, "due", e->due_ms);
    bool is_wish = e->kind == ENTRY_CANCEL || e->kind == ENTRY_RELEASED || e->kind == ENTRY_REOPENED;
    if (e->error.len)
        (is_wish ? json_put_bytes : json_put_said)(w, is_wish ? "by" : "error", e->error.data, e->error.len);
    if (e->by.len) put_bytes(w, "by", e->by);
    if (e->signal.len) put_bytes(w, "signal", e->signal);
    entry_json_child(w, e->child);
    if (e->kind == ENTRY_CALLED) put_called(w, e);
    entry_json_input(w, e);
    if (e->kind == ENTRY_LABEL)
        put_label(w, e);
    else if (e->kind == ENTRY_VALUE)
        questions_json_value(w, e->value);
    else
        entry_json_packed(w, "value", e->value);
    if (e->kind == ENTRY_USAGE) entry_json_used(w, e->used);
    entry_json_calls(w, e->calls);
    if (e->kind == ENTRY_RESPONSE) json_put_int(w, "status", e->status);
    if (e->kind == ENTRY_STOPPED) json_put_text(w, "reason", stop_name(stop_of_entry(e)));
    if (e->kind == ENTRY_CRASHED) json_put_int(w, "signal", e->status);
    if (e->kind == ENTRY_SENT) put_bytes(w, "to", e->target);
    if (e->kind == ENTRY_PATCH || e->kind == ENTRY_SENT) json_put_value(w, "answer", sw_bool(e->answer));
    if (e->version.len) json_put_bytes(w, "version", e->version.data, e->version.len);
    json_close_map(w);
}
