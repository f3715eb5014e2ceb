/* answer: what a peer sends for a call: head and body as curl hands them over, checked and copied. Header lines lie in
 * call->head as "Name: value", each ended by a zero. */
#include <assert.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "http/client/client_core.h"

enum { REDIRECT_BODY_MAX = 64 << 10 };

static void head_reset(http_call *call)
{
    call->head.start = call->head.len = 0;
    call->header_count = 0;
    call->has_location = false;
}

/* Notes the reason in the call, since curl_easy_pause may lose curl's own error. Returns what makes curl end. */
static size_t answer_refuse(http_call *call, http_call_error_kind kind, const char *why)
{
    assert(kind != HTTP_CALL_OK);
    call->error = kind;
    call->refusal = why;
    return 0;
}

/* ---- The head ---- */

/* Returns the digits of a length, or of the first of equal lengths in a list (RFC 9110, 8.6). *len 0: neither is there.
 */
static const char *head_length_digits(const char *value, size_t *len)
{
    size_t first = strspn(value, "0123456789");
    const char *at = value + first;
    *len = 0;
    for (;;) {
        at += strspn(at, " \t");
        if (!*at) break;
        if (*at++ != ',') return value;
        at += strspn(at, " \t");
        if (strspn(at, "0123456789") != first || strncmp(at, value, first) != 0) return value;
        at += first;
    }
    *len = first;
    return value;
}

/* Says why nobody should trust this head: readers would disagree where the body ends, or what a line says. NULL: it can
 * be trusted. */
static const char *head_misfit(http_call *call)
{
    const char *length = NULL, *at = call->head.data ? call->head.data + call->head.start : "";
    size_t length_len = 0;
    call->has_location = false;
    for (size_t i = 0; i < call->header_count; i++, at += strlen(at) + 1) {
        size_t len, name_len = strcspn(at, ":");
        if (name_len == 0 || !at[name_len]) return "the response has a header line without a name";
        call->has_location |= header_is(at, "Location") && *header_value(at);
        if (!header_is(at, "Content-Length")) continue;
        const char *digits = head_length_digits(header_value(at), &len);
        if (len == 0) return "the response has a Content-Length that is no number";
        if (length && (len != length_len || memcmp(digits, length, len) != 0))
            return "the response has two different Content-Lengths";
        length = digits;
        length_len = len;
    }
    return NULL;
}

static size_t answer_end_head(http_call *call, size_t taken)
{
    long status = 0;
    assert(call->state == HTTP_CALL_RUNNING);
    (void)curl_easy_getinfo(call->easy->curl, CURLINFO_RESPONSE_CODE, &status);
    call->status = (int)status;
    const char *misfit = head_misfit(call);
    if (misfit) return answer_refuse(call, HTTP_CALL_UNREADABLE, misfit);
    /* Interim responses and redirects that are followed are not the answer. */
    call->redirected = redirect_wanted(call, status);
    call->head_final = status >= 200 && !call->redirected;
    if (!call->head_final) return taken;
    call->state = HTTP_CALL_HEAD;
    call_announce(call);
    return taken;
}

/* Appends a line to the head; one that begins with a space goes on with the line before, after one space (RFC 9112,
 * 5.2). False: no memory. */
static bool head_add_line(http_call *call, const char *line, size_t len)
{
    assert(len > 0);
    if (*line == ' ' || *line == '\t') {
        assert(call->header_count > 0);
        assert(call->head.len > 0);
        while (len > 0 && (*line == ' ' || *line == '\t')) line++, len--;
        call->head.data[call->head.start + --call->head.len] = 0;
        return bytes_append(&call->head, " ", 1) && bytes_append(&call->head, line, len) &&
               bytes_append(&call->head, "", 1);
    }
    call->header_count++;
    return bytes_append(&call->head, line, len) && bytes_append(&call->head, "", 1);
}

size_t answer_on_header(char *data, size_t size, size_t count, void *easy)
{
    http_call *call = ((client_easy *)easy)->call;
    size_t taken = size * count, len = taken;
    assert(call->easy == easy);
    while (len > 0 && (data[len - 1] == '\r' || data[len - 1] == '\n')) len--;
    call->last_byte_ms = uv_now(call->client->loop);
    if (call->head_final) return taken; /* trailers */
    if (len >= 5 && memcmp(data, "HTTP/", 5) == 0) {
        head_reset(call);
        return taken;
    }
    if (len == 0) return answer_end_head(call, taken);
    if (memchr(data, 0, len)) return answer_refuse(call, HTTP_CALL_UNREADABLE, "the response has a zero in its head");
    if (call->head.len + len > CLIENT_HEAD_BYTES_MAX)
        return answer_refuse(call, HTTP_CALL_TOO_LARGE, "the response's head is larger than 256 KiB");
    if (call->header_count == 0 && (*data == ' ' || *data == '\t'))
        return answer_refuse(call, HTTP_CALL_UNREADABLE, "the response's head begins with the rest of a header");
    return head_add_line(call, data, len) ? taken : answer_refuse(call, HTTP_CALL_OTHER, "out of memory");
}

/* ---- The body ---- */

size_t answer_on_body(char *data, size_t size, size_t count, void *easy)
{
    http_call *call = ((client_easy *)easy)->call;
    size_t len = size * count;
    assert(call->easy == easy);
    call->last_byte_ms = uv_now(call->client->loop);
    if (!call->head_final) { /* the body of a redirect: reading a long one costs more than a new connection */
        call->skipped += len;
        return call->skipped <= REDIRECT_BODY_MAX ? len : 0;
    }
    size_t have = call->front.len + call->back.len;
    if (call->streaming && have >= CLIENT_UNTAKEN_BYTES_MAX) {
        call->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (!call->streaming && have + len > call->body_bytes_max)
        return answer_refuse(call, HTTP_CALL_TOO_LARGE, NULL); /* failure.c names the limit */
    call->received += len;
    return call_take_body(call, data, len) ? len : answer_refuse(call, HTTP_CALL_OTHER, "out of memory");
}

/* ---- The end ---- */

/* How many bytes an empty body may have in each encoding. */
static const struct {
    const char *name;
    curl_off_t least, most; /* gzip has names and comments, the others have blocks that only flush */
} empties[] = {{"gzip", 20, 1024}, {"x-gzip", 20, 1024}, {"deflate", 2, 64}, {"br", 1, 16}, {"zstd", 9, 64}};

/* curl unpacks a body and reports no error when the packed bytes end too early. Only a body of which nothing could be
 * unpacked shows that here: it would count as empty. */
const char *answer_cut_reason(const http_call *call, curl_off_t wire_bytes)
{
    assert(call->head_final);
    const char *at = call->head.data ? call->head.data + call->head.start : "";
    if (call->takes_encoded || call->received > 0 || wire_bytes == 0) return NULL;
    for (size_t i = 0; i < call->header_count; i++, at += strlen(at) + 1) {
        if (!header_is(at, "Content-Encoding")) continue;
        for (size_t k = 0; k < sizeof empties / sizeof empties[0]; k++) {
            if (strcasecmp(header_value(at), empties[k].name) != 0) continue;
            if (wire_bytes < empties[k].least || wire_bytes > empties[k].most)
                return "the response's body ends inside its encoding";
        }
    }
    return NULL;
}
