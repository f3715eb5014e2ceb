#include "runtime/observe/detail_json.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "runtime/base/json.h"
#include "runtime/base/json_reader.h"
#include "runtime/base/redact.h"
#include "runtime/base/utf8.h"
#include "runtime/base/value.h"
#include "runtime/observe/entry_json.h"
#include "runtime/observe/fold.h"
#include "runtime/observe/strands_by_path.h"
#include "runtime/observe/why.h"
#include "runtime/run/attempt_input.h"
#include "runtime/run/function_input.h"
#include "runtime/stepwell.h"

enum {
    BODY_SHOWN_MAX = 1 << 20, /* bytes: a longer body is left out */
    PATH_TEXT = 17
};

/* All that is written of one run. */
typedef struct page {
    json_writer *w;
    const detail *of;
    const fold *journal;
    const fold_step *parked; /* what the run waits for outside memory; NULL: nothing that is known */
    strands_by_path strands; /* of the run in memory */
} page;

static void put_bytes(json_writer *w, const char *name, entry_text s) { json_put_bytes(w, name, s.data, s.len); }

static void put_said(json_writer *w, const char *name, entry_text s) { json_put_said(w, name, s.data, s.len); }

/* 16 hexadecimal digits: numbers in JSON are not exact beyond 53 bits. */
static void put_path(json_writer *w, const char *name, uint64_t path)
{
    char text[PATH_TEXT];
    (void)snprintf(text, sizeof text, "%016" PRIx64, path);
    json_put_text(w, name, text);
}

/* ---- Why ---- */

/* A point of the run's schedule waits for its end. */
static void why_tell_point(why *is, int64_t point_ms)
{
    char when[32];
    struct tm tm;
    const time_t seconds = (time_t)(point_ms / 1000);
    const size_t len = strlen(is->text);
    if (!gmtime_r(&seconds, &tm) || strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) return;
    (void)snprintf(is->text + len, sizeof is->text - len, "; its schedule's point %s waits for its end", when);
}

static void put_why(const page *p)
{
    json_writer *w = p->w;
    const detail *d = p->of;
    why is;
    if (!d->is_live || !d->now) return;
    why_tell(&(why_case){.now = d->now,
                         .journal = p->journal,
                         .parked = p->parked,
                         .stop = d->stop,
                         .stop_text = d->stop_text,
                         .has_deadline = d->started->kind && d->started->due_ms > 0},
             &is);
    if (d->point_ms > 0) why_tell_point(&is, d->point_ms);
    json_open_map(w, "why");
    json_put_said(w, "text", is.text, strlen(is.text));
    json_put_text(w, "kind", is.kind);
    if (is.step.len > 0) put_bytes(w, "step", is.step);
    if (is.step.len > 0) put_path(w, "path", is.path);
    if (is.signal.len > 0) put_bytes(w, "signal", is.signal);
    if (is.until_ms > 0) json_put_int(w, "until", is.until_ms);
    if (d->point_ms > 0) json_put_int(w, "waitingPoint", d->point_ms);
    json_close_map(w);
}

/* ---- Request and response ---- */

/* What has become of a body. */
typedef enum body_hidden { BODY_IS_WHOLE, BODY_IS_REDACTED, BODY_IS_LEFT_OUT } body_hidden;

static size_t members_of_value(const msgpack_object *v)
{
    size_t n = 0;
    if (v->type == MSGPACK_OBJECT_MAP) {
        n = v->via.map.size;
        for (uint32_t i = 0; i < v->via.map.size; i++) n += members_of_value(&v->via.map.ptr[i].val);
    } else if (v->type == MSGPACK_OBJECT_ARRAY) {
        for (uint32_t i = 0; i < v->via.array.size; i++) n += members_of_value(&v->via.array.ptr[i]);
    }
    return n;
}

/* How many members the text, which is JSON, has: of equal ones a value has the last alone. */
static size_t members_of_text(entry_text json)
{
    bool is_string = false;
    size_t n = 0;
    for (const char *at = json.data, *end = at + json.len; at < end; at++) {
        if (*at == '"') is_string = !is_string;
        if (is_string && *at == '\\') at++;
        n += !is_string && *at == ':';
    }
    return n;
}

/* Hides values of a body that is JSON. If there were any, or what is hidden may be in a member that another one of the
 * name follows, *body is written anew. */
static body_hidden redact_body_value(json_writer *w, sw_value v, entry_text *body)
{
    size_t hidden = 0;
    sw_bytes shown = {"", 0};
    bool has_more = members_of_value(&v) < members_of_text(*body) &&
                    redact_hides_in_text(w->hides, (http_text){body->data, body->len});
    bool ok = redact_value_counted(w->hides, &w->arena, &v, &hidden);
    if (ok && hidden == 0 && !has_more) return BODY_IS_WHOLE;
    ok = ok && json_write(&w->arena, v, &shown);
    w->is_short = w->is_short || !ok;
    *body = (entry_text){shown.data, shown.len};
    return BODY_IS_REDACTED;
}

/* Hides what a text quotes; of other bytes nobody could tell afterwards which are its own. */
static body_hidden redact_body_text(json_writer *w, entry_text *body)
{
    http_text text = {body->data, body->len};
    if (!redact_hides_in_text(w->hides, text)) return BODY_IS_WHOLE;
    if (!utf8_is_valid(text.data, text.len)) return BODY_IS_LEFT_OUT;
    if (!redact_text_in(w->hides, &w->arena, &text)) w->is_short = true;
    *body = (entry_text){text.data, text.len};
    return BODY_IS_REDACTED;
}

static body_hidden redact_body(json_writer *w, entry_text *body)
{
    const char *message = NULL;
    sw_value v;
    if (!redact_may_hide(w->hides, body->data, body->len)) return BODY_IS_WHOLE;
    if (json_read(&w->arena, body->data, body->len, &v, &message)) return redact_body_value(w, v, body);
    if (message != value_no_memory) return redact_body_text(w, body);
    w->is_short = true;
    return BODY_IS_LEFT_OUT;
}

static void put_body(json_writer *w, entry_text body)
{
    msgpack_object bytes = {.type = MSGPACK_OBJECT_BIN};
    json_put_int(w, "bodyBytes", (int64_t)body.len);
    if (body.len == 0 || body.len > BODY_SHOWN_MAX) return;
    const body_hidden hidden = redact_body(w, &body);
    if (hidden != BODY_IS_WHOLE) json_put_bool(w, "bodyRedacted", true);
    if (hidden == BODY_IS_LEFT_OUT) return;
    if (utf8_is_valid(body.data, body.len)) {
        put_bytes(w, "body", body);
        return;
    }
    bytes.via.bin.ptr = body.data;
    bytes.via.bin.size = (uint32_t)body.len;
    json_put_value(w, "bodyBase64", bytes);
}

/* Whoever sends a request again with its Idempotency-Key is told what its client was, and gets the URL by which that
 * steers the run: who may only look is not shown the key, with which hidden parts of a body could be tried, too. */
static bool header_is_hidden(const json_writer *w, sw_value name)
{
    static const char key[] = "idempotency-key";
    if (sw_type(name) != SW_STRING) return false;
    const msgpack_object_str *s = &name.via.str;
    bool is_key = s->size == sizeof key - 1 && strncasecmp(s->ptr, key, sizeof key - 1) == 0;
    return is_key || redact_has_header(w->hides, s->ptr, s->size);
}

/* [name, value, name, value, ...] as a list of objects: a name may come twice. */
static void put_headers(json_writer *w, entry_text packed)
{
    const char *error = NULL;
    sw_value flat = sw_nil();
    if (packed.len > 0 && !value_unpack(&w->arena, packed.data, packed.len, &flat, &error))
        w->is_short = w->is_short || error == value_no_memory;
    json_open_array(w, "headers");
    for (size_t i = 0; i + 1 < sw_len(flat); i += 2) {
        sw_value name = sw_at(flat, i);
        json_open_map(w, NULL);
        json_put_value(w, "name", name);
        if (header_is_hidden(w, name))
            json_put_text(w, "value", REDACTED);
        else
            json_put_value(w, "value", sw_at(flat, i + 1));
        json_close_map(w);
    }
    json_close_array(w);
}

/* What a function was given, shown and hidden as the body of a request is. */
static void put_input(json_writer *w, const entry *started)
{
    size_t bytes = function_input_find(started).len, hidden = 0;
    const char *error = NULL;
    sw_value v;
    if (bytes > BODY_SHOWN_MAX) {
        json_put_int(w, "inputLeftOut", (int64_t)bytes);
        return;
    }
    bool is_read = function_input_read(&w->arena, started, &v, &error);
    if (is_read && redact_value_counted(w->hides, &w->arena, &v, &hidden)) {
        if (hidden > 0) json_put_bool(w, "inputRedacted", true);
        json_put_value(w, "input", v);
    } else {
        w->is_short = w->is_short || is_read || error == value_no_memory; /* else it is damaged, which the run says */
    }
}

static void put_request(const page *p)
{
    const entry *e = p->of->started;
    if (!e->kind) return;
    if (started_is_of_function(e)) {
        put_input(p->w, e);
        return;
    }
    json_open_map(p->w, "request");
    put_bytes(p->w, "method", e->method);
    entry_json_target(p->w, e->target);
    entry_json_packed(p->w, "params", e->params);
    put_headers(p->w, e->headers);
    put_body(p->w, e->body);
    json_close_map(p->w);
}

static void put_response(const page *p)
{
    if (p->journal->response_at == 0) return;
    entry e = fold_entry(p->journal, p->journal->response_at);
    json_open_map(p->w, "response");
    json_put_int(p->w, "status", e.status);
    put_headers(p->w, e.headers);
    put_body(p->w, e.body);
    json_close_map(p->w);
}

/* ---- Steps ---- */

static void put_attempt(json_writer *w, const entry *e)
{
    json_open_map(w, NULL);
    json_put_int(w, "attempt", e->attempt);
    json_put_int(w, "at", e->at_ms - e->duration_ms);
    json_put_int(w, "durationMs", e->duration_ms);
    if (e->kind == ENTRY_ABANDONED) json_put_bool(w, "abandoned", true);
    if (e->kind == ENTRY_STEP_FAILED) put_said(w, "error", e->error);
    if (e->kind == ENTRY_STEP_FAILED && e->due_ms > 0) json_put_int(w, "retryAt", e->due_ms);
    entry_json_calls(w, e->calls);
    json_close_map(w);
}

/* What the step was given: as its strand has it, else as the last attempt has it whose entry tells. Code that has been
 * changed may give the step something else than the attempts had that have ended. */
static void put_step_input(const page *p, const fold_step *s, const survey_strand *now)
{
    entry given = {.kind = ENTRY_STEP_DONE};
    if (now) given = (entry){.kind = ENTRY_STEP_DONE, .input = now->input, .input_bytes = now->input_left_out};
    bool is_known = now && now->input.len > 0;
    for (const fold_attempt *a = s->first; a && !is_known; a = a->next) {
        entry e = fold_entry(p->journal, a->at);
        if (now && e.input_hash != now->input_hash) continue;
        bool is_read = attempt_input_find(&p->w->arena, e.calls, &e.input, &e.input_bytes);
        p->w->is_short = p->w->is_short || !is_read;
        if (e.kind == ENTRY_STEP_DONE || e.input.len > 0 || e.input_bytes > 0) given = e;
    }
    given.calls = entry_text_of("");
    entry_json_input(p->w, &given);
}

/* The attempts that have ended, the input, and the result, if there is one. */
static void put_attempts(const page *p, const fold_step *s, const survey_strand *now)
{
    json_writer *w = p->w;
    json_open_array(w, "attempts");
    for (const fold_attempt *a = s->first; a; a = a->next) {
        entry e = fold_entry(p->journal, a->at);
        put_attempt(w, &e);
    }
    json_close_array(w);
    put_step_input(p, s, now);
    if (s->state == FOLD_DONE && s->last) entry_json_packed(w, "value", fold_entry(p->journal, s->last->at).value);
}

/* What a wait has got, and from whom. */
static void put_signal(const page *p, const fold_step *s)
{
    entry e = fold_entry(p->journal, s->signal_at);
    entry_json_packed(p->w, "value", e.value);
    put_bytes(p->w, "by", e.by);
}

/* What a call was given, and what came of it. */
static void put_call(const page *p, const fold_step *s)
{
    entry e = fold_entry(p->journal, s->called_at);
    entry_json_packed(p->w, "input", e.input);
    if (e.detached) json_put_bool(p->w, "detached", true);
    if (s->returned_at == 0) return;
    e = fold_entry(p->journal, s->returned_at);
    entry_json_packed(p->w, "value", e.value);
    if (e.error.len > 0) put_said(p->w, "error", e.error);
}

/* A signal to another run. */
static void put_sent(const page *p, const fold_step *s)
{
    entry e = fold_entry(p->journal, s->sent_at);
    json_open_map(p->w, "sent");
    put_bytes(p->w, "to", e.target);
    put_bytes(p->w, "signal", e.signal);
    json_put_bool(p->w, "found", e.answer);
    json_close_map(p->w);
    entry_json_packed(p->w, "value", e.value);
}

static void put_now(json_writer *w, const survey_strand *now)
{
    json_open_map(w, "now");
    json_put_int(w, "attempt", now->attempt);
    json_put_int(w, "since", now->since_ms);
    json_open_array(w, "calls");
    for (const survey_call *c = now->calls; c; c = c->next) {
        json_open_map(w, NULL);
        put_bytes(w, "method", c->method);
        put_bytes(w, "host", c->host);
        json_put_int(w, "since", c->since_ms);
        json_close_map(w);
    }
    json_close_array(w);
    json_close_map(w);
}

/* Whether the time is over that the step or sleep waits for, by the journal alone where that tells: the wall clock may
 * have been set since. */
static bool wait_is_over(const page *p, const fold_step *s, const survey_strand *now)
{
    if (p->of->ended_ms > 0) return s->due_ms <= p->of->ended_ms + CLOCK_SET_MS; /* its times are so much off */
    bool has_time = p->parked && p->parked->due_ms > 0;
    if (has_time) return s->due_ms < p->parked->due_ms; /* else it would have been parked for this one */
    if (now && now->due_ms > 0) return false;
    return s->due_ms <= clock_wall_ms();
}

/* Whether the step's next attempt is never made: a group has given up the member that waited for it. */
static bool step_is_abandoned(const page *p, const fold_step *s, const survey_strand *now)
{
    bool has_strands = p->of->now && p->of->now->strands;
    return s->state == FOLD_RETRYING && !now && (p->parked || has_strands) && wait_is_over(p, s, now);
}

static const char *step_state(const page *p, const fold_step *s, const survey_strand *now)
{
    bool sleeps = s->state == FOLD_SLEEPING;
    if (s->state == FOLD_DONE || (sleeps && wait_is_over(p, s, now))) return "done";
    if (s->state == FOLD_FAILED) return "failed";
    if (s->state == FOLD_TIMED_OUT) return "timed out";
    if (s->state == FOLD_CUT) return "cut";
    if (!p->of->is_live || step_is_abandoned(p, s, now)) return "cut";
    if (now && now->since_ms > 0) return "running";
    if (sleeps) return "sleeping";
    return s->state == FOLD_RETRYING && !(now && now->wait != SURVEY_RETRY) ? "retrying" : "waiting";
}

/* Of a step of whose first attempt only chunks are journaled the journal has the label alone: whoever works for the
 * step knows its id and branch. */
static void put_name(json_writer *w, const fold_step *s, const survey_strand *now)
{
    bool has_label_alone = s->branch == 0 && now && now->branch != 0;
    put_path(w, "path", s->path);
    put_bytes(w, "id", has_label_alone ? entry_text_of(now->id) : s->id);
    json_put_int(w, "occurrence", has_label_alone ? now->occurrence : s->occurrence);
    if (s->branch || has_label_alone) put_path(w, "branch", s->branch ? s->branch : now->branch);
    if (s->is_sleep) json_put_bool(w, "sleep", true);
    if (s->signal.len > 0) put_bytes(w, "signal", s->signal);
    if (s->function.len > 0) put_bytes(w, "function", s->function);
    entry_json_child(w, s->child);
}

static void put_times(json_writer *w, const fold_step *s, const char *state)
{
    bool is_over = s->ended_ms > 0 && (strcmp(state, "done") == 0 || strcmp(state, "failed") == 0 ||
                                       s->state == FOLD_TIMED_OUT || s->state == FOLD_CUT);
    if (s->begun_ms > 0) json_put_int(w, "begunAt", s->begun_ms);
    if (is_over) json_put_int(w, "endedAt", s->ended_ms);
    if (is_over && s->begun_ms > 0)
        json_put_int(w, "durationMs", s->ended_ms > s->begun_ms ? s->ended_ms - s->begun_ms : 0);
    if (s->due_ms > 0) json_put_int(w, "due", s->due_ms);
}

/* What becomes of the step when the run, which stands still or has not succeeded, is released or resumed. */
static void put_again(const page *p, const fold_step *s)
{
    bool stands = p->of->is_live && p->of->stop != STOP_NONE;
    bool is_over = p->journal->ended.kind && p->journal->ended.status != ENTRY_SUCCEEDED;
    fold_again again = stands || is_over ? fold_step_again(p->journal, s) : FOLD_STAYS;
    if (again != FOLD_STAYS) json_put_text(p->w, "again", again == FOLD_ANEW ? "anew" : "next");
}

static void put_step(const page *p, const fold_step *s)
{
    json_writer *w = p->w;
    const survey_strand *now = strands_find(&p->strands, s->path);
    const char *state = step_state(p, s, now);
    json_open_map(w, NULL);
    put_name(w, s, now);
    json_put_text(w, "state", state);
    put_times(w, s, state);
    bool is_step = !s->is_sleep && s->signal.len == 0 && s->function.len == 0 && s->sent_at == 0;
    if (is_step) put_attempts(p, s, now);
    if (s->function.len > 0) put_call(p, s);
    if (s->sent_at > 0) put_sent(p, s);
    if (s->signal_at > 0) put_signal(p, s);
    if (s->chunks) json_put_int(w, "chunks", s->chunks);
    if (s->crashes) json_put_int(w, "crashes", s->crashes);
    if (s->differs) json_put_int(w, "inputsDiffered", s->differs);
    if (now && now->since_ms > 0) put_now(w, now);
    put_again(p, s);
    json_close_map(w);
}

/* A step of which the journal has nothing yet. */
static void put_new_step(const page *p, const survey_strand *now)
{
    const fold_step step = {.path = now->path,
                            .id = entry_text_of(now->id),
                            .occurrence = now->occurrence,
                            .branch = now->branch,
                            .begun_ms = now->since_ms};
    put_step(p, &step);
}

static void put_steps(const page *p)
{
    json_open_array(p->w, "steps");
    for (const fold_step *s = p->journal->steps; s; s = s->next) {
        json_put_newline(p->w);
        put_step(p, s);
    }
    for (const survey_strand *now = p->of->now ? p->of->now->strands : NULL; now; now = now->next)
        if (now->id && now->attempt > 0 && !fold_find(p->journal, now->path)) put_new_step(p, now);
    json_close_array(p->w);
}

static void put_branches(const page *p)
{
    json_open_array(p->w, "branches");
    for (const fold_branch *b = p->journal->branches; b; b = b->next) {
        json_open_map(p->w, NULL);
        put_path(p->w, "path", b->path);
        put_path(p->w, "parent", b->parent);
        put_bytes(p->w, "id", b->id);
        json_put_int(p->w, "occurrence", b->occurrence);
        json_close_map(p->w);
    }
    json_close_array(p->w);
}

void detail_json_put(json_writer *w, const detail *d)
{
    fold journal;
    fold_read(&journal, &w->arena, d->data, d->len);
    page p = {.w = w, .of = d, .journal = &journal, .parked = d->now ? why_parked_step(d->now, &journal) : NULL};
    if (!strands_sort(&p.strands, d->now, &w->arena)) w->is_short = true;
    put_why(&p);
    put_request(&p);
    put_response(&p);
    put_steps(&p);
    put_branches(&p);
    if (journal.chunks) json_put_int(w, "chunks", journal.chunks);
    if (d->now && d->now->signals > 0) json_put_int(w, "signalsKept", (int64_t)d->now->signals);
    w->is_short = w->is_short || journal.is_short || (d->now && d->now->is_short);
}
