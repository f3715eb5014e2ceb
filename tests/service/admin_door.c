/* The admin API has a door of its own: what is served where, and where it may listen. */
#include "runtime/stepwell.h"
#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "http/server/server.h"
#include "runtime/admin/console.h"
#include "tests/harness/served.h"

enum { RUNS = 12, CROWD = 400, FEW_FILES = 256 };

static void on_wait(sw_ctx *c)
{
    sw_sleep(c, "long", 3600000);
    sw_reply_text(c, 200, "waited");
}

static void on_pid(sw_ctx *c)
{
    char pid[24];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    sw_reply_text(c, 200, "%s", pid);
}

/* What a service manager does before it executes a program: a public socket, and one that is called "admin". */
static void hand_over(char **argv)
{
    char why[256], pid[24];
    int fds[2] = {http_listen("127.0.0.1:0", why, sizeof why), http_listen("127.0.0.1:0", why, sizeof why)};
    CHECK(fds[0] >= 0 && fds[1] >= 0);
    for (int i = 0; i < 2; i++) fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 10);
    for (int i = 0; i < 2; i++) CHECK(dup2(fds[i], 3 + i) == 3 + i);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    CHECK(setenv("LISTEN_PID", pid, 1) == 0 && setenv("LISTEN_FDS", "2", 1) == 0);
    CHECK(setenv("LISTEN_FDNAMES", getenv("HAND_OVER"), 1) == 0 && unsetenv("HAND_OVER") == 0);
    static char serve_flag[] = "--serve";
    char *more[64];
    size_t n = 0;
    more[n++] = argv[0];
    more[n++] = serve_flag;
    for (size_t i = 1; argv[i] && n < 63; i++) more[n++] = argv[i];
    more[n] = NULL;
    execv("/proc/self/exe", more);
    CHECK(false);
}

static int serve(int argc, char **argv)
{
    const struct rlimit few = {FEW_FILES, FEW_FILES};
    if (getenv("HAND_OVER")) hand_over(argv);
    if (getenv("EARLIER_SUPERVISOR")) (void)unsetenv("STEPWELL_ADMIN_SOCKET");
    if (getenv("FEW_FILES")) CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
    sw_app *app = sw_app_new("door");
    sw_endpoint(app, "POST /wait", on_wait, NULL);
    sw_route(app, "GET /pid", on_pid);
    return sw_main(app, argc, argv);
}

static char data[128], sock[128], said[65536];
static answer a;

#define START(...)          start((const char *const[]){__VA_ARGS__, NULL})
#define REFUSED(words, ...) refused(words, (const char *const[]){__VA_ARGS__, NULL})

static const char *const *with_data(const char *const *flags)
{
    static const char *all[SERVED_ARGS_MAX];
    size_t n = 0;
    snprintf(data, sizeof data, "%s/data", root);
    all[n++] = "--data";
    all[n++] = data;
    for (; *flags; flags++) all[n++] = *flags;
    all[n] = NULL;
    return all;
}

static void start(const char *const *flags) { served_start(&server, with_data(flags)); }

static void stop(void) { CHECK_INT(served_stop(&server, SIGTERM), 0); }

static void refused(const char *words, const char *const *flags)
{
    served s;
    int code = 0;
    CHECK(!served_try(&s, with_data(flags), said, sizeof said, &code));
    CHECK_INT(code, 2);
    if (!strstr(said, words)) printf("# it said: %s\n", said);
    CHECK(strstr(said, words));
}

static long ask_public(const char *method, const char *path)
{
    call(method, server_url(path), NULL, NULL, 0, &a);
    return a.status;
}

static long ask_admin_with(const char *method, const char *path, const char *header)
{
    char url[512];
    snprintf(url, sizeof url, "%s%s", server.admin, path);
    call(method, url, (const char *const[]){header, NULL}, NULL, 0, &a);
    return a.status;
}

static long ask_admin(const char *method, const char *path) { return ask_admin_with(method, path, "X: y"); }

static const char *header(const char *name)
{
    static char text[1024];
    return answer_header(&a, name, text, sizeof text);
}

/* ---- What is where ---- */

static void test_doors(void)
{
    static const char none[] = "/_sw/runs/00000000000000000000000000";
    char output[512], path[512];
    START("--dev");
    CHECK_INT(ask_public("GET", "/_sw/runs"), 404);
    CHECK_INT(ask_public("GET", "/_sw/metrics"), 404);
    CHECK_INT(ask_public("POST", "/_sw/backup?name=x"), 404);
    CHECK_INT(ask_public("GET", none), 405);
    CHECK(!strstr(header("Allow"), "GET"));
    CHECK_INT(ask_public("DELETE", none), 401);
    CHECK_STR(header("WWW-Authenticate"), "Bearer realm=\"run\"");
    CHECK_INT(ask_public("GET", "/_sw/healthz"), 200);
    while (ask_public("GET", "/_sw/readyz") == 503) usleep(5000); /* it reads its journal */
    CHECK_INT(ask_public("GET", "/_sw/readyz"), 200);
    CHECK_INT(ask_admin("GET", "/_sw/healthz"), 200);
    CHECK_INT(ask_admin("GET", "/_sw/readyz"), 200);
    CHECK_INT(ask_admin("GET", "/_sw/runs"), 200);
    CHECK_INT(ask_admin("GET", none), 404);
    CHECK_INT(ask_admin("GET", "/_sw/metrics"), 200);
    CHECK_INT(ask_admin("GET", "/pid"), 404);
    CHECK_INT(ask_admin("POST", "/wait"), 404);
    server_begin("POST", "/wait", output, sizeof output);
    CHECK_INT(ask_admin("GET", output), 404); /* the run's own URL is the client's */
    snprintf(path, sizeof path, "%.*s%s", (int)(strstr(output, "/output") - output), output, strchr(output, '?'));
    CHECK_INT(ask_public("DELETE", path), 200);
    stop();
}

/* The console is at this door alone, whatever the build has put into it. */
static void test_console(void)
{
    START("--dev", "--admin-on-public");
    CHECK_INT(ask_public("GET", "/"), 404);
    CHECK_INT(ask_public("GET", "/_sw/runs"), 200);
    CHECK_INT(ask_admin("GET", "/"), console_file_count > 0 ? 200 : 404);
    if (console_file_count == 0) CHECK(strstr(a.body, "-Dconsole=enabled"));
    for (size_t i = 0; i < console_file_count; i++) {
        const char *path = console_files[i].route + strlen("GET ");
        CHECK_INT(ask_admin("GET", path), 200);
        CHECK_INT(a.body_len, console_files[i].len);
        CHECK(memcmp(a.body, console_files[i].data, a.body_len) == 0);
        CHECK_STR(header("Content-Security-Policy"),
                  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
                  "img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'");
        CHECK_STR(header("X-Content-Type-Options"), "nosniff");
        CHECK_STR(header("Referrer-Policy"), "no-referrer");
        CHECK_INT(ask_admin("POST", path), 405);
        CHECK_INT(ask_admin_with("GET", path, "If-None-Match: \"other\", *"), 200);
        CHECK_INT(ask_admin_with("GET", path, "If-None-Match: *"), 304);
        CHECK_INT(ask_admin_with("GET", path, "Host: elsewhere.example"), 403);
        CHECK_INT(ask_admin_with("GET", path, "Origin: https://elsewhere.example"), 403);
        CHECK_INT(ask_public("GET", path), 404);
    }
    CHECK_INT(ask_admin("GET", "/_sw/metrics"), 200);
    CHECK(strstr(a.body, "\"GET /_sw/runs\"") && !strstr(a.body, "\"GET /\"")); /* no series of its own */
    stop();
}

/* Pages of no origin but the admin API's own may use it, so it tells browsers of none. */
static void test_no_pages(void)
{
    START("--dev", "--cors-origin", "https://app.example.com");
    CHECK_INT(ask_admin("OPTIONS", "/_sw/metrics"), 204);
    CHECK(strstr(header("Allow"), "GET") && !strstr(header("Allow"), "POST"));
    CHECK_INT(ask_admin_with("OPTIONS", "/_sw/runs/x", "Access-Control-Request-Method: DELETE"), 204);
    CHECK(!strstr(a.head, "Access-Control"));
    const char *const page[] = {"Origin: https://app.example.com", "Access-Control-Request-Method: DELETE", NULL};
    char url[256];
    snprintf(url, sizeof url, "%s/_sw/runs/x", server.admin);
    call("OPTIONS", url, page, NULL, 0, &a);
    CHECK(!strstr(a.head, "Access-Control"));
    call("OPTIONS", server_url("/_sw/runs/x"), page, NULL, 0, &a); /* a client's page cancels its run */
    CHECK(strstr(a.head, "Access-Control"));
    CHECK_INT(ask_admin("OPTIONS", "/pid"), 404);
    stop();
}

static void test_without(void)
{
    START("--loops", "1");
    CHECK_STR(server.admin, "");
    CHECK_INT(ask_public("GET", "/_sw/runs"), 404);
    stop();
    START("--dev", "--admin-listen", "none");
    CHECK_STR(server.admin, "");
    stop();
    START("--dev", "--admin-listen", "none", "--admin-on-public");
    CHECK_STR(server.admin, "");
    CHECK_INT(ask_public("GET", "/_sw/runs"), 200);
    stop();
}

/* Whichever loop takes the connection: that of the run answers. And no list holds a token of a run. */
static void test_any_loop(void)
{
    char output[RUNS][512], path[512];
    START("--dev", "--loops", "3");
    for (int i = 0; i < RUNS; i++) server_begin("POST", "/wait", output[i], sizeof output[i]);
    CHECK_INT(ask_admin("GET", "/_sw/runs"), 200);
    CHECK(!strstr(a.body, "token"));
    for (int i = 0; i < RUNS; i++) {
        snprintf(path, sizeof path, "%.*s", (int)(strstr(output[i], "/output") - output[i]), output[i]);
        CHECK_INT(ask_admin("GET", path), 200);
        CHECK(!strstr(a.body, "token"));
        CHECK_INT(ask_admin("DELETE", path), 200);
    }
    stop();
}

/* ---- Where it listens ---- */

static void test_dev_address(void)
{
    char public[64];
    START("--dev", "--listen", "0.0.0.0:0");
    CHECK(strncmp(server.admin, "http://127.0.0.1:", 17) == 0);
    int port = atoi(strrchr(server.address, ':') + 1);
    stop();
    /* The port above may be taken by anybody meanwhile: then the message says what to do. */
    snprintf(public, sizeof public, "127.0.0.1:%d", port);
    const char *const flags[] = {"--dev", "--listen", public, NULL};
    int code = 0;
    if (served_try(&server, with_data(flags), said, sizeof said, &code)) {
        CHECK_INT(atoi(strrchr(server.admin, ':') + 1), port + 1);
        stop();
    } else {
        CHECK(strstr(said, "cannot listen on"));
    }
    REFUSED("--admin-listen HOST:PORT, or none", "--dev", "--listen", "127.0.0.1:65535");
}

static void test_wrong_addresses(void)
{
    char other[64], path[256], why[256];
    int taken = http_listen("127.0.0.1:0", why, sizeof why);
    CHECK(taken >= 0 && http_listen_address(taken, other, sizeof other));
    REFUSED("--admin-listen: cannot listen on", "--admin-listen", other);
    REFUSED("stop the program that has this port", "--admin-listen", other);
    close(taken);
    REFUSED("that port is --listen's", "--listen", other, "--admin-listen", other);
    snprintf(path, sizeof path, "192.0.2.1%s", strrchr(other, ':'));
    REFUSED("this machine does not have that address", "--listen", other, "--admin-listen", path);
    REFUSED("write HOST:PORT", "--admin-listen", "8081");
    REFUSED("write HOST:PORT", "--admin-listen", "127.0.0.1:99999");
    REFUSED("write HOST:PORT", "--admin-listen", "http://127.0.0.1:8081");
    REFUSED("the path is empty", "--admin-listen", "unix:");
    snprintf(path, sizeof path, "%s/%0150d", root, 1);
    REFUSED("the path of a socket has at most 107 bytes", "--admin-listen", path);
    snprintf(path, sizeof path, "%s/none/admin.sock", root);
    REFUSED("No such file or directory", "--admin-listen", path);
    snprintf(path, sizeof path, "%s/a file", root);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    REFUSED("what is there is no socket", "--admin-listen", path);
    CHECK(access(path, F_OK) == 0);
    REFUSED("--admin-host", "--dev", "--admin-host", "http://admin.example.com");
    REFUSED("names without port", "--dev", "--admin-host", "admin.example.com:80");
}

/* ---- Crowds ---- */

/* Begins so many requests at "http://127.0.0.1:1234" that no descriptor is left for more; none is ever whole. Returns
 * when the server has seen all of them. */
static void crowd_come(const char *address, int fds[CROWD])
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < CROWD; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK(fds[i] >= 0 && connect(fds[i], (struct sockaddr *)&to, sizeof to) == 0);
        (void)send(fds[i], "GET /", 5, MSG_NOSIGNAL);
    }
    (void)call_try("GET", address, NULL, NULL, 0, &a);
}

/* Strangers at one door, as many as they are, leave the other one open. */
static void test_crowds(void)
{
    static int fds[CROWD];
    CHECK(setenv("FEW_FILES", "", 1) == 0);
    START("--dev", "--loops", "1", "--head-timeout", "10m");
    CHECK(unsetenv("FEW_FILES") == 0);
    for (int of_admin = 0; of_admin < 2; of_admin++) {
        crowd_come(of_admin ? server.admin : server.address, fds);
        CHECK_INT(of_admin ? ask_public("GET", "/pid") : ask_admin("GET", "/_sw/runs"), 200);
        for (int i = 0; i < CROWD; i++) close(fds[i]);
    }
    stop();
}

/* ---- By a path ---- */

static int dial_path(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    CHECK((size_t)snprintf(to.sun_path, sizeof to.sun_path, "%s", path) < sizeof to.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    return fd;
}

static int ask_path(const char *request)
{
    char line[256], got[65536];
    size_t len = 0;
    int fd = dial_path(sock), status = 0;
    int n = snprintf(line, sizeof line, "%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", request);
    CHECK_INT(write(fd, line, (size_t)n), n);
    for (ssize_t k; (k = read(fd, got + len, sizeof got - 1 - len)) > 0;) len += (size_t)k;
    got[len] = 0;
    close(fd);
    CHECK(sscanf(got, "HTTP/1.1 %d", &status) == 1);
    return status;
}

static void test_path(void)
{
    struct stat about;
    char output[512], path[600];
    snprintf(sock, sizeof sock, "%s/admin.sock", root);
    START("--dev", "--admin-listen", sock, "--loops", "2", "--supervise");
    CHECK(strncmp(server.admin, "unix:/", 6) == 0);
    CHECK(stat(sock, &about) == 0 && S_ISSOCK(about.st_mode) && (about.st_mode & 0777) == 0600);
    for (int i = 0; i < RUNS; i++) {
        server_begin("POST", "/wait", output, sizeof output);
        snprintf(path, sizeof path, "DELETE %.*s", (int)(strstr(output, "/output") - output), output);
        CHECK_INT(ask_path(path), 200);
    }
    CHECK_INT(ask_path("GET /_sw/metrics"), 200);
    REFUSED("stop the program that has it", "--admin-listen", sock);
    CHECK_INT(ask_path("GET /_sw/metrics"), 200);
    (void)served_stop(&server, SIGKILL); /* the socket is left behind */
    START("--dev", "--admin-listen", sock);
    CHECK_INT(ask_path("GET /_sw/metrics"), 200);
    stop();
    CHECK(unlink(sock) == 0);
}

/* ---- From one process to the next ---- */

static pid_t worker_pid(void)
{
    for (int tries = 0; !call_try("GET", server_url("/pid"), NULL, NULL, 0, &a); tries++) CHECK(tries < 100);
    return (pid_t)atoi(a.body);
}

/* A connection that comes while no worker serves waits for the next one. */
static void test_upgrade(void)
{
    START("--dev", "--admin-listen", "127.0.0.1:0", "--supervise", "--loops", "2");
    pid_t first = worker_pid();
    CHECK_INT(ask_admin("GET", "/_sw/runs"), 200);
    CHECK(kill(first, SIGKILL) == 0);
    CHECK_INT(ask_admin("GET", "/_sw/runs"), 200);
    pid_t second = worker_pid();
    CHECK(second != first);
    CHECK(kill(server.pid, SIGHUP) == 0);
    while (worker_pid() == second) CHECK_INT(ask_admin("GET", "/_sw/metrics"), 200);
    CHECK_INT(ask_admin("GET", "/_sw/metrics"), 200);
    CHECK(kill(worker_pid(), SIGTERM) == 0);
    CHECK_INT(ask_admin("GET", "/_sw/metrics"), 200);
    stop();
}

/* A supervisor of version 0.1 knows of no such socket: the worker opens it itself, and serves clients without it if it
 * cannot. Here it cannot, because the supervisor has it. */
static void test_earlier_supervisor(void)
{
    char taken[64], why[256];
    int fd = http_listen("127.0.0.1:0", why, sizeof why);
    CHECK(fd >= 0 && http_listen_address(fd, taken, sizeof taken));
    close(fd);
    CHECK(setenv("EARLIER_SUPERVISOR", "", 1) == 0);
    START("--dev", "--supervise", "--loops", "1", "--admin-listen", taken);
    CHECK_STR(server.admin, "");
    CHECK_INT(ask_public("GET", "/pid"), 200);
    CHECK_INT(ask_public("GET", "/_sw/runs"), 404);
    stop();
    START("--dev", "--supervise", "--loops", "1", "--admin-listen", "127.0.0.1:0"); /* any port that is free */
    CHECK_INT(ask_admin("GET", "/_sw/runs"), 200);
    stop();
    CHECK(unsetenv("EARLIER_SUPERVISOR") == 0);
}

static void start_handed_over(const char *names, const char *const *flags)
{
    CHECK(setenv("HAND_OVER", names, 1) == 0);
    start(flags);
    CHECK(unsetenv("HAND_OVER") == 0);
}

static void test_handed_over(void)
{
    const char *const alone[] = {"--dev", "--loops", "2", NULL};
    const char *const supervised[] = {"--dev", "--supervise", "--loops", "1", NULL};
    start_handed_over("stepwell.socket:admin", alone);
    CHECK_INT(ask_public("GET", "/_sw/runs"), 404);
    CHECK_INT(ask_admin("GET", "/_sw/runs"), 200);
    stop();
    start_handed_over("admin:stepwell.socket", supervised);
    CHECK_INT(ask_admin("GET", "/_sw/runs"), 200);
    CHECK(kill(worker_pid(), SIGKILL) == 0);
    CHECK_INT(ask_admin("GET", "/_sw/runs"), 200);
    CHECK_INT(ask_public("GET", "/_sw/runs"), 404);
    stop();
    CHECK(setenv("HAND_OVER", "admin:admin", 1) == 0);
    REFUSED("two sockets are called \"admin\"", "--dev");
    CHECK(unsetenv("HAND_OVER") == 0);
}

static void prepare(void) { served_admin_on_public = false; }

static const check_case cases[] = {{"each route has its door", test_doors},
                                   {"the console is at this door alone", test_console},
                                   {"no pages of other origins", test_no_pages},
                                   {"no admin API unless asked for", test_without},
                                   {"runs of any loop", test_any_loop},
                                   {"--dev listens on this machine alone", test_dev_address},
                                   {"addresses that are refused", test_wrong_addresses},
                                   {"a crowd at one door leaves the other open", test_crowds},
                                   {"a socket in the file system", test_path},
                                   {"the door outlives the worker", test_upgrade},
                                   {"a supervisor of version 0.1", test_earlier_supervisor},
                                   {"a socket that was handed over", test_handed_over}};

SERVED_MAIN(serve, prepare, cases)
