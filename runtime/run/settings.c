#include "runtime/run/settings.h"

#include <assert.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "runtime/base/json.h"
#include "runtime/base/log.h"
#include "runtime/base/value.h"
#include "runtime/run/gate.h"
#include "runtime/run/program.h"

enum { ROW_FIELDS = 3, RETRY_DEFAULT_S = 60 };

const char settings_table[] = "settings";
const char settings_unknown[] = "recovering: what operators have set cannot be read yet, and nothing was done";
static const char of_endpoint[] = "endpoint:";

struct settings {
    sw_app *app;
    uv_mutex_t lock; /* of `first` and what hangs on it */
    setting *first;
    bool is_changing; /* atomic: a change is being written */
    bool is_known;    /* atomic: all rows have been taken; never false again */
};

/* ---- The list ---- */

static void setting_free(setting *one)
{
    if (!one) return;
    free(one->name);
    free(one->value);
    free(one);
}

/* NULL: no memory. */
static setting *setting_new(const char *name, size_t name_len, const void *value, size_t value_len)
{
    setting *one = calloc(1, sizeof *one);
    if (!one) return NULL;
    one->name = strndup(name, name_len);
    one->value = malloc(value_len + 1);
    one->value_len = value_len;
    if (one->name && one->value) {
        memcpy(one->value, value, value_len);
        return one;
    }
    setting_free(one);
    return NULL;
}

settings *settings_new(sw_app *app)
{
    settings *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->app = app;
    if (uv_mutex_init(&s->lock) == 0) return s;
    free(s);
    return NULL;
}

void settings_free(settings *s)
{
    if (!s) return;
    for (setting *one = s->first, *next; one; one = next) {
        next = one->next;
        setting_free(one);
    }
    uv_mutex_destroy(&s->lock);
    free(s);
}

/* Where the setting of that name is, or belongs. Under lock. */
static setting **settings_find(settings *s, const char *name)
{
    setting **at = &s->first;
    while (*at && strcmp((*at)->name, name) < 0) at = &(*at)->next;
    return at;
}

static bool setting_is(const setting *one, const char *name) { return one && strcmp(one->name, name) == 0; }

/* ---- What endpoints are told ---- */

/* NULL: the name is of no endpoint. */
static const char *setting_route(const char *name)
{
    size_t len = sizeof of_endpoint - 1;
    return strncmp(name, of_endpoint, len) == 0 ? name + len : NULL;
}

/* NULL: the program has no such endpoint, or it is one of the library's own routes. */
static endpoint *settings_endpoint(const settings *s, const char *route)
{
    for (size_t i = 0; i < s->app->endpoint_count; i++) {
        endpoint *e = s->app->endpoints[i];
        if (!e->builtin && strcmp(e->route, route) == 0) return e;
    }
    return NULL;
}

static bool key_is(sw_value key, const char *name)
{
    return sw_type(key) == SW_STRING && sw_len(key) == strlen(name) && memcmp(key.via.str.ptr, name, sw_len(key)) == 0;
}

/* Reads the value of an endpoint's setting: *stopped_s as endpoint.stopped_s. Returns what is wrong with it; NULL:
 * nothing. */
static const char *setting_read_stopped(sw_value value, uint32_t *stopped_s)
{
    bool is_stopped = false;
    int64_t retry_s = RETRY_DEFAULT_S;
    if (sw_type(value) != SW_MAP) return "the value of an endpoint's setting is an object: {\"stopped\": true}";
    for (size_t i = 0; i < sw_len(value); i++) {
        sw_value member, key = sw_key_at(value, i, &member);
        if (key_is(key, "stopped") && sw_type(member) == SW_BOOL)
            is_stopped = sw_as_bool(member, false);
        else if (key_is(key, "retryAfter") && sw_type(member) == SW_INT)
            retry_s = sw_as_int(member, 0);
        else
            return "an endpoint's setting has \"stopped\" (true or false) and \"retryAfter\" (seconds), nothing else";
    }
    if (retry_s < 1 || retry_s > SETTING_RETRY_MAX_S) return "\"retryAfter\" is 1 to 86400 seconds";
    *stopped_s = is_stopped ? (uint32_t)retry_s : 0;
    return NULL;
}

/* Has the endpoint obey, if the setting is of one. */
static void settings_obey(const settings *s, const char *name, uint32_t stopped_s)
{
    const char *route = setting_route(name);
    endpoint *e = route ? settings_endpoint(s, route) : NULL;
    if (e) __atomic_store_n(&e->stopped_s, stopped_s, __ATOMIC_RELEASE);
}

/* Has a setting that was read obeyed. False: no memory. */
static bool settings_obey_row(const settings *s, const setting *one)
{
    arena a;
    sw_value v;
    uint32_t stopped_s = 0;
    const char *error = NULL;
    arena_init(&a, NULL);
    if (value_unpack(&a, one->value, one->value_len, &v, &error)) error = setting_read_stopped(v, &stopped_s);
    bool is_short = error == value_no_memory;
    if (error && !is_short && setting_route(one->name))
        log_line(LOG_ERROR, NULL, "the setting \"%s\" cannot be obeyed: %s", one->name, error);
    if (!error) settings_obey(s, one->name, stopped_s);
    arena_free(&a);
    return !is_short;
}

/* ---- Rows: [value bin, by str, at_ms int] ---- */

static bool setting_pack_row(const setting *one, msgpack_sbuffer *to)
{
    msgpack_packer pk;
    msgpack_packer_init(&pk, to, msgpack_sbuffer_write);
    return msgpack_pack_array(&pk, ROW_FIELDS) == 0 && msgpack_pack_bin(&pk, one->value_len) == 0 &&
           msgpack_pack_bin_body(&pk, one->value, one->value_len) == 0 && value_pack_text(&pk, one->by) &&
           msgpack_pack_int64(&pk, one->at_ms) == 0;
}

/* Makes the setting of a row that was read into `v`. NULL with *damaged: it is none; without: no memory. */
static setting *setting_of_row(store_bytes key, sw_value v, bool *damaged)
{
    const msgpack_object *f = sw_type(v) == SW_ARRAY && sw_len(v) >= ROW_FIELDS ? v.via.array.ptr : NULL;
    *damaged = !f || f[0].type != MSGPACK_OBJECT_BIN || f[1].type != MSGPACK_OBJECT_STR || key.len == 0 ||
               key.len > SETTING_NAME_MAX || memchr(key.data, 0, key.len);
    if (*damaged) return NULL;
    setting *one = setting_new(key.data, key.len, f[0].via.bin.ptr, f[0].via.bin.size);
    if (!one) return NULL;
    (void)snprintf(one->by, sizeof one->by, "%.*s", (int)(f[1].via.str.size), f[1].via.str.ptr);
    one->at_ms = sw_as_int(f[2], 0);
    return one;
}

bool settings_take_row(settings *s, const store_table_row *row)
{
    arena a;
    sw_value v;
    const char *error = NULL;
    bool damaged = true;
    arena_init(&a, NULL);
    bool is_read = value_unpack(&a, row->value.data, row->value.len, &v, &error);
    setting *one = is_read ? setting_of_row(row->key, v, &damaged) : NULL;
    bool is_short = error == value_no_memory || (is_read && !damaged && !one);
    arena_free(&a);
    if (is_short) return false;
    if (!one) {
        log_line(LOG_ERROR, NULL, "a row of the table %s cannot be read, and is left alone", settings_table);
        return true;
    }
    if (!settings_obey_row(s, one)) {
        setting_free(one);
        return false;
    }
    uv_mutex_lock(&s->lock);
    setting **at = settings_find(s, one->name);
    assert(!setting_is(*at, one->name)); /* keys are unique */
    one->next = *at;
    *at = one;
    uv_mutex_unlock(&s->lock);
    return true;
}

/* ---- Asking ---- */

static bool settings_is_of_nothing(const settings *s, const char *name)
{
    const char *route = setting_route(name);
    return !route || !settings_endpoint(s, route);
}

const char *settings_object(settings *s, const char *name, const sw_value *value, int *status)
{
    uint32_t stopped_s;
    uv_mutex_lock(&s->lock);
    bool is_there = setting_is(*settings_find(s, name), name);
    uv_mutex_unlock(&s->lock);
    *status = 503;
    if (!settings_are_known(s)) return settings_unknown;
    *status = 404;
    if (!value) return is_there ? NULL : "there is no such setting: GET /_sw/settings lists those that are set";
    if (!setting_route(name)) return "there is no such setting: names are like \"endpoint:POST /orders\"";
    if (strlen(name) > SETTING_NAME_MAX || settings_is_of_nothing(s, name))
        return "the program has no such endpoint or function: write its route or name as the program does, as in "
               "\"endpoint:POST /orders/:id\"";
    *status = 400;
    const char *wrong = setting_read_stopped(*value, &stopped_s);
    if (!wrong && sw_is_nil(sw_get(*value, "stopped"))) wrong = "an endpoint's setting has \"stopped\": true or false";
    return wrong;
}

void settings_each(settings *s, void (*on_setting)(void *arg, const setting *one, bool is_of_nothing), void *arg)
{
    uv_mutex_lock(&s->lock);
    for (const setting *one = s->first; one; one = one->next)
        on_setting(arg, one, settings_is_of_nothing(s, one->name));
    uv_mutex_unlock(&s->lock);
}

static void settings_tell_one(void *arg, const setting *one, bool is_of_nothing)
{
    arena a;
    sw_value v;
    sw_bytes text = {"", 0};
    const char *error = NULL;
    (void)arg;
    arena_init(&a, NULL);
    if (!value_unpack(&a, one->value, one->value_len, &v, &error) || !json_write(&a, v, &text)) text.data = "";
    log_line(LOG_WARN, NULL, "%s has set \"%s\" to %s, which %s", one->by, one->name, text.data,
             is_of_nothing ? "is of nothing that this program has" : "wins over the program until it is deleted");
    arena_free(&a);
}

void settings_complete(settings *s)
{
    settings_each(s, settings_tell_one, NULL);
    __atomic_store_n(&s->is_known, true, __ATOMIC_RELEASE);
}

bool settings_are_known(const settings *s) { return !s || __atomic_load_n(&s->is_known, __ATOMIC_ACQUIRE); }

/* ---- Changing ---- */

typedef struct change {
    store_segment segment;
    store_row row;
    settings *settings;
    home *home;
    setting *made;      /* NULL: the setting is to be deleted */
    uint32_t stopped_s; /* see endpoint.stopped_s */
    char *name;
    msgpack_sbuffer bytes; /* of the row */
    setting_done_fn *on_done;
    void *arg;
} change;

static void change_free(change *c)
{
    setting_free(c->made);
    free(c->name);
    msgpack_sbuffer_destroy(&c->bytes);
    free(c);
}

/* False: no memory, or the value is too long, which *why says. */
static bool change_make_setting(change *c, const setting_wish *wish, const char **why)
{
    msgpack_sbuffer packed;
    const char *error = NULL;
    msgpack_sbuffer_init(&packed);
    if (!value_pack(&packed, *wish->value, SETTING_VALUE_MAX, &error)) {
        if (error != value_no_memory) *why = "the value is too long";
    } else {
        c->made = setting_new(wish->name, strlen(wish->name), packed.data, packed.size);
    }
    msgpack_sbuffer_destroy(&packed);
    if (!c->made) return false;
    (void)snprintf(c->made->by, sizeof c->made->by, "%s", wish->by);
    c->made->at_ms = clock_wall_ms();
    return setting_pack_row(c->made, &c->bytes);
}

/* NULL: *why says why. */
static change *change_new(home *h, const setting_wish *wish, const char **why)
{
    change *c = calloc(1, sizeof *c);
    *why = store_no_memory;
    if (!c) return NULL;
    msgpack_sbuffer_init(&c->bytes);
    c->home = h;
    c->settings = h->app->settings;
    c->name = strdup(wish->name);
    if (wish->value) *why = setting_read_stopped(*wish->value, &c->stopped_s);
    assert(!wish->value || !*why); /* settings_object has nothing against it */
    *why = store_no_memory;
    if (c->name && (!wish->value || change_make_setting(c, wish, why))) return c;
    change_free(c);
    return NULL;
}

const char *settings_change(home *h, const setting_wish *wish, setting_done_fn *on_done, void *arg)
{
    settings *s = h->app->settings;
    const char *why;
    assert(s && wish->by && settings_are_known(s));
    if (!gate_writable(h)) return "the journal cannot be written: nothing was set";
    if (__atomic_exchange_n(&s->is_changing, true, __ATOMIC_ACQ_REL)) return "another setting is being written";
    change *c = change_new(h, wish, &why);
    if (!c) {
        __atomic_store_n(&s->is_changing, false, __ATOMIC_RELEASE);
        return why;
    }
    c->on_done = on_done;
    c->arg = arg;
    c->row = (store_row){.op = c->made ? STORE_ROW_PUT : STORE_ROW_DELETE,
                         .table = settings_table,
                         .key = {c->name, strlen(c->name)},
                         .value = {c->bytes.data, c->bytes.size}};
    c->segment = (store_segment){.live = STORE_LIVE_UNCHANGED, .retain_ms = -1, .rows = &c->row, .tag = SETTINGS_TAG};
    home_send(h, &c->segment);
    return NULL;
}

/* Puts the new setting in the place of the old one. */
static void change_take_effect(change *c)
{
    settings *s = c->settings;
    uv_mutex_lock(&s->lock);
    setting **at = settings_find(s, c->name), *old = setting_is(*at, c->name) ? *at : NULL;
    if (old) *at = old->next;
    if (c->made) {
        c->made->next = *at;
        *at = c->made;
    }
    uv_mutex_unlock(&s->lock);
    settings_obey(s, c->name, c->stopped_s);
    setting_free(old);
}

static setting_result change_result(const store_segment *s)
{
    if (!s->error) return SETTING_DONE;
    return s->outcome == STORE_UNKNOWN ? SETTING_UNKNOWN : SETTING_REFUSED;
}

void settings_committed(store_segment *segment)
{
    change *c = (change *)segment;
    settings *s = c->settings;
    _Static_assert(offsetof(change, segment) == 0, "a change begins with its segment");
    setting_result result = change_result(segment);
    home_segment_back(c->home);
    if (result == SETTING_DONE) change_take_effect(c);
    c->on_done(c->arg, result, result == SETTING_DONE ? c->made : NULL, segment->error);
    if (result == SETTING_DONE) c->made = NULL; /* it is in the list, until the next change */
    __atomic_store_n(&s->is_changing, false, __ATOMIC_RELEASE);
    change_free(c);
}
