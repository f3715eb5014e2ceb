/* send_signal: sw_send_signal: one run sends a signal to another. Owns nothing: that the signal was sent is an entry of
 * the sender, a choice, in whose commit the letter gets to the other run's inbox. */
#include <stdio.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "runtime/api/step.h"
#include "runtime/base/value.h"
#include "runtime/probe/probe.h"
#include "runtime/run/ctx.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/fit.h"
#include "runtime/run/gate.h"
#include "runtime/run/home.h"
#include "runtime/run/path.h"
#include "runtime/run/record.h"
#include "runtime/run/replay_log.h"
#include "runtime/run/sending.h"
#include "runtime/run/strand.h"

enum { ASK_AGAIN_MS = 100 };

typedef struct sent {
    sw_ctx *c;
    entry named;        /* path, id, occurrence, branch, began, signal */
    const char *target; /* as the program has it */
    sw_value value;
} sent;

/* ---- What is asked for ---- */

static void sent_check(sw_ctx *c, const char *id, const char *target, const char *signal)
{
    ctx_check_wait(c, "sw_send_signal");
    (void)step_check_id(c, "a signal", id);
    if (!c->run) ctx_fail_misuse(c, "sw_send_signal \"%s\" in a plain route: runs send signals (sw_endpoint)", id);
    if (c->kind == CTX_STEP)
        ctx_fail_misuse(c, "sw_send_signal \"%s\" inside step \"%s\": send it behind the step, which may be made again",
                        id, c->id);
    if (c->task->endpoint->options.durability == SW_RELAXED)
        ctx_fail_misuse(c,
                        "sw_send_signal \"%s\" in an endpoint with SW_RELAXED, whose answer may leave before it is "
                        "journaled that the signal was sent: use SW_SYNCED",
                        id);
    if (!target) ctx_fail_misuse(c, "sw_send_signal \"%s\" without the id of a run", id);
    if (!signal || !mail_name_fits(signal, strlen(signal)))
        ctx_fail_misuse(c,
                        "sw_send_signal \"%s\": a signal's name is 1 to %d bytes of UTF-8 without control characters",
                        id, MAIL_NAME_MAX);
}

/* Packs the value, into memory that is the home's: it is there until the strand suspends. */
static entry_text sent_pack(const sent *s)
{
    msgpack_sbuffer *scratch = &s->c->task->home->scratch;
    const char *error = NULL;
    scratch->size = 0;
    if (!value_pack(scratch, s->value, (size_t)s->c->task->home->opt->signal_max, &error)) {
        if (error == value_no_memory) ctx_fail_memory(s->c);
        ctx_fail_misuse(s->c, "sw_send_signal \"%s\": %s (--signal-max)", s->named.id.data, error);
    }
    return (entry_text){scratch->data, scratch->size};
}

/* ---- What becomes of it ---- */

/* `way` NULL: nothing is on its way to the other run. An entry that there was no memory for is not on disk, nor are
 * those behind it: the run is loaded again. */
static void sent_append(const sent *s, bool is_sent, sending *way)
{
    run *r = s->c->run;
    entry e = s->named;
    uint8_t signal_id[ENTRY_LETTER_BYTES];
    sending_letter(&r->id, e.path, signal_id);
    e.kind = ENTRY_SENT;
    e.at_ms = clock_wall_ms();
    e.target = entry_text_of(s->target);
    e.answer = is_sent;
    if (is_sent) e.letter = (entry_text){(const char *)signal_id, sizeof signal_id};
    e.value = sent_pack(s);
    bool fits = record_append(r, &e);
    if (way && fits && !run_has_lost(r))
        sending_append(r, way);
    else if (way)
        sending_take_back(way);
    if (!fits) ctx_fail_misuse(s->c, "the run's state is over its limit (--run-state-max)");
}

SW_NORETURN static void sent_fail_full(const sent *s, sending_answer answer)
{
    const sw_options *o = s->c->task->home->opt;
    if (answer == SENDING_TOO_MANY)
        sw_fail_fatal(s->c, "sw_send_signal \"%s\": run %s has %lld signals that it has not taken (--signals-max)",
                      s->named.id.data, s->target, (long long)o->signals_max);
    sw_fail_fatal(s->c,
                  "sw_send_signal \"%s\": the signals that run %s has not taken would be more than %lld bytes "
                  "(--signals-bytes-max)",
                  s->named.id.data, s->target, (long long)o->signals_bytes_max);
}

/* The run leaves memory. */
SW_NORETURN static void sent_unwind(sw_ctx *c)
{
    c->strand->interrupt = INTERRUPT_UNWIND;
    ctx_raise_interrupt(c);
}

static void sent_pause(sw_ctx *c)
{
    clock_instant now = clock_now(&c->task->home->clock);
    clock_wait until = clock_wait_for(&now, ASK_AGAIN_MS);
    if (!strand_sleep_until(c->strand, &until, STRAND_SLEEP_PLAIN)) sent_unwind(c);
}

/* Asks the other run's home until it is known whether there is such a run. A run that sends to itself is on disk
 * before: no other could know it. True: the run has the signal, or *way brings it. */
static bool sent_through(const sent *s, const run_id *target, sending **way)
{
    sw_ctx *c = s->c;
    for (;;) {
        sending_answer answer = SENDING_NO_MEMORY;
        bool is_interrupted = false;
        ctx_check_begin(c); /* it may have lost during the pause */
        if (!run_is_durable(c->run) && !record_wait(c->strand, c->run->seq_next)) sent_unwind(c);
        if (!gate_pass(c->strand)) sent_unwind(c);
        const sending_wish wish = {*target, s->named.path, s->named.signal, sent_pack(s)};
        *way = sending_ask(c->strand, &wish, &answer, &is_interrupted);
        if (is_interrupted) sent_unwind(c);
        if (answer == SENDING_ADMITTED) return true;
        if (*way) sending_drop(*way);
        *way = NULL;
        if (answer == SENDING_NO_MEMORY) ctx_fail_memory(c);
        if (answer == SENDING_HAD || answer == SENDING_GONE) return answer == SENDING_HAD;
        if (answer != SENDING_NOT_NOW) sent_fail_full(s, answer);
        sent_pause(c);
    }
}

bool sw_send_signal(sw_ctx *c, const char *id, const char *target, const char *signal, sw_value value)
{
    run_id to;
    sending *way = NULL;
    sent s = {.c = c, .target = target, .value = value};
    sent_check(c, id, target, signal);
    run *r = c->run;
    step_count_one(c, "signal", id);
    s.named.id = entry_text_of(id);
    s.named.signal = entry_text_of(signal);
    s.named.branch = c->path;
    s.named.began = r->seq_next;
    s.named.path = path_next(c, PATH_STEP, id, &s.named.occurrence);
    replay_record *rec = fit_find(r, s.named.path);
    if (c->pending_lines) replay_log_pass(c, rec != NULL);
    if (probe_on) probe_sent(c, id, s.named.path, rec != NULL);
    if (rec && !fit_is(rec, ENTRY_SENT, id, s.named.occurrence)) ctx_raise(c, fit_misfit(r, rec, "signal", id));
    if (rec && !BUG(SEND_AGAIN)) return rec->answer;
    ctx_check_begin(c);
    bool is_sent = run_id_parse(target, strlen(target), &to) && sent_through(&s, &to, &way);
    sent_append(&s, is_sent, way);
    return is_sent;
}
