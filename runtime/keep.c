#include "runtime/keep.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "runtime/control.h"
#include "runtime/kept.h"
#include "runtime/log.h"
#include "runtime/loop.h"

enum {
    KEPT_BYTES_MAX = 49152,                    /* of one client with the supervisor, so that all of them have a limit */
    LEFT_BYTES_MAX = CONTROL_BYTES_MAX - 1024, /* the same of a request that nobody has begun */
    TELL_WAIT_MS = 20, /* the supervisor has little to do: when its socket is full, it is reading */
    TICKS = 4,         /* in --keep-after */
    TICK_MIN_MS = 5,
    KEY_WORKER_SHIFT = 48,
    KEY_LOOP_SHIFT = 40
};

void keeper_init(keeper *k, sw_loop *l, uint32_t worker, size_t kept_max)
{
    *k = (keeper){.loop = l, .kept_max = kept_max, .off = kept_max == 0};
    TAILQ_INIT(&k->young);
    k->key_last = (uint64_t)(worker & UINT16_MAX) << KEY_WORKER_SHIFT | (uint64_t)l->index << KEY_LOOP_SHIFT;
}

void keeper_free(keeper *k)
{
    assert(TAILQ_EMPTY(&k->young));
    free(k->untold);
}

/* ---- Telling the supervisor ---- */

static void turn_off(keeper *k)
{
    if (!k->off) log_line(LOG_WARN, NULL, "the supervisor has gone: connections end with this process");
    k->off = true;
}

static bool tell(keeper *k, control_kind kind, uint64_t key, const msgpack_sbuffer *text, int fd, int wait_ms)
{
    struct iovec part = {text ? text->data : NULL, text ? text->size : 0};
    int control = k->loop->app->control;
    if (k->off) return false;
    control_result r = control_send(control, kind, key, &part, 1, fd);
    if (r == CONTROL_AGAIN && wait_ms > 0) {
        struct pollfd p = {.fd = control, .events = POLLOUT};
        if (poll(&p, 1, wait_ms) > 0) r = control_send(control, kind, key, &part, 1, fd);
    }
    if (r == CONTROL_GONE) turn_off(k);
    return r == CONTROL_OK;
}

static void tell_untold(keeper *k)
{
    while (k->untold_count > 0 && tell(k, CONTROL_RELEASE, k->untold[k->untold_count - 1], NULL, -1, 0))
        k->untold_count--;
}

static void note_untold(keeper *k, uint64_t key)
{
    if (k->untold_count == k->untold_room) {
        size_t room = k->untold_room ? k->untold_room * 2 : 16;
        uint64_t *more = realloc(k->untold, room * sizeof *more);
        if (!more) return; /* it stays with the supervisor, and the next worker finds it finished */
        k->untold = more;
        k->untold_room = room;
    }
    k->untold[k->untold_count++] = key;
}

/* ---- Time ---- */

static void on_tick(struct timer *t);

static void arm(keeper *k)
{
    int64_t every = k->loop->app->opt.keep_after_ms / TICKS;
    if (k->tick.place || k->off || (TAILQ_EMPTY(&k->young) && k->untold_count == 0)) return;
    k->tick = (struct timer){.fn = on_tick, .arg = k};
    (void)timers_start(&k->loop->timers, &k->tick, (uint64_t)(every > TICK_MIN_MS ? every : TICK_MIN_MS));
}

static void keep_old_ones(keeper *k)
{
    uint64_t now = uv_hrtime() / 1000, age = (uint64_t)k->loop->app->opt.keep_after_ms * 1000;
    keep_entry *e;
    while (!k->off && k->kept < k->kept_max && (e = TAILQ_FIRST(&k->young)) != NULL && now - e->since_us >= age) {
        TAILQ_REMOVE(&k->young, e, young);
        e->listed = waiter_keep(e) == WAITER_KEEP_LATER;
        if (!e->listed) continue;
        e->since_us = now;
        TAILQ_INSERT_TAIL(&k->young, e, young);
    }
}

static void on_tick(struct timer *t)
{
    keeper *k = t->arg;
    tell_untold(k);
    keep_old_ones(k);
    arm(k);
}

void keeper_add(keeper *k, keep_entry *e)
{
    assert(!e->listed);
    if (k->off) return;
    *e = (keep_entry){.since_us = uv_hrtime() / 1000, .listed = true};
    TAILQ_INSERT_TAIL(&k->young, e, young);
    arm(k);
}

void keeper_remove(keeper *k, keep_entry *e)
{
    if (!e->listed) return;
    e->listed = false;
    TAILQ_REMOVE(&k->young, e, young);
}

/* ---- Keeping ---- */

uint64_t keeper_keep(keeper *k, int fd, const kept_client *client)
{
    msgpack_sbuffer text;
    uint64_t key = ++k->key_last;
    msgpack_sbuffer_init(&text);
    bool told = kept_write(&text, client) && text.size <= KEPT_BYTES_MAX && tell(k, CONTROL_KEEP, key, &text, fd, 0);
    msgpack_sbuffer_destroy(&text);
    if (!told) return 0;
    k->kept++;
    counter_add(&k->loop->counters.connections_kept, 1);
    return key;
}

bool keeper_leave(keeper *k, int fd, const char *bytes, size_t len)
{
    const kept_client client = {.wish = {.kind = WAITER_NONE}, .request = {bytes, len}};
    msgpack_sbuffer text;
    msgpack_sbuffer_init(&text);
    bool told = !k->off && kept_write(&text, &client) && text.size <= LEFT_BYTES_MAX &&
                tell(k, CONTROL_KEEP, ++k->key_last, &text, fd, TELL_WAIT_MS);
    msgpack_sbuffer_destroy(&text);
    return told;
}

bool keep_on_leave(void *arg, int fd, const char *bytes, size_t len)
{
    return keeper_leave(&((sw_loop *)arg)->keeper, fd, bytes, len);
}

void keeper_taken_back(keeper *k)
{
    k->kept++;
    counter_add(&k->loop->counters.connections_taken_back, 1);
}

void keep_on_reply(void *arg, uint64_t key, const http_kept_reply *reply)
{
    keeper *k = &((sw_loop *)arg)->keeper;
    msgpack_sbuffer text;
    msgpack_sbuffer_init(&text);
    /* When that fails the next worker sees that something was sent which it knows nothing of, and ends the connection.
     */
    bool told = kept_write_reply(&text, reply) && text.size <= KEPT_BYTES_MAX &&
                tell(k, CONTROL_REPLY, key, &text, -1, TELL_WAIT_MS);
    if (!told && !k->off) log_line(LOG_DEBUG, NULL, "the supervisor could not be told of a reply");
    msgpack_sbuffer_destroy(&text);
}

bool keep_on_release(void *arg, uint64_t key)
{
    keeper *k = &((sw_loop *)arg)->keeper;
    assert(k->kept > 0);
    if (!tell(k, CONTROL_RELEASE, key, NULL, -1, TELL_WAIT_MS) && !k->off) return false;
    k->kept--;
    return true;
}

void keep_on_ended(void *arg, uint64_t key)
{
    keeper *k = &((sw_loop *)arg)->keeper;
    if (keep_on_release(arg, key)) return;
    k->kept--;
    note_untold(k, key);
    arm(k);
}
