/* Reads, backups and deletions: jobs on uv's thread pool, whose callbacks come on the loop that asked. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "storage/find.h"
#include "storage/glance.h"
#include "storage/run_index.h"
#include "storage/store_by_hand.h"
#include "storage/store_core.h"

typedef enum job_kind {
    JOB_LOAD,
    JOB_SUMMARIZE,
    JOB_SCAN,
    JOB_LIST,
    JOB_FIND,
    JOB_COUNT,
    JOB_FIND_KEY,
    JOB_TABLE,
    JOB_BACKUP,
    JOB_DELETE
} job_kind;

/* The rows that a scan of a named table has found; their bytes lie one after the other in `data`. */
typedef struct table_read {
    store_range range;
    char name[STORE_TABLE_NAME_MAX + 1];
    uint8_t from[STORE_ROW_KEY_MAX], to[STORE_ROW_KEY_MAX];
    store_table_row *rows;
    size_t count, room;
    char *data;
    size_t len, data_room;
    bool no_memory;
} table_read;

typedef struct job {
    uv_work_t work;
    struct job *next; /* by hand: in the store's list, then in the port's */
    store_port *port;
    job_kind kind;
    const char *error;
    size_t count;     /* LOAD, SUMMARIZE: runs; SCAN, LIST: limit, then rows found */
    size_t bytes_max; /* SUMMARIZE: of each run; LOAD: of all, 0: no limit */
    run_id id;        /* SCAN, LIST: where to begin, if from_id; DELETE: which run */
    bool from_id;
    uint8_t hash[STORE_KEY_BYTES]; /* FIND_KEY */
    store_key_row row;             /* FIND_KEY */
    bool has_row;
    char *path; /* BACKUP; owned */
    uint64_t bytes;
    table_read *table; /* TABLE; owned */
    run_query query;   /* FIND */
    run_id next_id;    /* FIND, if has_next */
    bool has_next;
    index_sum sum; /* COUNT */
    store_backup_result result;
    char text[BACKEND_ERROR_MAX];
    unsigned loop, loops;   /* SCAN */
    const cluster *cluster; /* SCAN; see store_live_range */
    bool end;               /* SCAN */
    union {
        store_journal *journals;
        store_summary *summaries;
        store_live_row *rows;
        run_id *ids;
        void *memory;
    } found;
    union {
        void (*loaded)(void *arg, store_journal *journals, size_t count);
        void (*summaries)(void *arg, const store_summary *runs, size_t count);
        void (*rows)(void *arg, const store_live_row *rows, size_t count, bool end, const char *error);
        void (*ids)(void *arg, const run_id *ids, size_t count, const char *error);
        void (*found)(void *arg, const store_found *found);
        void (*counted)(void *arg, const store_counts *counts);
        void (*key)(void *arg, const store_key_row *row, const char *error);
        void (*table)(void *arg, const store_table_row *rows, size_t count, bool end, const char *error);
        void (*backup)(void *arg, store_backup_result result, uint64_t bytes, const char *error);
        void (*deleted)(void *arg, const char *error);
    } on;
    void *arg;
} job;

/* ---- Tables ---- */

static bool table_read_make_room(void **block, size_t *room, size_t needed, size_t item_bytes)
{
    assert(item_bytes > 0);
    if (needed <= *room) return true;
    void *bigger = realloc(*block, needed * 2 * item_bytes);
    if (!bigger) return false;
    *block = bigger;
    *room = needed * 2;
    return true;
}

/* `data` moves as it grows, so only lengths are set here; table_read_fill sets the addresses. */
static void table_read_on_row(void *arg, store_bytes key, store_bytes value)
{
    table_read *t = arg;
    bool ok = !t->no_memory && table_read_make_room((void **)&t->rows, &t->room, t->count + 1, sizeof *t->rows) &&
              table_read_make_room((void **)&t->data, &t->data_room, t->len + key.len + value.len, 1);
    if (!ok) {
        t->no_memory = true;
        return;
    }
    if (key.len > 0) memcpy(t->data + t->len, key.data, key.len);
    if (value.len > 0) memcpy(t->data + t->len + key.len, value.data, value.len);
    t->rows[t->count++] = (store_table_row){{NULL, key.len}, {NULL, value.len}};
    t->len += key.len + value.len;
    assert(t->count <= t->room);
    assert(t->len <= t->data_room);
}

static void table_read_fill(job *j, backend *b)
{
    table_read *t = j->table;
    const char *at;
    j->end = b->ops->scan(b, &t->range, table_read_on_row, t, &j->error) == BACKEND_SCAN_END;
    if (t->no_memory) j->error = store_no_memory;
    if (j->error) t->count = 0;
    at = t->data;
    for (size_t i = 0; i < t->count; i++) {
        t->rows[i].key.data = at;
        t->rows[i].value.data = at + t->rows[i].key.len;
        at += t->rows[i].key.len + t->rows[i].value.len;
    }
    assert(t->count == 0 || at == t->data + t->len);
}

/* ---- Jobs ---- */

static void job_find(job *j, backend *b)
{
    find_result result = {.runs = j->found.summaries};
    find_runs(b, j->port->store->index, &j->query, &result);
    j->count = result.count;
    j->next_id = result.next;
    j->has_next = result.has_next;
    j->error = result.error;
}

static void job_answer_count(job *j)
{
    const index_sum *s = &j->sum;
    j->on.counted(j->arg, &(store_counts){s->classes, s->count, s->whole, s->error});
    index_sum_free(&j->sum);
}

static void job_answer_found(job *j)
{
    const store_found found = {
        .runs = j->found.summaries, .count = j->count, .next = j->has_next ? &j->next_id : NULL, .error = j->error};
    j->on.found(j->arg, &found);
    for (size_t i = 0; i < j->count; i++) glance_free(&j->found.summaries[i]);
}

/* A journal that goes beyond the limit is cut, and read again by whoever asks for it with more room. */
static void job_load(job *j, backend *b)
{
    size_t taken = 0;
    bool is_full = false;
    for (size_t i = 0; i < j->count; i++) {
        store_journal *out = &j->found.journals[i];
        if (!is_full) b->ops->load(b, out, j->bytes_max > 0 ? j->bytes_max - taken : 0);
        is_full = is_full || out->cut;
        taken += out->len;
        if (is_full) {
            free(out->data);
            *out = (store_journal){.run = out->run, .is_left = true};
        }
        is_full = is_full || (j->bytes_max > 0 && taken >= j->bytes_max);
    }
}

static void job_execute(uv_work_t *w)
{
    job *j = w->data;
    backend *b = j->port->store->backend;
    const run_id *from = j->from_id ? &j->id : NULL;
    long n = 0;
    switch (j->kind) {
    case JOB_LOAD:
        job_load(j, b);
        return;
    case JOB_SUMMARIZE:
        for (size_t i = 0; i < j->count; i++) glance_take(b, &j->found.summaries[i], j->bytes_max);
        return;
    case JOB_SCAN:
        n = b->ops->scan_live(b, &(store_live_range){from, j->count, j->loop, j->loops, j->cluster}, j->found.rows,
                              &j->end, &j->error);
        break;
    case JOB_LIST:
        n = b->ops->list(b, from, j->count, j->found.ids, &j->error);
        break;
    case JOB_FIND:
        job_find(j, b);
        return;
    case JOB_COUNT:
        if (j->port->store->index) run_index_sum(j->port->store->index, &j->sum);
        return;
    case JOB_FIND_KEY:
        j->has_row = b->ops->find_key(b, j->hash, &j->row, &j->error);
        return;
    case JOB_TABLE:
        table_read_fill(j, b);
        return;
    case JOB_BACKUP:
        j->result = b->ops->backup(b, j->path, &j->bytes, j->text, sizeof j->text);
        return;
    case JOB_DELETE:
        if (!b->ops->delete_run(b, &j->id, &j->error))
            store_doubt(j->port->store);
        else if (j->port->store->index)
            run_index_tell_gone(j->port->store->index, &j->id, 1, false);
        return;
    }
    assert(n < 0 || (size_t)n <= j->count);
    j->count = n < 0 ? 0 : (size_t)n;
}

static void job_answer(uv_work_t *w, int status)
{
    job *j = w->data;
    store_port *p = j->port;
    assert(status == 0); /* no job is ever cancelled */
    (void)status;
    assert(p->reads > 0);
    p->reads--;
    switch (j->kind) {
    case JOB_LOAD:
        j->on.loaded(j->arg, j->found.journals, j->count);
        for (size_t i = 0; i < j->count; i++) free(j->found.journals[i].data);
        break;
    case JOB_SUMMARIZE:
        j->on.summaries(j->arg, j->found.summaries, j->count);
        for (size_t i = 0; i < j->count; i++) glance_free(&j->found.summaries[i]);
        break;
    case JOB_SCAN:
        j->on.rows(j->arg, j->found.rows, j->count, j->end, j->error);
        break;
    case JOB_LIST:
        j->on.ids(j->arg, j->found.ids, j->count, j->error);
        break;
    case JOB_FIND:
        job_answer_found(j);
        break;
    case JOB_COUNT:
        job_answer_count(j);
        break;
    case JOB_FIND_KEY:
        j->on.key(j->arg, j->has_row ? &j->row : NULL, j->error);
        break;
    case JOB_TABLE:
        j->on.table(j->arg, j->table->rows, j->table->count, j->end, j->error);
        free(j->table->rows);
        free(j->table->data);
        free(j->table);
        break;
    case JOB_BACKUP:
        j->on.backup(j->arg, j->result, j->bytes, j->text);
        free(j->path);
        break;
    case JOB_DELETE:
        j->on.deleted(j->arg, j->error);
        break;
    }
    free(j->found.memory);
    free(j);
}

size_t store_reads(const store_port *p) { return p->reads; }

/* ---- By hand ---- */

static void job_append(job **list, job *j)
{
    while (*list) list = &(*list)->next;
    j->next = NULL;
    *list = j;
}

size_t store_hand_reads(const store *s)
{
    size_t n = 0;
    assert(s->options.by_hand);
    for (const job *j = s->jobs; j; j = j->next) n++;
    return n;
}

void store_hand_read(store *s, size_t which)
{
    job **at = &s->jobs;
    for (; which > 0 && *at; which--) at = &(*at)->next;
    job *j = *at;
    assert(j);
    *at = j->next;
    job_execute(&j->work);
    job_append(&j->port->answers, j);
    int rc = uv_async_send(&j->port->wake);
    assert(rc == 0);
    (void)rc;
}

void store_answer_jobs(store_port *p)
{
    for (job *j; (j = p->answers);) {
        p->answers = j->next;
        job_answer(&j->work, 0);
    }
}

/* Makes a job with room for so many items of what it will find. NULL: no memory. */
static job *job_new(store_port *p, job_kind kind, size_t items, size_t item_bytes, void *arg)
{
    job *j = calloc(1, sizeof *j);
    if (j && items > 0 && !(j->found.memory = calloc(items, item_bytes))) {
        free(j);
        j = NULL;
    }
    if (!j) return NULL;
    j->work.data = j;
    j->port = p;
    j->kind = kind;
    j->count = items;
    j->arg = arg;
    return j;
}

/* Starts the job. Always true, which is what those who ask return. */
static bool job_submit(job *j)
{
    assert(j->work.data == j);
    j->port->reads++;
    if (j->port->store->options.by_hand) {
        job_append(&j->port->store->jobs, j);
        return true;
    }
    int rc = uv_queue_work(j->port->wake.loop, &j->work, job_execute, job_answer);
    assert(rc == 0); /* fails only without a work callback */
    (void)rc;
    return true;
}

bool store_load_some(store_port *p, const store_load_list *list,
                     void (*on_loaded)(void *arg, store_journal *journals, size_t count), void *arg)
{
    assert(list->count > 0);
    job *j = job_new(p, JOB_LOAD, list->count, sizeof(store_journal), arg);
    if (!j) return false;
    for (size_t i = 0; i < list->count; i++) j->found.journals[i].run = list->ids[i];
    j->bytes_max = list->bytes_max;
    j->on.loaded = on_loaded;
    return job_submit(j);
}

bool store_load(store_port *p, const run_id *ids, size_t count,
                void (*on_loaded)(void *arg, store_journal *journals, size_t count), void *arg)
{
    return store_load_some(p, &(store_load_list){.ids = ids, .count = count}, on_loaded, arg);
}

bool store_summarize(store_port *p, const run_id *ids, size_t count, size_t bytes_max,
                     void (*on_summaries)(void *arg, const store_summary *runs, size_t count), void *arg)
{
    assert(count > 0);
    job *j = job_new(p, JOB_SUMMARIZE, count, sizeof(store_summary), arg);
    if (!j) return false;
    for (size_t i = 0; i < count; i++) j->found.summaries[i].run = ids[i];
    j->bytes_max = bytes_max;
    j->on.summaries = on_summaries;
    return job_submit(j);
}

bool store_scan_live(store_port *p, const store_live_range *range,
                     void (*on_rows)(void *arg, const store_live_row *rows, size_t count, bool end, const char *error),
                     void *arg)
{
    assert(range->rows_max > 0);
    assert(range->loop < range->loops);
    job *j = job_new(p, JOB_SCAN, range->rows_max, sizeof(store_live_row), arg);
    if (!j) return false;
    j->loop = range->loop;
    j->loops = range->loops;
    j->cluster = range->cluster;
    j->from_id = range->after != NULL;
    if (range->after) j->id = *range->after;
    j->on.rows = on_rows;
    return job_submit(j);
}

bool store_list(store_port *p, const run_id *before, size_t limit,
                void (*on_ids)(void *arg, const run_id *ids, size_t count, const char *error), void *arg)
{
    assert(limit > 0);
    job *j = job_new(p, JOB_LIST, limit, sizeof(run_id), arg);
    if (!j) return false;
    j->from_id = before != NULL;
    if (before) j->id = *before;
    j->on.ids = on_ids;
    return job_submit(j);
}

bool store_find(store_port *p, const run_query *q, void (*on_found)(void *arg, const store_found *found), void *arg)
{
    assert(q->limit > 0);
    job *j = job_new(p, JOB_FIND, q->limit, sizeof(store_summary), arg);
    if (!j) return false;
    j->query = *q;
    j->on.found = on_found;
    return job_submit(j);
}

bool store_count(store_port *p, int64_t recent_from_ms, void (*on_counted)(void *arg, const store_counts *counts),
                 void *arg)
{
    job *j = job_new(p, JOB_COUNT, 0, 0, arg);
    if (!j) return false;
    j->sum.recent_from_ms = recent_from_ms;
    j->on.counted = on_counted;
    return job_submit(j);
}

bool store_find_key(store_port *p, const uint8_t hash[STORE_KEY_BYTES],
                    void (*on_found)(void *arg, const store_key_row *row, const char *error), void *arg)
{
    job *j = job_new(p, JOB_FIND_KEY, 0, 0, arg);
    if (!j) return false;
    memcpy(j->hash, hash, STORE_KEY_BYTES);
    j->on.key = on_found;
    return job_submit(j);
}

static store_bytes range_copy_key(uint8_t to[STORE_ROW_KEY_MAX], store_bytes key)
{
    assert(key.len <= STORE_ROW_KEY_MAX);
    if (key.len > 0) memcpy(to, key.data, key.len);
    return (store_bytes){to, key.len};
}

bool store_scan(store_port *p, const store_range *range,
                void (*on_rows)(void *arg, const store_table_row *rows, size_t count, bool end, const char *error),
                void *arg)
{
    assert(range->rows_max > 0);
    assert(strlen(range->table) <= STORE_TABLE_NAME_MAX);
    job *j = job_new(p, JOB_TABLE, 0, 0, arg);
    table_read *t = j ? calloc(1, sizeof *t) : NULL;
    if (!t) {
        free(j);
        return false;
    }
    j->table = t;
    t->range = *range;
    (void)strcpy(t->name, range->table);
    t->range.table = t->name;
    t->range.from = range_copy_key(t->from, range->from);
    t->range.to = range_copy_key(t->to, range->to);
    j->on.table = on_rows;
    return job_submit(j);
}

bool store_backup(store_port *p, const char *to,
                  void (*on_done)(void *arg, store_backup_result result, uint64_t bytes, const char *error), void *arg)
{
    job *j = job_new(p, JOB_BACKUP, 0, 0, arg);
    if (!j || !(j->path = strdup(to))) {
        free(j);
        return false;
    }
    j->on.backup = on_done;
    return job_submit(j);
}

bool store_delete(store_port *p, const run_id *id, void (*on_deleted)(void *arg, const char *error), void *arg)
{
    job *j = job_new(p, JOB_DELETE, 0, 0, arg);
    if (!j) return false;
    j->id = *id;
    j->on.deleted = on_deleted;
    return job_submit(j);
}
