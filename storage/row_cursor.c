#include "storage/row_cursor.h"

#include <assert.h>
#include <string.h>

void row_cursor_set(row_cursor *c, store_bytes key)
{
    assert(key.len <= STORE_ROW_KEY_MAX);
    if (key.len > 0) memcpy(c->key, key.data, key.len);
    c->len = key.len;
}

/* Behind a key of the greatest length comes none that begins with it, so the next one is greater in one of its bytes.
 */
static void cursor_raise(row_cursor *c)
{
    size_t len = c->len;
    while (len > 0 && c->key[len - 1] == UINT8_MAX) len--;
    if (len == 0) return; /* the greatest key of all: there is nothing behind it that could be asked for */
    c->key[len - 1]++;
    c->len = len;
}

void row_cursor_pass(row_cursor *c, store_bytes key)
{
    bool is_whole =
        key.len <= STORE_ROW_KEY_MAX; /* no program writes longer ones: with one, its like are passed, too */
    row_cursor_set(c, (store_bytes){key.data, is_whole ? key.len : (size_t)STORE_ROW_KEY_MAX});
    if (c->len == STORE_ROW_KEY_MAX)
        cursor_raise(c);
    else
        c->key[c->len++] = 0; /* the least of those that begin with the key */
}
