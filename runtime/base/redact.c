#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/uri.h"
#include "runtime/base/redact_core.h"
#include "runtime/base/value.h"

/* ---- Reading the list ---- */

/* Decodes "~1" and "~0" in place (RFC 6901, 4). */
static void pointer_decode(char *step)
{
    char *to = step;
    for (const char *at = step; *at; at++) {
        bool escapes = at[0] == '~' && (at[1] == '0' || at[1] == '1');
        *to++ = !escapes ? *at : at[1] == '0' ? '~' : '/';
        at += escapes;
    }
    *to = 0;
}

/* Takes the pointer behind its first '/' apart. False: it is too deep. */
static bool key_take_pointer(key *k, char *text)
{
    k->kind = KEY_POINTER;
    for (char *step = text, *end; step; step = end) {
        end = strchr(step, '/');
        if (end) *end++ = 0;
        if (k->depth == DEPTH_MAX) return false;
        pointer_decode(step);
        k->steps[k->depth++] = step;
    }
    return true;
}

/* Whether the step of a pointer may lead into an array: digits alone. */
static bool is_index(const char *step) { return *step && step[strspn(step, "0123456789")] == 0; }

/* The name that a member has which the key hides in a text; NULL: the key names none. */
static const char *key_find_member(const key *k)
{
    size_t at = k->depth;
    if (k->kind == KEY_NAME || k->kind == KEY_HEADER) return k->name;
    if (k->kind != KEY_POINTER) return NULL;
    while (at > 0 && (strcmp(k->steps[at - 1], "*") == 0 || is_index(k->steps[at - 1]))) at--;
    return at > 0 && *k->steps[at - 1] ? k->steps[at - 1] : NULL;
}

static bool key_read(key *k, char *text)
{
    static const struct {
        const char *prefix;
        key_kind kind;
    } kinds[] = {{"header:", KEY_HEADER}, {"query:", KEY_QUERY}, {"json:", KEY_NAME}};
    *k = (key){.depth = 0};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t len = strlen(kinds[i].prefix);
        if (strncmp(text, kinds[i].prefix, len) != 0 || text[len] == 0) continue;
        k->kind = kinds[i].kind;
        k->name = text + len;
        k->name_len = strlen(k->name);
        bool is_pointer = k->kind == KEY_NAME && text[len] == '/';
        bool is_read = !is_pointer || key_take_pointer(k, text + len + 1);
        k->member = key_find_member(k);
        return is_read;
    }
    return false;
}

redact *redact_new(const char *whose, const char *list, char *error, size_t error_size)
{
    redact *r = calloc(1, sizeof *r);
    char *text = strdup(list ? list : "");
    (void)snprintf(error, error_size, "out of memory");
    for (char *at = list ? text : NULL, *end; r && at; at = end) {
        end = strchr(at, ',');
        if (end) *end++ = 0;
        at += strspn(at, " ");
        if (r->count < KEYS_MAX && key_read(&r->keys[r->count], at)) {
            r->count++;
            continue;
        }
        (void)snprintf(error, error_size,
                       "%s: \"%.80s\" is no key: header:NAME, query:NAME, json:NAME or json:/a/b, at most %d of them",
                       whose, at, KEYS_MAX);
        free(r);
        r = NULL;
    }
    if (r && text) {
        r->text = text;
        return r;
    }
    free(text);
    free(r);
    return NULL;
}

void redact_hide_tokens(redact *r) { r->hides_tokens = true; }

void redact_free(redact *r)
{
    if (!r) return;
    free(r->text);
    free(r);
}

/* ---- Headers and targets ---- */

static bool redact_has(const redact *r, key_kind kind, const char *name, size_t len)
{
    for (size_t i = 0; r && i < r->count; i++) {
        const key *k = &r->keys[i];
        if (k->kind == kind && k->name_len == len && strncasecmp(k->name, name, len) == 0) return true;
    }
    return false;
}

bool redact_has_header(const redact *r, const char *name, size_t len) { return redact_has(r, KEY_HEADER, name, len); }

bool redact_has_json(const redact *r)
{
    for (size_t i = 0; r && i < r->count; i++)
        if (r->keys[i].kind == KEY_NAME || r->keys[i].kind == KEY_POINTER) return true;
    return false;
}

bool redact_is_of_json(const redact *r)
{
    for (size_t i = 0; r && i < r->count; i++)
        if (r->keys[i].kind != KEY_NAME && r->keys[i].kind != KEY_POINTER) return false;
    return true;
}

bool redact_hides_parameter(const redact *r, http_text name)
{
    char decoded[QUERY_NAME_MAX];
    size_t len = 0;
    if (name.len >= sizeof decoded || !uri_decode_path(name.data, name.len, decoded, &len)) return true;
    uri_decode_query(name.data, name.len, decoded, &len); /* as sw_query reads it: '+' is a space */
    return redact_has(r, KEY_QUERY, decoded, len);
}

bool redact_has_query(const redact *r)
{
    for (size_t i = 0; r && i < r->count; i++)
        if (r->keys[i].kind == KEY_QUERY) return true;
    return false;
}

size_t redact_parameter_max(const redact *r)
{
    enum { ENCODED = 3 /* "%41" */ };
    size_t most = 0;
    for (size_t i = 0; r && i < r->count; i++) {
        const size_t len = r->keys[i].kind == KEY_QUERY ? ENCODED * r->keys[i].name_len : 0;
        if (len > most) most = len;
    }
    return most;
}

const char *redact_target(const redact *r, arena *a, const char *target, size_t *len)
{
    const char *mark = *len > 0 && redact_has_query(r) ? memchr(target, '?', *len) : NULL;
    if (!mark) return target;
    const char *from = target, *end = target + *len;
    char *out = arena_alloc(a, *len + *len / 2 * sizeof REDACTED + sizeof REDACTED);
    if (!out) return NULL;
    char *to = out;
    for (const char *at = mark + 1; at < end;) {
        const char *next = memchr(at, '&', (size_t)(end - at)), *stop = next ? next : end;
        const char *equals = memchr(at, '=', (size_t)(stop - at));
        const char *shown = equals ? equals + 1 : stop;
        bool hides = equals && redact_hides_parameter(r, (http_text){at, (size_t)(equals - at)});
        const char *upto = hides ? shown : stop;
        memcpy(to, from, (size_t)(upto - from));
        to += upto - from;
        if (hides) to = (char *)memcpy(to, REDACTED, sizeof REDACTED - 1) + sizeof REDACTED - 1;
        from = stop;
        at = next ? next + 1 : end;
    }
    memcpy(to, from, (size_t)(end - from));
    *len = (size_t)(to - out) + (size_t)(end - from);
    return out;
}

const char *redact_target_take_out(const redact *r, arena *a, const char *target, size_t *len)
{
    const char *mark = *len > 0 && redact_has_query(r) ? memchr(target, '?', *len) : NULL;
    if (!mark) return target;
    const http_text query = {mark + 1, (size_t)(target + *len - mark - 1)};
    char *out = arena_alloc(a, *len + 1), *to = out, separator = '?';
    http_text name, value;
    if (!out) return NULL;
    to = (char *)memcpy(to, target, (size_t)(mark - target)) + (mark - target);
    for (size_t at = 0; uri_query_next(query, &at, &name, &value);) {
        const size_t bytes = (size_t)(query.data + at - name.data);
        if (redact_hides_parameter(r, name)) continue;
        *to++ = separator;
        to = (char *)memcpy(to, name.data, bytes) + bytes;
        separator = '&';
    }
    *to = 0;
    *len = (size_t)(to - out);
    return out;
}

/* ---- Values ---- */

/* Which keys may still apply at this place: their pointers have led here. */
typedef struct place {
    const redact *keys;
    arena *arena;
    bool takes_out;
    size_t *hidden; /* how many parts, so far */
    size_t depth;
    uint8_t lives[KEYS_MAX / 8];
} place;

static bool place_lives(const place *p, size_t i) { return (p->lives[i / 8] & 1U << i % 8) != 0; }

/* Whether the pointer's step is the member's name, or the element's number. */
static bool step_is(const char *step, const char *name, size_t len)
{
    return strcmp(step, "*") == 0 || (strlen(step) == len && memcmp(step, name, len) == 0);
}

/* Whether the key hides members of that name wherever they are. A header that a step is given, or has got, is a member:
 * people are not shown it; but what is left out of requests are headers of requests alone. */
static bool key_is_name(const key *k, bool takes_out, const char *name, size_t len)
{
    bool is_header = k->kind == KEY_HEADER && !takes_out;
    if ((k->kind != KEY_NAME && !is_header) || k->name_len != len) return false;
    return (is_header ? strncasecmp(k->name, name, len) : memcmp(k->name, name, len)) == 0;
}

/* Goes one member or element down. True: that is hidden. */
static bool place_enter(const place *from, const char *name, size_t len, place *to)
{
    *to = (place){.keys = from->keys,
                  .arena = from->arena,
                  .takes_out = from->takes_out,
                  .hidden = from->hidden,
                  .depth = from->depth + 1};
    for (size_t i = 0; i < from->keys->count; i++) {
        const key *k = &from->keys->keys[i];
        if (key_is_name(k, from->takes_out, name, len)) return true;
        bool leads = k->kind == KEY_POINTER && place_lives(from, i) && from->depth < k->depth &&
                     step_is(k->steps[from->depth], name, len);
        if (leads && k->depth == from->depth + 1) return true;
        if (leads) to->lives[i / 8] = (uint8_t)(to->lives[i / 8] | 1U << i % 8);
    }
    return false;
}

bool redact_has_member(const redact *r, const char *name, size_t len)
{
    place root = {.keys = r}, below;
    memset(root.lives, 0xff, sizeof root.lives);
    return r && place_enter(&root, name, len, &below);
}

static bool place_redact(const place *p, msgpack_object *v);

static void place_hide(const place *p, msgpack_object *v)
{
    (*p->hidden)++;
    *v = (msgpack_object){.type = MSGPACK_OBJECT_STR};
    v->via.str.ptr = REDACTED;
    v->via.str.size = sizeof REDACTED - 1;
}

/* Hides what the string quotes. False: no memory. */
static bool place_redact_string(const place *p, msgpack_object *v)
{
    const char *whole = v->via.str.ptr;
    http_text text = {whole, v->via.str.size};
    if (p->takes_out) return true;
    if (!redact_text_in(p->keys, p->arena, &text) || text.len > UINT32_MAX) return false;
    *p->hidden += text.data != whole;
    v->via.str.ptr = text.data;
    v->via.str.size = (uint32_t)text.len;
    return true;
}

static void place_hide_element(const place *p, msgpack_object *v)
{
    place_hide(p, v);
    if (p->takes_out) v->type = MSGPACK_OBJECT_NIL;
}

static bool place_redact_map(const place *p, msgpack_object *v)
{
    size_t n = v->via.map.size;
    uint32_t kept = 0;
    msgpack_object_kv *pairs = arena_memdup(p->arena, v->via.map.ptr, n * sizeof *pairs);
    if (!pairs && n > 0) return false;
    for (size_t i = 0; i < n; i++) {
        const msgpack_object *name = &pairs[i].key;
        place below;
        bool is_text = name->type == MSGPACK_OBJECT_STR;
        bool is_meant = place_enter(p, is_text ? name->via.str.ptr : "", is_text ? name->via.str.size : 0, &below);
        if (is_meant && p->takes_out) continue;
        if (is_text && !place_redact_string(p, &pairs[i].key)) return false;
        if (is_meant)
            place_hide(p, &pairs[i].val);
        else if (!place_redact(&below, &pairs[i].val))
            return false;
        pairs[kept++] = pairs[i];
    }
    v->via.map.ptr = pairs;
    v->via.map.size = kept;
    return true;
}

static bool place_redact_array(const place *p, msgpack_object *v)
{
    size_t n = v->via.array.size;
    msgpack_object *elements = arena_memdup(p->arena, v->via.array.ptr, n * sizeof *elements);
    if (!elements && n > 0) return false;
    for (size_t i = 0; i < n; i++) {
        char number[24];
        place below;
        int len = snprintf(number, sizeof number, "%zu", i);
        if (place_enter(p, number, (size_t)len, &below))
            place_hide_element(p, &elements[i]);
        else if (!place_redact(&below, &elements[i]))
            return false;
    }
    v->via.array.ptr = elements;
    return true;
}

static bool place_redact(const place *p, msgpack_object *v)
{
    if (p->depth > VALUE_DEPTH_MAX) return true;
    if (v->type == MSGPACK_OBJECT_MAP) return place_redact_map(p, v);
    if (v->type == MSGPACK_OBJECT_ARRAY) return place_redact_array(p, v);
    return v->type != MSGPACK_OBJECT_STR || place_redact_string(p, v);
}

static bool value_may_hide(const redact *r, const msgpack_object *v, size_t depth)
{
    if (v->type == MSGPACK_OBJECT_STR) return redact_may_hide(r, v->via.str.ptr, v->via.str.size);
    if (depth > VALUE_DEPTH_MAX) return false;
    for (size_t i = 0; v->type == MSGPACK_OBJECT_ARRAY && i < v->via.array.size; i++)
        if (value_may_hide(r, &v->via.array.ptr[i], depth + 1)) return true;
    for (size_t i = 0; v->type == MSGPACK_OBJECT_MAP && i < v->via.map.size; i++)
        if (value_may_hide(r, &v->via.map.ptr[i].key, depth) || value_may_hide(r, &v->via.map.ptr[i].val, depth + 1))
            return true;
    return false;
}

/* Adds how many parts are hidden to *hidden. */
static bool value_redact(place *root, msgpack_object *v)
{
    if (root->keys && root->keys->count == 0 && !value_may_hide(root->keys, v, 0)) return true;
    if (!root->keys || (root->takes_out && !redact_has_json(root->keys))) return true;
    memset(root->lives, 0xff, sizeof root->lives);
    return place_redact(root, v);
}

bool redact_value_counted(const redact *r, arena *a, msgpack_object *v, size_t *hidden)
{
    return value_redact(&(place){.keys = r, .arena = a, .hidden = hidden}, v);
}

bool redact_value(const redact *r, arena *a, msgpack_object *v)
{
    size_t ignored = 0;
    return redact_value_counted(r, a, v, &ignored);
}

bool redact_take_out(const redact *r, arena *a, msgpack_object *v)
{
    size_t ignored = 0;
    return value_redact(&(place){.keys = r, .arena = a, .takes_out = true, .hidden = &ignored}, v);
}
