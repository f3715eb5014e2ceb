#include "runtime/run/question_look.h"

#include <string.h>

#include "runtime/base/value.h"
#include "runtime/run/path.h"

/* A wait for the question, a branch that may hold one, or a signal that may have answered it. */
typedef struct looked_wait {
    struct looked_wait *next;
    uint64_t path, branch;
    bool is_open;
} looked_wait;

typedef struct looked_branch {
    struct looked_branch *next;
    uint64_t path, parent;
} looked_branch;

typedef struct looked_signal {
    struct looked_signal *next;
    entry_text letter, value;
} looked_signal;

typedef struct looking {
    arena *a;
    uint64_t path;
    uint8_t letter[ENTRY_LETTER_BYTES];
    looked_wait *waits;
    looked_branch *branches;
    looked_signal *signals; /* that no wait has taken, the newest first */
    uint64_t asker;         /* path of the branch that has asked; 0: none, or not known */
    bool has_ended;
    question_found *out;
} looking;

static void look_answer(looking *l, entry_text value, int64_t at_ms)
{
    question_found *q = l->out;
    if (q->state == QUESTION_ANSWERED) return; /* the first one counts */
    q->state = QUESTION_ANSWERED;
    q->answer = value;
    q->at_ms = at_ms;
}

/* The answer itself; other signals may answer the question if a wait for it takes them. False: no memory. */
static bool look_at_signal(looking *l, const entry *e)
{
    if (entry_text_equal(e->letter, (entry_text){(const char *)l->letter, sizeof l->letter}))
        look_answer(l, e->value, e->at_ms);
    looked_signal *s = arena_alloc(l->a, sizeof *s);
    if (!s) return false;
    *s = (looked_signal){l->signals, e->letter, e->value};
    l->signals = s;
    return true;
}

static bool look_at_wait(looking *l, const entry *e)
{
    if (e->question != l->path) return true;
    looked_wait *w = arena_alloc(l->a, sizeof *w);
    if (!w) return false;
    *w = (looked_wait){l->waits, e->path, e->branch, true};
    l->waits = w;
    if (l->out->state == QUESTION_OVER) l->out->state = QUESTION_OPEN;
    return true;
}

static bool look_at_branch(looking *l, const entry *e)
{
    looked_branch *b = arena_alloc(l->a, sizeof *b);
    if (!b) return false;
    *b = (looked_branch){l->branches, e->path, e->branch};
    l->branches = b;
    return true;
}

static bool look_has_open(const looking *l)
{
    for (const looked_wait *w = l->waits; w; w = w->next)
        if (w->is_open) return true;
    return false;
}

/* A wait has ended without an answer. */
static void look_over(looking *l, int64_t at_ms)
{
    if (l->out->state != QUESTION_OPEN || look_has_open(l)) return;
    l->out->state = QUESTION_OVER;
    l->out->at_ms = at_ms;
}

static entry_text look_value_of(const looking *l, entry_text letter)
{
    static const entry_text nil = {"\xc0", 1};
    for (const looked_signal *s = l->signals; s; s = s->next)
        if (entry_text_equal(s->letter, letter)) return s->value;
    return nil;
}

static void look_at_decision(looking *l, const entry *e)
{
    looked_wait *w = l->waits;
    while (w && w->path != e->path) w = w->next;
    if (w) w->is_open = false;
    if (!w && e->question != l->path) return; /* a wait that began before the question names it at its end */
    if (e->kind == ENTRY_TAKEN) {
        look_answer(l, look_value_of(l, e->letter), e->at_ms);
    } else {
        look_over(l, e->at_ms);
    }
}

/* Whether that branch has lost, or one that it is in. */
static bool look_has_branch_lost(const looking *l, uint64_t branch, const entry *won)
{
    uint64_t at = branch;
    for (const looked_branch *b = l->branches; b; b = b->next) { /* those that hold a branch began before it */
        if (b->path != at) continue;
        if (entry_has_cause(won, at)) return true;
        at = b->parent;
    }
    return false;
}

/* Waits that lose are given up, as if they had timed out. */
static void look_at_won(looking *l, const entry *e)
{
    bool has_lost = look_has_branch_lost(l, l->asker, e); /* no wait of it will come */
    for (looked_wait *w = l->waits; w; w = w->next) {
        if (!w->is_open || !(entry_has_cause(e, w->path) || look_has_branch_lost(l, w->branch, e))) continue;
        w->is_open = false;
        has_lost = true;
    }
    if (has_lost) look_over(l, e->at_ms);
}

/* No entry says which branch has asked, but the path does, which is made of the branch's. */
static uint64_t look_asker(const looking *l, const entry *asked)
{
    const looked_branch *b = l->branches;
    while (b && path_of(b->path, PATH_QUESTION, asked->id, asked->occurrence) != l->path) b = b->next;
    return b ? b->path : 0;
}

static bool look_at_value(looking *l, const entry *e)
{
    if (e->path != l->path) return true;
    l->asker = look_asker(l, e);
    l->out->is_there = question_read(l->a, e->value, &l->out->asked);
    return !l->a->is_out;
}

/* False: no memory. */
static bool look_at(looking *l, const entry *e)
{
    switch (e->kind) {
    case ENTRY_VALUE:
        return look_at_value(l, e);
    case ENTRY_WAIT:
        return look_at_wait(l, e);
    case ENTRY_SIGNAL:
        return look_at_signal(l, e);
    case ENTRY_BRANCH:
        return look_at_branch(l, e);
    case ENTRY_WON:
        look_at_won(l, e);
        return true;
    case ENTRY_TAKEN:
    case ENTRY_TIMED_OUT:
    case ENTRY_ABANDONED:
        look_at_decision(l, e);
        return true;
    case ENTRY_ENDED:
    case ENTRY_REOPENED:
        l->has_ended = e->kind == ENTRY_ENDED;
        if (l->has_ended) l->out->at_ms = l->out->state == QUESTION_ANSWERED ? l->out->at_ms : e->at_ms;
        return true;
    default:
        return true;
    }
}

const char *question_look(arena *a, entry_text journal, const run_id *id, uint64_t path, question_found *out)
{
    looking l = {.a = a, .path = path, .out = out};
    const char *error = NULL;
    *out = (question_found){.state = QUESTION_OPEN};
    question_letter(id, path, l.letter);
    for (size_t at = 0, n; at < journal.len; at += n) {
        entry e;
        n = entry_decode(journal.data + at, journal.len - at, &e, &error);
        if (n == 0) return error;
        if (!look_at(&l, &e)) return value_no_memory;
    }
    if (l.has_ended && out->state != QUESTION_ANSWERED) out->state = QUESTION_ENDED;
    return NULL;
}
