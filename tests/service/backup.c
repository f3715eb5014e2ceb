/* A copy of the running service's journal, and what a service that starts from it knows. */
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>

#include "runtime/stepwell.h"
#include "tests/harness/served.h"

typedef struct notes {
    int steps, go_on; /* atomic */
} notes;

static notes *seen;
static int count_of(const int *n) { return __atomic_load_n(n, __ATOMIC_SEQ_CST); }

static sw_value once(sw_ctx *c, sw_value v)
{
    (void)c;
    __atomic_add_fetch(&seen->steps, 1, __ATOMIC_SEQ_CST);
    return v;
}

static sw_value until_told(sw_ctx *c, sw_value v)
{
    while (!count_of(&seen->go_on)) sw_sleep(c, "poll", 5);
    return v;
}

static void on_quick(sw_ctx *c)
{
    sw_step(c, "only", once, sw_nil());
    sw_reply_text(c, 200, "quick %s", sw_param(c, "n"));
}

static void on_wait(sw_ctx *c)
{
    sw_step(c, "before", once, sw_nil());
    sw_step(c, "wait", until_told, sw_nil());
    sw_reply_text(c, 200, "waited");
}

static void on_sleep(sw_ctx *c)
{
    sw_step(c, "before", once, sw_nil());
    sw_sleep(c, "sleep", 1500);
    sw_reply_text(c, 200, "slept");
}

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("backup");
    seen = served_notes(sizeof *seen);
    sw_endpoint(app, "GET /quick/:n", on_quick, NULL);
    sw_endpoint(app, "GET /wait", on_wait, NULL);
    sw_endpoint(app, "GET /sleep", on_sleep, NULL);
    return sw_main(app, argc, argv);
}

/* ---- Tests ---- */

static char copies[128];
static answer a;
static char text[4096];

static const char *in_root(const char *name)
{
    static char path[2][256];
    static int at;
    at = !at;
    snprintf(path[at], sizeof path[at], "%s/%s", root, name);
    return path[at];
}

static void start(const char *data, const char *flag, const char *value)
{
    const char *const flags[] = {"--data", data, "--loops", "2", "--dev", "--park-after", "20ms", flag, value, NULL};
    seen->go_on = 0;
    served_start(&server, flags);
}

static void backup(const char *query, long status)
{
    char path[512];
    snprintf(path, sizeof path, "/_sw/backup%s", query);
    call("POST", server_url(path), NULL, NULL, 0, &a);
    CHECK_INT(a.status, status);
}

/* Its output URL without the address, which changes. */
static void begin_run(const char *path, char output[2048]) { server_begin(NULL, path, output, 2048); }

static void *keep_asking(void *arg)
{
    const bool *stop = arg;
    static answer mine;
    char url[256];
    for (int i = 0; !__atomic_load_n(stop, __ATOMIC_SEQ_CST); i++) {
        snprintf(url, sizeof url, "%s/quick/%d", server.address, i);
        CHECK(call_try(NULL, url, NULL, NULL, 0, &mine) && mine.status == 200);
    }
    return NULL;
}

static void test_restore(void)
{
    const char *const key[] = {"Idempotency-Key: kept", NULL};
    char finished[2048], waiting[2048], sleeping[2048], id[64];
    pthread_t load;
    bool stop = false;
    start(in_root("data"), "--backup-dir", copies);
    begin_run("/quick/7", finished);
    call(NULL, server_url(finished), NULL, NULL, 0, &a);
    CHECK_STR(a.body, "quick 7");
    call(NULL, server_url("/quick/8"), key, NULL, 0, &a);
    snprintf(id, sizeof id, "%s", answer_header(&a, "X-Run-Id", text, sizeof text));
    begin_run("/wait", waiting);
    begin_run("/sleep", sleeping);
    CHECK(pthread_create(&load, NULL, keep_asking, &stop) == 0);
    for (int i = 0; i < 3; i++) {
        char query[32];
        snprintf(query, sizeof query, "?name=copy-%d", i);
        backup(query, 201);
        CHECK(strstr(a.body, "\"bytes\":"));
    }
    __atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
    CHECK(pthread_join(load, NULL) == 0);
    backup("?name=copy-2", 409);
    CHECK(strstr(a.body, "is there already"));
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    remove_tree(in_root("data"));

    char from[256];
    snprintf(from, sizeof from, "%s/copy-2", copies);
    int before = seen->steps;
    start(from, NULL, NULL);
    seen->go_on = 1;
    call(NULL, server_url(finished), NULL, NULL, 0, &a); /* the token is still good */
    CHECK_STR(a.body, "quick 7");
    call(NULL, server_url("/quick/8"), key, NULL, 0, &a);
    CHECK_STR(answer_header(&a, "X-Run-Id", text, sizeof text), id);
    call(NULL, server_url(waiting), NULL, NULL, 0, &a);
    CHECK_STR(a.body, "waited");
    call(NULL, server_url(sleeping), NULL, NULL, 0, &a);
    CHECK_STR(a.body, "slept");
    CHECK_INT(seen->steps, before);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static void test_refusals(void)
{
    static const char *const wrong[] = {
        "", "?name=", "?name=.", "?name=..%2Fx", "?name=a%2Fb", "?name=.hidden", "?name=a%20b", "?nam=x"};
    char file[256];
    start(in_root("data"), NULL, NULL);
    backup("?name=x", 409);
    CHECK(strstr(a.body, "--backup-dir"));
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    start(in_root("data"), "--backup-dir", copies);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) backup(wrong[i], 400);
    snprintf(file, sizeof file, "%s/.left.partial", copies); /* of a process that died */
    CHECK(mkdir(file, 0700) == 0);
    backup("?name=left", 201);
    CHECK(access(file, F_OK) != 0);
    backup("?name=monday.partial", 201);
    backup("?name=monday", 201);
    snprintf(file, sizeof file, "%s/monday.partial/journal/CURRENT", copies); /* a whole backup, whatever its name */
    CHECK(access(file, F_OK) == 0);
    call("GET", server_url("/_sw/backup?name=x"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 405);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    start(in_root("data"), "--backup-dir", in_root("not-there"));
    backup("?name=x", 500);
    CHECK(strstr(a.body, "No such file or directory"));
    call(NULL, server_url("/quick/1"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static const check_case cases[] = {{"a copy of a busy service", test_restore}, {"refusals", test_refusals}};

static void make_copies(void)
{
    snprintf(copies, sizeof copies, "%s/copies", root);
    CHECK(mkdir(copies, 0700) == 0);
    seen = served_notes(sizeof *seen);
}

SERVED_MAIN(serve, make_copies, cases)
