#include "runtime/prove/history.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/run/letter.h"

_Static_assert(sizeof((run_id){0}.bytes) == RUN_ID_BYTES, "ids are compared as their bytes");

/* ---- Rows of a segment. Parent and child are one program: a row is its head and its bytes ---- */

typedef struct row_head {
    uint64_t key_len, value_len, is_deletion;
} row_head;
_Static_assert(sizeof(row_head) == 3 * sizeof(uint64_t), "it is written as it lies: without gaps");

bool history_pack_rows(msgpack_sbuffer *to, const store_row *rows)
{
    bool ok = true;
    for (const store_row *r = rows; r && ok; r = r->next) {
        if (strcmp(r->table, letter_table) != 0 || r->key.len != LETTER_KEY_BYTES) continue;
        const bool is_deletion = r->op == STORE_ROW_DELETE;
        const row_head head = {r->key.len, is_deletion ? 0 : r->value.len, is_deletion ? 1 : 0};
        ok = msgpack_sbuffer_write(to, (const char *)&head, sizeof head) == 0 &&
             msgpack_sbuffer_write(to, r->key.data, head.key_len) == 0 &&
             (head.value_len == 0 || msgpack_sbuffer_write(to, r->value.data, head.value_len) == 0);
    }
    return ok;
}

/* Reads the row at `at`; its texts lie in `packed`. Returns where the next one is. */
static size_t row_read(entry_text packed, size_t at, history_row *out)
{
    row_head head;
    assert(packed.len - at >= sizeof head);
    memcpy(&head, packed.data + at, sizeof head);
    at += sizeof head;
    assert(packed.len - at >= head.key_len + head.value_len);
    *out = (history_row){.is_deletion = head.is_deletion != 0,
                         .row = {{packed.data + at, head.key_len}, {packed.data + at + head.key_len, head.value_len}}};
    return at + head.key_len + head.value_len;
}

/* ---- Lists that grow ---- */

/* Makes room for one more of `size` bytes each. NULL: no memory; `list` stays. */
static void *list_grow(void *list, size_t count, size_t *room, size_t size)
{
    if (count < *room) return list;
    void *made = realloc(list, (*room * 2 + 64) * size);
    if (made) *room = *room * 2 + 64;
    return made;
}

/* ---- Runs ---- */

/* Those that are asked for one after the other mostly stand one after the other. */
static executed_run *runs_find(const execution *x, const run_id *id)
{
    static size_t last;
    for (size_t i = 0; i < x->run_count; i++) {
        executed_run *r = &x->runs[(last + i) % x->run_count];
        if (memcmp(r->id.bytes, id->bytes, RUN_ID_BYTES) != 0) continue;
        last = (size_t)(r - x->runs);
        return r;
    }
    return NULL;
}

/* NULL: no memory. */
static executed_run *runs_add(execution *x, const run_id *id, uint64_t lineage, uint64_t caller)
{
    executed_run *runs = list_grow(x->runs, x->run_count, &x->run_room, sizeof *runs);
    if (!runs) return NULL;
    x->runs = runs;
    executed_run *r = &runs[x->run_count++];
    *r = (executed_run){.id = *id, .lineage = lineage, .caller = caller};
    return r;
}

const executed_run *execution_run(const execution *x, uint64_t lineage)
{
    static size_t last;
    for (size_t i = 0; i < x->run_count; i++) {
        const executed_run *r = &x->runs[(last + i) % x->run_count];
        if (r->lineage != lineage) continue;
        last = (size_t)(r - x->runs);
        return r;
    }
    return NULL;
}

/* ---- Entries ---- */

static bool rows_add(execution *x, history_row row)
{
    history_row *rows = list_grow(x->rows, x->row_count, &x->row_room, sizeof *rows);
    if (!rows) return false;
    x->rows = rows;
    rows[x->row_count++] = row;
    return true;
}

/* Appends an entry to the run, and to the history. False: no memory. */
static bool history_add(execution *x, executed_run *r, entry_text bytes, bool is_bound)
{
    history_entry *all = list_grow(x->history, x->entry_count, &x->entry_room, sizeof *all);
    if (!all) return false;
    x->history = all;
    size_t room = r->entry_room;
    size_t *ends = list_grow(r->ends, r->entry_count, &room, sizeof *ends);
    if (ends) r->ends = ends;
    room = r->entry_room;
    size_t *places = list_grow(r->places, r->entry_count, &room, sizeof *places);
    if (places) r->places = places;
    if (!ends || !places || msgpack_sbuffer_write(&r->journal, bytes.data, bytes.len) != 0) return false;
    r->entry_room = room;
    places[r->entry_count] = x->entry_count;
    ends[r->entry_count] = r->journal.size;
    all[x->entry_count++] = (history_entry){(uint32_t)(r - x->runs), (uint32_t)r->entry_count++, is_bound};
    return true;
}

/* Appends entries which lie one after the other. False: no memory, or they cannot be read. */
static bool history_add_all(execution *x, executed_run *r, entry_text bytes)
{
    const char *error = NULL;
    entry e;
    for (size_t at = 0, n; at < bytes.len; at += n) {
        n = entry_decode(bytes.data + at, bytes.len - at, &e, &error);
        if (n == 0 || !history_add(x, r, (entry_text){bytes.data + at, n}, e.kind == ENTRY_RESPONSE)) return false;
    }
    return true;
}

/* A segment, with those of the runs that it calls: they are one commit. */
typedef struct joint {
    const fact *first;
    const fact *end; /* behind the last fact that may be one of its segments */
} joint;

/* Returns the segment by which the run begins that this entry calls; NULL: the entry calls none. */
static const fact *joint_find_child(const joint *j, const entry *e)
{
    if (e->kind != ENTRY_CALLED) return NULL;
    for (const fact *f = j->first + 1; f < j->end; f++)
        if (f->kind == FACT_SEGMENT && entry_text_equal(f->id, e->child)) return f;
    return NULL;
}

/* Appends the first entry of a run that `caller` calls. */
static bool history_add_child(execution *x, uint64_t caller, const entry *called, const fact *child)
{
    run_id id;
    memcpy(id.bytes, child->id.data, sizeof id.bytes);
    executed_run *r = runs_find(x, &id);
    if (!r) r = runs_add(x, &id, lineage_of_call(caller, called->path, called->attempt), caller);
    return r && history_add_all(x, r, child->data);
}

/* Appends the rows of a segment whose entries of its run, `run`, begin with that number: what a run begins with has
 * none in the inbox. */
static bool history_add_rows(execution *x, entry_text packed, uint32_t run, size_t from)
{
    for (size_t at = 0; at < packed.len;) {
        history_row w;
        at = row_read(packed, at, &w);
        w.run = run;
        w.from = from;
        w.to = x->runs[run].entry_count;
        if (!rows_add(x, w)) return false;
    }
    return true;
}

/* Appends a joint. False: no memory, or it cannot be read. */
static bool history_add_joint(execution *x, const joint *j)
{
    const char *error = NULL;
    const entry_text bytes = j->first->data;
    run_id id;
    entry e;
    memcpy(id.bytes, j->first->id.data, sizeof id.bytes);
    executed_run *r = runs_find(x, &id);
    if (!r) r = runs_add(x, &id, LINEAGE_ROOT, LINEAGE_ROOT);
    if (!r) return false;
    const uint32_t number = (uint32_t)(r - x->runs); /* the list may move */
    const size_t from = r->entry_count;
    for (size_t at = 0, n; at < bytes.len; at += n) {
        n = entry_decode(bytes.data + at, bytes.len - at, &e, &error);
        if (n == 0) return false;
        const fact *child = joint_find_child(j, &e);
        const bool is_bound = child || e.kind == ENTRY_RESPONSE; /* the end is in the same commit */
        bool ok = history_add(x, &x->runs[number], (entry_text){bytes.data + at, n}, is_bound) &&
                  (!child || history_add_child(x, x->runs[number].lineage, &e, child));
        if (!ok) return false;
    }
    return history_add_rows(x, j->first->text, number, from);
}

/* ---- What belongs to entries ---- */

/* The entries of a segment. */
typedef struct span {
    const executed_run *run;
    size_t from, to; /* to: behind the last one */
} span;

/* Whether this entry has put the row into the inbox of another run. */
static bool entry_puts(const span *s, const entry *e, const history_row *w, uint64_t arrival)
{
    if (e->kind == ENTRY_SENT && !letter_is_of_call(arrival))
        return e->letter.len > 0 && memmem(w->row.value.data, w->row.value.len, e->letter.data, e->letter.len);
    if (e->kind != ENTRY_ABANDONED || !letter_is_of_call(arrival)) return false;
    for (size_t i = 0; i < s->run->entry_count; i++) {
        const entry *call = &s->run->entries[i];
        if (call->kind == ENTRY_CALLED && call->path == e->path)
            return memcmp(call->child.data, w->row.key.data, RUN_ID_BYTES) == 0;
    }
    return false;
}

/* Whether this entry is what the run has made of the letter that the row was. */
static bool entry_takes(const span *s, const entry *e, uint64_t arrival)
{
    const uint32_t number = letter_call_of(arrival);
    const entry *call = number > 0 && number <= s->run->entry_count ? &s->run->entries[number - 1] : NULL;
    if (!letter_is_of_call(arrival)) return e->kind == ENTRY_SIGNAL || e->kind == ENTRY_CANCEL;
    if (!call || call->kind != ENTRY_CALLED) return e->kind == ENTRY_CANCEL; /* of the run that has called this one */
    return e->kind == ENTRY_RETURNED && entry_text_equal(call->child, e->child);
}

/* Returns the entry of the segment with which the row is on disk: if none claims the row, the last one. */
static size_t span_find(const span *s, const history_row *w)
{
    const uint64_t arrival = letter_arrival_of((const uint8_t *)w->row.key.data);
    for (size_t i = s->to; i-- > s->from;) {
        const entry *e = &s->run->entries[i];
        if (w->is_deletion ? entry_takes(s, e, arrival) : entry_puts(s, e, w, arrival)) return i;
    }
    return s->to - 1;
}

static void rows_find_places(execution *x)
{
    for (size_t i = 0; i < x->row_count; i++) {
        history_row *w = &x->rows[i];
        const executed_run *r = &x->runs[w->run];
        const span s = {r, w->from, w->to};
        if (w->from < w->to) w->place = r->places[span_find(&s, w)];
    }
}

/* ---- Making ---- */

static bool run_read_entries(executed_run *r)
{
    const char *error = NULL;
    r->entries = calloc(r->entry_count + 1, sizeof *r->entries);
    if (!r->entries) return false;
    for (size_t i = 0, at = 0; i < r->entry_count; at = r->ends[i++]) {
        entry *e = &r->entries[i];
        if (entry_decode(r->journal.data + at, r->journal.size - at, e, &error) == 0) return false;
        if (e->kind == ENTRY_RESPONSE) r->response = e;
        if (e->kind == ENTRY_CANCEL) r->cancelled = e;
        if (e->kind == ENTRY_ENDED) r->ended = e;
        if (e->kind == ENTRY_STOPPED) r->stopped = e;
    }
    return true;
}

static bool history_begin(execution *x, const disk *d)
{
    for (size_t i = 0; i < d->run_count; i++) {
        executed_run *r = runs_add(x, &d->runs[i].id, d->runs[i].lineage, d->runs[i].caller);
        if (!r || !history_add_all(x, r, (entry_text){d->runs[i].journal, d->runs[i].len})) return false;
    }
    for (size_t i = 0; i < d->row_count; i++)
        if (!rows_add(x, (history_row){.row = d->rows[i]})) return false;
    return true;
}

/* Returns the fact behind the joint that begins at `f`; NULL: the process has died before it had told all of it. */
static const fact *joint_end(const execution *x, const fact *f)
{
    for (const fact *end = x->facts + x->fact_count; f < end; f++)
        if (f->kind == FACT_SEGMENT && !(f->flags & FACT_JOINED)) return f + 1;
    return NULL;
}

bool history_make(execution *x, const disk *begun_with)
{
    const fact *end = x->facts + x->fact_count;
    bool ok = history_begin(x, begun_with);
    for (joint j = {x->facts, x->facts}; ok && j.end && j.first < end; j.first = j.end) {
        j.end = j.first->kind == FACT_SEGMENT ? joint_end(x, j.first) : j.first + 1;
        if (j.end && j.first->kind == FACT_SEGMENT) ok = history_add_joint(x, &j);
    }
    for (size_t i = 0; i < x->run_count && ok; i++) ok = run_read_entries(&x->runs[i]);
    if (ok) rows_find_places(x);
    return ok;
}

/* ---- The disk ---- */

bool history_may_end_at(const execution *x, size_t place)
{
    assert(place < x->entry_count);
    return place + 1 < x->entry_count && !x->history[place].is_bound;
}

/* Has the list of rows on disk, which has room, follow a change. */
static void rows_change(disk_row *rows, size_t *count, const history_row *by)
{
    size_t i = 0;
    while (i < *count && !entry_text_equal(rows[i].key, by->row.key)) i++;
    if (i == *count && by->is_deletion) return;
    if (by->is_deletion)
        rows[i] = rows[--*count];
    else if (i < *count)
        rows[i] = by->row;
    else
        rows[(*count)++] = by->row;
}

bool history_disk(arena *a, const execution *x, size_t count, disk *out)
{
    disk_run *runs = arena_zalloc(a, (x->run_count + 1) * sizeof *runs);
    disk_row *rows = arena_zalloc(a, (x->row_count + 1) * sizeof *rows);
    *out = (disk){.runs = runs, .rows = rows};
    if (!runs || !rows) return false;
    assert(count <= x->entry_count);
    for (size_t i = 0; i < x->run_count; i++) {
        const executed_run *r = &x->runs[i];
        size_t entries = r->entry_count;
        while (entries > 0 && r->places[entries - 1] >= count) entries--;
        if (entries == 0) continue;
        runs[out->run_count++] = (disk_run){r->id, r->lineage, r->caller, r->journal.data, r->ends[entries - 1]};
    }
    for (size_t i = 0; i < x->row_count; i++)
        if (x->rows[i].place < count) rows_change(rows, &out->row_count, &x->rows[i]);
    return true;
}
