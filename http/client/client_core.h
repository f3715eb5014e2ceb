/* client_core: what the files of http_client share; no other file includes it.
 *
 *   client -+- hosts   (by origin: how many calls run, which ones wait)       host.c
 *           |   +- seats  (a host's connections in one multi)                 seat.c
 *           +- multis  (curl multi handles, their timer and sockets)          multi.c, socket.c, idle.c
 *           +- easies  (curl easy handles, each lent to one running call)     transfer.c
 *           +- names   (addresses of hosts, and the calls that wait for one)  names.c, resolver.c
 *           +- calls   (what the user sees)                                   call.c, call_options.c
 *
 * What a user does to a call only puts that call into `todo`: http_client_flush, on the loop's own stack, is the one
 * place that turns it into calls of curl's functions. A call of which curl reports something goes into `news`: its user
 * is told when curl has returned. */
#ifndef HTTP_CLIENT_CLIENT_CORE_H
#define HTTP_CLIENT_CLIENT_CORE_H

#include <arpa/inet.h>
#include <curl/curl.h>
#include <sys/queue.h>

#include "http/client/client.h"
#include "http/client/resolver.h"

enum {
    CLIENT_UNTAKEN_BYTES_MAX = 256 << 10, /* streaming: more than this unread pauses the transfer */
    CLIENT_HEAD_BYTES_MAX = 256 << 10,    /* headers of one response */
    CLIENT_URL_BYTES_MAX = 64 << 10,
    CLIENT_ORIGIN_BYTES_MAX = 300,  /* "https://" + 253 bytes of name + ":65535" */
    CLIENT_REUSED_BYTES_MAX = 2048, /* larger buffers of a cached call are freed */
    CLIENT_CACHED_MAX = 1024,       /* calls, and easy handles, that stay cached however long nobody uses them */
    CLIENT_HOST_BUCKETS = 256,
    /* Calls on one HTTP/2 session. How many its peer allows is known to curl alone, and only once the peer's settings
     * have come, behind the first requests: those that are too many are refused, and curl takes no more on that
     * session. Peers should allow 100 (RFC 9113, 6.5.2), and hardly any allows fewer than this. */
    CLIENT_SESSION_CALLS = 50,
    CLIENT_NAME_BUCKETS = 64,
    /* The first curl, 8.1.1, whose handles may have another request after a response. Older ones take a folded line
     * that begins a head for the continuation of a header which they freed with the handle's last response. */
    CLIENT_CURL_REUSES = 0x080101,
    /* The first curl that ends HTTP/2 streams quietly. Older ones reset each when it is over, and servers that count
     * resets (nghttp2: 1,000, and 33 more in a second) drop the connection with all that is under way on it. */
    CLIENT_CURL_ENDS_STREAMS = 0x080000,
    /* The first curl, 8.21, to which NULL for authorities means the system's. */
    CLIENT_CURL_RESTORES = 0x081500,
    CLIENT_TICK_MS = 25 /* by how much a timeout that curl does not watch may be late */
};

typedef struct client_host client_host;
typedef struct client_name client_name;
typedef struct client_multi client_multi;
typedef struct client_seat client_seat;
typedef struct client_socket client_socket;
typedef struct client_easy client_easy;

TAILQ_HEAD(call_list, http_call);
TAILQ_HEAD(seat_list, client_seat);

typedef struct client_bytes {
    char *data;   /* owned; NULL until the first append */
    size_t start; /* what lies before was consumed */
    size_t len;   /* bytes from start */
    size_t cap;   /* allocated; there is always room for a zero behind the bytes */
} client_bytes;

struct http_client {
    uv_loop_t *loop;
    http_client_options options; /* defaults filled in; strings below */
    char *ca_file, *user_agent;  /* owned, or NULL */
    char *ca_folder;             /* owned, or NULL: the environment's */
    char *no_proxy;              /* owned: hosts that are called directly: the environment's, and loopback */
    uv_prepare_t prepare;        /* flushes `todo` before the loop waits; referenced while a call is in there */
    uv_timer_t tick;             /* runs while a call is `timed`, a connection suspect or a cache too full */
    size_t handles_open;         /* libuv handles not yet closed */
    CURL *sweeper;               /* makes curl sweep a pool, see idle.c */
    client_multi *sweeping;      /* the multi that has the sweeper; NULL: none */
    CURLSH *share;               /* addresses and TLS sessions of all multis */
    resolver_asker *resolver;
    client_name *names[CLIENT_NAME_BUCKETS];
    size_t name_count;
    bool proxies_http, proxies_https; /* the environment names one for URLs of this kind */
    client_host *hosts[CLIENT_HOST_BUCKETS];
    client_multi **multis; /* filled from the front: low ones stay full and their connections warm */
    size_t multi_count;
    size_t multi_first_free; /* no multi before this index has room */
    client_socket **sockets; /* by descriptor, NULL where none */
    size_t sockets_cap;
    bool reuses_easies;        /* see CLIENT_CURL_REUSES */
    bool ends_streams;         /* see CLIENT_CURL_ENDS_STREAMS */
    bool restores_authorities; /* see CLIENT_CURL_RESTORES */
    client_easy *free_easies;
    size_t free_easy_count;
    struct call_list free_calls;
    size_t free_call_count;
    struct call_list todo;  /* calls that their users have started, resumed or closed */
    struct call_list news;  /* calls whose on_change is to be called */
    struct call_list timed; /* calls with a timeout that curl does not watch */
    size_t timed_count;
    size_t calls_active; /* started and not ended */
    size_t calls_open;   /* not closed by the user, or still in curl */
    bool telling;        /* client_tell_news is calling on_change */
    bool stopping;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

struct client_host {
    client_host *next; /* in its bucket */
    http_client *client;
    size_t running; /* calls in curl */
    bool filling;   /* host_call_ended is launching calls that waited */
    bool serial;    /* over TLS too, it has answered last with HTTP/1.1: one call at a time on a connection */
    struct seat_list seats[2]; /* for calls that have a connection alone, [true]: that may share one */
    size_t refs;               /* of calls in stage NEW, and of functions that end other calls */
    struct call_list waiting;  /* first in, first out */
    char origin[];             /* "http://name:port", lower case */
};

struct client_seat {
    client_host *host;
    client_multi *multi;
    bool shares;                    /* for calls that may share a connection */
    size_t calls;                   /* transfers in the multi */
    size_t connections;             /* in the multi, being opened or open */
    TAILQ_ENTRY(client_seat) seats; /* the host's */
};

struct client_multi {
    http_client *client;
    CURLM *curl;
    uv_timer_t timer;
    size_t running;    /* transfers */
    size_t index;      /* in client->multis */
    size_t suspects;   /* how many of its sockets have a suspicion */
    uint64_t swept_ms; /* loop time; 0: never */
    bool broken;       /* curl gave this multi up: its transfers fail, and it takes no more */
};

/* The suspicion against an idle connection that can be read. */
typedef enum client_suspicion {
    SUSPICION_NONE,
    SUSPICION_TALKS, /* HTTP/2: its peer has sent perhaps only a frame */
    SUSPICION_ENDED  /* its peer has closed it; shut down on our side */
} client_suspicion;

/* A descriptor that curl asked us to watch. A connection stays armed for reading when curl loses interest in it: curl
 * will want just that with the next call, and each change costs two system calls. */
struct client_socket {
    uv_poll_t poll;
    client_multi *multi;
    client_seat *seat; /* that has the connection; NULL: no connection */
    http_client *client;
    int fd;
    bool idle;        /* in curl's pool; false: in use, though perhaps paused */
    bool connected;   /* curl has wanted to read it, or to send a request on it */
    bool multiplexed; /* HTTP/2 has been spoken */
    client_suspicion suspicion;
    bool connection; /* opened by socket_open, closed by socket_close; else curl opens and closes it */
    int armed;       /* UV_READABLE | UV_WRITABLE as given to libuv */
    int wanted;      /* UV_READABLE | UV_WRITABLE as curl has asked last */
};

enum { EASY_OPENED_NONE = -1, EASY_OPENED_SEVERAL = -2 };

struct client_easy {
    client_easy *next; /* in the client's free_easies */
    CURL *curl;
    http_call *call;   /* the one it is lent to */
    client_seat *seat; /* where it is while it is lent */
    int opened;        /* the descriptor of the one connection that was opened for the transfer, or EASY_OPENED_ */
    char message[CURL_ERROR_SIZE];
};

/*   NEW --flush--> WAITING --room--> NAMING --address--> RUNNING --curl, timeout--> ENDED
 *    \_______________\_________________\___ bad request, timeout, busy, no such name __/    close at any stage
 * NAMING is left out where the address is known. In NAMING and RUNNING the call counts in its host's `running`. */
typedef enum call_stage { CALL_NEW, CALL_WAITING, CALL_NAMING, CALL_RUNNING, CALL_ENDED } call_stage;

struct http_call {
    http_client *client;
    void (*on_change)(void *arg);
    void *arg;
    char *copied; /* one allocation for all that was copied from the options, see call_options.c */
    size_t copied_cap;
    struct curl_slist *headers; /* nodes inside `copied` */
    const char *url, *method;   /* inside `copied`, static, or url in redirect_url */
    const char *asked_url; /* inside `copied`: url before any redirect; NULL: it was refused, or the call is canned */
    bool safe;             /* the method asks for nothing to be done (RFC 9110, 9.2.1) */
    bool sent;             /* a connection was given to this request: it may be on the wire */
    const char *body;      /* inside `copied`; NULL: none */
    size_t body_len;
    int64_t timeout_ms, silence_ms;
    uint64_t awaits_until_ms;      /* loop time; 0: the user does not await anything beside bytes */
    uint64_t started_ms;           /* loop time */
    uint64_t started_ns, ended_ns; /* uv_hrtime; ended_ns 0: the call has not ended */
    uint64_t last_byte_ms;         /* loop time of the peer's last sign of life */
    curl_off_t uploaded;           /* bytes sent when the peer's silence was last looked at */
    int redirects_max, redirects;  /* to be followed at most; followed so far */
    char *redirect_url;            /* owned, freed with curl_free: what `url` is after a redirect; else NULL */
    size_t body_bytes_max;
    bool streaming;
    bool public_only;
    bool proxied;        /* this request goes through a proxy; set when it is launched */
    bool reaches_public; /* public_only: a socket for a public address was opened */
    const char *barred;  /* public_only: why the address barred_address was not connected to; NULL: none was barred */
    char barred_address[INET6_ADDRSTRLEN];
    bool takes_encoded; /* the user's headers name encodings: the body is not unpacked */
    call_stage stage;
    bool closed;      /* by the user */
    bool must_resume; /* the user has made room: the next flush ends the pause */
    bool paused;
    bool in_todo, in_news, in_timed;
    client_host *host;  /* from WAITING on, until ENDED */
    client_name *name;  /* in stage NAMING; else NULL */
    uint64_t naming_ms; /* loop time at which stage NAMING began */
    char *resolve_text; /* owned, or NULL: what curl is told of the address, in the one node of `resolve` */
    struct curl_slist resolve;
    client_easy *easy; /* while libcurl has the call's transfer; else NULL */
    http_call_state state;
    int status;
    bool head_final;   /* `head` is whole, and neither an interim response nor a redirect that is followed */
    bool has_location; /* `head` has a Location with a value */
    bool redirected;   /* `head` is a redirect that is followed when this transfer has ended */
    size_t skipped;    /* bytes of the redirect's body */
    uint64_t received; /* bytes of the answer's body so far */
    client_bytes head; /* header lines, each ended by a zero */
    size_t header_count;
    const char **headers_out; /* into head; NULL-terminated */
    client_bytes front;       /* what http_call_data shows */
    client_bytes back;        /* arrived while the user had a pointer into front */
    bool exposed;             /* the user has a pointer into front */
    http_call_error_kind error;
    const char *refusal;          /* static: why the answer was refused; NULL: it was not, or its kind says it */
    char *error_text;             /* owned; NULL: outcome_text of the kind */
    TAILQ_ENTRY(http_call) queue; /* host->waiting, name->waiting or client->free_calls */
    TAILQ_ENTRY(http_call) todo, news, timed;
};

/* Spreads texts over the buckets of a table: FNV-1a. */
static inline uint64_t text_hash(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (const char *p = text; *p; p++) hash = (hash ^ (unsigned char)*p) * 0x100000001b3u;
    return hash;
}

/* bytes.c */
bool bytes_append(client_bytes *b, const char *data, size_t len);
void bytes_consume(client_bytes *b, size_t len);
void bytes_recycle(client_bytes *b); /* empties it; a large one is freed */
void bytes_free(client_bytes *b);

/* call_options.c */
bool url_origin(const char *url, char *out, size_t out_size); /* false: no http or https URL */
/* Says why a call with these options fails with this kind of error; the text is the caller's to free. NULL: no memory,
 * and the kind's text has to do. */
char *call_describe_refusal(const http_client *client, const http_call_options *options, http_call_error_kind kind);
http_call_error_kind call_copy_options(http_call *call, const http_call_options *options, char *origin,
                                       size_t origin_size, bool *out_of_memory);

/* call.c */
void call_free(http_call *call);
void call_destroy(http_call *call);      /* frees what call_free leaves for reuse */
void call_launch(http_call *call);       /* its host has room for it: it gets an address, then a transfer */
void call_launch_named(http_call *call); /* the address of its host is known, or curl's to find: it gets a transfer */
void call_end(http_call *call, http_call_error_kind kind, char *text); /* takes text; NULL: the kind's text */
void call_announce(http_call *call);
bool call_take_body(http_call *call, const char *data, size_t len);
void call_unwatch_time(http_call *call);

/* client.c */
void call_begin(http_call *call); /* one in stage NEW: it runs or waits, and gives up its reference to the host */
void client_tell_news(http_client *client);
void client_start_ticking(http_client *client); /* until there is nothing to do for the tick */
void call_watch_time(http_call *call);          /* if it has a timeout now that curl does not watch */
void client_handle_closed(http_client *client);

/* host.c */
client_host *host_ref(http_client *client, const char *origin); /* NULL: out of memory */
void host_unref(client_host *host);                             /* may free it */
bool host_has_room(const client_host *host);
void host_call_started(client_host *host);
void host_call_ended(client_host *host); /* launches calls that wait; may free the host */
void host_withdraw(http_call *call);     /* takes a waiting call out of its host, which it may free */
void host_free_if_unused(client_host *host);

/* seat.c */
client_seat *seat_take(http_call *call); /* counts the call's transfer in; NULL: out of memory */
void seat_leave(client_seat *seat);      /* a transfer of it is out of curl; may free it and its host */
void seat_learn_version(client_seat *seat, long version); /* of an answer, as CURL_HTTP_VERSION_ has it */
void seat_gain_connection(client_seat *seat);
void seat_lose_connection(client_seat *seat); /* may free it and its host */

/* names.c */
void names_free(http_client *c);
bool names_provide(http_call *call);        /* gives it an address; false: it is in stage NAMING now, or has ended */
void names_withdraw(http_call *call);       /* takes a call in stage NAMING out of those that wait for its name */
void names_forget_address(http_call *call); /* no connection came about: its host's addresses are not used again */
void names_answered(void *client, const char *name, const char *addresses, const char *error);

/* idle.c */
void idle_on_readable(client_socket *s); /* an idle connection has something to read, or has ended */
void idle_clear_suspicion(client_socket *s);
bool idle_sweep(http_client *c);      /* with each tick; true: some connections are still to be swept */
void idle_sweep_done(http_client *c); /* the sweeper's transfer has ended */
CURL *idle_sweeper_new(void);         /* NULL: out of memory */

/* socket.c */
int socket_change(CURL *easy, curl_socket_t fd, int what, void *multi, void *socket_arg);
bool socket_watch_idle(client_socket *s);
void socket_on_send(const client_easy *e); /* curl is about to send the easy's request */

/* multi.c */
void multi_run(client_multi *m, curl_socket_t fd, int events);
void multi_transfer_left(client_multi *multi); /* one of its transfers is out of curl */
bool multi_has_room(const client_multi *m);
/* The first multi with room from index *at on, a new one if there is none; sets *at behind it. NULL: out of memory. */
client_multi *multi_next_with_room(http_client *c, size_t *at);
void multi_free(client_multi *multi);
curl_socket_t socket_open(void *easy, curlsocktype purpose, struct curl_sockaddr *address);
int socket_close(void *client, curl_socket_t fd);

/* answer.c: curl's callbacks */
size_t answer_on_header(char *data, size_t size, size_t count, void *easy);
size_t answer_on_body(char *data, size_t size, size_t count, void *easy);
/* Says why a body is not whole although its framing is: of `wire_bytes` as they came. NULL: the body seems whole. */
const char *answer_cut_reason(const http_call *call, curl_off_t wire_bytes);

/* redirect.c */
bool redirect_wanted(const http_call *call, long status); /* at the end of a head */
void redirect_follow(http_call *call);                    /* after the transfer that was redirected is out of curl */

/* outcome.c */
http_call_error_kind outcome_kind(CURLcode result); /* of a result that is not CURLE_OK */
const char *outcome_text(http_call_error_kind kind);

/* guard.c */
/* If the call may go to public addresses only, leaves just these of `addresses`, a list as resolver.h has it, or the
 * first if none is public: curl would try each of the others in vain, up to half of --connect-timeout. */
void guard_pick(const http_call *call, char *addresses);
bool guard_admits(http_call *call); /* false: the call was ended, because a proxy would choose where it goes */
bool guard_set_up(CURL *h, const http_call *call);
bool guard_allows(http_call *call, const struct sockaddr *address); /* whether it may connect to that address */
bool guard_may_send(http_call *call); /* whether its request may go on the connection that curl has chosen */
/* Says which address the guard has barred, if the call has failed for that. NULL: it has not, or out of memory. */
char *guard_describe_refusal(const http_call *call);

/* proxy.c */
/* The value of the first of two variables that is not empty (`other` NULL: there is one). NULL: both are. */
const char *environment_value(const char *name, const char *other);
bool proxies_init(http_client *c); /* reads the environment; false: out of memory */
bool proxy_applies(const http_client *c, const char *origin);
bool proxy_set_up(CURL *h, const http_call *call);
/* The kind of error and a text for it, the caller's, if the proxy refused to open a tunnel. HTTP_CALL_OK: it has not.
 */
http_call_error_kind proxy_refusal(const http_call *call, char **text);

/* failure.c: called before call_end. Texts are the caller's to free; NULL: out of memory. */
char *call_describe(const http_call *call, const char *why);
/* "timed out: `what` N ms (`limit`)"; `limit`: the option or flag that sets this time. */
char *call_describe_late(const http_call *call, const char *what, int64_t ms, const char *limit);
http_call_error_kind call_failure(const http_call *call, CURLcode result, char **text);

/* transfer.c */
bool transfer_start(http_call *call);          /* false: the call was ended with an error */
bool transfer_shares(const http_call *call);   /* it may go on a connection beside others */
bool transfer_may_send(const http_call *call); /* its request, on the connection that curl has or wants to make */
void transfer_remove(http_call *call);         /* takes it out of curl */
void transfer_resume(http_call *call);
void transfer_on_done(CURL *curl, CURLcode result);
void easy_free(client_easy *easy);

#endif
