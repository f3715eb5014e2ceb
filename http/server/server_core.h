/* server_core: what the files of http_server share; nobody else includes it.
 *
 *   server.c      start, drain, stop; time-outs; the list of connections that are to be run on the loop's own stack
 *   listener.c    the listening socket: accepting, refusing, running out of descriptors
 *   conn_state.c  the machine of a connection: its states, and what may be done in them
 *   conn.c        one connection: reading, parsing, handing out, closing
 *   conn_open.c   how a connection begins: accepted, moved here, taken back
 *   conn_end.c    how a connection ends, or goes on without this process
 *   conn_in.c     the memory that a connection reads into
 *   conn_out.c    the unsent bytes of a connection
 *   conn_move.c   connections that change servers
 *   conn_keep.c   connections that outlive the process
 *   exchange.c    what the owner of an exchange asks about it
 *   reply.c       heads and bodies of replies
 *   problem_body.c  the bodies of refusals
 *
 * Connections use uv_poll and plain recv/send, not uv_tcp: the bytes given to the kernel are then known exactly, an
 * open descriptor can be adopted or given away at any moment, and errors are seen also while nothing is being read. */
#ifndef HTTP_SERVER_SERVER_CORE_H
#define HTTP_SERVER_SERVER_CORE_H

#include <netinet/in.h>
#include <stddef.h>
#include <sys/queue.h>
#include <sys/uio.h>
#include <time.h>

#include "http/server/conn_state.h"
#include "http/server/request_parser.h"
#include "http/server/server.h"

enum {
    CONN_HEADERS = 24,       /* a request with more needs an allocation */
    CONN_BYTES = 1024,       /* a larger request needs an allocation; most are smaller */
    CONN_CORK_BYTES = 16384, /* replies to pipelined requests and small pieces of streams gather up to this */
    SERVER_SCRATCH_BYTES = 16384,
    SERVER_SPARE_BLOCKS = 1024,
    SERVER_READY_OF_TURN = 128,  /* connections of the ready list that run in one turn */
    SERVER_EVENTS_OF_TURN = 128, /* of clients that wait for an answer; more are looked at in a later turn */
    SERVER_BODY_RATE = 500,  /* bytes of a body in a second: a slower client may be one that only takes connections */
    SERVER_SHED_MS = 1000,   /* idle for this long: may be closed for a new connection */
    SERVER_LINGER_MS = 2000, /* how long a client may take to read the last reply and close its side */
    SERVER_DATE_BYTES = 38   /* "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n" and a zero */
};

typedef struct http_conn http_conn;

/* Where a request's bytes and header views lie. Lent by the server to a connection that is not idle. */
typedef struct conn_block {
    struct conn_block *next; /* while spare */
    http_header headers[CONN_HEADERS];
    char bytes[CONN_BYTES];
} conn_block;

struct http_exchange {
    http_request request;
    void *user; /* the owner's */
    http_timing timing;
    http_policy policy;
    void (*on_gone)(http_exchange *x);
    void (*on_writable)(http_exchange *x);
    void (*on_half_closed)(http_exchange *x);
    bool gone_told;               /* on_gone was called */
    size_t queue_max;             /* unsent bytes above which it is not writable */
    bool starved;                 /* was told it is not writable: on_writable is due */
    bool is_head;                 /* the request's method is HEAD */
    bool is_chunked, is_bodiless; /* of a reply in pieces */
    bool is_sized;                /* of a reply in pieces: its length was told */
    uint64_t owed;                /* of a sized reply: bytes yet to be written */
};

TAILQ_HEAD(conn_list, http_conn);

struct http_conn {
    uv_poll_t poll;
    http_server *server;
    int fd;
    int armed; /* UV_* events as given to libuv */
    conn_state state;
    conn_watch watch;   /* the list the connection is in: its members wait equally long, so it is in order of time */
    uint64_t stamp_ms;  /* loop time when that wait began */
    size_t arrived;     /* bytes of a body since stamp_ms */
    bool is_persistent; /* another request may follow the current exchange */
    bool parsing;       /* conn_run is on the stack */
    bool is_in_ready;
    bool touched;       /* there was progress: the running wait begins anew */
    bool has_displaced; /* `displaced` belongs at bytes.at: the zero behind the body has overwritten that byte */
    char displaced;
    bool end_seen;                               /* the client's FIN, behind bytes for which there is no room */
    bool has_missed_note;                        /* the last reply has one, until the next request */
    bool reply_failed;                           /* the reply with the missed note could not be sent */
    uint8_t missed_note[HTTP_MISSED_NOTE_BYTES]; /* the owner's bytes */
    bool is_extra;                               /* over connections_max: only there to be refused */
    bool peer_loopback;
    bool ends_by_fin;  /* the reply's end is the connection's: until it is whole, closing resets, also by the kernel */
    size_t unacked;    /* LINGERING: bytes that the client had not acknowledged when it was looked at last */
    uint64_t acked_ms; /* LINGERING: loop time when `unacked` was last seen to become less */

    request_parser parser;
    conn_block *block;   /* lent by the server; NULL while idle */
    char *grown;         /* owned; in place of block->bytes for a larger request */
    request_bytes bytes; /* in either */
    size_t bytes_cap;

    char *out; /* owned; bytes that the kernel has not taken yet; NULL: none, and the output is not QUEUED or BLOCKED */
    size_t out_start, out_len, out_cap;
    uint64_t keep_key; /* the holder has a second descriptor under this key; 0: the holder is NONE */
    uint64_t skip;     /* bytes of the reply that a former process has sent; 0: the output is not SKIPPING */

    TAILQ_ENTRY(http_conn) all, watched, ready;
    http_exchange exchange;
    char peer[INET6_ADDRSTRLEN];
};

typedef struct http_listener {
    uv_poll_t poll;
    int fd;             /* -1: closed */
    int reserve_fd;     /* closed for a moment to refuse a client when descriptors run out; -1: none */
    uint64_t paused_ms; /* loop time until which no connection is accepted; 0: accepting */
} http_listener;

struct http_server {
    uv_loop_t *loop;
    http_server_options options; /* defaults filled in */
    request_limits limits;
    char *server_header; /* owned; "Server: name\r\n" or "" */
    size_t server_header_len;
    http_listener listener;
    uv_timer_t sweep;
    uv_idle_t idle; /* active while `ready` has members */
    uint64_t timeouts_ms[WATCH_COUNT];
    struct conn_list watched[WATCH_COUNT];
    struct conn_list all;
    struct conn_list ready;
    size_t connections;      /* not CLOSED, without extras */
    size_t extras;           /* connections beyond connections_max that are being refused, not CLOSED */
    size_t conns;            /* connections not freed, extras included */
    size_t exchanges;        /* open ones */
    size_t wait_events;      /* of clients that wait for an answer, since wait_events_ms */
    uint64_t wait_events_ms; /* loop time, which stands still while libuv hands out what one look has found */
    size_t handles_open;     /* the server's own libuv handles */
    conn_block *spare;
    size_t spare_count;
    time_t date_at; /* second that `date` shows */
    char date[SERVER_DATE_BYTES];
    bool draining, stopping, idle_closing;
    bool leaving; /* with draining: connections go to the next process */
    void (*on_closed)(void *arg);
    void *on_closed_arg;
    char scratch[SERVER_SCRATCH_BYTES]; /* one reply being put together, or bytes thrown away; free between calls */
};

/* server.c */
void server_add_ready(http_conn *c); /* has the connection run on the loop's own stack, soon */
void server_conn_freed(http_server *s);
void server_handle_closed(uv_handle_t *handle); /* of one of handles_open, whose data is the server */
conn_block *server_block_take(http_server *s);  /* NULL: no memory */
void server_block_give(http_server *s, conn_block *block);
const char *server_date(http_server *s);   /* "Date: ...\r\n" of this second */
bool server_closing(const http_server *s); /* connections end with their next reply; nobody goes on with them */

/* listener.c */
bool listener_start(http_server *s, int fd, char *error, size_t error_size);
void listener_stop(http_server *s);
void listener_sweep(http_server *s);

/* conn_move.c */
/* Writes the request of the open exchange anew, with this body, and behind it what was read behind the request: bytes
 * that another server can parse. malloc'd; NULL: no memory. */
char *conn_copy_request(const http_conn *c, http_text body, size_t *len);

/* conn_keep.c */
bool conn_release(http_conn *c); /* has the holder let go, if it has the connection. False: it cannot be told now */
/* Ends a kept connection for its client too, for whom the holder's descriptor would leave it open. */
void conn_end_kept(http_conn *c, conn_ending ending);
/* Takes the bytes that a former process has sent out of the parts. False: nothing is left of them. */
bool conn_skip(http_conn *c, struct iovec *parts, size_t count);
/* Tells the holder the beginning of a whole reply, before its first byte is sent. */
void conn_keep_reply(http_conn *c, http_text data, bool body_follows);

/* conn_open.c */
void conn_accept(http_server *s, int fd, const struct sockaddr_storage *peer); /* takes fd */

/* A connection that another server has had. keep_key and skip: as in http_conn, 0 for an ordinary connection. */
typedef struct conn_past {
    struct sockaddr_storage peer;
    http_text unsent, bytes;
    uint64_t keep_key, skip;
} conn_past;
bool conn_adopt(http_server *s, int fd, const conn_past *past); /* takes fd */
/* Closes the connection that has been without a request longest. False: none has been for SERVER_SHED_MS. */
bool conn_shed_idle(http_server *s);

/* conn.c */
void conn_run(http_conn *c);       /* does all that can be done now; the connection may be CLOSED afterwards */
void conn_run_ready(http_conn *c); /* runs a connection of the ready list; it may be freed afterwards */
void conn_close(http_conn *c); /* closes now: with a reset if a reply is short and the holder does not go on with it */
void conn_cut(http_conn *c);   /* throws away what is unsent, and resets when the loop runs the connection next */
void conn_timeout(http_conn *c);                                /* the time of c->watch is over */
void conn_exchange_end(http_conn *c);                           /* the owner has written its reply, or wants none */
void conn_exchange_leave(http_conn *c);                         /* another process goes on with the exchange */
void conn_refuse(http_conn *c, int status, const char *detail); /* answers in place of an owner */
conn_part conn_part_of(const http_conn *c);

/* An exchange lies in its connection. */
static inline http_conn *conn_of(const http_exchange *x)
{
    return (http_conn *)(uintptr_t)((const char *)x - offsetof(http_conn, exchange));
}

static inline conn_exchange exchange_of(const http_exchange *x) { return (conn_exchange)conn_of(x)->state.exchange; }
static inline bool exchange_is_open(const http_exchange *x) { return exchange_of(x) != EXCHANGE_NONE; }
static inline bool conn_kept(const http_conn *c) { return c->state.holder != HOLDER_NONE; }

/* conn_end.c */
typedef enum conn_leaving {
    LEAVING_NOT,    /* nobody goes on with the connection, or something else has to end first */
    LEAVING_DONE,   /* the holder has the connection, and it is closed here */
    LEAVING_REFUSED /* the holder does not take the connection: it closes as in a drain */
} conn_leaving;
conn_leaving conn_leave(http_conn *c); /* gives a connection between two requests away, after http_server_leave */
bool conn_is_last(const http_conn *c, conn_leaving leaving); /* no other request will come, or is wanted in a drain */
typedef enum conn_close_kind { CLOSE_WITH_FIN, CLOSE_WITH_RESET } conn_close_kind;
bool conn_set_close_kind(const http_conn *c, conn_close_kind kind); /* false: the kernel refuses */
/* Ends the sending side behind the last reply, but goes on reading for a while: closing a socket with unread bytes
 * resets it, which may take the reply away from a client that is still sending. */
void conn_linger(http_conn *c);
bool conn_still_acks(http_conn *c);          /* LINGERING: the client takes its last reply slowly, and gets more time */
bool conn_must_be_acked(const http_conn *c); /* bytes must be acknowledged before it is closed: drain, missed note */
bool conn_missed(const http_conn *c);        /* its client had gone before a reply with a missed note came */
bool conn_busy(const http_conn *c);          /* see http_server_busy */

/* conn_out.c */
/* Both take at most CONN_PARTS_MAX parts, change them, and copy what the kernel does not take. */
enum { CONN_PARTS_MAX = 5 };
void conn_send(http_conn *c, struct iovec *parts, size_t count);   /* sends at once as far as the kernel takes it */
void conn_gather(http_conn *c, struct iovec *parts, size_t count); /* sends small parts with what comes next, or soon */
void conn_flush(http_conn *c);                                     /* sends what is QUEUED */
void conn_out_free(http_conn *c); /* throws the unsent bytes away, without a word to the state */

/* reply.c */
void reply_problem(http_conn *c, int status, const char *detail); /* refuses a request: the connection's last reply */

#endif
