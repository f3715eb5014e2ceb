/* http_client: outgoing HTTP of one loop thread, on libcurl. Owns many multi handles (each takes a bounded number of
 * transfers: one handle's connection search is linear) and a cache of easy handles. A call is started, watched and
 * closed from any stack of the loop's thread; curl itself is never entered but from the loop's own stack. */
#ifndef HTTP_CLIENT_CLIENT_H
#define HTTP_CLIENT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

typedef struct http_client http_client;
typedef struct http_call http_call; /* a request, those of the redirects it follows, and the last response */

typedef struct http_client_options {
    size_t transfers_per_handle; /* 0: 64. Calls that go on an HTTP/2 session which is there come on top: up to 50 a
                                    host */
    size_t connections_per_host; /* of the whole client; further calls wait in order; 0: 1,024 */
    size_t calls_max;            /* running and waiting; 0: 100,000. One more fails with HTTP_CALL_BUSY */
    size_t names_max;            /* names of hosts whose addresses are cached or looked up; 0: 1,024. When all of them
                                    are being looked up, a call to one more fails with HTTP_CALL_BUSY */
    unsigned lookup_threads;     /* for all clients of the process; 0: 8 */
    uint32_t connect_timeout_ms; /* 0: 10,000 */
    bool proxy_guards;           /* the proxy of the environment refuses hosts that are not public: calls with
                                    `public_only` may go through it */
    const char *ca_file;         /* the authorities that are trusted alone, for proxies too. NULL: those that the
                                    environment names (SSL_CERT_FILE, SSL_CERT_DIR), else the system's */
    const char *user_agent;      /* NULL: none */
} http_client_options;

http_client *http_client_new(uv_loop_t *loop, const http_client_options *options); /* NULL: out of memory */
/* Ends the client, whose calls have all been closed by then. `on_closed` is called when the loop has let go of its
 * handles and the client is freed. */
void http_client_stop(http_client *client, void (*on_closed)(void *arg), void *arg);
size_t http_client_active(const http_client *client); /* calls started and not done */

typedef struct http_call_options {
    const char *method;         /* NULL: GET, or POST with a body */
    const char *url;            /* http or https; any other fails with HTTP_CALL_BAD_URL */
    const char *const *headers; /* "Name: value", NULL-terminated; may be NULL. A header with CR or LF fails the call */
    const char *body;
    size_t body_len;
    int64_t timeout_ms;    /* the whole call; 0: none */
    int64_t silence_ms;    /* the longest silence of the peer; 0: none */
    int redirects_max;     /* 0: a 3xx is the response. Else each is followed with a request of its own; to another
                              origin goes nothing that could be a credential */
    size_t body_bytes_max; /* 0: 16 MiB, unpacked. A larger response fails with HTTP_CALL_TOO_LARGE */
    bool public_only;      /* only public addresses of the host are connected to, at each redirect as well, and the
                              call has a connection of its own */
    bool streaming;        /* the user takes the body with http_call_data as it arrives, and its total is not limited:
                              while 256 KiB wait untaken the transfer pauses. Over HTTP/1.1, on a connection of its
                              own */
} http_call_options;

typedef enum http_call_state {
    HTTP_CALL_RUNNING, /* no response head yet */
    HTTP_CALL_HEAD,    /* status and headers are there, the body is arriving */
    HTTP_CALL_DONE,    /* complete */
    HTTP_CALL_FAILED   /* see http_call_error */
} http_call_state;

/* Which of curl's results is of which kind, and what each kind means, is decided in http/client/outcome.c. */
typedef enum http_call_error_kind {
    HTTP_CALL_OK,
    HTTP_CALL_BAD_URL,
    HTTP_CALL_BAD_HEADER, /* a header, or the method, cannot be sent */
    HTTP_CALL_BUSY,
    HTTP_CALL_RESOLVE,
    HTTP_CALL_CONNECT,
    HTTP_CALL_NOT_PUBLIC, /* public_only: no address of the host is public, or a proxy without proxy_guards connects */
    HTTP_CALL_PROXY,      /* the proxy is out of reach, or answered that it cannot reach the host now */
    HTTP_CALL_PROXY_REFUSED, /* the proxy does not let this call through */
    HTTP_CALL_TLS,
    HTTP_CALL_CERTIFICATE, /* the peer's is not trusted, or the file of the authorities cannot be read */
    HTTP_CALL_TIMEOUT,
    HTTP_CALL_TOO_LARGE,
    HTTP_CALL_UNREADABLE, /* the answer contradicts itself, or its body cannot be unpacked */
    HTTP_CALL_REDIRECT,   /* too many redirects, or one to what is no http or https URL */
    HTTP_CALL_BROKEN,     /* the connection ended, or the peer's answer is no HTTP */
    HTTP_CALL_UNSUPPORTED,
    HTTP_CALL_OTHER,      /* want of memory, at any time */
    HTTP_CALL_ERROR_KINDS /* the number of kinds */
} http_call_error_kind;

typedef enum http_call_fate {
    HTTP_FATE_RETRY,   /* nothing was done; another call may go better */
    HTTP_FATE_UNKNOWN, /* another call may go better; this one may have been done, if it was sent and is not safe */
    HTTP_FATE_FATAL    /* another call would fail alike */
} http_call_fate;

http_call_fate http_call_error_fate(http_call_error_kind kind);
const char *http_call_error_name(http_call_error_kind kind); /* short, for records; "" of HTTP_CALL_OK */

/* What messages may show of a URL, valid or not: its scheme with "://", and host and path; no user, password, query or
 * fragment. Points into the URL. */
typedef struct http_shown_url {
    const char *scheme, *host_path;
    int scheme_len, host_path_len; /* scheme_len 0: it has no scheme */
    int host_len;                  /* of "name:port", with which host_path begins */
} http_shown_url;

http_shown_url http_url_shown(const char *url);

/* Starts, resumes and cancels calls, as their users have asked since the last flush, and calls on_change of calls with
 * news. The client flushes by itself before the loop waits; code on the loop's own stack may flush earlier. */
void http_client_flush(http_client *client);

/* Starts a call and returns it, the caller's to close; everything in `options` is copied. Its request goes out once,
 * and once more for each redirect that is followed; only GET, HEAD, OPTIONS and TRACE are sent again when a connection
 * breaks before an answer. `on_change(arg)` is called on the loop's own stack when the head has arrived, (streaming)
 * when bytes have arrived after http_call_data had run empty, and when the call is done or has failed; never from
 * within this function. NULL: out of memory; every other failure comes through on_change. */
http_call *http_call_start(http_client *client, const http_call_options *options, void (*on_change)(void *arg),
                           void *arg);

/* A recorded answer, which a call gets without being made. */
typedef struct http_canned {
    http_call_error_kind error;
    const char *error_text;     /* NULL: the kind's */
    int status;                 /* 0: the call failed before a head came */
    const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
    const char *body;           /* as much as came before the error, if there was one */
    size_t body_len;
    bool never; /* the call stays without an answer, whatever the other members say */
} http_canned;

/* Starts a call that gets this answer at the next flush and puts nothing on the wire. All of `answer` is copied;
 * on_change as of http_call_start. NULL: out of memory. */
http_call *http_call_canned(http_client *client, const http_canned *answer, void (*on_change)(void *arg), void *arg);

http_call_state http_call_state_of(const http_call *call);
bool http_call_answered(const http_call *call);              /* the head has arrived, even if the call failed later */
int http_call_status(const http_call *call);                 /* from HTTP_CALL_HEAD on */
const char *const *http_call_headers(const http_call *call); /* "Name: value" of the last response, NULL-terminated */
/* Returns the bytes of the body that have arrived and were not consumed: zero-terminated, owned by the call, good until
 * they are consumed, the call is closed, or the next on_change. Not streaming: the whole body once DONE. */
const char *http_call_data(const http_call *call, size_t *len);
void http_call_consume(http_call *call, size_t len);
/* Says that the user waits for more than bytes (an event, where comments are none): unless this function is called anew
 * within `within_ms`, the call ends as after `silence_ms`. 0: the user does not wait any more. */
void http_call_await(http_call *call, int64_t within_ms);
const char *http_call_url(const http_call *call);   /* as its user gave it; NULL: it cannot be called, or is canned */
uint64_t http_call_took_us(const http_call *call);  /* until it was done or failed, or until now */
uint64_t http_call_received(const http_call *call); /* bytes of the body so far, unpacked; none of redirects' bodies */
http_call_error_kind http_call_error(const http_call *call);
const char *http_call_error_text(const http_call *call); /* for people, e.g. "connect to 127.0.0.1:1: refused" */

/* Gives the call up: on_change is not called any more; the next flush cancels the call if it runs, and frees it. */
void http_call_close(http_call *call);

/* Whether the method asks for nothing to be done (RFC 9110, 9.2.1): GET, HEAD, OPTIONS, TRACE. */
bool http_method_is_safe(const char *method);
/* Returns the method of a call with these options: theirs, or GET, or with a body POST. */
const char *http_call_method(const http_call_options *o);

bool header_is(const char *header, const char *name); /* whether a line "Name: value" has this name, in any case */
const char *header_value(const char *header);         /* where the value begins, of a line with a colon */

#endif
