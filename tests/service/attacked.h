/* attacked: the service that the tests of attacks attack, and what they say to it on plain sockets. Included by one
 * file of a test program. */
#ifndef TESTS_SERVICE_ATTACKED_H
#define TESTS_SERVICE_ATTACKED_H

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "runtime/stepwell.h"
#include "tests/harness/served.h"

typedef struct notes {
    int runs, evil, cut, floods; /* atomic */
    int go_on;                   /* the test lets a run end */
} notes;

static notes *seen;
static char files_dir[128], data_dir[128];

static void count_up(int *n) { __atomic_add_fetch(n, 1, __ATOMIC_SEQ_CST); }
static int count_of(const int *n) { return __atomic_load_n(n, __ATOMIC_SEQ_CST); }

/* Heads of requests, to be gone on with. */
#define POST    "POST /work HTTP/1.1\r\nHost: x\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

/* ---- The service ---- */

static inline sw_value give_back(sw_ctx *c, sw_value v)
{
    (void)c;
    return v;
}

static inline void on_work(sw_ctx *c)
{
    count_up(&seen->runs);
    sw_push_chunk(c, sw_str(c, "one"));
    sw_step(c, "work", give_back, sw_nil());
    sw_push_chunk(c, sw_str(c, "two"));
    sw_reply_text(c, 200, "worked");
}

static inline void on_evil(sw_ctx *c)
{
    count_up(&seen->evil);
    sw_reply_text(c, 200, "evil");
}

static inline sw_value until_told(sw_ctx *c, sw_value v)
{
    count_up(&seen->runs);
    while (!count_of(&seen->go_on)) sw_sleep(c, "poll", 5);
    return v;
}

static inline void on_wait(sw_ctx *c)
{
    sw_step(c, "wait", until_told, sw_nil());
    sw_reply_text(c, 200, "waited");
}

static inline void on_nap(sw_ctx *c)
{
    sw_sleep(c, "nap", 3600000);
    sw_reply_text(c, 200, "rested");
}

/* What a careless handler does: it puts into a header what the client sent. */
static inline void on_split(sw_ctx *c)
{
    const char *type = sw_query(c, "type");
    sw_reply_header(c, "X-First", "1");
    if (type)
        sw_reply(c, 200, type, "sent", 4);
    else
        sw_reply_header(c, sw_query(c, "name"), sw_query(c, "value"));
    sw_reply_text(c, 200, "sent");
}

static inline void on_flood(sw_ctx *c)
{
    static const char much[16384];
    sw_reply_open(c, 200, "application/octet-stream");
    count_up(&seen->floods);
    while (sw_reply_write(c, much, sizeof much)) {}
    count_up(&seen->cut);
}

static inline int attacked_serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("attacked");
    seen = served_notes(sizeof *seen);
    sw_endpoint(app, "GET /work", on_work, NULL);
    sw_endpoint(app, "POST /work", on_work, NULL);
    sw_endpoint(app, "GET /evil", on_evil, NULL);
    sw_endpoint(app, "GET /wait", on_wait, NULL);
    sw_endpoint(app, "GET /nap", on_nap, NULL);
    sw_endpoint(app, "GET /split", on_split, NULL);
    sw_route(app, "GET /plain-split", on_split);
    sw_route(app, "GET /flood", on_flood);
    sw_static(app, "/files", getenv("FILES"));
    return sw_main(app, argc, argv);
}

/* ---- Tools ---- */

static char got[65536]; /* what read_all read last */

/* Further flags: up to four, NULL-terminated. */
static inline void start_with(const char *const *more)
{
    const char *flags[SERVED_ARGS_MAX] = {"--data", data_dir, "--dev", "--hold", "10s"};
    size_t n = 5;
    while (*more) flags[n++] = *more++;
    flags[n] = NULL;
    memset(seen, 0, sizeof *seen);
    served_start(&server, flags);
}

static inline void start(void)
{
    const char *const more[] = {"--loops", "2", NULL};
    start_with(more);
}

static void stop(void) { CHECK_INT(served_stop(&server, SIGTERM), 0); }

static inline int dial(void)
{
    struct linger reset = {1, 0}; /* thousands of sockets must not linger */
    int fd = server_dial();
    CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) == 0);
    return fd;
}

/* False: the other side takes no more. */
static inline bool say(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n < 0) return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

/* Everything up to the end of the connection, into `got`. */
static inline void read_all(int fd)
{
    size_t len = 0;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        CHECK(poll(&p, 1, PATIENCE_MS) == 1);
        CHECK(len < sizeof got - 1);
        ssize_t n = recv(fd, got + len, sizeof got - 1 - len, 0);
        if (n <= 0) break;
        len += (size_t)n;
    }
    got[len] = 0;
    for (size_t i = 0; i < len; i++) /* strstr is to see all of it */
        if (!got[i]) got[i] = '?';
}

/* One request that ends its connection; the answer is in `got`, its status returned. */
static inline int ask(const char *request)
{
    int fd = dial();
    CHECK(say(fd, request, strlen(request)));
    read_all(fd);
    close(fd);
    return strncmp(got, "HTTP/1.1 ", 9) == 0 ? atoi(got + 9) : 0;
}

static inline bool served_well(void)
{
    const char request[] = "GET /work HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    return ask(request) == 200 && strstr(got, "worked");
}

static inline void wait_for(const int *n, int at_least)
{
    for (int i = 0; i < 6000 && count_of(n) < at_least; i++) usleep(10000);
    CHECK(count_of(n) >= at_least);
}

static inline void raise_file_limit(void)
{
    struct rlimit files;
    CHECK(getrlimit(RLIMIT_NOFILE, &files) == 0);
    files.rlim_cur = files.rlim_max;
    CHECK(setrlimit(RLIMIT_NOFILE, &files) == 0);
}

static inline void write_file(const char *path, const char *content)
{
    FILE *f = fopen(path, "w");
    CHECK(f && fputs(content, f) >= 0 && fclose(f) == 0);
}

static inline void make_files(void)
{
    char path[256];
    CHECK(mkdir(files_dir, 0700) == 0);
    snprintf(path, sizeof path, "%s/page.txt", files_dir);
    write_file(path, "shown");
    snprintf(path, sizeof path, "%s/secret", root);
    write_file(path, "hidden");
}

static inline void attacked_prepare(void)
{
    snprintf(files_dir, sizeof files_dir, "%s/files", root);
    snprintf(data_dir, sizeof data_dir, "%s/data", root);
    CHECK(setenv("FILES", files_dir, 1) == 0);
    make_files();
    seen = served_notes(sizeof *seen);
}

#endif
