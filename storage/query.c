#include "storage/query.h"

#include <assert.h>
#include <string.h>

#include "storage/store.h"

bool query_narrows(const run_query *q)
{
    return q->fates != FATES || q->function || q->version || q->error || q->label_key || q->wants;
}

run_fate query_fate_of(const store_summary *s)
{
    if (s->live) return FATE_LIVE;
    if (s->of.error) return FATE_UNREADABLE;
    if (!s->of.ended.kind) return FATE_LIVE;
    switch (s->of.ended.status) {
    case ENTRY_SUCCEEDED:
        return FATE_SUCCEEDED;
    case ENTRY_FAILED:
        return FATE_FAILED;
    default:
        return FATE_CANCELLED;
    }
}

static char fold(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

bool query_contains(const char *text, size_t len, const char *part)
{
    size_t part_len = strlen(part);
    for (size_t at = 0; at + part_len <= len; at++) {
        size_t n = 0;
        while (n < part_len && fold(text[at + n]) == fold(part[n])) n++;
        if (n == part_len) return true;
    }
    return false;
}

static bool text_is_wanted(entry_text t, const char *wanted) { return !wanted || entry_text_is(t, wanted); }

static bool text_has(entry_text t, const char *part) { return t.len > 0 && query_contains(t.data, t.len, part); }

bool query_takes_labels(const run_query *q, const run_label *labels, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (text_is_wanted(labels[i].key, q->label_key) && text_is_wanted(labels[i].value, q->label_value)) return true;
    return !q->label_key;
}

bool query_takes(const run_query *q, const store_summary *s)
{
    const run_summary *of = &s->of;
    assert((q->fates & ~(unsigned)FATES) == 0);
    if (!(q->fates & query_fate_of(s))) return false;
    if (!text_is_wanted(of->started.function, q->function) || !text_is_wanted(of->started.version, q->version))
        return false;
    if (!query_takes_labels(q, of->remarks.labels, of->remarks.label_count)) return false;
    if (q->error && !text_has(of->ended.error, q->error) && !text_has(of->stopped.error, q->error)) return false;
    return !q->wants || q->wants(q->arg, s);
}
