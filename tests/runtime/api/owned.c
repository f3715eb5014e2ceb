/* What a run keeps, it owns: texts and values that the program overwrites or frees right after it passed them, and the
 * memory of a connection that is cut, across sleeps and replays. Most telling under AddressSanitizer. */
#include <pthread.h>

#include "runtime/stepwell.h"
#include "tests/harness/served.h"

typedef struct notes {
    int go_on, charged, cut; /* atomic */
    char body[64], again[64], header[64];
} notes;
static notes *seen;

static int count_of(const int *n) { return __atomic_load_n(n, __ATOMIC_SEQ_CST); }

/* A text that is gone as soon as its context ends. */
static void wipe(void *arg)
{
    memset(arg, '#', strlen(arg));
    free(arg);
}

static char *brief(sw_ctx *c, const char *text)
{
    char *copy = strdup(text);
    sw_defer(c, wipe, copy);
    return copy;
}

static sw_value echo(sw_ctx *c, sw_value v)
{
    (void)c;
    return v;
}

static sw_value refuse(sw_ctx *c, sw_value v)
{
    __atomic_add_fetch(&seen->charged, 1, __ATOMIC_SEQ_CST);
    sw_fail_fatal(c, "%s", brief(c, sw_cstr(c, v)));
}

static sw_value until_told(sw_ctx *c, sw_value v)
{
    while (!count_of(&seen->go_on)) sw_sleep(c, "poll", 5);
    return v;
}

/* ---- Texts that are overwritten ---- */

static void passed(sw_ctx *c, sw_group *g, int n)
{
    char id[32], text[32];
    snprintf(id, sizeof id, "member-%d", n);
    snprintf(text, sizeof text, "input-%d", n);
    sw_step_options options = {.retries = 1, .backoff_ms = 1};
    sw_value by_hand = {.type = MSGPACK_OBJECT_STR, .via.str = {(uint32_t)strlen(text), text}};
    if (n % 2)
        sw_group_step_with(g, id, echo, by_hand, &options);
    else
        sw_group_branch(g, id, echo, by_hand);
    sw_push_chunk(c, by_hand);
    memset(id, '#', sizeof id - 1);
    memset(text, '#', sizeof text - 1);
    memset(&options, 0xff, sizeof options);
}

static bool tried(sw_ctx *c, sw_error *err)
{
    char id[32];
    snprintf(id, sizeof id, "tried-%d", 1);
    bool ok = sw_try(c, id, refuse, sw_str(c, "no card"), NULL, err);
    memset(id, '#', sizeof id - 1);
    return ok;
}

/* Each text is checked in its first execution, and in that after the nap. */
static void on_texts(sw_ctx *c)
{
    sw_error err;
    char name[16] = "X-Kept", value[16] = "as it was", type[32] = "text/x-kept", body[128], nap[16] = "nap";
    sw_group *g = sw_group_new(c);
    for (int i = 0; i < 4; i++) passed(c, g, i);
    sw_value all = sw_group_wait(g);
    bool ok = tried(c, &err);
    sw_sleep(c, nap, 60);
    memset(nap, '#', sizeof nap - 1);
    sw_reply_header(c, name, value);
    snprintf(body, sizeof body, "%s %d %s %s", sw_json(c, all).data, ok, err.step, err.message);
    sw_reply(c, 200, type, body, strlen(body));
    memset(name, '#', sizeof name - 1);
    memset(value, '#', sizeof value - 1);
    memset(type, '#', sizeof type - 1);
    memset(body, '#', sizeof body - 1);
}

/* ---- The step that a problem names ---- */

static sw_value charge(sw_ctx *c, sw_value v) { return sw_step(c, brief(c, "charge-17"), refuse, v); }

static void on_charge(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    sw_group_branch(g, brief(c, "pay"), charge, sw_str(c, "no card"));
    sw_group_step(g, brief(c, "slow"), until_told, sw_nil());
    sw_group_wait(g);
}

/* ---- A plain route whose connection is cut ---- */

static void on_cut(sw_ctx *c)
{
    sw_bytes before = sw_body(c);
    const char *header = sw_header(c, "x-mine");
    sw_reply_abort(c);
    __atomic_add_fetch(&seen->cut, 1, __ATOMIC_SEQ_CST);
    until_told(c, sw_nil());
    snprintf(seen->body, sizeof seen->body, "%.*s", (int)before.len, before.data);
    snprintf(seen->header, sizeof seen->header, "%s/%s", header, sw_header(c, "X-Mine"));
    sw_bytes after = sw_body(c);
    snprintf(seen->again, sizeof seen->again, "%.*s", (int)after.len, after.data);
    __atomic_add_fetch(&seen->cut, 1, __ATOMIC_SEQ_CST);
}

/* The same without a look at the request before. */
static void on_cut_late(sw_ctx *c)
{
    sw_reply_abort(c);
    __atomic_add_fetch(&seen->cut, 1, __ATOMIC_SEQ_CST);
    until_told(c, sw_nil());
    sw_bytes after = sw_body(c);
    snprintf(seen->again, sizeof seen->again, "%.*s", (int)after.len, after.data);
    snprintf(seen->header, sizeof seen->header, "%s", sw_header(c, "x-mine"));
    __atomic_add_fetch(&seen->cut, 1, __ATOMIC_SEQ_CST);
}

static void on_other(sw_ctx *c) { sw_reply_text(c, 200, "%zu", sw_body(c).len); }

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("owned");
    seen = served_notes(sizeof *seen);
    sw_endpoint(app, "GET /texts", on_texts, NULL);
    sw_endpoint(app, "GET /charge", on_charge, NULL);
    sw_route(app, "POST /cut", on_cut);
    sw_route(app, "POST /cut-late", on_cut_late);
    sw_route(app, "POST /other", on_other);
    return sw_main(app, argc, argv);
}

/* ---- Tests ---- */

static answer a;

static void start(void)
{
    static char data[128];
    snprintf(data, sizeof data, "%s/data", root);
    const char *const flags[] = {"--data", data,  "--loops",      "1",    "--dev",
                                 "--hold", "30s", "--park-after", "20ms", NULL};
    served_start(&server, flags);
}

static void stop(void) { CHECK_INT(served_stop(&server, SIGTERM), 0); }

static void test_texts(void)
{
    const char *const streams[] = {"Accept: text/event-stream", NULL};
    char value[64];
    start();
    memset(seen, 0, sizeof *seen);
    call(NULL, server_url("/texts"), NULL, NULL, 20, &a);
    CHECK_INT(a.status, 200);
    CHECK_STR(a.body, "[\"input-0\",\"input-1\",\"input-2\",\"input-3\"] 0 tried-1 no card");
    CHECK_STR(answer_header(&a, "X-Kept", value, sizeof value), "as it was");
    CHECK_STR(answer_header(&a, "Content-Type", value, sizeof value), "text/x-kept");
    CHECK_INT(seen->charged, 1);
    call(NULL, server_url("/texts"), streams, NULL, 0, &a);
    CHECK(strstr(a.body, "{\"data\":\"input-0\"}") && strstr(a.body, "{\"data\":\"input-3\"}") && !strchr(a.body, '#'));
    stop();
}

/* The branch has failed, the process dies while the group waits for the rest: the next one answers from the journal. */
static void test_problem(void)
{
    const char *const async[] = {"Prefer: respond-async", NULL};
    char path[1024], location[1024];
    start();
    memset(seen, 0, sizeof *seen);
    call(NULL, server_url("/charge"), async, NULL, 0, &a);
    CHECK_INT(a.status, 202);
    snprintf(path, sizeof path, "%s", strstr(answer_header(&a, "Location", location, sizeof location), "/_sw/"));
    while (!count_of(&seen->charged)) usleep(1000);
    usleep(100000);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    start();
    __atomic_store_n(&seen->go_on, 1, __ATOMIC_SEQ_CST);
    call(NULL, server_url(path), NULL, NULL, 20, &a);
    CHECK_INT(a.status, 500);
    if (!strstr(a.body, "\"step\":\"charge-17\"")) printf("# %s\n", a.body);
    CHECK(strstr(a.body, "\"detail\":\"no card\"") && strstr(a.body, "\"step\":\"charge-17\""));
    CHECK(seen->charged <= 2); /* twice if the failure was not on disk yet */
    stop();
}

static void *cut(void *arg)
{
    const char *const mine[] = {"X-Mine: my header", NULL};
    answer *mute = calloc(1, sizeof *mute);
    CHECK(!call_try("POST", server_url(arg), mine, "my own body", 0, mute));
    free(mute);
    return arg;
}

static void cut_connection(char *path)
{
    pthread_t thread;
    memset(seen, 0, sizeof *seen);
    CHECK(pthread_create(&thread, NULL, cut, path) == 0 && pthread_join(thread, NULL) == 0);
    while (count_of(&seen->cut) < 1) usleep(1000);
    for (int i = 0; i < 50; i++) call("POST", server_url("/other"), NULL, "somebody else's", 0, &a);
    __atomic_store_n(&seen->go_on, 1, __ATOMIC_SEQ_CST);
    while (count_of(&seen->cut) < 2) usleep(1000);
    CHECK_STR(seen->again, "my own body");
}

static void test_cut(void)
{
    static char taken[] = "/cut", late[] = "/cut-late";
    start();
    cut_connection(taken);
    CHECK_STR(seen->body, "my own body");
    CHECK_STR(seen->header, "my header/my header");
    cut_connection(late);
    CHECK_STR(seen->header, "my header");
    stop();
}

static const check_case cases[] = {{"texts that are overwritten after they were passed", test_texts},
                                   {"the step that a problem names after a replay", test_problem},
                                   {"the request of a connection that was cut", test_cut}};

SERVED_MAIN_NOTES(serve, seen, cases)
