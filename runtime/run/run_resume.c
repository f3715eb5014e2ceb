/* run_resume: making a run anew from its journal, or finding out why it does not go on. */
#include <assert.h>
#include <string.h>
#include <strings.h>

#include "coro/seeded_bug.h"
#include "runtime/base/moment.h"
#include "runtime/run/begun.h"
#include "runtime/run/comeback.h"
#include "runtime/run/frames.h"
#include "runtime/run/home.h"
#include "runtime/run/letter.h"
#include "runtime/run/mailbox.h"
#include "runtime/run/program.h"
#include "runtime/run/record.h"
#include "runtime/run/remarking.h"
#include "runtime/run/replay.h"
#include "runtime/run/run_core.h"
#include "runtime/run/run_request.h"
#include "runtime/run/run_trace.h"
#include "runtime/run/stop.h"
#include "runtime/run/strand.h"

enum { TIMER_EARLY_MS = 2 }; /* a deadline so near counts as over: the timer that loads a run for it may be so early */

/* ---- Reading ---- */

/* A journal that is being read. */
typedef struct sight {
    run *run;
    frames_builder frames;
    struct {
        uint64_t path;
        int64_t at_ms;
        bool is_long; /* it sends clients on, unless it is decided at once; false: there is no such wait */
    } last_wait;      /* for a signal */
} sight;

/* The wait that was seen last was not decided at once. */
static void sight_keep_wait(sight *see)
{
    if (see->last_wait.is_long) see->run->waited_long_before = true;
}

/* Notes whether the entry shows that clients were sent on. A wait for a signal shows it unless it was decided at once:
 * then its end has the same time (wait_end_ms), and follows it before any other wait, since its branch has not been
 * suspended in between. */
static void sight_see_wait(sight *see, const entry *e)
{
    bool is_long = e->due_ms - e->at_ms > slot_sent_on_after_ms(see->run->task.home);
    bool is_end = e->kind == ENTRY_TAKEN || e->kind == ENTRY_TIMED_OUT;
    if (is_end && e->path == see->last_wait.path && e->at_ms == see->last_wait.at_ms) see->last_wait.is_long = false;
    if ((e->kind == ENTRY_SLEEP || e->kind == ENTRY_STEP_FAILED) && is_long) see->run->waited_long_before = true;
    if (e->kind != ENTRY_WAIT) return;
    sight_keep_wait(see);
    see->last_wait.path = e->path;
    see->last_wait.at_ms = e->at_ms;
    see->last_wait.is_long = is_long || e->due_ms == 0;
}

/* Takes from each entry of the journal what the run remembers of its earlier executions, and what it said of itself;
 * builds its frames. */
static void resume_see_entry(void *arg, const entry *e, uint32_t seq)
{
    sight *see = arg;
    run *r = see->run;
    sight_see_wait(see, e);
    if (e->kind == ENTRY_SIGNAL && !mailbox_note_had(r, e->letter)) see->frames.failed = true;
    if (e->kind == ENTRY_RELEASED || e->kind == ENTRY_REOPENED) r->was_released = true;
    frames_build(&see->frames, e, seq);
    if (!remarking_note(r, e)) see->frames.failed = true;
}

/* Says that nothing is wrong with the run, which is loaded again later. Returns false. */
static bool resume_try_later(stop_cause *why, const char *text)
{
    *why = (stop_cause){.reason = STOP_NONE, .text = text};
    return false;
}

static bool resume_unreadable(stop_cause *why, const char *text)
{
    assert(text);
    if (text == replay_no_memory) return resume_try_later(why, text);
    *why = (stop_cause){.reason = text == entry_newer ? STOP_NEWER : STOP_UNREADABLE, .text = text};
    return false;
}

/* Why the request of a run has not been restored. */
static const char *resume_request_problem(const run *r)
{
    if (r->lacks_memory) return replay_no_memory;
    return r->task.arena.over ? "its request needs more memory than --run-state-max allows"
                              : "its request cannot be read";
}

static const endpoint no_endpoint = {.kind = ENDPOINT_DURABLE, .route = ""};

static void resume_restore_generation(run *r)
{
    const entry *reopened = replay_reopened(r->replay);
    if (!reopened) return;
    r->generation = reopened->attempt;
    if (reopened->asked > 0) r->caller.generation = reopened->asked;
}

static bool resume_restore(run *r, const store_journal *j, stop_cause *why)
{
    const char *error = NULL;
    sight see = {.run = r, .frames = {.arenas = r->task.home->arenas}};
    /* A quarter more than task_init allows, so that what fitted in the first execution fits again, though the arena
     * gets it in another order and in other pieces. */
    arena_set_limit(&r->task.arena, (size_t)r->task.home->opt->run_state_max * 5);
    r->replay = replay_new(&r->journal, (entry_text){j->data, j->len}, resume_see_entry, &see, &error);
    r->frames = see.frames.frames;
    sight_keep_wait(&see);
    if (!r->replay) return resume_unreadable(why, error);
    if (see.frames.failed) return resume_try_later(why, replay_no_memory);
    const entry *started = replay_started(r->replay);
    const endpoint *e = app_endpoint(r->task.home->app, started->function.data, started->function.len);
    r->task.endpoint = e ? e : &no_endpoint;
    if (!run_request_restore(r, started)) return resume_unreadable(why, resume_request_problem(r));
    assert(r->seq_next == 0);
    r->seq_next = r->seq_sealed = r->seq_durable = replay_entries(r->replay);
    assert(r->seq_next > 0);
    r->state_bytes = j->len;
    resume_restore_generation(r);
    r->commit = run_commit_next(r->commit, COMMIT_ON_LOADED);
    if (r->frames) frames_durable(r->frames, r->seq_durable);
    return true;
}

/* ---- Whether it goes on ---- */

/* Which entries the letters of the run lead to, obeyed in their order. */
typedef struct resume_wishes {
    letter *stop;    /* *stopped* is to be appended; NULL: not */
    bool releases;   /* *released* is to be appended */
    bool stops_last; /* with both: *stopped* is the second */
} resume_wishes;

/* Whether the run stands still when the letters have been obeyed. */
static bool wishes_stop(const resume_wishes *w) { return w->stop && (!w->releases || w->stops_last); }

/* A stop of a run that is stopped, and a release of one that is not, lead to nothing: whoever asked is told. So does a
 * release of a run without an endpoint. */
static resume_wishes resume_read_wishes(const run *r, const slot *s)
{
    resume_wishes w = {.stop = NULL};
    bool is_stopped = replay_stopped(r->replay), is_held = s->not_resumed;
    bool may_release = s->wants_release && r->task.endpoint != &no_endpoint;
    if (may_release && !letter_is_in(s->letters, LETTER_RELEASE)) w.releases = is_stopped || is_held;
    if (w.releases) is_stopped = is_held = false;
    for (letter *m = s->letters; m; m = m->next) {
        if (m->kind == LETTER_STOP && !is_stopped) {
            w.stop = m;
            w.stops_last = is_stopped = true;
        } else if (m->kind == LETTER_RELEASE && may_release && (is_stopped || is_held)) {
            w.releases = true;
            w.stops_last = is_stopped = is_held = false;
        }
    }
    return w;
}

/* Returns why a run that could be read does not go on. STOP_NONE: it does. */
static stop_cause resume_stop_cause(const run *r, const slot *s, const resume_wishes *w, const store_journal *j)
{
    const entry *stopped = replay_stopped(r->replay);
    if (stopped && !w->releases && !BUG(FORGET_STOP)) {
        stop_reason reason = stop_of_entry(stopped);
        stop_cause why = {.reason = reason, .text = stop_text(reason), .since_ms = stopped->at_ms};
        stop_describe(&why, stopped->error, stopped->by);
        return why;
    }
    if (r->task.endpoint == &no_endpoint) {
        /* --retain-stopped counts from when the run was due: the month that a run slept is not one it was stopped. */
        int64_t last_ms = replay_last_ms(r->replay), due_ms = j->due_ms <= clock_wall_ms() ? j->due_ms : 0;
        return (stop_cause){.reason = STOP_NO_ENDPOINT,
                            .text = stop_text(STOP_NO_ENDPOINT),
                            .since_ms = last_ms > due_ms ? last_ms : due_ms,
                            .deadline = r->deadline_due};
    }
    if (s->not_resumed && !w->releases && !BUG(RESUME_ALL))
        return (stop_cause){.reason = STOP_NOT_RESUMED, .text = stop_text(STOP_NOT_RESUMED)};
    return (stop_cause){.reason = STOP_NONE};
}

static const char *resume_header(const run *r, const char *name)
{
    for (const run_header *h = r->task.request.headers; h; h = h->next)
        if (strcasecmp(h->name, name) == 0) return h->value;
    return NULL;
}

/* Whether an operator began the run, who was told 202 (runtime/run/begun.h). */
static bool resume_is_of_operator(const run *r)
{
    begun how;
    begun_read(replay_started(r->replay), &how);
    return !begun_is_of_client(&how);
}

/* Whether the run's clients may have been redirected, and so may come back although no connection waits: after a wait
 * longer than --redirect-after (303), by a request that preferred not to wait (202), or while the run was stopped. A
 * client with an Idempotency-Key asks again, and whoever released or began the run as an operator wants its answer. */
static bool resume_may_redirect(const run *r)
{
    return r->waited_long_before || r->was_released || resume_header(r, "prefer") ||
           resume_header(r, "idempotency-key") || resume_is_of_operator(r);
}

static bool moment_is_past(int64_t at_ms) { return at_ms > 0 && at_ms <= clock_wall_ms(); }

static bool wait_is_over(const clock_wait *w) { return w->due_ms > 0 && clock_left_ms(w) <= TIMER_EARLY_MS; }

/* Returns the reason for which the run is to end at once: its journal has a cancel, a cancel came while it was not in
 * memory, its deadline is over, or it was stopped for longer than --retain-stopped. */
static entry_cancel resume_cancel_reason(const run *r, const slot *s, const stop_cause *stopped)
{
    entry_cancel journaled = replay_cancel(r->replay);
    if (journaled) return journaled;
    if (s->cancel) return s->cancel;
    if (wait_is_over(stopped->reason == STOP_NONE ? &r->deadline_due : &stopped->deadline)) return ENTRY_CANCEL_LATE;
    int64_t since_ms = stopped->since_ms, retain_ms = r->task.home->opt->retain_stopped_ms;
    if (BUG(STALE_EARLY)) retain_ms /= 2;
    return since_ms > 0 && moment_is_past(moment_after(since_ms, retain_ms)) ? ENTRY_CANCEL_STALE : ENTRY_CANCEL_NONE;
}

/* A run that was reopened has the deadline that it got then. */
static void resume_renew_deadline(run *r)
{
    const entry *e = replay_reopened(r->replay);
    if (!e) return;
    const clock_entry deadline = {e->epoch, e->at_ms, e->due_ms, false};
    r->deadline_due = (clock_wait){.due_ms = 0};
    if (e->due_ms > 0) r->deadline_due = clock_wait_of(&r->task.home->clock, &deadline);
}

/* Puts the deadline off by the time for which the run was stopped. */
static void resume_move_deadline(run *r, const resume_wishes *w)
{
    loop_clock *c = &r->task.home->clock;
    const entry *stopped = replay_stopped(r->replay);
    resume_renew_deadline(r);
    if (r->deadline_due.due_ms == 0 || BUG(DEADLINE_RUNS)) return;
    int64_t stood_ms = replay_stood_ms(r->replay, c);
    clock_instant now = clock_now(c);
    if (stopped && w->releases)
        stood_ms +=
            clock_between_ms(c, (clock_mark){stopped->epoch, stopped->at_ms}, (clock_mark){now.epoch, now.wall_ms});
    r->deadline_due.due_ms = moment_after(r->deadline_due.due_ms, stood_ms);
    r->deadline_due.steady_ms += stood_ms;
}

/* ---- Going on ---- */

/* Appends `released`. That entry is a choice: no attempt begins before it is on disk. False: no memory. */
static bool resume_append_release(run *r, const slot *s)
{
    assert(r->seq_release == 0);
    clock_instant now = clock_now(&r->task.home->clock);
    const char *by = letter_by(s->letters, LETTER_RELEASE); /* NULL: it was not known yet whether there is such a run */
    entry e = {.kind = ENTRY_RELEASED, .at_ms = now.wall_ms, .epoch = now.epoch, .error = entry_text_of(by ? by : "")};
    if (!record_append(r, &e)) return false;
    replay_release(r->replay);
    r->seq_release = r->seq_next;
    run_log(r, LOG_INFO, "%s: released", r->task.endpoint->route);
    return true;
}

/* Appends what the letters lead to, but for a stop that comes last: the run then leaves memory by it, like any other.
 * False: no memory. */
static bool resume_append_wishes(run *r, const slot *s, const resume_wishes *w)
{
    if (w->stop && w->releases && !w->stops_last) {
        const entry stopped = run_asked_stop_entry(r, w->stop);
        if (!record_append(r, &stopped)) return false;
        r->seq_stop = r->seq_next;
    }
    return !w->releases || resume_append_release(r, s);
}

/* The run goes on, with the entries that resume_append_wishes has made: notes which letters have led to them. */
static void resume_note_obeyed(const run *r, const slot *s, const resume_wishes *w)
{
    if (r->seq_stop > 0 && w->stop) w->stop->is_obeyed = true;
    if (r->seq_release > 0) letter_set_obeyed(s->letters, LETTER_RELEASE);
}

/* Joins the run and its slot: from now on the run is in memory like any other. */
static void resume_take_slot(run *r, slot *s)
{
    home *h = r->task.home;
    bool released = r->seq_release > 0;
    assert(!r->slot);
    assert(!s->run);
    assert(run_id_equal(&r->id, &s->id));
    r->slot = s;
    s->run = r;
    slot_post(h, s, SLOT_ON_RESUMED);
    slot_clear_stop(h, s);
    if (s->wants_release && !released) slot_deny_release(h, s, "the run is not stopped");
    s->wants_release = false; /* not_resumed stays until the release is on disk: run_hand_to_slot */
    letter_move(&s->letters, &r->letters);
    comeback_begun(r);
    r->resumed_bytes = r->state_bytes;
    h->slots.quota.resumed_bytes += r->resumed_bytes;
    run_touch(r); /* run_turn_end() sees whether it has got on */
    counter_add(&h->counters.runs_resumed, 1);
    if (feed_is_heard(&h->app->feed)) feed_tell_run(&h->app->feed, r, "running");
}

/* Whether the run comes later, since it has ended processes and other runs come first, or there is no memory to put it
 * behind them. */
static bool resume_comes_later(home *h, slot *s, const run *r, stop_cause *why)
{
    unsigned crashes = replay_crashes(r->replay);
    s->has_crashed = crashes > 0;
    if (!comeback_comes_later(h, s, crashes)) return false;
    if (!comeback_put_behind(h, s)) return !resume_try_later(why, replay_no_memory);
    *why = (stop_cause){.reason = STOP_NONE, .text = "others come first", .crashes = crashes};
    run_log(r, LOG_INFO, "the process has died of this run %u times in a row: other runs come first", crashes);
    return true;
}

/* Gives up a run that does not go on. Returns false. */
static bool resume_unmake(run *r)
{
    run_unmake(r);
    return false;
}

/* Lets the run go on that has been made, or end or stand still by what it was asked. */
static void resume_set_going(run *r, entry_cancel cancel, letter *stop)
{
    if (cancel) {
        run_cancel(r, cancel);
        run_touch(r);
    } else if (stop) {
        run_stop_asked(r, stop);
        run_touch(r);
    } else {
        run_post(r, RUN_ON_BEGIN);
        run_watch_deadline(r);
    }
}

bool run_resume(home *h, slot *s, const store_journal *j, stop_cause *why)
{
    static const endpoint loading = {.kind = ENDPOINT_DURABLE, .route = ""};
    assert(!s->run);
    run *r = run_new(h, &loading);
    if (!r) return resume_try_later(why, replay_no_memory);
    r->id = s->id;
    run_id_format(&r->id, r->id_text);
    if (!resume_restore(r, j, why)) return resume_unmake(r);
    bool cancels = r->task.endpoint->options.on_disconnect == SW_CANCEL;
    task_set_label(&r->task);
    const resume_wishes wishes = resume_read_wishes(r, s);
    resume_move_deadline(r, &wishes);
    *why = resume_stop_cause(r, s, &wishes, j);
    if (why->reason == STOP_NONE) slot_judge_tie(h, s, cancels, cancels && resume_may_redirect(r));
    entry_cancel cancel = resume_cancel_reason(r, s, why);
    letter *stop = !cancel && wishes_stop(&wishes) ? wishes.stop : NULL;
    if (!cancel && !stop && why->reason != STOP_NONE) {
        why->streamed = r->frames ? frames_ref(r->frames) : NULL;
        return resume_unmake(r);
    }
    bool begins = !cancel && !stop;
    if (begins && resume_comes_later(h, s, r, why)) return resume_unmake(r);
    if (!mailbox_go_on(h, &r->id, r->generation) || !resume_append_wishes(r, s, &wishes)) {
        resume_try_later(why, replay_no_memory);
        return resume_unmake(r);
    }
    if (begins && !strand_start(&r->task, run_main, r)) {
        resume_try_later(why, "no room for another coroutine");
        return resume_unmake(r);
    }
    resume_note_obeyed(r, s, &wishes);
    resume_take_slot(r, s);
    resume_set_going(r, cancel, stop);
    return true;
}
