#include "runtime/run/replay_core.h"

#include <assert.h>
#include <string.h>

#include "coro/seeded_bug.h"

/* The next attempt has a number too, an int: a damaged journal may hold any. */
enum {
    ATTEMPTS_MAX = INT32_MAX - 1,
    CELLS_FIRST = 8 /* a power of two; most runs that wait have few records, and each cell is zeroed */
};

const char replay_no_memory[] = "out of memory";

static bool replay_grow(replay *p)
{
    size_t cells = p->cells ? p->cells * 2 : CELLS_FIRST;
    replay_record *bigger = arena_zalloc(p->arena, cells * sizeof *bigger);
    if (!bigger) return false;
    for (size_t i = 0; i < p->cells; i++)
        if (p->records[i].kind) *replay_cell(bigger, cells, p->records[i].path) = p->records[i];
    p->records = bigger;
    p->cells = cells;
    return true;
}

/* Returns the record of the entry's path; makes one of that kind when there is none. NULL: no memory. */
static replay_record *replay_record_of(replay *p, const entry *e, entry_kind kind)
{
    if (p->count * 2 >= p->cells && !replay_grow(p)) return NULL;
    assert(p->count < p->cells); /* a free cell ends each search */
    replay_record *rec = replay_cell(p->records, p->cells, e->path);
    if (!rec->kind) {
        *rec = (replay_record){.path = e->path, .kind = kind};
        p->count++;
        p->uncounted += !record_counts(kind);
        p->branches += kind == ENTRY_BRANCH;
        p->patches += kind == ENTRY_PATCH;
    }
    return rec;
}

/* Returns the count of the branch's chunks; makes one when there is none. NULL: no memory. */
static chunk_count *replay_chunks_of(replay *p, uint64_t branch)
{
    for (size_t i = 0; i < p->chunk_branches; i++)
        if (p->chunks[i].branch == branch) return &p->chunks[i];
    if (p->chunk_branches == p->chunk_room) {
        size_t room = p->chunk_room ? p->chunk_room * 2 : 4;
        chunk_count *bigger = arena_zalloc(p->arena, room * sizeof *bigger);
        if (!bigger) return NULL;
        if (p->chunk_branches) memcpy(bigger, p->chunks, p->chunk_branches * sizeof *bigger);
        p->chunks = bigger;
        p->chunk_room = room;
    }
    p->chunks[p->chunk_branches] = (chunk_count){.branch = branch};
    return &p->chunks[p->chunk_branches++];
}

static clock_entry entry_wait(const entry *e)
{
    return (clock_entry){.epoch = e->epoch, .at_ms = e->at_ms, .due_ms = e->due_ms, .absolute = e->absolute};
}

static bool replay_take_step(replay *p, const entry *e)
{
    replay_record *rec = replay_record_of(p, e, ENTRY_STEP_DONE);
    if (!rec) return false;
    rec->open_chunks = 0;
    if (e->kind == ENTRY_ROLLBACK) {
        rec->label = e->id; /* a rollback has the step's label in the place of its id */
        return true;
    }
    rec->id = e->id;
    rec->occurrence = e->occurrence;
    rec->began = e->began;
    rec->input_hash = e->input_hash;
    if (e->kind == ENTRY_STEP_DONE) {
        rec->done = true;
        rec->value = e->value;
        return true;
    }
    rec->attempts = e->attempt < ATTEMPTS_MAX ? e->attempt : ATTEMPTS_MAX;
    rec->wait = entry_wait(e);
    rec->failed = e->due_ms == 0;
    rec->fatal = e->fatal;
    rec->error = e->error;
    rec->calls = e->calls;
    return true;
}

static bool replay_take_chunk(replay *p, const entry *e)
{
    if (e->id.len == 0) {
        chunk_count *n = replay_chunks_of(p, e->path);
        if (n) n->count++;
        p->streamed += n != NULL;
        return n != NULL;
    }
    replay_record *rec = replay_record_of(p, e, ENTRY_STEP_DONE);
    if (!rec) return false;
    rec->open_chunks++;
    rec->label = e->id;
    return true;
}

static bool replay_take_branch(replay *p, const entry *e)
{
    replay_record *rec = replay_record_of(p, e, ENTRY_BRANCH);
    if (!rec) return false;
    rec->id = e->id;
    rec->occurrence = e->occurrence;
    rec->branch = e->branch;
    return true;
}

/* A call's result is what *returned* says; one that nobody waits for has it at once. */
static bool replay_take_call(replay *p, const entry *e)
{
    replay_record *rec = replay_record_of(p, e, ENTRY_CALLED);
    if (!rec) return false;
    rec->id = e->id;
    rec->occurrence = e->occurrence;
    rec->began = e->began;
    rec->branch = e->branch;
    rec->child = e->child;
    if (e->kind == ENTRY_CALLED) {
        rec->number = p->entries;
        rec->timeout_ms = e->duration_ms;
        rec->attempts = e->attempt < ATTEMPTS_MAX ? e->attempt : ATTEMPTS_MAX;
        rec->done = rec->detached = e->detached;
        rec->failed = rec->is_gone = false;
        return true;
    }
    rec->done = e->status == ENTRY_SUCCEEDED;
    rec->failed = !rec->done;
    rec->value = e->value;
    rec->error = e->error;
    return true;
}

/* Remarks of a step are made again only when an attempt is. Of statuses that came in one turn the last is there. */
static bool replay_take_remark(replay *p, const entry *e)
{
    if (e->attempt > 0) return true;
    replay_record *rec = replay_record_of(p, e, e->kind);
    if (!rec) return false;
    if (rec->kind != e->kind || e->occurrence < rec->remarks || e->occurrence == UINT32_MAX) return true;
    p->remarked += e->occurrence + 1 - rec->remarks;
    rec->remarks = e->occurrence + 1;
    return true;
}

static bool replay_add_signal(replay *p, const entry *e)
{
    replay_signal *s = arena_zalloc(p->arena, sizeof *s);
    if (!s) return false;
    s->signal = *e;
    *p->unread_end = s;
    p->unread_end = &s->next;
    return true;
}

/* Of a damaged journal the signal may be missing: then the wait has taken nil. */
static entry_text replay_signal_value(replay *p, entry_text letter)
{
    static const entry_text nil = {"\xc0", 1};
    replay_signal **at = &p->unread, *s;
    while ((s = *at) && !entry_text_equal(s->signal.letter, letter)) at = &s->next;
    if (!s) return nil;
    replay_unlink_signal(p, at);
    return s->signal.value;
}

static bool replay_take_wait(replay *p, const entry *e)
{
    if (e->kind == ENTRY_SIGNAL) return replay_add_signal(p, e);
    replay_record *rec = replay_record_of(p, e, ENTRY_WAIT);
    if (!rec) return false;
    rec->id = e->id;
    rec->occurrence = e->occurrence;
    rec->began = e->began;
    if (e->kind == ENTRY_WAIT) {
        rec->wait = entry_wait(e);
        rec->signal = e->signal;
        rec->question = e->question;
        rec->is_given_up = rec->is_void = false;
        return true;
    }
    rec->done = e->kind == ENTRY_TAKEN;
    rec->failed = e->kind == ENTRY_TIMED_OUT;
    if (e->question) rec->question = e->question; /* asked when the wait had begun */
    if (rec->done) rec->value = replay_signal_value(p, e->letter);
    return true;
}

static void abandoned_put(uint64_t *table, size_t cells, uint64_t path)
{
    size_t i = (size_t)path & (cells - 1);
    while (table[i] && table[i] != path) i = (i + 1) & (cells - 1);
    table[i] = path;
}

/* Makes room for so many more. */
static bool abandoned_grow(replay *p, size_t more)
{
    size_t cells = p->abandoned_cells ? p->abandoned_cells : 16;
    while ((p->abandoned_count + more) * 2 > cells) cells *= 2;
    if (cells == p->abandoned_cells) return true;
    uint64_t *bigger = arena_zalloc(p->arena, cells * sizeof *bigger);
    if (!bigger) return false;
    for (size_t i = 0; i < p->abandoned_cells; i++)
        if (p->abandoned[i]) abandoned_put(bigger, cells, p->abandoned[i]);
    p->abandoned = bigger;
    p->abandoned_cells = cells;
    return true;
}

static bool replay_take_won(replay *p, const entry *e)
{
    replay_record *rec = replay_record_of(p, e, ENTRY_WON);
    if (!rec || !abandoned_grow(p, entry_cause_count(e))) return false;
    rec->id = e->id;
    rec->occurrence = e->occurrence;
    rec->began = e->began;
    rec->winner = e->winner;
    rec->member = e->member;
    for (size_t i = 0; i < entry_cause_count(e); i++) {
        uint64_t path = entry_cause(e, i);
        if (path == 0) continue;
        abandoned_put(p->abandoned, p->abandoned_cells, path);
        p->abandoned_count++;
    }
    return true;
}

static bool replay_take_patch(replay *p, const entry *e)
{
    replay_record *rec = replay_record_of(p, e, ENTRY_PATCH);
    if (!rec) return false;
    rec->id = e->id;
    rec->answer = e->answer;
    return true;
}

static bool replay_take_difference(replay *p, const entry *e)
{
    replay_record *rec = replay_record_of(p, e, ENTRY_STEP_DONE);
    if (!rec) return false;
    rec->reported = true;
    rec->reported_by = e->version;
    return true;
}

/* Makes a step that has no result one of which no attempt was made. */
static void record_begin_anew(replay_record *rec)
{
    assert(rec->kind == ENTRY_STEP_DONE && !rec->done);
    rec->failed = rec->fatal = false;
    if (!BUG(COUNT_ON)) rec->attempts = 0;
    rec->input_hash = 0; /* no result: there is nothing that another input could not fit */
    rec->wait = (clock_entry){.due_ms = 0};
}

/* As replay_find, of what the journal says: the code has not come to the record yet. */
static replay_record *replay_peek(replay *p, uint64_t path)
{
    replay_record *rec = replay_cell(p->records, p->cells, path);
    return rec->kind ? rec : NULL;
}

/* What was given up for a failure that counts no more is wanted again, as far as the code comes to it. */
static void record_revive(replay_record *rec)
{
    if (rec->is_given_up) rec->is_void = true;
    rec->is_given_up = false;
}

/* Gives retries anew, for a release from STOP_EXHAUSTED: to the steps that the stop names as causes, and to those that
 * waited for their next attempt then. Other failures stand, for the code has dealt with them. */
static void replay_give_retries(replay *p, const entry *stopped)
{
    for (size_t i = 0; i < p->cells; i++) {
        replay_record *rec = &p->records[i];
        record_revive(rec);
        bool stands = rec->done || (rec->failed && !BUG(RELEASE_ALL));
        if (rec->kind == ENTRY_STEP_DONE && !stands) record_begin_anew(rec);
    }
    for (size_t i = 0; i < entry_cause_count(stopped); i++) {
        replay_record *rec = replay_peek(p, entry_cause(stopped, i));
        if (rec && rec->kind == ENTRY_STEP_DONE && !rec->done) record_begin_anew(rec);
    }
}

/* Takes back how the run ended, and the failures that `reopened` names: a call waits for the run that was called, which
 * goes on, too. So does one that had not returned. How long the run had been stopped before says nothing any more,
 * since its deadline is another one. */
void replay_reopen(replay *p, const entry *reopened)
{
    const entry none = {.path = 0};
    for (size_t i = 0; i < p->cells && !BUG(REOPEN_NONE); i++) record_revive(&p->records[i]);
    for (size_t i = 0; i < entry_cause_count(reopened) && !BUG(REOPEN_NONE); i++) {
        replay_record *rec = replay_peek(p, entry_cause(reopened, i));
        if (!rec || rec->done) continue;
        if (rec->kind == ENTRY_STEP_DONE) record_begin_anew(rec);
        if (rec->kind == ENTRY_CALLED) rec->failed = false;
    }
    p->response = p->ended = p->cancel = p->stopped = none;
    p->stands = NULL;
    p->reopened = *reopened;
}

void replay_release(replay *p)
{
    if (p->stopped.kind && p->stopped.status == ENTRY_STOP_EXHAUSTED && !BUG(RELEASE_NONE))
        replay_give_retries(p, &p->stopped);
}

/* Of a step's attempt *won* tells. */
static bool replay_take_abandoned(replay *p, const entry *e)
{
    replay_record *rec = replay_peek(p, e->path);
    if (!rec) return true;
    if (rec->kind == ENTRY_CALLED) rec->is_recalled = true;
    if (rec->kind == ENTRY_SLEEP || (rec->kind == ENTRY_WAIT && !rec->done && !rec->failed)) rec->is_given_up = true;
    return true;
}

static bool replay_take_release(replay *p, const entry *e)
{
    if (!p->stopped.kind) return true; /* the run was not resumed (--no-resume), which no entry tells */
    replay_release(p);
    stand *s = arena_zalloc(p->arena, sizeof *s);
    if (!s) return false;
    *s = (stand){.next = p->stands, .from = {p->stopped.epoch, p->stopped.at_ms}, .to = {e->epoch, e->at_ms}};
    p->stands = s;
    p->stopped = (entry){.path = 0};
    return true;
}

/* Of a sleep, a value, or a signal sent. Returns true. */
static bool record_keep(replay_record *rec, const entry *e)
{
    rec->id = e->id;
    rec->began = e->began;
    rec->occurrence = e->occurrence;
    rec->wait = entry_wait(e);
    rec->value = e->value;
    rec->answer = e->answer;
    rec->is_given_up = rec->is_void = false;
    return true;
}

/* Takes an entry into the tables. False: no memory. */
static bool replay_take(replay *p, const entry *e)
{
    replay_record *rec = NULL;
    switch (e->kind) {
    case ENTRY_CALLED:
    case ENTRY_RETURNED:
        return replay_take_call(p, e);
    case ENTRY_STARTED:
        p->started = *e;
        return true;
    case ENTRY_RESPONSE:
        p->response = *e;
        return true;
    case ENTRY_ENDED:
        p->ended = *e;
        return true;
    case ENTRY_CANCEL:
        p->cancel = *e;
        return true;
    case ENTRY_STEP_DONE:
    case ENTRY_STEP_FAILED:
    case ENTRY_ROLLBACK:
        return replay_take_step(p, e);
    case ENTRY_CHUNK:
        return replay_take_chunk(p, e);
    case ENTRY_SLEEP:
    case ENTRY_VALUE:
    case ENTRY_SENT:
        rec = replay_record_of(p, e, e->kind);
        return rec && record_keep(rec, e);
    case ENTRY_STOPPED:
        p->stopped = *e;
        return true;
    case ENTRY_RELEASED:
        return replay_take_release(p, e);
    case ENTRY_REOPENED:
        replay_reopen(p, e);
        return true;
    case ENTRY_WON:
    case ENTRY_ABANDONED:
        return e->kind == ENTRY_WON ? replay_take_won(p, e) : replay_take_abandoned(p, e);
    case ENTRY_WAIT:
    case ENTRY_SIGNAL:
    case ENTRY_TAKEN:
    case ENTRY_TIMED_OUT:
        return replay_take_wait(p, e);
    case ENTRY_PATCH:
        return replay_take_patch(p, e);
    case ENTRY_BRANCH:
        return replay_take_branch(p, e);
    case ENTRY_LABEL:
    case ENTRY_STATUS:
    case ENTRY_USAGE:
        return replay_take_remark(p, e);
    case ENTRY_DIFFERS:
        return replay_take_difference(p, e);
    default:
        return true; /* ENTRY_UNASKED; ENTRY_CRASHED, which replay_new counts; an unknown kind from ENTRY_PASSABLE on */
    }
}

replay *replay_new(arena *a, entry_text journal, replay_entry_fn on_entry, void *arg, const char **error)
{
    replay *p = arena_zalloc(a, sizeof *p);
    char *copy = arena_memdup(a, journal.data, journal.len);
    *error = replay_no_memory;
    if (!p || (!copy && journal.len > 0)) return NULL;
    p->arena = a;
    p->unread_end = &p->unread;
    if (!replay_grow(p)) return NULL;
    for (size_t at = 0; at < journal.len;) {
        entry e;
        size_t taken = entry_decode(copy + at, journal.len - at, &e, error);
        if (taken == 0) return NULL;
        if ((p->entries == 0) != (e.kind == ENTRY_STARTED)) {
            *error = "a journal has to begin with one start and hold no other";
            return NULL;
        }
        p->entries++;
        *error = replay_no_memory;
        if (!replay_take(p, &e)) return NULL;
        if (e.at_ms > p->last_ms) p->last_ms = e.at_ms;
        p->crashes = e.kind == ENTRY_CRASHED ? p->crashes + 1 : entry_is_progress(e.kind) ? 0 : p->crashes;
        if (on_entry) on_entry(arg, &e, p->entries);
        at += taken;
    }
    *error = "the journal is empty";
    return p->entries ? p : NULL;
}
