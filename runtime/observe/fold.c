#include "runtime/observe/fold.h"

#include <assert.h>
#include <string.h>

enum { PLACES_FIRST = 128 };

/* ---- The table of paths ---- */

static bool place_is_free(const fold_place *p) { return !p->step && !p->branch && !p->steps && !p->branches; }

/* Returns the place of the path, or the free one where it belongs. */
static fold_place *fold_place_at(fold_place *places, size_t room, uint64_t path)
{
    assert((room & (room - 1)) == 0); /* a power of two */
    size_t i = (size_t)path & (room - 1);
    while (!place_is_free(&places[i]) && places[i].path != path) i = (i + 1) & (room - 1);
    return &places[i];
}

static bool fold_grow(fold *f)
{
    size_t room = f->place_room ? f->place_room * 2 : PLACES_FIRST;
    fold_place *places = arena_zalloc(f->arena, room * sizeof *places);
    if (!places) return false;
    for (size_t i = 0; i < f->place_room; i++)
        if (!place_is_free(&f->places[i])) *fold_place_at(places, room, f->places[i].path) = f->places[i];
    f->places = places;
    f->place_room = room;
    return true;
}

/* NULL: nothing is known of the path. */
static fold_place *fold_place_find(const fold *f, uint64_t path)
{
    fold_place *p = f->place_room > 0 ? fold_place_at(f->places, f->place_room, path) : NULL;
    return p && !place_is_free(p) ? p : NULL;
}

/* Returns the path's place, good until another one is made: the caller puts something there at once. NULL: no memory.
 */
static fold_place *fold_place_of(fold *f, uint64_t path)
{
    fold_place *p = fold_place_find(f, path);
    if (p) return p;
    if (f->place_count * 2 >= f->place_room && !fold_grow(f)) {
        f->is_short = true;
        return NULL;
    }
    p = fold_place_at(f->places, f->place_room, path);
    p->path = path;
    f->place_count++;
    return p;
}

fold_step *fold_find(const fold *f, uint64_t path)
{
    const fold_place *p = fold_place_find(f, path);
    return p ? p->step : NULL;
}

/* Returns the step of the path, made if there is none. NULL: no memory. */
static fold_step *fold_step_of(fold *f, uint64_t path)
{
    fold_step *s = fold_find(f, path);
    if (s) return s;
    s = arena_zalloc(f->arena, sizeof *s);
    fold_place *p = s ? fold_place_of(f, path) : NULL;
    if (!p) {
        f->is_short = true;
        return NULL;
    }
    s->path = path;
    p->step = s;
    *f->steps_end = s;
    f->steps_end = &s->next;
    f->step_count++;
    return s;
}

/* Of which branch a step is that is told for the first time is in that branch's list. */
static void step_set_branch(fold *f, fold_step *s, uint64_t branch)
{
    fold_place *p = branch != 0 && s->branch == 0 ? fold_place_of(f, branch) : NULL;
    s->branch = branch;
    if (!p) return;
    s->next_within = p->steps;
    p->steps = s;
}

/* ---- Entries ---- */

/* Returns the step that the entry is of, by the names that the entry has. NULL: no memory. */
static fold_step *fold_step_named(fold *f, const entry *e)
{
    fold_step *s = fold_step_of(f, e->path);
    if (!s) return NULL;
    s->id = e->id;
    s->occurrence = e->occurrence;
    step_set_branch(f, s, e->branch);
    return s;
}

static void fold_add_attempt(fold *f, fold_step *s, size_t at)
{
    fold_attempt *a = arena_zalloc(f->arena, sizeof *a);
    if (!a) {
        f->is_short = true;
        return;
    }
    a->at = at;
    if (s->last)
        s->last->next = a;
    else
        s->first = a;
    s->last = a;
}

static void fold_take_step(fold *f, const entry *e, size_t at)
{
    fold_step *s = fold_step_named(f, e);
    if (!s) return;
    if (s->begun_ms == 0) s->begun_ms = e->at_ms - e->duration_ms;
    fold_add_attempt(f, s, at);
    s->due_ms = e->kind == ENTRY_STEP_FAILED ? e->due_ms : 0;
    s->ended_ms = s->due_ms > 0 ? 0 : e->at_ms;
    if (e->kind == ENTRY_STEP_DONE) {
        s->state = FOLD_DONE;
        return;
    }
    s->state = s->due_ms > 0 ? FOLD_RETRYING : FOLD_FAILED;
    s->tried = e->attempt;
    s->chunks = 0; /* a failure takes back what its attempt has streamed */
}

static void fold_add_signal(fold *f, const entry *e, size_t at)
{
    fold_signal *s = arena_zalloc(f->arena, sizeof *s);
    if (!s) {
        f->is_short = true;
        return;
    }
    *s = (fold_signal){.letter = e->letter, .at = at};
    *f->unread_end = s;
    f->unread_end = &s->next;
}

/* A wait takes the signal. Returns where its entry begins; 0: the journal has none. */
static size_t fold_take_signal(fold *f, entry_text letter)
{
    for (fold_signal **s = &f->unread; *s; s = &(*s)->next) {
        if (!entry_text_equal((*s)->letter, letter)) continue;
        size_t at = (*s)->at;
        *s = (*s)->next;
        if (!*s) f->unread_end = s;
        return at;
    }
    return 0;
}

static void fold_take_sleep(fold *f, const entry *e)
{
    fold_step *s = fold_step_named(f, e);
    if (!s) return;
    s->is_sleep = true;
    s->state = FOLD_SLEEPING;
    s->begun_ms = e->at_ms;
    s->due_ms = s->ended_ms = e->due_ms;
}

static void fold_take_wait(fold *f, const entry *e, size_t at)
{
    if (e->kind == ENTRY_SIGNAL) {
        fold_add_signal(f, e, at);
        return;
    }
    fold_step *s = fold_step_named(f, e);
    if (!s) return;
    if (e->kind == ENTRY_WAIT) {
        s->signal = e->signal;
        s->state = FOLD_WAITING;
        s->begun_ms = e->at_ms;
        s->ended_ms = 0; /* it may have been given up before */
        s->due_ms = e->due_ms;
        return;
    }
    s->state = e->kind == ENTRY_TAKEN ? FOLD_DONE : FOLD_TIMED_OUT;
    s->ended_ms = e->at_ms;
    if (e->kind == ENTRY_TAKEN) s->signal_at = fold_take_signal(f, e->letter);
}

static void fold_take_call(fold *f, const entry *e, size_t at)
{
    fold_step *s = fold_step_named(f, e);
    if (!s) return;
    s->child = e->child;
    if (e->kind == ENTRY_CALLED) {
        s->function = e->function;
        s->called_at = at;
        s->returned_at = 0;
        s->begun_ms = e->at_ms;
        s->state = e->detached ? FOLD_DONE : FOLD_WAITING;
        s->ended_ms = e->detached ? e->at_ms : 0;
        return;
    }
    s->returned_at = at;
    s->ended_ms = e->at_ms;
    s->state = e->status == ENTRY_SUCCEEDED ? FOLD_DONE : FOLD_FAILED;
}

static void fold_take_sent(fold *f, const entry *e, size_t at)
{
    fold_step *s = fold_step_named(f, e);
    if (!s) return;
    s->state = FOLD_DONE;
    s->sent_at = at;
    s->begun_ms = s->ended_ms = e->at_ms;
}

/* A chunk or a rollback, whose id is the step's label. */
static void fold_take_streamed(fold *f, const entry *e)
{
    if (e->id.len == 0) { /* outside steps */
        f->chunks++;
        return;
    }
    fold_step *s = fold_step_of(f, e->path);
    if (!s) return;
    if (s->id.len == 0) s->id = e->id;
    s->chunks = e->kind == ENTRY_CHUNK ? s->chunks + 1 : 0;
}

static void fold_take_branch(fold *f, const entry *e)
{
    fold_branch *b = arena_zalloc(f->arena, sizeof *b);
    if (!b) {
        f->is_short = true;
        return;
    }
    *b = (fold_branch){.path = e->path, .parent = e->branch, .id = e->id, .occurrence = e->occurrence};
    *f->branches_end = b;
    f->branches_end = &b->next;
    fold_place *p = fold_place_of(f, b->path);
    if (p && !p->branch) p->branch = b;
    p = p && e->branch != 0 ? fold_place_of(f, e->branch) : NULL;
    if (!p) return;
    b->next_within = p->branches;
    p->branches = b;
}

static void fold_take_crash(fold *f, const entry *e)
{
    fold_step *s = e->id.len > 0 ? fold_step_of(f, e->path) : NULL;
    if (!s) return;
    if (s->id.len == 0) s->id = e->id;
    s->crashes++;
}

/* An end or a stop: notes which steps are its causes. */
static void fold_take_end(fold *f, const entry *e)
{
    bool stops = e->kind == ENTRY_STOPPED;
    *(stops ? &f->stopped_number : &f->ended_number) = ++f->ends;
    *(stops ? &f->stopped : &f->ended) = *e;
    for (size_t i = 0; i < entry_cause_count(e); i++) {
        fold_step *s = fold_find(f, entry_cause(e, i));
        if (s) s->caused = f->ends;
    }
}

/* An end of a run that stands still names the causes of its stop again, or has no causes. */
static bool step_is_cause(const fold *f, const fold_step *s)
{
    return s->caused > 0 && (s->caused == f->ended_number || s->caused == f->stopped_number);
}

fold_again fold_step_again(const fold *f, const fold_step *s)
{
    bool is_exhausted = f->stopped.kind && f->stopped.status == ENTRY_STOP_EXHAUSTED;
    if (step_is_given_up(s) && (is_exhausted || f->ended.kind)) return FOLD_ANEW; /* that for which may count no more */
    switch (s->state) {
    case FOLD_DONE:
    case FOLD_SLEEPING:
    case FOLD_TIMED_OUT:
    case FOLD_CUT:
        return FOLD_STAYS;
    case FOLD_WAITING: /* a run that was called is cancelled with the end */
        return s->function.len > 0 && f->ended.kind ? FOLD_ANEW : FOLD_STAYS;
    case FOLD_FAILED:
        return step_is_cause(f, s) ? FOLD_ANEW : FOLD_STAYS;
    case FOLD_RETRYING:
        return is_exhausted && !f->ended.kind ? FOLD_ANEW : FOLD_NEXT;
    case FOLD_OPEN:
        return FOLD_NEXT;
    }
    return FOLD_STAYS;
}

/* A call waits again for the run that was called, which goes on, too. */
static void step_begin_anew(fold_step *s)
{
    s->state = s->function.len > 0 ? FOLD_WAITING : FOLD_OPEN;
    s->returned_at = 0;
    s->tried = 0;
    s->due_ms = s->ended_ms = 0;
}

/* A release from a stop for used retries gives them anew to its causes, and to steps that waited for an attempt. */
static void fold_take_release(fold *f)
{
    for (fold_step *s = f->steps; s; s = s->next)
        if (fold_step_again(f, s) == FOLD_ANEW) step_begin_anew(s);
    f->stopped = (entry){.path = 0};
    f->stopped_number = 0;
}

/* The run goes on after its end: the failures that caused the end count no more, nor does its response. */
static void fold_take_reopened(fold *f, const entry *reopened)
{
    for (size_t i = 0; i < entry_cause_count(reopened); i++) {
        fold_step *s = fold_find(f, entry_cause(reopened, i));
        if (s && s->state == FOLD_FAILED) step_begin_anew(s);
    }
    for (fold_step *s = f->steps; s; s = s->next)
        if (step_is_given_up(s)) step_begin_anew(s);
    f->stopped = f->ended = (entry){.path = 0};
    f->stopped_number = f->ended_number = 0;
    f->response_at = 0;
}

/* ---- Decisions ---- */

static bool step_is_open(const fold_step *s)
{
    return s->state == FOLD_OPEN || s->state == FOLD_RETRYING || s->state == FOLD_SLEEPING || s->state == FOLD_WAITING;
}

static void step_cut(fold_step *s, int64_t at_ms, bool is_given_up)
{
    if (!step_is_open(s)) return;
    s->state = FOLD_CUT;
    s->is_given_up = is_given_up;
    s->ended_ms = at_ms;
    s->due_ms = 0;
}

/* Adds the branch to those that have lost, if it is not one already: a branch loses once, and so does all in it. */
static void branch_lose(fold_branch *b, fold_branch **lost)
{
    if (b->has_lost) return;
    b->has_lost = true;
    b->next_lost = *lost;
    *lost = b;
}

/* Gives up what is open in branches that have lost, and in those within them. */
static void fold_cut_lost(fold *f, fold_branch *lost, int64_t at_ms)
{
    while (lost) {
        const fold_branch *b = lost;
        const fold_place *p = fold_place_find(f, b->path);
        lost = b->next_lost;
        f->looks++;
        for (fold_step *s = p ? p->steps : NULL; s; s = s->next_within, f->looks++)
            if (s->branch == b->path) step_cut(s, at_ms, false);
        for (fold_branch *within = p ? p->branches : NULL; within; within = within->next_within, f->looks++)
            branch_lose(within, &lost);
    }
}

/* The members that *won* names are given up, and what is open in the branches among them. */
static void fold_take_won(fold *f, const entry *won)
{
    fold_branch *lost = NULL;
    for (size_t i = 0; i < entry_cause_count(won); i++, f->looks++) {
        const fold_place *p = fold_place_find(f, entry_cause(won, i));
        if (p && p->step) step_cut(p->step, won->at_ms, false);
        if (p && p->branch) branch_lose(p->branch, &lost);
    }
    fold_cut_lost(f, lost, won->at_ms);
}

/* An attempt that was under way then; or a call, wait or sleep. */
static void fold_take_abandoned(fold *f, const entry *e, size_t at)
{
    fold_step *s = fold_step_named(f, e);
    if (!s) return;
    bool is_attempt = e->attempt > 0;
    if (is_attempt && s->begun_ms == 0) s->begun_ms = e->at_ms - e->duration_ms;
    if (is_attempt) fold_add_attempt(f, s, at);
    step_cut(s, e->at_ms, !is_attempt && s->called_at == 0);
}

static void fold_take(fold *f, const entry *e, size_t at)
{
    fold_step *s;
    if (e->kind == ENTRY_CALLED || e->kind == ENTRY_RETURNED) fold_take_call(f, e, at);
    switch (e->kind) {
    case ENTRY_STEP_DONE:
    case ENTRY_STEP_FAILED:
        fold_take_step(f, e, at);
        return;
    case ENTRY_SLEEP:
        fold_take_sleep(f, e);
        return;
    case ENTRY_WAIT:
    case ENTRY_SIGNAL:
    case ENTRY_TAKEN:
    case ENTRY_TIMED_OUT:
        fold_take_wait(f, e, at);
        return;
    case ENTRY_SENT:
        fold_take_sent(f, e, at);
        return;
    case ENTRY_WON:
        fold_take_won(f, e);
        return;
    case ENTRY_ABANDONED:
        fold_take_abandoned(f, e, at);
        return;
    case ENTRY_CHUNK:
    case ENTRY_ROLLBACK:
        fold_take_streamed(f, e);
        return;
    case ENTRY_BRANCH:
        fold_take_branch(f, e);
        return;
    case ENTRY_CRASHED:
        fold_take_crash(f, e);
        return;
    case ENTRY_DIFFERS:
        s = fold_find(f, e->path);
        if (s) s->differs++;
        return;
    case ENTRY_RESPONSE:
        f->response_at = at;
        return;
    case ENTRY_STOPPED:
    case ENTRY_ENDED:
        fold_take_end(f, e);
        return;
    case ENTRY_RELEASED:
        fold_take_release(f);
        return;
    case ENTRY_REOPENED:
        fold_take_reopened(f, e);
        return;
    default:
        return;
    }
}

void fold_read(fold *f, arena *a, const char *data, size_t len)
{
    const char *error = NULL;
    entry e;
    *f = (fold){.data = data, .len = len, .arena = a};
    f->steps_end = &f->steps;
    f->branches_end = &f->branches;
    f->unread_end = &f->unread;
    for (size_t at = 0, n; at < len && (n = entry_decode(data + at, len - at, &e, &error)) > 0; at += n) {
        fold_take(f, &e, at);
    }
}

entry fold_entry(const fold *f, size_t at)
{
    const char *error = NULL;
    entry e = {.path = 0};
    assert(at < f->len);
    size_t n = entry_decode(f->data + at, f->len - at, &e, &error);
    assert(n > 0);
    (void)n;
    return e;
}

const fold_step *fold_waiting_from(const fold_step *s)
{
    while (s && s->state != FOLD_RETRYING && s->state != FOLD_SLEEPING && s->state != FOLD_WAITING) s = s->next;
    return s;
}

const fold_step *fold_open_wait(const fold *f)
{
    const fold_step *s = fold_waiting_from(f->steps);
    while (s && s->signal.len == 0) s = fold_waiting_from(s->next);
    return s;
}

const fold_step *fold_open_calls(const fold *f, size_t *count)
{
    const fold_step *first = NULL;
    *count = 0;
    for (const fold_step *s = f->steps; s; s = s->next) {
        if (s->function.len == 0 || s->state != FOLD_WAITING) continue;
        if (!first) first = s;
        ++*count;
    }
    return first;
}
