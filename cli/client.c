#include "cli/client.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/safe.h"
#include "runtime/base/json_reader.h"

enum {
    TOKEN_BYTES_MAX = 4096,
    CONNECT_MS = 10000,
    SHORT_MS = 120000,
    FOLLOW_SILENCE_S = 60, /* the server sends a heartbeat more often */
    LINE_BYTES_MAX = 1 << 20,
    DETAIL_COLUMNS = 500
};
static const size_t body_bytes_max = (size_t)1 << 30;
static const char default_url[] = "http://127.0.0.1:8081";

/* What a response brings. */
typedef struct arriving {
    char *data; /* malloc'd */
    size_t len, room;
    bool (*on_line)(void *arg, const char *line); /* NULL: the whole is wanted */
    void *arg;
    bool stopped; /* on_line wants no more */
} arriving;

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

/* Reads the header with the token. False: it cannot be read, and that was said. *header NULL: there is no token. */
static bool read_token(cli *c, char **header)
{
    const char *path = c->values[OPTION_TOKEN_FILE];
    char token[TOKEN_BYTES_MAX + 2] = "";
    *header = NULL;
    if (!path) path = getenv("STEPWELL_TOKEN_FILE");
    if (!path || !*path) return true;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, token, TOKEN_BYTES_MAX + 1);
    if (fd >= 0) close(fd);
    if (len < 0) {
        (void)cli_fail(CLI_USAGE, "the token's file %s: %m", path);
        return false;
    }
    while (len > 0 && strchr(" \t\r\n", token[len - 1])) len--;
    token[len] = 0;
    bool is_plain = len > 0 && len <= TOKEN_BYTES_MAX;
    for (ssize_t i = 0; i < len; i++) is_plain = is_plain && token[i] > ' ' && token[i] < 0x7f;
    if (is_plain)
        *header = cli_text(c, "Authorization: Bearer %s", token);
    else
        (void)cli_fail(CLI_USAGE, "the token's file %s has no token: one line of 16 to 4,096 characters", path);
    explicit_bzero(token, sizeof token);
    return is_plain;
}

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

static size_t on_data(char *data, size_t size, size_t count, void *arg)
{
    arriving *a = arg;
    size_t len = size * count, most = a->on_line ? LINE_BYTES_MAX : body_bytes_max;
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
    if (a->on_line) arriving_give_lines(a);
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
    long timeout_ms; /* 0: none */
} asking;

static CURL *make_handle(cli *c, const asking *q, arriving *into)
{
    CURL *h = curl_easy_init();
    cli_must(h);
    set_address(h, c, q->path);
    (void)curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, q->method);
    if (q->body) (void)curl_easy_setopt(h, CURLOPT_COPYPOSTFIELDS, q->body);
    (void)curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(h, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    (void)curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, q->timeout_ms);
    if (into->on_line) (void)curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, 1L);
    if (into->on_line) (void)curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, (long)FOLLOW_SILENCE_S);
    (void)curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_data);
    (void)curl_easy_setopt(h, CURLOPT_WRITEDATA, into);
    return h;
}

static cli_end ask(cli *c, const asking *q, arriving *into, long *status)
{
    char *token, why[CURL_ERROR_SIZE] = "";
    if (!read_token(c, &token)) return CLI_USAGE;
    CURL *h = make_handle(c, q, into);
    struct curl_slist *headers = curl_slist_append(NULL, q->body ? "Content-Type: application/json" : "Content-Type:");
    if (into->on_line) headers = curl_slist_append(headers, "Accept: text/event-stream");
    if (token) headers = curl_slist_append(headers, token);
    cli_must(headers);
    (void)curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(h, CURLOPT_ERRORBUFFER, why);
    CURLcode rc = curl_easy_perform(h);
    (void)curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(h);
    if (token) explicit_bzero(token, strlen(token));
    if (rc == CURLE_OK || into->stopped) return CLI_DONE;
    return cli_fail(CLI_NOT_THERE, "%s does not answer: %s (--url, STEPWELL_ADMIN_URL)", client_address(c),
                    *why ? why : curl_easy_strerror(rc));
}

static cli_end call(cli *c, const asking *q, cli_reply *out)
{
    arriving into = {.data = NULL};
    const char *message;
    *out = (cli_reply){.json = sw_nil()};
    cli_end end = ask(c, q, &into, &out->status);
    if (end == CLI_DONE) {
        out->body = cli_bytes(c, into.data ? into.data : "", into.len);
        out->len = into.len;
        if (!json_read(&c->arena, out->body, out->len, &out->json, &message)) out->json = sw_nil();
    }
    free(into.data);
    return end;
}

cli_end client_call(cli *c, const char *method, const char *path, const char *body, cli_reply *out)
{
    return call(c, &(asking){.method = method, .path = path, .body = body, .timeout_ms = SHORT_MS}, out);
}

cli_end client_call_long(cli *c, const char *method, const char *path, cli_reply *out)
{
    return call(c, &(asking){.method = method, .path = path}, out);
}

cli_end client_follow(cli *c, const char *path, bool (*on_line)(void *arg, const char *line), void *arg)
{
    arriving into = {.on_line = on_line, .arg = arg};
    long status = 0;
    cli_end end = ask(c, &(asking){.method = "GET", .path = path}, &into, &status);
    if (end == CLI_DONE && status >= 300) {
        cli_reply reply;
        end = client_call(c, "GET", path, NULL, &reply); /* its problem, whole */
        if (end == CLI_DONE) end = client_refused(c, &reply);
    }
    free(into.data);
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

cli_end client_get(cli *c, const char *path, cli_reply *out)
{
    cli_end end = client_call(c, "GET", path, NULL, out);
    if (end != CLI_DONE) return end;
    if (out->status < 200 || out->status >= 300) return client_refused(c, out);
    if (sw_is_nil(out->json))
        return cli_fail(CLI_REFUSED, "%s answers no JSON: is it the admin API?", client_address(c));
    return CLI_DONE;
}
