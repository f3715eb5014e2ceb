#include "storage/glance.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "storage/entry_more.h"

enum { MORE_STOPPED = 16 }; /* times bytes_max for the end of a stopped run */

static const char cut_mark[] = "...";

typedef struct reading {
    store_summary *out;
    size_t bytes_max, first_bytes, last_bytes;
    uint32_t first_entries; /* read from the beginning on */
    uint32_t last_from;     /* `cut`: how many entries come before those that were read from the end */
    bool is_decided;        /* by what was read from the end: see summary_is_decided */
    bool has_late_failure;  /* what was read from the end has a step that failed for good */
    bool has_late_cancel; /* what was read from the end says who has asked for the run's end, or that it was reopened */
    run_remarks late;     /* out of what was read from the end: texts as in `out` */
} reading;

/* Replaces the borrowed text by a copy of its first bytes_max bytes, which ends between two characters. */
static void copy_text(store_summary *out, entry_text *t, size_t bytes_max)
{
    size_t len = t->len < bytes_max ? t->len : bytes_max;
    bool cut = len < t->len;
    while (cut && len > 0 && ((unsigned char)t->data[len] & 0xc0) == 0x80) len--;
    assert(len <= bytes_max);
    char *copy = t->len > 0 ? malloc(len + sizeof cut_mark) : NULL;
    if (!copy) {
        if (t->len > 0) out->error = store_no_memory;
        *t = (entry_text){NULL, 0};
        return;
    }
    if (len > 0) memcpy(copy, t->data, len);
    if (cut) memcpy(copy + len, cut_mark, sizeof cut_mark - 1);
    *t = (entry_text){copy, cut ? len + sizeof cut_mark - 1 : len};
}

/* As copy_text, of what is optional: without its large values, since half of one would say nothing. */
static void copy_more(store_summary *out, entry_text *more)
{
    entry_text small = {NULL, more->len};
    if (more->len > GLANCE_TEXT_MAX) small.len = entry_more_copy_small(*more, GLANCE_TEXT_MAX, NULL);
    char *copy = small.len > 0 ? malloc(small.len) : NULL;
    if (small.len > 0 && !copy) out->error = store_no_memory;
    if (copy && more->len > GLANCE_TEXT_MAX)
        (void)entry_more_copy_small(*more, GLANCE_TEXT_MAX, copy);
    else if (copy)
        memcpy(copy, more->data, small.len);
    *more = (entry_text){copy, copy ? small.len : 0};
}

static void free_text(const entry_text *t) { free((void *)(uintptr_t)t->data); }

/* Replaces *to, which is owned, by a copy of `from`. */
static void replace_text(store_summary *out, entry_text *to, entry_text from, size_t bytes_max)
{
    free_text(to);
    *to = from;
    copy_text(out, to, bytes_max);
}

static void free_remarks(const run_remarks *r)
{
    for (uint32_t i = 0; i < r->label_count; i++) {
        free_text(&r->labels[i].key);
        free_text(&r->labels[i].value);
    }
    free_text(&r->status);
}

/* Adds to the remarks in *to, whose texts are owned, copies of those in `from`. `is_newer`: they replace what is there.
 */
static void copy_remarks(store_summary *out, run_remarks *to, const run_remarks *from, bool is_newer)
{
    for (uint32_t i = 0; i < from->label_count; i++) {
        run_label *l = remarks_find(to, from->labels[i].key);
        if (l && !is_newer) continue;
        if (!l && to->label_count == REMARKS_LABELS_MAX) continue;
        if (!l) {
            l = &to->labels[to->label_count++];
            *l = (run_label){.key = from->labels[i].key};
            copy_text(out, &l->key, GLANCE_TEXT_MAX);
        }
        replace_text(out, &l->value, from->labels[i].value, GLANCE_TEXT_MAX);
    }
    bool fits = from->status.len > 0 && from->status.len <= GLANCE_STATUS_MAX; /* half a value is none */
    if (fits && (is_newer || to->status.len == 0)) replace_text(out, &to->status, from->status, SIZE_MAX);
    if (from->has_used && (is_newer || !to->has_used)) {
        memcpy(to->used, from->used, sizeof to->used);
        to->has_used = true;
    }
}

/* Replaces *to by a copy of those fields of *from that a line shows; kind 0: by nothing. */
static void copy_entry(store_summary *out, entry *to, const entry *from)
{
    free_text(&to->function);
    free_text(&to->version);
    free_text(&to->target);
    free_text(&to->error);
    free_text(&to->by);
    free_text(&to->more);
    *to = (entry){.kind = from->kind, .at_ms = from->at_ms, .status = from->status, .epoch = from->epoch};
    if (!from->kind) return;
    to->function = from->function;
    to->version = from->version;
    to->target = from->target;
    to->error = from->error;
    to->by = from->by;
    to->more = from->more;
    copy_text(out, &to->function, SIZE_MAX); /* a name to be looked up */
    copy_text(out, &to->version, SIZE_MAX);  /* a name to be compared */
    copy_text(out, &to->target, GLANCE_TEXT_MAX);
    copy_text(out, &to->error, GLANCE_TEXT_MAX);
    copy_text(out, &to->by, GLANCE_TEXT_MAX);
    copy_more(out, &to->more);
}

/* Takes the run's state from `part`, which is newer than what was read so far. */
static void copy_state(store_summary *out, const run_summary *part)
{
    if (!summary_is_decided(part)) return;
    copy_entry(out, &out->of.stopped, &part->stopped);
    copy_entry(out, &out->of.ended, &part->ended);
    out->of.released_epoch = part->released_epoch;
    if (part->reopened) out->of.reopened = part->reopened;
}

/* Takes which step failed, and which one ended the run, from `part`, which is newer than what was read so far. */
static void copy_failure(store_summary *out, const run_summary *part)
{
    if (part->failed_path) {
        out->of.failed_path = part->failed_path;
        replace_text(out, &out->of.failed_step, part->failed_step, GLANCE_TEXT_MAX);
    }
    if (part->ended.kind) out->of.cause = part->cause;
}

/* Takes who has asked for the run's end from `part`, likewise. Returns whether it says so, or that this is void. */
static bool copy_cancel(store_summary *out, const run_summary *part)
{
    bool tells = part->cancelled_by.len > 0 || part->reopened;
    if (tells) replace_text(out, &out->of.cancelled_by, part->cancelled_by, GLANCE_TEXT_MAX);
    return tells;
}

/* Another step failed for good, and the run went on. */
static void drop_other_failure(store_summary *out)
{
    if (out->of.failed_path == out->of.cause) return;
    free_text(&out->of.failed_step);
    out->of.failed_step = (entry_text){NULL, 0};
}

/* By the run's live row, which a release sets anew. */
static bool row_is_stopped(const reading *r) { return r->out->live && r->out->due_ms == STORE_DUE_STOPPED; }

static bool reading_on_first(reading *r, const run_summary *part)
{
    run_summary *of = &r->out->of;
    assert(!r->out->cut);
    if (part->started.kind) copy_entry(r->out, &of->started, &part->started);
    copy_state(r->out, part);
    of->entries += part->entries;
    of->steps += part->steps;
    of->failures += part->failures;
    of->differences += part->differences;
    of->crashes += part->crashes;
    copy_remarks(r->out, &of->remarks, &part->remarks, true);
    copy_failure(r->out, part);
    (void)copy_cancel(r->out, part);
    r->first_entries = of->entries;
    return r->first_bytes <= r->bytes_max;
}

static bool reading_on_last(reading *r, uint32_t seq, const run_summary *part)
{
    assert(!r->out->cut || seq < r->last_from);
    assert(!r->is_decided);
    if (!r->out->cut) r->out->of.entries = seq + part->entries;
    r->out->cut = true;
    r->last_from = seq;
    r->is_decided = summary_is_decided(part);
    copy_state(r->out, part);
    copy_remarks(r->out, &r->late, &part->remarks, false);
    if (!r->has_late_failure) copy_failure(r->out, part);
    r->has_late_failure = r->has_late_failure || part->failed_path;
    r->has_late_cancel = r->has_late_cancel || copy_cancel(r->out, part);
    size_t most =
        row_is_stopped(r) ? r->bytes_max * MORE_STOPPED : r->bytes_max; /* its attempts may have streamed on */
    return !r->is_decided && r->last_bytes <= most;
}

/* The beginning tells of a stop or of an end, the live row does not: then the run was released or reopened in the
 * middle, which was not read. */
static void drop_stale_state(reading *r)
{
    const entry none = {.path = 0};
    if (!r->out->cut || r->is_decided || r->last_from <= r->first_entries) return;
    if (!row_is_stopped(r)) copy_entry(r->out, &r->out->of.stopped, &none);
    if (r->out->live) copy_entry(r->out, &r->out->of.ended, &none);
}

/* The beginning tells who has asked for the run's end, which may be void by what was not read. */
static void drop_stale_cancel(reading *r)
{
    if (!r->out->cut || r->has_late_cancel || r->last_from <= r->first_entries) return;
    free_text(&r->out->of.cancelled_by);
    r->out->of.cancelled_by = (entry_text){NULL, 0};
}

static bool reading_on_segment(void *arg, backend_end end, uint32_t seq, store_bytes segment)
{
    reading *r = arg;
    run_summary part = {.error = NULL};
    summary_read(&part, segment.data, segment.len);
    if (part.error && !r->out->of.error) r->out->of.error = part.error;
    *(end == BACKEND_FIRST ? &r->first_bytes : &r->last_bytes) += segment.len;
    return end == BACKEND_FIRST ? reading_on_first(r, &part) : reading_on_last(r, seq, &part);
}

void glance_take(backend *b, store_summary *out, size_t bytes_max)
{
    reading r = {.out = out, .bytes_max = bytes_max};
    assert(!out->error && !out->of.started.kind);
    b->ops->glance(b, out, reading_on_segment, &r);
    drop_stale_state(&r);
    drop_stale_cancel(&r);
    drop_other_failure(out);
    copy_remarks(out, &out->of.remarks, &r.late, true);
    free_remarks(&r.late);
    if (!out->of.error) out->of.error = out->error;
}

void glance_free(store_summary *s)
{
    const entry *all[] = {&s->of.started, &s->of.stopped, &s->of.ended};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        free_text(&all[i]->function);
        free_text(&all[i]->version);
        free_text(&all[i]->target);
        free_text(&all[i]->error);
        free_text(&all[i]->by);
        free_text(&all[i]->more);
    }
    free_remarks(&s->of.remarks);
    free_text(&s->of.failed_step);
    free_text(&s->of.cancelled_by);
}
