/* A run that is resumed has those go on that it had called, which have failed or were cancelled: the same runs, which
 * pay for nothing twice, from the last one of a chain up, whatever process dies when. */
#include <fcntl.h>
#include <time.h>

#include "storage/run_id.h"

#include "tests/service/functions.h"

enum { LEAVES = 200, PAID = 3, KILLS = 12, DEPTHS = 3 };

/* What the test and its servers note of what was paid for. */
typedef struct ledger {
    volatile int paid[LEAVES][PAID], fragile[LEAVES], at_depth[DEPTHS];
    char leaf[LEAVES][RUN_ID_TEXT + 1]; /* the run that has worked for each */
    volatile int others;                /* another one did so, too */
    volatile int mail;
    volatile int is_stuck, let_go;
    volatile int lacks_leaf; /* the next program */
} ledger;

static ledger *all;

/* ---- The program ---- */

static sw_value pay(sw_ctx *c, sw_value input)
{
    (void)c;
    int leaf = (int)sw_as_int(sw_at(input, 0), 0), which = (int)sw_as_int(sw_at(input, 1), 0);
    __atomic_add_fetch(&all->paid[leaf][which], 1, __ATOMIC_SEQ_CST);
    return input;
}

static sw_value break_down(sw_ctx *c, sw_value input)
{
    int leaf = (int)sw_as_int(input, 0);
    __atomic_add_fetch(&all->fragile[leaf], 1, __ATOMIC_SEQ_CST);
    if (!seen->mended) sw_fail_fatal(c, "leaf %d is broken", leaf);
    return input;
}

/* Pays, then fails until it is mended. */
static sw_value on_leaf(sw_ctx *c, sw_value input)
{
    int leaf = (int)sw_as_int(input, 0);
    if (!*all->leaf[leaf]) strcpy(all->leaf[leaf], sw_run_id(c));
    if (strcmp(all->leaf[leaf], sw_run_id(c)) != 0) __atomic_add_fetch(&all->others, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < PAID; i++) sw_step(c, "pay", pay, sw_array(c, 2, input, sw_int(i)));
    sw_step(c, "fragile", break_down, input);
    return sw_map(c, "leaf", input, "bytes", sw_bin(c, "\0\1", 2));
}

static sw_value pay_at_depth(sw_ctx *c, sw_value depth)
{
    (void)c;
    __atomic_add_fetch(&all->at_depth[sw_as_int(depth, 0)], 1, __ATOMIC_SEQ_CST);
    return depth;
}

/* As deep as its input says: then a leaf. */
static sw_value on_deep(sw_ctx *c, sw_value depth)
{
    sw_step(c, "pay", pay_at_depth, depth);
    int64_t left = sw_as_int(depth, 0);
    sw_value below = left > 0 ? sw_call(c, "below", "deep", sw_int(left - 1)) : sw_call(c, "leaf", "leaf", sw_int(0));
    return sw_array(c, 2, depth, below);
}

static sw_value on_wide(sw_ctx *c, sw_value input)
{
    sw_group *g = sw_group_new(c);
    int64_t count = sw_as_int(input, 0);
    bool in_order = true;
    for (int64_t i = 0; i < count; i++) sw_group_call(g, "leaf", "leaf", sw_int(i));
    sw_value results = sw_group_wait(g);
    for (size_t i = 0; i < sw_len(results); i++)
        in_order = in_order && sw_as_int(sw_get(sw_at(results, i), "leaf"), -1) == (int64_t)i &&
                   sw_get(sw_at(results, i), "bytes").type == MSGPACK_OBJECT_BIN;
    return sw_array(c, 2, sw_bool(in_order), sw_int((int64_t)sw_len(results)));
}

static sw_value send_mail(sw_ctx *c, sw_value input)
{
    (void)c;
    __atomic_add_fetch(&all->mail, 1, __ATOMIC_SEQ_CST);
    return input;
}

static sw_value on_mail(sw_ctx *c, sw_value input) { return sw_step(c, "mail", send_mail, input); }

static sw_value on_go(sw_ctx *c, sw_value input)
{
    sw_value go = sw_nil();
    sw_step(c, "mail", send_mail, input);
    sw_wait_for(c, "go", &(sw_wait){.signal = "go"}, &go);
    return go;
}

/* A failure that its code deals with, a child that nobody waits for, one that loses, and one that fails it. */
static sw_value on_mixed(sw_ctx *c, sw_value input)
{
    sw_value out = sw_nil(), first = sw_nil();
    sw_error err;
    bool is_done = sw_try_call(c, "tried", "leaf", sw_int(1), &out, &err);
    sw_call_with(c, "mail", "mail", input, &(sw_call_options){.detached = true});
    sw_group *any = sw_group_new(c);
    sw_group_call(any, "slow", "go", sw_int(2));
    sw_group_step(any, "quick", pay, sw_array(c, 2, sw_int(2), sw_int(0)));
    sw_group_any(any, "race", &first);
    return sw_array(c, 2, sw_bool(is_done), sw_get(sw_call(c, "leaf", "leaf", sw_int(0)), "leaf"));
}

/* One that fails beside one that waits. */
static sw_value on_pair(sw_ctx *c, sw_value input)
{
    sw_group *g = sw_group_new(c);
    sw_group_call(g, "leaf", "leaf", input);
    sw_group_call(g, "go", "go", input);
    return sw_at(sw_group_wait(g), 1);
}

/* One that fails, and a wait that is given up therefore. */
static sw_value on_beside_wait(sw_ctx *c, sw_value input)
{
    sw_group *g = sw_group_new(c);
    sw_group_call(g, "leaf", "leaf", input);
    sw_group_wait_for(g, "go", &(sw_wait){.signal = "go"});
    return sw_at(sw_group_wait(g), 0);
}

static sw_value on_later(sw_ctx *c, sw_value at_ms)
{
    const sw_call_options options = {.at_ms = sw_as_int(at_ms, 0), .timeout_ms = HOUR_MS};
    return sw_call_with(c, "mail", "mail", at_ms, &options);
}

/* On another thread, which nothing cuts. */
static void *stay(void *arg)
{
    all->is_stuck = 1;
    while (!all->let_go) usleep(1000);
    return arg;
}

static sw_value be_stuck(sw_ctx *c, sw_value input)
{
    (void)sw_blocking(c, stay, NULL);
    return input;
}

static sw_value on_stuck(sw_ctx *c, sw_value input)
{
    sw_step(c, "stay", be_stuck, input);
    return sw_step(c, "mail", send_mail, input);
}

/* One that fails beside one that takes its time, also when it is cancelled. */
static sw_value on_slow_pair(sw_ctx *c, sw_value input)
{
    sw_group *g = sw_group_new(c);
    sw_group_call(g, "stuck", "stuck", input);
    sw_group_call(g, "leaf", "leaf", input);
    return sw_at(sw_group_wait(g), 0);
}

static sw_value on_relay(sw_ctx *c, sw_value input) { return sw_call(c, "pair", "pair", input); }
static sw_value on_forgets(sw_ctx *c, sw_value input) { return sw_call(c, "leaf", "forgotten", input); }

static int serve(int argc, char **argv)
{
    char *area = served_notes(sizeof(notes) + sizeof(ledger));
    seen = (notes *)(void *)area;
    all = (ledger *)(void *)(area + sizeof(notes));
    sw_app *app = sw_app_new("resumed_calls");
    if (!all->lacks_leaf) sw_function(app, "leaf", on_leaf, NULL);
    sw_function(app, "beside-wait", on_beside_wait, NULL);
    sw_function(app, "later", on_later, NULL);
    sw_function(app, "forgotten", on_leaf, &(sw_function_options){.retain = SW_RETAIN_NONE});
    sw_function(app, "deep", on_deep, NULL);
    sw_function(app, "wide", on_wide, NULL);
    sw_function(app, "mail", on_mail, NULL);
    sw_function(app, "go", on_go, NULL);
    sw_function(app, "mixed", on_mixed, NULL);
    sw_function(app, "pair", on_pair, NULL);
    sw_function(app, "stuck", on_stuck, NULL);
    sw_function(app, "slow-pair", on_slow_pair, NULL);
    sw_function(app, "relay", on_relay, NULL);
    sw_function(app, "forgets", on_forgets, NULL);
    return sw_main(app, argc, argv);
}

/* ---- Asking ---- */

static void start_again(void)
{
    served_start(&server, (const char *const[]){"--data", data, "--dev", "--loops", "3", "--hold", "30s", NULL});
}

static void start_anew(const char *name)
{
    char *area = served_notes(sizeof(notes) + sizeof(ledger));
    seen = (notes *)(void *)area;
    all = (ledger *)(void *)(area + sizeof(notes));
    memset(area, 0, sizeof(notes) + sizeof(ledger));
    snprintf(data, sizeof data, "%s/%s", root, name);
    start_again();
}

static void kill_and_start(void)
{
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    start_again();
}

static void ask_of(const char *method, const char *run, const char *what, long status)
{
    char path[128];
    snprintf(path, sizeof path, "/_sw/runs/%s%s", run, what);
    call_patiently(method, server_url(path), NULL, "", &a);
    if (a.status != status) printf("# %s\n", a.body);
    CHECK_INT(a.status, status);
}

/* Hundreds of children log that they have failed, and then that they go on: more than a pipe holds. */
static void forget_log(void)
{
    char text[4096];
    CHECK(fcntl(server.log, F_SETFL, O_NONBLOCK) == 0);
    while (read(server.log, text, sizeof text) > 0) continue;
    CHECK(fcntl(server.log, F_SETFL, 0) == 0);
}

static void resume(const char *run)
{
    forget_log();
    ask_of("POST", run, "/resume", 202);
}

/* Copies the id of the run that `run` has called by the call of that id. */
static void find_child(const char *run, const char *call_id, char child[32])
{
    char words[64];
    snprintf(words, sizeof words, "\"id\":\"%s\"", call_id);
    const char *at = NULL;
    while (!(at = strstr(page("/_sw/runs/", run), words)) || !(at = strstr(at, "\"child\":\""))) usleep(10000);
    CHECK(sscanf(at, "\"child\":\"%26s", child) == 1);
}

static void wait_until(const char *run, const char *words)
{
    while (!strstr(page("/_sw/runs/", run), words)) usleep(10000);
}

static void each_was_paid_once(int leaves)
{
    for (int i = 0; i < leaves; i++)
        for (int k = 0; k < PAID; k++) CHECK_INT(all->paid[i][k], 1);
    CHECK_INT(all->others, 0);
}

/* What a resume would do again, as its dry run says. */
static const char *plan_of(const char *run)
{
    char path[128];
    snprintf(path, sizeof path, "/_sw/runs/%s/resume", run);
    call("POST", server_url(path), NULL, "{\"dryRun\":true}", 0, &a);
    CHECK_INT(a.status, 200);
    return a.body;
}

/* How often the text has the words. */
static int times(const char *text, const char *words)
{
    int n = 0;
    for (; (text = strstr(text, words)) != NULL; text++) n++;
    return n;
}

/* ---- Tests ---- */

static void test_deep(void)
{
    char middle[32];
    start_anew("deep");
    begin("deep", "2");
    CHECK(strstr(output(500), "leaf 0 is broken"));
    CHECK_INT(times(plan_of(id), "\"runId\""), 4);
    CHECK_INT(times(a.body, "\"kind\":\"call\""), 3);
    CHECK_INT(times(a.body, "\"kind\":\"step\""), 1);
    CHECK(strstr(a.body, "\"id\":\"fragile\""));
    wait_for_state("failed");
    seen->mended = 1;
    resume(id);
    CHECK_STR(output(200), "[2,[1,[0,{\"leaf\":0,\"bytes\":\"AAE=\"}]]]");
    each_was_paid_once(1);
    for (int i = 0; i < DEPTHS; i++) CHECK_INT(all->at_depth[i], 1);
    CHECK_INT(all->fragile[0], 2);
    find_child(id, "below", middle);
    CHECK(strstr(page("/_sw/runs/", middle), "\"kind\":\"reopened\""));
    ask_of("POST", id, "/resume", 409);
    char path[128];
    snprintf(path, sizeof path, "/_sw/runs/%s/resume", id);
    call("POST", server_url(path), NULL, "{\"dryRun\":true}", 0, &a);
    CHECK_INT(a.status, 409);
    stop();
}

/* All of them have failed, and one resume mends them all. */
static void test_wide(void)
{
    start_anew("wide");
    begin("wide", "200");
    CHECK(strstr(output(500), " is broken"));
    seen->mended = 1;
    resume(id);
    CHECK_STR(output(200), "[true,200]");
    each_was_paid_once(LEAVES);
    for (int i = 0; i < LEAVES; i++) CHECK_INT(all->fragile[i], 2);
    stop();
}

/* At moments that no test knows: before the children know, while some of them go on, when some have returned. */
static void killed_with(const char *name, const char *function, const char *input, const char *expected, unsigned seed)
{
    start_anew(name);
    begin(function, input);
    CHECK(strstr(output(500), " is broken"));
    seen->mended = 1;
    resume(id);
    for (int i = 0; i < KILLS; i++) {
        seed = seed * 1103515245u + 12345u;
        usleep((seed >> 8) % 12000);
        kill_and_start();
    }
    CHECK_STR(output(200), expected);
    stop();
}

static void test_wide_killed(void)
{
    killed_with("wide-killed", "wide", "200", "[true,200]", 5);
    each_was_paid_once(LEAVES);
}

static void test_deep_killed(void)
{
    killed_with("deep-killed", "deep", "2", "[2,[1,[0,{\"leaf\":0,\"bytes\":\"AAE=\"}]]]", 11);
    each_was_paid_once(1);
    for (int i = 0; i < DEPTHS; i++) CHECK_INT(all->at_depth[i], 1);
}

/* What the code has dealt with stays as it is, and so does who waits for nobody, or has lost. */
static void test_mixed(void)
{
    char tried[32], slow[32];
    start_anew("mixed");
    begin("mixed", "7");
    CHECK(strstr(output(500), "leaf 0 is broken"));
    find_child(id, "tried", tried);
    find_child(id, "slow", slow);
    wait_until(slow, "\"state\":\"cancelled\"");
    seen->mended = 1;
    resume(id);
    CHECK_STR(output(200), "[false,0]");
    CHECK_INT(all->fragile[0], 2);
    CHECK_INT(all->fragile[1], 1);
    CHECK(strstr(page("/_sw/runs/", tried), "\"state\":\"failed\""));
    CHECK(strstr(page("/_sw/runs/", slow), "\"state\":\"cancelled\""));
    CHECK_INT(all->others, 0);
    stop();
}

/* A run that is cancelled cancels those that it has called: they go on with it, where they were. */
static void test_cancelled(void)
{
    char pair[32], leaf[32], go[32], again[32];
    start_anew("cancelled");
    seen->mended = 1;
    begin("relay", "0");
    find_child(id, "pair", pair);
    find_child(pair, "go", go);
    wait_until(go, "waits for the signal");
    find_child(pair, "leaf", leaf);
    wait_until(leaf, "\"state\":\"succeeded\"");
    ask_of("DELETE", id, "", 200);
    wait_until(pair, "\"state\":\"cancelled\"");
    wait_until(go, "\"state\":\"cancelled\"");
    resume(id);
    wait_until(go, "\"state\":\"waiting\"");
    kill_and_start();
    find_child(pair, "go", again);
    CHECK_STR(again, go);
    ask_of("POST", go, "/signals/go", 202);
    CHECK_STR(output(200), "null");
    each_was_paid_once(1);
    CHECK_INT(all->fragile[0], 1);
    CHECK_INT(all->mail, 1);
    stop();
}

/* One that is still being unwound for the end of its caller when that is resumed: its cancel is on disk, its end is
 * not, and is not what the caller waits for. */
static void test_unwinding(void)
{
    char leaf[32], stuck[32];
    start_anew("unwinding");
    begin("slow-pair", "0");
    find_child(id, "leaf", leaf);
    find_child(id, "stuck", stuck);
    wait_until(leaf, "\"state\":\"failed\"");
    while (!all->is_stuck) usleep(1000);
    ask_of("DELETE", id, "", 200);
    wait_until(stuck, "\"kind\":\"cancel\"");
    seen->mended = 1;
    resume(id);
    wait_until(leaf, "\"state\":\"succeeded\""); /* so the letter that stuck has got beside it is there, mostly */
    CHECK_INT(all->mail, 0);
    all->let_go = 1;
    CHECK_STR(output(200), "0");
    CHECK(strstr(page("/_sw/runs/", stuck), "\"kind\":\"reopened\""));
    CHECK_INT(all->mail, 1);
    each_was_paid_once(1);
    stop();
}

/* One that has not begun, since it is to begin tomorrow, has its hour from then on. */
static void test_before_its_time(void)
{
    char mail[32], when[32];
    long long due_ms = 0, at_ms = (long long)time(NULL) * 1000 + 24LL * HOUR_MS;
    start_anew("before-its-time");
    snprintf(when, sizeof when, "%lld", at_ms);
    begin("later", when);
    find_child(id, "mail", mail);
    ask_of("DELETE", id, "", 200);
    wait_until(mail, "\"state\":\"cancelled\"");
    resume(id);
    wait_until(mail, "\"kind\":\"reopened\"");
    const char *reopened = strstr(a.body, "\"kind\":\"reopened\""), *due = strstr(reopened, "\"due\":");
    CHECK(due && sscanf(due, "\"due\":%lld", &due_ms) == 1);
    CHECK(due_ms == at_ms + HOUR_MS);
    ask_of("DELETE", id, "", 200);
    wait_until(mail, "\"state\":\"cancelled\"");
    CHECK_INT(all->mail, 0);
    stop();
}

/* What a dry run says of waits, and of what cannot go on. */
static void test_plan(void)
{
    char leaf[32], path[128];
    start_anew("plan");
    begin("beside-wait", "0");
    CHECK(strstr(output(500), "leaf 0 is broken"));
    find_child(id, "leaf", leaf);
    CHECK_INT(times(plan_of(id), "\"kind\":\"wait\""), 1);
    CHECK_INT(times(a.body, "\"kind\":\"step\""), 1);
    stop();
    all->lacks_leaf = 1;
    start_again();
    CHECK(strstr(plan_of(id), "\"state\":\"unfit\",\"detail\":\"this program has no such endpoint"));
    CHECK_INT(times(a.body, "\"kind\":\"step\""), 0);
    snprintf(path, sizeof path, "/_sw/runs/%s/resume", leaf);
    call("POST", server_url(path), NULL, "{\"dryRun\":true}", 0, &a);
    CHECK_INT(a.status, 409);
    CHECK(strstr(a.body, "this program has no such endpoint"));
    stop();
}

/* One that is resumed by itself returns to a caller that waits still. */
static void test_by_itself(void)
{
    char leaf[32], go[32];
    start_anew("by-itself");
    begin("pair", "0");
    find_child(id, "leaf", leaf);
    find_child(id, "go", go);
    wait_until(leaf, "\"state\":\"failed\"");
    wait_until(go, "waits for the signal");
    seen->mended = 1;
    resume(leaf);
    wait_until(leaf, "\"state\":\"succeeded\"");
    ask_of("POST", go, "/signals/go", 202);
    CHECK_STR(output(200), "null");
    each_was_paid_once(1);
    stop();
}

/* ... and to one that has failed because of it when that is resumed, too. */
static void test_before_its_caller(void)
{
    char leaf[32], words[64];
    start_anew("before-its-caller");
    begin("deep", "0");
    CHECK(strstr(output(500), "leaf 0 is broken"));
    find_child(id, "leaf", leaf);
    seen->mended = 1;
    snprintf(words, sizeof words, "\"calledBy\":\"%s\"", id);
    resume(leaf);
    CHECK(strstr(a.body, words));
    wait_until(leaf, "\"state\":\"succeeded\"");
    CHECK(strstr(output(500), "leaf 0 is broken"));
    CHECK(strstr(plan_of(id), "\"state\":\"succeeded\",\"again\":[]"));
    resume(id);
    CHECK_STR(output(200), "[0,{\"leaf\":0,\"bytes\":\"AAE=\"}]");
    each_was_paid_once(1);
    CHECK_INT(all->fragile[0], 2);
    CHECK_INT(all->at_depth[0], 1);
    stop();
}

/* A bulk action takes all of them, callers and called, in whichever order. */
static void test_bulk(void)
{
    static const char body[] =
        "{\"action\":\"resume\",\"filter\":{\"state\":\"failed\"},\"max\":1000,\"perSecond\":10000}";
    start_anew("bulk");
    begin("wide", "100");
    CHECK(strstr(output(500), " is broken"));
    seen->mended = 1;
    forget_log();
    call("POST", server_url("/_sw/bulk"), NULL, body, 0, &a);
    CHECK_INT(a.status, 202);
    while (strstr(page("/_sw/runs?state=failed&endpoint=wide", ""), "\"runId\"")) usleep(10000);
    CHECK_STR(output(200), "[true,100]");
    each_was_paid_once(100);
    for (int i = 0; i < 100; i++) CHECK_INT(all->fragile[i], 2);
    stop();
}

/* One of which nothing is left is made anew. */
static void test_gone(void)
{
    char leaf[32], path[64];
    start_anew("gone");
    begin("forgets", "0");
    CHECK(strstr(output(500), "leaf 0 is broken"));
    find_child(id, "leaf", leaf);
    snprintf(path, sizeof path, "/_sw/runs/%s", leaf);
    while (call(NULL, server_url(path), NULL, NULL, 0, &a), a.status != 404) usleep(10000);
    CHECK(strstr(plan_of(id), "\"state\":\"gone\",\"again\":[]"));
    seen->mended = 1;
    resume(id);
    CHECK_STR(output(200), "{\"leaf\":0,\"bytes\":\"AAE=\"}");
    CHECK_INT(all->paid[0][0], 2);
    CHECK_INT(all->others, 1);
    stop();
}

/* It fails again: each resume makes again what has failed, and nothing else. */
static void test_again_and_again(void)
{
    start_anew("again");
    begin("deep", "2");
    for (int i = 1; i <= 3; i++) {
        CHECK(strstr(output(500), "leaf 0 is broken"));
        CHECK_INT(all->fragile[0], i);
        resume(id);
    }
    CHECK(strstr(output(500), "leaf 0 is broken"));
    CHECK_INT(all->fragile[0], 4);
    each_was_paid_once(1);
    stop();
}

static const check_case cases[] = {{"three deep", test_deep},
                                   {"200 beside each other", test_wide},
                                   {"200, killed at any moment", test_wide_killed},
                                   {"three deep, killed at any moment", test_deep_killed},
                                   {"what was dealt with, detached ones and losers", test_mixed},
                                   {"a caller that was cancelled", test_cancelled},
                                   {"one that is still being cancelled", test_unwinding},
                                   {"one that is to begin tomorrow", test_before_its_time},
                                   {"what a dry run lists", test_plan},
                                   {"one that is resumed by itself, and its caller waits", test_by_itself},
                                   {"... and its caller has failed", test_before_its_caller},
                                   {"by a bulk action", test_bulk},
                                   {"one that is gone", test_gone},
                                   {"it fails again and again", test_again_and_again}};

SERVED_MAIN(serve, NULL, cases)
