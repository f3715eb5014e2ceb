/* http_server: the HTTP/1.1 server of one loop thread, on libuv and llhttp. Owns its listening handle and its
 * connections; parses, limits, times out, writes. It knows no routes, runs or coroutines: it hands each complete
 * request to one callback as an http_exchange and takes the reply when the owner has it. Everything here is called
 * on the loop's thread, and may be called from a coroutine's small stack (except start and stop). */
#ifndef HTTP_SERVER_SERVER_H
#define HTTP_SERVER_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "http/http_text.h"

typedef struct http_server http_server;
typedef struct http_exchange http_exchange; /* one request and its reply; borrowed by the owner until it has ended it */

/* A header to send. */
typedef struct http_reply_header {
    const char *name, *value; /* zero-terminated, borrowed for the call; must pass http_header_valid */
} http_reply_header;

/* Headers of every reply to an exchange, beside the reply's own. Where both have one name, the reply's own header is
 * sent; of Vary both are. */
typedef struct http_policy {
    const http_reply_header *headers;
    size_t count;
} http_policy;

typedef struct http_header {
    http_text name;  /* as sent; compare without case */
    http_text value; /* without surrounding white space */
} http_header;

/* Valid while the exchange is open. */
typedef struct http_request {
    http_text method;
    http_text target; /* path and query as sent, still encoded; of a whole URL the part behind its host; or "*" */
    http_text path;   /* the part before '?', still encoded */
    http_text query;  /* the part after '?', still encoded, "" if none */
    const http_header *headers;
    size_t header_count;
    http_text body;     /* whole; a chunked body is decoded */
    http_text peer;     /* remote address, "127.0.0.1"; "unix" of a socket in the file system */
    bool peer_loopback; /* the peer is on this machine */
    bool http11;        /* not HTTP/1.0 */
} http_request;

struct http_kept_reply;

enum { HTTP_MISSED_NOTE_BYTES = 16 };

/* What the owner of an exchange wants to know when the exchange has ended. */
typedef struct http_timing {
    const void *about; /* the owner's */
    uint64_t began_us; /* by the owner's clock; 0: there is no timing */
    int status;        /* of the reply; 0: the exchange was cut before its reply was whole */
} http_timing;

typedef struct http_server_options {
    size_t head_bytes_max;        /* request line and headers; 0: 16,384. More: 431 (414 if the line alone) */
    size_t headers_max;           /* count; 0: 100. More: 431 */
    size_t body_bytes_max;        /* 0: 8 MiB. More: 413 */
    bool body_none;               /* in place of body_bytes_max: a body of any byte gets 413 */
    size_t connections_max;       /* 0: 10,000. One more: the connection that has been idle longest is closed; if none
                                     has idled for a second, the new one gets 503 with Retry-After and close */
    struct blocks *blocks;        /* where large buffers come from; borrowed; NULL: malloc */
    size_t write_queue_bytes_max; /* unsent bytes of one connection above which http_exchange_writable is false; 0: 256
                                     KiB */
    uint32_t head_timeout_ms;     /* from the first byte of a request to its last header; 0: 10,000. Then 408 */
    uint32_t body_timeout_ms;     /* for the body, begun anew when 500 bytes for each of its seconds have come; 0:
                                     20,000. Then 408 */
    uint32_t idle_timeout_ms;     /* of a persistent connection between requests; 0: 75,000 */
    uint32_t write_timeout_ms;    /* unsent bytes and no progress; 0: 60,000. Then the connection is reset */
    /* When a client's kernel has not answered for so long, the client has gone without a word, and its connection ends;
     * 0: never. The kernel's probes begin after half of the time. */
    uint32_t peer_timeout_ms;
    /* Descriptors of this number and above are not for new connections, but for what the rest of the process opens; 0:
     * all are. A new connection that gets such a one takes that of a connection that has idled for a second, or is
     * closed at once. */
    int descriptors_max;
    const char *name;                                /* Server header; NULL: none */
    void (*on_request)(void *arg, http_exchange *x); /* may reply at once or later */
    /* Returns the policy for a request that the server refuses itself, such as one with a body over the limit, by its
     * method and encoded path, which are empty if they had not come. Borrowed until the next call; NULL: none. */
    http_policy (*on_refusal)(void *arg, http_text method, http_text path);
    /* Called after the events of each connection; NULL: not needed. libuv polls up to 48 times in one turn of its loop:
     * under load thousands of requests may come before its check handles run. */
    void (*on_handled)(void *arg);
    /* The next three are for kept connections (below); NULL if none is ever kept. Called before the first byte of a
     * whole reply is sent: the holder needs the reply's beginning, so that the next process can send the rest. */
    void (*on_kept_reply)(void *arg, uint64_t key, const struct http_kept_reply *reply);
    /* The holder has to let go now: the exchange is over and its reply sent, or bytes are to be sent that the next
     * process would not send. False: the holder cannot be told now; the connection waits for http_server_holder_ready.
     */
    bool (*on_release)(void *arg, uint64_t key);
    void (*on_ended)(void *arg,
                     uint64_t key); /* the holder has to let go of a connection that has ended, at some time */
    /* After http_server_leave: a connection between two requests, for the next process. `fd` and `bytes`, which were
     * read of a request, are borrowed. False: not taken; the connection is closed as in a drain. */
    bool (*on_leave)(void *arg, int fd, const char *bytes, size_t len);
    /* The reply to an exchange with a missed note (http_exchange_set_missed_note): its client had gone before the reply
     * came. At most once, after the exchange has ended. NULL: nobody gives such notes. */
    void (*on_missed)(void *arg, const uint8_t note[HTTP_MISSED_NOTE_BYTES]);
    /* An exchange with a timing (http_exchange_set_timing) has its reply, or was cut; never of one that another server
     * goes on with. NULL: nobody sets timings. */
    void (*on_timed)(void *arg, const http_timing *timing);
    void *arg;
} http_server_options;

/* Returns a new non-blocking socket that listens at "HOST:PORT", "[v6]:PORT" or ":PORT"; port 0: the kernel picks one.
 * -1 with a message in `error` that says what to change, also when another socket listens there. */
int http_listen(const char *address, char *error, size_t error_size);
/* Returns one more socket at the address of `fd`, so that each loop has its own queue of connections (SO_REUSEPORT). -1
 * with a message in `error`. */
int http_listen_share(int fd, char *error, size_t error_size);
/* Returns a new non-blocking socket that listens at the path, which only the process's own user may connect to. A
 * socket that a former process has left there is replaced. -1 with a message in `error` that says what to change, also
 * when a process listens there. */
int http_listen_unix(const char *path, char *error, size_t error_size);
/* Writes "127.0.0.1:8080" or "unix:/run/shop.sock", the address of a listening descriptor. False: it is none. */
bool http_listen_address(int fd, char *out, size_t out_size);

/* Starts a server on a listening descriptor, and takes it. NULL with a message in `error`: the descriptor is not taken.
 */
http_server *http_server_start(uv_loop_t *loop, int fd, const http_server_options *options, char *error,
                               size_t error_size);

/* Takes no new connections, closes idle ones, and sends "Connection: close" with the replies of the others. */
void http_server_drain(http_server *server);
/* Drains when another process follows at once: on_leave gets the idle connections, also those that become idle by their
 * reply, and no client is told to close. */
void http_server_leave(http_server *server);
/* Closes everything now: connections whose replies are not whole are reset, unless they are kept for the next process.
 * Calls on_closed when the loop has let go of the server and it is freed. */
void http_server_stop(http_server *server, void (*on_closed)(void *arg), void *arg);
size_t http_server_connections(const http_server *server);
size_t http_server_exchanges(const http_server *server); /* requests handed out and not ended */
/* True if a part of a request has come, or a reply is not all with its client (sent, acknowledged, and its connection
 * closed without a reset). After http_server_leave connections that the holder goes on with do not count. Looks at
 * every connection. */
bool http_server_busy(const http_server *server);

const http_server *http_exchange_server(const http_exchange *x); /* whose connection it is on */
const http_request *http_exchange_request(const http_exchange *x);
const char *http_request_header(const http_request *r, const char *name); /* first of that name, any case; or NULL */
void http_exchange_set_user(http_exchange *x, void *user);                /* for the owner's use */
void *http_exchange_user(const http_exchange *x);

/* Sets the policy of every reply to the exchange from now on; borrowed until the exchange has ended. */
void http_exchange_policy(http_exchange *x, http_policy policy);

/* Sets what is called once if the client goes away (or times out) before the exchange has ended. Afterwards the owner
 * still ends the exchange as usual: writes to it go nowhere. NULL: none. */
void http_exchange_on_gone(http_exchange *x, void (*fn)(http_exchange *x));
bool http_exchange_gone(const http_exchange *x);
/* Sets what is called once if a client of HTTP/1.0 has sent its last byte before the reply begins: there is no way to
 * learn whether such a client has gone or reads on, since HTTP/1.0 has no interim replies. NULL: none. */
void http_exchange_on_half_closed(http_exchange *x, void (*fn)(http_exchange *x));
/* Sets a note before the reply, or before the end of a streamed one: on_missed gets it if the client turns out to have
 * gone before. A client has gone when it has closed its side, or reset the connection, and does not acknowledge the
 * reply. */
void http_exchange_set_missed_note(http_exchange *x, const uint8_t note[HTTP_MISSED_NOTE_BYTES]);

/* Has on_timed called when the exchange ends, with these values. began_us is not 0. */
void http_exchange_set_timing(http_exchange *x, const void *about, uint64_t began_us);

/* True if a header may be sent: its name is a token (RFC 9110, 5.6.2), its value has no control characters but tab. */
bool http_header_valid(const char *name, const char *value);

/* Sends the whole reply and ends the exchange (x is not valid afterwards). Content-Length, Date, Connection and what
 * HEAD, 204 and 304 need are the server's matter; the body is copied if it cannot be written at once. */
void http_reply(http_exchange *x, int status, const http_reply_header *headers, size_t header_count, http_text body);

/* Begins a reply in pieces: chunked for HTTP/1.1, until close for 1.0. End or abort ends the exchange. */
void http_reply_begin(http_exchange *x, int status, const http_reply_header *headers, size_t header_count);
/* Begins a reply in pieces whose length is known: just so many bytes must be written before the end, else its
 * connection is cut. */
void http_reply_begin_sized(http_exchange *x, int status, const http_reply_header *headers, size_t header_count,
                            size_t body_len);
void http_reply_write(http_exchange *x, const char *data, size_t len); /* copied if it cannot be written at once */
void http_reply_end(http_exchange *x);
void http_reply_abort(http_exchange *x); /* cuts the connection and ends the exchange; also without a begin */

/* False while more than write_queue_bytes_max wait to be sent; on_writable is called when that has changed. */
bool http_exchange_writable(http_exchange *x);
void http_exchange_on_writable(http_exchange *x, void (*fn)(http_exchange *x));
/* True if the descriptor, opened to answer the exchange, is one that clients may have, see descriptors_max. */
bool http_exchange_may_open(const http_exchange *x, int fd);
/* True if the kernel has all that was written; of an adopted connection at least what a former process had sent. */
bool http_exchange_flushed(const http_exchange *x);
/* Sets a limit below write_queue_bytes_max for this exchange, whose owner can write the rest at any time. */
void http_exchange_queue_max(http_exchange *x, size_t bytes);

/* ---- Connections that change servers ---- */

/* A connection between two servers. */
typedef struct http_moving {
    int fd;
    char *unsent; /* malloc'd; unsent bytes of replies to earlier requests; NULL: none */
    size_t unsent_len;
    char *bytes; /* malloc'd; the request, written anew, and everything read behind it */
    size_t len;
} http_moving;

/* Lets the connection of an unanswered exchange go. The exchange has ended and its connection is no longer this
 * server's; for the client nothing has happened. The caller closes fd, or has it adopted, and frees the rest. False,
 * and nothing has changed: a reply has begun, the client has gone, or there is no memory. */
bool http_exchange_detach(http_exchange *x, http_moving *out);
/* Tries to send what waits of replies to earlier requests of the connection. False: bytes still wait. */
bool http_exchange_sent(http_exchange *x);

/* Adopts the connection as if it had just been accepted and had sent moving->bytes: their request is handed out before
 * this returns. Takes fd in any case, copies the rest. False: the connection was closed, or answered with 503, because
 * the server is full or stopping. On the server's own thread. */
bool http_server_adopt(http_server *server, const http_moving *moving);

/* ---- Connections that outlive the process ----
 *
 * A holder, another process, has a second descriptor of a kept connection. When this process has died, the next one
 * adopts the connection and writes the reply again from its beginning: the kernel knows how many bytes were sent, and
 * these are left out. Nothing is read from a kept connection. */

/* What the next process needs beside the run that the reply comes from. */
typedef struct http_kept {
    int fd;            /* http_exchange_can_keep: borrowed; http_server_adopt_kept: taken */
    uint64_t position; /* the kernel's (position.h), where the reply, or the rest of a streamed one, begins */
    http_text unsent;  /* the beginning of the rest: bytes that were written and not sent; borrowed */
    char *bytes;       /* malloc'd: the request without its body, and what was read behind the request */
    size_t len;
} http_kept;

/* The beginning of a whole reply, as it was sent: the head, and a short body. */
typedef struct http_kept_reply {
    http_text data;
    bool body_follows;  /* all of the body comes behind it */
    bool is_persistent; /* another request may follow the reply */
} http_kept_reply;

/* Fills what the holder is to be given. The reply has not begun; or it is a streamed one, and the next process must
 * repeat the calls of http_reply_write that follow. False, with nothing to free: an earlier reply is not all sent, or
 * there is no memory. */
bool http_exchange_can_keep(const http_exchange *x, http_kept *out);
/* True if the client has sent its last byte: it may have gone, or read on. */
bool http_exchange_half_closed(const http_exchange *x);
/* Says that the holder has the connection, under this key, not 0: it is kept until on_release or on_ended. */
void http_exchange_keep(http_exchange *x, uint64_t key);
bool http_exchange_kept(const http_exchange *x);
/* True if every byte that a former process has sent of the reply has been written again, and left out. */
bool http_exchange_caught_up(const http_exchange *x);
/* Releases a kept connection, before bytes are written that the next process would not write again. False: these must
 * not be written, since the holder cannot be told now, or the reply has not caught up. */
bool http_exchange_unkeep(http_exchange *x);

typedef enum http_adopted {
    HTTP_ADOPTED,     /* the request has been handed out; or this program refuses it or has no room for its bytes, the
                         connection ends, and on_ended is called */
    HTTP_ADOPT_ENDED, /* the client has gone, or there is no memory for a connection */
    HTTP_ADOPT_UNCERTAIN /* the client was sent bytes that the holder was not told of: its connection is reset */
} http_adopted;

/* Takes over a kept connection and hands its request out once more. `replying`: the reply has begun, and is to be
 * resumed with http_reply_resume() or http_reply_resume_stream(). Takes kept->fd, copies the bytes. Unless HTTP_ADOPTED
 * the connection has ended, and the caller releases it. */
http_adopted http_server_adopt_kept(http_server *server, const http_kept *kept, uint64_t key, bool replying);

/* Resumes a whole reply, with what the holder was told, in place of http_reply; http_reply_write with the body, if that
 * follows, and http_reply_end come next. */
void http_reply_resume(http_exchange *x, const http_kept_reply *reply);
/* Resumes a streamed reply, in place of http_reply_begin, with the bytes that were written and not sent. */
void http_reply_resume_stream(http_exchange *x, http_text unsent);

/* Says that the holder can be told again: connections that wait for their release are run. */
void http_server_holder_ready(http_server *server);

/* Ends the exchange of a kept connection without a word to the client or the holder: the next process goes on. */
void http_exchange_leave(http_exchange *x);

const char *http_status_text(int status); /* "Not Found"; "" if this table does not know it */

/* Writes a body of application/problem+json (RFC 9457), with a line's end, into to[0..size). `title` NULL: the
 * status's; `detail` NULL: none. Returns its length; 0: it does not fit, or a text has bytes that JSON wants escaped.
 */
size_t http_problem_body(char *to, size_t size, int status, const char *title, const char *detail);

#endif
