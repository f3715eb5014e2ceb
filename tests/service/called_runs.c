/* Runs call functions, whose runs are on several loops, and the program is killed again and again at any moment: each
 * call begins one child, whose result its caller gets, and nothing is called twice. */
#include "storage/run_id.h"

#include "tests/service/functions.h"

enum {
    PARENTS = 6,
    CHILDREN = 8,
    CALLED = PARENTS * CHILDREN,
    KILLS = 12,
    MANY = 300,
    CROWD = SANITIZED ? 1000 : 10000
};

/* What the test and its servers note: which run has worked for each call. */
typedef struct ledger {
    char child[CALLED][RUN_ID_TEXT + 1]; /* the first one that has */
    volatile int others;                 /* another run did so, too */
    volatile int steps[CALLED];
    char crowd[CROWD][RUN_ID_TEXT + 1]; /* likewise, of on_crowd's calls */
    volatile int worked, executions;    /* of its children; of its own handler */
} ledger;

static ledger *all;

/* ---- The program ---- */

static sw_value note_child(sw_ctx *c, sw_value input)
{
    int n = (int)sw_as_int(input, 0);
    if (!*all->child[n]) strcpy(all->child[n], sw_run_id(c));
    if (strcmp(all->child[n], sw_run_id(c)) != 0) __atomic_add_fetch(&all->others, 1, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&all->steps[n], 1, __ATOMIC_SEQ_CST);
    sw_sleep(c, "a moment", n % 5);
    return sw_int(n * 2);
}

static sw_value on_child(sw_ctx *c, sw_value input) { return sw_step(c, "work", note_child, input); }

/* Calls one after the other, and answers with the sum. */
static sw_value on_parent(sw_ctx *c, sw_value input)
{
    int64_t first = sw_as_int(input, 0) * CHILDREN, sum = 0;
    for (int64_t i = 0; i < CHILDREN; i++) sum += sw_as_int(sw_call(c, "double", "child", sw_int(first + i)), 0);
    return sw_int(sum);
}

static sw_value on_one(sw_ctx *c, sw_value input) { return sw_call(c, "double", "child", input); }

/* Each branch has a call of its own. */
static sw_value on_branches(sw_ctx *c, sw_value input)
{
    int64_t first = sw_as_int(input, 0) * CHILDREN;
    sw_group *g = sw_group_new(c);
    for (int64_t i = 0; i < CHILDREN; i++) sw_group_branch(g, "branch", on_one, sw_int(first + i));
    sw_value results = sw_group_wait(g);
    int64_t sum = 0;
    for (size_t i = 0; i < sw_len(results); i++) sum += sw_as_int(sw_at(results, i), 0);
    return sw_int(sum);
}

static sw_value count(sw_ctx *c, sw_value input);

/* All at once. */
static sw_value on_fan(sw_ctx *c, sw_value input)
{
    int64_t first = sw_as_int(input, 0) * CHILDREN, sum = 0;
    sw_group *g = sw_group_new(c);
    for (int64_t i = 0; i < CHILDREN; i++) sw_group_call(g, "double", "child", sw_int(first + i));
    sw_value results = sw_group_wait(g);
    for (size_t i = 0; i < sw_len(results); i++) sum += sw_as_int(sw_at(results, i), 0);
    return sw_int(sum);
}

/* Whether the results come in the order of the calls. */
static sw_value on_many(sw_ctx *c, sw_value input)
{
    sw_group *g = sw_group_new(c);
    bool in_order = true;
    for (int64_t i = 0; i < sw_as_int(input, 0); i++) sw_group_call(g, "one", "count", sw_int(i));
    sw_value results = sw_group_wait(g);
    for (size_t i = 0; i < sw_len(results); i++) in_order = in_order && sw_as_int(sw_at(results, i), -1) == (int64_t)i;
    return sw_array(c, 2, sw_bool(in_order), sw_int((int64_t)sw_len(results)));
}

static sw_value note_one(sw_ctx *c, sw_value input)
{
    char *child = all->crowd[sw_as_int(input, 0)];
    if (!*child) strcpy(child, sw_run_id(c));
    if (strcmp(child, sw_run_id(c)) != 0) __atomic_add_fetch(&all->others, 1, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&all->worked, 1, __ATOMIC_SEQ_CST);
    return input;
}

static sw_value on_one_of_many(sw_ctx *c, sw_value input) { return sw_step(c, "work", note_one, input); }

static sw_value on_crowd(sw_ctx *c, sw_value input)
{
    int64_t sum = 0;
    (void)input;
    __atomic_add_fetch(&all->executions, 1, __ATOMIC_SEQ_CST);
    sw_group *g = sw_group_new(c);
    for (int64_t i = 0; i < CROWD; i++) sw_group_call(g, "one", "one_of_many", sw_int(i));
    sw_value results = sw_group_wait(g);
    for (size_t i = 0; i < sw_len(results); i++) sum += sw_as_int(sw_at(results, i), 0);
    return sw_int(sum);
}

/* A call that fails beside others, a step and a signal: what is at work is waited for. */
static sw_value on_mixed(sw_ctx *c, sw_value input)
{
    sw_group *g = sw_group_new(c);
    sw_group_call(g, "prints", "fails", input);
    sw_group_call(g, "waits", "waits", sw_int(1));
    sw_group_step(g, "counts", count, sw_int(2));
    sw_group_call_with(g, "later", "count", sw_int(3), &(sw_call_options){.detached = true});
    return sw_group_settle(g);
}

static sw_value on_echo(sw_ctx *c, sw_value input) { return (void)c, input; }

/* What comes of a value on its way to a child and back. */
static sw_value on_kinds(sw_ctx *c, sw_value input)
{
    sw_value sent = sw_map(c, "input", input, "bytes", sw_bin(c, "\0\1", 2), "half", sw_double(0.5), "none", sw_nil(),
                           "text", sw_strn(c, "a\0b", 3));
    return sw_array(c, 3, sw_bool(sw_equal(sent, sw_call(c, "echo", "echo", sent))),
                    sw_call(c, "nil", "echo", sw_nil()), sw_call(c, "late", "waits", sw_str(c, "go")));
}

static sw_value on_waits(sw_ctx *c, sw_value input)
{
    sw_sleep(c, "nap", 1500); /* it leaves memory */
    return input;
}

static sw_value on_deep(sw_ctx *c, sw_value input)
{
    int64_t left = sw_as_int(input, 0);
    return left > 0 ? sw_int(1 + sw_as_int(sw_call(c, "deeper", "deep", sw_int(left - 1)), 0)) : sw_int(0);
}

static sw_value fail(sw_ctx *c, sw_value input)
{
    if (!seen->mended) sw_fail_fatal(c, "the printer is out of paper");
    return input;
}

static sw_value on_fails(sw_ctx *c, sw_value input)
{
    __atomic_add_fetch(&seen->steps, 1, __ATOMIC_SEQ_CST);
    return sw_step(c, "print", fail, input);
}

static sw_value count(sw_ctx *c, sw_value input)
{
    (void)c;
    __atomic_add_fetch(&seen->gone_on, 1, __ATOMIC_SEQ_CST);
    return input;
}

static sw_value on_calls_failing(sw_ctx *c, sw_value input)
{
    sw_value first = sw_call(c, "count", "count", sw_int(1));
    sw_value printed = sw_call(c, "print", "fails", input);
    return sw_array(c, 2, first, printed);
}

static sw_value on_count(sw_ctx *c, sw_value input) { return sw_step(c, "count", count, input); }

static sw_value on_tries(sw_ctx *c, sw_value input)
{
    sw_value out = sw_nil();
    sw_error err = {.message = ""};
    bool is_done = sw_try_call(c, "print", "fails", input, &out, &err);
    return sw_map(c, "done", sw_bool(is_done), "out", out, "message", sw_str(c, err.message), "step",
                  sw_str(c, err.step), "fatal", sw_bool(err.fatal), "path", sw_str(c, err.path));
}

static sw_value on_relays(sw_ctx *c, sw_value input) { return sw_call(c, "wait", "waits_for_go", input); }

static sw_value on_two(sw_ctx *c, sw_value input)
{
    sw_value counted = sw_call(c, "count", "count", sw_int(5));
    return sw_array(c, 2, counted, sw_call(c, "wait", "waits_for_go", input));
}

static sw_value on_waits_for_go(sw_ctx *c, sw_value input)
{
    (void)input;
    sw_value go = sw_nil();
    sw_wait_for(c, "go", &(sw_wait){.signal = "go"}, &go);
    return go;
}

static sw_value on_detaches(sw_ctx *c, sw_value input)
{
    sw_value of = sw_call_with(c, "mail", "count", input, &(sw_call_options){.detached = true});
    return sw_step(c, "echo", on_echo, of);
}

static sw_value on_when(sw_ctx *c, sw_value input) { return (void)input, sw_int(sw_now(c)); }

/* Whether the child has not begun before its time. */
static sw_value on_later(sw_ctx *c, sw_value input)
{
    int64_t at_ms = sw_now(c) + sw_as_int(input, 0);
    sw_value began = sw_call_with(c, "later", "when", sw_nil(), &(sw_call_options){.at_ms = at_ms});
    return sw_bool(sw_as_int(began, 0) >= at_ms);
}

static sw_value on_limits(sw_ctx *c, sw_value input)
{
    return sw_call_with(c, "wait", "waits_for_go", input, &(sw_call_options){.timeout_ms = 50});
}

static void on_order(sw_ctx *c) { sw_reply_json(c, 200, sw_call(c, "echo", "echo", sw_body_json(c))); }

static int serve(int argc, char **argv)
{
    char *notes_area = served_notes(sizeof(notes) + sizeof(ledger));
    seen = (notes *)(void *)notes_area;
    all = (ledger *)(void *)(notes_area + sizeof(notes));
    sw_app *app = sw_app_new("called_runs");
    sw_function(app, "child", on_child, NULL);
    sw_function(app, "parent", on_parent, NULL);
    sw_function(app, "branches", on_branches, NULL);
    sw_function(app, "fan", on_fan, NULL);
    sw_function(app, "many", on_many, NULL);
    sw_function(app, "crowd", on_crowd, NULL);
    sw_function(app, "one_of_many", on_one_of_many, NULL);
    sw_function(app, "mixed", on_mixed, NULL);
    sw_function(app, "echo", on_echo, &(sw_function_options){.retain = SW_RETAIN_NONE});
    sw_function(app, "kinds", on_kinds, NULL);
    sw_function(app, "waits", on_waits, NULL);
    sw_function(app, "deep", on_deep, NULL);
    sw_function(app, "fails", on_fails, NULL);
    if (!getenv("WITHOUT_COUNT")) sw_function(app, "count", on_count, NULL);
    sw_function(app, "calls_failing", on_calls_failing, NULL);
    sw_function(app, "tries", on_tries, NULL);
    sw_function(app, "two", on_two, NULL);
    sw_function(app, "relays", on_relays, NULL);
    sw_function(app, "waits_for_go", on_waits_for_go, NULL);
    sw_function(app, "detaches", on_detaches, NULL);
    sw_function(app, "when", on_when, NULL);
    sw_function(app, "later", on_later, NULL);
    sw_function(app, "limits", on_limits, NULL);
    sw_function(app, "late", on_relays, &(sw_function_options){.timeout_ms = 300});
    sw_endpoint(app, "POST /order", on_order, NULL);
    return sw_main(app, argc, argv);
}

/* ---- Asking ---- */

static const char *loops = "3";

static void begin_in(const char *name)
{
    char *area = served_notes(sizeof(notes) + sizeof(ledger));
    seen = (notes *)(void *)area;
    all = (ledger *)(void *)(area + sizeof(notes));
    snprintf(data, sizeof data, "%s/%s", root, name);
    memset(area, 0, sizeof(notes) + sizeof(ledger));
}

static void start_again(void)
{
    served_start(&server, (const char *const[]){"--data", data, "--dev", "--loops", loops, "--hold", "30s", NULL});
}

static void start_anew(const char *name)
{
    begin_in(name);
    start_again();
}

static void kill_and_start(void)
{
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    start_again();
}

static int64_t sum_of(int parent)
{
    int64_t sum = 0;
    for (int i = 0; i < CHILDREN; i++) sum += 2 * (parent * CHILDREN + i);
    return sum;
}

/* ---- Tests ---- */

/* Killed at moments that no test knows: in the middle of a commit, before a child is known to its loop, before its
 * return has come. */
static void killed_with(const char *function, const char *name, const char *loop_count, unsigned seed)
{
    char outputs[PARENTS][512], body[16], expected[32];
    loops = loop_count;
    start_anew(name);
    for (int i = 0; i < PARENTS; i++) {
        snprintf(body, sizeof body, "%d", i);
        begin(function, body);
        strcpy(outputs[i], output_path);
    }
    for (int i = 0; i < KILLS; i++) {
        seed = seed * 1103515245u + 12345u;
        usleep((seed >> 8) % 25000);
        kill_and_start();
    }
    for (int i = 0; i < PARENTS; i++) {
        strcpy(output_path, outputs[i]);
        snprintf(expected, sizeof expected, "%lld", (long long)sum_of(i));
        CHECK_STR(output(200), expected);
    }
    CHECK_INT(all->others, 0);
    for (int i = 0; i < CALLED; i++) CHECK(all->steps[i] > 0);
    stop();
    loops = "3";
}

static void test_killed(void) { killed_with("parent", "killed", "3", 7); }
static void test_killed_on_one(void) { killed_with("parent", "killed-1", "1", 23); }
static void test_killed_in_branches(void) { killed_with("branches", "killed-branches", "3", 99); }
static void test_killed_in_groups(void) { killed_with("fan", "killed-groups", "3", 4); }

/* They wake their caller when it can go on, not each of them. */
static void test_many(void)
{
    char expected[32];
    start_anew("many");
    snprintf(expected, sizeof expected, "[true,%d]", MANY);
    CHECK_STR(result_of("many", "300"), expected);
    CHECK_INT(seen->gone_on, MANY);
    int loaded = (int)server_metric("runs_resumed_total"); /* each child once, and their caller */
    if (loaded > MANY + 2) printf("# %d loads\n", loaded);
    CHECK(loaded > MANY && loaded <= MANY + 2);
    stop();
}

/* Killed when a quarter of them has worked: each call has one child, and their caller is woken a few times. */
static void test_crowd(void)
{
    enum {
        WAKES_MAX = 6
    }; /* it begins, is loaded by each start, and for the first result after one, and for the last */
    char expected[32];
    start_anew("crowd");
    begin("crowd", "0");
    while (all->worked < CROWD / 4) usleep(1000);
    kill_and_start();
    snprintf(expected, sizeof expected, "%lld", (long long)CROWD * (CROWD - 1) / 2);
    CHECK_STR(output(200), expected);
    CHECK_INT(all->others, 0);
    for (int i = 0; i < CROWD; i++) CHECK(*all->crowd[i]);
    printf("# %d children worked %d times, and woke their caller %d times\n", CROWD, all->worked, all->executions);
    CHECK(all->executions <= WAKES_MAX);
    stop();
}

static void test_mixed(void)
{
    start_anew("mixed");
    begin("mixed", "7");
    const char *body = output(200);
    CHECK(strstr(body, "[{\"ok\":false,\"error\":\"the printer is out of paper\"},{\"ok\":true,\"value\":1},"
                       "{\"ok\":true,\"value\":2},{\"ok\":true,\"value\":{\"run\":\""));
    stop();
}

/* Undisturbed each step is made once. */
static void test_undisturbed(void)
{
    char body[16], expected[32];
    start_anew("undisturbed");
    for (int i = 0; i < PARENTS; i++) {
        snprintf(body, sizeof body, "%d", i);
        snprintf(expected, sizeof expected, "%lld", (long long)sum_of(i));
        static const char *const ways[] = {"parent", "branches", "fan"};
        CHECK_STR(result_of(ways[i % 3], body), expected);
    }
    for (int i = 0; i < CALLED; i++) CHECK_INT(all->steps[i], 1);
    CHECK_INT(all->others, 0);
    stop();
}

static void test_kinds(void)
{
    start_anew("kinds");
    CHECK_STR(result_of("kinds", "{\"a\":[1,2.5,null]}"), "[true,null,\"go\"]");
    call("POST", server_url("/order"), NULL, "{\"n\":1}", 20, &a);
    CHECK_INT(a.status, 200);
    CHECK_STR(a.body, "{\"n\":1}");
    stop();
}

/* The child's message is the caller's. A caller that goes on after its end has the child go on that has failed. */
static void test_failing(void)
{
    start_anew("failing");
    begin("tries", "7");
    CHECK_STR(output(200),
              "{\"done\":false,\"out\":null,\"message\":\"the printer is out of paper\",\"step\":\"print\","
              "\"fatal\":true,\"path\":\"print\"}");
    CHECK_INT(seen->steps, 1);
    begin("calls_failing", "7");
    CHECK(strstr(output(500), "the printer is out of paper"));
    CHECK(strstr(a.body, "\"step\":\"print\""));
    CHECK_INT(seen->steps, 2);
    seen->mended = 1;
    char path[128];
    snprintf(path, sizeof path, "/_sw/runs/%s/resume", id);
    call("POST", server_url(path), NULL, "", 0, &a);
    CHECK_INT(a.status, 202);
    CHECK_STR(output(200), "[1,7]");
    CHECK_INT(seen->steps, 3);
    CHECK_INT(seen->gone_on, 1); /* what had succeeded answers from the journal */
    stop();
}

/* A function that was called and has returned may leave the program. */
static void test_gone(void)
{
    char path[128], child[32] = "";
    start_anew("gone");
    begin("two", "1");
    while (!strstr(page("/_sw/runs/", id), " of waits_for_go since ")) usleep(10000);
    CHECK(sscanf(strstr(a.body, "waits for the run "), "waits for the run %26s", child) == 1);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    CHECK(setenv("WITHOUT_COUNT", "1", 1) == 0);
    start_again();
    snprintf(path, sizeof path, "/_sw/runs/%s/signals/go", child);
    call_patiently("POST", server_url(path), NULL, "8", &a);
    CHECK_STR(output(200), "[5,8]");
    begin("two", "1");
    CHECK(strstr(output(500), "the program has no function \\\"count\\\""));
    CHECK(unsetenv("WITHOUT_COUNT") == 0);
    stop();
}

/* A fork has the results of the calls that were over, and makes the others by children of its own. */
static void test_forked(void)
{
    char path[128], first[32], body[128];
    start_anew("forked");
    begin("two", "1");
    strcpy(first, id);
    while (!strstr(page("/_sw/runs/", id), "\"id\":\"wait\"")) usleep(10000);
    const char *at = strstr(a.body, "\"id\":\"wait\"");
    while (at > a.body && strncmp(at, "\"path\":\"", 8) != 0) at--;
    snprintf(path, sizeof path, "/_sw/runs/%s/fork", id);
    snprintf(body, sizeof body, "{\"from\":\"%.16s\"}", at + 8);
    call("POST", server_url(path), NULL, body, 0, &a);
    CHECK(sscanf(a.body, "{\"runId\":\"%31[^\"]\"", id) == 1);
    note_output();
    char child[2][32];
    const char *const runs[] = {first, id};
    for (int i = 0; i < 2; i++) {
        while (!strstr(page("/_sw/runs/", runs[i]), " of waits_for_go since ")) usleep(10000);
        CHECK(sscanf(strstr(a.body, "waits for the run "), "waits for the run %26s", child[i]) == 1);
    }
    CHECK(strcmp(child[0], child[1]) != 0);
    CHECK_INT(seen->gone_on, 1);
    snprintf(path, sizeof path, "/_sw/runs/%s/signals/go", child[1]);
    call_patiently("POST", server_url(path), NULL, "8", &a);
    CHECK_STR(output(200), "[5,8]");
    CHECK_INT(seen->gone_on, 1);
    CHECK(strstr(page("/_sw/runs/", first), "waits for the run ")); /* its child has got nothing */
    stop();
}

/* The caller's page says for whom it waits, and the child's who has called it. */
static void test_pages(void)
{
    char parent[32], child[32] = "", expected[256], path[256];
    start_anew("pages");
    begin("relays", "1");
    strcpy(parent, id);
    while (!strstr(page("/_sw/runs/", parent), "\"kind\":\"call\"")) usleep(10000);
    const char *said = strstr(a.body, "waits for the run ");
    CHECK(said && sscanf(said, "waits for the run %26s of waits_for_go since", child) == 1);
    snprintf(expected, sizeof expected, "\"function\":\"waits_for_go\",\"child\":\"%s\",\"state\":\"waiting\"", child);
    CHECK(strstr(a.body, expected));
    snprintf(expected, sizeof expected, "\"calledBy\":\"%s\"", parent);
    CHECK(strstr(page("/_sw/runs/", child), expected));
    kill_and_start();
    snprintf(path, sizeof path, "/_sw/runs/%s/signals/go", child);
    call_patiently("POST", server_url(path), NULL, "42", &a);
    CHECK_INT(a.status, 202);
    CHECK_STR(output(200), "42");
    CHECK(strstr(page("/_sw/runs/", parent), "\"kind\":\"returned\""));
    stop();
}

/* Waits until the run that the run `id` has called is there, and copies its id. */
static void find_child(char child[32])
{
    while (!strstr(page("/_sw/runs/", id), "\"child\":\"")) usleep(10000);
    CHECK(sscanf(strstr(a.body, "\"child\":\""), "\"child\":\"%26s", child) == 1);
}

/* `or_state`: NULL: none other. */
static void wait_for_end_of(const char *run, const char *state, const char *or_state)
{
    char words[64], others[64];
    snprintf(words, sizeof words, "\"state\":\"%s\"", state);
    snprintf(others, sizeof others, "\"state\":\"%s\"", or_state ? or_state : state);
    while (!strstr(page("/_sw/runs/", run), "\"endedAt\"")) usleep(10000);
    CHECK(strstr(a.body, words) || strstr(a.body, others));
}

static void test_detached(void)
{
    char expected[64], child[32];
    start_anew("detached");
    begin("detaches", "5");
    find_child(child);
    snprintf(expected, sizeof expected, "{\"run\":\"%s\"}", child);
    CHECK_STR(output(200), expected);
    wait_for_end_of(child, "succeeded", NULL);
    CHECK_INT(seen->gone_on, 1);
    kill_and_start();
    CHECK_STR(output(200), expected);
    CHECK_INT(seen->gone_on, 1);
    stop();
}

static void test_later(void)
{
    start_anew("later");
    CHECK_STR(result_of("later", "300"), "true");
    CHECK_STR(result_of("later", "-5000"), "true"); /* a time that is over: at once */
    begin("later", "1500");
    kill_and_start();
    CHECK_STR(output(200), "true");
    stop();
}

/* The child ends at its own deadline, at its caller's, and with its caller. */
static void test_ends(void)
{
    char child[32], path[128];
    start_anew("ends");
    begin("limits", "1");
    CHECK(strstr(output(500), "over its deadline"));
    begin("late", "1");
    find_child(child);
    (void)output(504);
    wait_for_end_of(child, "cancelled", "failed"); /* its own deadline is a second behind */
    begin("relays", "1");
    find_child(child);
    kill_and_start();
    snprintf(path, sizeof path, "/_sw/runs/%s", id);
    call_patiently("DELETE", server_url(path), NULL, NULL, &a);
    CHECK(a.status == 200 || a.status == 202);
    (void)output(410);
    wait_for_end_of(child, "cancelled", NULL);
    stop();
}

static void test_deep(void)
{
    start_anew("deep");
    CHECK_STR(result_of("deep", "16"), "16");
    begin("deep", "17");
    CHECK(strstr(output(500), "--call-depth-max"));
    stop();
}

static const check_case cases[] = {{"nothing happens: each step once", test_undisturbed},
                                   {"killed at any moment, on three loops", test_killed},
                                   {"killed at any moment, on one loop", test_killed_on_one},
                                   {"killed, with calls in branches", test_killed_in_branches},
                                   {"killed, with calls in groups", test_killed_in_groups},
                                   {"many children wake their caller once", test_many},
                                   {"10,000 children, through a kill", test_crowd},
                                   {"calls beside steps and failures", test_mixed},
                                   {"values go and come back", test_kinds},
                                   {"children that fail, and a caller that is resumed", test_failing},
                                   {"a function that has left the program", test_gone},
                                   {"a caller that is forked", test_forked},
                                   {"what the pages say", test_pages},
                                   {"children that nobody waits for", test_detached},
                                   {"children that begin later", test_later},
                                   {"children end with their callers", test_ends},
                                   {"as deep as it may be, and deeper", test_deep}};

SERVED_MAIN(serve, NULL, cases)
