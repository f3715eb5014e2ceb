#include "runtime/run/notice.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/run/home.h"

const char notice_table[] = "notices";

void notice_write_key(const run_id *run, uint64_t number, uint8_t key[NOTICE_KEY_BYTES])
{
    key[0] = (uint8_t)run_id_cluster_slot(run);
    letter_write_key(run, number, key + 1);
}

bool notice_make(const home *h, const notice_news *news, notice **out)
{
    const uint64_t about = htobe64(news->about);
    *out = NULL;
    if (home_owns(h, &news->run)) return true;
    notice *n = calloc(1, sizeof *n);
    if (!n) return false;
    _Static_assert(sizeof about == NOTICE_VALUE_BYTES, "the value is one number");
    notice_write_key(&news->run, news->number, n->key);
    memcpy(n->value, &about, sizeof about);
    n->row = (store_row){.op = STORE_ROW_PUT,
                         .table = notice_table,
                         .key = {n->key, sizeof n->key},
                         .value = {n->value, sizeof n->value}};
    *out = n;
    return true;
}

const store_row *notice_row(notice *n, const store_row *then)
{
    if (!n) return then;
    n->row.next = then;
    return &n->row;
}

bool notice_read(const store_table_row *row, notice_news *out)
{
    uint64_t about;
    const uint8_t *key = row->key.data;
    if (row->key.len != NOTICE_KEY_BYTES || row->value.len < sizeof about) return false;
    memcpy(&about, row->value.data, sizeof about);
    memcpy(out->run.bytes, key + 1, RUN_ID_BYTES);
    out->number = letter_arrival_of(key + 1);
    out->about = be64toh(about);
    return true;
}
