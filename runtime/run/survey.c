#include "runtime/run/survey.h"

#include <assert.h>
#include <string.h>

#include "runtime/base/arena.h"
#include "runtime/base/value.h"
#include "runtime/run/call_notes.h"
#include "runtime/run/home.h"
#include "runtime/run/mailbox.h"
#include "runtime/run/run.h"
#include "runtime/run/step_spec.h"

enum {
    BEFORE_MAX = 10000,    /* of survey.before: so many are counted */
    STANDING_MAX = 64,     /* members of a group that only wait: so many are shown */
    INPUTS_MAX = 128 << 10 /* bytes of all inputs: so many are copied while the loop does nothing else */
};

/* When it was, or will be, on the wall clock. */
static int64_t survey_wall_ms(const survey *to, int64_t steady_ms) { return steady_ms + to->ahead_ms; }

static int64_t survey_due_ms(const survey *to, const clock_wait *w)
{
    return w->absolute ? w->due_ms : survey_wall_ms(to, w->steady_ms);
}

/* ---- Strands ---- */

static void survey_add_calls(survey *to, survey_strand *s, const call_notes *notes, arena *a)
{
    survey_call **end = &s->calls;
    call_under_way found;
    for (const struct call_note *n = NULL; (n = call_notes_next_open(notes, n, &found));) {
        survey_call *c = arena_zalloc(a, sizeof *c);
        if (!c) {
            to->is_short = true;
            return;
        }
        c->method = found.method;
        c->host = found.host;
        c->since_ms = survey_wall_ms(to, found.began_ms);
        c->answered = found.answered;
        *end = c;
        end = &c->next;
    }
}

/* What a strand waits for that is no attempt under way. */
static survey_wait survey_wait_between(const strand *s)
{
    if (s->gate_link) return gate_writable(s->task->home) ? SURVEY_FULL : SURVEY_CLOSED;
    if (s->work.awaits_calls > 0) return SURVEY_RETURN;
    if (s->wait == STRAND_GROUP || s->standing) return SURVEY_MEMBERS;
    if (s->work.signal) return SURVEY_SIGNAL;
    if (s->wait == STRAND_DUE) return s->work.step ? SURVEY_RETRY : SURVEY_SLEEP;
    if (s->until.due_ms > 0) return SURVEY_STACK; /* group_retry_start; no other sleep is not in the journal */
    if (!s->suspended) return SURVEY_TURN;
    return s->work.step ? SURVEY_COMMIT : SURVEY_WORK;
}

static survey_wait survey_wait_of(const strand *s, const survey_strand *shown)
{
    bool is_attempt = s->work.began_us > 0;
    if (!is_attempt || s->gate_link) return survey_wait_between(s);
    if (!s->suspended) return SURVEY_TURN;
    return shown->calls ? SURVEY_CALL : SURVEY_WORK;
}

/* What the step was given: the journal has it only once an attempt has ended. */
static void survey_add_input(survey *to, survey_strand *shown, const step_spec *step, msgpack_sbuffer *scratch,
                             arena *a)
{
    const char *error = NULL;
    if (step->input.type == MSGPACK_OBJECT_NIL) return;
    assert(to->input_bytes <= INPUTS_MAX);
    size_t room = INPUTS_MAX - to->input_bytes;
    if (room > STEP_INPUT_JOURNALED_MAX) room = STEP_INPUT_JOURNALED_MAX;
    scratch->size = 0;
    /* Both are asked, since code that changes a value behind the API's back may have made it longer than was counted */
    bool is_packed = step->input_bytes <= room && value_pack(scratch, step->input, room, &error);
    const char *copy = is_packed ? arena_strndup(a, scratch->data, scratch->size) : NULL;
    to->is_short = to->is_short || (is_packed ? !copy : error == value_no_memory);
    if (!is_packed) shown->input_left_out = step->input_bytes;
    if (!copy) return;
    shown->input = (entry_text){copy, scratch->size};
    to->input_bytes += scratch->size;
    assert(to->input_bytes <= INPUTS_MAX);
}

static void survey_describe(survey *to, const strand *s, survey_strand *shown, arena *a)
{
    const strand_work *w = &s->work;
    if (w->step) {
        shown->id = w->step->id;
        shown->path = w->step->path;
        shown->branch = w->step->branch;
        shown->occurrence = w->step->occurrence;
        shown->input_hash = w->step->input_hash;
        shown->attempt = w->began_us > 0 ? w->attempt : w->attempt + 1;
        survey_add_input(to, shown, w->step, &s->task->home->scratch, a);
    } else if (w->sleep_id) {
        shown->id = w->sleep_id;
        shown->path = w->sleep_path;
        shown->signal = w->signal;
    }
    if (w->began_us > 0) {
        assert(w->step);
        shown->since_ms = survey_wall_ms(to, (int64_t)(w->began_us / 1000));
        if (s->top && s->top->kind == CTX_STEP) survey_add_calls(to, shown, &s->top->calls, a);
    }
    shown->wait = survey_wait_of(s, shown);
    bool has_due = shown->wait == SURVEY_RETRY || shown->wait == SURVEY_SLEEP || shown->wait == SURVEY_SIGNAL;
    if (has_due && s->until.due_ms > 0) shown->due_ms = survey_due_ms(to, &s->until);
}

/* NULL: no memory. */
static survey_strand *survey_add(survey *to, arena *a)
{
    survey_strand *shown = arena_zalloc(a, sizeof *shown);
    if (!shown) {
        to->is_short = true;
        return NULL;
    }
    shown->next = to->strands; /* the run's list has the newest first */
    to->strands = shown;
    return shown;
}

/* Members of a group that have no strand are shown as if they had one. */
static void survey_add_standing(survey *to, const open_wait *standing, arena *a)
{
    size_t count = 0;
    survey_strand *shown;
    for (const open_wait *w = standing; w && count < STANDING_MAX && (shown = survey_add(to, a));
         w = w->next, count++) {
        shown->id = w->id;
        shown->path = w->path;
        shown->signal = w->signal;
        shown->wait = w->signal ? SURVEY_SIGNAL : SURVEY_SLEEP;
        if (w->until.due_ms > 0) shown->due_ms = survey_due_ms(to, &w->until);
    }
}

static void survey_add_strands(survey *to, const run *r, arena *a)
{
    survey_strand *shown;
    for (const strand *s = r->task.strands; s && (shown = survey_add(to, a)); s = s->next) {
        survey_describe(to, s, shown, a);
        survey_add_standing(to, s->standing, a);
    }
}

/* ---- The run ---- */

static int64_t survey_slot_due_ms(const survey *to, const slot *s)
{
    if (!timer_is_started(&s->due)) return 0;
    int64_t due_ms = survey_wall_ms(to, (int64_t)(s->due.due_us / 1000));
    return s->has_wall_due && s->wall_due_ms < due_ms ? s->wall_due_ms : due_ms;
}

static void survey_take_slot(survey *to, const home *h, const slot *s)
{
    to->slot = s->state;
    to->stop = s->stop;
    to->cancel = s->cancel;
    to->is_released = s->wants_release;
    to->has_crashed = s->has_crashed;
    to->tries = s->tries;
    if (s->state == SLOT_PARKED || s->state == SLOT_STOPPED) to->due_ms = survey_slot_due_ms(to, s);
    if (s->state == SLOT_PARKED && s->stop == STOP_NONE) to->awaits = s->awaits;
    const slot *other;
    if (s->state != SLOT_DUE) return;
    TAILQ_FOREACH(other, &h->slots.due, in_queue)
    {
        if (other == s || to->before == BEFORE_MAX) break;
        to->before++;
    }
}

void survey_take(home *h, const run_id *id, arena *a, survey *out)
{
    clock_instant now = clock_now(&h->clock);
    *out = (survey){.now_ms = now.wall_ms,
                    .ahead_ms = now.wall_ms - now.steady_ms,
                    .is_recovered = h->slots.recovered,
                    .drains = h->draining,
                    .runs = h->runs.count + h->slots.places,
                    .runs_max = (size_t)h->opt->runs_max,
                    .loads_wait = slots_await_bytes(&h->slots),
                    .signals = mailbox_count(h, id)};
    const slot *s = slot_find(&h->slots, id);
    const run *r = s ? s->run : run_find_slotless(h, id);
    if (s) survey_take_slot(out, h, s);
    if (!r) return;
    out->state = r->state;
    out->stop = r->stop;
    out->cancel = r->cancel;
    if (r->deadline_due.due_ms > 0) out->deadline_ms = survey_due_ms(out, &r->deadline_due);
    survey_add_strands(out, r, a);
}

/* ---- Kept ---- */

static const char *keep_text(survey *s, arena *a, const char *text)
{
    const char *copy = text ? arena_strndup(a, text, strlen(text)) : NULL;
    s->is_short = s->is_short || (text && !copy);
    return copy;
}

static entry_text keep_bytes(survey *s, arena *a, entry_text text)
{
    const char *copy = arena_strndup(a, text.data, text.len);
    s->is_short = s->is_short || !copy;
    return copy ? (entry_text){copy, text.len} : entry_text_of("");
}

void survey_keep(survey *s, arena *a)
{
    for (survey_strand *one = s->strands; one; one = one->next) {
        one->id = keep_text(s, a, one->id);
        one->signal = keep_text(s, a, one->signal);
        for (survey_call *call = one->calls; call; call = call->next) {
            call->method = keep_bytes(s, a, call->method);
            call->host = keep_bytes(s, a, call->host);
        }
    }
    if (s->held_ms == 0) return;
    s->holder = keep_text(s, a, s->holder);
    s->holder_step = keep_text(s, a, s->holder_step);
    if (!s->holder) s->holder = "";
    if (!s->holder_step) s->holder_step = "";
}
