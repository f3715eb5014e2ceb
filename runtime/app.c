#include "runtime/app.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "runtime/builtin.h"
#include "runtime/comeback.h"
#include "runtime/control.h"
#include "runtime/crash.h"
#include "runtime/log.h"
#include "runtime/loop.h"
#include "runtime/pool.h"
#include "runtime/presence.h"
#include "runtime/prove/prove.h"
#include "runtime/public_url.h"
#include "runtime/serve.h"
#include "runtime/sockets.h"
#include "runtime/supervise.h"
#include "runtime/suspects.h"
#include "storage/folder.h"

enum {
    ERROR_TEXT = 1024,
    EXIT_OK = 0,
    EXIT_OTHER = 1,
    EXIT_SETUP = 2,
    SECRET_BYTES_MIN = 16,
    SECRET_BYTES_MAX = 4096,
    FILES_KEPT_MAX = 16384, /* for others than clients, a quarter of what there is */
    FILES_KEPT_FEW = 32,    /* rather half of it than fewer */
    LOOP_FILES = 10,        /* of each loop for itself */
    SWEEP_LEAST_MS = 1000,
    SWEEP_MOST_MS = 60000
};

static void *must(void *memory)
{
    if (memory) return memory;
    fprintf(stderr, "stepwell: out of memory\n");
    exit(EXIT_OTHER);
}

/* ---- Registering ---- */

/* The first mistake is the one to tell. */
static void mistake(sw_app *app, const char *text)
{
    if (!app->mistake) app->mistake = must(strdup(text));
}

sw_app *sw_app_new_abi(const char *name, int abi)
{
    char why[ERROR_TEXT];
    sw_app *app = must(calloc(1, sizeof *app));
    (void)snprintf(
        why, sizeof why,
        "this program was compiled with a <stepwell.h> of SW_ABI %d, and runs with a library (version %s) of "
        "SW_ABI %d: compile it again",
        abi, STEPWELL_VERSION, SW_ABI);
    if (abi != SW_ABI) mistake(app, why);
    app->name = must(strdup(name && *name ? name : "stepwell"));
    app->router = must(http_router_new());
    app->flags = must(options_new());
    builtin_register(app);
    return app;
}

void app_add(sw_app *app, const char *route, endpoint e)
{
    char why[ERROR_TEXT];
    endpoint *copy = must(malloc(sizeof *copy));
    *copy = e;
    copy->route = must(strdup(route ? route : ""));
    endpoint **all = must(realloc(app->endpoints, (app->endpoint_count + 1) * sizeof(endpoint *)));
    app->endpoints = all;
    all[app->endpoint_count++] = copy;
    if (!http_router_add(app->router, copy->route, copy, why, sizeof why)) mistake(app, why);
}

static sw_endpoint_options copy_options(const sw_endpoint_options *from)
{
    sw_endpoint_options o = from ? *from : (sw_endpoint_options){.version = NULL};
    if (o.version) o.version = must(strdup(o.version));
    if (o.caller_header) o.caller_header = must(strdup(o.caller_header));
    if (o.cors_origin) o.cors_origin = must(strdup(o.cors_origin));
    if (!o.journal_headers) return o;
    size_t n = 0;
    while (o.journal_headers[n]) n++;
    char **names = must(calloc(n + 1, sizeof *names));
    for (size_t i = 0; i < n; i++) names[i] = must(strdup(o.journal_headers[i]));
    o.journal_headers = (const char *const *)names;
    return o;
}

void sw_endpoint(sw_app *app, const char *route, sw_handler handler, const sw_endpoint_options *options)
{
    if (!handler) mistake(app, "sw_endpoint: the handler is NULL");
    if (options && options->timeout_ms < 0) mistake(app, "sw_endpoint: .timeout_ms is negative");
    if (options && options->cors_origin && !http_header_valid("origin", options->cors_origin))
        mistake(app, "sw_endpoint: .cors_origin cannot be sent as a header");
    app->durable = true;
    app_add(app, route, (endpoint){.kind = ENDPOINT_DURABLE, .handler = handler, .options = copy_options(options)});
}

void sw_route(sw_app *app, const char *route, sw_handler handler) { sw_route_arg(app, route, handler, NULL); }

void sw_route_arg(sw_app *app, const char *route, sw_handler handler, void *arg)
{
    if (!handler) mistake(app, "sw_route: the handler is NULL");
    app_add(app, route, (endpoint){.kind = ENDPOINT_PLAIN, .handler = handler, .options = {.arg = arg}});
}

void sw_static(sw_app *app, const char *prefix, const char *dir)
{
    char route[ERROR_TEXT];
    unsigned depth = 0;
    if (!prefix || prefix[0] != '/' || strlen(prefix) > 512 || !dir || !*dir) {
        mistake(app, "sw_static: the prefix must begin with '/', and the folder be named");
        return;
    }
    size_t len = strlen(prefix);
    while (len > 0 && prefix[len - 1] == '/') len--;
    for (size_t i = 0; i < len; i++) depth += prefix[i] == '/';
    endpoint e = {.kind = ENDPOINT_FILES, .builtin = builtin_files, .files_depth = depth};
    (void)snprintf(route, sizeof route, "GET %.*s/*path", (int)len, prefix);
    e.files_dir = must(strdup(dir));
    app_add(app, route, e);
    if (len == 0) return;
    (void)snprintf(route, sizeof route, "GET %.*s", (int)len, prefix);
    e.files_dir = must(strdup(dir));
    app_add(app, route, e);
}

void sw_flag(sw_app *app, const char *name, const char *value_name, const char *fallback, const char *help)
{
    char why[ERROR_TEXT];
    if (!options_add(app->flags, name, value_name, fallback, help, why, sizeof why)) mistake(app, why);
}

const char *sw_flag_value(sw_app *app, const char *name) { return options_value(app->flags, name); }

void sw_on_start(sw_app *app, const char *(*fn)(sw_app *app, void *arg), void *arg)
{
    app->on_start = fn;
    app->on_start_arg = arg;
}

const endpoint *app_endpoint(const sw_app *app, const char *route, size_t len)
{
    for (size_t i = 0; i < app->endpoint_count; i++) {
        const endpoint *e = app->endpoints[i];
        if (e->kind == ENDPOINT_DURABLE && strlen(e->route) == len && memcmp(e->route, route, len) == 0) return e;
    }
    return NULL;
}

const char *app_origin(const sw_app *app, const endpoint *e)
{
    const char *origin = e->any_page ? app->opt.cors_origin : e->options.cors_origin;
    return origin && *origin ? origin : NULL;
}

/* A cache may keep any answer to GET that does not forbid it, and Varnish does so for two minutes: the second client
 * would get the first one's run. */
static const http_reply_header not_stored = {"Cache-Control", "no-store"};

/* The flags have been read. */
static void make_policies(sw_app *app)
{
    for (size_t i = 0; i < app->endpoint_count; i++) {
        endpoint *e = app->endpoints[i];
        const char *origin = app_origin(app, e);
        e->policy[0] = not_stored;
        e->policy_count = 1;
        if (!origin) continue;
        e->policy[e->policy_count++] = (http_reply_header){"Access-Control-Allow-Origin", origin};
        e->policy[e->policy_count++] = (http_reply_header){"Access-Control-Expose-Headers", "*"};
        if (strcmp(origin, "*") != 0) e->policy[e->policy_count++] = (http_reply_header){"Vary", "Origin"};
    }
}

http_policy app_policy(const endpoint *e)
{
    return e ? (http_policy){e->policy, e->policy_count} : (http_policy){&not_stored, 1};
}

static void endpoint_free(endpoint *e)
{
    for (size_t i = 0; e->options.journal_headers && e->options.journal_headers[i]; i++)
        free((void *)(uintptr_t)e->options.journal_headers[i]);
    free((void *)(uintptr_t)e->options.journal_headers);
    free((void *)(uintptr_t)e->options.version);
    free((void *)(uintptr_t)e->options.caller_header);
    free((void *)(uintptr_t)e->options.cors_origin);
    free(e->files_dir);
    free((void *)(uintptr_t)e->route);
    free(e);
}

void app_free(sw_app *app)
{
    for (size_t i = 0; i < app->endpoint_count; i++) endpoint_free(app->endpoints[i]);
    free(app->endpoints);
    free(app->loops);
    public_urls_free(app->public_urls);
    http_router_free(app->router);
    options_free(app->flags);
    free(app->mistake);
    free(app->name);
    free(app);
}

/* ---- Setting up ---- */

static void configure_log(const sw_options *o)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    log_level most = LOG_INFO;
    for (int i = LOG_ERROR; i <= LOG_DEBUG; i++)
        if (strcmp(o->log_level, levels[i]) == 0) most = (log_level)i;
    log_configure(strcmp(o->log_format, "json") == 0 ? LOG_JSON : LOG_TEXT, most);
}

bool app_read_secret(sw_app *app, char *error, size_t error_size)
{
    char secret[SECRET_BYTES_MAX + 1];
    const char *path = app->opt.secret_file;
    if (!path) {
        if (app->store) token_key_derive(&app->key, store_secret(app->store), TOKEN_KEY_BYTES);
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
        token_key_derive(&app->key, secret, (size_t)n);
    memset(secret, 0, sizeof secret);
    return n >= SECRET_BYTES_MIN && n <= SECRET_BYTES_MAX;
}

static bool open_store(sw_app *app, char *error, size_t error_size)
{
    const sw_options *o = &app->opt;
    if (!app->durable) return true;
    int64_t sweep_ms = o->retain_ms / 4; /* short retention means that disk matters: a minute is too long for it */
    if (sweep_ms < SWEEP_LEAST_MS) sweep_ms = SWEEP_LEAST_MS;
    if (sweep_ms > SWEEP_MOST_MS) sweep_ms = SWEEP_MOST_MS;
    app->store = store_open(&(store_options){.path = o->data,
                                             .accept_loss = o->accept_journal_loss,
                                             .sweep_interval_ms = sweep_ms,
                                             .retain_ms = o->retain_ms,
                                             .retain_bytes = (uint64_t)o->retain_bytes,
                                             .queue_bytes_max = (size_t)o->journal_queue_max},
                            error, error_size);
    return app->store != NULL;
}

/* As many open files as the machine lets this process have. */
static void raise_file_limit(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == files.rlim_max) return;
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0)
        log_line(LOG_WARN, NULL, "the limit of open files cannot be raised: %s", strerror(errno));
}

static void prepare_process(const sw_app *app)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignore, NULL);
    /* A terminal that hangs up tells the supervisor too, and that is its word for an upgrade. */
    if (app->control >= 0) (void)sigaction(SIGHUP, &ignore, NULL);
    /* Readers of journals and files share libuv's pool; its own default is 4 threads. */
    (void)setenv("UV_THREADPOOL_SIZE", "16", 0);
    raise_file_limit();
    overflow_install(crash_note);
}

/* The store opens files when it pleases, and a journal that cannot open one takes no writes any more: of the
 * descriptors that are left now a part is never a client's. */
static int client_descriptors(const sw_app *app)
{
    struct rlimit files;
    const struct dirent *file;
    int used = (int)app->loop_count * LOOP_FILES;
    DIR *open_files = opendir("/proc/self/fd");
    while (open_files && (file = readdir(open_files))) used += file->d_name[0] != '.';
    if (open_files) closedir(open_files);
    if (!open_files || getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur > INT_MAX) return 0;
    int left = (int)files.rlim_cur - used, kept = left / 4 > FILES_KEPT_MAX ? FILES_KEPT_MAX : left / 4;
    if (kept < FILES_KEPT_FEW) kept = left / 2 < FILES_KEPT_FEW ? left / 2 : FILES_KEPT_FEW;
    if (kept <= FILES_KEPT_FEW)
        log_line(LOG_WARN, NULL, "the limit of open files is %llu: only %d are left for the journal beside clients",
                 (unsigned long long)files.rlim_cur, kept);
    return kept > 0 ? (int)files.rlim_cur - kept : 1;
}

/* ---- Serving ---- */

static int make_loops_and_serve(sw_app *app, sockets *s, const sigset_t *stop_signals, const presence *own)
{
    char why[ERROR_TEXT], address[128] = "";
    app->loops = must(calloc(app->loop_count, sizeof *app->loops));
    app->client_descriptors = client_descriptors(app);
    app->blocking = must(pool_new((size_t)app->opt.blocking_threads));
    (void)http_listen_address(s->fds[0], address, sizeof address);
    for (unsigned i = 0; i < app->loop_count; i++) {
        bool made = loop_init(&app->loops[i], app, i, app->loop_count, s->fds[i], why, sizeof why);
        s->fds[i] = -1;
        if (made) continue;
        log_line(LOG_ERROR, NULL, "loop %u cannot start: %s", i, why);
        /* Half-made loops hold handles that only their own run could close: the process ends here. */
        exit(EXIT_OTHER);
    }
    presence_begin(own, app);
    log_line(LOG_INFO, NULL, "%s listening on http://%s", app->name, address);
    return serve_until_stopped(app, stop_signals) ? EXIT_OK : EXIT_OTHER;
}

static int setup_failed(const sw_app *app, const char *why)
{
    fprintf(stderr, "%s: %s\n", app->name, why);
    return EXIT_SETUP;
}

/* One loop for each core or as --loops says; sockets that were handed over are not left without one by default. */
static unsigned count_loops(const sw_options *o, unsigned inherited)
{
    long n = o->loops > 0 ? o->loops : sysconf(_SC_NPROCESSORS_ONLN);
    if (n < 1) n = 1;
    if (n > SOCKETS_MAX) n = SOCKETS_MAX;
    return o->loops == 0 && (unsigned)n < inherited ? inherited : (unsigned)n;
}

static bool open_sockets(sw_app *app, sockets *s, char *error, size_t error_size)
{
    if (s->count == 0) return sockets_listen(s, app->opt.listen, app->loop_count, error, error_size);
    return sockets_spread(s, app->loop_count, error, error_size);
}

static int serve_and_mark(sw_app *app, sockets *s, const sigset_t *stop_signals)
{
    app->started_ms = clock_wall_ms();
    presence own;
    if (!presence_open(&own, app)) (void)must(NULL);
    presence_order(&own, app);
    int result = make_loops_and_serve(app, s, stop_signals, &own);
    presence_end(app, result == EXIT_OK);
    return result;
}

static int open_and_serve(sw_app *app, sockets *s)
{
    char why[ERROR_TEXT];
    /* Blocked before any thread is made, so that only the main thread ever takes them. */
    sigset_t stop_signals;
    (void)sigemptyset(&stop_signals);
    (void)sigaddset(&stop_signals, SIGTERM);
    (void)sigaddset(&stop_signals, SIGINT);
    if (pthread_sigmask(SIG_BLOCK, &stop_signals, NULL) != 0) return EXIT_OTHER;
    prepare_process(app);
    int result = EXIT_SETUP;
    if (!open_sockets(app, s, why, sizeof why) || !open_store(app, why, sizeof why) ||
        !app_read_secret(app, why, sizeof why))
        (void)setup_failed(app, why);
    else
        result = serve_and_mark(app, s, &stop_signals);
    sockets_close(s);
    pool_free(app->blocking);
    suspects_free(app->suspects);
    comeback_free(app->comeback);
    if (app->store) store_close(app->store);
    return result;
}

/* The supervisor holds all sockets that its worker will need; the worker's other needs are the worker's to check. */
static int open_and_supervise(sw_app *app, sockets *s, char **argv)
{
    char why[ERROR_TEXT];
    raise_file_limit();
    if (s->count == 0 ? !sockets_listen(s, app->opt.listen, app->loop_count, why, sizeof why)
                      : s->count > app->loop_count && !sockets_spread(s, app->loop_count, why, sizeof why))
        return setup_failed(app, why);
    return supervise_run(app, s, argv);
}

options_result app_configure(sw_app *app, int argc, char **argv, char *error, size_t error_size)
{
    (void)snprintf(error, error_size, "%s", app->mistake ? app->mistake : "");
    if (app->mistake) return OPTIONS_WRONG;
    options_result asked = options_read(app->flags, argc, argv, &app->opt, error, error_size);
    if (asked == OPTIONS_WRONG || asked == OPTIONS_HELP) return asked;
    configure_log(&app->opt);
    app->public_urls = public_urls_new(app->opt.public_url, error, error_size);
    if (!app->public_urls) return OPTIONS_WRONG;
    if (!http_header_valid("origin", app->opt.cors_origin)) {
        (void)snprintf(error, error_size, "--cors-origin cannot be sent as a header");
        return OPTIONS_WRONG;
    }
    make_policies(app);
    return asked;
}

/* Flags that say nothing to a server count too: who gives them means to prove, and is told what is missing. */
static bool is_proof(const sw_options *o)
{
    return o->prove || o->prove_body || o->prove_headers || o->record || o->replay;
}

static int run_app(sw_app *app, int argc, char **argv)
{
    char why[ERROR_TEXT];
    options_result asked = app_configure(app, argc, argv, why, sizeof why);
    if (asked == OPTIONS_WRONG) return setup_failed(app, why);
    if (asked == OPTIONS_HELP) {
        options_help(app->flags, app->name, stdout);
        return EXIT_OK;
    }
    if (asked == OPTIONS_VERSION) {
        printf("%s (stepwell %s)\n", app->name, STEPWELL_VERSION);
        return EXIT_OK;
    }
    if (is_proof(&app->opt)) return prove_main(app);
    sockets s = {.count = 0};
    app->control = control_inherit(&app->worker);
    app->worker_before = control_inherit_ended();
    if (app->control == CONTROL_ORPHAN) return setup_failed(app, "the supervisor ended before its worker served");
    if (!sockets_inherit(&s, why, sizeof why)) return setup_failed(app, why);
    app->loop_count = count_loops(&app->opt, s.count);
    if (app->opt.supervise && app->control < 0) return open_and_supervise(app, &s, argv);
    const char *objection = app->on_start ? app->on_start(app, app->on_start_arg) : NULL;
    if (objection) return setup_failed(app, objection);
    return open_and_serve(app, &s);
}

int sw_main(sw_app *app, int argc, char **argv)
{
    int result = run_app(app, argc, argv);
    app_free(app);
    return result;
}
