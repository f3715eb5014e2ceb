/* Writes a letter into a folder that no program works with, as it lies there for a moment while a program obeys it:
 * letter FOLDER RUN KIND, where KIND is its number (docs/internals/journal.md). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/rocks/rocks.h"

int main(int argc, char **argv)
{
    /* [id, kind, name, value, from] */
    char value[] = "\x95\xc4\x10"
                   "0123456789abcdef\x00\xa0\xc4\x00\xa3ops",
         error[BACKEND_ERROR_MAX];
    uint8_t key[RUN_ID_BYTES + 8] = {0};
    run_id run;
    if (argc != 4 || !run_id_parse(argv[2], strlen(argv[2]), &run)) return 2;
    value[19] = (char)atoi(argv[3]);
    memcpy(key, run.bytes, RUN_ID_BYTES);
    backend *b = rocks_open(argv[1], false, error, sizeof error);
    if (!b) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    const store_row row = {
        .op = STORE_ROW_PUT, .table = "inbox", .key = {key, sizeof key}, .value = {value, sizeof value - 1}};
    store_segment s = {.run = run, .live = STORE_LIVE_UNCHANGED, .retain_ms = -1, .rows = &row};
    store_outcome outcome = b->ops->commit(b, &s, 1, error, sizeof error);
    b->ops->close(b);
    return outcome == STORE_DONE ? 0 : 1;
}
