#include "runtime/check/checked_run.h"

#include <assert.h>

enum { BRANCHES_DEEP = 100 /* a damaged journal may have a branch within itself */ };

static const char no_memory[] = "out of memory";

/* Returns how many entries the journal has; 0 with a message: it cannot be read. */
static size_t journal_count(entry_text journal, const char **error)
{
    size_t count = 0;
    entry e;
    for (size_t at = 0, n; at < journal.len; at += n, count++) {
        n = entry_decode(journal.data + at, journal.len - at, &e, error);
        if (n == 0) return 0;
        *error = "a journal has to begin with one start and hold no other";
        if ((e.kind == ENTRY_STARTED) != (count == 0)) return 0;
    }
    *error = "the journal is empty";
    return count;
}

/* Whether the run is released behind the stop that is entry `at`. */
static bool stop_is_over(const checked_run *r, size_t at)
{
    for (size_t i = at + 1; i < r->count; i++)
        if (r->entries[i].kind == ENTRY_RELEASED) return true;
    return false;
}

static bool entry_is_kept(const checked_run *r, size_t at)
{
    switch (r->entries[at].kind) {
    case ENTRY_RESPONSE:
    case ENTRY_ENDED:
    case ENTRY_CANCEL:
    case ENTRY_CRASHED:
    case ENTRY_DIFFERS:
    case ENTRY_UNASKED:
        return false;
    case ENTRY_STOPPED:
        return stop_is_over(r, at);
    default:
        return true;
    }
}

/* Whether the entry says until when the run may take: an execution of it comes later. */
static bool entry_has_deadline(const entry *e)
{
    return (e->kind == ENTRY_STARTED || e->kind == ENTRY_REOPENED) && e->due_ms != 0;
}

/* Adds the entry, which is `bytes` in the journal that was read. False: out of memory. */
static bool journal_add(checked_run *r, const entry *e, entry_text bytes)
{
    entry endless = *e;
    endless.due_ms = 0;
    return entry_has_deadline(e) ? entry_encode(&r->journal, &endless) == 0
                                 : msgpack_sbuffer_write(&r->journal, bytes.data, bytes.len) == 0;
}

static bool journal_cut(checked_run *r, entry_text journal)
{
    const char *error = NULL;
    size_t at = 0;
    entry e;
    for (size_t i = 0; i < r->count; i++) {
        size_t n = entry_decode(journal.data + at, journal.len - at, &e, &error);
        assert(n > 0);
        bool is_kept = entry_is_kept(r, i);
        if (is_kept && !journal_add(r, &e, (entry_text){journal.data + at, n})) return false;
        r->kept += is_kept;
        at += n;
    }
    return true;
}

bool checked_run_read(checked_run *r, arena *a, const run_id *id, entry_text journal, const char **error)
{
    *r = (checked_run){.id = *id};
    run_id_format(id, r->id_text);
    msgpack_sbuffer_init(&r->journal);
    r->count = journal_count(journal, error);
    if (r->count == 0) return false;
    entry *entries = arena_zalloc(a, r->count * sizeof *entries);
    *error = no_memory;
    if (!entries) return false;
    r->entries = r->started = entries;
    const char *ignored = NULL;
    bool was_cancelled = false;
    for (size_t i = 0, at = 0; i < r->count; i++) {
        at += entry_decode(journal.data + at, journal.len - at, &entries[i], &ignored);
        if (entries[i].kind == ENTRY_REOPENED) {
            r->response = r->ended = NULL;
            was_cancelled = false;
        }
        if (entries[i].kind == ENTRY_RESPONSE) r->response = &entries[i];
        if (entries[i].kind == ENTRY_ENDED) r->ended = &entries[i];
        was_cancelled |= entries[i].kind == ENTRY_CANCEL;
    }
    r->has_answer = r->ended && r->response && !was_cancelled;
    return journal_cut(r, journal);
}

void checked_run_free(checked_run *r) { msgpack_sbuffer_destroy(&r->journal); }

static const entry *branch_find(const checked_run *r, uint64_t path)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->entries[i].kind == ENTRY_BRANCH && r->entries[i].path == path) return &r->entries[i];
    return NULL;
}

const char *checked_run_label(const checked_run *r, arena *a, uint64_t branch)
{
    const char *label = "";
    const entry *e;
    for (int deep = 0; label && deep < BRANCHES_DEEP && (e = branch_find(r, branch)); deep++) {
        const char *slash = *label ? "/" : "";
        int len = (int)e->id.len;
        label = e->occurrence > 0 ? arena_printf(a, "%.*s:%u%s%s", len, e->id.data, e->occurrence, slash, label)
                                  : arena_printf(a, "%.*s%s%s", len, e->id.data, slash, label);
        branch = e->branch;
    }
    return label;
}
