/* poisoned: a program that its own runs end, which is started again each time, and what it has logged in all its lives.
 * Included by one file of a test program. */
#ifndef TESTS_SERVICE_POISONED_H
#define TESTS_SERVICE_POISONED_H

#include <pthread.h>

#include "tests/harness/served.h"

enum { LOG_BYTES = 1 << 20, NAP_US = 20000 };

static char data[128];
static bool is_supervised;

static char logged[LOG_BYTES]; /* of all starts of a case */
static size_t logged_len;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_t log_reader;

static inline void log_add(const char *bytes, size_t len)
{
    (void)pthread_mutex_lock(&log_lock);
    CHECK(logged_len + len < LOG_BYTES);
    memcpy(logged + logged_len, bytes, len);
    logged_len += len;
    logged[logged_len] = 0;
    (void)pthread_mutex_unlock(&log_lock);
}

static inline void log_forget(void)
{
    logged_len = 0;
    logged[0] = 0;
}

static inline unsigned log_count(const char *part)
{
    unsigned n = 0;
    (void)pthread_mutex_lock(&log_lock);
    for (const char *at = logged; (at = strstr(at, part)); at++) n++;
    (void)pthread_mutex_unlock(&log_lock);
    return n;
}

static inline void log_show(void)
{
    (void)pthread_mutex_lock(&log_lock);
    for (const char *at = logged; *at; at += strcspn(at, "\n") + (at[strcspn(at, "\n")] != 0))
        printf("# %.*s\n", (int)strcspn(at, "\n"), at);
    (void)pthread_mutex_unlock(&log_lock);
}

static void *read_log(void *arg)
{
    char bytes[4096];
    (void)arg;
    for (ssize_t n; (n = read(server.log, bytes, sizeof bytes)) > 0;) log_add(bytes, (size_t)n);
    return NULL;
}

static inline void start(void)
{
    static char said[65536];
    int exit_code = 0;
    const char *const flags[] = {"--data", data,  "--dev",      "--loops", "2",
                                 "--hold", "30s", "--runs-max", "600",     is_supervised ? "--supervise" : NULL,
                                 NULL};
    if (!served_try(&server, flags, said, sizeof said, &exit_code)) printf("# %d %s\n", exit_code, said);
    log_add(said, strlen(said));
    CHECK(pthread_create(&log_reader, NULL, read_log, NULL) == 0);
}

static inline void join_log(void)
{
    CHECK(pthread_join(log_reader, NULL) == 0);
    close(server.log);
}

static inline void stop(void)
{
    int status = 0;
    CHECK(kill(server.pid, SIGTERM) == 0 && waitpid(server.pid, &status, 0) == server.pid);
    join_log();
    bool well = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!well) log_show();
    CHECK(well);
}

/* True: the process without supervisor has ended, and was started again. */
static inline bool restart_if_dead(void)
{
    if (is_supervised || waitpid(server.pid, NULL, WNOHANG) != server.pid) return false;
    join_log();
    start();
    return true;
}

static inline void nap(void) { usleep(NAP_US); }

/* ---- Runs ---- */

static inline void begin(const char *path, char output[1024]) { server_begin("POST", path, output, 1024); }

static inline const char *page_of(const char *output)
{
    static char path[128];
    snprintf(path, sizeof path, "/_sw/runs/%.26s", strstr(output, "/runs/") + 6);
    return path;
}

/* Its page is left in *a. */
static inline bool is_in_state(const char *output, const char *state, answer *a)
{
    return call_try(NULL, server_url(page_of(output)), NULL, NULL, 0, a) && strstr(a->body, state);
}

#endif
