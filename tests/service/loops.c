/* Several loops are one service to its clients: connections whose requests belong to runs of different loops. */
#include "runtime/stepwell.h"

#include "tests/harness/served.h"

static void on_quick(sw_ctx *c) { sw_reply_text(c, 200, "run %s", sw_run_id(c)); }

static void on_hello(sw_ctx *c) { sw_reply_text(c, 200, "hello"); }

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("loops");
    sw_endpoint(app, "POST /quick", on_quick, NULL);
    sw_route(app, "GET /hello", on_hello);
    return sw_main(app, argc, argv);
}

static answer a;

enum { RUNS = 12, ROUNDS = 6 };

static char outputs[RUNS][1024]; /* path and query of each run's output URL */
static char ids[RUNS][64];

static void make_runs(void)
{
    static const char *const async[] = {"Prefer: respond-async", NULL};
    char url[256], text[1024];
    snprintf(url, sizeof url, "%s/quick", server.address);
    for (int i = 0; i < RUNS; i++) {
        call("POST", url, async, "", 0, &a);
        CHECK_INT(a.status, 202);
        snprintf(ids[i], sizeof ids[i], "%s", answer_header(&a, "X-Run-Id", text, sizeof text));
        const char *path = strstr(answer_header(&a, "Location", text, sizeof text), "/_sw/");
        CHECK(path);
        snprintf(outputs[i], sizeof outputs[i], "%s", path);
    }
}

/* The answer at `at`, which has this body, is a success; returns what is behind it. */
static const char *expect_answer(const char *at, const char *body)
{
    CHECK(strncmp(at, "HTTP/1.1 200 ", 13) == 0);
    at = strstr(at, "\r\n\r\n");
    CHECK(at && strncmp(at + 4, body, strlen(body)) == 0);
    return at + 4 + strlen(body);
}

/* All pipelined requests are answered, in order, wherever their runs live. What is answered at once is held back while
 * more requests are there, so that a reply is unsent when the next request has to move. */
static void test_pipelined_outputs(void)
{
    static char all[RUNS * ROUNDS * 1200], got[RUNS * ROUNDS * 2048];
    size_t len = 0, have = 0;
    int fd = server_dial();
    for (int i = 0; i < RUNS * ROUNDS; i++)
        len += (size_t)snprintf(all + len, sizeof all - len,
                                "GET /hello HTTP/1.1\r\nHost: x\r\n\r\nGET %s HTTP/1.1\r\nHost: x\r\n%s\r\n",
                                outputs[i % RUNS], i + 1 < RUNS * ROUNDS ? "" : "Connection: close\r\n");
    CHECK(send(fd, all, len, MSG_NOSIGNAL) == (ssize_t)len);
    for (ssize_t n; have < sizeof got - 1 && (n = recv(fd, got + have, sizeof got - 1 - have, 0)) > 0;)
        have += (size_t)n;
    got[have] = 0;
    const char *at = got;
    for (int i = 0; i < RUNS * ROUNDS; i++) {
        char expected[96];
        snprintf(expected, sizeof expected, "run %s", ids[i % RUNS]);
        at = expect_answer(expect_answer(at, "hello"), expected);
    }
    CHECK_STR(at, "");
    close(fd);
}

/* A head at the limit is taken whichever loop has the run. */
static void test_head_at_the_limit(void)
{
    enum { HEAD_MAX = 16384 };
    static char head[HEAD_MAX + 2], filler[HEAD_MAX];
    memset(filler, 'a', sizeof filler);
    for (int i = 0; i < RUNS; i++) {
        int fd = server_dial(),
            fixed = snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost:x\r\nX:\r\n\r\n", outputs[i]);
        snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost:x\r\nX:%.*s\r\n\r\n", outputs[i], HEAD_MAX - fixed,
                 filler);
        CHECK_INT(strlen(head), HEAD_MAX);
        CHECK(send(fd, head, HEAD_MAX, MSG_NOSIGNAL) == HEAD_MAX);
        CHECK(recv(fd, head, 13, MSG_WAITALL) == 13 && memcmp(head, "HTTP/1.1 200 ", 13) == 0);
        close(fd);
    }
}

static void start(void)
{
    char data[128];
    snprintf(data, sizeof data, "%s/data", root);
    served_start(&server, (const char *const[]){"--data", data, "--loops", "3", NULL});
}

/* In a drain whichever loop has the connection sends the client round: the run's own loop may have ended. */
static void test_output_while_draining(void)
{
    char got[4096];
    int fds[RUNS];
    for (int i = 0; i < RUNS; i++) {
        fds[i] = server_dial();
        CHECK(dprintf(fds[i], "GET %s HTTP/1.1\r\nHost: x\r\n", outputs[i]) > 0);
    }
    usleep(200000); /* the server has one half of each: a drain waits for the other */
    CHECK(kill(server.pid, SIGTERM) == 0);
    usleep(200000);
    for (int i = 0; i < RUNS; i++) CHECK(send(fds[i], "\r\n", 2, MSG_NOSIGNAL) == 2);
    for (int i = 0; i < RUNS; i++) {
        ssize_t n = recv(fds[i], got, sizeof got - 1, 0);
        CHECK(n > 0);
        got[n] = 0;
        CHECK(strncmp(got, "HTTP/1.1 303 ", 13) == 0 || strncmp(got, "HTTP/1.1 200 ", 13) == 0);
        close(fds[i]);
    }
    int status = -1;
    CHECK(waitpid(server.pid, &status, 0) == server.pid);
    CHECK_INT(status, 0);
    close(server.log);
    start();
}

static const check_case cases[] = {{"pipelined requests for runs of several loops", test_pipelined_outputs},
                                   {"a head at the limit", test_head_at_the_limit},
                                   {"any loop sends round in a drain", test_output_while_draining}};

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--serve") == 0) {
        argv[1] = argv[0];
        return serve(argc - 1, argv + 1);
    }
    snprintf(served_program, sizeof served_program, "%s", argv[0]);
    make_folder(root);
    start();
    make_runs();
    int result = check_run(cases, sizeof cases / sizeof cases[0], argc, argv);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    remove_tree(root);
    return result;
}
