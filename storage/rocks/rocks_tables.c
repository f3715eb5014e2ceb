/* The database's column families: the store's own, those of named tables, and those of a newer program, which this one
 * opens and leaves as they are. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage/rocks/rocks_core.h"
#include "storage/rocks/rocks_edit.h"

static const char *const own_names[ROCKS_TABLES] = {"default", "segments", "live", "expiry", "keys"};
_Static_assert((int)ROCKS_TABLES < (int)ROCKS_FAMILIES_MAX, "there is room for named tables");
_Static_assert((int)ROCKS_FAMILIES_MAX == (int)ROCKS_EDIT_TABLES, "rocks_check can tell the logs of each family");
_Static_assert(ROCKS_TABLE_META == 0, "RocksDB's family default comes first");

/* The named tables of this version. 0.1.0 opens a database only if it knows all of its families: so the rows of these
 * tables are rows of `default`, and a run that has used what is new keeps it from no other run. */
static const char *const in_default[] = {"inbox", "tries", "index", "kin", "bulk", "schedules", "settings", "notices"};

/* ---- Opening ---- */

static bool family_is_own(const char *name)
{
    for (size_t i = 0; i < ROCKS_TABLES; i++)
        if (strcmp(name, own_names[i]) == 0) return true;
    return false;
}

static bool add_family(rocks *r, const char *name)
{
    if (r->table_count == ROCKS_FAMILIES_MAX) return false;
    r->names[r->table_count] = strdup(name);
    return r->names[r->table_count] && ++r->table_count > 0;
}

static void free_families(rocks *r)
{
    for (unsigned i = 0; i < r->table_count; i++) free(r->names[i]);
    r->table_count = 0;
}

/* Fills `names`: the store's own families first, in the order of rocks_table, then those that are in the database. If
 * RocksDB has no list, there is no database yet, or it cannot be opened either, and the opening says why. False: there
 * are too many families, or memory is out. */
static bool list_families(rocks *r, const char *path)
{
    char *why = NULL;
    size_t count = 0;
    bool ok = true;
    assert(r->table_count == 0);
    for (size_t i = 0; i < ROCKS_TABLES; i++) ok = ok && add_family(r, own_names[i]);
    char **found = rocksdb_list_column_families(r->options, path, &count, &why);
    for (size_t i = 0; i < count; i++) ok = ok && (family_is_own(found[i]) || add_family(r, found[i]));
    rocksdb_list_column_families_destroy(found, count); /* `found` is malloc'd also when there is an error */
    if (why) rocksdb_free(why);
    return ok;
}

bool rocks_tables_open(rocks *r, const char *path, bool read_only, char **why)
{
    const rocksdb_options_t *options[ROCKS_FAMILIES_MAX];
    *why = NULL;
    if (!list_families(r, path)) {
        free_families(r);
        return false;
    }
    assert(!r->db);
    assert(r->table_count >= ROCKS_TABLES);
    for (unsigned i = 0; i < r->table_count; i++) options[i] = r->options;
    options[ROCKS_TABLE_SEGMENTS] = r->segment_options;
    const char *const *names = (const char *const *)r->names;
    int count = (int)r->table_count;
    if (read_only)
        r->db = rocksdb_open_for_read_only_column_families(r->options, path, count, names, options, r->tables, 0, why);
    else
        r->db = rocksdb_open_column_families(r->options, path, count, names, options, r->tables, why);
    assert(*why || r->db);
    if (!*why) return true;
    r->db = NULL;
    free_families(r);
    return false;
}

void rocks_tables_close(rocks *r)
{
    if (!r->db) return;
    for (unsigned i = 0; i < r->table_count; i++) rocksdb_column_family_handle_destroy(r->tables[i]);
    free_families(r);
    rocksdb_close(r->db);
    r->db = NULL;
}

/* ---- Named tables ---- */

static bool table_name_is_valid(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz_");
    return len > 0 && len <= STORE_TABLE_NAME_MAX && !name[len];
}

rocks_named rocks_named_find(rocks *r, const char *table)
{
    rocks_named p = {.family = NULL};
    assert(table_name_is_valid(table));
    assert(!family_is_own(table));
    assert(r->db);
    unsigned count = __atomic_load_n(&r->table_count, __ATOMIC_ACQUIRE);
    for (unsigned i = ROCKS_TABLES; i < count; i++)
        if (strcmp(table, r->names[i]) == 0) p.family = r->tables[i];
    for (size_t i = 0; !p.family && i < sizeof in_default / sizeof *in_default; i++) {
        if (strcmp(table, in_default[i]) != 0) continue;
        p.family = r->tables[ROCKS_TABLE_META];
        p.prefix_len = strlen(table) + 1; /* with its zero */
        assert(p.prefix_len <= ROCKS_PREFIX_MAX);
        memcpy(p.prefix, table, p.prefix_len);
    }
    return p;
}

bool rocks_named_make(rocks *r, const char *table, rocks_named *out, char *error, size_t error_size)
{
    char *why = NULL;
    *out = rocks_named_find(r, table);
    if (out->family) return true;
    unsigned count = r->table_count;
    assert(!r->read_only);
    assert(count >= ROCKS_TABLES && count <= ROCKS_FAMILIES_MAX);
    if (count == ROCKS_FAMILIES_MAX) {
        (void)snprintf(error, error_size, "no room for the table %s: the journal has %u tables", table, count);
        return false;
    }
    r->names[count] = strdup(table);
    if (!r->names[count]) {
        (void)snprintf(error, error_size, "out of memory");
        return false;
    }
    r->tables[count] = rocksdb_create_column_family(r->db, r->options, table, &why);
    if (rocks_take_error(why, error, error_size)) {
        rocksdb_column_family_handle_destroy(r->tables[count]); /* RocksDB makes the handle also when it fails */
        free(r->names[count]);
        return false;
    }
    __atomic_store_n(&r->table_count, count + 1, __ATOMIC_RELEASE);
    out->family = r->tables[count];
    return true;
}

size_t rocks_named_key(const rocks_named *p, store_bytes key, uint8_t out[ROCKS_NAMED_KEY_MAX])
{
    assert(key.len <= STORE_ROW_KEY_MAX);
    memcpy(out, p->prefix, p->prefix_len);
    if (key.len > 0) memcpy(out + p->prefix_len, key.data, key.len);
    return p->prefix_len + key.len;
}

size_t rocks_named_end(const rocks_named *p, store_bytes to, uint8_t out[ROCKS_NAMED_KEY_MAX])
{
    size_t len = rocks_named_key(p, to, out);
    if (to.len > 0 || len == 0) return len;
    assert(out[len - 1] ==
           0); /* the zero behind a table's name: no other table has a name that begins with it and a 1 */
    out[len - 1]++;
    return len;
}
