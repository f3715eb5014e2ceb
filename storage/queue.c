/* queue: what loops have appended, and the journal thread has not taken yet, and how full that is. */
#include <assert.h>

#include "storage/store_core.h"

/* Of one loop: the database copies a batch twice before it is on disk, and whoever waits for room waits for its end. */
enum { BATCH_BYTES = 16 * 1024 * 1024 };

void segments_append(segment_list *to, segment_list *from)
{
    assert(!from->head == !from->tail);
    assert(!to->head == !to->tail);
    if (!from->head) return;
    if (to->tail)
        to->tail->next = from->head;
    else
        to->head = from->head;
    to->tail = from->tail;
    *from = (segment_list){NULL, NULL};
}

uint64_t segment_bytes(const store_segment *g)
{
    uint64_t bytes = g->len + sizeof *g;
    for (const store_row *row = g->rows; row; row = row->next) bytes += sizeof *row + row->key.len + row->value.len;
    return bytes;
}

void store_append(store_port *p, store_segment *list)
{
    store *s = p->store;
    segment_list added = {list, list};
    uint64_t bytes = 0;
    assert(list);
    for (store_segment *g = list; g; g = g->next) {
        assert(g->data || g->len == 0);
        assert(!g->joined || (g->next && g->live != STORE_LIVE_REOPEN));
        g->error = NULL;
        bytes += segment_bytes(g);
        added.tail = g;
    }
    (void)__atomic_add_fetch(&s->queue_bytes, bytes, __ATOMIC_SEQ_CST);
    (void)pthread_mutex_lock(&s->lock);
    segments_append(&p->queued, &added);
    p->queued_bytes += bytes;
    bool wake = s->idle;
    s->idle = false;
    (void)pthread_mutex_unlock(&s->lock);
    if (wake) (void)pthread_cond_signal(&s->work);
}

static bool queue_is_over_limit(const store *s, size_t unsent)
{
    return __atomic_load_n(&s->queue_bytes, __ATOMIC_SEQ_CST) + unsent > s->options.queue_bytes_max;
}

bool store_busy(const store_port *p, size_t unsent) { return queue_is_over_limit(p->store, unsent); }

void port_tell_change(store_port *p)
{
    p->changed = true;
    int rc = uv_async_send(&p->wake);
    assert(rc == 0);
    (void)rc;
}

void store_want_room(store_port *p)
{
    store *s = p->store;
    (void)pthread_mutex_lock(&s->lock);
    p->wants_room = true;
    __atomic_store_n(&s->room_wanted, true, __ATOMIC_SEQ_CST);
    /* Since the caller looked, the journal thread may have made room and found that nobody wanted any. */
    if (!queue_is_over_limit(s, 0)) port_tell_change(p);
    (void)pthread_mutex_unlock(&s->lock);
}

void ports_tell_room(store *s)
{
    if (!__atomic_load_n(&s->room_wanted, __ATOMIC_SEQ_CST) || queue_is_over_limit(s, 0)) return;
    (void)pthread_mutex_lock(&s->lock);
    __atomic_store_n(&s->room_wanted, false, __ATOMIC_SEQ_CST);
    for (store_port *p = s->ports; p; p = p->next) {
        if (p->wants_room) port_tell_change(p);
        p->wants_room = false;
    }
    (void)pthread_mutex_unlock(&s->lock);
}

void queue_take(store_port *p)
{
    store_segment *last = p->queued.tail;
    uint64_t bytes = p->queued_bytes;
    assert(p->queued.head && !p->taken.list.head);
    if (bytes > BATCH_BYTES) {
        last = p->queued.head;
        for (bytes = segment_bytes(last); last->next && (last->joined || bytes < BATCH_BYTES);) {
            last = last->next;
            bytes += segment_bytes(last);
        }
    }
    assert(p->queued_bytes >= bytes && !last->joined);
    p->taken.list = (segment_list){p->queued.head, last};
    p->queued.head = last->next;
    if (!p->queued.head) p->queued.tail = NULL;
    p->queued_bytes -= bytes;
    last->next = NULL;
}
