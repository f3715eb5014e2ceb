#include "runtime/api/call_function.h"

#include <assert.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "runtime/base/value.h"
#include "runtime/probe/probe.h"
#include "runtime/run/calling.h"
#include "runtime/run/ctx.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/fit.h"
#include "runtime/run/gate.h"
#include "runtime/run/home.h"
#include "runtime/run/mailbox.h"
#include "runtime/run/omit.h"
#include "runtime/run/path.h"
#include "runtime/run/program.h"
#include "runtime/run/recall.h"
#include "runtime/run/record.h"
#include "runtime/run/replay_log.h"
#include "runtime/run/returning.h"
#include "runtime/run/strand.h"

/* ---- What is asked for ---- */

static void call_check(sw_ctx *c, const call_asked *asked)
{
    const char *id = asked->id;
    ctx_check_wait(c, asked->called);
    (void)step_check_id(c, "a call", id);
    if (!c->run)
        ctx_fail_misuse(c, "%s \"%s\" in a plain route: runs call functions (sw_endpoint, sw_function)", asked->called,
                        id);
    if (c->kind == CTX_STEP)
        ctx_fail_misuse(c, "%s \"%s\" inside step \"%s\": call before or after the step", asked->called, id, c->id);
    if (c->task->endpoint->options.durability == SW_RELAXED)
        ctx_fail_misuse(
            c,
            "%s \"%s\" in an endpoint with SW_RELAXED, whose answer may leave before the call is journaled: "
            "use SW_SYNCED",
            asked->called, id);
}

/* The names of the program's functions, as many as fit; "none" if it has none. */
static const char *function_names(const sw_app *app, char *text, size_t size)
{
    size_t len = 0;
    for (size_t i = 0; i < app->endpoint_count; i++) {
        const endpoint *e = app->endpoints[i];
        size_t name = e->function ? strlen(e->route) : 0;
        if (name == 0) continue;
        if (len + name + sizeof ", ..." > size) {
            memcpy(text + len, ", ...", sizeof ", ...");
            return text;
        }
        if (len > 0) len = (size_t)(stpcpy(text + len, ", ") - text);
        len = (size_t)(stpcpy(text + len, e->route) - text);
    }
    return len > 0 ? text : "none";
}

/* A call that was made before needs no function any more. NULL: there is none. */
static const endpoint *call_find_function(sw_ctx *c, const call_asked *asked, bool was_made)
{
    char names[512];
    const sw_app *app = c->task->home->app;
    if (!asked->function) ctx_fail_misuse(c, "%s \"%s\" without the name of a function", asked->called, asked->id);
    const endpoint *e = app_endpoint(app, asked->function, strlen(asked->function));
    if (e && !e->function) e = NULL;
    if (!e && !was_made)
        ctx_fail_misuse(c, "%s \"%s\": the program has no function \"%.128s\" (sw_function); it has: %s", asked->called,
                        asked->id, asked->function, function_names(app, names, sizeof names));
    return e;
}

static void call_check_limits(sw_ctx *c, const call_asked *asked)
{
    run *r = c->run;
    const sw_options *opt = r->task.home->opt;
    if (r->call_count > (uint32_t)opt->children_max)
        ctx_fail_misuse(c, "%s \"%s\" is one more than the %lld functions a run may call (--children-max)",
                        asked->called, asked->id, (long long)opt->children_max);
    if (r->caller.depth >= (uint32_t)opt->call_depth_max)
        ctx_fail_misuse(c,
                        "%s \"%s\" of \"%s\": this run is the last of %lld that have called one another, and more may "
                        "not be (--call-depth-max): do functions call each other in a circle?",
                        asked->called, asked->id, asked->function, (long long)opt->call_depth_max);
}

enum { CALLS_AT_ONCE = 256 };

/* Whoever calls thousands of functions waits now and then until they are on disk, so that others get their turn and
 * the commit does not grow without a bound. */
static void call_wait_room(sw_ctx *c)
{
    bool goes_on = c->run->calling_count < CALLS_AT_ONCE || record_wait(c->strand, c->run->seq_next);
    if (!goes_on || !gate_wait_room(c->strand)) ctx_raise_interrupt(c);
}

/* What the function leaves out of its inputs neither of the two journals gets. */
static sw_value call_input(sw_ctx *c, const endpoint *e, sw_value input)
{
    run_input kept = {.value = &input, .method = {"", 0}, .target = {"", 0}, .body = {"", 0}};
    if (!e || !e->omits) return input;
    if (omit_take_out(e, &c->task->arena, &kept) != OMIT_DONE) ctx_fail_memory(c);
    return *kept.value;
}

function_call function_call_prepare(sw_ctx *c, const call_asked *asked, sw_value input)
{
    call_check(c, asked);
    function_call q = {.branch_label = c->label};
    const char *id = arena_strndup(&c->task->arena, asked->id, strlen(asked->id));
    if (!id) ctx_fail_memory(c);
    if (asked->options) q.options = *asked->options;
    q.named = (entry){.id = entry_text_of(id), .branch = c->path};
    q.named.path = path_next(c, PATH_STEP, id, &q.named.occurrence);
    if (probe_on) probe_call_asked(c, id, q.named.path, input);
    const replay_record *rec = fit_find(c->run, q.named.path);
    if (c->pending_lines) replay_log_pass(c, rec != NULL);
    bool was_made = rec && !rec->is_gone, is_answered = was_made && (rec->done || rec->failed);
    c->run->call_count++;
    if (!was_made) call_check_limits(c, asked); /* the limits may have been higher when it was made */
    q.function = call_find_function(c, asked, was_made);
    q.input = call_input(c, q.function, input);
    if (probe_on && asked->is_member) probe_member(c->run, q.named.path);
    if (probe_on && !asked->is_member && !is_answered) probe_hold_call(c, id, q.named.path);
    if (!was_made) call_wait_room(c);
    return q;
}

/* ---- What becomes of it ---- */

static step_outcome call_lose(run *r, failure *why)
{
    run_lose_for_memory(r);
    *why = failure_unwind;
    return STEP_UNWOUND;
}

static failure call_failure(const function_call *q, const char *message)
{
    return (failure){
        .kind = FAILURE_FATAL, .message = message, .step = q->named.id.data, .attempts = 1, .retry_after_ms = -1};
}

static step_outcome call_fail(run *r, const function_call *q, entry_text error, failure *why)
{
    const char *text = arena_strndup(&r->task.arena, error.data ? error.data : "", error.len);
    if (!text) return call_lose(r, why);
    *why = call_failure(q, text);
    why->path = path_label(r, q->branch_label, q->named.id.data, q->named.occurrence);
    why->causes = arena_memdup(&r->task.arena, &q->named.path, sizeof q->named.path);
    why->cause_count = 1;
    return why->causes ? STEP_FAILED : call_lose(r, why);
}

static step_outcome call_succeed(run *r, const function_call *q, entry_text value, sw_value *out, failure *why)
{
    const char *error = NULL;
    if (value_unpack(&r->task.arena, value.data, value.len, out, &error)) return STEP_OK;
    if (error == value_no_memory) return call_lose(r, why);
    *why = call_failure(q, error);
    return STEP_FAILED;
}

/* What a call gives that nobody waits for: {"run": id}. */
static step_outcome call_detach(run *r, const function_call *q, sw_value *out, failure *why)
{
    run_id child;
    char *id = arena_alloc(&r->task.arena, RUN_ID_TEXT + 1);
    msgpack_object_kv *pair = arena_zalloc(&r->task.arena, sizeof *pair);
    if (!id || !pair) return call_lose(r, why);
    memcpy(child.bytes, q->child, sizeof child.bytes);
    run_id_format(&child, id);
    pair->key.type = pair->val.type = MSGPACK_OBJECT_STR;
    pair->key.via.str.ptr = "run";
    pair->key.via.str.size = 3;
    pair->val.via.str.ptr = id;
    pair->val.via.str.size = RUN_ID_TEXT;
    *out = (sw_value){.type = MSGPACK_OBJECT_MAP};
    out->via.map.ptr = pair;
    out->via.map.size = 1;
    return STEP_OK;
}

/* False: no memory. */
static bool call_note_child(run *r, function_call *q)
{
    run_child *c = arena_zalloc(&r->task.arena, sizeof *c);
    if (!c) return false;
    memcpy(c->id.bytes, q->child, sizeof q->child);
    c->next = r->children;
    r->children = q->under_way = c;
    return true;
}

/* The call has its result: the child is not to be cancelled when the run ends. */
static void call_note_return(run *r, const function_call *q)
{
    replay_record *rec = q->under_way ? NULL : fit_find(r, q->named.path);
    if (q->under_way) q->under_way->has_returned = true;
    if (rec) rec->done = true;
}

/* Has the child begin, in this commit. */
static step_outcome call_make(run *r, function_call *q, uint32_t generation, sw_value *out, failure *why)
{
    run_id child, given;
    q->named.began = r->seq_next;
    const bool is_given = probe_on && probe_child_id(r, q->named.path, generation, &given);
    const call_plan plan = {.function = q->function,
                            .named = q->named,
                            .input = q->input,
                            .child = is_given ? &given : NULL,
                            .generation = generation,
                            .begins_ms = q->options.at_ms > 0 ? q->options.at_ms : 0,
                            .timeout_ms = q->options.timeout_ms,
                            .detached = q->options.detached};
    switch (calling_begin(r, &plan, &child)) {
    case CALLING_DONE:
        break;
    case CALLING_OVER_STATE:
        *why = call_failure(q, "the run's state is over its limit (--run-state-max)");
        return STEP_FAILED;
    case CALLING_TOO_LARGE:
        *why = call_failure(q, "the input is too large for the memory that a run may have (--run-state-max)");
        return STEP_FAILED;
    case CALLING_LOST:
        *why = failure_unwind;
        return STEP_UNWOUND;
    }
    q->number = r->seq_next;
    if (probe_on) probe_child(r, q->named.path, generation, &child);
    memcpy(q->child, child.bytes, sizeof q->child);
    if (q->options.detached) return call_detach(r, q, out, why);
    return call_note_child(r, q) ? STEP_OPEN : call_lose(r, why);
}

static step_outcome call_answer(run *r, function_call *q, const replay_record *rec, sw_value *out, failure *why)
{
    q->named.began = rec->began;
    q->number = rec->number;
    if (rec->child.len == sizeof q->child) memcpy(q->child, rec->child.data, sizeof q->child);
    if (rec->detached) return call_detach(r, q, out, why);
    if (rec->done) return call_succeed(r, q, rec->value, out, why);
    return rec->failed ? call_fail(r, q, rec->error, why) : STEP_OPEN;
}

/* The run that was called is gone, or is of the run that this one is a fork of: another one begins. */
static step_outcome call_make_again(run *r, function_call *q, sw_value *out, failure *why)
{
    replay_record *rec = fit_find(r, q->named.path);
    if (!q->function) {
        *why = call_failure(q, "the run that it had called is gone, and the program has its function no more");
        return STEP_FAILED;
    }
    if (rec) rec->is_gone = true;
    return call_make(r, q, rec ? rec->attempts + 1 : 1, out, why);
}

/* Whether the call has no result, and the run that was called will return to another one. */
static bool call_is_anothers(const run *r, const replay_record *rec)
{
    run_id child;
    return !rec->done && !rec->failed && !rec->is_recalled && !calling_is_own(&r->id, rec, &child);
}

step_outcome function_call_begin(run *r, function_call *q, sw_value *out, failure *why)
{
    const replay_record *rec = fit_find(r, q->named.path);
    if (rec && !fit_is(rec, ENTRY_CALLED, q->named.id.data, q->named.occurrence)) {
        *why = fit_misfit(r, rec, "call", q->named.id.data);
        return why->kind == FAILURE_UNWIND ? STEP_UNWOUND : STEP_FAILED;
    }
    bool is_made_again = BUG(CHILD_AGAIN) && rec && !rec->done && !rec->failed && !rec->detached;
    bool is_made = rec && !rec->is_gone && !is_made_again && !call_is_anothers(r, rec);
    if (is_made) return call_answer(r, q, rec, out, why);
    if (fit_has_lost(r, q->named.path)) return STEP_OPEN; /* it was made, and there is no such run any more */
    if (strand_has_lost(r)) {                             /* another member of a group around it has won */
        *why = failure_unwind;
        return STEP_UNWOUND;
    }
    return rec ? call_make_again(r, q, out, why) : call_make(r, q, 0, out, why);
}

/* The letter is here: *returned* is appended, with whose commit the letter's row goes. */
static step_outcome call_take(run *r, function_call *q, mail_letter *m, sw_value *out, failure *why)
{
    returned what;
    bool is_short = false;
    if (!returned_read(&r->task.arena, m->value, &what, &is_short)) {
        if (is_short) return call_lose(r, why);
        what.error = entry_text_of("what it returned cannot be read, or is more than --run-state-max allows");
    }
    if (what.is_gone) { /* the letter's row goes with the other's beginning */
        mailbox_take(r, m);
        return call_make_again(r, q, out, why);
    }
    entry e = q->named;
    e.kind = ENTRY_RETURNED;
    e.at_ms = clock_wall_ms();
    e.child = (entry_text){(const char *)q->child, sizeof q->child};
    e.status = (int)what.outcome;
    e.value = what.value;
    e.error = what.error;
    if (!record_append(r, &e)) {
        *why = call_failure(q, "the run's state is over its limit (--run-state-max)");
        return STEP_FAILED;
    }
    if (run_has_lost(r)) {
        *why = failure_unwind;
        return STEP_UNWOUND;
    }
    mailbox_take(r, m);
    call_note_return(r, q);
    return what.outcome == ENTRY_SUCCEEDED ? call_succeed(r, q, what.value, out, why)
                                           : call_fail(r, q, what.error, why);
}

static mailbox_look call_find_return(run *r, const function_call *q, mail_letter **found)
{
    return mailbox_find_return(r, q->number, (entry_text){(const char *)q->child, sizeof q->child}, found);
}

step_outcome function_call_look(run *r, function_call *q, bool *is_coming, sw_value *out, failure *why)
{
    mail_letter *m = NULL;
    const home *h = r->task.home;
    assert(q->number > 0);
    mailbox_look look = call_find_return(r, q, &m);
    *is_coming = look == MAILBOX_COMING;
    q->needs_room = look == MAILBOX_HAS && gate_writable(h) && gate_full(h); /* it is to be an entry */
    return look == MAILBOX_HAS && !q->needs_room ? call_take(r, q, m, out, why) : STEP_OPEN;
}

static bool call_is_recalled(run *r, const function_call *q)
{
    const replay_record *rec = q->under_way ? NULL : fit_find(r, q->named.path);
    return q->under_way ? q->under_way->is_recalled : !rec || rec->is_recalled;
}

static void call_note_recall(run *r, const function_call *q)
{
    replay_record *rec = q->under_way ? NULL : fit_find(r, q->named.path);
    if (q->under_way) q->under_way->is_recalled = true;
    if (rec) rec->is_recalled = true;
}

void function_call_withdraw(run *r, const function_call *q)
{
    run_id child;
    assert(!q->under_way || !q->under_way->has_returned); /* a call with a result is decided, and loses nothing */
    if (q->number == 0 || !run_may_go_on(r) || call_is_recalled(r, q)) return;
    entry e = q->named;
    e.kind = ENTRY_ABANDONED;
    e.at_ms = clock_wall_ms();
    memcpy(child.bytes, q->child, sizeof child.bytes);
    if (recall_loser(r, &child) && record_append(r, &e))
        call_note_recall(r, q);
    else
        run_lose_for_memory(r);
}

/* ---- One call ---- */

/* Suspends until the child may have returned. False: the run leaves memory. */
static bool call_wait(strand *s, const function_call *q, bool is_coming)
{
    static const clock_wait no_timeout = {.due_ms = 0};
    s->work.sleep_id = q->named.id.data;
    s->work.sleep_path = q->named.path;
    s->work.awaits_calls = 1;
    s->work.returns_due = s->run->returns + 1;
    bool goes_on = is_coming ? strand_await_letters(s, &no_timeout) : strand_await_return(s);
    s->work.sleep_id = NULL;
    s->work.awaits_calls = 0;
    return goes_on;
}

static step_outcome call_execute(sw_ctx *c, function_call *q, sw_value *out, failure *why)
{
    strand *s = c->strand;
    run *r = c->run;
    bool is_coming = false, goes_on = run_may_go_on(r);
    step_outcome outcome = goes_on ? function_call_begin(r, q, out, why) : STEP_OPEN;
    while (outcome == STEP_OPEN) {
        if (!strand_may_begin(s)) s->interrupt = INTERRUPT_UNWIND;
        goes_on = goes_on && s->interrupt == INTERRUPT_NONE;
        if (!goes_on && s->is_abandoned) function_call_withdraw(r, q);
        if (!goes_on) ctx_raise_interrupt(c);
        outcome = function_call_look(r, q, &is_coming, out, why);
        if (outcome == STEP_OPEN) goes_on = q->needs_room ? gate_wait_room(s) : call_wait(s, q, is_coming);
    }
    if (outcome == STEP_UNWOUND) ctx_raise(c, failure_unwind);
    return outcome;
}

sw_value sw_call_with(sw_ctx *c, const char *id, const char *function, sw_value input, const sw_call_options *options)
{
    sw_value out = sw_nil();
    failure why = {.kind = FAILURE_NONE};
    function_call q = function_call_prepare(c, &(call_asked){"sw_call", id, function, options, false}, input);
    if (call_execute(c, &q, &out, &why) == STEP_FAILED) ctx_raise(c, why);
    return out;
}

sw_value sw_call(sw_ctx *c, const char *id, const char *function, sw_value input)
{
    return sw_call_with(c, id, function, input, NULL);
}

bool sw_try_call_with(sw_ctx *c, const char *id, const char *function, sw_value input, const sw_call_options *options,
                      sw_value *out, sw_error *err)
{
    sw_value value = sw_nil();
    failure why = {.kind = FAILURE_NONE};
    function_call q = function_call_prepare(c, &(call_asked){"sw_try_call", id, function, options, false}, input);
    step_outcome outcome = call_execute(c, &q, &value, &why);
    if (out) *out = value;
    if (outcome == STEP_OK) return true;
    if (err) *err = failure_error(&why);
    return false;
}

bool sw_try_call(sw_ctx *c, const char *id, const char *function, sw_value input, sw_value *out, sw_error *err)
{
    return sw_try_call_with(c, id, function, input, NULL, out, err);
}
