#include "cli/run_filter.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "cli/client.h"

static const struct {
    cli_option option;
    const char *name;
} parameters[] = {
    {OPTION_STATE, "state"}, {OPTION_ENDPOINT, "endpoint"}, {OPTION_RUN_VERSION, "version"}, {OPTION_LABEL, "label"},
    {OPTION_ID, "id"},       {OPTION_ERROR, "error"},       {OPTION_FROM, "from"},           {OPTION_TO, "to"}};
enum { PARAMETERS = sizeof parameters / sizeof *parameters };

const char *run_filter_query(cli *c)
{
    const char *all = "";
    for (size_t i = 0; i < PARAMETERS; i++) {
        const char *value = c->values[parameters[i].option];
        if (value) all = cli_text(c, "%s&%s=%s", all, parameters[i].name, client_escape(c, value));
    }
    return all;
}

static sw_value string_of(const char *text)
{
    sw_value v = {.type = MSGPACK_OBJECT_STR};
    v.via.str.ptr = text;
    v.via.str.size = (uint32_t)strlen(text);
    return v;
}

sw_value run_filter_object(cli *c)
{
    sw_value map = {.type = MSGPACK_OBJECT_MAP};
    map.via.map.ptr = arena_zalloc(&c->arena, PARAMETERS * sizeof *map.via.map.ptr);
    cli_must(map.via.map.ptr);
    for (size_t i = 0; i < PARAMETERS; i++) {
        const char *value = c->values[parameters[i].option];
        if (value)
            map.via.map.ptr[map.via.map.size++] = (msgpack_object_kv){string_of(parameters[i].name), string_of(value)};
    }
    return map;
}

/* ---- Of a folder's runs ---- */

static bool text_has(sw_value v, const char *what, bool anywhere)
{
    size_t len = strlen(what);
    if (sw_type(v) != SW_STRING || v.via.str.size < len) return len == 0;
    size_t last = anywhere ? v.via.str.size - len : 0;
    for (size_t i = 0; i <= last; i++)
        if (strncasecmp(v.via.str.ptr + i, what, len) == 0) return true;
    return false;
}

static bool state_is_in(sw_value state, const char *list)
{
    for (const char *at = list; *at; at += *at == ',') {
        size_t len = strcspn(at, ",");
        if (sw_type(state) == SW_STRING && state.via.str.size == len && memcmp(state.via.str.ptr, at, len) == 0)
            return true;
        at += len;
    }
    return false;
}

static bool has_label(sw_value line, const char *label)
{
    char key[256];
    const char *colon = strchr(label, ':');
    size_t len = colon ? (size_t)(colon - label) : 0;
    if (!colon || len >= sizeof key) return false;
    memcpy(key, label, len);
    key[len] = 0;
    return sw_str_equal(sw_get(sw_get(line, "labels"), key), colon + 1);
}

/* Unix ms of digits, or of RFC 3339 in UTC; -1: neither. */
static int64_t time_of(const char *text)
{
    struct tm t = {.tm_mday = 0};
    char *end;
    int64_t ms = strtoll(text, &end, 10);
    if (*text && !*end) return ms;
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &t);
    return rest && (*rest == 'Z' || !*rest) ? (int64_t)timegm(&t) * 1000 : -1;
}

bool run_filter_takes(const cli *c, sw_value line)
{
    const char *const *v = c->values;
    int64_t began = sw_as_int(sw_get(line, "startedAt"), 0);
    if (v[OPTION_STATE] && !state_is_in(sw_get(line, "state"), v[OPTION_STATE])) return false;
    if (v[OPTION_ENDPOINT] && !sw_str_equal(sw_get(line, "endpoint"), v[OPTION_ENDPOINT])) return false;
    if (v[OPTION_RUN_VERSION] && !sw_str_equal(sw_get(line, "version"), v[OPTION_RUN_VERSION])) return false;
    if (v[OPTION_LABEL] && !has_label(line, v[OPTION_LABEL])) return false;
    if (v[OPTION_ID] && !text_has(sw_get(line, "runId"), v[OPTION_ID], false)) return false;
    if (v[OPTION_ERROR] && !text_has(sw_get(line, "error"), v[OPTION_ERROR], true)) return false;
    if (v[OPTION_FROM] && began < time_of(v[OPTION_FROM])) return false;
    return !v[OPTION_TO] || began < time_of(v[OPTION_TO]);
}
