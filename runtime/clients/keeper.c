#include "runtime/clients/keeper.h"

#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/log.h"
#include "runtime/clients/client_note.h"
#include "runtime/run/home.h"
#include "runtime/survive/control.h"

enum {
    KEPT_BYTES_MAX = 49152,                    /* of a client's note, and of its reply: the supervisor holds them all */
    LEFT_BYTES_MAX = CONTROL_BYTES_MAX - 1024, /* of a note with a request that nobody has begun to answer */
    UNTOLD_BYTES_MAX = 16 << 20,               /* of messages that wait for the supervisor to read */
    TICKS = 4,                                 /* how often, in --keep-after, the ages of clients are looked at */
    TICK_MIN_MS = 5,
    KEY_WORKER_SHIFT = 48,
    KEY_LOOP_SHIFT = 40
};

/* What the next worker gets with CONTROL_KEPT: a length, the note, and the reply if it has begun. */
_Static_assert(sizeof(uint32_t) + 2 * KEPT_BYTES_MAX <= CONTROL_BYTES_MAX, "note and reply fit one message");
_Static_assert(sizeof(uint32_t) + LEFT_BYTES_MAX <= CONTROL_BYTES_MAX, "a left request fits one message");

/* A message that the supervisor is still to be told. */
typedef struct keep_message {
    STAILQ_ENTRY(keep_message) next;
    control_kind kind;
    uint64_t key;
    int fd; /* owned; -1: none */
    size_t len;
    char data[];
} keep_message;

void keeper_init(keeper *k, home *h, int control, uint32_t worker, size_t kept_max)
{
    assert(control >= 0 || kept_max == 0);
    assert(h->index < 1u << (KEY_WORKER_SHIFT - KEY_LOOP_SHIFT));
    *k = (keeper){.home = h, .control = control, .kept_max = kept_max, .is_off = kept_max == 0};
    TAILQ_INIT(&k->young);
    STAILQ_INIT(&k->untold);
    k->key_last = (uint64_t)(worker & UINT16_MAX) << KEY_WORKER_SHIFT | (uint64_t)h->index << KEY_LOOP_SHIFT;
}

/* ---- Telling the supervisor ---- */

static void keeper_arm(keeper *k);

bool keeper_all_told(const keeper *k) { return STAILQ_EMPTY(&k->untold); }

static void keeper_drop_message(keeper *k)
{
    keep_message *m = STAILQ_FIRST(&k->untold);
    assert(k->untold_bytes >= m->len);
    STAILQ_REMOVE_HEAD(&k->untold, next);
    k->untold_bytes -= m->len;
    if (m->fd >= 0) close(m->fd);
    free(m);
}

void keeper_free(keeper *k)
{
    assert(TAILQ_EMPTY(&k->young));
    while (!keeper_all_told(k)) keeper_drop_message(k);
    assert(k->untold_bytes == 0);
}

static void keeper_turn_off(keeper *k)
{
    if (!k->is_off) log_line(LOG_WARN, NULL, "the supervisor has gone: connections end with this process");
    k->is_off = true;
    while (!keeper_all_told(k)) keeper_drop_message(k);
}

/* Tells the supervisor without waiting. CONTROL_AGAIN: its socket is full, or earlier messages wait. */
static control_result keeper_tell_now(keeper *k, control_kind kind, uint64_t key, const msgpack_sbuffer *text, int fd)
{
    struct iovec part = {text ? text->data : NULL, text ? text->size : 0};
    if (k->is_off) return CONTROL_GONE;
    control_result r = keeper_all_told(k)
                           ? control_send(k->control, (control_head){.kind = (uint16_t)kind, .key = key}, &part, 1, fd)
                           : CONTROL_AGAIN;
    if (r == CONTROL_GONE) keeper_turn_off(k);
    return r;
}

/* Tells the supervisor now or, when it has read enough, later; a copy of fd is held until then. False: the supervisor
 * has gone, UNTOLD_BYTES_MAX wait already, or there is no memory or descriptor. */
static bool keeper_tell(keeper *k, control_kind kind, uint64_t key, const msgpack_sbuffer *text, int fd)
{
    size_t len = text ? text->size : 0;
    control_result r = keeper_tell_now(k, kind, key, text, fd);
    if (r != CONTROL_AGAIN) return r == CONTROL_OK;
    keep_message *m = k->untold_bytes + len <= UNTOLD_BYTES_MAX ? malloc(sizeof *m + len) : NULL;
    int own = m && fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (!m || (fd >= 0 && own < 0)) {
        free(m);
        return false;
    }
    *m = (keep_message){.kind = kind, .key = key, .fd = own, .len = len};
    if (len > 0) memcpy(m->data, text->data, len);
    STAILQ_INSERT_TAIL(&k->untold, m, next);
    k->untold_bytes += len;
    assert(k->untold_bytes <= UNTOLD_BYTES_MAX);
    keeper_arm(k);
    return true;
}

static void keeper_tell_untold(keeper *k)
{
    control_result r = CONTROL_OK;
    while (!keeper_all_told(k) && r == CONTROL_OK) {
        keep_message *m = STAILQ_FIRST(&k->untold);
        struct iovec part = {m->data, m->len};
        r = control_send(k->control, (control_head){.kind = (uint16_t)m->kind, .key = m->key}, &part, 1, m->fd);
        if (r == CONTROL_OK) keeper_drop_message(k);
    }
    if (r == CONTROL_GONE) keeper_turn_off(k);
}

/* Lets the HTTP server try again to release connections. It looks at all of them: only when the socket has room. */
static void keeper_tell_releases(keeper *k)
{
    struct pollfd p = {.fd = k->control, .events = POLLOUT};
    if (!k->releases_wait || !keeper_all_told(k) || (!k->is_off && poll(&p, 1, 0) <= 0)) return;
    k->releases_wait = false;
    if (k->server) http_server_holder_ready(k->server);
}

/* ---- Time ---- */

static void keeper_on_tick(struct timer *t);

static void keeper_arm(keeper *k)
{
    int64_t every = k->home->opt->keep_after_ms / TICKS;
    bool telling = k->releases_wait || !keeper_all_told(k);
    if (timer_is_started(&k->tick) || !k->server || (!telling && (k->is_off || TAILQ_EMPTY(&k->young)))) return;
    k->tick = (struct timer){.fn = keeper_on_tick, .arg = k, .has_reserve = true};
    (void)timers_start(&k->home->timers, &k->tick, (uint64_t)(every > TICK_MIN_MS && !telling ? every : TICK_MIN_MS));
}

/* Returns the client that has waited longest, if it has waited for --keep-after and there is room for it. */
static keep_entry *keeper_next_old(const keeper *k, uint64_t now_us)
{
    uint64_t age_us = (uint64_t)k->home->opt->keep_after_ms * 1000;
    keep_entry *e = keeper_has_room(k) ? TAILQ_FIRST(&k->young) : NULL;
    return e && now_us - e->since_us >= age_us ? e : NULL;
}

static void keeper_keep_old(keeper *k)
{
    uint64_t now_us = uv_hrtime() / 1000;
    for (keep_entry *e; (e = keeper_next_old(k, now_us)) != NULL;) {
        TAILQ_REMOVE(&k->young, e, young);
        assert(e->is_young);
        e->is_young = waiter_keep(e) == WAITER_KEEP_LATER;
        if (!e->is_young) continue;
        e->since_us = now_us;
        TAILQ_INSERT_TAIL(&k->young, e, young);
    }
}

static void keeper_on_tick(struct timer *t)
{
    keeper *k = t->arg;
    keeper_tell_untold(k);
    keeper_tell_releases(k);
    keeper_keep_old(k);
    keeper_arm(k);
}

void keeper_add(keeper *k, keep_entry *e)
{
    assert(!e->is_young);
    if (k->is_off) return;
    *e = (keep_entry){.since_us = uv_hrtime() / 1000, .is_young = true};
    TAILQ_INSERT_TAIL(&k->young, e, young);
    keeper_arm(k);
}

void keeper_remove(keeper *k, keep_entry *e)
{
    if (!e->is_young) return;
    e->is_young = false;
    TAILQ_REMOVE(&k->young, e, young);
}

/* ---- Keeping ---- */

uint64_t keeper_keep(keeper *k, int fd, const kept_client *client)
{
    msgpack_sbuffer text;
    uint64_t key = ++k->key_last;
    assert(fd >= 0);
    assert(key != 0);
    assert(keeper_has_room(k));
    assert(client->wish.kind != WAITER_NONE);
    msgpack_sbuffer_init(&text);
    bool told = client_note_write(&text, client) && text.size <= KEPT_BYTES_MAX;
    /* In a drain the client is not tried again later, but the loop ends only when all messages are told. */
    told = told && (k->home->draining ? keeper_tell(k, CONTROL_KEEP, key, &text, fd)
                                      : keeper_tell_now(k, CONTROL_KEEP, key, &text, fd) == CONTROL_OK);
    msgpack_sbuffer_destroy(&text);
    if (!told) return 0;
    k->kept++;
    counter_add(&k->home->counters.connections_kept, 1);
    return key;
}

bool keeper_has_room(const keeper *k) { return !k->is_off && k->kept < k->kept_max; }

bool keeper_leave(keeper *k, int fd, bool is_admin, const char *bytes, size_t len)
{
    assert(fd >= 0);
    assert(bytes || len == 0);
    if (!keeper_has_room(k)) return false;
    const kept_client client = {.wish = {.kind = WAITER_NONE}, .is_admin = is_admin, .request = {bytes, len}};
    msgpack_sbuffer text;
    msgpack_sbuffer_init(&text);
    bool told = client_note_write(&text, &client) && text.size <= LEFT_BYTES_MAX &&
                keeper_tell(k, CONTROL_KEEP, ++k->key_last, &text, fd);
    msgpack_sbuffer_destroy(&text);
    if (told) k->kept++;
    return told;
}

void keeper_taken_back(keeper *k)
{
    k->kept++;
    counter_add(&k->home->counters.connections_taken_back, 1);
}

void keeper_reply(keeper *k, uint64_t key, const http_kept_reply *reply)
{
    msgpack_sbuffer text;
    assert(key != 0);
    msgpack_sbuffer_init(&text);
    /* A next worker that has not got this message sees that something unknown was sent, and resets the connection. */
    bool told = client_note_write_reply(&text, reply) && text.size <= KEPT_BYTES_MAX &&
                keeper_tell(k, CONTROL_REPLY, key, &text, -1);
    if (!told && !k->is_off) log_line(LOG_DEBUG, NULL, "the supervisor could not be told of a reply");
    msgpack_sbuffer_destroy(&text);
}

bool keeper_release(keeper *k, uint64_t key)
{
    assert(key != 0);
    assert(k->kept > 0);
    if (keeper_tell_now(k, CONTROL_RELEASE, key, NULL, -1) == CONTROL_AGAIN) {
        k->releases_wait = true;
        keeper_arm(k);
        return false;
    }
    k->kept--;
    return true;
}

void keeper_ended(keeper *k, uint64_t key)
{
    assert(key != 0);
    assert(k->kept > 0);
    (void)keeper_tell(k, CONTROL_RELEASE, key, NULL, -1); /* if that fails, the next worker finds it ended */
    k->kept--;
}
