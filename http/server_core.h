/* server_core: what the files of http_server share; nobody else includes it.
 *
 *   listener.c  the listening socket: accepting, refusing, running out of descriptors
 *   server.c    start, drain, stop; timeouts; the list of connections that want a turn on the loop's own stack
 *   conn.c      one connection: reading, parsing, handing out, closing
 *   conn_open.c how it begins: accepted, moved here, taken back
 *   conn_end.c  how it ends, or goes on without this process
 *   conn_out.c  its unsent bytes
 *   reply.c     heads and bodies of replies
 *   handover.c  connections that change servers
 *   keep.c      connections that outlive the process
 *
 * Connections use uv_poll and plain recv/send, not uv_tcp: the bytes given to the kernel are then known exactly, an
 * open descriptor can be adopted or given away at any moment, and errors are seen also while nothing is being read. */
#ifndef HTTP_SERVER_CORE_H
#define HTTP_SERVER_CORE_H

#include <netinet/in.h>
#include <sys/queue.h>
#include <sys/uio.h>
#include <time.h>

#include "http/request_parser.h"
#include "http/server.h"

enum {
    CONN_HEADERS = 24,       /* more need an allocation */
    CONN_BYTES = 1024,       /* likewise; most requests are smaller */
    CONN_CORK_BYTES = 16384, /* answers to pipelined requests and small pieces of streams gather up to this */
    SERVER_SCRATCH_BYTES = 16384,
    SERVER_SPARE_BLOCKS = 1024,
    SERVER_BODY_RATE = 500,  /* bytes of a body in a second: less is an attack that holds connections */
    SERVER_SHED_MS = 1000,   /* idle for this long: may be closed for a new one */
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

/*   NONE --request complete--> OPEN --begin--> STREAMING
 *    ^\______ http_reply ______/|              /
 *      \________________________end or abort__/   */
enum exchange_stage { EXCHANGE_NONE, EXCHANGE_OPEN, EXCHANGE_STREAMING };

struct http_exchange {
    http_request request;
    void *user; /* the owner's */
    http_policy policy;
    void (*on_gone)(http_exchange *x);
    void (*on_writable)(http_exchange *x);
    enum exchange_stage stage;
    bool gone_told;               /* on_gone was called */
    size_t queue_max;             /* unsent bytes above which it is not writable */
    bool starved;                 /* was told it is not writable: on_writable is due */
    bool is_head;                 /* the request's method is HEAD */
    bool is_chunked, is_bodiless; /* of a streamed reply */
};

/*   READING --request complete--> ANSWERING --ended, keep-alive--> READING
 *      |                              | ended, last reply
 *      |--refused, end of file-----> CLOSING --all sent--> LINGERING --end of file, timeout--> CLOSED
 *   any --error, reset, write timeout--> CLOSED
 *
 * A client sees its connection end in one of two ways, or go on:
 *
 *   closed    all replies are whole. FIN, and the connection is read until the client's FIN, because closing a socket
 *             with unread bytes resets it and takes the reply's last bytes away. A drain waits until they are
 *             acknowledged (http_server_busy).
 *   broken    a reply is not whole and nobody goes on with it: reset (conn_close), never a FIN that could be taken for
 *             the end of the reply.
 *   goes on   this process closes its descriptor and the holder's keeps the connection open: it is left between two
 *             requests (conn_leave), or it is kept and the process stops before the holder has let go (stays_held). */
typedef enum conn_state { CONN_READING, CONN_ANSWERING, CONN_CLOSING, CONN_LINGERING, CONN_CLOSED } conn_state;

/* Which timeout runs. Each has its list, in order of time, because all its members wait equally long. */
typedef enum conn_watch {
    WATCH_NONE,
    WATCH_IDLE,
    WATCH_HEAD,
    WATCH_BODY,
    WATCH_WRITE,
    WATCH_LINGER,
    WATCH_COUNT
} conn_watch;

TAILQ_HEAD(conn_list, http_conn);

struct http_conn {
    uv_poll_t poll;
    http_server *server;
    int fd;
    int armed; /* UV_* events as given to libuv */
    conn_state state;
    conn_watch watch;  /* the list it is in */
    uint64_t stamp_ms; /* loop time when that wait began */
    size_t arrived;    /* bytes of a body since then */
    bool eof;          /* the client has sent all it will */
    bool broken;       /* writing failed or the owner cuts it: to be closed on the loop's own stack */
    bool blocked;      /* the kernel takes no bytes: wait until it is writable */
    bool keep_alive;   /* after the current exchange */
    bool parsing;      /* conn_run is on the stack */
    bool in_ready;
    bool touched;       /* there was progress: the running wait begins anew */
    bool poll_closed;   /* libuv has let go */
    bool has_displaced; /* `displaced` belongs at bytes.at: the zero behind the body overwrote it */
    char displaced;
    bool adopting; /* kept, and its request is to be parsed anew */
    bool is_extra; /* over connections_max: only there to be told so */
    bool peer_loopback;
    bool hung_up;      /* kept, and the client has sent its last byte: to be released */
    bool ends_by_fin;  /* the reply's end is the connection's: until it is whole, closing resets, also by the kernel */
    size_t unacked;    /* LINGERING: bytes that the client had not acknowledged when it was looked at last */
    uint64_t acked_ms; /* LINGERING: loop time when that was seen to become less */

    request_parser parser;
    conn_block *block;   /* lent by the server; NULL while idle */
    char *grown;         /* owned; in place of block->bytes for a larger request */
    request_bytes bytes; /* in either */
    size_t bytes_cap;

    char *out; /* owned; what the kernel has not taken yet; NULL: nothing */
    size_t out_start, out_len, out_cap;
    uint64_t keep_key; /* the holder has a second descriptor under this key; 0: nobody has */
    uint64_t skip;     /* bytes of the reply that a former process has sent: not sent again */

    TAILQ_ENTRY(http_conn) all, watched, ready;
    http_exchange exchange;
    char peer[INET6_ADDRSTRLEN];
};

typedef struct http_listener {
    uv_poll_t poll;
    int fd;             /* -1: closed */
    int reserve_fd;     /* given up for a moment to be able to refuse when descriptors run out; -1: none */
    uint64_t paused_ms; /* loop time until which nothing is accepted; 0: accepting */
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
    size_t connections; /* not CLOSED, without extras */
    size_t extras;
    size_t conns; /* not freed, extras included */
    size_t exchanges;
    size_t handles_open; /* the server's own libuv handles */
    conn_block *spare;
    size_t spare_count;
    time_t date_at; /* second that `date` shows */
    char date[SERVER_DATE_BYTES];
    bool draining, stopping, idle_closing;
    bool leaving; /* with draining: connections go to the next process */
    void (*on_closed)(void *arg);
    void *on_closed_arg;
    char scratch[SERVER_SCRATCH_BYTES]; /* one reply being put together; nobody keeps it over a call */
};

/* server.c */
void server_ready(http_conn *c); /* gives it a turn soon */
void server_conn_freed(http_server *s);
void server_handle_closed(uv_handle_t *handle); /* one of handles_open; its data is the server */
conn_block *server_block_take(http_server *s);
void server_block_give(http_server *s, conn_block *block);
const char *server_date(http_server *s);
bool server_closing(const http_server *s); /* connections end with their next reply; nobody goes on with them */

/* listener.c */
bool listener_start(http_server *s, int fd, char *error, size_t error_size);
void listener_stop(http_server *s);
void listener_sweep(http_server *s);

/* handover.c */
/* The request as the next server may parse it, with this body, and what was read behind it. malloc'd; NULL: no memory
 */
char *handover_request(const http_conn *c, http_text body, size_t *len);

/* keep.c */
bool conn_kept(const http_conn *c);
void conn_release_later(http_conn *c); /* it has ended */
bool conn_release(http_conn *c);       /* the holder lets go of it; also when nobody holds it */
void conn_skip(http_conn *c, struct iovec *parts, size_t count); /* takes out what has been sent already */
void conn_keep_reply(http_conn *c, const char *data, size_t len, bool body_follows);

/* conn_open.c */
void conn_accept(http_server *s, int fd, const struct sockaddr_storage *peer); /* takes fd */

/* A connection that another server has had. `keep_key` and `skip` as in http_conn; 0: an ordinary connection. */
typedef struct conn_past {
    struct sockaddr_storage peer;
    http_text unsent, bytes;
    uint64_t keep_key, skip;
} conn_past;
bool conn_adopt(http_server *s, int fd, const conn_past *past); /* takes fd */
bool conn_shed_idle(http_server *s); /* closes the one that has been without a request longest; false: none has been */

/* conn.c */
void conn_run(http_conn *c);   /* all that can be done now; the connection may be CLOSED afterwards */
void conn_turn(http_conn *c);  /* from the ready list */
void conn_close(http_conn *c); /* now; a reply that is not all sent is reset, unless the holder goes on with it */
void conn_cut(http_conn *c);   /* resets it in its next turn: a reply is not whole and nobody goes on with it */
void conn_timeout(http_conn *c);
void conn_refuse(http_conn *c, int status, const char *detail); /* in place of an owner */
void conn_exchange_end(http_conn *c);
http_conn *conn_of(const http_exchange *x);

/* conn_end.c */
typedef enum conn_leaving {
    LEAVING_NOT,    /* nobody goes on with it, or something else has to end first */
    LEAVING_DONE,   /* it is with the holder, and closed here */
    LEAVING_REFUSED /* the holder does not take it: it closes as in a drain */
} conn_leaving;
conn_leaving conn_leave(http_conn *c);                       /* after http_server_leave, between two requests */
bool conn_is_last(const http_conn *c, conn_leaving leaving); /* in a drain: no other request will be read */
bool conn_reset_on_close(const http_conn *c, bool on);       /* or the usual FIN again; false: the kernel refuses */
/* The last reply is out: tells the client so, but goes on reading for a while, since closing a socket with unread bytes
 * resets it and may take the reply away from a client that is still sending. */
void conn_linger(http_conn *c);
bool conn_still_acks(http_conn *c);          /* LINGERING: the client takes its last reply slowly, and gets more time */
bool conn_must_be_acked(const http_conn *c); /* in a drain: before it is closed */
bool conn_busy(const http_conn *c);          /* see http_server_busy */

/* conn_out.c */
void conn_send(http_conn *c, struct iovec *parts, size_t count);   /* at once as far as the kernel takes it */
void conn_gather(http_conn *c, struct iovec *parts, size_t count); /* small: with the next bytes or the next turn */
void conn_flush(http_conn *c);
void conn_out_free(http_conn *c);

/* reply.c */
void reply_problem(http_conn *c, int status, const char *detail); /* the server's own; the last on its connection */

#endif
