/* loop: one loop thread and everything that lives on it: its event loop, its HTTP server, and the home of its runs.
 * Owns them all. Loops share nothing but the app's routes and options, which do not change after the start. Runs never
 * know their loop, but their home (runtime/run/home.h); the rooms above it do. */
#ifndef RUNTIME_LOOP_LOOP_H
#define RUNTIME_LOOP_LOOP_H

#include <sys/queue.h>
#include <uv.h>

#include "http/client/client.h"
#include "http/server/server.h"
#include "runtime/clients/idempotency.h"
#include "runtime/clients/keeper.h"
#include "runtime/clients/request_wish.h"
#include "runtime/loop/clock_watch.h"
#include "runtime/run/home.h"
#include "runtime/run/program.h"

typedef struct sw_loop {
    home home; /* where its runs live */
    uv_loop_t uv;
    uv_prepare_t before_poll; /* both end a turn */
    uv_check_t after_poll;
    uv_async_t command; /* from other threads: drain, or a moved connection */
    uv_thread_t thread;
    uv_timer_t trim;                        /* wakes a loop without work that has memory to give back */
    uint64_t trimmed_ms, trimmed_blocks_ms; /* when the stacks were trimmed last, and the blocks; the uv loop's time */
    clock_watch clock_watch;
    http_server *server;
    http_server *admin_server; /* NULL: the admin API has no door of its own */
    claim_table claims;
    keeper keeper;
    struct moved *moved;         /* connections from other loops, under moved_lock */
    const destination *adopting; /* of the connection that http_server_adopt is taking just now; NULL: none */
    uint32_t turn_requests;      /* requests since the turn began */
    uint32_t turn_events;        /* events of connections since then */
    uv_mutex_t moved_lock;
    uint32_t moves_announced; /* under moved_lock: connections that other loops are about to give it */
    uint32_t asked, answered; /* atomic: the watchdog's questions, and how many of them the loop had seen */
    bool drain_asked;         /* atomic: set by another thread, after home.followed and home.replaced */
    bool all_back;            /* atomic: set by another thread, see loop_all_back */
    bool moved_closed;        /* under moved_lock: the loop is ending, no connection comes in any more */
    bool stopping;            /* its handles are being closed */
    int handles_open;         /* with `stopping`: parts that have not said that they are closed */
    struct timer drain_timer;
} sw_loop;

/* Makes all of an element of app->loops but its thread. Takes `fd`, its listening socket. False with a message in
 * `error`: only the end of the process closes a half-made loop. */
bool loop_init(sw_loop *l, sw_app *app, int fd, char *error, size_t error_size);
/* Gives the loop, which loop_init has made, the socket of --admin-listen: takes `fd`. False with a message in `error`.
 */
bool loop_open_admin(sw_loop *l, int fd, char *error, size_t error_size);
/* Whether the request came to --admin-listen. On the home's thread. */
bool loop_is_admin_door(const home *h, const http_exchange *x);
/* Serves until drained; then everything is closed. */
void loop_run(sw_loop *l);
/* The two halves of loop_run, for a caller that turns l->uv by hand: before the first turn, and when uv_run has said
 * that nothing is left. */
void loop_begin(sw_loop *l);
void loop_finish(sw_loop *l);
/* Frees what other loops look at to hand this one connections, to wake it, or for metrics: when all loops have ended.
 */
void loop_free(sw_loop *l);

/* Has the loop drain and end; from any thread, once. LOOP_REPLACED: another process follows at once, which takes over
 * all connections. LOOP_FOLLOWED:
 * only this worker got SIGTERM, so the supervisor will probably start another: new requests are left for that one,
 * waiting clients are sent on. */
typedef enum loop_end { LOOP_STOPPED, LOOP_FOLLOWED, LOOP_REPLACED } loop_end;
void loop_drain(sw_loop *l, loop_end end);
/* Whether the loop still turns: ask now, and see later whether it has answered. Not once the loop drains. */
void loop_ask(sw_loop *l);
bool loop_answered(const sw_loop *l);

/* Says that no connection that a former worker had comes any more; from the main thread. */
void loop_all_back(sw_loop *l);
/* Hands a connection that a former worker had to the loop of its run; `data` is that of CONTROL_KEPT. Takes the
 * descriptor. From any thread. */
void loop_take_back(sw_app *app, uint64_t key, int fd, const char *data, size_t len);

#endif
