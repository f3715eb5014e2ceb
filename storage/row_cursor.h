/* row_cursor: where the reading of a named table goes on, page after page: at a key, or behind the last row that was
 * taken. Owns a copy of that key, reads nothing. Zeroed: at the table's first row. */
#ifndef STORAGE_ROW_CURSOR_H
#define STORAGE_ROW_CURSOR_H

#include "storage/store.h"

typedef struct row_cursor {
    uint8_t key[STORE_ROW_KEY_MAX];
    size_t len;
} row_cursor;

/* The reading goes on with the first row from this key on. */
void row_cursor_set(row_cursor *c, store_bytes key);
/* The row with this key has been taken: the reading goes on behind it. */
void row_cursor_pass(row_cursor *c, store_bytes key);
/* For store_range.from, which borrows the cursor. */
static inline store_bytes row_cursor_from(const row_cursor *c) { return (store_bytes){c->key, c->len}; }

#endif
