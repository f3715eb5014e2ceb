#include "runtime/observe/why.h"

#include <assert.h>
#include <string.h>

#include "runtime/observe/time_words.h"
#include "runtime/observe/why_core.h"
#include "runtime/run/slot.h"
#include "runtime/stepwell.h"

enum { OFF_MS = 1000 }; /* a timer is due so much before or after what it is for, at most */

static void why_name(why *out, entry_text id, uint64_t path)
{
    out->step = id;
    out->path = path;
}

/* ---- Waits for a time ---- */

static void why_retry(const why_case *c, why *out, const fold_step *s, uint32_t attempt)
{
    char in[TIME_WORDS];
    int64_t left_ms = out->until_ms - c->now->now_ms;
    out->kind = "retry";
    if (left_ms > 0)
        why_add(out, "waits %s for attempt %u of ", time_words(left_ms, in), attempt);
    else
        why_add(out, "attempt %u is due of ", attempt);
    why_add_text(out, out->step, WHY_ID_MAX);
    why_add_cause(out, c, s);
}

/* A signal that is waited for beside the sleep may come before. */
static void why_sleep(const why_case *c, why *out)
{
    char in[TIME_WORDS], at[TIME_WORDS];
    int64_t left_ms = out->until_ms - c->now->now_ms;
    const fold_step *s = fold_open_wait(c->journal);
    out->kind = "sleep";
    why_add(out, "sleeps for another %s, until %s", time_words(left_ms, in), moment_words(out->until_ms, at));
    why_add_step(out);
    if (!s) return;
    why_add(out, ", or until the signal ");
    why_add_text(out, s->signal, WHY_ID_MAX);
    why_add(out, " comes");
}

/* `s`: what the journal has of the wait; NULL: nothing yet. */
static void why_signal(const why_case *c, why *out, entry_text signal, const fold_step *s)
{
    char since[TIME_WORDS], in[TIME_WORDS];
    out->kind = "signal";
    out->signal = signal;
    why_add(out, "waits for the signal ");
    why_add_text(out, signal, WHY_ID_MAX);
    if (s && s->begun_ms > 0) why_add(out, " since %s", time_words(c->now->now_ms - s->begun_ms, since));
    if (out->until_ms > 0) why_add(out, ", for another %s", time_words(out->until_ms - c->now->now_ms, in));
    why_add_step(out);
}

/* None is open while their entries, or what came of them, are on their way to the disk. */
static void why_calls(const why_case *c, why *out)
{
    char since[TIME_WORDS], id[RUN_ID_TEXT + 1];
    run_id child = {{0}};
    size_t count;
    const fold_step *s = fold_open_calls(c->journal, &count);
    out->kind = count > 0 ? "call" : "commit";
    if (count == 0)
        why_add(out, "waits until its journal is on disk");
    else if (count > 1)
        why_add(out, "waits for %zu runs that it has called", count);
    if (count != 1) return;
    memcpy(child.bytes, s->child.data, s->child.len < sizeof child.bytes ? s->child.len : sizeof child.bytes);
    run_id_format(&child, id);
    why_name(out, s->id, s->path);
    why_add(out, "waits for the run %s of %.*s since %s", id, (int)s->function.len, s->function.data,
            time_words(c->now->now_ms - s->begun_ms, since));
    why_add_step(out);
}

static void why_deadline(const why_case *c, why *out)
{
    char in[TIME_WORDS];
    out->kind = "deadline";
    why_add(out, "waits, and its deadline comes first: in %s", time_words(out->until_ms - c->now->now_ms, in));
}

/* ---- In memory ---- */

static const survey_strand *strand_first_of(const survey *now, unsigned waits)
{
    for (const survey_strand *s = now->strands; s; s = s->next)
        if (waits & 1U << s->wait) return s;
    return NULL;
}

/* The attempt that has been under way for longest; *count: how many are. */
static const survey_strand *strand_attempt(const survey *now, unsigned *count)
{
    const survey_strand *first = NULL;
    *count = 0;
    for (const survey_strand *s = now->strands; s; s = s->next) {
        if (s->since_ms == 0) continue;
        ++*count;
        if (!first || s->since_ms < first->since_ms) first = s;
    }
    return first;
}

/* The strand whose time comes first; one that waits for a signal without a timeout, if none has a time. */
static const survey_strand *strand_first_due(const survey *now)
{
    const survey_strand *first = NULL;
    for (const survey_strand *s = now->strands; s; s = s->next)
        if (s->due_ms > 0 && (!first || s->due_ms < first->due_ms)) first = s;
    return first ? first : strand_first_of(now, 1U << SURVEY_SIGNAL);
}

static void why_name_strand(why *out, const survey_strand *s)
{
    if (s->id) why_name(out, entry_text_of(s->id), s->path);
}

/* What the attempt waits for, behind "is under way for 3 s". */
static void why_add_calls(why *out, const survey_strand *s, int64_t now_ms)
{
    char since[TIME_WORDS];
    const survey_call *last = s->calls;
    unsigned count = 0;
    for (const survey_call *call = s->calls; call; call = call->next, count++) last = call;
    if (!last) {
        why_add(out, s->wait == SURVEY_TURN ? ": its code goes on" : "");
        return;
    }
    why_add(out, ": ");
    why_add_text(out, last->method, WHY_ID_MAX);
    why_add(out, " ");
    why_add_text(out, last->host, WHY_ID_MAX);
    why_add(out, ", %s for %s", last->answered ? "its answer is arriving" : "no answer yet",
            time_words(now_ms - last->since_ms, since));
    if (count > 1) why_add(out, ", and %u calls more", count - 1);
}

static void why_attempt(const why_case *c, why *out, const survey_strand *s, unsigned count)
{
    char since[TIME_WORDS];
    why_name_strand(out, s);
    out->kind = "attempt";
    why_add(out, "attempt %u of ", s->attempt);
    why_add_text(out, out->step, WHY_ID_MAX);
    why_add(out, " is under way for %s", time_words(c->now->now_ms - s->since_ms, since));
    why_add_calls(out, s, c->now->now_ms);
    if (count > 1) why_add(out, "; so %s %u more", count == 2 ? "is" : "are", count - 1);
}

static void why_due(const why_case *c, why *out, const survey_strand *s)
{
    const survey *now = c->now;
    bool is_deadline = now->deadline_ms > 0 && now->deadline_ms < s->due_ms;
    why_name_strand(out, s);
    out->until_ms = is_deadline ? now->deadline_ms : s->due_ms;
    if (s->wait == SURVEY_SIGNAL && !is_deadline)
        why_signal(c, out, entry_text_of(s->signal), fold_find(c->journal, s->path));
    else if (is_deadline)
        why_deadline(c, out);
    else if (s->wait == SURVEY_RETRY)
        why_retry(c, out, fold_find(c->journal, s->path), s->attempt);
    else
        why_sleep(c, out);
}

/* A strand that waits for the journal, or for its step's entries. */
static void why_journal(why *out, const survey_strand *s)
{
    why_name_strand(out, s);
    out->kind = s->wait == SURVEY_COMMIT ? "commit" : "journal";
    if (s->wait == SURVEY_CLOSED)
        why_add(out, "waits until the journal takes writes again");
    else if (s->wait == SURVEY_FULL)
        why_add(out, "waits for room in the journal's queue (--journal-queue-max)");
    else
        why_add(out, "waits until its journal is on disk");
    if (out->step.len == 0) return;
    why_add(out, ", before it goes on with ");
    why_add_text(out, out->step, WHY_ID_MAX);
}

/* The first of what could move it: an attempt, its own code, the disk, a time. */
static void why_running(const why_case *c, why *out)
{
    const survey *now = c->now;
    unsigned attempts = 0;
    const survey_strand *s = strand_attempt(now, &attempts);
    if (s && (s->wait == SURVEY_CLOSED || s->wait == SURVEY_FULL)) {
        why_journal(out, s);
    } else if (s) {
        why_attempt(c, out, s, attempts);
    } else if ((s = strand_first_of(now, 1U << SURVEY_TURN | 1U << SURVEY_WORK)) || !now->strands) {
        out->kind = "computing";
        why_add(out, "its code is at work outside steps");
    } else if ((s = strand_first_of(now, 1U << SURVEY_COMMIT | 1U << SURVEY_CLOSED | 1U << SURVEY_FULL))) {
        why_journal(out, s);
    } else if ((s = strand_first_due(now))) {
        why_due(c, out, s);
    } else if (strand_first_of(now, 1U << SURVEY_RETURN)) {
        why_calls(c, out);
    } else if ((s = strand_first_of(now, 1U << SURVEY_STACK))) {
        out->kind = "stack";
        why_add(out, "waits for room for the stack of a member of a group");
    } else { /* a group whose members have strands that have not run yet */
        out->kind = "computing";
        why_add(out, "members of a group are about to begin");
    }
}

/* A run that is on its way out, with the attempt that it waits for meanwhile. */
static void why_going(const why_case *c, why *out, const char *kind, const char *text)
{
    unsigned attempts = 0;
    const survey_strand *s = strand_attempt(c->now, &attempts);
    out->kind = kind;
    why_add(out, "%s", text);
    if (!s) return;
    why_name_strand(out, s);
    why_add(out, ": attempt %u of ", s->attempt);
    why_add_text(out, out->step, WHY_ID_MAX);
    why_add(out, " is still under way");
}

static void why_in_memory(const why_case *c, why *out)
{
    switch (c->now->state) {
    case RUN_RUNNING:
        why_running(c, out);
        return;
    case RUN_STOPPING:
    case RUN_LEAVING_STOPPED:
        why_going(c, out, "stopping", "is about to be stopped");
        return;
    case RUN_CANCELLING:
        why_going(c, out, "cancelling", "is being cancelled, and its code has not let go yet");
        return;
    case RUN_ENDING:
        why_going(c, out, "ending", "has its response, which is on its way to the disk");
        return;
    case RUN_DRAINING:
        why_going(c, out, "draining", "the process ends, and the next one goes on with it");
        return;
    case RUN_LOSING:
    case RUN_LEAVING_LOST:
        why_going(c, out, "loading", "is loaded again, since an entry of it could not be made or written");
        return;
    default:
        why_going(c, out, "leaving", c->now->drains ? "leaves memory for the next process" : "leaves memory to wait");
        return;
    }
}

/* Its loop is kept busy, and knows no more just now. */
static void why_held(const why_case *c, why *out)
{
    char since[TIME_WORDS];
    const survey *now = c->now;
    out->kind = "computing";
    (void)time_words(now->held_ms, since);
    if (now->is_held_by_it)
        why_add(out, "its code computes since %s", since);
    else if (*now->holder)
        why_add(out, "waits for its loop, which %s keeps busy since %s", now->holder, since);
    else
        why_add(out, "waits for its loop, which is busy since %s", since);
    if (*now->holder && *now->holder_step) why_add(out, ", in step %s", now->holder_step);
}

/* ---- Outside memory ---- */

/* What has to happen before it goes on. */
static const char *stop_end(stop_reason reason)
{
    switch (reason) {
    case STOP_NO_ENDPOINT:
        return "it goes on when the program has that endpoint";
    case STOP_UNREADABLE:
        return "it is read again from time to time";
    case STOP_NEWER:
        return "it goes on with a program that can read its journal";
    default:
        return "it goes on when somebody releases it";
    }
}

static void why_stopped(const why_case *c, why *out, stop_reason reason)
{
    entry_text text = c->stop_text.len > 0 ? c->stop_text : entry_text_of(stop_text(reason));
    out->kind = "stopped";
    why_add(out, "stopped (%s): ", stop_name(reason));
    why_add_text(out, text, 2 * WHY_ERROR_MAX);
    why_add(out, "; %s", c->now->is_released ? "it is being released" : stop_end(reason));
}

/* The slot of a run that this process has not had in memory has the time alone. */
const fold_step *why_parked_step(const survey *now, const fold *journal)
{
    if (now->slot != SLOT_PARKED) return NULL;
    for (const fold_step *s = journal->steps; (s = fold_waiting_from(s)); s = s->next) {
        const int64_t off_ms = s->due_ms - now->due_ms;
        if (now->awaits == slot_awaits_path(s->path)) return s;
        if (now->awaits == SLOT_AWAITS_UNKNOWN && off_ms >= -OFF_MS && off_ms <= OFF_MS) return s;
    }
    return NULL;
}

/* Whether it waits for its deadline. A timer that nobody has told of is the deadline's if all the journal waits for
 * comes later. */
static bool parked_for_deadline(const why_case *c)
{
    const survey *now = c->now;
    if (now->awaits == SLOT_AWAITS_DEADLINE) return true;
    if (now->awaits != SLOT_AWAITS_UNKNOWN || !c->has_deadline || now->due_ms == 0) return false;
    for (const fold_step *s = c->journal->steps; (s = fold_waiting_from(s)); s = s->next)
        if (s->due_ms < now->due_ms && s->due_ms > now->now_ms) return false;
    return true;
}

static void why_reload(const why_case *c, why *out)
{
    char in[TIME_WORDS];
    out->kind = "loading";
    why_add(out, "is loaded again in %s", time_words(out->until_ms - c->now->now_ms, in));
    why_add(out, c->now->awaits == SLOT_AWAITS_ROOM ? ": there was no room for it"
                                                    : ", since an entry of it could not be made or written");
}

static void why_time(const why_case *c, why *out)
{
    char in[TIME_WORDS], at[TIME_WORDS];
    out->kind = "sleep";
    why_add(out, "waits for another %s, until %s", time_words(out->until_ms - c->now->now_ms, in),
            moment_words(out->until_ms, at));
}

/* Its timer runs: by what its journal waits for, or by its deadline. */
static void why_parked(const why_case *c, why *out)
{
    const survey *now = c->now;
    const fold_step *s = c->parked;
    out->until_ms = now->due_ms > 0 ? now->due_ms : s ? s->due_ms : 0;
    if (s && s->signal.len > 0) out->until_ms = s->due_ms;
    if (s) why_name(out, s->id, s->path);
    if (now->awaits == SLOT_AWAITS_ROOM || now->awaits == SLOT_AWAITS_LOAD)
        why_reload(c, out);
    else if (s && s->signal.len > 0)
        why_signal(c, out, s->signal, s);
    else if (s && s->function.len > 0)
        why_calls(c, out);
    else if (s && s->is_sleep)
        why_sleep(c, out);
    else if (s)
        why_retry(c, out, s, s->tried + 1);
    else if (parked_for_deadline(c))
        why_deadline(c, out);
    else
        why_time(c, out);
}

static void why_place(const why_case *c, why *out)
{
    const survey *now = c->now;
    if (now->runs < now->runs_max) {
        out->kind = "loading";
        why_add(out, "is about to be loaded");
        if (now->loads_wait)
            why_add(out, ", when others have come back, whose journals come first (--journal-load-max)");
        return;
    }
    out->kind = "place";
    why_add(out, "waits for a place: %zu of %zu runs are in memory (--runs-max)", now->runs, now->runs_max);
    if (now->before > 0) why_add(out, ", and %zu others come before it", now->before);
}

static void why_outside(const why_case *c, why *out)
{
    switch (c->now->slot) {
    case SLOT_PARKED:
        why_parked(c, out);
        return;
    case SLOT_DUE:
        why_place(c, out);
        return;
    case SLOT_GATED:
        out->kind = "journal";
        why_add(out, "waits until the journal takes writes again");
        return;
    case SLOT_SUSPECT:
        out->kind = "others";
        why_add(out, "the process may have died of it, nobody knows: such runs come back one at a time");
        return;
    case SLOT_BEHIND:
        out->kind = "others";
        why_add(out, c->now->has_crashed ? "the process has died of it: others come back first, then it, alone"
                                         : "the process has died again and again: runs come back in waves");
        return;
    default:
        out->kind = "loading";
        why_add(out, "its journal is being read");
        return;
    }
}

/* Neither in memory nor a slot. */
static void why_unknown(const why_case *c, why *out)
{
    out->kind = c->now->is_recovered ? "ending" : "loading";
    why_add(out, c->now->is_recovered ? "has ended since its journal was read: ask again"
                                      : "the process has not come to it yet: it reads which runs there are");
}

void why_tell(const why_case *c, why *out)
{
    const survey *now = c->now;
    bool in_memory = now->state != RUN_NONE;
    *out = (why){.kind = ""};
    stop_reason stop = now->stop != STOP_NONE ? now->stop : c->stop;
    if (now->held_ms > 0) {
        why_held(c, out);
    } else if (in_memory) {
        why_in_memory(c, out);
    } else if (now->cancel != ENTRY_CANCEL_NONE && survey_knows(now)) {
        out->kind = "cancelling";
        why_add(out, "is to end, and is loaded for that");
    } else if (stop != STOP_NONE) {
        why_stopped(c, out, stop);
    } else if (now->drains) {
        out->kind = "draining";
        why_add(out, "the process ends, and the next one goes on with it");
    } else if (survey_knows(now)) {
        why_outside(c, out);
    } else {
        why_unknown(c, out);
    }
    assert(*out->kind && *out->text);
}
