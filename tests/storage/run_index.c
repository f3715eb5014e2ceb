/* The index against a plain model, with RocksDB and with memory: runs begin, end, are renewed and deleted in random
 * order; the process is killed; another program without an index has the journal; rows of the index are lost or
 * damaged; writes fail. Whatever is asked for, then and all the time, the answer is what a look at every run gives; and
 * once everything is counted, the counts are exact. */
#include "storage/find.h"
#include "storage/glance.h"
#include "storage/index_core.h"
#include "tests/storage/subject.h"

#if defined(CORO_VALGRIND)
enum { SEEDS = 4, ACTS = 300 };
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SEEDS = 8, ACTS = 1500 };
#else
enum { SEEDS = 16, ACTS = 1500 };
#endif
enum { RUNS_MAX = 3000, FUNCTIONS = 4, VERSIONS = 2 };

static const char *const functions[FUNCTIONS] = {"GET /a", "POST /b", "GET /c/:id", "PUT /rare"};
static const char *const versions[VERSIONS] = {"", "2.0"};
static const char *const labels[] = {"", "bees", "wasps"};
static const char *const errors[] = {"", "no card", "LOST on the way", "away"};

/* ---- The model ---- */

typedef struct model_run {
    run_id id;
    unsigned function, version, error;
    unsigned label; /* 0: none */
    run_fate fate;  /* 0: deleted */
    uint32_t seq;   /* entries so far */
    bool was_reopened;
} model_run;

static model_run runs[RUNS_MAX]; /* as they began */
static size_t run_count;
static run_index *x;
static bool has_gone;    /* runs were deleted since the index was told last */
static bool has_unheard; /* and a kill came before the index had that on disk: counts may be too high */
static bool is_untold;   /* `under_way` is on disk, and the index has not been told */
static bool is_working;  /* the indexer is at work: what happens now happens in the middle of that */
static bool is_killed;   /* the process is to be killed now */
static bool is_hanging;  /* the journal thread hangs in a commit */
static store_segment under_way;
static int64_t now_ms;
static unsigned dice;
static msgpack_sbuffer bytes;

static unsigned roll(unsigned sides)
{
    dice = dice * 1103515245 + 12345;
    return (dice >> 8) % sides;
}

/* ---- What happens ---- */

static void add(model_run *r, const entry *e)
{
    CHECK_INT(entry_encode(&bytes, e), 0);
    r->seq++;
}

/* The journal thread goes on: the index hears of the last commit. */
static void tell(void)
{
    if (is_untold) run_index_tell(x, &under_way);
    is_untold = false;
}

static void take(void);

/* Commits the entries in `bytes`. `told`: the index hears of it, sooner or later, as it does of all that a process
 * commits while it keeps one. */
static void commit(model_run *r, store_live live, uint32_t seq, bool renewed, bool told)
{
    bool described = roll(3) && r->label == 0; /* as record.c does it */
    store_segment s = {.run = r->id,
                       .seq = seq,
                       .live = live,
                       .has_live_row = seq > 0,
                       .was_reopened = r->was_reopened && live == STORE_LIVE_CLEAR,
                       .due_ms = roll(2) ? now_ms + 1000 : 0,
                       .retain_ms = roll(5) ? -1 : 1000000,
                       .data = bytes.data,
                       .len = bytes.size,
                       .function = described ? functions[r->function] : NULL,
                       .version = described ? versions[r->version] : NULL,
                       .fate = described && live == STORE_LIVE_CLEAR ? r->fate : 0,
                       .is_renewed = renewed};
    tell();
    under_way = s;
    store_segment *list = told ? run_index_expect(x, &under_way) : &under_way;
    is_hanging = told && !is_working && roll(10) == 0;
    if (is_hanging) {
        now_ms += roll(5000);
        take();
        is_killed = roll(4) == 0;
    }
    is_hanging = false;
    CHECK_INT(subject_commit(list, now_ms), STORE_DONE);
    bytes.size = 0;
    under_way.data = NULL;
    is_untold = told;
    if (roll(8)) tell();
}

static void add_end(model_run *r)
{
    static const run_fate fates[] = {FATE_SUCCEEDED, FATE_SUCCEEDED, FATE_FAILED, FATE_CANCELLED};
    static const int outcomes[] = {ENTRY_SUCCEEDED, ENTRY_SUCCEEDED, ENTRY_FAILED, ENTRY_CANCELLED};
    unsigned which = roll(4);
    r->fate = fates[which];
    r->error = r->fate == FATE_FAILED ? 1 + roll(3) : 0;
    add(r,
        &(entry){
            .kind = ENTRY_ENDED, .at_ms = now_ms, .status = outcomes[which], .error = entry_text_of(errors[r->error])});
}

static void label_one(model_run *r)
{
    if (roll(3)) return;
    r->label = 1 + roll(2);
    add(r, &(entry){.kind = ENTRY_LABEL,
                    .at_ms = now_ms,
                    .id = entry_text_of("topic"),
                    .value = entry_text_of(labels[r->label])});
}

static void begin(bool told)
{
    uint8_t random[10];
    model_run *r = &runs[run_count];
    if (run_count == RUNS_MAX) return;
    for (int i = 0; i < 10; i++) random[i] = (uint8_t)roll(256);
    int64_t late_ms = roll(10) ? roll(50) : roll(8000); /* its first commit comes that much later than its id */
    *r = (model_run){.id = run_id_make(now_ms - late_ms, random, 0, 1), .fate = FATE_LIVE, .version = roll(VERSIONS)};
    r->function = roll(40) ? roll(FUNCTIONS - 1) : FUNCTIONS - 1;
    for (size_t i = 0; i < run_count; i++)
        if (run_id_equal(&runs[i].id, &r->id)) return;
    run_count++;
    add(r, &(entry){.kind = ENTRY_STARTED,
                    .at_ms = now_ms,
                    .function = entry_text_of(functions[r->function]),
                    .version = entry_text_of(versions[r->version])});
    if (roll(3)) label_one(r);
    if (roll(3)) add_end(r);
    commit(r, r->fate == FATE_LIVE ? STORE_LIVE_SET : STORE_LIVE_CLEAR, 0, false, told);
}

static model_run *some_run(run_fate fate)
{
    for (unsigned tries = 0; run_count > 0 && tries < 50; tries++) {
        model_run *r = &runs[roll((unsigned)run_count)];
        if (r->fate & fate) return r;
    }
    return NULL;
}

static void end_one(bool told)
{
    model_run *r = some_run(FATE_LIVE);
    uint32_t seq = r ? r->seq : 0;
    if (!r) return;
    label_one(r);
    add_end(r);
    commit(r, STORE_LIVE_CLEAR, seq, false, told);
}

/* A live run goes on, and perhaps something that lists tell of it changes. */
static void renew_one(bool told)
{
    model_run *r = some_run(FATE_LIVE);
    uint32_t seq = r ? r->seq : 0;
    if (!r) return;
    add(r, &(entry){.kind = ENTRY_VALUE, .path = 7, .id = entry_text_of("v")});
    commit(r, roll(2) ? STORE_LIVE_SET : STORE_LIVE_UNCHANGED, seq, roll(2), told);
}

/* A run that has failed or was cancelled goes on. */
static void reopen_one(bool told)
{
    model_run *r = some_run(FATE_FAILED | FATE_CANCELLED);
    uint32_t seq = r ? r->seq : 0;
    if (!r) return;
    add(r, &(entry){.kind = ENTRY_REOPENED, .at_ms = now_ms, .attempt = 1, .epoch = 7});
    r->fate = FATE_LIVE;
    r->error = 0;
    r->was_reopened = true;
    commit(r, STORE_LIVE_REOPEN, seq, true, told);
}

static void delete_one(bool told)
{
    const char *error = NULL;
    model_run *r = some_run(FATES);
    if (!r) return;
    CHECK(subject.ops->delete_run(subject.b, &r->id, &error));
    r->fate = 0;
    has_gone = true;
    tell();
    if (told) run_index_tell_gone(x, &r->id, 1, false);
}

/* Retention deletes the oldest that have ended. */
static void sweep(bool told)
{
    run_id deleted[BACKEND_SWEEP_KINDS * 100];
    backend_sweep at = {.deleted = deleted};
    uint64_t freed;
    subject.ops->sweep_begin(&at, now_ms, 1000000);
    long n = subject.ops->sweep_bytes(subject.b, &at, 1 + roll(20000), 2 + roll(90), &freed);
    CHECK(n >= 0 && (size_t)n == at.deleted_count);
    for (size_t i = 0; i < at.deleted_count; i++)
        for (size_t k = 0; k < run_count; k++)
            if (run_id_equal(&runs[k].id, &deleted[i])) {
                CHECK(runs[k].fate != FATE_LIVE);
                runs[k].fate = 0;
            }
    has_gone = true;
    tell();
    if (told) run_index_tell_gone(x, deleted, at.deleted_count, false);
}

static void act(bool told)
{
    unsigned what = roll(100);
    now_ms += roll(30) ? roll(20) : roll(3000);
    if (what < 55)
        begin(told);
    else if (what < 80)
        end_one(told);
    else if (what < 88)
        renew_one(told);
    else if (what < 92)
        reopen_one(told);
    else if (what < 98)
        delete_one(told);
    else
        sweep(told);
}

/* ---- What happens to the index ---- */

/* The subject's functions, in the middle of which other threads act. */
static const backend_ops *real;

static void interrupt(void)
{
    if (!is_working || is_hanging || roll(40)) return;
    act(true);
    if (roll(3) == 0) act(true);
}

static backend_scan scan_interrupted(backend *b, const store_range *range, backend_on_row *on_row, void *arg,
                                     const char **error)
{
    interrupt();
    return real->scan(b, range, on_row, arg, error);
}

static void glance_interrupted(backend *b, store_summary *out, backend_on_segment *on_segment, void *arg)
{
    interrupt();
    real->glance(b, out, on_segment, arg);
}

static long list_interrupted(backend *b, const run_id *before, size_t limit, run_id *ids, const char **error)
{
    interrupt();
    return real->list(b, before, limit, ids, error);
}

static bool write_rows_interrupted(backend *b, const store_row *rows, const char **error)
{
    if (roll(2)) interrupt();
    bool ok = real->write_rows(b, rows, error);
    interrupt();
    return ok;
}

static void take(void)
{
    assert(!is_working);
    has_gone = false;
    is_working = true;
    if (!run_index_take(x, now_ms)) has_gone = true;
    is_working = false;
}

static void go_on(void)
{
    is_working = true;
    (void)run_index_go_on(x);
    is_working = false;
}

static void index_open(void)
{
    static backend_ops interrupted;
    real = subject.b->ops;
    interrupted = *real;
    interrupted.scan = scan_interrupted;
    interrupted.glance = glance_interrupted;
    interrupted.list = list_interrupted;
    interrupted.write_rows = write_rows_interrupted;
    subject.b->ops = &interrupted;
    x = run_index_new(subject.b);
    CHECK(x);
    x->tally_runs = 10;
    x->slot_ms = roll(2) ? TALLY_SLOT_MS : 1 + roll(5000);
    x->events_max = roll(2) ? INDEX_EVENTS_MAX : 3 + roll(20);
}

typedef struct row_keys {
    uint8_t keys[4000][INDEX_KEY_BYTES];
    size_t count;
} row_keys;

static void on_key(void *arg, store_bytes key, store_bytes value)
{
    row_keys *k = arg;
    (void)value;
    CHECK(k->count < 4000 && key.len == INDEX_KEY_BYTES);
    memcpy(k->keys[k->count++], key.data, key.len);
}

/* All rows are deleted, or one is damaged, while no process has the journal. */
static void damage(bool whole)
{
    static row_keys k;
    const char *error = NULL;
    k.count = 0;
    CHECK(subject.ops->scan(subject.b, &(store_range){.table = INDEX_TABLE, .rows_max = SIZE_MAX}, on_key, &k,
                            &error) == BACKEND_SCAN_END);
    for (size_t i = 0; i < k.count; i++) {
        store_row row = {.op = STORE_ROW_DELETE, .table = INDEX_TABLE, .key = {k.keys[i], INDEX_KEY_BYTES}};
        if (whole) CHECK(subject.ops->write_rows(subject.b, &row, &error));
    }
    if (whole || k.count == 0) return;
    size_t which = roll((unsigned)k.count);
    store_row row = {.op = STORE_ROW_PUT,
                     .table = INDEX_TABLE,
                     .key = {k.keys[which], INDEX_KEY_BYTES},
                     .value = {"\1\1\1damaged damaged", roll(15)}};
    if (k.keys[which][0] == INDEX_TALLY) CHECK(subject.ops->write_rows(subject.b, &row, &error));
}

/* kill -9: what was told since the last time is forgotten. */
static void kill_process(void)
{
    if (has_gone && roll(2)) take();
    has_unheard = has_unheard || has_gone;
    has_gone = is_untold = is_killed = false;
    run_index_free(x);
    subject_again();
    if (roll(3) == 0) { /* a program that keeps no index has the journal for a while */
        for (unsigned i = 0; i < 20; i++) act(false);
        subject_again();
    }
    if (roll(4) == 0) damage(roll(2));
    index_open();
}

/* Counts what is left. */
static void settle(void)
{
    for (unsigned n = 0; n < 10000; n++) {
        now_ms += 1;
        tell();
        if (!run_index_take(x, now_ms)) continue;
        if (!run_index_has_more(x) && !x->is_lost && x->fresh.count + x->late.count == 0) return;
        if (run_index_has_more(x)) (void)run_index_go_on(x);
    }
    CHECK(!"the index never settles");
}

/* ---- Questions ---- */

static bool text_has(const char *text, const char *part) { return query_contains(text, strlen(text), part); }

static bool is_meant(const run_query *q, const model_run *r)
{
    if (r->fate == 0 || !(q->fates & r->fate)) return false;
    if (run_id_compare(&r->id, &q->from) < 0 || (q->has_before && run_id_compare(&r->id, &q->before) >= 0))
        return false;
    if (q->function && strcmp(q->function, functions[r->function]) != 0) return false;
    if (q->version && strcmp(q->version, versions[r->version]) != 0) return false;
    if (q->label_key &&
        (r->label == 0 || strcmp(q->label_key, "topic") != 0 || strcmp(q->label_value, labels[r->label]) != 0))
        return false;
    return !q->error || text_has(errors[r->error], q->error);
}

static int newest_first(const void *a, const void *b)
{
    return run_id_compare(&((const model_run *)b)->id, &((const model_run *)a)->id);
}

/* Walks all pages. */
static void check_question(run_query q)
{
    static model_run meant[RUNS_MAX];
    static store_summary page[64];
    size_t count = 0, seen = 0;
    for (size_t i = 0; i < run_count; i++)
        if (is_meant(&q, &runs[i])) meant[count++] = runs[i];
    qsort(meant, count, sizeof *meant, newest_first);
    for (bool more = true; more;) {
        memset(page, 0, sizeof page);
        find_result found = {.runs = page};
        find_runs(subject.b, x, &q, &found);
        CHECK(!found.error && found.count <= q.limit);
        for (size_t i = 0; i < found.count; i++) {
            CHECK(seen < count);
            CHECK(run_id_equal(&page[i].run, &meant[seen].id));
            CHECK_INT(query_fate_of(&page[i]), meant[seen].fate);
            seen++;
            glance_free(&page[i]);
        }
        more = found.has_next;
        CHECK(!q.has_before || !more || run_id_compare(&found.next, &q.before) < 0);
        q.before = found.next;
        q.has_before = q.has_before || more;
        if (more && run_id_compare(&q.before, &q.from) < 0) break;
    }
    CHECK_INT(seen, count);
}

static void ask(void)
{
    static const unsigned fates[] = {FATES,
                                     FATE_SUCCEEDED,
                                     FATE_FAILED,
                                     FATE_LIVE,
                                     FATE_CANCELLED,
                                     FATE_FAILED | FATE_CANCELLED,
                                     FATE_LIVE | FATE_SUCCEEDED};
    run_query q = {.fates = fates[roll(7)], .limit = 1 + roll(60), .bytes_max = 65536};
    tell(); /* nobody knows of a commit before the index does */
    if (roll(2)) q.function = functions[roll(FUNCTIONS)];
    if (roll(3) == 0) q.version = versions[roll(VERSIONS)];
    if (roll(4) == 0) q.error = (const char *const[]){"CARD", "lost", "y", "never"}[roll(4)];
    if (roll(4) == 0) {
        q.label_key = roll(5) ? "topic" : "other";
        q.label_value = labels[1 + roll(2)];
    }
    if (roll(3) == 0) q.looked_max = 1 + roll(100);
    if (roll(4) == 0 && run_count > 0) q.from = runs[roll((unsigned)run_count)].id;
    if (roll(4) == 0 && run_count > 0) {
        q.before = runs[roll((unsigned)run_count)].id;
        q.has_before = true;
    }
    if (!q.has_before || run_id_compare(&q.before, &q.from) >= 0) check_question(q);
}

static void check_counts(void)
{
    index_sum sum = {.recent_from_ms = 0};
    uint64_t there = 0, counted = 0;
    run_index_sum(x, &sum);
    CHECK(!sum.error && sum.whole);
    for (size_t i = 0; i < sum.count; i++) {
        const store_class *c = &sum.classes[i];
        uint64_t of_class = 0;
        for (size_t k = 0; k < run_count; k++)
            of_class += runs[k].fate == c->fate && strcmp(functions[runs[k].function], c->function) == 0 &&
                        strcmp(versions[runs[k].version], c->version) == 0;
        CHECK(c->runs == of_class || (has_unheard && c->runs > of_class));
        CHECK_INT(c->recent, c->runs);
        counted += c->runs;
    }
    for (size_t k = 0; k < run_count; k++) there += runs[k].fate != 0;
    CHECK(counted == there || (has_unheard && counted > there));
    index_sum_free(&sum);
}

/* ---- The test ---- */

static void index_fails(void)
{
    if (!subject.in_memory) return;
    tell();
    memory_fail(subject.memory, MEMORY_LOSES, 0, false);
    (void)run_index_take(x, now_ms);
    memory_fail(subject.memory, MEMORY_GOOD, 0, false);
    subject_mend();
}

static void play(unsigned seed, bool in_memory)
{
    dice = seed;
    run_count = 0;
    has_gone = has_unheard = false;
    now_ms = 1700000000000;
    subject_begin(in_memory);
    index_open();
    for (unsigned i = 0; i < ACTS; i++) {
        act(true);
        if (roll(6) == 0) take();
        if (roll(6) == 0 && run_index_has_more(x)) go_on();
        if (roll(8) == 0) ask();
        if (is_killed || roll(200) == 0) kill_process();
        if (roll(300) == 0) index_fails();
        if (roll(150) == 0) {
            settle();
            ask();
            check_counts();
        }
    }
    settle();
    check_counts();
    for (unsigned i = 0; i < 30; i++) ask();
    run_index_free(x);
    subject_end();
}

static void test_memory(void)
{
    for (unsigned seed = 1; seed <= SEEDS; seed++) play(seed, true);
}

static void test_rocks(void)
{
    for (unsigned seed = 1; seed <= SEEDS / 4; seed++) play(seed, false);
}

/* ---- Full buffers ---- */

static void begin_many(void)
{
    dice = 5;
    run_count = 0;
    has_gone = has_unheard = false;
    now_ms = 1700000000000;
    subject_begin(true);
    index_open();
    x->events_max = INDEX_EVENTS_MAX;
    for (int i = 0; i < 300; i++) begin(true);
    tell();
    now_ms += 3600000;
    settle();
    CHECK(x->open_count < x->tally_runs);
    x->events_max = 8;
}

/* The indexer takes nothing meanwhile. */
static void end_many(int count)
{
    is_working = true;
    for (int i = 0; i < count; i++) end_one(true);
    tell();
    is_working = false;
}

/* Of ends that find no room nothing is counted anew: their runs have rows. */
static void test_ends_without_room(void)
{
    index_sum sum = {.recent_from_ms = 0};
    begin_many();
    end_many(30);
    CHECK(x->late.count == 8 && !x->is_lost && x->is_unchecked);
    for (int i = 0; i < 10; i++) ask();
    CHECK(run_index_take(x, now_ms));
    run_index_sum(x, &sum);
    CHECK(sum.whole);
    index_sum_free(&sum);
    settle();
    check_counts();
    run_index_free(x);
    subject_end();
}

static void *delete_six(void *arg)
{
    run_id ids[6];
    (void)arg;
    for (size_t i = 0; i < 6; i++) ids[i] = runs[i].id;
    run_index_tell_gone(x, ids, 6, true);
    return NULL;
}

/* Retention waits while the buffer is half full, so that the journal thread's events find room. */
static void test_retention_waits(void)
{
    pthread_t sweeper;
    size_t late = 0;
    begin_many();
    CHECK(pthread_create(&sweeper, NULL, delete_six, NULL) == 0);
    while (late < 4) {
        (void)pthread_mutex_lock(&x->lock);
        late = x->late.count;
        (void)pthread_mutex_unlock(&x->lock);
        CHECK(late <= 4);
    }
    end_many(4);
    CHECK(!x->is_lost && !x->is_unchecked && x->late.count + x->fresh.count == 8);
    CHECK(run_index_take(x, now_ms));
    CHECK(pthread_join(sweeper, NULL) == 0);
    settle();
    check_counts();
    run_index_free(x);
    subject_end();
}

/* ---- Buffers that grow ---- */

static size_t scarce_bytes; /* realloc has no memory for exactly so many; 0: it has for all */

void *__real_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size)
{
    return size > 0 && size == scarce_bytes ? NULL : __real_realloc(block, size);
}

/* Tells of changes to runs below the floor, each again and again. */
static void tell_changes(size_t count)
{
    for (size_t i = 0; i < count; i++)
        run_index_tell(x, &(store_segment){.run = runs[i % 300].id,
                                           .seq = 7,
                                           .len = 1,
                                           .live = STORE_LIVE_UNCHANGED,
                                           .outcome = STORE_DONE,
                                           .is_renewed = true});
}

static size_t buffer_bytes(void)
{
    const index_events *all[] = {&x->fresh, &x->late, &x->busy, &x->taken, &x->late_taken, &x->spare};
    size_t room = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) room += all[i]->room;
    return room * sizeof(index_event);
}

static void check_all(void)
{
    CHECK(run_index_take(x, now_ms));
    settle();
    check_counts();
    scarce_bytes = 0;
    run_index_free(x);
    subject_end();
}

/* They are small until they are needed. */
static void test_buffers_grow(void)
{
    begin_many();
    x->events_max = INDEX_EVENTS_MAX;
    CHECK(buffer_bytes() <= 512 * 1024);
    tell_changes(5000);
    CHECK(x->late.count == 5000 && !x->is_lost && !x->is_unchecked);
    CHECK(buffer_bytes() <= 1024 * 1024);
    check_all();
}

/* What there is no memory to tell of, to copy or to sort is read from the disk. */
static void test_buffers_without_memory(void)
{
    begin_many();
    x->events_max = INDEX_EVENTS_MAX;
    scarce_bytes = 4096 * sizeof(index_event);
    tell_changes(5000);
    CHECK(x->late.count == 2048 && !x->is_lost && x->is_unchecked);
    check_all();
    begin_many();
    x->events_max = INDEX_EVENTS_MAX;
    tell_changes(5000);
    scarce_bytes = 8192 * sizeof(index_event);
    CHECK(!x->is_lost && !x->is_unchecked);
    check_all();
}

static const check_case cases[] = {{"in memory", test_memory},
                                   {"with RocksDB", test_rocks},
                                   {"ends that find no room", test_ends_without_room},
                                   {"retention leaves room", test_retention_waits},
                                   {"buffers grow as they are needed", test_buffers_grow},
                                   {"buffers without memory", test_buffers_without_memory}};

int main(int argc, char **argv)
{
    msgpack_sbuffer_init(&bytes);
    int result = subject_run(cases, sizeof cases / sizeof cases[0], argc, argv);
    msgpack_sbuffer_destroy(&bytes);
    return result;
}
