#include "cli/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/safe.h"
#include "cli/view.h"
#include "runtime/base/clock.h"
#include "runtime/base/json_reader.h"
#include "storage/run_id.h"

enum {
    TOKEN_BYTES_MAX = 4096,
    CONNECT_MS = 10000,
    SHORT_MS = 120000,
    FOLLOW_SILENCE_S = 60, /* a server sends a heartbeat every 15 s, unless --heartbeat says otherwise */
    PATIENCE_MS = 60000,
    LINE_BYTES_MAX = 1 << 20,
    DETAIL_COLUMNS = 500
};
static const size_t body_bytes_max = (size_t)1 << 30;
static const char default_url[] = "http://127.0.0.1:8081";

/* What a response brings. */
typedef struct arriving {
    char *data; /* malloc'd */
    size_t len, room;
    CURL *from;
    bool (*on_line)(void *arg, const char *line); /* NULL: the whole is wanted */
    void *arg;
    bool stopped;              /* on_line wants no more */
    char why[CURL_ERROR_SIZE]; /* curl's reason */
} arriving;

static char token_header[64 + TOKEN_BYTES_MAX]; /* "": there is no token */
static bool token_is_read, has_answered;

/* ---- Where ---- */

const char *client_address(const cli *c)
{
    const char *given = c->values[OPTION_URL];
    if (!given || !*given) given = getenv("STEPWELL_ADMIN_URL");
    return given && *given ? given : default_url;
}

/* The path of a socket; NULL: the address is a URL. */
static const char *socket_path(const char *address)
{
    if (strncmp(address, "unix:", 5) == 0) return address + 5;
    return *address == '/' ? address : NULL;
}

char *client_escape(cli *c, const char *text)
{
    char *escaped = curl_easy_escape(NULL, text, 0);
    cli_must(escaped);
    char *copy = cli_bytes(c, escaped, strlen(escaped));
    curl_free(escaped);
    return copy;
}

/* ---- The token ---- */

/* Reads at most `size` bytes to the file's end, which may be a pipe's. -1 with errno. */
static ssize_t read_file(const char *path, char *to, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = 0, n = fd < 0 ? -1 : 1;
    while (n > 0 && len < (ssize_t)size && (n = read(fd, to + len, size - (size_t)len)) > 0) len += n;
    int reason = errno;
    if (fd >= 0) close(fd);
    errno = reason;
    return n < 0 ? -1 : len;
}

static bool token_is_plain(const char *token, ssize_t len)
{
    bool is_plain = len > 0 && len <= TOKEN_BYTES_MAX;
    for (ssize_t i = 0; i < len; i++) is_plain = is_plain && token[i] > ' ' && token[i] < 0x7f;
    return is_plain;
}

/* Reads the token once: its file may be a pipe. False: it cannot be read, and that was said. */
static bool read_token(const cli *c)
{
    const char *path = c->values[OPTION_TOKEN_FILE];
    char token[TOKEN_BYTES_MAX + 2] = "";
    if (!path) path = getenv("STEPWELL_TOKEN_FILE");
    if (token_is_read || !path || !*path) return true;
    ssize_t len = read_file(path, token, TOKEN_BYTES_MAX + 1);
    if (len < 0) {
        (void)cli_fail(CLI_USAGE, "the token's file %s: %m", path);
        return false;
    }
    while (len > 0 && strchr(" \t\r\n", token[len - 1])) len--;
    token[len] = 0;
    token_is_read = token_is_plain(token, len);
    if (token_is_read)
        (void)snprintf(token_header, sizeof token_header, "Authorization: Bearer %s", token);
    else
        (void)cli_fail(CLI_USAGE, "the token's file %s has no token: one line of 16 to 4,096 characters", path);
    explicit_bzero(token, sizeof token);
    return token_is_read;
}

void client_end(void) { explicit_bzero(token_header, sizeof token_header); }

/* ---- A request ---- */

/* Gives the whole lines that are there to on_line. */
static void arriving_give_lines(arriving *a)
{
    char *from = a->data, *end;
    while (!a->stopped && (end = memchr(from, '\n', a->len - (size_t)(from - a->data)))) {
        *end = 0;
        if (end > from && end[-1] == '\r') end[-1] = 0;
        a->stopped = !a->on_line(a->arg, from);
        from = end + 1;
    }
    a->len -= (size_t)(from - a->data);
    memmove(a->data, from, a->len);
}

static long status_of(CURL *h)
{
    long status = 0;
    (void)curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static size_t on_data(char *data, size_t size, size_t count, void *arg)
{
    arriving *a = arg;
    bool is_followed = a->on_line && status_of(a->from) < 300; /* else a problem comes, which is wanted whole */
    size_t len = size * count, most = is_followed ? LINE_BYTES_MAX : body_bytes_max;
    if (a->len + len > most) return 0;
    if (a->len + len + 1 > a->room) {
        size_t room = (a->len + len + 1) * 2;
        char *more = realloc(a->data, room);
        if (!more) return 0;
        a->data = more;
        a->room = room;
    }
    memcpy(a->data + a->len, data, len);
    a->len += len;
    if (is_followed) arriving_give_lines(a);
    return a->stopped ? 0 : len;
}

static void set_address(CURL *h, cli *c, const char *path)
{
    const char *address = client_address(c), *file = socket_path(address);
    size_t len = strlen(address);
    if (file) {
        (void)curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, file);
        (void)curl_easy_setopt(h, CURLOPT_URL, cli_text(c, "http://localhost%s", path));
        return;
    }
    while (len > 0 && address[len - 1] == '/') len--;
    (void)curl_easy_setopt(h, CURLOPT_URL, cli_text(c, "%.*s%s", (int)len, address, path));
}

typedef struct asking {
    const char *method, *path, *body;
    const char *key; /* NULL: none */
    long timeout_ms; /* 0: none */
    bool is_patient;
} asking;

static CURL *make_handle(cli *c, const asking *q, arriving *into)
{
    CURL *h = curl_easy_init();
    cli_must(h);
    set_address(h, c, q->path);
    (void)curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, q->method);
    if (q->body) (void)curl_easy_setopt(h, CURLOPT_COPYPOSTFIELDS, q->body);
    (void)curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(h, CURLOPT_PATH_AS_IS, 1L); /* else dots in a name would lead to another path */
    (void)curl_easy_setopt(h, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    (void)curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, q->timeout_ms);
    if (into->on_line) (void)curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, 1L);
    if (into->on_line) (void)curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, (long)FOLLOW_SILENCE_S);
    (void)curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_data);
    (void)curl_easy_setopt(h, CURLOPT_WRITEDATA, into);
    into->from = h;
    return h;
}

/* Asks once. Returns why nothing was answered, a text of `into` or static; NULL: there is an answer, with *status. */
static const char *ask_once(cli *c, const asking *q, arriving *into, long *status)
{
    cli one = cli_beside(c);
    CURL *h = make_handle(&one, q, into);
    struct curl_slist *headers = curl_slist_append(NULL, q->body ? "Content-Type: application/json" : "Content-Type:");
    if (into->on_line) headers = curl_slist_append(headers, "Accept: text/event-stream");
    if (q->key) headers = curl_slist_append(headers, cli_text(&one, "Idempotency-Key: %s", q->key));
    if (*token_header) headers = curl_slist_append(headers, token_header);
    cli_must(headers);
    *into->why = 0;
    (void)curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(h, CURLOPT_ERRORBUFFER, into->why);
    CURLcode rc = curl_easy_perform(h);
    *status = status_of(h);
    for (struct curl_slist *at = headers; at; at = at->next)
        if (*token_header && strcmp(at->data, token_header) == 0) explicit_bzero(at->data, strlen(at->data));
    curl_slist_free_all(headers);
    curl_easy_cleanup(h);
    arena_free(&one.arena);
    bool is_followed = into->on_line && *status > 0 && *status < 300;
    if (rc == CURLE_OK || into->stopped || is_followed) return NULL;
    return *into->why ? into->why : curl_easy_strerror(rc);
}

/* Whether the server is away, or about to go, and may be there again in a moment. */
static bool is_away(const char *why, long status) { return why || status == 503; }

static cli_end ask(cli *c, const asking *q, arriving *into, long *status)
{
    const char *why = NULL;
    if (!read_token(c)) return CLI_USAGE;
    int64_t until_ms = q->is_patient && has_answered ? clock_steady_ms() + PATIENCE_MS : 0;
    for (bool is_first = true;; is_first = false) {
        into->len = 0;
        why = ask_once(c, q, into, status);
        if (!is_away(why, *status) || clock_steady_ms() >= until_ms) break;
        if (is_first) fprintf(stderr, "stepwell: %s is away: looking for it again\n", client_address(c));
        (void)sleep(1);
    }
    has_answered = has_answered || !why;
    if (!why) return CLI_DONE;
    return cli_fail(CLI_NOT_THERE, "%s does not answer: %s (--url, STEPWELL_ADMIN_URL)", client_address(c), why);
}

/* Makes the reply of what has come, which is freed. */
static void take_reply(cli *c, arriving *into, cli_reply *out)
{
    const char *message;
    out->body = cli_bytes(c, into->data ? into->data : "", into->len);
    out->len = into->len;
    if (!json_read_document(&c->arena, out->body, out->len, &out->json, &message)) out->json = sw_nil();
    free(into->data);
    into->data = NULL;
}

static cli_end call(cli *c, const asking *q, cli_reply *out)
{
    arriving into = {.data = NULL};
    *out = (cli_reply){.json = sw_nil()};
    cli_end end = ask(c, q, &into, &out->status);
    if (end == CLI_DONE) take_reply(c, &into, out);
    free(into.data);
    return end;
}

cli_end client_call(cli *c, const char *method, const char *path, const char *body, cli_reply *out)
{
    return call(c, &(asking){.method = method, .path = path, .body = body, .timeout_ms = SHORT_MS}, out);
}

cli_end client_ask(cli *c, const client_request *q, cli_reply *out)
{
    return call(c,
                &(asking){.method = q->method, .path = q->path, .body = q->body, .key = q->key, .timeout_ms = SHORT_MS},
                out);
}

cli_end client_call_long(cli *c, const char *method, const char *path, cli_reply *out)
{
    return call(c, &(asking){.method = method, .path = path}, out);
}

cli_end client_follow(cli *c, const char *path, bool (*on_line)(void *arg, const char *line), void *arg)
{
    arriving into = {.on_line = on_line, .arg = arg};
    cli_reply reply = {.json = sw_nil()};
    cli one = cli_beside(c);
    cli_end end = ask(c, &(asking){.method = "GET", .path = path, .is_patient = true}, &into, &reply.status);
    if (end == CLI_DONE && reply.status >= 300) {
        take_reply(&one, &into, &reply);
        end = client_refused(&one, &reply);
    }
    free(into.data);
    arena_free(&one.arena);
    return end;
}

/* ---- Answers ---- */

cli_end client_refused(cli *c, const cli_reply *reply)
{
    sw_value detail = sw_get(reply->json, "detail");
    bool is_text = sw_type(detail) == SW_STRING;
    const char *text = is_text ? detail.via.str.ptr : reply->body;
    size_t len = is_text ? sw_len(detail) : reply->len;
    return cli_fail(CLI_REFUSED, "the server refused (%ld): %s", reply->status,
                    safe_text(c, text, len, DETAIL_COLUMNS));
}

/* Asks, and says what was refused. */
static cli_end call_to_do(cli *c, const asking *q, cli_reply *out)
{
    cli_end end = call(c, q, out);
    if (end != CLI_DONE) return end;
    return out->status >= 200 && out->status < 300 ? CLI_DONE : client_refused(c, out);
}

cli_end client_tell_run(cli *c, const cli_reply *reply)
{
    sw_value id = sw_get(reply->json, "runId");
    if (sw_type(id) != SW_STRING)
        return cli_fail(CLI_REFUSED, "%s names no run: is it the admin API?", client_address(c));
    if (cli_has(c, OPTION_JSON))
        view_print_json(c, reply->json);
    else
        printf("%s\n", view_text(c, id, 0));
    return CLI_DONE;
}

cli_end client_do(cli *c, const char *method, const char *path, const char *body, cli_reply *out)
{
    return call_to_do(c, &(asking){.method = method, .path = path, .body = body, .timeout_ms = SHORT_MS}, out);
}

static cli_end get(cli *c, const asking *q, cli_reply *out)
{
    cli_end end = call_to_do(c, q, out);
    if (end != CLI_DONE) return end;
    if (sw_is_nil(out->json))
        return cli_fail(CLI_REFUSED, "%s answers no JSON: is it the admin API?", client_address(c));
    return CLI_DONE;
}

cli_end client_get(cli *c, const char *path, cli_reply *out)
{
    return get(c, &(asking){.method = "GET", .path = path, .timeout_ms = SHORT_MS}, out);
}

static cli_end get_patiently(cli *c, const char *path, cli_reply *out)
{
    return get(c, &(asking){.method = "GET", .path = path, .timeout_ms = SHORT_MS, .is_patient = true}, out);
}

cli_end client_look(cli *c, const char *run, sw_value *line)
{
    const char *id = client_escape(c, run);
    run_id whole;
    cli_reply reply = {.json = sw_nil()};
    cli_end end = CLI_DONE;
    *line = sw_nil();
    if (run_id_parse(run, strlen(run), &whole)) {
        end = get_patiently(c, cli_text(c, "/_sw/runs?limit=1&id=%s", id), &reply);
        *line = sw_at(sw_get(reply.json, "runs"), 0);
    }
    if (end != CLI_DONE || !sw_is_nil(*line)) return end;
    end = get_patiently(c, cli_text(c, "/_sw/runs/%s", id), &reply); /* which says why there is no line */
    *line = reply.json;
    return end;
}
