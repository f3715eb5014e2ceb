#include "bench/rocks_floor.h"

#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const size_t bench_batches[BENCH_BATCHES] = {1, 16, 64, 256, 1024};

static void must(const char *error)
{
    if (!error) return;
    fprintf(stderr, "rocks_floor: %s\n", error);
    exit(1);
}

uint64_t bench_now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void write_batch(rocksdb_t *db, rocksdb_writeoptions_t *synced, rocksdb_writebatch_t *b, size_t batch,
                        uint64_t *number)
{
    static const char value[BENCH_ENTRY_BYTES];
    char *error = NULL;
    rocksdb_writebatch_clear(b);
    for (size_t i = 0; i < batch; i++) {
        char key[24] = {0};
        uint64_t id = __builtin_bswap64(++*number);
        memcpy(key, &id, sizeof id);
        rocksdb_writebatch_put(b, key, sizeof key, value, sizeof value);
    }
    rocksdb_write(db, synced, b, &error);
    must(error);
}

double rocks_floor(const char *path, size_t batch, double seconds)
{
    char *error = NULL;
    uint64_t number = 0;
    rocksdb_options_t *o = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(o, 1);
    rocksdb_options_set_error_if_exists(o, 1);
    rocksdb_options_set_write_buffer_size(o, 256 << 20);
    rocksdb_options_set_compression(o, rocksdb_no_compression);
    rocksdb_t *db = rocksdb_open(o, path, &error);
    must(error);
    rocksdb_writeoptions_t *synced = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(synced, 1);
    rocksdb_writebatch_t *b = rocksdb_writebatch_create();
    uint64_t began_ns = bench_now_ns(), ended_ns = began_ns;
    while ((double)(ended_ns - began_ns) < seconds * 1e9) {
        write_batch(db, synced, b, batch, &number);
        ended_ns = bench_now_ns();
    }
    rocksdb_writebatch_destroy(b);
    rocksdb_writeoptions_destroy(synced);
    rocksdb_close(db);
    rocksdb_options_destroy(o);
    return (double)number / ((double)(ended_ns - began_ns) / 1e9);
}
