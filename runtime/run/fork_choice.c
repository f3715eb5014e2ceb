#include "runtime/run/fork_choice.h"

#include <assert.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "runtime/base/value.h"

/* What is known of a path, from the end of the journal backwards. */
typedef struct path_note {
    uint64_t path;     /* 0: the cell is free */
    bool is_known;     /* an entry that decides, or the last one of what is not finished, has been seen */
    bool takes_chunks; /* chunks before this place are those of the attempt that is copied */
    bool takes_wait;   /* what has become of the wait is copied, and so is the entry of its beginning; of a signal's id:
                          the wait that has taken it is copied */
    bool is_raced;     /* it has won against X, or against what X is in: what of it came later is made again */
    uint64_t parent;   /* of a branch */
    bool is_void;      /* its final failure ended or stopped the run, further on */
    uint32_t attempt;  /* of the step whose end is copied; 0: none */
} path_note;

/* A choice in the making. */
typedef struct chooser {
    fork_choice *to;
    uint64_t from;
    uint32_t first;   /* place of X's first entry; 0: nothing is copied */
    uint32_t began;   /* of X */
    size_t causes;    /* how many paths all entries name as such */
    bool has_raced;   /* some path is */
    path_note *notes; /* open addressing, a power of two, never full */
    size_t cells;
} chooser;

/* ---- Reading ---- */

/* What a signal is told by, of those of one run: an id's first half. It is random, or a hash, as paths are. */
static uint64_t entry_letter_mark(const entry *e)
{
    uint64_t mark = 0;
    if (e->letter.len >= sizeof mark) memcpy(&mark, e->letter.data, sizeof mark);
    return mark;
}

/* Whether it needs no other entry to tell what became of the call: *returned*, or a call that nobody waits for. */
static bool entry_is_whole_call(const entry *e)
{
    return e->kind == ENTRY_RETURNED || (e->kind == ENTRY_CALLED && e->detached);
}

static fork_entry entry_note(const entry *e, size_t at, size_t len, int64_t now_ms)
{
    bool has_epoch = e->kind == ENTRY_STEP_DONE || e->kind == ENTRY_STEP_FAILED || e->kind == ENTRY_SLEEP;
    return (fork_entry){.at = at,
                        .letter = entry_letter_mark(e),
                        .len = len,
                        .path = e->path,
                        .branch = e->branch,
                        .began = e->began,
                        .attempt = e->attempt,
                        .kind = (uint16_t)e->kind,
                        .is_final = (e->kind == ENTRY_STEP_FAILED && e->due_ms == 0) || entry_is_whole_call(e),
                        .is_over = e->kind == ENTRY_SLEEP && e->due_ms <= now_ms,
                        .is_old = has_epoch && e->epoch == 0,
                        .is_inside = e->kind == ENTRY_CHUNK && e->id.len > 0,
                        .is_said = (e->kind == ENTRY_LABEL || e->kind == ENTRY_STATUS) && e->attempt > 0};
}

/* False: no memory, or the journal cannot be read, and *why says which. */
static bool choice_read(arena *a, entry_text journal, int64_t now_ms, chooser *c, const char **why)
{
    uint32_t room = 0;
    fork_choice *out = c->to;
    entry e;
    *out = (fork_choice){.count = 0};
    for (size_t at = 0, n; at < journal.len; at += n) {
        n = entry_decode(journal.data + at, journal.len - at, &e, why);
        if (n == 0) return false;
        if (out->count == room) {
            room = room ? room * 2 : 64;
            fork_entry *bigger = arena_alloc(a, room * sizeof *bigger);
            *why = value_no_memory;
            if (!bigger) return false;
            if (out->count > 0) memcpy(bigger, out->entries, out->count * sizeof *bigger);
            out->entries = bigger;
        }
        out->entries[out->count++] = entry_note(&e, at, n, now_ms);
        c->causes += e.causes.len / sizeof(uint64_t);
    }
    return true;
}

/* ---- Paths ---- */

/* Never fails: there are more cells than paths. */
static path_note *note_of(chooser *c, uint64_t path)
{
    assert(path != 0);
    size_t i = (size_t)path & (c->cells - 1);
    while (c->notes[i].path && c->notes[i].path != path) i = (i + 1) & (c->cells - 1);
    c->notes[i].path = path;
    return &c->notes[i];
}

/* The failures of these steps led to the end or to a stop, so the fork is to make them again. */
static void void_causes(chooser *c, const entry *e)
{
    for (size_t i = 0; i < entry_cause_count(e); i++)
        if (entry_cause(e, i)) note_of(c, entry_cause(e, i))->is_void = true;
}

/* ---- Deciding ---- */

/* Whether the entry is of something that has won against X, when X was given up. */
static bool is_raced(chooser *c, const fork_entry *e)
{
    uint32_t depth = 0; /* the branches of a damaged journal may be a circle */
    uint64_t path = e->path, next = e->branch;
    if (!c->has_raced) return false;
    for (; path && depth <= c->to->count; depth++) {
        if (note_of(c, path)->is_raced) return true;
        path = next;
        next = path ? note_of(c, path)->parent : 0;
    }
    return false;
}

/* Whether what the entry is of cannot have seen anything of X. */
static bool is_before(chooser *c, const fork_entry *e)
{
    uint32_t place = (uint32_t)(e - c->to->entries);
    if (c->first == 0 || e->path == c->from) return false;
    bool is_placed = e->kind == ENTRY_VALUE || e->kind == ENTRY_PATCH || e->kind == ENTRY_CHUNK || e->kind == ENTRY_WON;
    if (is_placed || is_raced(c, e)) return place < c->first;
    return e->is_old ? place < c->began : e->began <= c->first;
}

static fork_fate fate_of_end(chooser *c, path_note *n, const fork_entry *e, bool is_finished)
{
    bool copies = is_finished && is_before(c, e);
    n->is_known = true;
    n->takes_chunks = copies && e->kind == ENTRY_STEP_DONE;
    n->attempt = copies ? e->attempt : 0;
    return copies ? FORK_COPIED : FORK_AGAIN;
}

/* An attempt that failed, or was cut off: what it streamed does not count. */
static fork_fate fate_of_attempt(chooser *c, const fork_entry *e)
{
    path_note *n = note_of(c, e->path);
    n->takes_chunks = false;
    if (n->is_known) return FORK_PASSED;
    return fate_of_end(c, n, e, e->is_final && (!n->is_void || BUG(FORK_KEEPS)));
}

static fork_fate fate_of_chunk(chooser *c, const fork_entry *e)
{
    if (!e->is_inside) return is_before(c, e) ? FORK_COPIED : FORK_PASSED;
    path_note *n = note_of(c, e->path);
    if (!n->is_known) return fate_of_end(c, n, e, false);
    return n->takes_chunks ? FORK_COPIED : FORK_PASSED;
}

static fork_fate fate_of_once(chooser *c, const fork_entry *e, bool is_finished)
{
    path_note *n = note_of(c, e->path);
    return n->is_known ? FORK_PASSED : fate_of_end(c, n, e, is_finished);
}

/* A wait has got its signal, or timed out, or a call has its result: that is finished, and stands for the entry of its
 * beginning. A failure that led to the end is to be made again. */
static fork_fate fate_of_decision(chooser *c, const fork_entry *e)
{
    path_note *n = note_of(c, e->path);
    if (n->is_known) return FORK_PASSED;
    fork_fate fate = fate_of_end(c, n, e, !n->is_void);
    n->takes_wait = fate == FORK_COPIED;
    if (n->takes_wait && e->letter) note_of(c, e->letter)->takes_wait = true;
    return fate;
}

/* The beginning of a wait, or a call. */
static fork_fate fate_of_wait(chooser *c, const fork_entry *e)
{
    path_note *n = note_of(c, e->path);
    bool is_kept = BUG(FORK_CALLS) && e->kind == ENTRY_CALLED;
    if (!n->is_known) return fate_of_end(c, n, e, e->is_final || is_kept);
    bool takes = n->takes_wait;
    n->takes_wait = false; /* one that began before that counts no more */
    return takes ? FORK_COPIED : FORK_AGAIN;
}

/* A signal that no wait has taken, or one that waits again, is not the fork's: nobody has sent it to the fork. */
static fork_fate fate_of_signal(chooser *c, const fork_entry *e)
{
    bool is_taken = e->letter && note_of(c, e->letter)->takes_wait;
    return is_taken || BUG(FORK_SIGNALS) ? FORK_COPIED : FORK_PASSED;
}

static fork_fate fate_of(chooser *c, const fork_entry *e)
{
    if (e->kind == ENTRY_SIGNAL) return fate_of_signal(c, e);
    if (e->path == 0) return FORK_PASSED;
    switch (e->kind) {
    case ENTRY_STEP_DONE:
        return fate_of_once(c, e, true);
    case ENTRY_STEP_FAILED:
    case ENTRY_ROLLBACK:
        return fate_of_attempt(c, e);
    case ENTRY_CHUNK:
        return fate_of_chunk(c, e);
    case ENTRY_SLEEP:
        return fate_of_once(c, e, e->is_over);
    case ENTRY_TAKEN:
    case ENTRY_TIMED_OUT:
    case ENTRY_RETURNED:
        return fate_of_decision(c, e);
    case ENTRY_WAIT:
    case ENTRY_CALLED:
        return fate_of_wait(c, e);
    case ENTRY_VALUE:
    case ENTRY_SENT:
    case ENTRY_PATCH:
    case ENTRY_WON:
        return fate_of_once(c, e, true);
    case ENTRY_BRANCH:
        return is_before(c, e) ? FORK_COPIED : FORK_PASSED;
    default:
        return FORK_PASSED;
    }
}

static bool entry_has_causes(uint16_t kind)
{
    return kind == ENTRY_ENDED || kind == ENTRY_STOPPED || kind == ENTRY_REOPENED;
}

static bool x_has_lost(chooser *c, const entry *won)
{
    uint64_t at = c->to->entries[c->first].branch;
    bool has_lost = entry_has_cause(won, c->from);
    for (uint32_t depth = 0; at && !has_lost && depth <= c->to->count; depth++) {
        has_lost = entry_has_cause(won, at);
        at = note_of(c, at)->parent;
    }
    return has_lost;
}

/* X may have lost, or be in a branch that has: then the fork decides that group again, so the winner has no more than
 * it had when X began. */
static void find_raced(chooser *c, entry_text journal)
{
    for (uint32_t i = 0; i < c->to->count; i++) {
        const fork_entry *e = &c->to->entries[i];
        if (e->kind == ENTRY_BRANCH && e->path) note_of(c, e->path)->parent = e->branch;
    }
    for (uint32_t i = c->first; c->first > 0 && i < c->to->count; i++) {
        const fork_entry *e = &c->to->entries[i];
        const char *ignored = NULL;
        entry won;
        if (e->kind != ENTRY_WON || entry_decode(journal.data + e->at, e->len, &won, &ignored) == 0) continue;
        if (won.winner == 0 || !x_has_lost(c, &won) || BUG(FORK_RACED)) continue;
        note_of(c, won.winner)->is_raced = true;
        c->has_raced = true;
    }
}

/* From the end backwards: what comes later has the last word on a path. */
static void choose_all(chooser *c, entry_text journal)
{
    for (uint32_t i = c->to->count; i-- > 0;) {
        fork_entry *e = &c->to->entries[i];
        if (entry_has_causes(e->kind)) {
            const char *ignored = NULL;
            entry whole;
            size_t n = entry_decode(journal.data + e->at, e->len, &whole, &ignored);
            assert(n == e->len);
            (void)n;
            void_causes(c, &whole);
        }
        e->fate = fate_of(c, e);
    }
}

/* What an attempt has said of the run goes with its result, which is not made again. It may stand behind that, as a
 * status does which waits for the end of a turn: so this comes when all results are known. What it has used does not:
 * the fork has not used it. */
static void choose_what_is_said(chooser *c)
{
    for (uint32_t i = 0; i < c->to->count; i++) {
        fork_entry *e = &c->to->entries[i];
        if (e->is_said && e->path && note_of(c, e->path)->attempt == e->attempt) e->fate = FORK_COPIED;
    }
}

static bool has_own_path(const fork_entry *e)
{
    switch (e->kind) {
    case ENTRY_STEP_DONE:
    case ENTRY_STEP_FAILED:
    case ENTRY_ROLLBACK:
    case ENTRY_SLEEP:
    case ENTRY_WAIT:
    case ENTRY_CALLED:
    case ENTRY_SENT:
    case ENTRY_BRANCH:
        return true;
    default:
        return e->is_inside;
    }
}

/* Finds X: its first entry, and when it began. NULL, or why the fork cannot begin with it. */
static const char *find_first(chooser *c, int *status)
{
    *status = 409;
    for (uint32_t i = 0; i < c->to->count; i++) {
        const fork_entry *e = &c->to->entries[i];
        if (e->path != c->from || !has_own_path(e)) continue;
        if (e->is_old) return "version 0.1 wrote that step, and not when it began";
        if (c->first == 0) c->first = i;
        if (c->began == 0) c->began = e->began; /* chunks and rollbacks do not say it */
    }
    if (c->began == 0 || c->began > c->first) c->began = c->first;
    *status = 404;
    return c->first > 0 ? NULL : "the run has no step, sleep, wait or branch of that path";
}

static bool count_places(arena *a, fork_choice *c)
{
    c->places = arena_alloc(a, ((size_t)c->count + 1) * sizeof *c->places);
    if (!c->places) return false;
    for (uint32_t i = 0; i < c->count; i++) {
        c->places[i] = c->copied;
        c->copied += c->entries[i].fate == FORK_COPIED;
    }
    c->places[c->count] = c->copied;
    return true;
}

bool fork_choose(arena *a, entry_text journal, const fork_point *at, fork_choice *out, fork_refusal *refusal)
{
    chooser c = {.to = out, .from = at->path};
    *refusal = (fork_refusal){.status = 409};
    if (!choice_read(a, journal, at->now_ms, &c, &refusal->why)) {
        if (refusal->why == value_no_memory) refusal->status = 503;
        return false;
    }
    refusal->why = at->path ? find_first(&c, &refusal->status) : NULL;
    if (refusal->why) return false;
    for (c.cells = 64; c.cells < (2 * out->count + c.causes) * 2;) c.cells *= 2; /* paths, their branches, causes */
    c.notes = arena_zalloc(a, c.cells * sizeof *c.notes);
    *refusal = (fork_refusal){.status = 503, .why = value_no_memory};
    if (!c.notes) return false;
    find_raced(&c, journal);
    choose_all(&c, journal);
    choose_what_is_said(&c);
    return count_places(a, out);
}

uint32_t fork_began(const fork_choice *c, uint32_t began)
{
    return 1 + c->places[began <= c->count ? began : c->count]; /* *started* comes first */
}
