/* Random batches against a plain model: after each, whatever failed, the backend holds what the model holds. The memory
 * backend's writes fail and lose power, RocksDB's disk fails under it, and both are opened anew. SEED=N repeats. */
#include "tests/storage/subject.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

enum {
    RUNS = 12,
    TABLES = 2,
    KEYS = 16,
    VALUES = 3,
    SEGMENTS_MAX = 5,
    ROWS_MAX = 3,
    TEXT_MAX = 600,
    KILLED_STEPS = 150,
    KILLS = 12
};

typedef struct model {
    struct {
        char text[TEXT_MAX];
        size_t len;
        bool live;
        int64_t due_ms;
    } runs[RUNS];
    int values[TABLES][KEYS]; /* 0: no row */
} model;

typedef struct batch {
    store_segment segments[SEGMENTS_MAX];
    store_row rows[SEGMENTS_MAX][ROWS_MAX];
    char data[SEGMENTS_MAX][8];
    store_outcome expected[SEGMENTS_MAX];
    unsigned count;
} batch;

static const char *const table_names[TABLES] = {"inbox", "waits"};
static char key_names[KEYS][4];
static const char *const value_texts[VALUES + 1] = {"", "one", "two", ""};
static model now;
static uint32_t seqs[RUNS]; /* a sequence number is used once, also when its segment is lost */
static unsigned random_state;

static unsigned below(unsigned n) { return (unsigned)rand_r(&random_state) % n; }

static run_id run_at(unsigned i) { return subject_id(1000 + i, (uint8_t)i); }

/* ---- Making ---- */

static void make_row(store_row *r)
{
    unsigned key = below(KEYS), value = 1 + below(VALUES);
    *r = (store_row){.op = (store_row_op)below(3),
                     .table = table_names[below(TABLES)],
                     .key = {key_names[key], strlen(key_names[key])},
                     .value = {value_texts[value], strlen(value_texts[value])}};
}

static void make_batch(batch *b)
{
    b->count = 1 + below(SEGMENTS_MAX);
    for (unsigned i = 0; i < b->count; i++) {
        unsigned run = below(RUNS), rows = below(ROWS_MAX + 1);
        store_segment *s = &b->segments[i];
        snprintf(b->data[i], sizeof b->data[i], "%x,", below(1u << (1 + below(20))));
        *s = (store_segment){.next = i + 1 < b->count ? s + 1 : NULL,
                             .run = run_at(run),
                             .seq = seqs[run]++,
                             .live = (store_live)below(3),
                             .has_live_row = true,
                             .due_ms = below(100),
                             .retain_ms = -1,
                             .data = b->data[i],
                             .len = below(5) ? strlen(b->data[i]) : 0,
                             .joined = below(3) == 0};
        for (unsigned r = 0; r < rows; r++) {
            make_row(&b->rows[i][r]);
            b->rows[i][r].next = s->rows;
            s->rows = &b->rows[i][r];
        }
    }
}

/* ---- What it should do ---- */

static bool model_row(model *m, const store_row *r)
{
    unsigned table = strcmp(r->table, table_names[1]) == 0, key = 0, value = 1;
    while (strlen(key_names[key]) != r->key.len || memcmp(key_names[key], r->key.data, r->key.len) != 0) key++;
    while (value_texts[value] != (const char *)r->value.data) value++;
    int *at = &m->values[table][key];
    if (r->op == STORE_ROW_INSERT && *at != 0 && *at != (int)value) return false;
    *at = r->op == STORE_ROW_DELETE ? 0 : (int)value;
    return true;
}

static bool model_segment(model *m, const store_segment *s)
{
    unsigned run = (unsigned)(run_id_time_ms(&s->run) - 1000);
    CHECK(m->runs[run].len + s->len < TEXT_MAX);
    if (s->len > 0) memcpy(m->runs[run].text + m->runs[run].len, s->data, s->len);
    m->runs[run].len += s->len;
    if (s->live != STORE_LIVE_UNCHANGED) m->runs[run].live = s->live == STORE_LIVE_SET;
    if (s->live != STORE_LIVE_UNCHANGED) m->runs[run].due_ms = s->live == STORE_LIVE_SET ? s->due_ms : 0;
    for (const store_row *r = s->rows; r; r = r->next)
        if (!model_row(m, r)) return false;
    return true;
}

static void model_batch(model *m, batch *b)
{
    for (unsigned first = 0, i; first < b->count; first = i) {
        model before = *m;
        bool whole = true, more = true;
        for (i = first; more; i++) {
            whole = whole && model_segment(m, &b->segments[i]);
            more = b->segments[i].joined && i + 1 < b->count;
        }
        if (!whole) *m = before;
        for (unsigned k = first; k < i; k++) b->expected[k] = whole ? STORE_DONE : STORE_KEY_TAKEN;
    }
}

/* ---- Comparing ---- */

static model there;

static void on_row(void *arg, store_bytes key, store_bytes value)
{
    unsigned at = 0;
    int *values = arg, found = 1;
    while (strlen(key_names[at]) != key.len || memcmp(key_names[at], key.data, key.len) != 0) CHECK(++at < KEYS);
    while (strlen(value_texts[found]) != value.len || memcmp(value_texts[found], value.data, value.len) != 0)
        CHECK(++found <= VALUES);
    values[at] = found;
}

static bool tables_hold(const model *m)
{
    const char *error = NULL;
    bool same = true;
    for (unsigned t = 0; t < TABLES; t++) {
        store_range all = {.table = table_names[t], .rows_max = KEYS + 1};
        memset(there.values[t], 0, sizeof there.values[t]);
        CHECK(subject.ops->scan(subject.b, &all, on_row, there.values[t], &error) == BACKEND_SCAN_END);
        same = same && memcmp(there.values[t], m->values[t], sizeof m->values[t]) == 0;
    }
    return same;
}

static bool runs_hold(const model *m)
{
    store_live_row rows[RUNS];
    const char *error = NULL;
    bool end, same = true;
    long live = 0;
    for (unsigned i = 0; i < RUNS; i++) {
        store_journal j = {.run = run_at(i)};
        subject.ops->load(subject.b, &j, 0);
        CHECK(!j.error);
        same = same && j.len == m->runs[i].len && (j.len == 0 || memcmp(j.data, m->runs[i].text, j.len) == 0);
        same = same && j.live == m->runs[i].live && j.due_ms == m->runs[i].due_ms;
        live += m->runs[i].live;
        free(j.data);
    }
    return same &&
           subject.ops->scan_live(subject.b, &(store_live_range){NULL, RUNS, 0, 1, NULL}, rows, &end, &error) == live;
}

static bool holds(const model *m) { return tables_hold(m) && runs_hold(m); }

/* ---- Steps ---- */

/* Deletes long journals, so that the model has room. */
static void keep_short(void)
{
    const char *error = NULL;
    for (unsigned i = 0; i < RUNS; i++) {
        if (now.runs[i].len < TEXT_MAX - SEGMENTS_MAX * 8) continue;
        run_id id = run_at(i);
        CHECK(subject.ops->delete_run(subject.b, &id, &error));
        memset(&now.runs[i], 0, sizeof now.runs[i]);
    }
}

/* What the next write will meet. */
typedef enum trouble { TROUBLE_NONE, TROUBLE_WRITE, TROUBLE_POWER, TROUBLES } trouble;

static trouble make_trouble(unsigned one_in)
{
    if (below(one_in) != 0) return TROUBLE_NONE;
    trouble t = subject.in_memory && below(2) ? TROUBLE_POWER : TROUBLE_WRITE;
    if (t == TROUBLE_POWER)
        memory_fail(subject.memory, below(2) ? MEMORY_POWER_LOST : MEMORY_POWER_LATE, 0, false);
    else
        subject_break(below(2));
    return t;
}

static void end_trouble(void)
{
    if (subject.in_memory) memory_fail(subject.memory, MEMORY_GOOD, 0, false);
    disk_set(&subject.disk, DISK_GOOD);
}

static void step(unsigned trouble_one_in, unsigned *unknown)
{
    batch b;
    bool is_there = true;
    const char *error = NULL;
    make_batch(&b);
    model next = now;
    model_batch(&next, &b);
    trouble t = make_trouble(trouble_one_in);
    store_outcome outcome = subject_commit(b.segments, 1000);
    end_trouble();
    if (outcome == STORE_REFUSED) { /* it met the trouble when it made a table, before it wrote */
        CHECK(t == TROUBLE_WRITE);
        subject_mend();
        return;
    }
    for (unsigned i = 0; i < b.count; i++) CHECK_INT(b.segments[i].outcome, b.expected[i]);
    CHECK(outcome == STORE_DONE || (outcome == STORE_UNKNOWN && t != TROUBLE_NONE));
    if (outcome == STORE_UNKNOWN) {
        if (t == TROUBLE_POWER)
            subject_again();
        else
            subject_mend();
        CHECK(subject.ops->find_commit(subject.b, b.segments, &is_there, &error));
        ++*unknown;
    }
    if (is_there) now = next;
    /* It had nothing to write, but a compaction may have met the trouble, which takes no commits from then on. */
    if (t == TROUBLE_WRITE && outcome == STORE_DONE) subject_mend();
}

static void begin_anew(unsigned seed)
{
    random_state = seed;
    memset(&now, 0, sizeof now);
    memset(seqs, 0, sizeof seqs);
}

static unsigned first_seed(void)
{
    const char *given = getenv("SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    printf("# SEED=%u\n", seed);
    return seed;
}

static void go(bool in_memory, unsigned steps, unsigned trouble_one_in, unsigned again_one_in)
{
    unsigned unknown = 0;
    begin_anew(first_seed());
    subject_begin(in_memory);
    for (unsigned i = 0; i < steps; i++) {
        step(trouble_one_in, &unknown);
        if (below(again_one_in) == 0) subject_again();
        CHECK(tables_hold(&now));
        CHECK(runs_hold(&now));
        keep_short();
    }
    subject_end();
    printf("# %u steps, %u commits of unknown outcome\n", steps, unknown);
    CHECK(unknown > 0);
}

static void test_memory(void) { go(true, SANITIZED ? 2000 : 20000, 6, 50); }
static void test_rocks(void) { go(false, SANITIZED ? 100 : 300, 12, 20); }

/* ---- Death ---- */

static char self[4096];

/* Writes the seed's batches and tells of each that is done. */
static int child_write(const char *path, unsigned seed)
{
    batch b;
    uint32_t count = 0;
    snprintf(subject.path, sizeof subject.path, "%s", path);
    disk = &subject.disk;
    begin_anew(seed);
    subject_open();
    while (count < KILLED_STEPS) {
        make_batch(&b);
        CHECK_INT(subject_commit(b.segments, 1000), STORE_DONE);
        count++;
        CHECK(write(STDOUT_FILENO, &count, sizeof count) == sizeof count);
    }
    pause();
    return 0;
}

/* Batches that were done when it was killed, in the middle of the next one. */
static uint32_t kill_writer(unsigned seed)
{
    int fds[2];
    uint32_t count = 0, most = 1 + seed % (KILLED_STEPS - 10);
    char number[16];
    CHECK(pipe2(fds, O_CLOEXEC) == 0);
    snprintf(number, sizeof number, "%u", seed);
    fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        execl(self, self, "--write", subject.path, number, (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    while (count < most && read(fds[0], &count, sizeof count) == sizeof count) continue;
    kill(pid, SIGKILL);
    while (read(fds[0], &count, sizeof count) == sizeof count) continue;
    CHECK(waitpid(pid, NULL, 0) == pid);
    close(fds[0]);
    CHECK(count >= most);
    return count;
}

/* After kill -9 all of a batch is there, over runs and tables, or nothing; and those before it. */
static void test_killed(void)
{
    unsigned seed = first_seed(), next_there = 0;
    for (unsigned round = 0; round < KILLS; round++, seed = seed * 2654435761u + 1) {
        batch b;
        subject.in_memory = false;
        snprintf(subject.path, sizeof subject.path, "%s/killed-%u", root, round);
        uint32_t count = kill_writer(seed);
        begin_anew(seed);
        for (uint32_t i = 0; i < count; i++) {
            make_batch(&b);
            model_batch(&now, &b);
        }
        model next = now;
        make_batch(&b);
        model_batch(&next, &b);
        subject_open();
        bool is_next = !holds(&now);
        if (is_next) CHECK(holds(&next));
        next_there += is_next;
        subject_end();
    }
    printf("# %u times killed, %u times the batch under way was there\n", (unsigned)KILLS, next_there);
}

static const check_case cases[] = {{"memory holds what the model holds", test_memory},
                                   {"RocksDB holds what the model holds", test_rocks},
                                   {"RocksDB after kill -9", test_killed}};

int main(int argc, char **argv)
{
    for (unsigned k = 0; k < KEYS; k++) /* of one to three bytes, some the beginnings of others */
        snprintf(key_names[k], sizeof key_names[k], "%.*s", (int)(1 + k % 3),
                 (const char *[]){"aab", "abb", "baa", "bb\377", "cc\001", "d\377a"}[k / 3]);
    if (argc == 4 && strcmp(argv[1], "--write") == 0) return child_write(argv[2], (unsigned)strtoul(argv[3], NULL, 10));
    snprintf(self, sizeof self, "%s", argv[0]);
    return subject_run(cases, sizeof cases / sizeof cases[0], argc, argv);
}
