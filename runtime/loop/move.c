#include "runtime/loop/move.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/log.h"
#include "runtime/base/problem.h"
#include "runtime/clients/client_note.h"
#include "runtime/clients/waiter.h"

enum { LEFT_BODY_MAX = 65536 /* of a request that is left to the next process */ };

/* A connection on its way to the loop that owns its run. */
typedef struct moved {
    struct moved *next;
    int fd;
    bool attach;   /* to `to`, instead of serving it as a new request */
    bool is_admin; /* it came to --admin-listen */
    destination to;
    uint64_t key; /* of a connection that a former worker left, with `data`; 0: another loop had it */
    size_t unsent_len, len;
    char data[]; /* what is unsent of earlier replies, then its request, to be parsed again over there */
} moved;

/* Keeps a loop from ending until move_deliver; from any thread. False: it has ended. */
static bool move_announce(sw_loop *to)
{
    uv_mutex_lock(&to->moved_lock);
    bool open = !to->moved_closed;
    if (open) to->moves_announced++;
    uv_mutex_unlock(&to->moved_lock);
    return open;
}

/* Gives the loop the connection that was announced; from any thread. NULL: none comes. */
static void move_deliver(sw_loop *to, moved *m)
{
    assert(!m || (m->fd >= 0 && (m->key == 0 || !m->attach)));
    uv_mutex_lock(&to->moved_lock);
    assert(to->moves_announced > 0 && !to->moved_closed);
    to->moves_announced--;
    if (m) {
        m->next = to->moved;
        to->moved = m;
    }
    (void)uv_async_send(&to->command);
    uv_mutex_unlock(&to->moved_lock);
}

/* Takes the parts of a connection; NULL: no memory, the connection ends. */
static moved *move_new(const http_moving *from, const destination *to_run)
{
    moved *m = malloc(sizeof *m + from->unsent_len + from->len);
    if (m) {
        *m = (moved){.fd = from->fd, .attach = to_run != NULL, .unsent_len = from->unsent_len, .len = from->len};
        if (to_run) m->to = *to_run;
        if (from->unsent_len > 0) memcpy(m->data, from->unsent, from->unsent_len);
        memcpy(m->data + from->unsent_len, from->bytes, from->len);
    } else {
        close(from->fd);
    }
    free(from->unsent);
    free(from->bytes);
    return m;
}

/* Takes the connection off the exchange. NULL: the exchange has its answer, or no memory, and the connection ends. */
static moved *move_detach(home *h, http_exchange *x, const destination *to_run)
{
    http_moving moving;
    bool is_admin = loop_is_admin_door(h, x);
    assert(!is_admin || !to_run);
    if (!http_exchange_detach(x, &moving)) {
        problem_reply(x, 503, "the connection cannot be handed to the loop that has the run", "1");
        return NULL;
    }
    moved *m = move_new(&moving, to_run);
    if (m) m->is_admin = is_admin;
    return m;
}

bool move_to_next_process(home *h, http_exchange *x)
{
    http_moving m;
    bool is_admin = loop_is_admin_door(h, x);
    if (!keeper_has_room(h->keeper) || http_exchange_request(x)->body.len > LEFT_BODY_MAX) return false;
    if (!http_exchange_sent(x) || !http_exchange_detach(x, &m)) return false;
    assert(m.unsent_len == 0);
    if (!keeper_leave(h->keeper, m.fd, is_admin, m.bytes, m.len))
        log_line(LOG_WARN, NULL, "a request could not be left to the next worker");
    free(m.bytes);
    close(m.fd);
    return true;
}

/* Answers for a loop that has ended in a drain, of which this one may not have heard yet. */
static void move_past_end(home *h, const sw_loop *ended, http_exchange *x)
{
    if (ended->home.followed && move_to_next_process(h, x)) return;
    counter_add(&h->counters.requests_refused, 1);
    problem_reply(x, 503, "the server is stopping", "1");
}

void move_request(home *h, unsigned to_loop, http_exchange *x, const destination *to_run)
{
    assert(to_loop < h->count && to_loop != h->index);
    sw_loop *to = &h->app->loops[to_loop];
    if (move_announce(to))
        move_deliver(to, move_detach(h, x, to_run));
    else
        move_past_end(h, to, x);
}

/* Resets a connection that no process can go on with, so that its client notices at once. */
static void move_give_up(sw_loop *l, uint64_t key, int fd)
{
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
    l->keeper.kept++; /* keeper_ended() counts it down */
    keeper_ended(&l->keeper, key);
}

/* Without memory to take it over, a connection of a former worker stays with the supervisor. Takes the descriptor. */
static void move_leave_to_next(int fd)
{
    log_line(LOG_ERROR, NULL, "out of memory: a connection waits for the next worker");
    close(fd);
}

void loop_take_back(sw_app *app, uint64_t key, int fd, const char *data, size_t len)
{
    arena a;
    kept_client client;
    arena_init(&a, NULL);
    bool known = client_note_read(&a, data, len, &client), is_short = !known && a.is_out;
    bool has_run = known && client.wish.kind != WAITER_NONE;
    unsigned owner = has_run ? run_id_loop(&client.run, app->loop_count) : (unsigned)(key % app->loop_count);
    arena_free(&a);
    moved *m = is_short ? NULL : malloc(sizeof *m + len); /* which loop has its run is not known then */
    if (!m) {
        move_leave_to_next(fd);
        return;
    }
    *m = (moved){.fd = fd, .key = key, .len = len};
    memcpy(m->data, data, len);
    if (move_announce(&app->loops[owner])) {
        move_deliver(&app->loops[owner], m);
        return;
    }
    close(fd);
    free(m);
}

/* Gives the server a connection of another loop. Its first request, which is whole, is handed out before
 * http_server_adopt returns. */
static void move_adopt(sw_loop *l, moved *m)
{
    const http_moving moving = {
        .fd = m->fd, .unsent = m->data, .unsent_len = m->unsent_len, .bytes = m->data + m->unsent_len, .len = m->len};
    assert(!l->adopting && m->key == 0);
    l->adopting = m->attach ? &m->to : NULL;
    assert(!m->is_admin || l->admin_server);
    http_server_adopt(m->is_admin ? l->admin_server : l->server, &moving);
    l->adopting = NULL;
}

static void move_adopt_kept(sw_loop *l, const moved *m)
{
    arena a;
    kept_client client;
    destination to = {.kept = &client};
    assert(!l->adopting && m->key != 0);
    arena_init(&a, l->home.arenas);
    if (client_note_read(&a, m->data, m->len, &client)) {
        http_kept kept = {.fd = m->fd,
                          .position = client.position,
                          .bytes = (char *)(uintptr_t)client.request.data,
                          .len = client.request.len};
        keeper_taken_back(&l->keeper);
        if (client.wish.kind == WAITER_NONE) {
            keeper_ended(&l->keeper, m->key);
            http_server *door = client.is_admin && l->admin_server ? l->admin_server : l->server;
            http_server_adopt(door, &(http_moving){.fd = m->fd, .bytes = kept.bytes, .len = kept.len});
            arena_free(&a);
            return;
        }
        l->adopting = &to;
        http_adopted how = http_server_adopt_kept(l->server, &kept, m->key, client.replying || client.wish.begun);
        if (how != HTTP_ADOPTED) keeper_ended(&l->keeper, m->key);
        if (l->adopting && how != HTTP_ADOPT_UNCERTAIN)
            waiter_report_lost(&l->home, &client); /* the server has not handed the request out */
        l->adopting = NULL;
    } else if (a.is_out) {
        move_leave_to_next(m->fd);
    } else {
        log_line(LOG_WARN, NULL, "a connection that a worker of another version left cannot be taken over");
        move_give_up(l, m->key, m->fd);
    }
    arena_free(&a);
}

void move_arrived(sw_loop *l)
{
    uv_mutex_lock(&l->moved_lock);
    moved *m = l->moved;
    assert(!m || !l->moved_closed);
    l->moved = NULL;
    uv_mutex_unlock(&l->moved_lock);
    while (m) {
        moved *next = m->next;
        if (m->key && l->home.draining)
            close(m->fd); /* a kept one stays with the supervisor, for the next worker */
        else if (m->key)
            move_adopt_kept(l, m);
        else
            move_adopt(l, m);
        free(m);
        m = next;
    }
}

bool move_close(sw_loop *l)
{
    uv_mutex_lock(&l->moved_lock);
    l->moved_closed = !l->moved && l->moves_announced == 0;
    uv_mutex_unlock(&l->moved_lock);
    return l->moved_closed;
}
