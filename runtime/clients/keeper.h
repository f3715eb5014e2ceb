/* keeper: the worker's side of connections that outlive it, one a loop. Owns the list of clients that are too young to
 * be kept, and the messages that the supervisor has still to be told. The socket of a client that has waited for
 * --keep-after is given to the supervisor (runtime/survive/holder.h), with what the next worker needs of the client
 * (runtime/clients/client_note.h). Never waits for the supervisor: messages for which its socket has no room are sent
 * later, in order. Without a supervisor nothing happens here. */
#ifndef RUNTIME_CLIENTS_KEEPER_H
#define RUNTIME_CLIENTS_KEEPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "runtime/base/timers.h"

struct home;
struct http_server;
struct kept_client;
struct keep_message;
struct http_kept_reply;

/* A client as the keeper sees it; part of its waiter. */
typedef struct keep_entry {
    TAILQ_ENTRY(keep_entry) young;
    uint64_t since_us; /* when the client came, or was last tried; on the clock of uv_hrtime */
    bool is_young;     /* it is in the keeper's list */
} keep_entry;

typedef struct keeper {
    struct home *home;
    int control;                    /* borrowed: to the supervisor; -1: there is none */
    struct http_server *server;     /* the loop's; NULL: the loop closes its handles, and no timer may start any more */
    TAILQ_HEAD(, keep_entry) young; /* oldest first */
    struct timer tick;              /* runs while there is something to do */
    uint64_t key_last;
    size_t kept, kept_max;              /* connections that the supervisor holds for this loop */
    bool is_off;                        /* there is no supervisor, or it has gone */
    STAILQ_HEAD(, keep_message) untold; /* owned: messages for which the socket had no room, oldest first */
    size_t untold_bytes;
    bool releases_wait; /* connections wait in the HTTP server for their release to be told */
} keeper;

/* `control` is borrowed. `kept_max` 0: there is no supervisor, or it may hold nothing. `worker` is the number by which
 * the keys of one worker differ from those of another. */
void keeper_init(keeper *k, struct home *h, int control, uint32_t worker, size_t kept_max);
void keeper_free(keeper *k);

void keeper_add(keeper *k, keep_entry *e);    /* a client that has come; waiter_keep is called when it is old enough */
void keeper_remove(keeper *k, keep_entry *e); /* also one that is not in the list */

/* Gives a client's connection to the supervisor and returns its key. Borrows fd. 0: the note is too long, there is no
 * memory, or the supervisor's socket is full, try again later. */
uint64_t keeper_keep(keeper *k, int fd, const struct kept_client *client);
/* Gives the supervisor a connection between two requests, in a drain; borrows fd and bytes. is_admin: it came to
 * --admin-listen. False: there is no room for it, or the supervisor cannot be told. */
bool keeper_leave(keeper *k, int fd, bool is_admin, const char *bytes, size_t len);
/* Whether the supervisor may hold one more for this loop: beyond --keep-max it would close what it gets. */
bool keeper_has_room(const keeper *k);
/* Whether the supervisor has been told everything. */
bool keeper_all_told(const keeper *k);
/* Counts a connection that a former worker had given to the supervisor, and that this loop goes on with. */
void keeper_taken_back(keeper *k);

/* What the HTTP server says of kept connections: on_kept_reply, on_release and on_ended of http_server_options. */
void keeper_reply(keeper *k, uint64_t key, const struct http_kept_reply *reply);
bool keeper_release(keeper *k, uint64_t key);
void keeper_ended(keeper *k, uint64_t key);

#endif
