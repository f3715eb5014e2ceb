/* What a service at its limits, and one that is open to its own machine, still refuses. */
#include "runtime/stepwell.h"
#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "tests/harness/served.h"

enum { FILES = 110, CLIENTS = 150, MAKE_ROOM = 8 };

static void on_hello(sw_ctx *c) { sw_reply_text(c, 200, "hello"); }

static int serve(int argc, char **argv)
{
    struct rlimit few = {FILES, FILES};
    if (getenv("FEW_FILES")) CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
    sw_app *app = sw_app_new("limits");
    sw_endpoint(app, "POST /hello", on_hello, NULL);
    sw_route(app, "GET /hello", on_hello);
    return sw_main(app, argc, argv);
}

static char data[128], backups[128];
static answer a;

static void start(const char *folder)
{
    snprintf(data, sizeof data, "%s/%s", root, folder);
    snprintf(backups, sizeof backups, "%s/backups", root);
    CHECK(mkdir(backups, 0700) == 0 || errno == EEXIST);
    served_start(&server,
                 (const char *const[]){"--data", data, "--dev", "--loops", "3", "--backup-dir", backups, NULL});
}

/* Asks until there is room: the server gets to know of closed clients when it turns next. */
static void ask_with_room(const char *method, const char *path, const char *body, long status)
{
    for (int tries = 0; !call_try(method, server_url(path), NULL, body, 0, &a); tries++) {
        CHECK(tries < PATIENCE_MS / 10);
        usleep(10000);
    }
    CHECK_INT(a.status, status);
}

/* More idle clients than there are files: each is served or closed, none is left hanging, and the journal can open
 * what it needs. */
static void test_files(void)
{
    static const char hello[] = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
    int fds[CLIENTS], answered = 0, left = 0;
    char head[13], backup[64];
    CHECK(setenv("FEW_FILES", "1", 1) == 0);
    start("few");
    CHECK(unsetenv("FEW_FILES") == 0);
    for (int i = 0; i < CLIENTS; i++) fds[i] = server_dial();
    for (int i = 0; i < CLIENTS; i++) {
        (void)send(fds[i], hello, sizeof hello - 1, MSG_NOSIGNAL);
        ssize_t n = recv(fds[i], head, sizeof head, MSG_WAITALL);
        CHECK(n >= 0 || errno != EAGAIN); /* answered, or closed: a timeout is neither */
        if (n > 0 && ++answered > MAKE_ROOM) continue;
        close(fds[i]); /* some of those that were answered make room for the calls below */
        fds[i] = -1;
    }
    CHECK(answered > MAKE_ROOM && answered < FILES);
    for (int i = 0; i < 5; i++) { /* a backup makes RocksDB begin a new log and open tables */
        ask_with_room("POST", "/hello", "", 200);
        snprintf(backup, sizeof backup, "/_sw/backup?name=b%d", i);
        ask_with_room("POST", backup, "", 201);
    }
    ask_with_room(NULL, "/_sw/readyz", NULL, 200);
    for (int i = 0; i < CLIENTS; i++) left += fds[i] >= 0 && close(fds[i]) == 0;
    CHECK_INT(left, answered - MAKE_ROOM);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static long list_as(const char *host, const char *origin)
{
    const char *const headers[] = {host, origin, NULL};
    call(NULL, server_url("/_sw/runs"), headers, NULL, 0, &a);
    return a.status;
}

static void test_dev(void)
{
    char same[128], host[128];
    const char *port = strrchr(server.address, ':') + 1;
    CHECK_INT(list_as("X: y", NULL), 200); /* curl's own Host is the address */
    CHECK_INT(list_as("Host: localhost", NULL), 200);
    CHECK_INT(list_as("Host: LOCALHOST:8080", NULL), 200);
    CHECK_INT(list_as("Host: shop.localhost:8080", NULL), 200);
    CHECK_INT(list_as("Host: [::1]", NULL), 200);
    CHECK_INT(list_as("Host: [::1]:8080", NULL), 200);
    CHECK_INT(list_as("Host: 127.8.9.1", NULL), 200);
    static const char *const foreign[] = {
        "Host: evil.example",     "Host: evil.example:80", "Host: localhost.evil.example",
        "Host: 127.0.0.1.evil",   "Host: evillocalhost",   "Host: [::2]",
        "Host: 128.0.0.1",        "Host: 0x7f.1",          "Host: .",
        "Host: 127.evil.example", "Host: 10.0.0.1:8080"};
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) CHECK_INT(list_as(foreign[i], NULL), 403);
    snprintf(same, sizeof same, "Origin: http://127.0.0.1:%s", port);
    CHECK_INT(list_as("X: y", same), 200);
    snprintf(host, sizeof host, "Host: localhost:%s", port);
    snprintf(same, sizeof same, "Origin: http://localhost:%s", port);
    CHECK_INT(list_as(host, same), 200);
    CHECK_INT(list_as(host, "Origin: http://localhost:1"), 403);
    CHECK_INT(list_as(host, "Origin: https://evil.example"), 403);
    CHECK_INT(list_as(host, "Origin: null"), 403);
    const char *const page[] = {"Origin: https://evil.example", NULL};
    call("POST", server_url("/_sw/backup?name=foreign"), page, "", 0, &a);
    CHECK_INT(a.status, 403);
}

static void test_dev_trust(void)
{
    start("dev");
    test_dev();
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* Every way to say yes or no to a switch; --dev is the one that opens doors. */
static void test_switches(void)
{
    static const struct {
        const char *flag, *environment;
        long status;
    } rows[] = {{"--dev", "0", 200},   {"--dev=YES", NULL, 200}, {"--dev=on", NULL, 200},    {"--dev=no", "1", 403},
                {"--dev=", NULL, 403}, {"--dev=off", NULL, 403}, {"--dev=false", NULL, 403}, {"--dev=0", NULL, 403},
                {NULL, "true", 200},   {NULL, "False", 403}};
    snprintf(data, sizeof data, "%s/switches", root);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].environment) CHECK(setenv("STEPWELL_DEV", rows[i].environment, 1) == 0);
        served_start(&server, (const char *const[]){"--data", data, "--loops", "1", rows[i].flag, NULL});
        CHECK(unsetenv("STEPWELL_DEV") == 0);
        call(NULL, server_url("/_sw/runs"), NULL, NULL, 0, &a);
        CHECK_INT(a.status, rows[i].status);
        CHECK_INT(served_stop(&server, SIGTERM), 0);
    }
}

static const check_case cases[] = {
    {"switches", test_switches}, {"the limit of open files", test_files}, {"whom --dev trusts", test_dev_trust}};

SERVED_MAIN(serve, NULL, cases)
