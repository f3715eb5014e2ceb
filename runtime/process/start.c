#include "runtime/process/start.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "runtime/base/log.h"
#include "runtime/base/pool.h"
#include "runtime/clients/link_code.h"
#include "runtime/clients/operators.h"
#include "runtime/flow/schedules.h"
#include "runtime/loop/loop.h"
#include "runtime/process/admin_socket.h"
#include "runtime/process/app.h"
#include "runtime/process/serve.h"
#include "runtime/recovery/crash.h"
#include "runtime/recovery/presence.h"
#include "runtime/recovery/settings_start.h"
#include "runtime/run/board.h"
#include "runtime/run/comeback.h"
#include "runtime/run/suspects.h"
#include "runtime/supervise/sockets.h"
#include "runtime/supervise/supervise.h"
#include "runtime/survive/control.h"
#include "runtime/trace/tracer.h"

enum {
    ERROR_TEXT = 1024,
    EXIT_OK = 0,
    EXIT_OTHER = 1,
    EXIT_SETUP = 2,
    FILES_RESERVED_MAX = 16384, /* for the journal and all but clients: at most so many, a quarter of what is left */
    FILES_RESERVED_FEW = 32,    /* when a quarter is less: half of what is left, up to so many */
    LOOP_FILES = 10,            /* that each loop opens for itself */
    ADMIN_FILES = 2,            /* and for the admin API */
    SWEEP_LEAST_MS = 1000,
    SWEEP_MOST_MS = 60000,
    ADMIN_SHARE = 4, /* the admin API has one in so many of the reserved files; one in so many is never for it */
    ADMIN_FEW = 2,   /* connections of a loop, however few files there are */
    ADDRESS_BYTES = 128,
    TRACE_FLUSH_MS = 1000,  /* how long spans are exported while another process waits for the end of this one */
    MMAP_BYTES = 256 << 10, /* malloc: what is larger has pages of its own, which go when it is freed */
    TRIM_BYTES = 4 << 20    /* malloc: free bytes that stay at the end of each heap */
};

_Static_assert(FILES_RESERVED_FEW < FILES_RESERVED_MAX, "few are fewer than the most");
_Static_assert(SWEEP_LEAST_MS < SWEEP_MOST_MS, "an interval has a least and a most");

int start_failed(const sw_app *app, const char *why)
{
    fprintf(stderr, "%s: %s\n", app->name, why);
    return EXIT_SETUP;
}

/* Another process has opened this one's journal: the runs go on there, and nothing of them can be read here. Ends the
 * process at once, since the data folder is the other's, and closing would write to it. */
static void start_on_fenced(void)
{
    log_line(LOG_ERROR, NULL, "another process has the data folder: this one ends");
    _exit(EXIT_SETUP);
}

static bool start_open_store(sw_app *app, char *error, size_t error_size)
{
    const sw_options *o = &app->opt;
    if (!app->durable) return true;
    int64_t sweep_ms = o->retain_ms / 4; /* whoever retains for a short time has little disk: often, then */
    if (sweep_ms < SWEEP_LEAST_MS) sweep_ms = SWEEP_LEAST_MS;
    if (sweep_ms > SWEEP_MOST_MS) sweep_ms = SWEEP_MOST_MS;
    app->store = store_open(&(store_options){.path = o->data,
                                             .on_fenced = start_on_fenced,
                                             .on_commit = app_count_commit,
                                             .on_commit_arg = app,
                                             .accept_loss = o->accept_journal_loss,
                                             .index = true,
                                             .sweep_interval_ms = sweep_ms,
                                             .retain_ms = o->retain_ms,
                                             .retain_bytes = (uint64_t)o->retain_bytes,
                                             .queue_bytes_max = (size_t)o->journal_queue_max},
                            error, error_size);
    return app->store != NULL;
}

/* Lets the process open as many files as the machine allows it. */
static void raise_file_limit(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == files.rlim_max) return;
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0)
        log_line(LOG_WARN, NULL, "the limit of open files cannot be raised: %s", strerror(errno));
}

/* glibc takes larger and larger objects from its heaps, up to 32 MiB, once it has freed such a one, and gives back only
 * what is free at a heap's end: there one small object holds all that was freed before it. What is set in
 * GLIBC_TUNABLES is the operator's. */
static void start_set_malloc(void)
{
#if defined(__GLIBC__)
    const char *own = getenv("GLIBC_TUNABLES");
    if (own && strstr(own, "glibc.malloc.")) return;
    (void)mallopt(M_MMAP_THRESHOLD, MMAP_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, TRIM_BYTES);
#endif
}

static void start_prepare_process(const sw_app *app)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignore, NULL);
    /* A terminal that hangs up signals the supervisor too, which takes SIGHUP for an upgrade. */
    if (app->control >= 0) (void)sigaction(SIGHUP, &ignore, NULL);
    /* Readers of journals and files share libuv's pool; its own default is 4 threads. */
    (void)setenv("UV_THREADPOOL_SIZE", "16", 0);
    raise_file_limit();
    start_set_malloc();
    overflow_install(crash_leave_record);
}

/* How many connections each loop lets in at the admin API: all of them take less than the reserve has, so that neither
 * a crowd there keeps clients out, nor clients those who look after the program. */
static size_t start_count_admin(const sw_app *app, int reserved)
{
    size_t most = (size_t)app->opt.admin_connections_max, share = ADMIN_FEW;
    if (reserved > ADMIN_SHARE * ADMIN_FEW * (int)app->loop_count)
        share = (size_t)reserved / ADMIN_SHARE / app->loop_count;
    return share < most ? share : most;
}

/* Says below which number clients' descriptors lie; 0: it cannot be told. RocksDB opens files whenever it likes, and a
 * journal that cannot open one takes no more writes, so a part of the descriptors is reserved for it. The admin API's
 * few connections may have most of the reserve's numbers, since calls to other services take some of them too. */
static void start_divide_descriptors(sw_app *app, bool has_admin)
{
    struct rlimit files;
    const struct dirent *file;
    int used = (int)app->loop_count * (LOOP_FILES + (has_admin ? ADMIN_FILES : 0));
    DIR *open_files = opendir("/proc/self/fd");
    while (open_files && (file = readdir(open_files))) used += file->d_name[0] != '.';
    if (open_files) closedir(open_files);
    app->client_descriptors = app->admin_descriptors = 0;
    app->admin_connections = (size_t)app->opt.admin_connections_max;
    if (!open_files || getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur > INT_MAX) return;
    int left = (int)files.rlim_cur - used;
    int reserved = left / 4 > FILES_RESERVED_MAX ? FILES_RESERVED_MAX : left / 4;
    if (reserved < FILES_RESERVED_FEW) reserved = left / 2 < FILES_RESERVED_FEW ? left / 2 : FILES_RESERVED_FEW;
    if (reserved <= FILES_RESERVED_FEW)
        log_line(LOG_WARN, NULL, "the limit of open files is %llu: only %d are left for the journal beside clients",
                 (unsigned long long)files.rlim_cur, reserved);
    app->client_descriptors = reserved > 0 ? (int)files.rlim_cur - reserved : 1;
    app->admin_descriptors = reserved > 0 ? (int)files.rlim_cur - reserved / ADMIN_SHARE : 1;
    app->admin_connections = start_count_admin(app, reserved);
}

/* ---- Serving ---- */

/* The loops share the admin API's socket and its queue. False with a message in `error`. */
static bool start_open_admin(sw_loop *l, const sockets *s, char *error, size_t error_size)
{
    if (s->admin < 0) return true;
    int fd = fcntl(s->admin, F_DUPFD_CLOEXEC, 0);
    (void)snprintf(error, error_size, "no descriptor for the admin API: %s", strerror(errno));
    if (fd < 0) return false;
    if (loop_open_admin(l, fd, error, error_size)) return true;
    close(fd);
    return false;
}

static void start_make_loops(sw_app *app, sockets *s)
{
    char why[ERROR_TEXT];
    for (unsigned i = 0; i < app->loop_count; i++) {
        bool made = loop_init(&app->loops[i], app, s->fds[i], why, sizeof why) &&
                    start_open_admin(&app->loops[i], s, why, sizeof why);
        s->fds[i] = -1;
        if (made) continue;
        log_line(LOG_ERROR, NULL, "loop %u cannot start: %s", i, why);
        /* Half-made loops hold handles that only their own run could close: the process ends here. */
        exit(EXIT_OTHER);
    }
    if (s->admin >= 0) close(s->admin);
    s->admin = -1;
}

static bool app_has_function(const sw_app *app)
{
    for (size_t i = 0; i < app->endpoint_count; i++)
        if (app->endpoints[i]->function) return true;
    return false;
}

/* Says where operators find the admin API, or why they do not. */
static void start_tell_admin(const sw_app *app, const char *address)
{
    const sw_options *o = &app->opt;
    bool is_path = strncmp(address, "unix:", 5) == 0;
    operators_warn(app->operators);
    if (*address) log_line(LOG_INFO, NULL, "the admin API is at %s%s", is_path ? "" : "http://", address);
    if (*address && !o->dev && operators_count(app->operators) == 0)
        log_line(LOG_WARN, NULL, "nobody may use the admin API: start with --token NAME:SCOPES:FILE");
    if (!*address && !o->admin_on_public && operators_count(app->operators) > 0)
        log_line(LOG_WARN, NULL,
                 "no address serves the admin API, so its tokens are of no use: start with "
                 "--admin-listen HOST:PORT");
    if (!*address && !o->admin_on_public && app_has_function(app))
        log_line(LOG_WARN, NULL,
                 "no address serves the admin API, so nobody can begin a run of a function: start with "
                 "--admin-listen HOST:PORT");
}

/* With --dev the log says how to look, and, where other machines reach the address, what a token costs there. */
static void start_tell_dev(sw_app *app, const char *address)
{
    char code[LINK_CODE_TEXT];
    bool is_any = strncmp(address, "0.0.0.0:", 8) == 0 || strncmp(address, "[::]:", 5) == 0;
    bool is_here = strncmp(address, "127.", 4) == 0 || strncmp(address, "[::1]:", 6) == 0;
    if (!app->opt.dev || !*address) return;
    if (strncmp(address, "unix:", 5) == 0) {
        log_line(LOG_INFO, NULL, "to see the runs: curl --unix-socket %s http://localhost/_sw/runs", address + 5);
        return;
    }
    if (is_here || is_any) {
        const char *name = is_any ? "localhost" : "", *rest = is_any ? strrchr(address, ':') : address;
        log_line(LOG_INFO, NULL, "to see the runs: http://%s%s/ in a browser, or curl http://%s%s/_sw/runs", name, rest,
                 name, rest);
    }
    if (is_here) return;
    app->link_code = app_must(link_code_new(clock_steady_ms(), code));
    /* No server and no proxy is sent a fragment: the page reads the code there, and takes it out of the URL. */
    log_line(LOG_INFO, NULL,
             "for a token, once within ten minutes%s: http://%s/#code=%s in a browser, or "
             "curl -d %s http://%s/_sw/session",
             is_any ? " (from another machine: with an address of this one in the URL)" : "", address, code, code,
             address);
}

static int start_loops_and_serve(sw_app *app, sockets *s, const sigset_t *stop_signals, const presence *own)
{
    char address[ADDRESS_BYTES] = "", admin[ADDRESS_BYTES] = "";
    assert(!app->loops);
    assert(s->count == app->loop_count);
    if (app->store) app->board = app_must(board_new());
    if (app->store) app->schedules = app_must(schedules_new(app));
    app->loops = app_must(calloc(app->loop_count, sizeof *app->loops));
    start_divide_descriptors(app, s->admin >= 0);
    app->blocking = app_must(pool_new((size_t)app->opt.blocking_threads));
    app->aside = app_must(pool_new(app->loop_count));
    (void)http_listen_address(s->fds[0], address, sizeof address);
    app_set_address(app, address);
    if (s->admin >= 0) (void)http_listen_address(s->admin, admin, sizeof admin);
    start_make_loops(app, s);
    presence_begin(own, app);
    start_tell_admin(app, admin);
    start_tell_dev(app, admin);
    log_line(LOG_INFO, NULL, "%s listening on http://%s", app->name, address);
    return serve_until_stopped(app, own, stop_signals) ? EXIT_OK : EXIT_OTHER;
}

/* As many loops as --loops says, or one for each core and each socket that was handed over. */
static unsigned count_loops(const sw_options *o, unsigned inherited)
{
    long n = o->loops > 0 ? o->loops : sysconf(_SC_NPROCESSORS_ONLN);
    if (n < 1) n = 1;
    if (n > SOCKETS_MAX) n = SOCKETS_MAX;
    return o->loops == 0 && (unsigned)n < inherited ? inherited : (unsigned)n;
}

static bool start_open_sockets(sw_app *app, sockets *s, char *error, size_t error_size)
{
    assert(app->loop_count >= 1);
    assert(app->loop_count <= SOCKETS_MAX);
    bool open = s->count == 0 ? sockets_listen(s, app->opt.listen, app->loop_count, error, error_size)
                              : sockets_spread(s, app->loop_count, error, error_size);
    if (!open || admin_socket_open(&app->opt, s, error, error_size)) return open;
    if (app->control < 0) return false;
    /* The supervisor would have opened it, and is of an earlier version: clients are served all the same. */
    log_line(LOG_ERROR, NULL, "%s: this worker has no admin API", error);
    return true;
}

static void start_tracing(sw_app *app)
{
    const tracer_options o = {.service = app->name,
                              .instance = app->store ? store_node(app->store) : NULL,
                              .folder = app->store ? app->opt.data : NULL};
    if (!tracer_start(&app->tracer, &o)) (void)app_must(NULL);
}

/* Exports what waits, in what is left of --drain. A process that waits for this one's end would export it too. */
static void start_end_tracing(sw_app *app)
{
    int64_t left_ms = app->drain_until_ms - clock_steady_ms();
    if (left_ms < 0) left_ms = 0;
    tracer_stop(app->tracer, app->is_followed && left_ms > TRACE_FLUSH_MS ? TRACE_FLUSH_MS : left_ms);
    app->tracer = NULL;
}

static int start_with_presence(sw_app *app, sockets *s, const sigset_t *stop_signals)
{
    app->started_ms = clock_wall_ms();
    start_tracing(app);
    presence own;
    assert(!app->loops); /* presence_order decides in which order their runs come back */
    if (!presence_open(&own, app)) (void)app_must(NULL);
    presence_order(&own, app);
    int result = start_loops_and_serve(app, s, stop_signals, &own);
    presence_end(app, result == EXIT_OK);
    start_end_tracing(app);
    return result;
}

static int start_serving(sw_app *app, sockets *s)
{
    char why[ERROR_TEXT];
    /* Blocked before any thread is made, so that only the main thread ever takes them. */
    sigset_t stop_signals;
    (void)sigemptyset(&stop_signals);
    (void)sigaddset(&stop_signals, SIGTERM);
    (void)sigaddset(&stop_signals, SIGINT);
    if (pthread_sigmask(SIG_BLOCK, &stop_signals, NULL) != 0) return EXIT_OTHER;
    start_prepare_process(app);
    int result = EXIT_SETUP;
    if (!start_open_sockets(app, s, why, sizeof why) || !start_open_store(app, why, sizeof why) ||
        !app_read_secret(app, why, sizeof why) || !settings_start(app, why, sizeof why))
        (void)start_failed(app, why);
    else
        result = start_with_presence(app, s, &stop_signals);
    sockets_close(s);
    pool_free(app->blocking);
    pool_free(app->aside);
    suspects_free(app->suspects);
    comeback_free(app->comeback);
    link_code_free(app->link_code);
    settings_end(app);
    schedules_free(app->schedules);
    board_free(app->board);
    if (app->store) store_close(app->store);
    return result;
}

/* The supervisor holds all sockets that its worker will need; the worker's other needs are the worker's to check. */
static int start_supervising(sw_app *app, sockets *s, char **argv)
{
    char why[ERROR_TEXT];
    raise_file_limit();
    bool has_sockets;
    if (s->count == 0)
        has_sockets = sockets_listen(s, app->opt.listen, app->loop_count, why, sizeof why);
    else /* fewer sockets than loops are spread by the worker */
        has_sockets = s->count <= app->loop_count || sockets_spread(s, app->loop_count, why, sizeof why);
    if (has_sockets) has_sockets = admin_socket_open(&app->opt, s, why, sizeof why);
    if (!has_sockets) return start_failed(app, why);
    return supervise_run(app, s, argv);
}

int start_program(sw_app *app, char **argv)
{
    char why[ERROR_TEXT];
    assert(!app->mistake);
    assert(!app->store);
    sockets s = {.count = 0, .admin = -1};
    app->control = control_inherit(&app->worker);
    app->worker_before = control_inherit_ended();
    if (app->control == CONTROL_ORPHAN) return start_failed(app, "the supervisor ended before its worker served");
    if (!sockets_inherit(&s, why, sizeof why)) return start_failed(app, why);
    app->loop_count = count_loops(&app->opt, s.count);
    if (app->opt.supervise && app->control < 0) return start_supervising(app, &s, argv);
    const char *objection = app_begin(app);
    if (objection) return start_failed(app, objection);
    return start_serving(app, &s);
}
