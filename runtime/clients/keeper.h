/* keep: the worker's side of connections that outlive it. One of each loop: owns the clients that are not old enough
 * yet to be kept, and what the supervisor has still to be told. A client that has waited for --keep-after has its
 * socket given to the supervisor (runtime/survive/holder.h), with what the next worker needs to go on with it
 * (runtime/clients/client_note.h). Nobody waits for the supervisor: what its socket has no room for is told later, in
 * order. Without supervisor nothing happens here. */
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

/* In each client of a run. */
typedef struct keep_entry {
    TAILQ_ENTRY(keep_entry) young;
    uint64_t since_us; /* on the clock of uv_hrtime */
    bool is_young;
} keep_entry;

typedef struct keeper {
    struct home *home;
    int control;                    /* borrowed: to the supervisor; -1: there is none */
    struct http_server *server;     /* the loop's; NULL: it closes its handles, nothing may begin any more */
    TAILQ_HEAD(, keep_entry) young; /* oldest first */
    struct timer tick;              /* runs while there is something to do */
    uint64_t key_last;
    size_t kept, kept_max;              /* connections that the supervisor holds for this loop */
    bool is_off;                        /* there is no supervisor, or it has gone */
    STAILQ_HEAD(, keep_message) untold; /* owned: what the supervisor's socket had no room for, oldest first */
    size_t untold_bytes;
    bool releases_wait; /* connections wait in the HTTP server for their release to be told */
} keeper;

/* `kept_max` 0: nobody holds connections. `worker` tells the keys of one worker from those of another. */
void keeper_init(keeper *k, struct home *h, int control, uint32_t worker, size_t kept_max);
void keeper_free(keeper *k);

void keeper_add(keeper *k, keep_entry *e); /* a client has come */
void keeper_remove(keeper *k, keep_entry *e);

/* Gives the connection to the supervisor and returns its key; 0: not now, its socket is full. Borrows fd. */
uint64_t keeper_keep(keeper *k, int fd, const struct kept_client *client);
/* Gives it a connection between two requests, in a drain; both are borrowed. False: there is no room, or it
 * cannot be told. */
bool keeper_leave(keeper *k, int fd, const char *bytes, size_t len);
/* The supervisor may hold one more for this loop: beyond --keep-max it drops what it gets, and the client with it. */
bool keeper_has_room(const keeper *k);
/* Whether the supervisor has been told everything. */
bool keeper_all_told(const keeper *k);
/* One that a former worker had given. */
void keeper_taken_back(keeper *k);

/* What the HTTP server says of connections that are kept, see http_server_options. */
void keeper_reply(keeper *k, uint64_t key, const struct http_kept_reply *reply);
bool keeper_release(keeper *k, uint64_t key);
void keeper_ended(keeper *k, uint64_t key);

#endif
