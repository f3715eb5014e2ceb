#include "tests/simulation/disk.h"

#include <stdlib.h>
#include <string.h>

#include "storage/find.h"
#include "storage/glance.h"
#include "storage/index_core.h"
#include "storage/kin.h"
#include "storage/memory/memory_core.h"
#include "storage/store_by_hand.h"
#include "storage/store_core.h"
#include "tests/simulation/bulked.h"
#include "tests/simulation/called.h"
#include "tests/simulation/forked.h"
#include "tests/simulation/heap.h"
#include "tests/simulation/promise.h"
#include "tests/simulation/promises.h"
#include "tests/simulation/shut.h"
#include "tests/simulation/signalled.h"

static const int64_t MS = 1000000;

static const backend_ops *real;
static backend_ops seen;
static backend *opened;

/* ---- Writes ---- */

static const epoch_plan *now_planned(void) { return &w->plan.epoch[w->epoch]; }

/* A segment that leaves the run's row as it is says which time it takes to be there; but one that a start adds to a run
 * that is not in memory, which says STORE_DUE_STOPPED whatever the row has. */
static void compare_row(const store_segment *s)
{
    if (s->outcome != STORE_DONE || s->len == 0 || s->live != STORE_LIVE_UNCHANGED) return;
    if (s->due_ms == STORE_DUE_STOPPED) return;
    char id[RUN_ID_TEXT + 1];
    run_id_format(&s->run, id);
    const memory_row *row = memory_get(&w->disk->tables[MEMORY_LIVE], s->run.bytes, RUN_ID_BYTES);
    int64_t due_ms = row ? (int64_t)row_get_be(memory_value(row), ROW_DUE_BYTES) : -1;
    PROMISE("live rows", due_ms == s->due_ms, "run %s: its row in the live table has the time %lld, not %lld", id,
            (long long)due_ms, (long long)s->due_ms);
}

static void take_committed(const store_segment *list)
{
    if (list->rows && strcmp(list->rows->table, INDEX_TABLE) == 0) list = list->next; /* the index's own */
    bulked_committed(list);
    promise_committed(list);
    shut_committed(list);
    signalled_committed(list);
    called_committed(list);
    for (const store_segment *s = list; s; s = s->next) compare_row(s);
}

/* True: the process is to end with this write. */
static bool write_begin(void)
{
    const epoch_plan *e = now_planned();
    bool here = ++w->writes == e->at;
    if (here && e->end == END_BEFORE_WRITE) world_crash("before a write");
    if (here && e->end == END_POWER)
        memory_fail(w->disk, world_chance(RANDOM_LIVE, 50) ? MEMORY_POWER_LOST : MEMORY_POWER_LATE, 0, false);
    return here && e->end == END_AFTER_WRITE;
}

static void write_seen(const char *what, bool is_done)
{
    world_note("write %llu, of %s: %s", (unsigned long long)w->writes, what, is_done ? "done" : "failed");
    if (!memory_powered(w->disk)) world_crash("the power is gone");
    if (!is_done) w->journal_fails = true;
    w->failed_writes += !is_done;
}

static store_outcome write_list(backend *b, store_segment *list, int64_t now_ms, char *error, size_t error_size)
{
    bool is_last = write_begin();
    store_outcome outcome = real->commit(b, list, now_ms, error, error_size);
    write_seen("runs", outcome == STORE_DONE);
    if (outcome == STORE_DONE) take_committed(list);
    if (is_last) world_crash("after a write");
    return outcome;
}

/* Whose rows they are nobody else asks: the index is held against the runs, see compare_lists. */
static bool write_rows(backend *b, const store_row *rows, const char **error)
{
    bool was = heap_spare(), is_last = write_begin();
    bool ok = real->write_rows(b, rows, error);
    write_seen("the index", ok);
    if (is_last) world_crash("after a write of the index");
    heap_go_on(was);
    return ok;
}

static store_outcome commit(backend *b, store_segment *list, int64_t now_ms, char *error, size_t error_size)
{
    bool was = heap_spare();
    store_outcome outcome = write_list(b, list, now_ms, error, error_size);
    heap_go_on(was);
    return outcome;
}

static bool find_commit(backend *b, const store_segment *list, bool *there, const char **error)
{
    bool was = heap_spare();
    bool ok = real->find_commit(b, list, there, error);
    if (ok) world_note("the write of unknown outcome is %s", *there ? "there" : "not there");
    if (ok && *there) take_committed(list);
    heap_go_on(was);
    return ok;
}

static bool try_write(backend *b, char *error, size_t error_size)
{
    bool ok = real->try_write(b, error, error_size);
    world_note("probe: %d", ok);
    w->journal_fails = !ok;
    return ok;
}

/* ---- What is there ---- */

void disk_journal(const run_record *r, store_journal *out)
{
    bool was = w->disk->reads_fail;
    *out = (store_journal){.found = false};
    if (!run_id_parse(r->id, strlen(r->id), &out->run)) abort();
    memory_fail_reads(w->disk, false);
    real->load(opened, out, 0);
    memory_fail_reads(w->disk, was);
}

static void compare(backend *b, const run_record *r)
{
    store_journal j = {.found = false};
    if (!run_id_parse(r->id, strlen(r->id), &j.run)) abort();
    real->load(b, &j, 0);
    if (j.found || r->entries > 0) promise_found(r->id, j.data ? j.data : "", j.len);
    free(j.data);
    PROMISE("live rows", j.live == (r->on_disk && !r->ended), "run %s %s, and its row in the live table is %s", r->id,
            r->ended ? "has ended" : "has not ended", j.live ? "there" : "not there");
}

/* The ledger gets to know each run that is there, and looks at those of bulk actions. */
static long find_runs_there(backend *b)
{
    run_id ids[RUNS_MAX + BULKS_MAX];
    char text[RUN_ID_TEXT + 1];
    const char *error = NULL;
    long n = real->list(b, NULL, RUNS_MAX + BULKS_MAX, ids, &error);
    for (long i = 0; i < n; i++) {
        store_journal j = {.run = ids[i]};
        real->load(b, &j, 0);
        run_id_format(&ids[i], text);
        if (!bulked_found(&j)) (void)world_run_make(text, -1);
        free(j.data);
    }
    bulked_marks_found(memory_table_of(w->disk, "bulk"));
    bulked_begin();
    return n;
}

backend *disk_open(void)
{
    backend *b = memory_open(w->disk);
    if (!b) abort();
    opened = b;
    real = b->ops;
    seen = *real;
    seen.commit = commit;
    seen.find_commit = find_commit;
    seen.write_rows = write_rows;
    seen.try_write = try_write;
    b->ops = &seen;
    long n = find_runs_there(b);
    for (unsigned i = 0; i < w->run_count; i++) {
        compare(b, &w->runs[i]);
        w->runs[i].is_former = w->runs[i].on_disk;
        w->runs[i].released_here = false; /* what a commit of unknown outcome has left was the last process's */
    }
    shut_found(memory_table_of(w->disk, "settings"));
    forked_found(memory_table_of(w->disk, KIN_TABLE));
    signalled_found(memory_table_of(w->disk, "inbox"));
    called_found(memory_table_of(w->disk, "inbox"));
    world_note("the disk has %ld runs and %zu letters", n, disk_rows("inbox"));
    return b;
}

size_t disk_rows(const char *table)
{
    const memory_table *t = memory_table_of(w->disk, table);
    return t ? t->count : 0;
}

/* ---- The index ---- */

enum { TALLY_OF = 2, SLOT_MS = 5000 };

void disk_index_begin(store *s)
{
    s->index->tally_runs = TALLY_OF;
    s->index->slot_ms = SLOT_MS;
}

/* What a list has, page by page, as text. False: something could not be read. */
static bool list_take(store *s, struct run_index *index, run_query q, char *text, size_t size)
{
    store_summary runs[RUNS_MAX];
    *text = 0;
    for (bool more = true; more;) {
        memset(runs, 0, sizeof runs);
        find_result found = {.runs = runs};
        find_runs(s->backend, index, &q, &found);
        for (size_t i = 0; i < found.count; i++) {
            char id[RUN_ID_TEXT + 1];
            size_t len = strlen(text);
            run_id_format(&runs[i].run, id);
            (void)snprintf(text + len, size - len, "%s ", id);
            glance_free(&runs[i]);
        }
        if (found.error) return false;
        more = found.has_next;
        q.has_before = true;
        q.before = found.next;
    }
    return true;
}

/* A list by the index has what a look at every run finds. */
static void compare_lists(store *s)
{
    static const unsigned fates[] = {FATE_LIVE, FATE_SUCCEEDED, FATE_FAILED, FATE_CANCELLED,
                                     FATE_FAILED | FATE_CANCELLED};
    static char by_index[RUNS_MAX * (RUN_ID_TEXT + 1) + 1], by_look[sizeof by_index];
    const unsigned which = world_below(RANDOM_LIVE, sizeof fates / sizeof *fates);
    const run_query q = {
        .fates = fates[which], .limit = 1 + world_below(RANDOM_LIVE, RUNS_MAX - 1), .bytes_max = 65536};
    if (!list_take(s, s->index, q, by_index, sizeof by_index)) return;
    if (!list_take(s, NULL, q, by_look, sizeof by_look)) return;
    PROMISE("lists", strcmp(by_index, by_look) == 0, "by the index the runs with fates %u are %s, by a look at each %s",
            q.fates, by_index, by_look);
}

/* The indexer works now and then, when something was written: a time of its own would keep the clock from moving on. */
static void index_turn(store *s)
{
    if (world_chance(RANDOM_LIVE, 40)) store_hand_index(s);
    bool was = heap_spare();
    if (world_chance(RANDOM_LIVE, 20)) compare_lists(s);
    heap_go_on(was);
}

/* ---- Its speed ---- */

static int64_t write_at_ns, read_at_ns; /* 0: nothing waits */

static void plan_write(store *s)
{
    int64_t due_ms = store_hand_write_due_ms(s);
    if (due_ms < 0) write_at_ns = 0;
    if (due_ms < 0 || (write_at_ns > 0 && due_ms == 0)) return;
    int64_t delay_ms = due_ms > 0 ? due_ms : world_between(RANDOM_LIVE, 0, now_planned()->write_ms);
    write_at_ns = w->steady_ns + delay_ms * MS;
}

static void plan_read(store *s)
{
    if (store_hand_reads(s) == 0) read_at_ns = 0;
    if (store_hand_reads(s) == 0 || read_at_ns > 0) return;
    read_at_ns = w->steady_ns + world_between(RANDOM_LIVE, 0, now_planned()->read_ms) * MS;
}

static bool is_due(int64_t at_ns) { return at_ns > 0 && at_ns <= w->steady_ns; }

bool disk_turn(store *s)
{
    bool any = false;
    plan_write(s);
    plan_read(s);
    if (is_due(write_at_ns)) {
        write_at_ns = 0;
        store_hand_write(s);
        index_turn(s);
        any = true;
    }
    if (is_due(read_at_ns)) {
        read_at_ns = 0;
        store_hand_read(s, world_below(RANDOM_LIVE, (unsigned)store_hand_reads(s)));
        any = true;
    }
    return any;
}

int64_t disk_due_ns(store *s)
{
    int64_t due = INT64_MAX;
    plan_write(s);
    plan_read(s);
    if (write_at_ns > 0) due = write_at_ns;
    if (read_at_ns > 0 && read_at_ns < due) due = read_at_ns;
    return due;
}
