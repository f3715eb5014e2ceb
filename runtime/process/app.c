#include "runtime/process/app.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/api/function.h"
#include "runtime/base/log.h"
#include "runtime/base/redact.h"
#include "runtime/clients/operators.h"
#include "runtime/clients/site.h"
#include "runtime/flow/schedule_plan.h"
#include "runtime/run/function_name.h"
#include "runtime/run/public_url.h"
#include "runtime/survive/control.h"

enum { ERROR_TEXT = 1024, SECRET_BYTES_MIN = 16, SECRET_BYTES_MAX = 4096 };

void *app_must(void *memory)
{
    if (memory) return memory;
    fprintf(stderr, "stepwell: out of memory\n");
    exit(EXIT_FAILURE);
}

/* ---- Registering ---- */

void app_mistake(sw_app *app, const char *text)
{
    if (!app->mistake) app->mistake = app_must(strdup(text));
}

sw_app *app_new(const char *name)
{
    sw_app *app = app_must(calloc(1, sizeof *app));
    app->name = app_must(strdup(name && *name ? name : "stepwell"));
    app->router = app_must(http_router_new());
    app->admin_router = app_must(http_router_new());
    app->flags = app_must(option_set_new());
    app_must(feed_init(&app->feed) ? app : NULL);
    return app;
}

void app_add(sw_app *app, const char *route, endpoint e)
{
    char why[ERROR_TEXT];
    assert(e.kind != ENDPOINT_BUILTIN || e.builtin);
    assert(e.kind != ENDPOINT_FILES || e.files_dir);
    endpoint *copy = app_must(malloc(sizeof *copy));
    *copy = e;
    copy->route = app_must(strdup(route ? route : ""));
    endpoint **all = app_must(realloc(app->endpoints, (app->endpoint_count + 1) * sizeof(endpoint *)));
    app->endpoints = all;
    all[app->endpoint_count++] = copy;
    bool is_public = e.door == DOOR_PUBLIC || e.door == DOOR_BOTH;
    bool is_admin = e.door != DOOR_PUBLIC && e.door != DOOR_NONE;
    bool added = !is_public || http_router_add(app->router, copy->route, copy, why, sizeof why);
    if (is_admin) added = http_router_add(app->admin_router, copy->route, copy, why, sizeof why) && added;
    if (!added) app_mistake(app, why);
}

/* Lets clients of --listen use the admin API too. False: the program has one of its routes. */
static bool app_open_admin_on_public(sw_app *app, char *error, size_t error_size)
{
    for (size_t i = 0; i < app->endpoint_count; i++) {
        endpoint *e = app->endpoints[i];
        if (e->door == DOOR_ADMIN && !http_router_add(app->router, e->route, e, error, error_size)) return false;
    }
    return true;
}

static sw_endpoint_options endpoint_copy_options(const sw_endpoint_options *from)
{
    sw_endpoint_options o = from ? *from : (sw_endpoint_options){.version = NULL};
    o.omit = NULL; /* see endpoint_read_omit */
    if (o.version) o.version = app_must(strdup(o.version));
    if (o.caller_header) o.caller_header = app_must(strdup(o.caller_header));
    if (o.cors_origin) o.cors_origin = app_must(strdup(o.cors_origin));
    if (!o.journal_headers) return o;
    size_t n = 0;
    while (o.journal_headers[n]) n++;
    char **names = app_must(calloc(n + 1, sizeof *names));
    for (size_t i = 0; i < n; i++) names[i] = app_must(strdup(o.journal_headers[i]));
    o.journal_headers = (const char *const *)names;
    return o;
}

/* Returns the keys of what is left out of requests, NULL: there are none. `whose`: for the message of a mistake. */
static redact *endpoint_read_omit(sw_app *app, const char *whose, const char *const *keys)
{
    char why[ERROR_TEXT];
    size_t size = 1;
    for (size_t i = 0; keys && keys[i]; i++) size += strlen(keys[i]) + 1;
    if (size == 1) return NULL;
    char *list = app_must(calloc(1, size)), *to = list;
    for (size_t i = 0; keys[i]; i++) to += sprintf(to, "%s%s", i > 0 ? "," : "", keys[i]);
    redact *omits = redact_new(whose, list, why, sizeof why);
    if (!omits) app_mistake(app, why);
    free(list);
    return omits;
}

/* What endpoints and functions have in common. `options` may be NULL; `whose`: for the message of a mistake. */
static void endpoint_check_options(sw_app *app, const char *whose, const sw_endpoint_options *options)
{
    char why[ERROR_TEXT];
    bool is_long = options && options->version && strlen(options->version) > STORE_NAME_MAX;
    bool is_negative = options && options->timeout_ms < 0;
    (void)snprintf(why, sizeof why, "%s: %s", whose,
                   is_long ? ".version is longer than 4096 bytes" : ".timeout_ms is negative");
    if (is_long || is_negative) app_mistake(app, why);
}

void sw_endpoint(sw_app *app, const char *route, sw_handler handler, const sw_endpoint_options *options)
{
    if (!handler) app_mistake(app, "sw_endpoint: the handler is NULL");
    if (route && strlen(route) > STORE_NAME_MAX) app_mistake(app, "sw_endpoint: a route is longer than 4096 bytes");
    endpoint_check_options(app, "sw_endpoint", options);
    if (options && options->cors_origin && !http_header_valid("origin", options->cors_origin))
        app_mistake(app, "sw_endpoint: .cors_origin cannot be sent as a header");
    app->durable = true;
    app_add(app, route,
            (endpoint){.kind = ENDPOINT_DURABLE,
                       .handler = handler,
                       .options = endpoint_copy_options(options),
                       .omits = endpoint_read_omit(app, "sw_endpoint: .omit", options ? options->omit : NULL)});
}

static void function_check(sw_app *app, const char *name, sw_step_fn fn)
{
    char why[ERROR_TEXT];
    if (!fn) app_mistake(app, "sw_function: the function is NULL");
    (void)snprintf(why, sizeof why, "sw_function: \"%.160s\" is no name: " FUNCTION_NAME_RULE, name, FUNCTION_NAME_MAX);
    if (!function_name_is_good(name)) app_mistake(app, why);
    (void)snprintf(why, sizeof why, "sw_function: there are two functions \"%.160s\"", name);
    if (app_endpoint(app, name, strlen(name))) app_mistake(app, why);
}

/* Reads .omit of a function. */
static redact *function_read_omit(sw_app *app, const char *const *keys)
{
    redact *omits = endpoint_read_omit(app, "sw_function: .omit", keys);
    if (!redact_is_of_json(omits))
        app_mistake(app, "sw_function: .omit takes json:NAME and json:/a/b alone: a function has no request");
    return omits;
}

/* Reads .cron and what belongs to it; NULL: runs do not begin by themselves. */
static schedule_plan *function_read_schedule(sw_app *app, const char *name, const sw_function_options *o)
{
    char why[ERROR_TEXT], text[ERROR_TEXT + 256];
    bool is_wrong;
    schedule_plan *plan = schedule_plan_new(o, &is_wrong, why, sizeof why);
    (void)snprintf(text, sizeof text, "sw_function \"%.160s\": %s", name, is_wrong ? why : "");
    if (is_wrong) app_mistake(app, text);
    return plan;
}

void sw_function(sw_app *app, const char *name, sw_step_fn fn, const sw_function_options *options)
{
    const sw_function_options none = {.version = NULL}, *o = options ? options : &none;
    const sw_endpoint_options as_endpoint = {.version = o->version,
                                             .retain = o->retain,
                                             .retain_ms = o->retain_ms,
                                             .on_difference = o->on_difference,
                                             .on_exhausted = o->on_exhausted,
                                             .timeout_ms = o->timeout_ms,
                                             .arg = o->arg};
    if (!name) name = "";
    function_check(app, name, fn);
    endpoint_check_options(app, "sw_function", &as_endpoint);
    app->durable = true;
    app_add(app, name,
            (endpoint){.kind = ENDPOINT_DURABLE,
                       .door = DOOR_NONE,
                       .handler = function_handler,
                       .function = fn,
                       .options = endpoint_copy_options(&as_endpoint),
                       .omits = function_read_omit(app, o->omit),
                       .schedule = function_read_schedule(app, name, o)});
}

void sw_route(sw_app *app, const char *route, sw_handler handler) { sw_route_arg(app, route, handler, NULL); }

void sw_route_arg(sw_app *app, const char *route, sw_handler handler, void *arg)
{
    if (!handler) app_mistake(app, "sw_route: the handler is NULL");
    app_add(app, route, (endpoint){.kind = ENDPOINT_PLAIN, .handler = handler, .options = {.arg = arg}});
}

void sw_static(sw_app *app, const char *prefix, const char *dir)
{
    char route[ERROR_TEXT];
    unsigned depth = 0;
    if (!prefix || prefix[0] != '/' || strlen(prefix) > 512 || !dir || !*dir) {
        app_mistake(app, "sw_static: the prefix must begin with '/', and the folder be named");
        return;
    }
    size_t len = strlen(prefix);
    while (len > 0 && prefix[len - 1] == '/') len--;
    for (size_t i = 0; i < len; i++) depth += prefix[i] == '/';
    endpoint e = {.kind = ENDPOINT_FILES, .files_depth = depth};
    (void)snprintf(route, sizeof route, "GET %.*s/*path", (int)len, prefix);
    e.files_dir = app_must(strdup(dir));
    app_add(app, route, e);
    if (len == 0) return;
    (void)snprintf(route, sizeof route, "GET %.*s", (int)len, prefix);
    e.files_dir = app_must(strdup(dir));
    app_add(app, route, e);
}

void sw_flag(sw_app *app, const char *name, const char *value_name, const char *fallback, const char *help)
{
    char why[ERROR_TEXT];
    const own_flag own = {.name = name, .value_name = value_name, .fallback = fallback, .help = help};
    if (!option_set_add(app->flags, &own, why, sizeof why)) app_mistake(app, why);
}

const char *sw_flag_value(sw_app *app, const char *name) { return option_set_value(app->flags, name); }

bool sw_checking(sw_app *app) { return app->opt.check != NULL; }

void sw_on_start(sw_app *app, const char *(*fn)(sw_app *app, void *arg), void *arg)
{
    app->on_start = fn;
    app->on_start_arg = arg;
}

static void endpoint_free(endpoint *e)
{
    for (size_t i = 0; e->options.journal_headers && e->options.journal_headers[i]; i++)
        free((void *)(uintptr_t)e->options.journal_headers[i]);
    free((void *)(uintptr_t)e->options.journal_headers);
    free((void *)(uintptr_t)e->options.version);
    free((void *)(uintptr_t)e->options.caller_header);
    free((void *)(uintptr_t)e->options.cors_origin);
    redact_free(e->omits);
    schedule_plan_free(e->schedule);
    free(e->files_dir);
    free((void *)(uintptr_t)e->route);
    free(e);
}

void app_free(sw_app *app)
{
    for (size_t i = 0; i < app->endpoint_count; i++) endpoint_free(app->endpoints[i]);
    free(app->endpoints);
    free(app->loops);
    durations_tables_free(app->series);
    public_urls_free(app->public_urls);
    operators_free(app->operators);
    feed_destroy(&app->feed);
    log_hide(NULL);
    redact_free(app->redact);
    redact_free(app->redact_log);
    http_router_free(app->router);
    http_router_free(app->admin_router);
    option_set_free(app->flags);
    free(app->mistake);
    free(app->name);
    free(app);
}

void app_count_commit(void *arg, uint64_t took_us)
{
    sw_app *app = arg;
    histogram_add(&app->commits, HISTOGRAM_SHORT, took_us);
}

/* ---- Setting up ---- */

static void app_configure_log(const sw_options *o)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"}; /* the choices of --log-level */
    _Static_assert(sizeof levels / sizeof levels[0] == LOG_DEBUG - LOG_ERROR + 1, "each level has its name");
    _Static_assert(LOG_ERROR == 0, "a level is its name's index");
    log_level most = LOG_INFO;
    for (int i = LOG_ERROR; i <= LOG_DEBUG; i++)
        if (strcmp(o->log_level, levels[i]) == 0) most = (log_level)i;
    log_configure(strcmp(o->log_format, "json") == 0 ? LOG_JSON : LOG_TEXT, most);
}

bool app_read_secret(sw_app *app, char *error, size_t error_size)
{
    char secret[SECRET_BYTES_MAX + 1]; /* one more shows that the file is too long */
    assert(app->store || !app->durable);
    const char *path = app->opt.secret_file;
    if (!path) {
        if (app->store) run_token_key_derive(&app->key, store_secret(app->store), RUN_TOKEN_KEY_BYTES);
        return true;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, secret, sizeof secret);
    int reason = errno;
    if (fd >= 0) close(fd);
    if (n < 0)
        (void)snprintf(error, error_size, "--secret-file %s: %s", path, strerror(reason));
    else if (n < SECRET_BYTES_MIN || n > SECRET_BYTES_MAX)
        (void)snprintf(error, error_size, "--secret-file %s: must hold %d to %d bytes", path, SECRET_BYTES_MIN,
                       SECRET_BYTES_MAX);
    else
        run_token_key_derive(&app->key, secret, (size_t)n);
    memset(secret, 0, sizeof secret);
    _Static_assert(SECRET_BYTES_MIN > 0, "an empty file, and one that cannot be read, give no key");
    return n >= SECRET_BYTES_MIN && n <= SECRET_BYTES_MAX;
}

void app_set_address(sw_app *app, const char *address)
{
    static const char *const unknown[] = {":", "0.0.0.0:", "[::]:", "unix:"};
    bool is_known = strlen(address) < sizeof app->address;
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        is_known = is_known && strncmp(address, unknown[i], strlen(unknown[i])) != 0;
    (void)snprintf(app->address, sizeof app->address, "%s", is_known ? address : "");
}

/* With --dev whoever reads the log has written the program: a link that it would mail is there to be tried. */
static bool app_read_redact(sw_app *app, char *error, size_t error_size)
{
    app->redact = redact_new("--redact", app->opt.redact, error, error_size);
    app->redact_log = redact_new("--redact", app->opt.redact, error, error_size);
    if (!app->redact || !app->redact_log) return false;
    redact_hide_tokens(app->redact);
    if (!app->opt.dev) redact_hide_tokens(app->redact_log);
    log_hide(app->redact_log);
    return true;
}

options_result app_configure(sw_app *app, int argc, char **argv, char *error, size_t error_size)
{
    assert(error_size > 0);
    assert(!app->public_urls);
    (void)snprintf(error, error_size, "%s", app->mistake ? app->mistake : "");
    if (app->mistake) return OPTIONS_WRONG;
    options_result asked = option_set_read(app->flags, argc, argv, &app->opt, error, error_size);
    if (asked == OPTIONS_WRONG || asked == OPTIONS_HELP) return asked;
    app_configure_log(&app->opt);
    app->public_urls = public_urls_new(app->opt.public_url, error, error_size);
    if (!app->public_urls) return OPTIONS_WRONG;
    /* The supervisor has read the files: one that went bad since keeps no worker from serving clients after a crash. */
    operators_mode mode = getenv(CONTROL_VARIABLE) ? OPERATORS_GOOD : OPERATORS_ALL;
    app->operators = operators_new(app->opt.tokens, app->opt.admin_token, mode, error, error_size);
    if (!app->operators) return OPTIONS_WRONG;
    if (!app_read_redact(app, error, error_size)) return OPTIONS_WRONG;
    if (!http_header_valid("origin", app->opt.cors_origin)) {
        (void)snprintf(error, error_size, "--cors-origin cannot be sent as a header");
        return OPTIONS_WRONG;
    }
    if (!site_check_names(app->opt.admin_host, error, error_size)) return OPTIONS_WRONG;
    if (app->opt.admin_on_public && !app_open_admin_on_public(app, error, error_size)) return OPTIONS_WRONG;
    if (!durations_tables_new(app->series, (uint32_t)app->opt.metric_series_max)) {
        (void)snprintf(error, error_size, "out of memory");
        return OPTIONS_WRONG;
    }
    app_make_policies(app);
    app_set_address(app, app->opt.listen);
    return asked;
}

const char *app_begin(sw_app *app)
{
    assert(!app->mistake);
    assert(!app->loops);
    const char *objection = app->on_start ? app->on_start(app, app->on_start_arg) : NULL;
    if (!objection) objection = app->mistake;
    app_make_policies(app); /* of the routes that have been added */
    return objection;
}
