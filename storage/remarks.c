#include "storage/remarks.h"

#include <assert.h>
#include <string.h>

run_label *remarks_find(run_remarks *r, entry_text key)
{
    assert(r->label_count <= REMARKS_LABELS_MAX);
    for (uint32_t i = 0; i < r->label_count; i++)
        if (entry_text_equal(r->labels[i].key, key)) return &r->labels[i];
    return NULL;
}

/* A label that is one too many is left out: no run of this version writes one. */
static void remarks_take_label(run_remarks *r, const entry *e)
{
    run_label *l = remarks_find(r, e->id);
    if (!l && r->label_count == REMARKS_LABELS_MAX) return;
    if (!l) l = &r->labels[r->label_count++];
    *l = (run_label){.key = e->id, .value = e->value};
}

static void remarks_take_one(run_remarks *r, const entry *e)
{
    switch (e->kind) {
    case ENTRY_LABEL:
        remarks_take_label(r, e);
        return;
    case ENTRY_STATUS:
        r->status = e->value;
        return;
    case ENTRY_USAGE:
        memcpy(r->used, e->used_sum, sizeof r->used);
        r->has_used = true;
        return;
    default:
        return;
    }
}

void remarks_take(run_remarks *r, const entry *e)
{
    const char *error = NULL;
    entry inner;
    remarks_take_one(r, e);
    if (e->kind != ENTRY_ENDED) return;
    for (size_t at = 0, n; at < e->remarks.len; at += n) {
        n = entry_decode(e->remarks.data + at, e->remarks.len - at, &inner, &error);
        if (n == 0) return; /* what is behind cannot be read: the run itself can */
        remarks_take_one(r, &inner);
    }
}
