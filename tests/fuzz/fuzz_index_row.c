/* Fuzzes the rows of the index: bytes of any kind are refused or read, and what is read is written as it was. */
#include <stdlib.h>
#include <string.h>

#include "storage/index_row.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void require(int is_so)
{
    if (!is_so) abort();
}

static void try_cursor(store_bytes row)
{
    index_cursor c, again;
    msgpack_sbuffer out;
    if (!index_cursor_read(row, &c)) return;
    msgpack_sbuffer_init(&out);
    require(index_cursor_put(&out, &c) && index_cursor_read((store_bytes){out.data, out.size}, &again));
    require(run_id_equal(&c.floor, &again.floor) && c.opening == again.opening);
    msgpack_sbuffer_destroy(&out);
}

static void try_run(store_bytes row)
{
    index_run r, again;
    msgpack_sbuffer out;
    if (!index_run_read(row, &r)) return;
    if (r.function.len > INDEX_NAME_MAX || r.version.len > INDEX_NAME_MAX || r.error.len > INDEX_TEXT_MAX) return;
    msgpack_sbuffer_init(&out);
    require(index_run_put(&out, &r) && index_run_read((store_bytes){out.data, out.size}, &again));
    require(r.fate == again.fate && r.error.len == again.error.len && r.is_cut == again.is_cut);
    require(r.error.len == 0 || memcmp(r.error.data, again.error.data, r.error.len) == 0);
    msgpack_sbuffer_destroy(&out);
}

static void try_tally(store_bytes row)
{
    static const run_id first = {{1, 2, 3}};
    text_pool n = {.count = 0};
    tally t, again;
    msgpack_sbuffer out;
    if (tally_read(row, &first, &n, &t)) {
        msgpack_sbuffer_init(&out);
        require(tally_put(&out, &t) && tally_read((store_bytes){out.data, out.size}, &first, &n, &again));
        require(t.count == again.count && t.is_counted == again.is_counted && run_id_equal(&t.end, &again.end));
        tally_free(&again);
        tally_free(&t);
        msgpack_sbuffer_destroy(&out);
    }
    text_pool_free(&n);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    char *exact = malloc(size + (size == 0));
    require(exact != NULL);
    if (size > 0) memcpy(exact, data, size);
    store_bytes row = {exact, size};
    run_id id;
    (void)index_key_read(row, INDEX_RUN, &id);
    try_cursor(row);
    try_run(row);
    try_tally(row);
    free(exact);
    return 0;
}
