#include "runtime/admin/body.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/json_reader.h"
#include "runtime/base/problem.h"
#include "runtime/base/value.h"
#include "runtime/run/letter.h"

const char body_no_letter_text[] = "\"text\" is at most 256 bytes long, without U+0000";
_Static_assert(LETTER_TEXT_MAX == 256, "as the refusal says");

static const char *body_kind_name(sw_kind kind)
{
    switch (kind) {
    case SW_BOOL:
        return "true or false";
    case SW_INT:
        return "a whole number";
    case SW_STRING:
        return "a string";
    case SW_MAP:
        return "an object";
    default:
        return "something else";
    }
}

static bool body_refuse(http_exchange *x, const char *why)
{
    problem_reply(x, 400, why, NULL);
    return false;
}

/* `message`: what is wrong with the text as JSON. */
static void body_refuse_text(http_exchange *x, const char *message)
{
    char why[160];
    (void)snprintf(why, sizeof why, "the body is not JSON: %s", message);
    (void)body_refuse(x, why);
}

static bool body_key_is(sw_value key, const char *name)
{
    return sw_type(key) == SW_STRING && sw_len(key) == strlen(name) && memcmp(key.via.str.ptr, name, sw_len(key)) == 0;
}

/* Says of a member that none of these is which ones are known. */
static bool body_refuse_member(http_exchange *x, const body_member *members, size_t count, sw_value key)
{
    char why[512];
    const bool is_text = sw_type(key) == SW_STRING;
    const int len = !is_text ? 0 : sw_len(key) < 64 ? (int)sw_len(key) : 64;
    size_t n = (size_t)snprintf(why, sizeof why, "the body has a member that is not known here: \"%.*s\"; it takes",
                                len, is_text ? key.via.str.ptr : "");
    for (size_t i = 0; i < count && n < sizeof why; i++)
        n += (size_t)snprintf(why + n, sizeof why - n, "%s \"%s\"", i == 0 ? "" : ",", members[i].name);
    return body_refuse(x, why);
}

/* Puts the member where it belongs. False: the exchange has its answer. */
static bool body_take_member(http_exchange *x, const body_member *members, size_t count, sw_value key, sw_value value)
{
    char why[160];
    const body_member *m = members;
    while (m < members + count && !body_key_is(key, m->name)) m++;
    if (m == members + count) return body_refuse_member(x, members, count, key);
    if (sw_type(value) != SW_NIL && m->kind != SW_NIL && sw_type(value) != m->kind) {
        (void)snprintf(why, sizeof why, "\"%s\" has to be %s", m->name, body_kind_name(m->kind));
        return body_refuse(x, why);
    }
    *m->value = value;
    return true;
}

bool body_read(http_exchange *x, arena *a, const body_member *members, size_t count)
{
    const http_text *body = &http_exchange_request(x)->body;
    const char *message = NULL;
    sw_value v = sw_nil();
    for (size_t i = 0; i < count; i++) *members[i].value = sw_nil();
    if (body->len == 0) return true;
    if (!json_read(a, body->data, body->len, &v, &message)) {
        if (message == value_no_memory)
            problem_reply(x, 503, "out of memory", "5");
        else
            body_refuse_text(x, message);
        return false;
    }
    if (sw_type(v) != SW_MAP) return body_refuse(x, "the body has to be a JSON object");
    for (size_t i = 0; i < sw_len(v); i++) {
        sw_value value, key = sw_key_at(v, i, &value);
        if (!body_take_member(x, members, count, key, value)) return false;
    }
    return true;
}

bool body_copy_text(char *to, size_t bytes_max, sw_value text)
{
    size_t len = sw_len(text);
    if (!sw_is_nil(text) && sw_type(text) != SW_STRING) return false;
    if (len > bytes_max || (len > 0 && memchr(text.via.str.ptr, 0, len))) return false;
    if (len > 0) memcpy(to, text.via.str.ptr, len);
    to[len] = 0;
    return true;
}
