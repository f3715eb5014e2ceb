/* Fuzzes what --redact hides. Whatever text is around it, a secret that stands where the keys say is in no copy; what a
 * copy shows lies in the text, byte for byte and in order; a copy hides all that a copy of it would. The first byte of
 * the input chooses where the secret stands, the second how much of the rest is before it. */
#include <stdlib.h>
#include <string.h>

#include "runtime/base/json.h"
#include "runtime/base/json_reader.h"
#include "runtime/base/redact.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

#define SECRET "5ecr3t"

enum { TEXT_MAX = 4096 };

static const char *const places[] = {
    "\"pin\":\"" SECRET "\"",
    "\"pin\" : {\"a\":[\"" SECRET "\"]}",
    "{\\\"pin\\\":\\\"" SECRET "\\\"}",
    "{\\\\\\\"pin\\\\\\\": \\\\\\\"" SECRET "\\\\\\\"}",
    "\"p\\u0069n\":\"" SECRET "\"",
    "\"pin\":" SECRET,
    "\"X-Key\":\"" SECRET "\"",
    "X-KEY: " SECRET "\n",
    "x-key:a " SECRET "\r\n",
    "/x?key=" SECRET "&",
    "?a=1&%6bey=" SECRET,
    "key=it's-" SECRET,
    "\"/x?key=" SECRET "\"",
    "/_sw/runs/X/signals/a%20b?token=" SECRET "&",
    "\\/_sw\\/runs\\/X\\/output?token=" SECRET,
    "%2F_sw%2fruns%2FX%2Fstream%3Ftoken%3D" SECRET,
};

static void require(int is_so)
{
    if (!is_so) abort();
}

static int has_secret(const char *text, size_t len) { return memmem(text, len, SECRET, sizeof SECRET - 1) != NULL; }

/* ---- Texts ---- */

/* The pieces of a copy, beside the text. */
typedef struct pieces {
    const char *from, *end; /* of the text: what has not been shown yet */
    char *copy;
    size_t len;
} pieces;

static void on_piece(void *arg, const char *data, size_t len)
{
    pieces *p = arg;
    int is_of_text = data >= p->from && data < p->end;
    require(len > 0 && (!is_of_text || len <= (size_t)(p->end - data)));
    if (is_of_text) p->from = data + len;
    if (!is_of_text) require(strchr("[\"\\", *data) != NULL); /* the mark and its quotes */
    memcpy(p->copy + p->len, data, len);
    p->len += len;
}

/* Returns the copy, which the caller frees. */
static char *copy_of(const redact *r, const char *text, size_t size, size_t *len)
{
    *len = redact_text(r, (http_text){text, size}, NULL, 0);
    pieces p = {.from = text, .end = text + size, .copy = malloc(*len + 1)};
    char *copy = malloc(*len + 1);
    require(copy && p.copy);
    require(redact_text(r, (http_text){text, size}, copy, *len + 1) == *len && copy[*len] == 0);
    redact_text_put(r, (http_text){text, size}, on_piece, &p);
    require(p.len == *len && memcmp(p.copy, copy, *len) == 0);
    require(redact_hides_in_text(r, (http_text){text, size}) ==
            (*len != size || memcmp(copy, text, size) != 0 || memmem(text, size, REDACTED, sizeof REDACTED - 1)));
    free(p.copy);
    return copy;
}

static void from_text(const redact *r, const char *text, size_t size)
{
    size_t len, again_len;
    char *copy = copy_of(r, text, size, &len), *again = copy_of(r, copy, len, &again_len);
    require(!has_secret(copy, len));
    require(!has_secret(again, again_len));
    free(copy);
    free(again);
}

/* ---- Targets and values ---- */

static void from_target(const redact *r, arena *a, const char *text, size_t size)
{
    char target[TEXT_MAX + 64] = "/x?a=1&";
    size_t len = strlen(target);
    memcpy(target + len, text, size);
    len += size;
    memcpy(target + len, "&key=" SECRET "'\"<>", 15);
    len += 15;
    const char *shown = redact_target(r, a, target, &len);
    require(shown && !has_secret(shown, len));
}

/* A string with the text, and a member that is hidden, are JSON again without the secret. */
static void from_value(const redact *r, arena *a, const char *text, size_t size)
{
    sw_value string = {.type = MSGPACK_OBJECT_STR}, name = string, v = {.type = MSGPACK_OBJECT_MAP}, read;
    sw_bytes json, again;
    const char *message = NULL;
    string.via.str.ptr = text;
    string.via.str.size = (uint32_t)size;
    name.via.str.ptr = "pin";
    name.via.str.size = 3;
    msgpack_object_kv pairs[] = {{string, string}, {name, string}};
    v.via.map.ptr = pairs;
    v.via.map.size = 2;
    require(redact_value(r, a, &v) && json_write(a, v, &json));
    require(!has_secret(json.data, json.len));
    require(json_read(a, json.data, json.len, &read, &message) && json_write(a, read, &again));
    require(again.len == json.len && memcmp(again.data, json.data, json.len) == 0);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static redact *r;
    char error[256], text[TEXT_MAX];
    if (!r) r = redact_new("fuzz", "json:pin,json:/a/card,header:x-key,query:key", error, sizeof error);
    require(r != NULL);
    redact_hide_tokens(r);
    if (size < 2 || size > 2048 || has_secret((const char *)data, size)) return 0;
    const char *place = places[data[0] % (sizeof places / sizeof *places)];
    size_t before = data[1] * (size - 2) / 255, after = size - 2 - before, len = before;
    memcpy(text, data + 2, before);
    text[len++] = ' ';
    memcpy(text + len, place, strlen(place));
    len += strlen(place);
    memcpy(text + len, data + 2 + before, after);
    len += after;
    arena a;
    arena_init(&a, NULL);
    from_text(r, text, len);
    from_target(r, &a, (const char *)data + 2, size - 2);
    from_value(r, &a, text, len);
    arena_free(&a);
    return 0;
}
