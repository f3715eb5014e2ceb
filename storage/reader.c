/* Reads: jobs on uv's thread pool, answered on the loop that asked. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "storage/store_core.h"

typedef enum job_kind { JOB_LOAD, JOB_SCAN, JOB_LIST, JOB_FIND_KEY, JOB_BACKUP, JOB_DELETE } job_kind;

typedef struct job {
    uv_work_t work;
    store_port *port;
    job_kind kind;
    const char *error;
    size_t count; /* LOAD: journals; SCAN, LIST: limit, then rows found */
    run_id id;    /* SCAN, LIST: where to begin; DELETE: which */
    bool from_id;
    uint8_t hash[STORE_KEY_BYTES]; /* FIND_KEY */
    store_key_row row;             /* likewise */
    bool has_row;
    char *path; /* BACKUP; owned */
    uint64_t bytes;
    store_backup_result result;
    char text[BACKEND_ERROR_MAX];
    unsigned loop, loops; /* SCAN */
    bool end;             /* SCAN */
    union {
        store_journal *journals;
        store_live_row *rows;
        run_id *ids;
        void *memory;
    } found;
    union {
        void (*loaded)(void *arg, store_journal *journals, size_t count);
        void (*rows)(void *arg, const store_live_row *rows, size_t count, bool end, const char *error);
        void (*ids)(void *arg, const run_id *ids, size_t count, const char *error);
        void (*key)(void *arg, const store_key_row *row, const char *error);
        void (*backup)(void *arg, store_backup_result result, uint64_t bytes, const char *error);
        void (*deleted)(void *arg, const char *error);
    } on;
    void *arg;
} job;

static void work(uv_work_t *w)
{
    job *j = w->data;
    backend *b = j->port->store->backend;
    const run_id *from = j->from_id ? &j->id : NULL;
    long n = 0;
    switch (j->kind) {
    case JOB_LOAD:
        for (size_t i = 0; i < j->count; i++) b->ops->load(b, &j->found.journals[i], 0);
        return;
    case JOB_SCAN:
        n = b->ops->scan_live(b, from, j->count, j->loop, j->loops, j->found.rows, &j->end, &j->error);
        break;
    case JOB_LIST:
        n = b->ops->list(b, from, j->count, j->found.ids, &j->error);
        break;
    case JOB_FIND_KEY:
        j->has_row = b->ops->find_key(b, j->hash, &j->row, &j->error);
        return;
    case JOB_BACKUP:
        j->result = b->ops->backup(b, j->path, &j->bytes, j->text, sizeof j->text);
        return;
    case JOB_DELETE:
        (void)b->ops->delete_run(b, &j->id, &j->error);
        return;
    }
    j->count = n < 0 ? 0 : (size_t)n;
}

static void answer(uv_work_t *w, int status)
{
    job *j = w->data;
    store_port *p = j->port;
    assert(status == 0);
    (void)status;
    p->reads--;
    switch (j->kind) {
    case JOB_LOAD:
        j->on.loaded(j->arg, j->found.journals, j->count);
        for (size_t i = 0; i < j->count; i++) free(j->found.journals[i].data);
        break;
    case JOB_SCAN:
        j->on.rows(j->arg, j->found.rows, j->count, j->end, j->error);
        break;
    case JOB_LIST:
        j->on.ids(j->arg, j->found.ids, j->count, j->error);
        break;
    case JOB_FIND_KEY:
        j->on.key(j->arg, j->has_row ? &j->row : NULL, j->error);
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

/* Memory for a read is small and asked for when the process starts or a run is loaded: without it nothing can go on. */
static void *must(void *memory)
{
    if (!memory) abort();
    return memory;
}

static job *job_new(store_port *p, job_kind kind, void *arg)
{
    job *j = must(calloc(1, sizeof *j));
    j->work.data = j;
    j->port = p;
    j->kind = kind;
    j->arg = arg;
    return j;
}

static void submit(job *j)
{
    j->port->reads++;
    int rc = uv_queue_work(j->port->wake.loop, &j->work, work, answer);
    assert(rc == 0); /* fails only without a work callback */
    (void)rc;
}

void store_load(store_port *p, const run_id *ids, size_t count,
                void (*on_loaded)(void *arg, store_journal *journals, size_t count), void *arg)
{
    assert(count > 0);
    job *j = job_new(p, JOB_LOAD, arg);
    j->found.journals = must(calloc(count, sizeof *j->found.journals));
    for (size_t i = 0; i < count; i++) j->found.journals[i].run = ids[i];
    j->count = count;
    j->on.loaded = on_loaded;
    submit(j);
}

void store_scan_live(store_port *p, const run_id *after, size_t limit, unsigned loop, unsigned loops,
                     void (*on_rows)(void *arg, const store_live_row *rows, size_t count, bool end, const char *error),
                     void *arg)
{
    assert(limit > 0 && loop < loops);
    job *j = job_new(p, JOB_SCAN, arg);
    j->found.rows = must(calloc(limit, sizeof *j->found.rows));
    j->count = limit;
    j->loop = loop;
    j->loops = loops;
    j->from_id = after != NULL;
    if (after) j->id = *after;
    j->on.rows = on_rows;
    submit(j);
}

void store_list(store_port *p, const run_id *before, size_t limit,
                void (*on_ids)(void *arg, const run_id *ids, size_t count, const char *error), void *arg)
{
    assert(limit > 0);
    job *j = job_new(p, JOB_LIST, arg);
    j->found.ids = must(calloc(limit, sizeof *j->found.ids));
    j->count = limit;
    j->from_id = before != NULL;
    if (before) j->id = *before;
    j->on.ids = on_ids;
    submit(j);
}

void store_find_key(store_port *p, const uint8_t hash[STORE_KEY_BYTES],
                    void (*on_found)(void *arg, const store_key_row *row, const char *error), void *arg)
{
    job *j = job_new(p, JOB_FIND_KEY, arg);
    memcpy(j->hash, hash, STORE_KEY_BYTES);
    j->on.key = on_found;
    submit(j);
}

void store_backup(store_port *p, const char *to,
                  void (*on_done)(void *arg, store_backup_result result, uint64_t bytes, const char *error), void *arg)
{
    job *j = job_new(p, JOB_BACKUP, arg);
    j->path = must(strdup(to));
    j->on.backup = on_done;
    submit(j);
}

void store_delete(store_port *p, const run_id *id, void (*on_deleted)(void *arg, const char *error), void *arg)
{
    job *j = job_new(p, JOB_DELETE, arg);
    j->id = *id;
    j->on.deleted = on_deleted;
    submit(j);
}
