/* A fork does what its dry run says, and no more: what is copied is not asked for again of a real upstream that counts.
 */
#include "runtime/stepwell.h"
#include "tests/harness/served.h"

enum { NAMES = 64, STEPS = 40, BROKEN = 50, HOUR_MS = 3600000 };

/* Seen by the test and all its servers. */
typedef struct notes {
    volatile int calls[NAMES]; /* what the upstream was asked for, by name */
    volatile bool mended;
    volatile int port; /* of the upstream */
} notes;
static notes *seen;

/* ---- The program ---- */

static void on_up(sw_ctx *c)
{
    int name = atoi(sw_param(c, "name"));
    seen->calls[name]++;
    if (name % 10 == 5) sw_sleep(c, "slow", 40);
    sw_reply_text(c, name == BROKEN && !seen->mended ? 500 : 200, "%d", name * 10);
}

static sw_value ask(sw_ctx *c, sw_value name)
{
    sw_request q = {.url = sw_printf(c, "http://127.0.0.1:%d/up/%d", seen->port, (int)sw_as_int(name, 0))};
    return sw_fetch_json(c, &q);
}

static int64_t step(sw_ctx *c, int name)
{
    static const sw_step_options once = {.retries = SW_NO_RETRIES};
    return sw_as_int(sw_step_with(c, sw_printf(c, "call %d", name), ask, sw_int(name), &once), 0);
}

static sw_value on_twig(sw_ctx *c, sw_value from)
{
    int64_t sum = 0;
    sw_push_chunk(c, sw_str(c, "twig"));
    for (int i = 0; i < 3; i++) sum += step(c, (int)sw_as_int(from, 0) + i);
    return sw_int(sum);
}

/* Steps one after the other, then side by side, in branches too, and then again one after the other. */
static void on_tree(sw_ctx *c)
{
    int64_t sum = step(c, 1) + step(c, 2);
    sw_push_chunk(c, sw_str(c, "two"));
    (void)sw_random(c);
    sw_group *g = sw_group_new(c);
    sw_group_step(g, "call 5", ask, sw_int(5));
    sw_group_step(g, "call 6", ask, sw_int(6));
    sw_group_branch(g, "left", on_twig, sw_int(13));
    sw_group_branch(g, "right", on_twig, sw_int(24));
    sw_value all = sw_group_wait(g);
    for (size_t i = 0; i < sw_len(all); i++) sum += sw_as_int(sw_at(all, i), 0);
    sw_sleep(c, "nap", 5);
    sum += step(c, 30) + step(c, 31);
    sw_reply_text(c, 200, "%lld", (long long)sum);
}

static void on_order(sw_ctx *c)
{
    int64_t sum = 0;
    for (int i = 1; i <= STEPS; i++) sum += step(c, i);
    sw_reply_text(c, 200, "%lld", (long long)(sum + step(c, BROKEN)));
}

static sw_value find_topic(sw_ctx *c, sw_value v)
{
    sw_label(c, "topic", "bees");
    sw_status(c, sw_str(c, "the topic is found"));
    return ask(c, v);
}

static void on_topic(sw_ctx *c)
{
    int64_t sum = sw_as_int(sw_step(c, "call 1", find_topic, sw_int(1)), 0);
    sw_reply_text(c, 200, "%lld", (long long)(sum + step(c, BROKEN)));
}

static sw_value on_child(sw_ctx *c, sw_value name) { return sw_int(step(c, (int)sw_as_int(name, 0))); }

static void on_take(sw_ctx *c)
{
    sw_value name = sw_nil();
    for (;;) {
        sw_wait_for(c, "go", &(sw_wait){.signal = "go"}, &name);
        (void)step(c, (int)sw_as_int(name, 0));
    }
}

/* Calls, tells and forgets: what these cause is seen by the upstream, as steps are. */
static void on_told(sw_ctx *c)
{
    sw_bytes taker = sw_body(c);
    int64_t sum = step(c, 1) + sw_as_int(sw_call(c, "call 40", "child", sw_int(40)), 0);
    sw_call_with(c, "call 41", "child", sw_int(41), &(sw_call_options){.detached = true});
    if (!sw_send_signal(c, "call 42", sw_printf(c, "%.*s", (int)taker.len, taker.data), "go", sw_int(42)))
        sw_fail_fatal(c, "nobody takes it");
    sw_reply_text(c, 200, "%lld", (long long)(sum + step(c, 2)));
}

static void on_echo(sw_ctx *c)
{
    sw_bytes body = sw_body(c);
    const char *key = sw_header(c, "idempotency-key");
    if (seen->mended) sw_sleep(c, "long", HOUR_MS);
    sw_reply_text(c, 200, "%s|%.*s", key ? key : "no key", (int)body.len, body.data);
}

static sw_value large(sw_ctx *c, sw_value v)
{
    char *text = sw_alloc(c, 50000);
    memset(text, 'x', 49999);
    (void)v;
    return sw_strn(c, text, 49999);
}

static void on_large(sw_ctx *c)
{
    size_t sum = 0;
    for (int i = 0; i < 4; i++) sum += sw_len(sw_step(c, "large", large, sw_nil()));
    sum += (size_t)step(c, 1);
    sw_reply_text(c, 200, "%zu", sum);
}

static int serve(int argc, char **argv)
{
    seen = served_notes(sizeof *seen);
    sw_app *app = sw_app_new("forked");
    sw_route(app, "GET /up/:name", on_up);
    sw_endpoint(app, "POST /tree", on_tree, NULL);
    sw_endpoint(app, "POST /told", on_told, NULL);
    sw_endpoint(app, "POST /take", on_take, NULL);
    sw_function(app, "child", on_child, NULL);
    sw_endpoint(app, "POST /order", on_order, NULL);
    sw_endpoint(app, "POST /echo", on_echo, NULL);
    sw_endpoint(app, "POST /topic", on_topic, NULL);
    sw_endpoint(app, "POST /large", on_large, NULL);
    return sw_main(app, argc, argv);
}

/* ---- Tests ---- */

static char data[128], id[32], made[32], output[1024];
static const char *key_header; /* of the forks that follow; NULL: none */
static answer a, plan;

static void start_with(const char *loops, const char *flag, const char *value)
{
    const char *const flags[] = {"--data", data, "--dev", "--loops", loops, "--hold", "30s", flag, value, NULL};
    served_start(&server, flags);
}

static void start(void) { start_with("2", NULL, NULL); }
static void stop(void) { CHECK_INT(served_stop(&server, SIGTERM), 0); }

static void start_upstream(void)
{
    static served upstream;
    char folder[128];
    snprintf(folder, sizeof folder, "%s/upstream", root);
    if (!upstream.pid) served_start(&upstream, (const char *const[]){"--data", folder, NULL});
    seen->port = atoi(strrchr(upstream.address, ':') + 1);
}

static void in_folder(const char *name)
{
    snprintf(data, sizeof data, "%s/%s", root, name);
    memset(seen, 0, sizeof *seen);
    start_upstream();
}

static void run_to_end(const char *path, const char *body, const char *const *headers)
{
    char header[64];
    call("POST", server_url(path), headers, body, 3, &a);
    snprintf(id, sizeof id, "%s", answer_header(&a, "X-Run-Id", header, sizeof header));
    CHECK_INT(strlen(id), 26);
}

static void fork_with(const char *body, long status)
{
    char path[128];
    snprintf(path, sizeof path, "/_sw/runs/%s/fork", id);
    call("POST", server_url(path), (const char *const[]){key_header, NULL}, body, 0, &a);
    if (a.status != status) printf("# %ld %s\n", a.status, a.body);
    CHECK_INT(a.status, status);
    const char *run = strstr(a.body, "\"runId\":\""), *url = strstr(a.body, "\"outputUrl\":\"");
    if (status != 202) return;
    CHECK(run && url);
    snprintf(made, sizeof made, "%.26s", run + strlen("\"runId\":\""));
    snprintf(output, sizeof output, "%.*s", (int)strcspn(url + 13, "\""), url + 13);
}

static void check_says(const char *text)
{
    if (!strstr(a.body, text)) printf("# %s\n", a.body);
    CHECK(strstr(a.body, text) != NULL);
}

/* How often the list of the plan has an operation with this id. */
static int listed(const char *list, const char *op)
{
    char name[32], text[64];
    int n = 0;
    snprintf(name, sizeof name, "\"%s\":[", list);
    snprintf(text, sizeof text, "\"id\":\"%s\"", op);
    const char *from = strstr(plan.body, name), *to = from ? strchr(from, ']') : NULL;
    CHECK(to);
    for (const char *at = from; (at = strstr(at, text)) && at < to; at++) n++;
    return n;
}

static void plan_fork(const char *from)
{
    char body[96];
    snprintf(body, sizeof body, "{\"dryRun\":true,\"from\":%s}", from);
    fork_with(body, 200);
    memcpy(&plan, &a, sizeof plan);
}

static void check_output(long status, const char *body)
{
    call(NULL, server_url(output), NULL, NULL, 3, &a);
    CHECK_INT(a.status, status);
    CHECK_STR(a.body, body);
}

/* Forks from there: what the plan says is done again, and nothing else. */
static void fork_from(const char *from, const char *expected)
{
    int before[NAMES];
    char body[96], op[32];
    plan_fork(from);
    for (int i = 0; i < NAMES; i++) before[i] = seen->calls[i];
    snprintf(body, sizeof body, "{\"from\":%s}", from);
    fork_with(body, 202);
    CHECK(strcmp(made, id) != 0);
    check_output(200, expected);
    for (int i = 0; i < NAMES; i++) {
        snprintf(op, sizeof op, "call %d", i);
        int again = listed("again", op);
        while (seen->calls[i] - before[i] < again) usleep(2000); /* by runs for which the fork does not wait */
        if (seen->calls[i] - before[i] != again) printf("# %s from %s: %s\n", op, from, plan.body);
        CHECK_INT(seen->calls[i] - before[i], again);
        CHECK_INT(again + listed("copied", op), before[i] > 0);
    }
}

/* The n-th operation that the plan from the beginning does again; "": there are no more. */
static const char *path_of(const char *whole, int n)
{
    static char path[32];
    const char *at = strstr(whole, "\"again\":[");
    for (int i = 0; i <= n && at; i++) at = strstr(at + 1, "\"path\":\"");
    path[0] = 0;
    if (at) snprintf(path, sizeof path, "\"%.16s\"", at + strlen("\"path\":\""));
    return path;
}

static void from_each_step_exactly_what_the_plan_says(void)
{
    static char whole[sizeof plan.body], result[64];
    unsigned forks = 0;
    in_folder("tree");
    start();
    run_to_end("/tree", "", NULL);
    CHECK_INT(a.status, 200);
    snprintf(result, sizeof result, "%.60s", a.body);
    plan_fork("null");
    memcpy(whole, plan.body, sizeof whole);
    CHECK_INT(listed("again", "call 1"), 1);
    CHECK(strstr(whole, "\"copied\":[]") != NULL);
    CHECK_INT(seen->calls[1], 1); /* it was dry */
    fork_from("null", result);
    for (int n = 0; *path_of(whole, n); n++) {
        char from[32], kind[64];
        snprintf(from, sizeof from, "%s", path_of(whole, n));
        snprintf(kind, sizeof kind, "{\"kind\":\"value\",\"path\":%s", from);
        if (strstr(whole, kind)) continue; /* no place to go another way */
        fork_from(from, result);
        forks++;
    }
    CHECK(forks >= 11);
    printf("# %u forks\n", forks);
    stop();
}

/* What other runs are made to do, by calls, signals and calls that nobody waits for, is in the plan as well. */
static void what_others_do_is_in_the_plan(void)
{
    static char whole[sizeof plan.body];
    char taker[32];
    int forks = 0, expected = 1;
    in_folder("told");
    start();
    call("POST", server_url("/take"), (const char *const[]){"Prefer: respond-async", NULL}, "", 0, &a);
    answer_header(&a, "X-Run-Id", taker, sizeof taker);
    run_to_end("/told", taker, NULL);
    CHECK_STR(a.body, "430");
    plan_fork("null");
    memcpy(whole, plan.body, sizeof whole);
    CHECK(strstr(whole, "{\"kind\":\"call\"") &&
          strstr(whole, "\"id\":\"call 41\",\"function\":\"child\",\"detached\":true}"));
    CHECK(strstr(whole, "{\"kind\":\"signal\""));
    while (seen->calls[41] < 1 || seen->calls[42] < 1) usleep(2000);
    for (; *path_of(whole, forks); forks++) {
        char from[32];
        snprintf(from, sizeof from, "%s", path_of(whole, forks));
        fork_from(from, "430");
        expected += listed("again", "call 42");
    }
    CHECK_INT(forks, 5);
    CHECK_INT(expected, 1 + 4); /* but from the last step */
    stop();
    CHECK_INT(seen->calls[41], 1 + 3);
    CHECK_INT(seen->calls[42], expected);
}

static void a_failed_run_is_forked_from_where_it_failed(void)
{
    static char whole[sizeof plan.body];
    char path[128];
    in_folder("order");
    start();
    run_to_end("/order", "", NULL);
    CHECK_INT(a.status, 500);
    plan_fork("null");
    memcpy(whole, plan.body, sizeof whole);
    seen->mended = true;
    fork_from(path_of(whole, STEPS), "8700");
    CHECK_INT(seen->calls[1], 1);
    CHECK_INT(seen->calls[BROKEN], 2);
    snprintf(path, sizeof path, "/_sw/runs/%s", made);
    call(NULL, server_url(path), NULL, NULL, 0, &a);
    check_says("\"state\":\"succeeded\"");
    check_says("\"forkedFrom\":\"");
    check_says(id);
    call(NULL, server_url("/_sw/runs"), NULL, NULL, 0, &a);
    check_says("\"forkedFrom\":\"");
    snprintf(path, sizeof path, "/_sw/runs/%s", id); /* the run itself is as it was */
    call(NULL, server_url(path), NULL, NULL, 0, &a);
    check_says("\"state\":\"failed\"");
    stop();
}

static void its_body_is_another_and_its_key_is_not_copied(void)
{
    static const char *const key[] = {"Idempotency-Key: \"one\"", NULL};
    char first[32];
    in_folder("echo");
    start();
    run_to_end("/echo", "first", key);
    snprintf(first, sizeof first, "%s", id);
    CHECK_STR(a.body, "\"one\"|first");
    fork_with("{}", 202);
    check_output(200, "no key|first");
    fork_with("{\"body\":\"second\"}", 202);
    check_output(200, "no key|second");
    fork_with("{\"body\":{\"a\":[1,true]}}", 202);
    check_output(200, "no key|{\"a\":[1,true]}");
    run_to_end("/echo", "first", key);
    CHECK_STR(id, first); /* the key leads to the first run */
    stop();
}

/* Else nobody would find the fork by what the run is about. */
static void what_its_steps_have_said_is_said_of_it(void)
{
    static char whole[sizeof plan.body];
    char path[128];
    in_folder("topic");
    start();
    run_to_end("/topic", "", NULL);
    CHECK_INT(a.status, 500);
    plan_fork("null");
    memcpy(whole, plan.body, sizeof whole);
    seen->mended = true;
    fork_from(path_of(whole, 1), "510");
    CHECK_INT(seen->calls[1], 1);
    snprintf(path, sizeof path, "/_sw/runs/%s", made);
    call(NULL, server_url(path), NULL, NULL, 0, &a);
    check_says("\"labels\":{\"topic\":\"bees\"},\"status\":\"the topic is found\"");
    call(NULL, server_url("/_sw/runs?label=topic:bees"), NULL, NULL, 0, &a);
    check_says(made);
    check_says(id);
    stop();
}

static void refusals_say_why(void)
{
    in_folder("refusals");
    start();
    run_to_end("/echo", "x", NULL);
    fork_with("{\"from\":\"0123456789abcdef\"}", 404);
    fork_with("{\"from\":\"12\"}", 400);
    fork_with("{\"from\":12}", 400);
    fork_with("{\"from\":\"0123456789abcdeg\"}", 400);
    fork_with("{\"from\":\"0000000000000000\"}", 400);
    fork_with("{\"dryRun\":1}", 400);
    fork_with("{\"form\":null}", 400);
    fork_with("[1]", 400);
    snprintf(id, sizeof id, "01ARZ3NDEKTSV4RRFFQ69G5FAV");
    fork_with("{}", 404);
    stop();
}

/* A fork is there as soon as that is said, and forks of a run that sleeps leave it alone. */
static void it_outlives_a_kill(void)
{
    static char outputs[4][1024];
    char path[128];
    in_folder("killed");
    start_with("3", NULL, NULL);
    seen->mended = true;
    server_begin("POST", "/echo", output, sizeof output);
    snprintf(id, sizeof id, "%.26s", strstr(output, "/runs/") + 6);
    usleep(300000);
    seen->mended = false;
    for (int i = 0; i < 4; i++) {
        fork_with("{\"body\":\"of a sleeper\"}", 202);
        memcpy(outputs[i], output, sizeof output);
    }
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    start_with("1", NULL, NULL);
    for (int i = 0; i < 4; i++) {
        memcpy(output, outputs[i], sizeof output);
        check_output(200, "no key|of a sleeper");
    }
    snprintf(path, sizeof path, "/_sw/runs/%s", id);
    call("DELETE", server_url(path), NULL, NULL, 0, &a);
    stop();
}

static void it_is_bounded(void)
{
    static char whole[sizeof plan.body];
    in_folder("large");
    start();
    run_to_end("/large", "", NULL);
    CHECK_STR(a.body, "200006");
    plan_fork("null");
    memcpy(whole, plan.body, sizeof whole);
    fork_from(path_of(whole, 4), "200006");
    stop();
    start_with("2", "--run-state-max", "100000");
    char body[96];
    snprintf(body, sizeof body, "{\"from\":%s}", path_of(whole, 4));
    fork_with(body, 409);
    check_says("--run-state-max");
    fork_with("{}", 202); /* nothing of it is copied; it fails for its size as any run would */
    stop();
}

static int forks_listed(void)
{
    int n = 0;
    call(NULL, server_url("/_sw/runs?limit=100"), NULL, NULL, 0, &a);
    for (const char *at = a.body; (at = strstr(at, "\"forkedFrom\"")); at++) n++;
    return n;
}

static void check_replayed(bool is_replayed)
{
    char header[64];
    CHECK_STR(answer_header(&a, "Idempotency-Replayed", header, sizeof header), is_replayed ? "true" : "");
}

/* Whoever has lost the answer asks again. */
static void its_key_finds_it_again(void)
{
    char first[32];
    in_folder("keyed");
    start();
    run_to_end("/echo", "x", NULL);
    key_header = "Idempotency-Key: \"one\"";
    fork_with("{\"dryRun\":true}", 200); /* begins nothing: the key is free */
    fork_with("{\"body\":\"y\"}", 202);
    check_replayed(false);
    snprintf(first, sizeof first, "%s", made);
    check_output(200, "no key|y");
    fork_with("{\"body\":\"y\"}", 202);
    check_replayed(true);
    CHECK_STR(made, first);
    fork_with("{\"body\":\"z\"}", 422);
    check_says("Idempotency-Key came with another request");
    key_header = "Idempotency-Key: \"one";
    fork_with("{\"body\":\"y\"}", 400);
    key_header = "Idempotency-Key: two";
    fork_with("{\"body\":\"y\"}", 202);
    CHECK(strcmp(made, first) != 0);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    start_with("3", NULL, NULL);
    key_header = "Idempotency-Key: one";
    fork_with("{\"body\":\"y\"}", 202);
    check_replayed(true);
    CHECK_STR(made, first);
    CHECK_INT(forks_listed(), 2);
    run_to_end("/echo", "another", NULL);
    fork_with("{\"body\":\"y\"}", 422); /* of another run */
    key_header = NULL;
    stop();
}

/* Retention deletes the run that was forked before its fork. */
static void its_key_outlives_the_other_run(void)
{
    char first[32], path[128];
    in_folder("outlived");
    start_with("2", "--retain", "1s");
    run_to_end("/echo", "x", NULL);
    seen->mended = true; /* the fork goes on for an hour */
    key_header = "Idempotency-Key: one";
    fork_with("{\"body\":\"y\"}", 202);
    snprintf(first, sizeof first, "%s", made);
    snprintf(path, sizeof path, "/_sw/runs/%s", id);
    do {
        usleep(10000);
        call(NULL, server_url(path), NULL, NULL, 0, &a);
    } while (a.status == 200);
    fork_with("{\"body\":\"y\"}", 202);
    check_replayed(true);
    CHECK_STR(made, first);
    fork_with("{\"body\":\"z\"}", 422);
    key_header = NULL;
    fork_with("{\"body\":\"y\"}", 404);
    stop();
}

/* Several ask at the same moment. */
static void its_key_is_for_one_of_many(void)
{
    enum { MANY = 12 };
    static char text[2048];
    char first[32] = "";
    int fds[MANY];
    in_folder("at once");
    start();
    run_to_end("/echo", "x", NULL);
    int len =
        snprintf(text, sizeof text,
                 "POST /_sw/runs/%s/fork HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nIdempotency-Key: k\r\n"
                 "Content-Length: 2\r\n\r\n{}",
                 id);
    for (int i = 0; i < MANY; i++) fds[i] = server_dial();
    for (int i = 0; i < MANY; i++) CHECK(send(fds[i], text, (size_t)len, MSG_NOSIGNAL) == len);
    for (int i = 0; i < MANY; i++) {
        size_t got = 0;
        for (ssize_t n; (n = recv(fds[i], text + got, sizeof text - 1 - got, 0)) > 0;) got += (size_t)n;
        text[got] = 0;
        close(fds[i]);
        const char *at = strstr(text, "\"runId\":\"");
        if (!at) printf("# %s\n", text);
        CHECK(strstr(text, "HTTP/1.1 202 ") && at);
        if (!*first) snprintf(first, sizeof first, "%.26s", at + strlen("\"runId\":\""));
        CHECK(strncmp(at + strlen("\"runId\":\""), first, 26) == 0);
    }
    CHECK_INT(forks_listed(), 1);
    stop();
}

/* ---- How its run leads to it ---- */

enum { FORKS = 53, PAGE_FORKS = 50 };

/* Asks for the page of `id`, with a query. Returns how many forks it names, whose ids are in `to`. */
static int forks_named(const char *query, char to[FORKS][32])
{
    char path[128];
    int n = 0;
    snprintf(path, sizeof path, "/_sw/runs/%s%s", id, query);
    call(NULL, server_url(path), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    const char *at = strstr(a.body, "\"forks\":["), *end = at ? strchr(at, ']') : NULL;
    while (end && (at = strstr(at, "\"runId\":\"")) && at < end) {
        CHECK(n < FORKS);
        at += strlen("\"runId\":\"");
        snprintf(to[n++], 32, "%.26s", at);
    }
    return n;
}

static void check_pages(char expected[FORKS][32])
{
    char named[FORKS][32], query[64];
    CHECK_INT(forks_named("", named), PAGE_FORKS);
    for (int i = 0; i < PAGE_FORKS; i++) CHECK_STR(named[i], expected[FORKS - 1 - i]); /* the newest first */
    const char *older = strstr(a.body, "\"olderForks\":\"");
    CHECK(older);
    snprintf(query, sizeof query, "?forks_before=%.26s", older + strlen("\"olderForks\":\""));
    CHECK_INT(forks_named(query, named), FORKS - PAGE_FORKS);
    for (int i = 0; i < FORKS - PAGE_FORKS; i++) CHECK_STR(named[i], expected[FORKS - PAGE_FORKS - 1 - i]);
    CHECK(!strstr(a.body, "\"olderForks\":"));
}

static void its_run_names_it(void)
{
    static char forks[FORKS][32], none[FORKS][32];
    char path[128], of[32];
    in_folder("named");
    start();
    run_to_end("/echo", "x", NULL);
    CHECK_INT(forks_named("", none), 0);
    for (int i = 0; i < FORKS; i++) {
        fork_with("{}", 202);
        snprintf(forks[i], sizeof forks[i], "%s", made);
        check_output(200, "no key|x");
    }
    check_pages(forks);
    check_says("\"state\":\"succeeded\"");
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    start_with("1", NULL, NULL);
    check_pages(forks);
    snprintf(path, sizeof path, "/_sw/runs/%s?forks_before=no", id);
    call(NULL, server_url(path), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 400);
    check_says("\\\"forks_before\\\" is a run id");
    snprintf(of, sizeof of, "%s", id);
    snprintf(id, sizeof id, "%s", forks[0]); /* a fork of a fork is the fork's alone */
    fork_with("{}", 202);
    CHECK_INT(forks_named("", none), 1);
    CHECK_STR(none[0], made);
    snprintf(id, sizeof id, "%s", of);
    check_pages(forks);
    stop();
}

/* Its run goes on for longer than the fork is kept. */
static void its_run_forgets_it(void)
{
    static char none[FORKS][32];
    char path[128];
    in_folder("forgotten");
    start_with("2", "--retain", "1s");
    seen->mended = true;
    server_begin("POST", "/echo", output, sizeof output);
    snprintf(id, sizeof id, "%.26s", strstr(output, "/runs/") + 6);
    snprintf(path, sizeof path, "/_sw/runs/%s", id);
    do {
        usleep(10000);
        call(NULL, server_url(path), NULL, NULL, 0, &a);
    } while (!strstr(a.body, "\"state\":\"sleeping\"")); /* it has asked how long */
    seen->mended = false;
    for (int i = 0; i < 2; i++) fork_with("{\"body\":\"soon over\"}", 202);
    snprintf(path, sizeof path, "/_sw/runs/%s", made);
    do {
        usleep(10000);
        call(NULL, server_url(path), NULL, NULL, 0, &a);
    } while (a.status == 200);
    while (forks_named("", none) > 0) usleep(10000); /* the one before */
    CHECK(!strstr(a.body, "\"olderForks\":"));
    snprintf(path, sizeof path, "/_sw/runs/%s", id);
    call("DELETE", server_url(path), NULL, NULL, 0, &a);
    stop();
}

static const check_case cases[] = {
    {"from each step exactly what the plan says", from_each_step_exactly_what_the_plan_says},
    {"what others do is in the plan", what_others_do_is_in_the_plan},
    {"a failed run is forked from where it failed", a_failed_run_is_forked_from_where_it_failed},
    {"its body is another, and its key is not copied", its_body_is_another_and_its_key_is_not_copied},
    {"what its steps have said is said of it", what_its_steps_have_said_is_said_of_it},
    {"its run names it, page by page", its_run_names_it},
    {"its run names it no more when retention has deleted it", its_run_forgets_it},
    {"its key finds it again", its_key_finds_it_again},
    {"its key outlives the run that was forked", its_key_outlives_the_other_run},
    {"its key is for one of many", its_key_is_for_one_of_many},
    {"refusals say why", refusals_say_why},
    {"it outlives a kill", it_outlives_a_kill},
    {"it is bounded", it_is_bounded},
};

SERVED_MAIN_NOTES(serve, seen, cases)
