#include "runtime/run/remarking.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/run/record.h"

enum { STATUSES_WAIT_MAX = 16 }; /* each new one is compared with those that wait */

/* A status. malloc'd: a run may have very many, and its arena only grows. */
typedef struct status_note {
    struct status_note *next;
    entry e; /* `value` is `bytes` */
    char bytes[];
} status_note;

typedef struct label_bytes {
    char key[REMARK_LABEL_BYTES_MAX], value[REMARK_LABEL_BYTES_MAX];
} label_bytes;

struct remarking {
    run_remarks said; /* texts of labels: in `labels`; status: of `last` */
    label_bytes labels[REMARKS_LABELS_MAX];
    status_note *waiting; /* the oldest first */
    unsigned waiting_count;
    status_note *last; /* the newest status; the last of `waiting`, else an entry already */
};

const run_remarks *remarking_said(const run *r) { return r->remarks ? &r->remarks->said : NULL; }

bool remarking_begin(run *r)
{
    if (!r->remarks) r->remarks = arena_zalloc(&r->task.arena, sizeof *r->remarks);
    return r->remarks != NULL;
}

/* ---- Labels and usage ---- */

/* Of a later version's longer labels nothing is remembered: the journal has them. */
static void remarking_note_label(remarking *m, const entry *e)
{
    if (e->id.len > REMARK_LABEL_BYTES_MAX || e->value.len > REMARK_LABEL_BYTES_MAX) return;
    run_label *l = remarks_find(&m->said, e->id);
    if (!l && m->said.label_count == REMARKS_LABELS_MAX) return;
    if (!l) l = &m->said.labels[m->said.label_count++];
    label_bytes *to = &m->labels[l - m->said.labels];
    memcpy(to->key, e->id.data, e->id.len);
    if (e->value.len > 0) memcpy(to->value, e->value.data, e->value.len);
    *l = (run_label){.key = {to->key, e->id.len}, .value = {to->value, e->value.len}};
}

/* ---- Statuses ---- */

static status_note *status_new(const entry *e)
{
    status_note *n = malloc(sizeof *n + e->value.len);
    if (!n) return NULL;
    *n = (status_note){.e = *e};
    memcpy(n->bytes, e->value.data, e->value.len);
    n->e.value.data = n->bytes;
    return n;
}

/* Makes `n` the newest status, and frees the one before unless that waits. */
static void remarking_set_last(remarking *m, status_note *n)
{
    if (m->waiting_count == 0) free(m->last);
    m->last = n;
    m->said.status = n->e.value;
}

static bool remarking_note_status(remarking *m, const entry *e)
{
    status_note *n = status_new(e);
    if (!n) return false;
    assert(m->waiting_count == 0); /* the journal is read before the code says anything */
    remarking_set_last(m, n);
    return true;
}

bool remarking_note(run *r, const entry *e)
{
    if (!entry_is_remark(e->kind)) return true;
    if (!remarking_begin(r)) return false;
    if (e->kind == ENTRY_STATUS) return remarking_note_status(r->remarks, e);
    if (e->kind == ENTRY_LABEL)
        remarking_note_label(r->remarks, e);
    else
        remarks_take(&r->remarks->said, e);
    return true;
}

/* Frees the status of the same place that waits, if one does. */
static void remarking_drop_status(remarking *m, uint64_t path)
{
    for (status_note **at = &m->waiting, *n; (n = *at) != NULL; at = &n->next) {
        if (n->e.path != path) continue;
        *at = n->next;
        m->waiting_count--;
        if (m->last == n) m->last = NULL;
        free(n);
        return;
    }
}

static void remarking_add_status(remarking *m, status_note *n)
{
    status_note **end = &m->waiting;
    while (*end) end = &(*end)->next;
    remarking_set_last(m, n);
    *end = n;
    m->waiting_count++;
}

bool remarking_put_status(run *r, const entry *status)
{
    assert(status->kind == ENTRY_STATUS);
    if (r->state == RUN_ENDING || run_has_lost(r)) return true;
    status_note *n = remarking_begin(r) ? status_new(status) : NULL;
    if (!n) return false;
    if (r->remarks->waiting_count == STATUSES_WAIT_MAX) remarking_flush(r);
    remarking_drop_status(r->remarks, status->path);
    remarking_add_status(r->remarks, n);
    run_touch(r);
    return true;
}

/* A status for which --run-state-max has no room any more is left out: the next sw_status says so. */
void remarking_flush(run *r)
{
    remarking *m = r->remarks;
    if (!m) return;
    for (status_note *n = m->waiting, *next; n; n = next) {
        next = n->next;
        n->next = NULL;
        (void)record_append(r, &n->e);
        if (n != m->last) free(n);
    }
    m->waiting = NULL;
    m->waiting_count = 0;
}

void remarking_free(run *r)
{
    remarking *m = r->remarks;
    if (!m) return;
    bool waits = m->waiting_count > 0;
    for (status_note *n = m->waiting, *next; n; n = next) {
        next = n->next;
        free(n);
    }
    if (!waits) free(m->last);
    r->remarks = NULL;
}

/* ---- All of it ---- */

bool remarking_pack(const run *r, msgpack_sbuffer *to)
{
    const run_remarks *said = remarking_said(r);
    if (!said) return true;
    for (uint32_t i = 0; i < said->label_count; i++) {
        const run_label *l = &said->labels[i];
        if (entry_encode(to, &(entry){.kind = ENTRY_LABEL, .id = l->key, .value = l->value}) != 0) return false;
    }
    if (said->status.len > 0 && entry_encode(to, &(entry){.kind = ENTRY_STATUS, .value = said->status}) != 0)
        return false;
    entry used = {.kind = ENTRY_USAGE};
    memcpy(used.used_sum, said->used, sizeof used.used_sum);
    return !said->has_used || entry_encode(to, &used) == 0;
}
