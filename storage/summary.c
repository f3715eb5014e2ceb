#include "storage/summary.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

static void summary_take_failure(run_summary *s, const entry *e)
{
    uint64_t path;
    if (e->kind == ENTRY_STEP_FAILED && e->due_ms == 0) {
        s->failed_path = e->path;
        s->failed_step = e->id;
    }
    if (e->kind != ENTRY_ENDED || e->causes.len < sizeof path) return;
    memcpy(&path, e->causes.data, sizeof path);
    s->cause = be64toh(path);
}

static void summary_reopen(run_summary *s, const entry *reopened)
{
    s->stopped = s->ended = (entry){.path = 0};
    s->cancelled_by = (entry_text){NULL, 0};
    s->failed_path = s->cause = 0;
    s->failed_step = (entry_text){NULL, 0};
    s->released_epoch = reopened->epoch;
    s->reopened = reopened->attempt;
}

void summary_read(run_summary *s, const char *data, size_t len)
{
    entry e;
    for (size_t at = 0, n; !s->error && at < len; at += n) {
        n = entry_decode(data + at, len - at, &e, &s->error);
        assert((n == 0) == (s->error != NULL));
        if (n == 0) break;
        assert(n <= len - at);
        if (e.kind == ENTRY_STARTED) s->started = e;
        if (e.kind == ENTRY_ENDED) s->ended = e;
        if (e.kind == ENTRY_STOPPED) s->stopped = e;
        if (e.kind == ENTRY_CANCEL) s->cancelled_by = e.error;
        if (e.kind == ENTRY_RELEASED) s->stopped = (entry){.path = 0};
        if (e.kind == ENTRY_RELEASED) s->released_epoch = e.epoch;
        if (e.kind == ENTRY_REOPENED) summary_reopen(s, &e);
        s->entries++;
        s->steps += e.kind == ENTRY_STEP_DONE;
        s->failures += e.kind == ENTRY_STEP_FAILED;
        s->differences += e.kind == ENTRY_DIFFERS;
        s->unasked += e.kind == ENTRY_UNASKED;
        s->crashes += e.kind == ENTRY_CRASHED;
        remarks_take(&s->remarks, &e);
        summary_take_failure(s, &e);
    }
}

bool summary_is_decided(const run_summary *s) { return s->ended.kind || s->stopped.kind || s->released_epoch; }
