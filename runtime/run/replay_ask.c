/* replay_ask: what is asked of a journal that has been read. */
#include <assert.h>

#include "runtime/run/replay_core.h"

const entry *replay_started(const replay *p) { return &p->started; }
const entry *replay_response(const replay *p) { return p->response.kind ? &p->response : NULL; }
const entry *replay_ended(const replay *p) { return p->ended.kind ? &p->ended : NULL; }
entry_cancel replay_cancel(const replay *p) { return (entry_cancel)p->cancel.status; }
const entry *replay_cancel_entry(const replay *p) { return p->cancel.kind ? &p->cancel : NULL; }
const entry *replay_stopped(const replay *p) { return p->stopped.kind ? &p->stopped : NULL; }
const entry *replay_reopened(const replay *p) { return p->reopened.kind ? &p->reopened : NULL; }
unsigned replay_crashes(const replay *p) { return p->crashes; }
int64_t replay_last_ms(const replay *p) { return p->last_ms; }
uint32_t replay_entries(const replay *p) { return p->entries; }
size_t replay_used(const replay *p) { return p->used; }
size_t replay_unused(const replay *p)
{
    assert(p->uncounted + p->used <= p->count);
    return p->count - p->uncounted - p->used;
}

int64_t replay_stood_ms(const replay *p, const loop_clock *c)
{
    int64_t ms = 0;
    for (const stand *s = p->stands; s; s = s->next) ms += clock_between_ms(c, s->from, s->to);
    return ms;
}

replay_record *replay_find(replay *p, uint64_t path)
{
    replay_record *rec = replay_cell(p->records, p->cells, path);
    if (!rec->kind) return NULL;
    if (!rec->used) {
        rec->used = true;
        if (rec->kind == ENTRY_BRANCH) p->branches_used++;
        if (rec->kind == ENTRY_PATCH) p->patches_used++;
        if (record_counts(rec->kind)) p->used++;
    }
    return rec;
}

bool replay_is_ahead(const replay *p)
{
    assert(p->remarked_used <= p->remarked);
    assert(p->patches_used <= p->patches && p->branches_used <= p->branches && p->streamed_used <= p->streamed);
    size_t patches = p->patches - p->patches_used;
    return replay_unused(p) > patches || p->branches_used < p->branches || p->streamed_used < p->streamed ||
           p->remarked_used < p->remarked;
}

static bool record_tells(const replay_record *rec)
{
    return rec->done || rec->failed || rec->kind == ENTRY_SLEEP || rec->kind == ENTRY_WAIT ||
           rec->kind == ENTRY_CALLED || rec->kind == ENTRY_VALUE || rec->kind == ENTRY_WON;
}

const replay_record *replay_next_unasked(const replay *p, size_t *at)
{
    while (*at < p->cells) {
        const replay_record *rec = &p->records[(*at)++];
        if (rec->kind && !rec->used && record_tells(rec)) return rec;
    }
    return NULL;
}

bool replay_waits_for(const replay *p, uint64_t question)
{
    for (size_t i = 0; i < p->cells; i++)
        if (p->records[i].kind == ENTRY_WAIT && p->records[i].question == question) return true;
    return false;
}

bool replay_is_abandoned(const replay *p, uint64_t path)
{
    if (p->abandoned_count == 0 || path == 0) return false;
    size_t i = (size_t)path & (p->abandoned_cells - 1);
    while (p->abandoned[i] && p->abandoned[i] != path) i = (i + 1) & (p->abandoned_cells - 1);
    return p->abandoned[i] == path;
}

const entry *replay_unread_signal(const replay *p, entry_text name, const entry *after)
{
    bool is_behind = after == NULL;
    for (const replay_signal *s = p->unread; s; s = s->next) {
        if (is_behind && entry_text_equal(s->signal.signal, name)) return &s->signal;
        is_behind = is_behind || &s->signal == after;
    }
    return NULL;
}

void replay_take_signal(replay *p, const entry *signal)
{
    replay_signal **at = &p->unread;
    while (*at && &(*at)->signal != signal) at = &(*at)->next;
    if (*at) replay_unlink_signal(p, at);
}

bool replay_take_streamed(replay *p, uint64_t branch_path, uint32_t number)
{
    for (size_t i = 0; i < p->chunk_branches; i++) {
        if (p->chunks[i].branch != branch_path) continue;
        bool is_there = number < p->chunks[i].count;
        p->streamed_used += is_there;
        return is_there;
    }
    return false;
}

bool replay_take_remarked(replay *p, uint64_t path, uint32_t number)
{
    const replay_record *rec = replay_cell(p->records, p->cells, path);
    bool is_there = rec->kind && entry_is_remark(rec->kind) && number < rec->remarks;
    p->remarked_used += is_there;
    return is_there;
}

/* Whether the call, or a branch around it, has lost. */
static bool replay_call_has_lost(const replay *p, const replay_record *call)
{
    const replay_record *rec = call;
    for (size_t depth = 0; rec->kind && depth <= p->branches; depth++) {
        if (replay_is_abandoned(p, rec->path)) return true;
        rec = replay_cell(p->records, p->cells, rec->branch);
    }
    return false;
}

const replay_record *replay_next_wanted_call(const replay *p, size_t *at)
{
    const replay_record *rec;
    while ((rec = replay_next_open_call(p, at)) != NULL && replay_call_has_lost(p, rec)) continue;
    return rec;
}

const replay_record *replay_next_open_call(const replay *p, size_t *at)
{
    while (*at < p->cells) {
        const replay_record *rec = &p->records[(*at)++];
        if (rec->kind == ENTRY_CALLED && !rec->done && !rec->failed && !rec->is_gone && !rec->is_recalled) return rec;
    }
    return NULL;
}
