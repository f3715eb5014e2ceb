/* client_note: what one worker leaves to the next about a kept client, whose connection outlives it: msgpack texts that
 * the supervisor holds beside the socket. Owns their format, which has a version: a worker that knows another version
 * does not take over such a client, whose connection ends. */
#ifndef RUNTIME_CLIENTS_CLIENT_NOTE_H
#define RUNTIME_CLIENTS_CLIENT_NOTE_H

#include <msgpack.h>

#include "http/server/server.h"
#include "runtime/base/arena.h"
#include "runtime/clients/waiter.h"
#include "runtime/stepwell.h"

typedef struct kept_client {
    run_id run;
    waiter_wish wish;
    uint64_t position; /* see http_kept */
    sw_bytes request;  /* see http_kept: bytes; borrowed */
    sw_bytes unsent;   /* see http_kept; borrowed */
    bool is_admin;     /* of WAITER_NONE: it came to --admin-listen */
    bool replying;     /* a reply that is not streamed has begun: `reply` */
    http_kept_reply reply;
} kept_client;

/* Write the note without the reply, and the reply, which is told later. False: no memory. */
bool client_note_write(msgpack_sbuffer *to, const kept_client *k);
bool client_note_write_reply(msgpack_sbuffer *to, const http_kept_reply *reply);

/* Reads the data of CONTROL_KEPT into the arena. False: the note is of another version, or no memory. */
bool client_note_read(arena *a, const char *data, size_t len, kept_client *out);

#endif
