#include "runtime/trace/trace_env.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/client/client.h"
#include "runtime/base/log.h"
#include "runtime/base/utf8.h"

enum {
    NAME_BYTES = 96,
    TIMEOUT_MS = 10000,
    DELAY_MS = 5000,
    QUEUE_MAX = 2048,
    BATCH_MAX = 512,
    QUEUE_MOST = 1 << 18, /* 512 MiB of records */
    BATCH_MOST = 8192     /* some 20 MiB of a body, which is more than collectors take */
};

static const char default_url[] = "http://localhost:4318/v1/traces";

/* Returns the value; NULL: it is not set, or empty, which the specification takes for not set. */
static const char *env_get(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* Returns OTEL_EXPORTER_OTLP_TRACES_what, or else OTEL_EXPORTER_OTLP_what; `used` becomes the name of the one that is
 * set. */
static const char *env_get_otlp(const char *what, char used[NAME_BYTES])
{
    (void)snprintf(used, NAME_BYTES, "OTEL_EXPORTER_OTLP_TRACES_%s", what);
    const char *value = env_get(used);
    if (value) return value;
    (void)snprintf(used, NAME_BYTES, "OTEL_EXPORTER_OTLP_%s", what);
    return env_get(used);
}

static void env_warn(const char *name, const char *value, const char *why)
{
    log_line(LOG_WARN, NULL, "%s=%s: %s", name, value, why);
}

static bool env_is_true(const char *name)
{
    const char *value = env_get(name);
    return value && strcasecmp(value, "true") == 0;
}

/* A range and the default of a number. */
typedef struct env_range {
    int64_t least, most, fallback;
} env_range;

static int64_t env_number(const char *name, const char *value, env_range range)
{
    char *end = NULL;
    if (!value) return range.fallback;
    errno = 0;
    long long n = strtoll(value, &end, 10);
    if (*end == 0 && errno == 0 && n >= range.least && n <= range.most) return n;
    char why[128];
    (void)snprintf(why, sizeof why, "no number from %" PRId64 " to %" PRId64 ": %" PRId64 " is taken", range.least,
                   range.most, range.fallback);
    env_warn(name, value, why);
    return range.fallback;
}

static bool text_copy(char **to, const char *text)
{
    if (!text) return true;
    *to = strdup(text);
    return *to != NULL;
}

/* ---- Lists: name=value,name=value; values are percent-encoded ---- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes in place. False: a '%' is not followed by two digits, or by those of a control character; or the text is no
 * UTF-8, for which collectors would refuse each batch. */
static bool percent_decode(char *const text)
{
    char *to = text;
    for (const char *at = text; *at; at++) {
        int byte = (unsigned char)*at;
        if (byte == '%') {
            int high = hex_value(at[1]), low = high < 0 ? -1 : hex_value(at[2]);
            if (low < 0) return false;
            byte = high << 4 | low;
            at += 2;
        }
        if (byte < 0x20 || byte == 0x7f) return false;
        *to++ = (char)byte;
    }
    *to = 0;
    return utf8_is_valid(text, strlen(text));
}

static char *text_trim(char *text)
{
    text += strspn(text, " \t");
    size_t len = strlen(text);
    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t')) text[--len] = 0;
    return text;
}

static trace_pair *pairs_find(trace_pairs *p, const char *name)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->all[i].name, name) == 0) return &p->all[i];
    return NULL;
}

/* Sets or adds. False: no memory. What is too many is left out. */
static bool pairs_set(trace_pairs *p, const char *name, const char *value)
{
    trace_pair *pair = pairs_find(p, name);
    if (!pair && p->count == TRACE_PAIRS_MAX) return true;
    char *copy = strdup(value);
    if (!copy) return false;
    if (pair) {
        free(pair->value);
        pair->value = copy;
        return true;
    }
    pair = &p->all[p->count];
    pair->name = strdup(name);
    pair->value = copy;
    if (pair->name) p->count++;
    if (!pair->name) free(copy);
    return pair->name != NULL;
}

static void pairs_free(trace_pairs *p)
{
    for (size_t i = 0; i < p->count; i++) {
        free(p->all[i].name);
        free(p->all[i].value);
    }
    p->count = 0;
}

/* Reads a list. One malformed member spoils all of it, as the specification has it. False: no memory. */
static bool pairs_read(trace_pairs *p, const char *name, const char *list)
{
    if (!list) return true;
    char *copy = strdup(list), *rest = copy;
    bool ok = copy != NULL, good = true;
    trace_pairs read = {.count = 0};
    for (char *member; ok && good && (member = strsep(&rest, ","));) {
        char *value = strchr(member, '=');
        if (*text_trim(member) == 0) continue;
        good = value != NULL;
        if (!good) continue;
        *value++ = 0;
        member = text_trim(member);
        value = text_trim(value);
        good = *member && utf8_is_valid(member, strlen(member)) && percent_decode(value);
        if (good) ok = pairs_set(&read, member, value);
    }
    if (!good) log_line(LOG_WARN, NULL, "%s is no list of name=value, and is not taken", name);
    for (size_t i = 0; ok && good && i < read.count; i++) ok = pairs_set(p, read.all[i].name, read.all[i].value);
    pairs_free(&read);
    free(copy);
    return ok;
}

/* ---- What is read ---- */

/* Sets where spans go; is_on if somebody has said so, or has asked for it by name. */
static bool env_read_url(trace_env *e)
{
    const char *own = env_get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), *base = env_get("OTEL_EXPORTER_OTLP_ENDPOINT");
    const char *exporter = env_get("OTEL_TRACES_EXPORTER");
    bool wants = exporter && strcmp(exporter, "otlp") == 0;
    e->is_on = (own || base || wants) && !env_is_true("OTEL_SDK_DISABLED");
    if (exporter && !wants) {
        e->is_on = false;
        if (strcmp(exporter, "none") != 0) env_warn("OTEL_TRACES_EXPORTER", exporter, "only otlp and none are there");
    }
    if (own) return text_copy(&e->url, own);
    if (!base) return text_copy(&e->url, default_url);
    bool has_slash = base[strlen(base) - 1] == '/';
    return asprintf(&e->url, "%s%sv1/traces", base, has_slash ? "" : "/") > 0;
}

static void env_read_form(trace_env *e)
{
    char name[NAME_BYTES];
    const char *form = env_get_otlp("PROTOCOL", name);
    e->is_json = form && strcmp(form, "http/json") == 0;
    if (form && !e->is_json && strcmp(form, "http/protobuf") != 0)
        env_warn(name, form, "only http/protobuf and http/json are there: http/protobuf is used");
    const char *packing = env_get_otlp("COMPRESSION", name);
    e->is_gzip = packing && strcmp(packing, "gzip") == 0;
    if (packing && !e->is_gzip && strcmp(packing, "none") != 0)
        env_warn(name, packing, "only gzip and none are there: spans are sent as they are");
}

static bool env_read_files(trace_env *e)
{
    char name[NAME_BYTES];
    return text_copy(&e->ca_file, env_get_otlp("CERTIFICATE", name)) &&
           text_copy(&e->client_certificate, env_get_otlp("CLIENT_CERTIFICATE", name)) &&
           text_copy(&e->client_key, env_get_otlp("CLIENT_KEY", name));
}

static void env_read_sizes(trace_env *e)
{
    char name[NAME_BYTES];
    const char *timeout = env_get_otlp("TIMEOUT", name);
    e->timeout_ms = env_number(name, timeout, (env_range){1, 3600000, TIMEOUT_MS});
    e->delay_ms =
        env_number("OTEL_BSP_SCHEDULE_DELAY", env_get("OTEL_BSP_SCHEDULE_DELAY"), (env_range){1, 3600000, DELAY_MS});
    e->queue_max = (size_t)env_number("OTEL_BSP_MAX_QUEUE_SIZE", env_get("OTEL_BSP_MAX_QUEUE_SIZE"),
                                      (env_range){1, QUEUE_MOST, QUEUE_MAX});
    const int64_t batch = BATCH_MAX < e->queue_max ? BATCH_MAX : (int64_t)e->queue_max;
    const int64_t batch_most = BATCH_MOST < e->queue_max ? BATCH_MOST : (int64_t)e->queue_max;
    e->batch_max = (size_t)env_number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", env_get("OTEL_BSP_MAX_EXPORT_BATCH_SIZE"),
                                      (env_range){1, batch_most, batch});
    const int64_t whole_ms =
        env_number("OTEL_BSP_EXPORT_TIMEOUT", env_get("OTEL_BSP_EXPORT_TIMEOUT"), (env_range){1, 3600000, 30000});
    if (whole_ms < e->timeout_ms) e->timeout_ms = whole_ms;
}

static void env_read_sampler(trace_env *e)
{
    const char *name = env_get("OTEL_TRACES_SAMPLER"), *argument = env_get("OTEL_TRACES_SAMPLER_ARG");
    if (sampler_read(name, argument, &e->sampler)) return;
    log_line(
        LOG_WARN, NULL,
        "OTEL_TRACES_SAMPLER=%s OTEL_TRACES_SAMPLER_ARG=%s: no sampler that is there: parentbased_always_on is used",
        name, argument ? argument : "");
}

static bool env_show_url(trace_env *e)
{
    const http_shown_url s = http_url_shown(e->url);
    return asprintf(&e->shown_url, "%.*s%.*s", s.scheme_len, s.scheme, s.host_path_len, s.host_path) >= 0;
}

bool trace_env_add(trace_env *e, const char *name, const char *value)
{
    return pairs_find(&e->resource, name) || pairs_set(&e->resource, name, value);
}

bool trace_env_read(trace_env *out, const char *service)
{
    char name[NAME_BYTES];
    *out = (trace_env){.is_on = false};
    if (!env_read_url(out) || !env_show_url(out)) return false;
    if (!out->is_on) return true;
    env_read_form(out);
    env_read_sizes(out);
    env_read_sampler(out);
    const char *headers = env_get_otlp("HEADERS", name), *own = env_get("OTEL_SERVICE_NAME");
    if (own && !utf8_is_valid(own, strlen(own))) {
        log_line(LOG_WARN, NULL, "OTEL_SERVICE_NAME is no UTF-8, and is not taken");
        own = NULL;
    }
    return env_read_files(out) && pairs_read(&out->headers, name, headers) &&
           pairs_set(&out->resource, "service.name", service) &&
           pairs_read(&out->resource, "OTEL_RESOURCE_ATTRIBUTES", env_get("OTEL_RESOURCE_ATTRIBUTES")) &&
           (!own || pairs_set(&out->resource, "service.name", own)) &&
           pairs_set(&out->resource, "telemetry.sdk.name", "stepwell") &&
           pairs_set(&out->resource, "telemetry.sdk.language", "c") &&
           pairs_set(&out->resource, "telemetry.sdk.version", STEPWELL_VERSION);
}

void trace_env_free(trace_env *e)
{
    free(e->url);
    free(e->shown_url);
    free(e->ca_file);
    free(e->client_certificate);
    free(e->client_key);
    pairs_free(&e->headers);
    pairs_free(&e->resource);
    *e = (trace_env){.is_on = false};
}
