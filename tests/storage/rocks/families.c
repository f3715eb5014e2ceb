/* Column families: those of a newer program are opened and left as they are; a named table's is made when something is
 * first written to it, so that a folder in which nothing new was used opens in an older program. */
#include <rocksdb/c.h>

#include "storage/rocks/rocks.h"
#include "storage/rocks/rocks_places.h"
#include "tests/harness/store_desk.h"

#ifdef HAS_ROCKS_PLACES
enum { HAS_PLACES = 1 };
#else
enum { HAS_PLACES = 0 }; /* built without a C++ compiler */
#endif

enum { FAMILIES_MAX = 16 };

typedef struct database {
    rocksdb_t *db;
    rocksdb_options_t *options;
    rocksdb_column_family_handle_t *handles[FAMILIES_MAX];
    char **names;
    size_t count;
} database;

static char journal[256];
static char *why;

static void database_list(database *d)
{
    d->names = rocksdb_list_column_families(d->options, journal, &d->count, &why);
    CHECK(!why && d->count <= FAMILIES_MAX);
}

/* As a newer program would, with all of the families. */
static void database_open(database *d)
{
    d->options = rocksdb_options_create();
    database_list(d);
    const rocksdb_options_t *each[FAMILIES_MAX];
    for (size_t i = 0; i < d->count; i++) each[i] = d->options;
    d->db = rocksdb_open_column_families(d->options, journal, (int)d->count, (const char *const *)d->names, each,
                                         d->handles, &why);
    if (why) printf("# %s\n", why);
    CHECK(!why);
}

static void database_close(database *d)
{
    for (size_t i = 0; i < d->count; i++) rocksdb_column_family_handle_destroy(d->handles[i]);
    rocksdb_list_column_families_destroy(d->names, d->count);
    rocksdb_close(d->db);
    rocksdb_options_destroy(d->options);
}

static bool has_family(const char *name)
{
    database d = {.options = rocksdb_options_create()};
    bool there = false;
    database_list(&d);
    for (size_t i = 0; i < d.count; i++) there = there || strcmp(d.names[i], name) == 0;
    rocksdb_list_column_families_destroy(d.names, d.count);
    rocksdb_options_destroy(d.options);
    return there;
}

static size_t count_families(void)
{
    database d = {.options = rocksdb_options_create()};
    database_list(&d);
    rocksdb_list_column_families_destroy(d.names, d.count);
    rocksdb_options_destroy(d.options);
    return d.count;
}

static store_options folder(const char *name)
{
    store_options o = options_for(name);
    snprintf(journal, sizeof journal, "%s/journal", o.path);
    return o;
}

static void test_unknown(void)
{
    desk d;
    database newer;
    store_options o = folder("newer");
    open_desk(&d, &o);
    put(&d, id_of(1, 1), 0, STORE_LIVE_SET, 0, "before");
    close_desk(&d);
    database_open(&newer);
    rocksdb_column_family_handle_t *future = rocksdb_create_column_family(newer.db, newer.options, "future", &why);
    CHECK(!why);
    rocksdb_writeoptions_t *how = rocksdb_writeoptions_create();
    rocksdb_put_cf(newer.db, how, future, "key", 3, "value", 5, &why);
    CHECK(!why);
    rocksdb_column_family_handle_destroy(future);
    database_close(&newer);

    for (int i = 0; i < 2; i++) {
        open_desk(&d, &o);
        CHECK(load(&d, id_of(1, 1)));
        CHECK_STR(got.data, "before");
        put(&d, id_of(2, (uint8_t)i), 0, STORE_LIVE_SET, 0, "after");
        CHECK_INT(d.failed, 0);
        close_desk(&d);
    }
    database_open(&newer);
    size_t len = 0, at = 0;
    while (at < newer.count && strcmp(newer.names[at], "future") != 0) at++;
    CHECK(at < newer.count);
    rocksdb_readoptions_t *reads = rocksdb_readoptions_create();
    char *value = rocksdb_get_cf(newer.db, reads, newer.handles[at], "key", 3, &len, &why);
    CHECK(!why && value && len == 5 && memcmp(value, "value", 5) == 0);
    rocksdb_free(value);
    rocksdb_readoptions_destroy(reads);
    rocksdb_writeoptions_destroy(how);
    database_close(&newer);
}

/* Reads from the newest file in which RocksDB has written its options down: whether the family has this one, in
 * whatever form. */
static bool family_has_option(const char *family, const char *option, const char *value)
{
    char command[512], newest[256] = "", line[4096], head[64];
    bool is_inside = false, is_there = false;
    (void)snprintf(command, sizeof command, "ls -t %s/OPTIONS-* | head -1", journal);
    FILE *list = popen(command, "r");
    CHECK(list && fgets(newest, sizeof newest, list));
    CHECK_INT(pclose(list), 0);
    newest[strcspn(newest, "\n")] = 0;
    (void)snprintf(head, sizeof head, "[CFOptions \"%s\"]", family);
    FILE *f = fopen(newest, "r");
    CHECK(f);
    while (fgets(line, sizeof line, f)) {
        if (strchr(line, '[') == line) is_inside = strncmp(line, head, strlen(head)) == 0;
        is_there = is_there || (is_inside && strstr(line, option) && strstr(line, value));
    }
    (void)fclose(f);
    return is_there;
}

/* A run that ends at once has one segment with entries, and perhaps one without: to remember their places would cost
 * more than each takes otherwise. */
static void test_which_places(void)
{
    run_id id = id_of(1, 1);
    uint8_t key[ROW_SEGMENT_KEY_BYTES];
    static const uint32_t seqs[] = {0, 1, 200, ROCKS_SEQ_END - 1, ROCKS_SEQ_EXPIRY, ROCKS_SEQ_KEY, ROCKS_SEQ_LONE};
    static const bool has[] = {false, true, true, true, false, false, false};
    for (size_t i = 0; i < sizeof seqs / sizeof *seqs; i++) {
        row_segment_key(key, &id, seqs[i]);
        CHECK_INT(rocks_places_has(key), has[i]);
    }
}

/* Else each segment of a run that goes on is looked for in the whole memtable. database_open in the other tests opens
 * such a folder without the option, as earlier programs do. */
static void test_places(void)
{
    enum { RUNS = 8, SEGMENTS = 20 }; /* some have a millisecond in common */
    static const char option[] = "memtable_insert_with_hint_prefix_extractor";
    desk d;
    store_options o = folder("places");
    open_desk(&d, &o);
    CHECK_INT(family_has_option("segments", option, ROCKS_PLACES), HAS_PLACES);
    CHECK(!family_has_option("live", option, ROCKS_PLACES));
    CHECK(family_has_option("segments", "enable_blob_files", "true"));
    for (uint32_t seq = 0; seq < SEGMENTS; seq++)
        for (uint8_t i = 0; i < RUNS; i++) put(&d, id_of(1 + i / 4, i), seq, STORE_LIVE_UNCHANGED, 0, "x");
    CHECK_INT(d.failed, 0);
    for (uint8_t i = 0; i < RUNS; i++) CHECK(load(&d, id_of(1 + i / 4, i)) && got.j.len == SEGMENTS);
    close_desk(&d);
    open_desk(&d, &o);
    for (uint8_t i = 0; i < RUNS; i++) CHECK(load(&d, id_of(1 + i / 4, i)) && got.j.len == SEGMENTS);
    close_desk(&d);
}

static void write_row(desk *d, const char *table)
{
    store_row row = {.op = STORE_ROW_PUT, .table = table, .key = {"k", 1}, .value = {"v", 1}};
    store_segment s = {.run = id_of(3, 3), .live = STORE_LIVE_UNCHANGED, .retain_ms = -1, .rows = &row};
    append(d, &s, 1);
    CHECK_INT(d->failed, 0);
}

static void test_first_use(void)
{
    desk d;
    store_options o = folder("first-use");
    open_desk(&d, &o);
    put(&d, id_of(1, 1), 0, STORE_LIVE_SET, 0, "no table");
    write_row(&d, "inbox"); /* parts of the default family */
    write_row(&d, "tries");
    CHECK_INT(count_families(), 5);
    write_row(&d, "waits");
    write_row(&d, "waits");
    CHECK_INT(count_families(), 6);
    CHECK(has_family("waits"));
    close_desk(&d);
    open_desk(&d, &o);
    write_row(&d, "waits");
    close_desk(&d);
    CHECK_INT(count_families(), 6);
}

static const check_case cases[] = {{"a newer program's families are left as they are", test_unknown},
                                   {"a table is made when it is first used", test_first_use},
                                   {"the memtable of the segments remembers places in it", test_places},
                                   {"but not of runs that end at once", test_which_places}};

int main(int argc, char **argv)
{
    snprintf(root, sizeof root, "/tmp/stepwell-families-XXXXXX");
    CHECK(mkdtemp(root));
    int result = check_run(cases, sizeof cases / sizeof cases[0], argc, argv);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", root);
    CHECK_INT(system(command), 0);
    return result;
}
