/* How a run waits for what somebody outside sends it: the wait is an entry of the run, and so is what becomes of it:
 *
 *     asked for --*wait*--> open --a letter of the name is on disk--> *signal*, *taken*
 *                             \--its time is over, and there is none--> *timed out*
 *
 * Both ends are choices: on disk before an attempt that follows begins. A letter on its way to the disk is waited for,
 * so that of a signal and a timeout that come together the one that is on disk first counts. */
#include "runtime/api/wait.h"

#include <assert.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "runtime/api/step.h"
#include "runtime/base/moment.h"
#include "runtime/base/value.h"
#include "runtime/probe/probe.h"
#include "runtime/run/ctx.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/fit.h"
#include "runtime/run/home.h"
#include "runtime/run/mailbox.h"
#include "runtime/run/path.h"
#include "runtime/run/question.h"
#include "runtime/run/record.h"
#include "runtime/run/replay_log.h"
#include "runtime/run/run_span.h"
#include "runtime/run/strand.h"

/* ---- What is asked for ---- */

void wait_check(sw_ctx *c, const wait_call *call)
{
    const char *of = call->function, *id = call->id;
    const sw_wait *asked = call->asked;
    ctx_check_wait(c, of);
    (void)step_check_id(c, "a wait", id);
    if (!c->run) ctx_fail_misuse(c, "%s \"%s\" in a plain route: signals are sent to runs (sw_endpoint)", of, id);
    if (c->kind == CTX_STEP)
        ctx_fail_misuse(c, "%s \"%s\" inside step \"%s\": wait before the step, and give it the signal as input", of,
                        id, c->id);
    if (c->task->endpoint->options.durability == SW_RELAXED)
        ctx_fail_misuse(c,
                        "%s \"%s\" in an endpoint with SW_RELAXED, whose answer may leave before the signal is "
                        "journaled: use SW_SYNCED",
                        of, id);
    if (!asked || !asked->signal) ctx_fail_misuse(c, "%s \"%s\" without the name of a signal", of, id);
    if (!mail_name_fits(asked->signal, strlen(asked->signal)))
        ctx_fail_misuse(c, "%s \"%s\": a signal's name is 1 to %d bytes of UTF-8 without control characters", of, id,
                        MAIL_NAME_MAX);
    if (asked->timeout_ms != 0 && asked->until_ms != 0)
        ctx_fail_misuse(c, "%s \"%s\" with timeout_ms and until_ms: give it one of them", of, id);
}

/* A due_ms of 0 stands for no timeout: a point in time that is over is one millisecond after it. */
static clock_wait wait_until(const sw_wait *asked, const clock_instant *now)
{
    if (asked->timeout_ms != 0) return clock_wait_for(now, asked->timeout_ms);
    if (asked->until_ms != 0) return clock_wait_until(asked->until_ms > 0 ? asked->until_ms : 1);
    return (clock_wait){.due_ms = 0};
}

static void wait_append(const waiting *w, const entry *e)
{
    if (!record_append(w->c->run, e)) ctx_fail_misuse(w->c, "the run's state is over its limit (--run-state-max)");
}

/* An entry of the wait. */
static entry wait_entry(const waiting *w, entry_kind kind, int64_t at_ms)
{
    return (entry){.kind = kind,
                   .path = w->open.path,
                   .id = entry_text_of(w->open.id),
                   .occurrence = w->occurrence,
                   .branch = w->c->path,
                   .began = w->began,
                   .question = w->open.question,
                   .at_ms = at_ms};
}

static bool wait_is_decided(const replay_record *rec) { return (rec->done || rec->failed) && !BUG(CHOOSE_AGAIN); }

/* A wait may begin before another branch asks the question that it belongs to. */
static void wait_find_question(waiting *w)
{
    if (w->open.question) return;
    w->open.question = question_of_wait(w->c->run, w->c->path, entry_text_of(w->open.signal));
    question_wait_begins(w->c->run, w->open.question);
}

static void wait_append_begun(waiting *w, const sw_wait *asked, const clock_instant *now)
{
    ctx_check_begin(w->c);
    w->began = w->c->run->seq_next;
    w->open.until = wait_until(asked, now);
    wait_find_question(w);
    w->at_ms = now->wall_ms;
    entry begun = wait_entry(w, ENTRY_WAIT, now->wall_ms);
    begun.epoch = now->epoch;
    begun.due_ms = w->open.until.due_ms;
    begun.absolute = w->open.until.absolute;
    begun.signal = entry_text_of(w->open.signal);
    wait_append(w, &begun);
}

static void wait_take_record(waiting *w, const replay_record *rec)
{
    w->began = rec->began;
    w->at_ms = rec->wait.at_ms;
    w->is_earlier = w->has_waited = true;
    w->open.question = rec->question;
    question_wait_begins(w->c->run, w->open.question);
    if (rec->wait.due_ms > 0) w->open.until = clock_wait_of(&w->c->run->task.home->clock, &rec->wait);
}

static sw_value wait_unpack(sw_ctx *c, entry_text packed)
{
    sw_value v = sw_nil();
    const char *error = NULL;
    bool is_read = value_unpack(&c->run->task.arena, packed.data, packed.len, &v, &error);
    if (!is_read && error == value_no_memory) ctx_fail_memory(c);
    if (!is_read) ctx_fail_misuse(c, "a signal's value: %s", error);
    return v;
}

wait_state wait_begin(waiting *w, const wait_call *call, sw_value *out)
{
    sw_ctx *c = w->c;
    run *r = c->run;
    const char *id = call->id;
    clock_instant now = clock_now(&r->task.home->clock);
    step_count_one(c, "wait", id);
    w->open.id = id;
    w->open.signal = call->asked->signal;
    w->open.path = path_next(c, PATH_STEP, id, &w->occurrence);
    if (probe_on) probe_wait(c, id, w->open.path);
    if (probe_on && call->is_member) probe_member(c->run, w->open.path);
    replay_record *rec = fit_find(r, w->open.path);
    if (c->pending_lines) replay_log_pass(c, rec != NULL);
    if (rec && !fit_is(rec, ENTRY_WAIT, id, w->occurrence)) ctx_raise(c, fit_misfit(r, rec, "wait", id));
    bool is_decided = rec && wait_is_decided(rec);
    if (probe_on && !call->is_member && !is_decided) probe_hold_wait(c, id, w->open.path);
    if (rec && !fit_begins_anew(rec, call->is_member))
        wait_take_record(w, rec);
    else if (!call->is_member || !fit_member_has_lost(c, w->open.path))
        wait_append_begun(w, call->asked, &now);
    if (rec) rec->is_void = false; /* it has begun */
    if (!is_decided) return WAIT_OPEN;
    question_wait_ends(r, w->open.question, rec->done);
    if (rec->done) *out = wait_unpack(c, rec->value);
    return rec->done ? WAIT_TAKEN : WAIT_TIMED_OUT;
}

/* ---- What becomes of it ---- */

/* Returns the time of the entry that decides the wait: that of *wait* if it was decided at once, else a later one. By
 * this the next process knows whether the wait may have sent clients on (run_resume.c). */
static int64_t wait_end_ms(const waiting *w)
{
    int64_t now_ms = clock_wall_ms();
    if (!w->has_waited) return w->at_ms;
    return now_ms > w->at_ms ? now_ms : moment_after(w->at_ms, 1);
}

static void wait_end(const waiting *w, entry_kind kind, entry_text signal_id)
{
    entry e = wait_entry(w, kind, wait_end_ms(w));
    e.letter = signal_id;
    wait_append(w, &e);
    question_wait_ends(w->c->run, w->open.question, kind == ENTRY_TAKEN);
    const wait_span span = {
        .name = "wait", .id = w->open.id, .path = w->open.path, .from_ms = w->is_earlier ? w->at_ms : 0};
    if (kind == ENTRY_TIMED_OUT && w->is_earlier)
        wait_span_slept(w->c->run, &span, &w->open.until);
    else
        wait_span_over(w->c->run, &span);
}

/* An entry that there was no memory for is not on disk, nor are those behind it: the run is loaded again. */
static void wait_take_letter(const waiting *w, mail_letter *m, sw_value *out)
{
    run *r = w->c->run;
    entry signal = {.kind = ENTRY_SIGNAL,
                    .signal = m->name,
                    .letter = {(const char *)m->id, sizeof m->id},
                    .value = m->value,
                    .by = entry_text_of(m->by),
                    .at_ms = wait_end_ms(w)};
    *out = wait_unpack(w->c, m->value);
    wait_append(w, &signal);
    if (!run_has_lost(r) && !mailbox_note_had(r, signal.letter)) run_lose_for_memory(r);
    if (run_has_lost(r)) return;
    mailbox_take(r, m);
    wait_end(w, ENTRY_TAKEN, signal.letter);
}

/* Takes a signal that is the run's already. */
static void wait_take_unread(const waiting *w, const entry *signal, sw_value *out)
{
    *out = wait_unpack(w->c, signal->value);
    replay_take_signal(w->c->run->replay, signal);
    wait_end(w, ENTRY_TAKEN, signal->letter);
}

static bool wait_is_due(const waiting *w) { return w->open.until.due_ms > 0 && clock_left_ms(&w->open.until) <= 0; }

/* Clients that wait for the run's answer are sent on, if it may take long. */
static void wait_tell_long(waiting *w)
{
    run *r = w->c->run;
    const clock_wait *until = &w->open.until;
    bool is_long = until->due_ms == 0 || clock_left_ms(until) > r->task.home->opt->redirect_after_ms;
    if (is_long && !w->is_told) run_begin_long_wait(r);
    w->is_told = true;
}

/* Suspends until there may be something new. False: the run leaves memory. */
static bool wait_on(waiting *w, bool is_coming)
{
    strand *s = w->c->strand;
    s->work.sleep_id = w->open.id;
    s->work.sleep_path = w->open.path;
    s->work.signal = w->open.signal;
    s->work.question = w->open.question;
    w->has_waited = true;
    if (!is_coming) wait_tell_long(w);
    bool goes_on = is_coming ? strand_await_letters(s, &w->open.until) : strand_await_signal(s, &w->open.until);
    s->work.sleep_id = NULL;
    s->work.signal = NULL;
    s->work.question = 0;
    return goes_on;
}

/* The first signal for it that is the run's already; NULL: there is none. */
static const entry *wait_find_unread(const waiting *w)
{
    const run *r = w->c->run;
    const entry_text name = entry_text_of(w->open.signal);
    const entry *e = r->replay ? replay_unread_signal(r->replay, name, NULL) : NULL;
    while (e && e->letter.len == ENTRY_LETTER_BYTES && !question_takes(r, w->open.question, e->letter.data))
        e = replay_unread_signal(r->replay, name, e);
    return e;
}

wait_state wait_decide(waiting *w, bool *is_coming, sw_value *out)
{
    run *r = w->c->run;
    wait_find_question(w);
    const entry *unread = wait_find_unread(w);
    mail_letter *first = NULL;
    const mailbox_wanted wanted = {entry_text_of(w->open.signal), w->open.question};
    mailbox_look look = unread ? MAILBOX_EMPTY : mailbox_find(r, &wanted, &first);
    bool is_first = BUG(TIMEOUT_FIRST) && wait_is_due(w);
    *is_coming = look == MAILBOX_COMING;
    if (unread && !is_first) {
        wait_take_unread(w, unread, out);
        return WAIT_TAKEN;
    }
    if (look == MAILBOX_HAS && !is_first) {
        wait_take_letter(w, first, out);
        return WAIT_TAKEN;
    }
    if (*is_coming || look == MAILBOX_LOST || !wait_is_due(w)) return WAIT_OPEN;
    *is_coming = probe_on && probe_signals_come(r);
    if (*is_coming) return WAIT_OPEN;
    look = mailbox_look_anew(r, clock_left_ms(&w->open.until));
    *is_coming = look == MAILBOX_COMING;
    if (look != MAILBOX_EMPTY) return WAIT_OPEN;
    wait_end(w, ENTRY_TIMED_OUT, (entry_text){NULL, 0});
    return WAIT_TIMED_OUT;
}

void wait_withdraw(const waiting *w) { question_wait_ends(w->c->run, w->open.question, false); }

/* Waits until the wait is decided. True: *out is the signal. */
static bool wait_through(waiting *w, sw_value *out)
{
    strand *s = w->c->strand;
    wait_state state = WAIT_OPEN;
    bool is_coming = false, goes_on = true;
    while (goes_on && state == WAIT_OPEN) {
        if (!strand_may_begin(s)) s->interrupt = INTERRUPT_UNWIND;
        goes_on = s->interrupt == INTERRUPT_NONE;
        if (goes_on) state = wait_decide(w, &is_coming, out);
        if (goes_on && state == WAIT_OPEN) goes_on = wait_on(w, is_coming);
    }
    if (!goes_on && s->is_abandoned) wait_withdraw(w);
    if (!goes_on) ctx_raise_interrupt(w->c);
    return state == WAIT_TAKEN;
}

bool sw_wait_for(sw_ctx *c, const char *id, const sw_wait *asked, sw_value *out)
{
    const wait_call call = {"sw_wait_for", id, asked, false};
    sw_value value = sw_nil();
    waiting w = {.c = c};
    wait_check(c, &call);
    wait_state state = wait_begin(&w, &call, &value);
    bool is_taken = state == WAIT_TAKEN || (state == WAIT_OPEN && wait_through(&w, &value));
    if (out) *out = value;
    return is_taken;
}
