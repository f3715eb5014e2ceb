/* bytes: a growing sequence of bytes that is consumed from its front, with a zero behind the last one. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "http/client/client_core.h"

static bool bytes_reserve(client_bytes *b, size_t more)
{
    assert(b->start + b->len < b->cap || b->cap == 0);
    if (b->cap > 0 && b->cap - b->start - b->len > more) return true;
    if (b->cap - b->len > more && b->start >= b->len) {
        /* at least half is consumed: moving the rest costs less than growing */
        memmove(b->data, b->data + b->start, b->len);
        b->start = 0;
        return true;
    }
    if (more >= SIZE_MAX / 4 - b->len) return false;
    size_t cap = b->cap < 512 ? 512 : b->cap;
    while (cap - b->len <= more) cap *= 2;
    char *data = malloc(cap);
    if (!data) return false;
    if (b->len > 0) memcpy(data, b->data + b->start, b->len);
    free(b->data);
    *b = (client_bytes){.data = data, .len = b->len, .cap = cap};
    return true;
}

bool bytes_append(client_bytes *b, const char *data, size_t len)
{
    assert(data || len == 0);
    if (!bytes_reserve(b, len)) return false;
    assert(b->start + b->len + len < b->cap);
    memcpy(b->data + b->start + b->len, data, len);
    b->len += len;
    b->data[b->start + b->len] = 0;
    return true;
}

void bytes_consume(client_bytes *b, size_t len)
{
    assert(len <= b->len);
    b->start += len;
    b->len -= len;
    if (b->len == 0) b->start = 0;
    assert(b->start + b->len < b->cap || !b->data);
    if (b->data) b->data[b->start + b->len] = 0;
}

void bytes_recycle(client_bytes *b)
{
    if (b->cap > CLIENT_REUSED_BYTES_MAX) {
        bytes_free(b);
        return;
    }
    b->start = b->len = 0;
}

void bytes_free(client_bytes *b)
{
    free(b->data);
    *b = (client_bytes){0};
}
