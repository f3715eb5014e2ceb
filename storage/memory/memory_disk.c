/* The disk made of memory: tables, batches, faults, delays. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "storage/memory/memory_core.h"

static void *block_or_abort(void *block)
{
    if (!block) abort(); /* this process is a test or a proof */
    return block;
}

/* ---- Space ---- */

static void *heap_resize(void *arg, void *block, size_t bytes)
{
    (void)arg;
    if (bytes > 0) return realloc(block, bytes);
    free(block);
    return NULL;
}

static void *space_resize(const memory_space *s, void *block, size_t bytes)
{
    return block_or_abort(s->resize(s->arg, block, bytes));
}

static void space_release(const memory_space *s, void *block) { (void)s->resize(s->arg, block, 0); }

/* ---- Rows ---- */

int memory_compare(const void *a, size_t a_len, const void *b, size_t b_len)
{
    size_t both = a_len < b_len ? a_len : b_len;
    int order = both > 0 ? memcmp(a, b, both) : 0;
    if (order != 0) return order;
    return a_len < b_len ? -1 : a_len > b_len;
}

const void *memory_value(const memory_row *row) { return row->key + row->key_len; }

static memory_row row_new(const memory_space *s, store_bytes key, store_bytes value)
{
    assert(key.data || key.len == 0);
    assert(value.data || value.len == 0);
    memory_row row = {space_resize(s, NULL, key.len + value.len + 1), key.len, value.len};
    if (key.len > 0) memcpy(row.key, key.data, key.len);
    if (value.len > 0) memcpy(row.key + key.len, value.data, value.len);
    return row;
}

size_t memory_seek(const memory_table *t, const void *key, size_t len)
{
    size_t low = 0, high = t->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memory_compare(t->rows[middle].key, t->rows[middle].key_len, key, len) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const memory_row *memory_get(const memory_table *t, const void *key, size_t len)
{
    size_t i = memory_seek(t, key, len);
    bool found = i < t->count && memory_compare(t->rows[i].key, t->rows[i].key_len, key, len) == 0;
    return found ? &t->rows[i] : NULL;
}

/* Owns the row from now on. */
static void table_put(const memory_space *s, memory_table *t, memory_row row)
{
    size_t i = memory_seek(t, row.key, row.key_len);
    if (i < t->count && memory_compare(t->rows[i].key, t->rows[i].key_len, row.key, row.key_len) == 0) {
        space_release(s, t->rows[i].key);
        t->rows[i] = row;
        return;
    }
    if (t->count == t->room) {
        t->room = t->room * 2 + 16;
        t->rows = space_resize(s, t->rows, t->room * sizeof *t->rows);
    }
    assert(t->count < t->room);
    memmove(t->rows + i + 1, t->rows + i, (t->count - i) * sizeof *t->rows);
    t->rows[i] = row;
    t->count++;
}

/* Deletes the row that has the key of `row`, if there is one, and frees `row`. */
static void table_delete(const memory_space *s, memory_table *t, memory_row row)
{
    size_t i = memory_seek(t, row.key, row.key_len);
    if (i < t->count && memory_compare(t->rows[i].key, t->rows[i].key_len, row.key, row.key_len) == 0) {
        space_release(s, t->rows[i].key);
        memmove(t->rows + i, t->rows + i + 1, (t->count - i - 1) * sizeof *t->rows);
        t->count--;
    }
    space_release(s, row.key);
}

memory_table *memory_table_of(memory_disk *d, const char *name)
{
    for (unsigned i = 0; i < d->table_count; i++)
        if (strcmp(d->tables[i].name, name) == 0) return &d->tables[i];
    return NULL;
}

unsigned memory_table_make(memory_disk *d, const char *name)
{
    const memory_table *t = memory_table_of(d, name);
    if (t) return (unsigned)(t - d->tables);
    assert(d->table_count < MEMORY_TABLES_MAX);
    assert(strlen(name) <= STORE_TABLE_NAME_MAX);
    (void)snprintf(d->tables[d->table_count].name, sizeof d->tables->name, "%s", name);
    return d->table_count++;
}

/* ---- Batches ---- */

static void batch_add(memory_batch *b, memory_change change)
{
    assert(b->space);
    if (b->count == b->room) {
        b->room = b->room * 2 + 16;
        b->changes = space_resize(b->space, b->changes, b->room * sizeof *b->changes);
    }
    b->changes[b->count++] = change;
}

void memory_batch_put(memory_batch *b, unsigned table, store_bytes key, store_bytes value)
{
    batch_add(b, (memory_change){.table = table, .row = row_new(b->space, key, value)});
}

void memory_batch_delete(memory_batch *b, unsigned table, store_bytes key)
{
    batch_add(b,
              (memory_change){.table = table, .is_delete = true, .row = row_new(b->space, key, (store_bytes){"", 0})});
}

void memory_batch_cut(memory_batch *b, size_t count)
{
    assert(count <= b->count);
    while (b->count > count) space_release(b->space, b->changes[--b->count].row.key);
}

static void batch_apply(memory_disk *d, memory_batch *b)
{
    for (size_t i = 0; i < b->count; i++) {
        assert(b->changes[i].table < d->table_count);
        memory_table *t = &d->tables[b->changes[i].table];
        if (b->changes[i].is_delete)
            table_delete(&d->space, t, b->changes[i].row);
        else
            table_put(&d->space, t, b->changes[i].row);
    }
    space_release(b->space, b->changes);
    *b = memory_batch_of(d);
}

void memory_batch_drop(memory_batch *b)
{
    memory_batch_cut(b, 0);
    space_release(b->space, b->changes);
    *b = (memory_batch){.space = b->space};
}

/* ---- Writing ---- */

static memory_fault disk_take_fault(memory_disk *d)
{
    assert(d->powered);
    memory_fault fault = d->fault;
    if (fault == MEMORY_GOOD) return MEMORY_GOOD;
    if (d->skip > 0) {
        d->skip--;
        return MEMORY_GOOD;
    }
    if (!d->fault_lasts) d->fault = MEMORY_GOOD;
    return fault;
}

/* Leaves the batch pending until the node opens the disk again. */
static store_outcome seat_leave_unknown(memory_disk *d, memory_seat *s, memory_batch *b, bool appears)
{
    assert(s->pending.count == 0);
    assert(!s->pending_appears);
    s->pending = *b;
    *b = memory_batch_of(d);
    s->pending_appears = appears;
    s->broken = true;
    d->writes++;
    return STORE_UNKNOWN;
}

store_outcome memory_write(memory *m, memory_batch *b, char *error, size_t error_size)
{
    memory_disk *d = m->disk;
    bool on = d->powered && !m->dead;
    memory_fault fault = on && !m->seat->broken ? disk_take_fault(d) : MEMORY_REFUSES;
    if (fault == MEMORY_GOOD) {
        d->writes++;
        batch_apply(d, b);
        return STORE_DONE;
    }
    (void)snprintf(error, error_size, on ? "the memory disk fails" : "the memory disk has no power");
    if (fault == MEMORY_REFUSES) {
        memory_batch_drop(b);
        m->seat->broken = true;
        return STORE_REFUSED;
    }
    if (fault == MEMORY_POWER_LOST || fault == MEMORY_POWER_LATE) d->powered = false;
    return seat_leave_unknown(d, m->seat, b, fault == MEMORY_APPEARS || fault == MEMORY_POWER_LATE);
}

/* Decides, for a disk that is locked, what has become of the node's pending write. */
static void seat_settle(memory_disk *d, memory_seat *s)
{
    if (s->pending.is_commit) s->last_there = s->pending_appears;
    if (s->pending_appears)
        batch_apply(d, &s->pending);
    else
        memory_batch_drop(&s->pending);
    assert(s->pending.count == 0);
    s->pending_appears = false;
    s->broken = false;
}

/* ---- Locks and delays ---- */

static void disk_delay(unsigned ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    if (ms > 0) (void)nanosleep(&t, NULL);
}

static void disk_wait_while(memory_disk *d, const bool *stalls)
{
    d->waiting++;
    while (*stalls) (void)pthread_cond_wait(&d->unstalled, &d->lock);
    d->waiting--;
}

bool memory_read_begin(memory *m, const char **error)
{
    disk_delay(__atomic_load_n(&m->disk->read_ms, __ATOMIC_RELAXED));
    (void)pthread_mutex_lock(&m->disk->lock);
    disk_wait_while(m->disk, &m->disk->reads_stall);
    if (!m->disk->reads_fail && m->disk->powered && !m->dead) return true;
    (void)pthread_mutex_unlock(&m->disk->lock);
    *error = "the memory disk cannot be read";
    return false;
}

void memory_read_end(memory *m) { (void)pthread_mutex_unlock(&m->disk->lock); }

void memory_write_begin(memory *m)
{
    memory_disk *d = m->disk;
    disk_delay(__atomic_load_n(&d->write_ms, __ATOMIC_RELAXED));
    (void)pthread_mutex_lock(&d->lock);
    disk_wait_while(d, &d->writes_stall);
}

/* ---- The test's side ---- */

memory_disk *memory_disk_new(void) { return memory_disk_new_in(&(memory_space){.resize = heap_resize}); }

memory_disk *memory_disk_new_in(const memory_space *space)
{
    static const char *const own[MEMORY_OWN] = {" segments", " live", " expiry", " keys"}; /* no table's names */
    memory_disk *d = space->resize(space->arg, NULL, sizeof *d);
    if (!d) return NULL;
    memset(d, 0, sizeof *d);
    if (pthread_mutex_init(&d->lock, NULL) != 0 || pthread_cond_init(&d->unstalled, NULL) != 0) {
        space_release(space, d);
        return NULL;
    }
    d->space = *space;
    for (unsigned i = 0; i < MEMORY_NODES_MAX; i++) d->seats[i].pending = memory_batch_of(d);
    for (unsigned i = 0; i < MEMORY_OWN; i++) (void)memory_table_make(d, own[i]);
    d->powered = true;
    return d;
}

void memory_disk_free(memory_disk *d)
{
    const memory_space space = d->space;
    for (unsigned i = 0; i < MEMORY_NODES_MAX; i++) {
        assert(!d->seats[i].user);
        memory_batch_drop(&d->seats[i].pending);
    }
    for (unsigned t = 0; t < d->table_count; t++) {
        for (size_t i = 0; i < d->tables[t].count; i++) space_release(&space, d->tables[t].rows[i].key);
        space_release(&space, d->tables[t].rows);
    }
    (void)pthread_cond_destroy(&d->unstalled);
    (void)pthread_mutex_destroy(&d->lock);
    space_release(&space, d);
}

/* The node has the disk open no longer. */
static void seat_leave(memory_seat *s)
{
    if (s->user) s->user->dead = true;
    s->user = NULL;
}

static void disk_lock(const memory_disk *d) { (void)pthread_mutex_lock((pthread_mutex_t *)(uintptr_t)&d->lock); }
static void disk_unlock(const memory_disk *d) { (void)pthread_mutex_unlock((pthread_mutex_t *)(uintptr_t)&d->lock); }

void memory_fail(memory_disk *d, memory_fault fault, unsigned skip, bool lasts)
{
    disk_lock(d);
    d->fault = fault;
    d->skip = skip;
    d->fault_lasts = lasts;
    disk_unlock(d);
}

void memory_power_off(memory_disk *d)
{
    disk_lock(d);
    d->powered = false;
    disk_unlock(d);
}

bool memory_powered(const memory_disk *d)
{
    disk_lock(d);
    bool powered = d->powered;
    disk_unlock(d);
    return powered;
}

void memory_abandon(memory_disk *d)
{
    disk_lock(d);
    for (unsigned i = 0; i < MEMORY_NODES_MAX; i++) d->seats[i].user = NULL;
    disk_unlock(d);
}

void memory_kill(memory_disk *d, unsigned node)
{
    assert(node < MEMORY_NODES_MAX);
    disk_lock(d);
    seat_leave(&d->seats[node]);
    seat_settle(d, &d->seats[node]);
    disk_unlock(d);
}

void memory_stall_writes(memory_disk *d, bool stalls)
{
    disk_lock(d);
    d->writes_stall = stalls;
    (void)pthread_cond_broadcast(&d->unstalled);
    disk_unlock(d);
}

void memory_stall_reads(memory_disk *d, bool stalls)
{
    disk_lock(d);
    d->reads_stall = stalls;
    (void)pthread_cond_broadcast(&d->unstalled);
    disk_unlock(d);
}

unsigned memory_stalled(const memory_disk *d)
{
    disk_lock(d);
    unsigned waiting = d->waiting;
    disk_unlock(d);
    return waiting;
}

void memory_delay(memory_disk *d, unsigned read_ms, unsigned write_ms)
{
    __atomic_store_n(&d->read_ms, read_ms, __ATOMIC_RELAXED);
    __atomic_store_n(&d->write_ms, write_ms, __ATOMIC_RELAXED);
}

void memory_fail_reads(memory_disk *d, bool fail)
{
    disk_lock(d);
    d->reads_fail = fail;
    disk_unlock(d);
}

void memory_fail_glances(memory_disk *d, bool fail)
{
    disk_lock(d);
    d->glances_fail = fail;
    disk_unlock(d);
}

void memory_set_wall_ms(memory_disk *d, int64_t unix_ms)
{
    disk_lock(d);
    d->wall_ms = unix_ms;
    disk_unlock(d);
}

uint64_t memory_writes(const memory_disk *d)
{
    disk_lock(d);
    uint64_t writes = d->writes;
    disk_unlock(d);
    return writes;
}

/* ---- Opening ---- */

bool memory_disk_reopen(memory *m, char *error, size_t error_size)
{
    memory_disk *d = m->disk;
    disk_lock(d);
    bool fails = d->fault != MEMORY_GOOD && d->fault_lasts && d->skip == 0;
    bool ok = d->powered && !m->dead && !fails;
    if (ok) seat_settle(d, m->seat);
    disk_unlock(d);
    if (!ok) (void)snprintf(error, error_size, "the memory disk cannot be opened again yet");
    return ok;
}

void memory_disk_open(memory *m)
{
    memory_disk *d = m->disk;
    disk_lock(d);
    for (unsigned i = 0; i < MEMORY_NODES_MAX && !d->powered; i++) seat_leave(&d->seats[i]);
    assert(!m->seat->user);
    m->seat->user = m;
    d->powered = true;
    seat_settle(d, m->seat);
    m->epoch = ++d->epoch;
    m->seen_ms = d->commit_wall_ms;
    disk_unlock(d);
}

void memory_disk_close(memory *m)
{
    memory_disk *d = m->disk;
    disk_lock(d);
    if (m->seat->user == m) m->seat->user = NULL;
    disk_unlock(d);
}
