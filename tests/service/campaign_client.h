/* campaign_client: the clients of the campaign, a thread each: what they ask for, how they read, what they do when the
 * connection breaks, and what became of each request. */
#ifndef TESTS_CAMPAIGN_CLIENT_H
#define TESTS_CAMPAIGN_CLIENT_H

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdint.h>
#include <time.h>

#include "tests/harness/check.h"
#include "tests/service/campaign_ledger.h"
#include "tests/service/campaign_program.h"

enum { REQUESTS_MAX = 400000, ECHO_MOST = 150000, PATH_BYTES = 512 };

typedef enum kind { PLAIN, WORK, KEYED, NEST, SLEEP, ECHO_BODY, TELL, LONG, TIED, ENDLESS, KINDS } kind;
static const char *const kind_names[] = {"plain", "work",   "keyed",  "nested", "sleeping",
                                         "large", "stream", "cancel", "tied",   "leaving"};

typedef enum outcome {
    PENDING,
    ANSWERED, /* whole; `text` is to be compared */
    CANCELLED,
    LEFT,    /* the client has gone away, and had got nothing */
    SENT_ON, /* likewise, but it had got an URL */
    REFUSED, /* 503: nothing was done */
    BROKEN,  /* the connection ended before there was an answer or an URL */
    WRONG,
    OUTCOMES
} outcome;
static const char *const outcome_names[] = {"pending", "answered", "cancelled", "left",
                                            "sent on", "refused",  "broken",    "WRONG"};

typedef struct request {
    kind kind;
    outcome outcome;
    char *text; /* malloc'd: of the response, "n run value ..." */
    int64_t began_ms, ended_ms;
    int kills_survived; /* of its worker, by the connection that was answered */
} request;

static request requests[REQUESTS_MAX];
static size_t request_count;
static int kill_count;
static bool clients_stop;
static long frames_read, streams_resumed;
static struct sockaddr_in address;
static char address_text[32];

static int64_t now_ms(void)
{
    struct timespec t;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static uint64_t next_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15U;
    uint64_t x = *state;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
}

/* ---- Connections ---- */

typedef struct conn {
    int fd; /* -1: none */
    char *data;
    size_t len, room; /* what came and is not taken yet */
    size_t taken;     /* of the last reply: to be forgotten */
    bool ended;
    int kills; /* when it was opened */
} conn;

typedef struct reply {
    int status;
    bool closes;
    char location[PATH_BYTES]; /* path and query; "" if there is none */
    char *body;                /* zero-terminated, in the connection's data */
    size_t body_len;
} reply;

static void conn_close(conn *c)
{
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
    c->len = c->taken = 0;
}

static void conn_free(conn *c)
{
    conn_close(c);
    free(c->data);
    c->data = NULL;
    c->room = 0;
}

/* Until there is one: the program is being started anew, time and again. */
static void conn_open(conn *c, int receive_buffer)
{
    int64_t until = now_ms() + PATIENCE_MS;
    conn_close(c);
    for (;; usleep(3000)) {
        CHECK(now_ms() < until);
        c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK(c->fd >= 0);
        if (receive_buffer)
            CHECK(setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer) == 0);
        if (connect(c->fd, (struct sockaddr *)&address, sizeof address) == 0) break;
        close(c->fd);
    }
    c->ended = false;
    c->kills = __atomic_load_n(&kill_count, __ATOMIC_SEQ_CST);
}

/* What cannot be sent is seen when the answer is read. */
__attribute__((format(printf, 2, 3))) static void conn_say(conn *c, const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    CHECK(n > 0 && (size_t)n < sizeof text);
    if (send(c->fd, text, (size_t)n, MSG_NOSIGNAL) != n) c->ended = true;
}

static void conn_say_body(conn *c, const char *body, size_t len)
{
    for (ssize_t n; len > 0 && !c->ended; body += n, len -= (size_t)n)
        if ((n = send(c->fd, body, len, MSG_NOSIGNAL)) <= 0) c->ended = true;
}

/* Some bytes more, at most `most`, waiting for them. False: the connection has ended. */
static bool conn_read_more(conn *c, size_t most)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    if (c->len == c->room) {
        c->room = c->room ? c->room * 2 : 8192;
        CHECK((c->data = realloc(c->data, c->room + 1)) != NULL);
    }
    CHECK(poll(&p, 1, PATIENCE_MS) == 1);
    size_t room = c->room - c->len;
    ssize_t n = recv(c->fd, c->data + c->len, room < most ? room : most, 0);
    if (n <= 0) c->ended = true;
    if (n > 0) c->len += (size_t)n;
    c->data[c->len] = 0;
    return n > 0;
}

static bool read_head(conn *c, reply *r, size_t *length)
{
    char *end = c->len > 0 ? strstr(c->data, "\r\n\r\n") : NULL, *at;
    if (!end) return false;
    *end = 0;
    *r = (reply){.status = (int)strtol(c->data + 9, NULL, 10), .body = end + 4};
    r->closes = strcasestr(c->data, "\r\nConnection: close") != NULL;
    at = strcasestr(c->data, "\r\nContent-Length: ");
    *length = at ? strtoull(at + 18, NULL, 10) : 0;
    at = strcasestr(c->data, "\r\nLocation: http://x/");
    if (at) snprintf(r->location, sizeof r->location, "%.*s", (int)strcspn(at + 20, "\r"), at + 20);
    *end = '\r';
    return true;
}

/* A reply with a length. False: the connection has ended before it was whole. `pace`: bytes at a time, with pauses; 0:
 * as they come. */
static bool conn_read_reply(conn *c, reply *r, size_t pace)
{
    size_t length = 0;
    c->len -= c->taken;
    if (c->len > 0) memmove(c->data, c->data + c->taken, c->len);
    c->taken = 0;
    for (;;) {
        if (read_head(c, r, &length) && (size_t)(r->body - c->data) + length <= c->len) break;
        if (c->ended || !conn_read_more(c, pace ? pace : SIZE_MAX)) return false;
        if (pace) usleep(1000);
    }
    r->body_len = length;
    c->taken = (size_t)(r->body - c->data) + length;
    CHECK_INT(c->len, c->taken); /* nothing comes that was not asked for */
    return true;
}

/* ---- Clients ---- */

typedef struct client {
    uint64_t random;
    conn conn;
    size_t n; /* of the request */
} client;

static uint64_t dice(client *c, uint64_t sides) { return next_random(&c->random) % sides; }

static request *mine(const client *c) { return &requests[c->n]; }

static void note_survival(const client *c)
{
    mine(c)->kills_survived = __atomic_load_n(&kill_count, __ATOMIC_SEQ_CST) - c->conn.kills;
}

/* The first line, which is judged when the ledger has been read. */
static outcome take_answer(const client *c, const reply *r)
{
    char run[RUN_TEXT + 1] = "";
    unsigned long long n = 0;
    size_t len = strcspn(r->body, "\n");
    if (sscanf(r->body, "%llu %26s", &n, run) != 2 || n != c->n) return WRONG;
    ledger_add("R %zu %s\n", c->n, run);
    mine(c)->text = strndup(r->body, len);
    CHECK(mine(c)->text);
    return ANSWERED;
}

/* Reads the output URL until there is an answer. */
static outcome follow(client *c, const char *path)
{
    char at[PATH_BYTES];
    reply r;
    snprintf(at, sizeof at, "%s", path);
    for (int64_t until = now_ms() + PATIENCE_MS;;) {
        CHECK(now_ms() < until);
        conn_open(&c->conn, 0);
        conn_say(&c->conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", at);
        if (!conn_read_reply(&c->conn, &r, 0)) continue;
        if (r.status == 200) return take_answer(c, &r);
        if (r.status == 410) return CANCELLED;
        if (r.status != 303 && r.status != 503) return WRONG;
        if (r.status == 303) snprintf(at, sizeof at, "%s", r.location);
        if (r.status == 503) usleep(20000);
    }
}

static outcome take_reply(client *c, const reply *r)
{
    if (r->status == 200) {
        note_survival(c);
        return take_answer(c, r);
    }
    if (r->status == 503) return REFUSED;
    if ((r->status != 303 && r->status != 202) || !r->location[0]) return WRONG;
    return follow(c, strdupa(r->location));
}

/* On the connection of the last request, if that is open still. */
static void reuse(client *c)
{
    char byte;
    bool open = c->conn.fd >= 0 && !c->conn.ended && recv(c->conn.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0;
    if (!open || dice(c, 4) == 0) conn_open(&c->conn, 0);
    c->conn.kills = __atomic_load_n(&kill_count, __ATOMIC_SEQ_CST);
}

static outcome ask_plain(client *c)
{
    char expected[64];
    reply r;
    reuse(c);
    conn_say(&c->conn, "GET /plain/%zu HTTP/1.1\r\nHost: x\r\n\r\n", c->n);
    if (!conn_read_reply(&c->conn, &r, 0)) return BROKEN;
    if (r.status == 503) return REFUSED;
    snprintf(expected, sizeof expected, "plain %zu\n", c->n);
    return r.status == 200 && strcmp(r.body, expected) == 0 ? ANSWERED : WRONG;
}

static outcome ask_run(client *c, const char *what)
{
    reply r;
    reuse(c);
    conn_say(&c->conn, "POST /%s/%zu HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", what, c->n);
    return conn_read_reply(&c->conn, &r, 0) ? take_reply(c, &r) : BROKEN;
}

/* Asks until it has its answer, and means one run. */
static outcome ask_keyed(client *c)
{
    reply r;
    for (int64_t until = now_ms() + PATIENCE_MS;; usleep(5000)) {
        CHECK(now_ms() < until);
        reuse(c);
        conn_say(&c->conn,
                 "POST /work/%zu HTTP/1.1\r\nHost: x\r\nIdempotency-Key: \"%zu\"\r\nContent-Length: 2\r\n\r\n{}", c->n,
                 c->n);
        if (!conn_read_reply(&c->conn, &r, 0)) continue;
        outcome o = take_reply(c, &r);
        if (o != REFUSED) return o;
    }
}

/* A large body there, the same behind the values on the way back, read slowly. */
static outcome ask_echo(client *c)
{
    reply r;
    size_t len = 1000 + dice(c, ECHO_MOST);
    char *body = malloc(len);
    CHECK(body);
    for (size_t i = 0; i < len; i++) body[i] = pattern((int64_t)c->n, i);
    conn_open(&c->conn, 16384);
    conn_say(&c->conn, "POST /work/%zu?echo=1 HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", c->n, len);
    conn_say_body(&c->conn, body, len);
    outcome o = conn_read_reply(&c->conn, &r, 8000) ? take_reply(c, &r) : BROKEN;
    if (o == ANSWERED && r.status == 200) {
        size_t head = strcspn(r.body, "\n") + 1;
        if (r.body_len != head + len || memcmp(r.body + head, body, len) != 0) o = WRONG;
    }
    free(body);
    return o;
}

/* ---- Streams ---- */

typedef struct frames_state {
    char url[PATH_BYTES], text[512]; /* where it is read on, what the response said */
    long last;                       /* frame; -1: none */
    int step, chunk;                 /* the next chunk that has to come */
    bool over, wrong;
} frames_state;

/* The path of an URL in the frame's data. */
static void take_url(const char *frame, const char *key, char out[PATH_BYTES])
{
    const char *at = strstr(frame, key), *path = at ? strstr(at, "/_sw/") : NULL;
    if (path) snprintf(out, PATH_BYTES, "%.*s", (int)strcspn(path, "\""), path);
}

static void take_chunk(const client *c, frames_state *s, const char *frame)
{
    char expected[TELL_BYTES + 64];
    chunk_text((int64_t)c->n, s->step, s->chunk, expected);
    const char *data = strstr(frame, "data: {\"data\":\"");
    s->chunk++;
    if (!data || strncmp(data + 15, expected, strlen(expected)) != 0 || data[15 + strlen(expected)] != '"')
        s->wrong = true;
}

static void take_frame(const client *c, frames_state *s, const char *frame)
{
    long id = strncmp(frame, "id: ", 4) == 0 ? strtol(frame + 4, NULL, 10) : -1;
    const char *event = strstr(frame, "event: ");
    if (!event || id < 0) return; /* a comment, or the line of retry */
    event += 7;
    bool aside = strncmp(event, "inngest.metadata\n", 17) == 0 || strncmp(event, "inngest.redirect_info\n", 22) == 0;
    if (aside) {
        take_url(frame, "\"streamUrl\":\"", s->url);
        if (event[8] == 'r') take_url(frame, "\"url\":\"", s->url);
        if (s->last < 0) s->last = 0;
        if (id != s->last) s->wrong = true;
        return;
    }
    if (id != s->last + 1) s->wrong = true;
    s->last = id;
    (void)__atomic_add_fetch(&frames_read, 1, __ATOMIC_RELAXED);
    if (strncmp(event, "inngest.stream\n", 15) == 0) {
        take_chunk(c, s, frame);
    } else if (strncmp(event, "inngest.rollback\n", 17) == 0) {
        s->chunk = 0;
    } else if (strncmp(event, "inngest.commit\n", 15) == 0) {
        if (s->chunk != TELL_CHUNKS) s->wrong = true;
        s->step++;
        s->chunk = 0;
    } else if (strncmp(event, "inngest.response\n", 17) == 0) {
        const char *body = strstr(frame, "\"body\":\"");
        s->over = true;
        if (s->step != TELL_STEPS || !body) s->wrong = true;
        if (body) snprintf(s->text, sizeof s->text, "%.*s\n", (int)strcspn(body + 8, "\\\""), body + 8);
    }
}

/* Takes the whole frames of the text, and returns what they took. */
static size_t take_frames(const client *c, frames_state *s, char *text)
{
    char *at = text;
    for (char *end; (end = strstr(at, "\n\n")) != NULL; at = end + 2) {
        end[1] = 0;
        const char *frame = strncmp(at, "retry: ", 7) == 0 ? strchr(at, '\n') + 1 : at;
        take_frame(c, s, frame);
        end[1] = '\n';
    }
    return (size_t)(at - text);
}

/* Moves the text of whole chunks that have come from the connection to `text`. True: the last one has. */
static bool dechunk(conn *c, char *text, size_t size)
{
    for (;;) {
        char *end = c->len > 0 ? strstr(c->data, "\r\n") : NULL;
        size_t len = end ? strtoull(c->data, NULL, 16) : 0, head = end ? (size_t)(end + 2 - c->data) : 0;
        if (!end || c->len < head + len + 2) return false;
        size_t have = strlen(text);
        CHECK(have + len < size);
        memcpy(text + have, c->data + head, len);
        text[have + len] = 0;
        c->len -= head + len + 2;
        memmove(c->data, c->data + head + len + 2, c->len + 1);
        if (len == 0) return true;
    }
}

/* Frames until the stream or its connection ends. False: there was none. */
static bool read_stream(client *c, frames_state *s, size_t pace)
{
    enum { TEXT_MAX = 1 << 20 };
    size_t length = 0;
    reply r;
    while (!read_head(&c->conn, &r, &length))
        if (c->conn.ended || !conn_read_more(&c->conn, pace)) return false;
    if (r.status == 204) s->over = true; /* it has had the response */
    if (r.status != 200) return r.status == 503 || r.status == 204;
    size_t head = (size_t)(r.body - c->conn.data);
    char *text = calloc(1, TEXT_MAX);
    CHECK(text);
    c->conn.len -= head;
    memmove(c->conn.data, r.body, c->conn.len + 1);
    for (bool whole = false; !whole;) {
        whole = dechunk(&c->conn, text, TEXT_MAX);
        size_t taken = take_frames(c, s, text);
        memmove(text, text + taken, strlen(text + taken) + 1);
        if (whole || c->conn.ended || !conn_read_more(&c->conn, pace)) break;
        usleep(pace < 4000 ? 1000 : 0);
    }
    free(text);
    return true;
}

static outcome ask_stream(client *c)
{
    frames_state s = {.last = -1};
    size_t pace = dice(c, 2) ? 800 : 16000;
    conn_open(&c->conn, dice(c, 2) ? 4096 : 0);
    conn_say(&c->conn, "GET /tell/%zu HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n", c->n);
    (void)read_stream(c, &s, pace);
    if (s.over && !s.wrong) note_survival(c);
    if (!s.url[0]) return BROKEN;
    for (int64_t until = now_ms() + PATIENCE_MS; !s.over && !s.wrong; usleep(5000)) {
        CHECK(now_ms() < until);
        conn_open(&c->conn, 0);
        conn_say(&c->conn, "GET %s HTTP/1.1\r\nHost: x\r\nLast-Event-ID: %ld\r\n\r\n", s.url, s.last);
        (void)read_stream(c, &s, pace);
        (void)__atomic_add_fetch(&streams_resumed, 1, __ATOMIC_RELAXED);
    }
    conn_close(&c->conn);
    const reply r = {.body = s.text};
    return s.wrong ? WRONG : take_answer(c, &r);
}

/* ---- Ends ---- */

/* Begins one, and wants it cancelled after a while, until somebody says that it is. */
static outcome ask_cancel(client *c)
{
    char output[PATH_BYTES], run[PATH_BYTES];
    reply r;
    reuse(c);
    conn_say(&c->conn, "POST /long/%zu HTTP/1.1\r\nHost: x\r\nPrefer: respond-async\r\nContent-Length: 0\r\n\r\n",
             c->n);
    if (!conn_read_reply(&c->conn, &r, 0)) return BROKEN;
    if (r.status == 503) return REFUSED;
    if (r.status != 202 || !strstr(r.location, "/output?")) return WRONG;
    snprintf(output, sizeof output, "%s", r.location);
    const char *end = strstr(output, "/output?");
    snprintf(run, sizeof run, "%.*s%s", (int)(end - output), output, end + 7);
    usleep((useconds_t)dice(c, 300) * 1000);
    for (int64_t until = now_ms() + PATIENCE_MS;; usleep(5000)) {
        CHECK(now_ms() < until);
        conn_open(&c->conn, 0);
        conn_say(&c->conn, "DELETE %s HTTP/1.1\r\nHost: x\r\n\r\n", run);
        if (!conn_read_reply(&c->conn, &r, 0) || r.status == 503) continue;
        if (r.status != 200 && r.status != 202 && r.status != 409) return WRONG;
        outcome o = follow(c, output);
        return o == CANCELLED ? o : WRONG;
    }
}

/* One that goes away before there is an answer: nobody will want it. */
static outcome leave(client *c)
{
    const struct linger reset = {.l_onoff = 1};
    conn_open(&c->conn, 0);
    conn_say(&c->conn, "GET /endless/%zu HTTP/1.1\r\nHost: x\r\n\r\n", c->n);
    usleep((useconds_t)(20 + dice(c, 400)) * 1000);
    char byte;
    ssize_t got = recv(c->conn.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (dice(c, 2)) CHECK(setsockopt(c->conn.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) == 0);
    conn_close(&c->conn);
    return got > 0 ? SENT_ON : LEFT;
}

static outcome ask_tied(client *c)
{
    reply r;
    conn_open(&c->conn, 0);
    conn_say(&c->conn, "GET /tied/%zu HTTP/1.1\r\nHost: x\r\n\r\n", c->n);
    return conn_read_reply(&c->conn, &r, 0) ? take_reply(c, &r) : BROKEN;
}

static outcome ask(client *c, kind k)
{
    switch (k) {
    case PLAIN:
        return ask_plain(c);
    case KEYED:
        return ask_keyed(c);
    case ECHO_BODY:
        return ask_echo(c);
    case TELL:
        return ask_stream(c);
    case LONG:
        return ask_cancel(c);
    case TIED:
        return ask_tied(c);
    case ENDLESS:
        return leave(c);
    default:
        return ask_run(c, k == NEST ? "nest" : k == SLEEP ? "sleep" : "work");
    }
}

static void *client_run(void *arg)
{
    client *c = arg;
    while (!__atomic_load_n(&clients_stop, __ATOMIC_SEQ_CST)) {
        c->n = __atomic_fetch_add(&request_count, 1, __ATOMIC_SEQ_CST);
        CHECK(c->n < REQUESTS_MAX);
        request *q = mine(c);
        *q = (request){.kind = (kind)dice(c, KINDS), .began_ms = now_ms()};
        q->outcome = ask(c, q->kind);
        q->ended_ms = now_ms();
        bool wrong = q->outcome == WRONG;
        if (wrong) printf("# request %zu (%s): %.600s\n", c->n, kind_names[q->kind], c->conn.data ? c->conn.data : "");
        if (q->outcome == BROKEN || wrong || c->conn.ended) conn_close(&c->conn);
        usleep((useconds_t)dice(c, 20) * 1000);
    }
    conn_free(&c->conn);
    return NULL;
}

/* The steps whose values make the response, in its order; NULL: it has no such. */
static const char *const *steps_of(kind k)
{
    static const char *const work[] = {"w0", "w1", "w2", "w3", NULL}, *const sleeping[] = {"a", "z", NULL};
    static const char *const told[] = {"t0", "t1", "t2", "t3", "t4", NULL};
    static const char *const tied[] = {"l0", "l1", "l2", "l3", "l4", "l5", NULL};
    static const char *const nest[] = {"b0-0", "b0-1", "g0-0", "g0-1", "b1-0", "b1-1", "g1-0",
                                       "g1-1", "b2-0", "b2-1", "g2-0", "g2-1", NULL};
    switch (k) {
    case WORK:
    case KEYED:
    case ECHO_BODY:
        return work;
    case NEST:
        return nest;
    case SLEEP:
        return sleeping;
    case TELL:
        return told;
    case TIED:
        return tied;
    default:
        return NULL;
    }
}

#endif
