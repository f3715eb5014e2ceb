#include "runtime/trace/span.h"

#include <assert.h>
#include <string.h>
#include <time.h>

#include "runtime/base/clock.h"
#include "runtime/base/utf8.h"

/* The names of OpenTelemetry's semantic conventions, where there are some; else Stepwell's own. */
static const char *const key_names[SPAN_KEYS] = {
    [SPAN_HTTP_METHOD] = "http.request.method",
    [SPAN_HTTP_ROUTE] = "http.route",
    [SPAN_HTTP_STATUS] = "http.response.status_code",
    [SPAN_HTTP_RESPONSE_BYTES] = "http.response.body.size",
    [SPAN_URL_FULL] = "url.full",
    [SPAN_URL_PATH] = "url.path",
    [SPAN_URL_SCHEME] = "url.scheme",
    [SPAN_SERVER_ADDRESS] = "server.address",
    [SPAN_SERVER_PORT] = "server.port",
    [SPAN_ERROR_TYPE] = "error.type",
    [SPAN_RUN] = "stepwell.run.id",
    [SPAN_RUN_OUTCOME] = "stepwell.run.outcome",
    [SPAN_STEP] = "stepwell.step.id",
    [SPAN_STEP_PATH] = "stepwell.step.path",
    [SPAN_ATTEMPT] = "stepwell.attempt",
    [SPAN_BRANCH] = "stepwell.branch",
    [SPAN_EPOCH] = "stepwell.epoch",
    [SPAN_WAIT] = "stepwell.wait",
    [SPAN_USAGE_MODEL] = "gen_ai.request.model",
    [SPAN_USAGE_INPUT] = "gen_ai.usage.input_tokens",
    [SPAN_USAGE_OUTPUT] = "gen_ai.usage.output_tokens",
    [SPAN_USAGE_UNITS] = "stepwell.usage.units",
};

const char *span_key_name(span_key key) { return key < SPAN_KEYS ? key_names[key] : NULL; }

CLOCK_READER uint64_t span_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

uint32_t span_flags(const span *s)
{
    enum { PARENT_IS_KNOWN = 0x100, PARENT_IS_REMOTE = 0x200 };
    return TRACE_FLAG_SAMPLED | PARENT_IS_KNOWN | (s->is_request && s->parent ? PARENT_IS_REMOTE : 0);
}

/* ---- Items: a key, a type, and 8 bytes of a number, or the length of a text (2 bytes, in the machine's order) and the
 * text ---- */

/* What a span says of its end has room left: a caller decides how long the target and the tracestate are. */
enum { END_BYTES = 128 };

static bool key_is_of_end(span_key key)
{
    return key == SPAN_HTTP_STATUS || key == SPAN_ERROR_TYPE || key == SPAN_MESSAGE || key == SPAN_RUN_OUTCOME;
}

static size_t span_room(const span *s, span_key key)
{
    const size_t left = sizeof s->items - s->len, kept = key_is_of_end(key) ? 0 : END_BYTES;
    return left > kept ? left - kept : 0;
}

enum { ITEM_NUMBER = 1, ITEM_TEXT = 2, HEAD_BYTES = 2, LENGTH_BYTES = 2, NUMBER_BYTES = 8 };

/* Sets the length last, so that of a process that ends in between the item is whole or not there. */
static void span_grow(span *s, size_t bytes)
{
    assert(s->len + bytes <= sizeof s->items);
    __atomic_store_n(&s->len, (uint16_t)(s->len + bytes), __ATOMIC_RELEASE);
}

/* Copies a text; bytes that are no UTF-8 become '?', since collectors refuse the whole batch for one. */
static void text_copy(char *to, const char *text, size_t len)
{
    size_t at = utf8_ascii((const uint8_t *)text, len);
    memcpy(to, text, at);
    while (at < len) {
        size_t bytes = utf8_length((const uint8_t *)text + at, len - at);
        if (bytes == 0)
            to[at++] = '?';
        else
            for (; bytes > 0; bytes--, at++) to[at] = text[at];
    }
}

void span_put_bytes(span *s, span_key key, const char *text, size_t len)
{
    if (!text || len == 0) return;
    size_t room = span_room(s, key), head = HEAD_BYTES + LENGTH_BYTES;
    if (len > SPAN_TEXT_MAX && key != SPAN_STATE) len = utf8_whole(text, SPAN_TEXT_MAX);
    if (key == SPAN_MESSAGE && room > head && len > room - head) len = utf8_whole(text, room - head);
    if (head + len > room) {
        s->left_out++;
        return;
    }
    const uint16_t short_len = (uint16_t)len;
    char *to = s->items + s->len;
    to[0] = (char)key;
    to[1] = ITEM_TEXT;
    memcpy(to + HEAD_BYTES, &short_len, LENGTH_BYTES);
    text_copy(to + head, text, len);
    span_grow(s, head + len);
}

void span_put_text(span *s, span_key key, const char *text)
{
    if (text) span_put_bytes(s, key, text, strlen(text));
}

void span_put_number(span *s, span_key key, int64_t n)
{
    if (HEAD_BYTES + NUMBER_BYTES > span_room(s, key)) {
        s->left_out++;
        return;
    }
    char *to = s->items + s->len;
    to[0] = (char)key;
    to[1] = ITEM_NUMBER;
    memcpy(to + HEAD_BYTES, &n, NUMBER_BYTES);
    span_grow(s, HEAD_BYTES + NUMBER_BYTES);
}

void span_put_link(span *s, const trace_parent *to)
{
    char text[TRACE_PARENT_TEXT + 1];
    trace_parent_write(to, text);
    span_put_bytes(s, SPAN_LINK, text, TRACE_PARENT_TEXT);
}

void span_fail(span *s, const char *type, const char *message)
{
    s->status = SPAN_ERROR;
    span_put_text(s, SPAN_ERROR_TYPE, type);
    span_put_text(s, SPAN_MESSAGE, message);
}

void span_forget_end(span *s)
{
    span_item item;
    s->status = SPAN_UNSET;
    for (size_t at = 0, from = 0; span_next(s, &at, &item); from = at)
        if (key_is_of_end(item.key)) {
            s->len = (uint16_t)from; /* nothing else comes behind it */
            return;
        }
}

void span_end_now(span *s)
{
    uint64_t now_us = clock_steady_us();
    assert(s->began_us > 0);
    s->ended_ns = s->began_ns + (now_us > s->began_us ? now_us - s->began_us : 0) * 1000;
}

bool span_next(const span *s, size_t *at, span_item *out)
{
    size_t end = s->len < sizeof s->items ? s->len : sizeof s->items; /* a file may hold anything */
    const char *from = s->items + *at;
    if (*at + HEAD_BYTES + LENGTH_BYTES > end) return false;
    *out = (span_item){.key = (span_key)(uint8_t)from[0], .is_number = from[1] == ITEM_NUMBER};
    size_t bytes = HEAD_BYTES + NUMBER_BYTES;
    if (out->is_number) {
        if (*at + bytes > end) return false;
        memcpy(&out->number, from + HEAD_BYTES, NUMBER_BYTES);
    } else {
        uint16_t len;
        memcpy(&len, from + HEAD_BYTES, LENGTH_BYTES);
        bytes = HEAD_BYTES + LENGTH_BYTES + len;
        if (from[1] != ITEM_TEXT || *at + bytes > end) return false;
        out->text = from + HEAD_BYTES + LENGTH_BYTES;
        out->len = len;
    }
    *at += bytes;
    return true;
}

bool span_item_link(const span_item *item, trace_parent *out)
{
    return item->key == SPAN_LINK && !item->is_number && trace_parent_read(item->text, item->len, out);
}
