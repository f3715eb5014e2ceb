#include "runtime/survive/holder.h"

#include <assert.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

typedef struct held_socket {
    uint64_t key;
    TAILQ_ENTRY(held_socket) all;
    int fd;
    uint32_t keep_len, reply_len;
    char *reply; /* owned: the data of CONTROL_REPLY; NULL: the reply has not begun */
    char keep[]; /* the data of CONTROL_KEEP */
} held_socket;

struct holder {
    void *tree; /* by key; see tsearch(3) */
    TAILQ_HEAD(, held_socket) all;
    size_t count, max;
    held_socket *next; /* the next to be handed to the new worker; NULL: none is left */
    bool handing;      /* the new worker has not got CONTROL_KEPT_ALL yet */
};

static int held_socket_compare(const void *a, const void *b)
{
    uint64_t x = ((const held_socket *)a)->key, y = ((const held_socket *)b)->key;
    return (x > y) - (x < y);
}

holder *holder_new(size_t sockets_max)
{
    holder *h = calloc(1, sizeof *h);
    if (!h) return NULL;
    h->max = sockets_max;
    TAILQ_INIT(&h->all);
    return h;
}

static held_socket *holder_find(const holder *h, uint64_t key)
{
    const held_socket wanted = {.key = key};
    held_socket **at = tfind(&wanted, &h->tree, held_socket_compare);
    return at ? *at : NULL;
}

static void holder_release(holder *h, held_socket *s)
{
    if (h->next == s) h->next = TAILQ_NEXT(s, all);
    (void)tdelete(s, &h->tree, held_socket_compare);
    TAILQ_REMOVE(&h->all, s, all);
    assert(h->count > 0 && s->fd >= 0);
    h->count--;
    assert((h->count == 0) == TAILQ_EMPTY(&h->all));
    close(s->fd);
    free(s->reply);
    free(s);
}

void holder_release_all(holder *h)
{
    while (!TAILQ_EMPTY(&h->all)) holder_release(h, TAILQ_FIRST(&h->all));
}

void holder_free(holder *h)
{
    if (!h) return;
    holder_release_all(h);
    free(h);
}

/* What holder_hand_on() sends of a socket: the length of its first text, and both texts. */
static bool fits_one_message(size_t keep_len, size_t reply_len)
{
    return sizeof(uint32_t) + keep_len + reply_len <= CONTROL_BYTES_MAX;
}

static void holder_keep(holder *h, control_message *m)
{
    if (m->fd < 0 || !fits_one_message(m->head.len, 0)) return;
    held_socket *s = h->count < h->max && !holder_find(h, m->head.key) ? malloc(sizeof *s + m->head.len) : NULL;
    if (s) {
        *s = (held_socket){.key = m->head.key, .fd = m->fd, .keep_len = m->head.len};
        memcpy(s->keep, m->data, m->head.len);
    }
    if (!s || !tsearch(s, &h->tree, held_socket_compare)) {
        free(s);
        return;
    }
    m->fd = -1; /* the holder's from here on */
    TAILQ_INSERT_TAIL(&h->all, s, all);
    h->count++;
}

static void holder_save_reply(holder *h, const control_message *m)
{
    held_socket *s = holder_find(h, m->head.key);
    if (!s) return;
    char *text = fits_one_message(s->keep_len, m->head.len) ? malloc(m->head.len ? m->head.len : 1) : NULL;
    if (!text) {
        holder_release(h, s); /* the next worker would take the reply for one that has not begun */
        return;
    }
    memcpy(text, m->data, m->head.len);
    free(s->reply);
    s->reply = text;
    s->reply_len = m->head.len;
}

void holder_take_message(holder *h, control_message *m)
{
    held_socket *s;
    assert(m->head.len <= CONTROL_BYTES_MAX);
    if (m->head.kind == CONTROL_KEEP) holder_keep(h, m);
    if (m->head.kind == CONTROL_REPLY) holder_save_reply(h, m);
    if (m->head.kind == CONTROL_RELEASE && (s = holder_find(h, m->head.key)) != NULL) holder_release(h, s);
    if (m->fd >= 0) close(m->fd);
    m->fd = -1;
}

void holder_begin_handing(holder *h)
{
    h->next = TAILQ_FIRST(&h->all);
    h->handing = true;
}

control_result holder_hand_on(holder *h, int control)
{
    control_result r = CONTROL_OK;
    while (h->next && r == CONTROL_OK) {
        held_socket *s = h->next;
        struct iovec parts[3] = {{&s->keep_len, sizeof s->keep_len}, {s->keep, s->keep_len}, {s->reply, s->reply_len}};
        r = control_send(control, (control_head){.kind = CONTROL_KEPT, .key = s->key}, parts, s->reply ? 3 : 2, s->fd);
        if (r == CONTROL_OK) h->next = TAILQ_NEXT(s, all);
    }
    if (r == CONTROL_OK && h->handing) r = control_send(control, (control_head){.kind = CONTROL_KEPT_ALL}, NULL, 0, -1);
    if (r != CONTROL_AGAIN) h->handing = false;
    return r;
}

size_t holder_count(const holder *h) { return h->count; }
