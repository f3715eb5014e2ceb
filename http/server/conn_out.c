#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "blocks/blocks.h"
#include "http/server/server_core.h"

static void conn_fail(http_conn *c)
{
    conn_cut(c);
    c->touched = false;
}

void conn_out_free(http_conn *c)
{
    blocks_give(c->server->options.blocks, c->out, c->out_cap);
    c->out = NULL;
    c->out_start = c->out_len = c->out_cap = 0;
}

static bool conn_out_reserve(http_conn *c, size_t more)
{
    assert(more > 0);
    assert(c->out_start + c->out_len <= c->out_cap);
    if (c->out_start + c->out_len + more <= c->out_cap) return true;
    if (c->out_start > 0 && c->out_len + more <= c->out_cap) {
        memmove(c->out, c->out + c->out_start, c->out_len);
        c->out_start = 0;
        return true;
    }
    size_t need = c->out_len + more, cap = c->out_cap * 2 > need ? c->out_cap * 2 : need;
    if (cap < 1024) cap = 1024;
    char *grown = blocks_take(c->server->options.blocks, &cap);
    if (!grown) return false;
    if (c->out_len > 0) memcpy(grown, c->out + c->out_start, c->out_len);
    blocks_give(c->server->options.blocks, c->out, c->out_cap);
    c->out = grown;
    c->out_start = 0;
    c->out_cap = cap;
    return true;
}

static void conn_out_append(http_conn *c, const struct iovec *parts, size_t count)
{
    size_t total = 0;
    assert(c->state.output != OUTPUT_SKIPPING);
    for (size_t i = 0; i < count; i++) total += parts[i].iov_len;
    if (total == 0) return;
    if (!conn_out_reserve(c, total)) {
        conn_fail(c);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (parts[i].iov_len == 0) continue;
        memcpy(c->out + c->out_start + c->out_len, parts[i].iov_base, parts[i].iov_len);
        c->out_len += parts[i].iov_len;
    }
    if (c->state.output == OUTPUT_EMPTY) conn_post(&c->state, EVENT_QUEUE);
    if (c->out_len > c->exchange.queue_max) c->exchange.starved = true;
}

static void conn_out_all_sent(http_conn *c)
{
    assert(c->out_len == 0);
    conn_out_free(c);
    conn_post(&c->state, EVENT_SENT);
}

/* Returns how many bytes the kernel took; 0, and BLOCKED or CUT: none. */
static size_t conn_kernel_send(http_conn *c, struct iovec *parts, size_t count)
{
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    ssize_t n;
    assert(count >= 1 && count <= CONN_PARTS_MAX + 1);
    assert(conn_may_write(&c->state));
    assert(c->state.output == OUTPUT_EMPTY || c->state.output == OUTPUT_QUEUED);
    do
        n = count == 1 ? send(c->fd, parts->iov_base, parts->iov_len, MSG_NOSIGNAL)
                       : sendmsg(c->fd, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n >= 0) return (size_t)n;
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS || errno == ENOMEM) {
        conn_post(&c->state, EVENT_FULL);
        server_add_ready(c); /* to arm the poll */
    } else {
        c->reply_failed = c->state.exchange != EXCHANGE_STREAMING; /* a streamed one may have been sent in part */
        conn_fail(c);
    }
    return 0;
}

void conn_send(http_conn *c, struct iovec *parts, size_t count)
{
    assert(count >= 1 && count <= CONN_PARTS_MAX);
    if (!conn_may_write(&c->state)) return;
    if (c->state.output == OUTPUT_SKIPPING && !conn_skip(c, parts, count)) return;
    /* Replies to pipelined requests leave together when the last of them is written. */
    bool more_to_come = c->parsing && c->bytes.at < c->bytes.end && c->out_len < CONN_CORK_BYTES;
    if (c->state.output == OUTPUT_BLOCKED || more_to_come) {
        conn_out_append(c, parts, count);
        return;
    }
    struct iovec all[CONN_PARTS_MAX + 1];
    size_t n = 0, first = 0;
    if (c->out_len > 0) all[n++] = (struct iovec){c->out + c->out_start, c->out_len};
    for (size_t i = 0; i < count; i++) all[n++] = parts[i];
    size_t sent = conn_kernel_send(c, all, n);
    if (c->out_len > 0) {
        size_t from_out = sent < c->out_len ? sent : c->out_len;
        c->out_start += from_out;
        c->out_len -= from_out;
        sent -= from_out;
    }
    if (conn_is_over(&c->state)) return;
    while (first < count && sent >= parts[first].iov_len) sent -= parts[first++].iov_len;
    if (first == count) {
        if (c->out && c->out_len == 0) conn_out_all_sent(c);
        return;
    }
    parts[first].iov_base = (char *)parts[first].iov_base + sent;
    parts[first].iov_len -= sent;
    conn_out_append(c, parts + first, count - first);
    server_add_ready(c);
}

void conn_gather(http_conn *c, struct iovec *parts, size_t count)
{
    size_t total = c->out_len;
    if (!conn_may_write(&c->state)) return;
    if (c->state.output == OUTPUT_SKIPPING && !conn_skip(c, parts, count)) return;
    for (size_t i = 0; i < count; i++) total += parts[i].iov_len;
    if (total > CONN_CORK_BYTES) {
        conn_send(c, parts, count);
        return;
    }
    conn_out_append(c, parts, count);
    server_add_ready(c);
}

void conn_flush(http_conn *c)
{
    while (c->state.output == OUTPUT_QUEUED) {
        struct iovec part = {c->out + c->out_start, c->out_len};
        assert(c->out_len > 0);
        size_t sent = conn_kernel_send(c, &part, 1);
        assert(sent <= c->out_len);
        c->out_start += sent;
        c->out_len -= sent;
        if (sent > 0) c->touched = true;
        if (sent > 0 && c->out_len == 0) conn_out_all_sent(c);
    }
}
