#include "tests/simulation/client_core.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/simulation/asked.h"
#include "tests/simulation/bulked.h"
#include "tests/simulation/called.h"
#include "tests/simulation/forked.h"
#include "tests/simulation/operator.h"
#include "tests/simulation/program.h"
#include "tests/simulation/promises.h"
#include "tests/simulation/shut.h"
#include "tests/simulation/signalled.h"
#include "tests/simulation/standing.h"

enum { BACKLOG = 128, RECONNECT_MS = 200, TARGET_MAX = 128 };
static const int64_t MS = 1000000;

static unsigned loops_now;

/* ---- Sockets ---- */

static socklen_t address_of(struct sockaddr_un *a, unsigned loop)
{
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(a->sun_path + 1, sizeof a->sun_path - 1, "stepwell-simulation-%d-%u", (int)getpid(), loop);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

void client_listen(int *fds, unsigned loops)
{
    struct sockaddr_un a;
    loops_now = loops;
    for (unsigned i = 0; i < loops; i++) {
        socklen_t len = address_of(&a, i);
        fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fds[i] < 0 || bind(fds[i], (struct sockaddr *)&a, len) != 0 || listen(fds[i], BACKLOG) != 0) abort();
    }
}

static bool connect_to(client *c)
{
    struct sockaddr_un a;
    socklen_t len = address_of(&a, world_below(RANDOM_LIVE, loops_now));
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) abort();
    if (connect(c->fd, (struct sockaddr *)&a, len) == 0) return true;
    close(c->fd);
    c->fd = -1;
    return false;
}

void client_close(client *c)
{
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
}

/* ---- Requests ---- */

static void wish_headers(const client *c, char *to, size_t size)
{
    const char *key = w->jobs[c->job].key;
    static const char *const wishes[WISHES] = {[WISH_ANSWER] = "",
                                               [WISH_ASYNC] = "Prefer: respond-async\r\n",
                                               [WISH_WAIT] = "Prefer: wait=2\r\n",
                                               [WISH_STREAM] = "Accept: text/event-stream\r\n",
                                               [WISH_CANCEL] = "Prefer: respond-async\r\n",
                                               [WISH_RELEASE] = "Prefer: respond-async\r\n"};
    (void)snprintf(to, size, "%s%s%s%s", *key ? "Idempotency-Key: " : "", key, *key ? "\r\n" : "", wishes[c->wish]);
}

__attribute__((format(printf, 2, 3))) static void set_request(client *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(c->request, sizeof c->request, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof c->request) abort();
    c->request_len = (size_t)n;
}

static void make_post(client *c)
{
    char headers[128], pad[BODY_MAX * 2];
    const job *j = &w->jobs[c->job];
    wish_headers(c, headers, sizeof headers);
    memset(pad, ' ', j->pad);
    pad[j->pad] = 0;
    int body = snprintf(NULL, 0, "{\"job\":%d}%s", c->job, pad);
    bool is_function = j->endpoint == ENDPOINT_FUNCTION; /* who begins one is an operator */
    const char *route = program_routes[j->endpoint];
    set_request(c, "POST %s%s HTTP/1.1\r\nHost: sim\r\n%s%sContent-Length: %d\r\n\r\n{\"job\":%d}%s",
                is_function ? "/_sw/functions/" : "", is_function ? route : strchr(route, '/'),
                is_function ? "Authorization: Bearer " OPERATOR_TOKEN "\r\n" : "", headers, body, c->job, pad);
}

/* What an operator asks for. `key`: the value of Idempotency-Key; NULL: none. */
static void set_order(client *c, const char *method, const char *target, const char *key, const char *body)
{
    set_request(c,
                "%s %s HTTP/1.1\r\nHost: sim\r\nAuthorization: Bearer " OPERATOR_TOKEN
                "\r\n%s%s%sContent-Length: %zu\r\n\r\n%s",
                method, target, key ? "Idempotency-Key: " : "", key ? key : "", key ? "\r\n" : "", strlen(body), body);
}

/* What is asked of a run, or of that of a bulk action: it needs no URL that a client was given. */
static void make_order(client *c, const char *method, const char *what)
{
    char target[TARGET_MAX];
    const char *id = c->target == TARGET_BULK_RELEASE ? w->bulks[c->bulk].id : w->runs[c->run].id;
    (void)snprintf(target, sizeof target, "/_sw/runs/%s%s", id, what);
    set_order(c, method, target, NULL, "");
}

/* Every other time it names the generation that it wants. */
static void make_resume(client *c)
{
    char target[TARGET_MAX], body[48] = "";
    if (world_chance(RANDOM_LIVE, 50))
        (void)snprintf(body, sizeof body, "{\"generation\":%u}", w->runs[c->run].reopened + 1);
    (void)snprintf(target, sizeof target, "/_sw/runs/%s/resume", w->runs[c->run].id);
    set_order(c, "POST", target, NULL, body);
}

/* The route as a part of a URL. */
static void escape_route(const char *route, char to[64])
{
    size_t n = 0;
    for (; *route && n < 60; route++) {
        bool is_plain = *route != ' ' && *route != '/';
        n += (size_t)snprintf(to + n, 64 - n, is_plain ? "%c" : "%%%02X", *route);
    }
}

static void make_setting(client *c)
{
    char target[TARGET_MAX], body[64] = "", route[64];
    escape_route(program_routes[c->endpoint], route);
    if (c->target != TARGET_UNSHUT)
        (void)snprintf(body, sizeof body, "{\"value\":{\"stopped\":%s}}", c->target == TARGET_SHUT ? "true" : "false");
    (void)snprintf(target, sizeof target, "/_sw/settings/endpoint:%s", route);
    set_order(c, c->target == TARGET_UNSHUT ? "DELETE" : "PUT", target, NULL, body);
}

static void make_fork(client *c)
{
    char target[TARGET_MAX], body[FORKED_BODY_MAX], key[16];
    bool has_key = c->target == TARGET_FORK && forked_key(c->fork_ask, key);
    forked_body(c->fork_ask, c->target == TARGET_FORK_DRY, body);
    (void)snprintf(target, sizeof target, "/_sw/runs/%s/fork", w->runs[c->run].id);
    set_order(c, "POST", target, has_key ? key : NULL, body);
}

static void make_bulk(client *c)
{
    char body[BULKED_BODY_MAX], key[16];
    bool has_key = c->target == TARGET_BULK && bulked_key(c->bulk, key);
    bulked_body(c->bulk, c->target == TARGET_BULK_DRY, body);
    set_order(c, "POST", "/_sw/bulk", has_key ? key : NULL, body);
}

static void make_signal(client *c)
{
    char target[TARGET_MAX], body[ASKED_BODY_MAX], key[SIGNALLED_KEY_MAX];
    bool has_key = signalled_key(c->signal, key);
    if (w->signals[c->signal].question > 0) {
        const char *type = asked_body(c, body);
        set_request(c, "POST %s HTTP/1.1\r\nHost: sim\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s",
                    asked_path(c->signal), type, strlen(body), body);
        return;
    }
    (void)snprintf(body, sizeof body, "%d", c->signal);
    (void)snprintf(target, sizeof target, "/_sw/runs/%s/signals/%c", w->runs[c->run].id, w->signals[c->signal].name);
    set_order(c, "POST", target, has_key ? key : NULL, body);
}

/* The URL of the run itself is its output's without that word. */
static void make_steer(client *c, const char *method, const char *what)
{
    if (c->wish == WISH_OPERATE) {
        make_order(c, method, what);
        return;
    }
    const char *end = strstr(c->output, "/output?");
    set_request(c, "%s %.*s%s%s HTTP/1.1\r\nHost: sim\r\n\r\n", method, (int)(end - c->output), c->output, what,
                end + strlen("/output"));
    if (c->run < 0) return;
    if (c->target == TARGET_RUN) w->runs[c->run].asked_to_cancel = true;
    if (c->target == TARGET_RELEASE) w->runs[c->run].asked_to_release = true;
}

static void make_request(client *c)
{
    switch (c->target) {
    case TARGET_ENDPOINT:
        make_post(c);
        break;
    case TARGET_OUTPUT:
        set_request(c, "GET %s HTTP/1.1\r\nHost: sim\r\n\r\n", c->output);
        break;
    case TARGET_STREAM:
        set_request(c, "GET %s HTTP/1.1\r\nHost: sim\r\nAccept: text/event-stream\r\nLast-Event-ID: %u\r\n\r\n",
                    c->stream, c->cursor);
        break;
    case TARGET_RUN:
        make_steer(c, "DELETE", "");
        break;
    case TARGET_RELEASE:
        make_steer(c, "POST", "/release");
        break;
    case TARGET_STOP:
        make_steer(c, "POST", "/stop");
        break;
    case TARGET_RESUME:
        make_resume(c);
        break;
    case TARGET_SHUT:
    case TARGET_OPEN:
    case TARGET_UNSHUT:
        make_setting(c);
        break;
    case TARGET_FORK_DRY:
    case TARGET_FORK:
        make_fork(c);
        break;
    case TARGET_BULK_DRY:
    case TARGET_BULK:
        make_bulk(c);
        break;
    case TARGET_BULK_RELEASE:
        make_order(c, "POST", "/release");
        break;
    case TARGET_SIGNAL:
        make_signal(c);
        break;
    case TARGET_QUESTION:
        set_request(c, "GET %s HTTP/1.1\r\nHost: sim\r\n\r\n", asked_path(c->signal));
        break;
    case TARGET_PAGE:
        make_steer(c, "GET", "");
        break;
    }
    c->sent = c->answer_len = c->frames_len = 0;
    c->status = 0;
    c->has_metadata = c->has_end = false;
}

static uint32_t begun_of(int of)
{
    uint32_t n = 0;
    for (unsigned i = 0; i < w->run_count; i++)
        for (unsigned o = 0; o < OPS_MAX && w->runs[i].job == of; o++) n += w->runs[i].ops[o].begun;
    return n;
}

/* How its run stands when it asks. */
static void note_run(client *c)
{
    const run_record *r = c->run >= 0 ? &w->runs[c->run] : NULL;
    c->stops_before = r && r->stop != 0 ? r->stops : 0;
    c->stops_seen = r ? r->stops : 0;
    c->releases_before = r ? r->releases : 0;
    c->entries_before = r ? r->entries : 0;
    c->forks_before = r ? forked_count(r) : 0;
    c->asked_ns = w->steady_ns;
    c->reopened_before = r ? r->reopened : 0;
    c->ended_before = r && r->ended && r->outcome != ENTRY_SUCCEEDED;
    c->begun_before = begun_of(c->job);
}

static bool begin(client *c)
{
    if (c->fd < 0 && !connect_to(c)) {
        c->at_ns = w->steady_ns + RECONNECT_MS * MS;
        return false;
    }
    make_request(c);
    c->requests++;
    note_run(c);
    shut_note(c);
    if (c->stays_ms > 0 && c->leaves_ns == 0) c->leaves_ns = w->steady_ns + c->stays_ms * MS;
    c->state = CLIENT_SENDS;
    world_note("client %d asks %.70s", client_number(c), c->request);
    return true;
}

void client_ask_again(client *c, client_target target, int64_t in_ms)
{
    if (!c->reuses || c->closes) client_close(c);
    c->target = target;
    c->state = CLIENT_AWAY;
    c->at_ns = w->steady_ns + in_ms * MS;
}

/* ---- Turns ---- */

static bool send_some(client *c)
{
    size_t left = c->request_len - c->sent;
    if (c->pace > 0 && left > c->pace) left = c->pace;
    ssize_t n = send(c->fd, c->request + c->sent, left, MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) return false;
    if (n < 0) {
        client_cut(c);
        return true;
    }
    c->sent += (size_t)n;
    if (c->sent == c->request_len) c->state = CLIENT_READS;
    return true;
}

static bool read_some(client *c)
{
    size_t room = sizeof c->answer - c->answer_len - 1;
    if (c->at_ns > w->steady_ns) return false;
    if (c->pace > 0 && room > c->pace) room = c->pace;
    ssize_t n = recv(c->fd, c->answer + c->answer_len, room, 0);
    if (n < 0 && errno == EAGAIN) return false;
    if (n <= 0) {
        client_cut(c);
        return true;
    }
    c->answer_len += (size_t)n;
    c->answer[c->answer_len] = 0;
    if (c->rest_ms > 0) c->at_ns = w->steady_ns + c->rest_ms * MS;
    client_read(c);
    return true;
}

static bool turn(client *c)
{
    bool open = c->state == CLIENT_SENDS || c->state == CLIENT_READS;
    if (open && c->leaves_ns > 0 && w->steady_ns >= c->leaves_ns) {
        world_note("client %d vanishes", client_number(c));
        c->stays_ms = 0;
        c->leaves_ns = 0;
        client_cut(c);
        return true;
    }
    switch (c->state) {
    case CLIENT_AWAY:
        return c->at_ns <= w->steady_ns && begin(c);
    case CLIENT_SENDS:
        return send_some(c);
    case CLIENT_READS:
        return read_some(c);
    default:
        return false;
    }
}

bool clients_turn(void)
{
    bool any = operator_turn();
    any = turn(operator_of()) || any;
    for (unsigned i = 0; i < w->plan.clients; i++) any = turn(&w->clients[i]) || any;
    return any;
}

static int64_t first(int64_t a, int64_t b) { return a < b ? a : b; }

static bool is_done(const client *c) { return c->state == CLIENT_DONE || c->state == CLIENT_GIVES_UP; }

static int64_t due_ns(const client *c)
{
    int64_t due = INT64_MAX;
    if (is_done(c)) return due;
    if (c->at_ns > w->steady_ns || c->state == CLIENT_AWAY) due = c->at_ns;
    if (c->leaves_ns > 0 && c->state != CLIENT_AWAY) due = first(due, c->leaves_ns);
    return due;
}

int64_t clients_due_ns(void)
{
    int64_t due = first(operator_due_ns(), due_ns(operator_of()));
    for (unsigned i = 0; i < w->plan.clients; i++) due = first(due, due_ns(&w->clients[i]));
    return due;
}

bool clients_done(void)
{
    for (unsigned i = 0; i < w->plan.clients; i++)
        if (!is_done(&w->clients[i])) return false;
    return true;
}

static bool waits_for_stopped(const client *c)
{
    const run_record *r = c->run >= 0 ? &w->runs[c->run] : NULL;
    return r ? standing(r) || called_rests(r, standing) : standing_lacks(c->job);
}

bool clients_at_rest(void)
{
    for (unsigned i = 0; i < w->plan.clients; i++)
        if (!is_done(&w->clients[i]) && !waits_for_stopped(&w->clients[i])) return false;
    return operator_due_ns() == INT64_MAX;
}

void clients_begin(void)
{
    operator_begin();
    for (unsigned i = 0; i < w->plan.clients; i++) {
        client *c = &w->clients[i];
        c->fd = -1;
        if (c->state == CLIENT_SENDS || c->state == CLIENT_READS) client_cut(c);
    }
}

void clients_audit(void)
{
    for (unsigned i = 0; i < w->plan.clients; i++) {
        client *c = &w->clients[i];
        if (c->state != CLIENT_DONE || c->audits++ > 0 || c->run < 0) continue;
        if (c->stream[0] && c->wish == WISH_STREAM) c->cursor = 0;
        c->leaves_ns = c->stays_ms = 0;
        if (c->stream[0] && c->wish == WISH_STREAM)
            client_ask_again(c, TARGET_STREAM, 0);
        else if (c->output[0])
            client_ask_again(c, TARGET_OUTPUT, 0);
        else if (w->jobs[c->job].key[0])
            client_ask_again(c, TARGET_ENDPOINT, 0);
    }
}

void clients_end(void)
{
    client_close(operator_of());
    for (unsigned i = 0; i < w->plan.clients; i++) client_close(&w->clients[i]);
}
