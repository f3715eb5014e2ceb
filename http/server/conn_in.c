#include "http/server/conn_in.h"

#include <assert.h>
#include <string.h>

#include "blocks/blocks.h"

void conn_in_release(http_conn *c)
{
    if (!c->block) return;
    assert(c->state.exchange == EXCHANGE_NONE); /* its request would lie in freed memory */
    server_block_give(c->server, c->block);
    blocks_give(c->server->options.blocks, c->grown, c->bytes_cap);
    c->block = NULL;
    c->grown = NULL;
    c->bytes = (request_bytes){0};
    c->bytes_cap = 0;
}

static bool conn_in_acquire(http_conn *c)
{
    assert(!c->block && !c->grown);
    assert(c->bytes.end == 0);
    c->block = server_block_take(c->server);
    if (!c->block) return false;
    c->bytes = (request_bytes){.data = c->block->bytes};
    c->bytes_cap = sizeof(c->block->bytes);
    return true;
}

/* Moves the bytes of the current request, and what was read behind them, to the start of `to`. */
static void conn_in_move(http_conn *c, char *to)
{
    request_bytes *b = &c->bytes;
    const char *from = b->data + b->start;
    assert(c->state.exchange == EXCHANGE_NONE); /* an owner looks at them */
    assert(b->start <= b->at && b->at <= b->end);
    memmove(to, from, b->end - b->start);
    request_parser_rebase(&c->parser, from, to);
    b->at -= b->start;
    b->end -= b->start;
    b->start = 0;
    b->data = to;
}

/* Returns the size of the largest request within the limits, with the zero behind it and a chunked body's framing. */
static size_t request_bytes_max(const http_conn *c)
{
    return c->server->limits.head_bytes_max + c->server->limits.body_bytes_max + CONN_BYTES;
}

/* Doubles the memory: it grows with what the client has sent, never with what the client has only announced. Not beyond
 * what one request can need, except by the one byte that is asked for. */
static size_t conn_in_next_cap(const http_conn *c)
{
    enum { STEP = 65536 };
    size_t used = c->bytes.end - c->bytes.start, cap = c->bytes_cap * 2;
    size_t known = request_parser_size(&c->parser), most = request_bytes_max(c);
    if (known > c->bytes_cap) {
        size_t step = cap > STEP ? cap : STEP;
        cap = known < step ? known : step;
    }
    if (cap > most) cap = most;
    return cap > used ? cap : used + 1;
}

static bool conn_in_grow(http_conn *c)
{
    size_t cap = conn_in_next_cap(c);
    assert(cap > c->bytes.end - c->bytes.start);
    char *grown = blocks_take(c->server->options.blocks, &cap);
    if (!grown) return false;
    conn_in_move(c, grown);
    blocks_give(c->server->options.blocks, c->grown, c->bytes_cap);
    c->grown = grown;
    c->bytes_cap = cap;
    return true;
}

bool conn_in_extend(http_conn *c)
{
    if (c->bytes.end < c->bytes_cap) return true;
    if (c->bytes.start == 0) return conn_in_grow(c);
    conn_in_move(c, c->bytes.data);
    return true;
}

bool conn_in_fill(http_conn *c, const char *bytes, size_t len)
{
    if (!conn_in_acquire(c)) return false;
    if (len > c->bytes_cap) {
        size_t cap = len;
        c->grown = blocks_take(c->server->options.blocks, &cap);
        if (!c->grown) return false;
        c->bytes.data = c->grown;
        c->bytes_cap = cap;
    }
    assert(len <= c->bytes_cap);
    memcpy(c->bytes.data, bytes, len);
    c->bytes.end = len;
    return true;
}

bool conn_in_make_room(http_conn *c)
{
    if (!c->block && !conn_in_acquire(c)) return false;
    return c->state.life == LIFE_READING ? conn_in_extend(c) : c->bytes.end < c->bytes_cap;
}

void conn_in_begin(http_conn *c)
{
    assert(c->block);
    assert(c->state.exchange == EXCHANGE_NONE);
    if (!request_parser_idle(&c->parser)) return;
    c->bytes.start = c->bytes.at;
    request_parser_begin(&c->parser, c->block->headers, CONN_HEADERS);
}
