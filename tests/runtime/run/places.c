/* Who may be in memory: the places of --runs-max hold for runs that are resumed too, in their order; and a run can be
 * asked for and cancelled before the loop knows that it is on disk. */
#include <pthread.h>

#include "runtime/stepwell.h"
#include "tests/harness/served.h"

enum { RUNS = 60, PLACES = 10, CLIENTS = 20 };

typedef struct notes {
    int inside, most_inside, entered, finished, go_on, stop; /* atomic */
    int order[RUNS];
    char id[32];
} notes;
static notes *seen;

static int add(int *n, int by) { return __atomic_add_fetch(n, by, __ATOMIC_SEQ_CST); }
static int count_of(const int *n) { return __atomic_load_n(n, __ATOMIC_SEQ_CST); }

/* ---- Handlers ---- */

static sw_value work(sw_ctx *c, sw_value v)
{
    int now = add(&seen->inside, 1);
    if (now > seen->most_inside) seen->most_inside = now;
    seen->order[add(&seen->entered, 1) - 1] = (int)sw_as_int(v, -1);
    while (!count_of(&seen->go_on)) sw_sleep(c, "poll", 5);
    add(&seen->inside, -1);
    return v;
}

static void on_resumed(sw_ctx *c)
{
    sw_step(c, "work", work, sw_int(atoi(sw_query(c, "n"))));
    add(&seen->finished, 1);
    sw_reply_text(c, 200, "rested");
}

static sw_value briefly(sw_ctx *c, sw_value v)
{
    sw_sleep(c, "a moment", 3);
    return v;
}

static void on_brief(sw_ctx *c)
{
    sw_step(c, "brief", briefly, sw_nil());
    sw_reply_text(c, 200, "brief");
}

/* Holds the loop until the test has sent what the loop shall find when it turns. */
static void on_begun(sw_ctx *c)
{
    if (!seen->id[0]) snprintf(seen->id, sizeof seen->id, "%s", sw_run_id(c));
    while (!count_of(&seen->go_on)) usleep(100);
    sw_sleep(c, "nap", 3600000);
}

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("places");
    seen = served_notes(sizeof *seen);
    sw_endpoint(app, "GET /resumed", on_resumed, NULL);
    sw_endpoint(app, "GET /brief", on_brief, NULL);
    sw_endpoint(app, "GET /begun", on_begun, NULL);
    return sw_main(app, argc, argv);
}

/* ---- Tools ---- */

static answer a;

static void start(const char *runs_max)
{
    static char data[128];
    snprintf(data, sizeof data, "%s/data", root);
    const char *const flags[] = {"--data", data,           "--loops", "1",          "--dev",  "--hold",
                                 "30s",    "--park-after", "20ms",    "--runs-max", runs_max, NULL};
    served_start(&server, flags);
}

static void stop(void) { CHECK_INT(served_stop(&server, SIGTERM), 0); }

/* Begins a run and notes the path of its output. */
static void begin(const char *path, char output[2048])
{
    char location[2048];
    const char *const async[] = {"Prefer: respond-async", NULL};
    call(NULL, server_url(path), async, NULL, 0, &a);
    CHECK_INT(a.status, 202);
    snprintf(output, 2048, "%s", strstr(answer_header(&a, "Location", location, sizeof location), "/_sw/"));
}

static void wait_for(const int *n, int at_least)
{
    for (int i = 0; i < 60000 && count_of(n) < at_least; i++) usleep(1000);
    CHECK(count_of(n) >= at_least);
}

/* ---- Tests ---- */

/* A client that asks as fast as it can, for as long as the test runs. */
static void *keep_asking(void *arg)
{
    answer *mine = calloc(1, sizeof *mine);
    char url[256];
    snprintf(url, sizeof url, "%s/brief", server.address);
    while (!count_of(&seen->stop)) {
        call(NULL, url, NULL, NULL, 0, mine);
        if (mine->status != 200 && mine->status != 503) abort();
    }
    free(mine);
    return arg;
}

static void test_resumed(void)
{
    char ended[2048], path[64], last[2048];
    pthread_t clients[CLIENTS];
    start("100");
    memset(seen, 0, sizeof *seen);
    begin("/brief", ended);
    call(NULL, server_url(ended), NULL, NULL, 20, &a);
    CHECK_STR(a.body, "brief");
    for (int i = 0; i < RUNS; i++) {
        snprintf(path, sizeof path, "/resumed?n=%d", i);
        begin(path, last);
    }
    wait_for(&seen->entered, RUNS);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    memset(seen, 0, sizeof *seen);
    start("10");
    wait_for(&seen->entered, PLACES);
    call(NULL, server_url("/brief"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 503);
    CHECK(strstr(a.body, "--runs-max"));
    /* Nobody needs a place to read what has ended, or to end what waits. */
    call(NULL, server_url(ended), NULL, NULL, 20, &a);
    CHECK_STR(a.body, "brief");
    snprintf(path, sizeof path, "%.*s", (int)(strchr(last + 10, '/') - last), last);
    call("DELETE", server_url(path), NULL, NULL, 0, &a);
    CHECK(a.status >= 200 && a.status < 300);
    call(NULL, server_url(last), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 410);
    CHECK_INT(count_of(&seen->entered), PLACES);
    for (int i = 0; i < CLIENTS; i++) CHECK(pthread_create(&clients[i], NULL, keep_asking, NULL) == 0);
    __atomic_store_n(&seen->go_on, 1, __ATOMIC_SEQ_CST);
    wait_for(&seen->finished, RUNS - 1);
    __atomic_store_n(&seen->stop, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < CLIENTS; i++) CHECK(pthread_join(clients[i], NULL) == 0);
    CHECK_INT(seen->most_inside, PLACES);
    /* Nobody is overtaken by more than those that were being read from the journal at the same time. */
    for (int i = 0; i < RUNS - 1; i++) CHECK((int)seen->order[i] > i - PLACES && (int)seen->order[i] < i + PLACES);
    stop();
}

static void *ask_begun(void *arg)
{
    call(NULL, server_url("/begun"), NULL, NULL, 20, arg);
    return arg;
}

static void say(int fd, const char *text) { CHECK(send(fd, text, strlen(text), 0) == (ssize_t)strlen(text)); }

static void hear(int fd, const char *words)
{
    char said[4096];
    ssize_t n = recv(fd, said, sizeof said - 1, 0);
    CHECK(n > 0);
    said[n] = 0;
    if (!strstr(said, words)) printf("# %s\n", said);
    CHECK(strstr(said, words));
}

/* The DELETE is in the loop's hands before the commit that began the run is back. */
static void test_cancelled_at_once(void)
{
    static answer begun;
    start("100");
    for (int i = 0; i < 20; i++) {
        pthread_t asking;
        char said[256];
        int fd = server_dial();
        say(fd, "GET /_sw/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"); /* the connection is taken */
        hear(fd, " 200 ");
        memset(seen, 0, sizeof *seen);
        CHECK(pthread_create(&asking, NULL, ask_begun, &begun) == 0);
        for (int k = 0; k < 60000 && strlen(seen->id) < 26; k++) usleep(1000);
        snprintf(said, sizeof said, "DELETE /_sw/runs/%s HTTP/1.1\r\nHost: localhost\r\n\r\n", seen->id);
        say(fd, said);
        __atomic_store_n(&seen->go_on, 1, __ATOMIC_SEQ_CST);
        hear(fd, " 20");
        CHECK(pthread_join(asking, NULL) == 0);
        CHECK_INT(begun.status, 410);
        close(fd);
    }
    stop();
}

static const check_case cases[] = {{"--runs-max holds for resumed runs, in their order", test_resumed},
                                   {"a run that is cancelled before its first commit is back", test_cancelled_at_once}};

SERVED_MAIN_NOTES(serve, seen, cases)
