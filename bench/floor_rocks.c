/* floor_rocks: raw RocksDB, one WAL sync a batch of 200-byte entries.
 *   floor_rocks FOLDER [SECONDS], 1 each. FOLDER must exist; a database is left in it for each size. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/rocks_floor.h"

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: floor_rocks FOLDER [SECONDS]\n");
        return 2;
    }
    for (int i = 0; i < BENCH_BATCHES; i++) {
        char path[4096];
        (void)snprintf(path, sizeof path, "%s/floor-%zu", argv[1], bench_batches[i]);
        double rate = rocks_floor(path, bench_batches[i], argc > 2 ? atof(argv[2]) : 1);
        printf("batch %4zu  %9.0f entries/s\n", bench_batches[i], rate);
        fflush(stdout);
    }
    return 0;
}
