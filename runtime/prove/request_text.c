#include "runtime/prove/request_text.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/client/client.h"
#include "http/rfc_token.h"
#include "runtime/process/app.h"

enum { FUNCTION_TARGET_MAX = 256 };

/* ---- Which endpoint ---- */

static bool request_check_endpoint(const sw_app *app, http_text method, http_text path, char *error, size_t error_size)
{
    http_match m;
    http_match_result found = http_router_find(app->router, method, path, &m);
    const char *request = app->opt.prove;
    if (found == HTTP_MATCH_METHOD)
        (void)snprintf(error, error_size, "--prove \"%s\": this path takes %s", request, m.allow);
    else if (found != HTTP_MATCH_FOUND)
        (void)snprintf(error, error_size, "--prove \"%s\": the program has no such route", request);
    else if (((const endpoint *)m.target)->kind != ENDPOINT_DURABLE)
        (void)snprintf(error, error_size,
                       "--prove \"%s\": this is no durable endpoint (sw_endpoint): it has no run that could be resumed",
                       request);
    else
        return true;
    return false;
}

bool request_is_of_function(const sw_app *app)
{
    const endpoint *e = app_endpoint(app, app->opt.prove, strlen(app->opt.prove));
    return e && e->function;
}

/* Splits "METHOD /path?query" and checks that it names a durable endpoint. */
static bool request_split(const sw_app *app, http_text *method, http_text *target, char *error, size_t error_size)
{
    const char *text = app->opt.prove, *space = strchr(text, ' ');
    if (!space && *text && *text != '/') {
        (void)snprintf(error, error_size,
                       "--prove \"%s\": the program has no such function; a request is a method and a path, as "
                       "\"POST /orders?express=1\"",
                       text);
        return false;
    }
    bool ok = space && space > text && space[1] == '/' && is_rfc_token(text, (size_t)(space - text));
    for (const char *p = ok ? space + 1 : ""; *p; p++) ok = ok && (unsigned char)*p > 0x20 && *p != 0x7f && *p != '#';
    if (!ok) {
        (void)snprintf(error, error_size, "--prove \"%s\": must be a method and a path, as \"POST /orders?express=1\"",
                       text);
        return false;
    }
    *method = (http_text){text, (size_t)(space - text)};
    *target = (http_text){space + 1, strlen(space + 1)};
    http_text path = {target->data, strcspn(target->data, "?")};
    char *name = strndup(text, method->len), *own_path = strndup(path.data, path.len);
    ok =
        name && own_path &&
        request_check_endpoint(app, (http_text){name, method->len}, (http_text){own_path, path.len}, error, error_size);
    free(name);
    free(own_path);
    return ok;
}

/* ---- Body and headers ---- */

static char *body_read(const char *path, int64_t bytes_max, size_t *len, char *error, size_t error_size)
{
    FILE *file = fopen(path, "re");
    char *body = file ? malloc((size_t)bytes_max + 1) : NULL;
    *len = body ? fread(body, 1, (size_t)bytes_max + 1, file) : 0;
    bool failed = !body || ferror(file), too_large = *len > (size_t)bytes_max;
    if (failed)
        (void)snprintf(error, error_size, "--prove-body @%s: %s", path, strerror(errno));
    else if (too_large)
        (void)snprintf(error, error_size, "--prove-body @%s: the file is larger than --body-max", path);
    if (file) (void)fclose(file);
    if (!failed && !too_large) return body;
    free(body);
    return NULL;
}

static char *body_make(const sw_options *o, size_t *len, char *error, size_t error_size)
{
    const char *given = o->prove_body ? o->prove_body : "";
    if (*given == '@') return body_read(given + 1, o->body_max, len, error, error_size);
    *len = strlen(given);
    char *body = strdup(given);
    if (!body) (void)snprintf(error, error_size, "out of memory");
    return body;
}

static bool headers_have(const sw_options *o, const char *name)
{
    for (const char *const *h = o->prove_headers; h && *h; h++)
        if (header_is(*h, name)) return true;
    return false;
}

static bool headers_check(const sw_options *o, char *error, size_t error_size)
{
    for (const char *const *h = o->prove_headers; h && *h; h++) {
        const char *colon = strchr(*h, ':');
        char *name = colon ? strndup(*h, (size_t)(colon - *h)) : NULL;
        bool ok = name && http_header_valid(name, colon + 1 + strspn(colon + 1, " \t"));
        free(name);
        if (ok) continue;
        (void)snprintf(error, error_size, "--prove-header \"%s\": must be \"Name: value\"", *h);
        return false;
    }
    if (!headers_have(o, "content-length") && !headers_have(o, "transfer-encoding")) return true;
    (void)snprintf(error, error_size, "--prove-header: the body's length is set by --prove itself");
    return false;
}

static void request_print_head(FILE *to, const sw_options *o, http_text method, http_text target, size_t body_len)
{
    assert(method.len > 0);
    assert(target.data[0] == '/');
    (void)fprintf(to, "%.*s %s HTTP/1.1\r\n", (int)method.len, method.data, target.data);
    if (!headers_have(o, "host")) (void)fprintf(to, "Host: 127.0.0.1\r\n");
    if (body_len > 0 && !headers_have(o, "content-type")) (void)fprintf(to, "Content-Type: application/json\r\n");
    for (const char *const *h = o->prove_headers; h && *h; h++) (void)fprintf(to, "%s\r\n", *h);
    if (body_len > 0 || o->prove_body) (void)fprintf(to, "Content-Length: %zu\r\n", body_len);
    (void)fprintf(to, "Connection: close\r\n\r\n");
}

/* Writes a request with the body that is given: `line` is its method and target. NULL with a message: the body cannot
 * be read, or there is no memory. */
static char *request_write(const sw_options *o, const http_text line[2], size_t *len, char *error, size_t error_size)
{
    size_t body_len = 0;
    char *text = NULL, *body = body_make(o, &body_len, error, error_size);
    if (!body) return NULL;
    FILE *to = open_memstream(&text, len);
    if (to) {
        request_print_head(to, o, line[0], line[1], body_len);
        (void)fwrite(body, 1, body_len, to);
        bool ok = fclose(to) == 0;
        if (!ok) free(text);
        if (!ok) text = NULL;
    }
    if (!text) (void)snprintf(error, error_size, "out of memory for the request");
    free(body);
    return text;
}

/* The request by which an operator begins a function. */
static char *request_text_of_function(const sw_options *o, size_t *len, char *error, size_t error_size)
{
    char target[FUNCTION_TARGET_MAX];
    if (o->prove_headers && *o->prove_headers) {
        (void)snprintf(error, error_size, "--prove \"%s\": a function has no headers (--prove-header, -H)", o->prove);
        return NULL;
    }
    int n = snprintf(target, sizeof target, "/_sw/functions/%s", o->prove);
    assert(n > 0 && (size_t)n < sizeof target); /* a name that the program has */
    const http_text line[2] = {{"POST", 4}, {target, (size_t)n}};
    return request_write(o, line, len, error, error_size);
}

char *request_text(const sw_app *app, size_t *len, char *error, size_t error_size)
{
    const sw_options *o = &app->opt;
    http_text line[2];
    assert(o->prove);
    if (request_is_of_function(app)) return request_text_of_function(o, len, error, error_size);
    if (!request_split(app, &line[0], &line[1], error, error_size) || !headers_check(o, error, error_size)) return NULL;
    return request_write(o, line, len, error, error_size);
}
