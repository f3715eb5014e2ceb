/* A function is a run without a request: what begins one, what it is given, what it answers, what is refused, and that
 * all that is done to runs can be done to it. */
#include "tests/service/functions.h"

/* ---- The program ---- */

static sw_value echo(sw_ctx *c, sw_value input) { return (void)c, input; }

static sw_value count(sw_ctx *c, sw_value input)
{
    (void)c;
    __atomic_add_fetch(&seen->steps, 1, __ATOMIC_SEQ_CST);
    return input;
}

static sw_value on_steps(sw_ctx *c, sw_value input)
{
    sw_value first = sw_step(c, "first", count, getenv("CHANGED") ? sw_nil() : input);
    sw_sleep(c, "nap", seen->gone_on ? 0 : HOUR_MS);
    return sw_array(c, 2, first, sw_step(c, "second", count, sw_get(input, "n")));
}

/* What belongs to a request is not there. */
static sw_value on_empty(sw_ctx *c, sw_value input)
{
    (void)input;
    bool none = !sw_param(c, "id") && !sw_query(c, "q") && !sw_header(c, "content-type") && !sw_header(c, "accept");
    return sw_map(c, "none", sw_bool(none), "method", sw_str(c, sw_method(c)), "path", sw_str(c, sw_path(c)), "arg",
                  sw_str(c, sw_arg(c)), "version", sw_str(c, sw_version(c)), "id",
                  sw_int((int64_t)strlen(sw_run_id(c))));
}

static sw_value on_misuse(sw_ctx *c, sw_value input)
{
    const char *what = sw_cstr(c, input);
    if (strcmp(what, "body") == 0) (void)sw_body(c);
    if (strcmp(what, "body_json") == 0) (void)sw_body_json(c);
    if (strcmp(what, "reply") == 0) sw_reply_text(c, 200, "hello");
    if (strcmp(what, "reply_json") == 0) sw_reply_json(c, 200, sw_nil());
    if (strcmp(what, "reply_header") == 0) sw_reply_header(c, "X-A", "b");
    return sw_nil();
}

static sw_value need(sw_ctx *c, sw_value input)
{
    if (!seen->mended) sw_fail_fatal(c, "the printer is out of paper");
    return input;
}

static sw_value on_fails(sw_ctx *c, sw_value input) { return sw_step(c, "print", need, input); }

static sw_value ask_printer(sw_ctx *c, sw_value input)
{
    if (!seen->mended) sw_fail(c, "the printer is out of paper");
    return input;
}

static sw_value on_prints(sw_ctx *c, sw_value input)
{
    return sw_step_with(c, "print", ask_printer, input, &(sw_step_options){.retries = SW_NO_RETRIES});
}

static sw_value on_late(sw_ctx *c, sw_value input)
{
    sw_sleep(c, "nap", HOUR_MS);
    return input;
}

static sw_value on_kinds(sw_ctx *c, sw_value input)
{
    return sw_map(c, "input", input, "bytes", sw_bin(c, "\0\1", 2), "half", sw_double(0.5), "none", sw_nil());
}

static sw_value on_label(sw_ctx *c, sw_value input)
{
    sw_label(c, "order", sw_cstr(c, sw_get(input, "id")));
    sw_push_chunk(c, input);
    return input;
}

static void on_route(sw_ctx *c) { sw_reply_text(c, 200, "an endpoint"); }

static void add_mistake(sw_app *app, const char *which)
{
    static const char *const header[] = {"header:x-secret", NULL};
    if (strcmp(which, "twice") == 0) sw_function(app, "echo", echo, NULL);
    if (strcmp(which, "null") == 0) sw_function(app, "none", NULL, NULL);
    if (strcmp(which, "header") == 0) sw_function(app, "bad", echo, &(sw_function_options){.omit = header});
    if (strcmp(which, "timeout") == 0) sw_function(app, "bad", echo, &(sw_function_options){.timeout_ms = -1});
    if (strncmp(which, "name:", 5) == 0) sw_function(app, which + 5, echo, NULL);
}

static int serve(int argc, char **argv)
{
    static char arg[] = "the arg";
    static const char *const omit[] = {"json:/card/number", NULL};
    seen = served_notes(sizeof *seen);
    sw_app *app = sw_app_new("functions");
    if (!getenv("WITHOUT_ECHO")) sw_function(app, "echo", echo, NULL);
    sw_function(app, "orders/ship.v2_A-b", on_steps, NULL);
    sw_function(app, "empty", on_empty, &(sw_function_options){.version = "7", .arg = arg});
    sw_function(app, "misuse", on_misuse, NULL);
    sw_function(app, "fails", on_fails, NULL);
    sw_function(app, "stops", on_prints, &(sw_function_options){.on_exhausted = SW_STOP});
    sw_function(app, "late", on_late, &(sw_function_options){.timeout_ms = 50});
    sw_function(app, "sleeps", on_late, NULL);
    sw_function(app, "kinds", on_kinds, NULL);
    sw_function(app, "omits", echo, &(sw_function_options){.omit = omit});
    sw_function(app, "label", on_label, NULL);
    sw_endpoint(app, "POST /orders", on_route, NULL);
    sw_route(app, "GET /up", on_route);
    if (getenv("MISTAKE")) add_mistake(app, getenv("MISTAKE"));
    return sw_main(app, argc, argv);
}

/* ---- Input and result ---- */

static void nest(char *to, int levels)
{
    memset(to, '[', (size_t)levels);
    memset(to + levels, ']', (size_t)levels);
    to[2 * levels] = 0;
}

static void test_results(void)
{
    char deep[512], type[64];
    start_in("results");
    CHECK_STR(result_of("echo", ""), "null");
    CHECK_STR(answer_header(&a, "Content-Type", type, sizeof type), "application/json");
    CHECK_STR(result_of("echo", " {\"a\": [1, -2, 1.5, true, null, \"\\u00e9\\u0000\"]}\n"),
              "{\"a\":[1,-2,1.5,true,null,\"é\\u0000\"]}");
    CHECK_STR(result_of("echo", "\"text\""), "\"text\"");
    CHECK_STR(result_of("echo", "18446744073709551615"), "18446744073709551615");
    CHECK_STR(result_of("kinds", "[]"), "{\"input\":[],\"bytes\":\"AAE=\",\"half\":0.5,\"none\":null}");
    for (int levels = 15; levels <= 127; levels += 112) {
        nest(deep, levels);
        CHECK_STR(result_of("echo", deep), deep);
        CHECK(strstr(page("/_sw/runs/", id), deep));
    }
    CHECK_STR(result_of("empty", "{}"), "{\"none\":true,\"method\":\"\",\"path\":\"\",\"arg\":\"the arg\","
                                        "\"version\":\"7\",\"id\":26}");
    CHECK(strstr(result_of("label", "{\"id\":\"o-7\"}"), "o-7"));
    CHECK(strstr(page("/_sw/runs?label=", "order:o-7"), "\"endpoint\":\"label\""));
    stop();
}

static void test_misuse(void)
{
    static const char *const cases[][2] = {
        {"\"body\"", "sw_body in a function"},
        {"\"body_json\"", "sw_body_json in a function"},
        {"\"reply\"", "sw_reply in a function"},
        {"\"reply_json\"", "sw_reply_json in a function"},
        {"\"reply_header\"", "sw_reply_header in a function"},
    };
    start_in("misuse");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin("misuse", cases[i][0]);
        CHECK(strstr(output(500), cases[i][1]));
    }
    stop();
}

static void test_refused(void)
{
    static const struct {
        int status;
        const char *name, *body, *says;
    } cases[] = {{404, "none", "{}", "no function of this name"},
                 {404, "", "{}", "no function of this name"},
                 {404, "orders", "{}", "no function of this name"},
                 {404, "echo/", "{}", "no function of this name"},
                 {404, "echo%00", "{}", ""},
                 {404, "ECHO", "{}", "no function of this name"},
                 {404, "POST%20%2Forders", "{}", "no function of this name"},
                 {404, "POST%20%2F_sw%2Fbulk", "{}", "no function of this name"},
                 {400, "echo", "{", "is not JSON: line 1"},
                 {400, "echo", "nil", "is not JSON: line 1"},
                 {400, "echo", "{} {}", "is not JSON: line 1"}};
    char deep[512];
    start_in("refused");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        long status = post(cases[i].name, NULL, cases[i].body);
        bool is_bad_path = strstr(cases[i].name, "%00") && status == 400;
        if (status != cases[i].status && !is_bad_path) printf("# %s: %s\n", cases[i].name, a.body);
        CHECK(is_bad_path || status == cases[i].status);
        CHECK(strstr(a.body, cases[i].says));
    }
    nest(deep, 129);
    CHECK_INT(post("echo", NULL, deep), 400);
    call("GET", server_url("/_sw/functions/echo"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 405);
    static const char *const paths[] = {"/_sw/functions", "/_sw/functions//echo", "//_sw/functions/echo",
                                        "/_sw//functions/echo"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        call("POST", server_url(paths[i]), NULL, "{}", 0, &a);
        CHECK_INT(a.status, 404);
    }
    call("POST", server_url("/%5Fsw/functions/%65cho"), NULL, "1", 0, &a); /* is the same path */
    CHECK_INT(a.status, 202);
    call("POST", server_url("/_sw/runs"), NULL, "{\"endpoint\":\"echo\",\"target\":\"/\"}", 0, &a);
    CHECK_INT(a.status, 404);
    CHECK(strstr(a.body, "POST /_sw/functions/NAME"));
    CHECK_INT(server_metric("runs_started_total"), 1);
    stop();
}

/* A mistake of the program's is told at its start. */
static void test_mistakes(void)
{
    static const char *const cases[][2] = {{"twice", "there are two functions \"echo\""},
                                           {"null", "the function is NULL"},
                                           {"header", ".omit takes json:NAME and json:/a/b alone"},
                                           {"timeout", "sw_function: .timeout_ms is negative"},
                                           {"name:", "is no name"},
                                           {"name:/a", "is no name"},
                                           {"name:a/", "is no name"},
                                           {"name:a//b", "is no name"},
                                           {"name:a b", "is no name"},
                                           {"name:a/../b", "is no name"},
                                           {"name:.", "is no name"},
                                           {"name:a%2Fb", "is no name"},
                                           {"name:caf\xc3\xa9", "is no name"}};
    static char said[8192], longest[160] = "name:";
    int code = 0;
    in_folder("mistakes");
    const char *const flags[] = {"--data", data, "--dev", NULL};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK(setenv("MISTAKE", cases[i][0], 1) == 0);
        CHECK(!served_try(&server, flags, said, sizeof said, &code));
        if (!strstr(said, cases[i][1])) printf("# %s: %s\n", cases[i][0], said);
        CHECK_INT(code, 2);
        CHECK(strstr(said, cases[i][1]));
    }
    memset(longest + 5, 'x', 129);
    CHECK(setenv("MISTAKE", longest, 1) == 0);
    CHECK(!served_try(&server, flags, said, sizeof said, &code));
    CHECK_INT(code, 2);
    longest[5 + 128] = 0;
    CHECK(setenv("MISTAKE", longest, 1) == 0);
    start_with(NULL, NULL);
    CHECK(unsetenv("MISTAKE") == 0);
    CHECK_STR(result_of(longest + 5, "1"), "1");
    stop();
}

/* ---- What becomes of a run ---- */

static void test_failure(void)
{
    char type[64];
    start_in("failure");
    begin("fails", "[1]");
    CHECK(strstr(output(500), "the printer is out of paper") && strstr(a.body, "\"step\":\"print\""));
    CHECK_STR(answer_header(&a, "Content-Type", type, sizeof type), "application/problem+json");
    CHECK(strstr(page("/_sw/runs?state=failed&endpoint=", "fails"), id));
    seen->mended = 1;
    char path[128];
    snprintf(path, sizeof path, "/_sw/runs/%s/resume", id);
    call_patiently("POST", server_url(path), NULL, "{}", &a);
    CHECK_INT(a.status, 202);
    CHECK_STR(output(200), "[1]");
    begin("late", "1");
    CHECK(strstr(output(504), "deadline"));
    seen->mended = 0;
    begin("stops", "[2]");
    wait_for_state("stopped");
    seen->mended = 1;
    snprintf(path, sizeof path, "/_sw/runs/%s/release", id);
    call("POST", server_url(path), NULL, "", 0, &a);
    CHECK(a.status == 200 || a.status == 503); /* a slow disk */
    CHECK_STR(output(200), "[2]");
    stop();
}

/* It is killed in its sleep, and has its input again; what was done is not done again. */
static void test_killed(void)
{
    start_in("killed");
    begin("orders/ship.v2_A-b", "{\"n\":5}");
    wait_for_state("sleeping");
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    start_with(NULL, NULL);
    wait_for_state("sleeping");
    CHECK(strstr(page("/_sw/runs/", id), "\"input\":{\"n\":5}"));
    CHECK_INT(seen->steps, 1);
    char path[128], body[128];
    seen->gone_on = 1; /* a fork from the sleep does without it */
    const char *at = strstr(a.body, "\"id\":\"nap\"");
    while (at && strncmp(at, "\"path\":\"", 8) != 0) at--;
    CHECK(at);
    snprintf(body, sizeof body, "{\"from\":\"%.16s\"}", at + 8);
    snprintf(path, sizeof path, "/_sw/runs/%s/fork", id);
    call("POST", server_url(path), NULL, body, 0, &a);
    note_output();
    CHECK_STR(output(200), "[{\"n\":5},5]");
    CHECK_INT(seen->steps, 2);
    stop();
}

/* Runs the program's --check of the folder, which prints `said`. Returns the exit code. */
static int check_folder(char said[4096])
{
    char command[5000];
    snprintf(command, sizeof command, "'%s' --serve --check '%s'", served_program, data);
    FILE *f = popen(command, "r");
    CHECK(f);
    size_t n = fread(said, 1, 4095, f);
    said[n] = 0;
    int status = pclose(f);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* --check executes it again, with its input; a program that gives a step another input does not fit. */
static void test_checked(void)
{
    char said[4096];
    start_in("checked");
    begin("orders/ship.v2_A-b", "{\"n\":5}");
    wait_for_state("sleeping");
    CHECK_STR(result_of("echo", "[1]"), "[1]");
    stop();
    int code = check_folder(said);
    if (code != 0) printf("# %s\n", said);
    CHECK_INT(code, 0);
    CHECK(setenv("CHANGED", "1", 1) == 0);
    code = check_folder(said);
    CHECK(unsetenv("CHANGED") == 0);
    CHECK_INT(code, 1);
    CHECK(strstr(said, "orders/ship.v2_A-b") && strstr(said, "differs at first"));
}

/* Another input is the body of the fork: JSON, or a text of it. */
static void test_forked(void)
{
    static const char *const cases[][2] = {{"{}", "{\"a\":1}"},
                                           {"{\"body\":{\"b\":2}}", "{\"b\":2}"},
                                           {"{\"body\":\" [3 ] \"}", "[3]"},
                                           {"{\"body\":\"\"}", "null"}};
    char path[128];
    start_in("forked");
    CHECK_STR(result_of("echo", "{\"a\":1}"), "{\"a\":1}");
    snprintf(path, sizeof path, "/_sw/runs/%s/fork", id);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        call("POST", server_url(path), NULL, cases[i][0], 0, &a);
        note_output();
        CHECK_STR(output(200), cases[i][1]);
    }
    static const char *const bad[] = {"{\"body\":\"no JSON\"}", "{\"dryRun\":true,\"body\":\"no JSON\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        call("POST", server_url(path), NULL, bad[i], 0, &a);
        CHECK_INT(a.status, 400);
        CHECK(strstr(a.body, "the input of a function"));
    }
    call("POST", server_url(path), NULL, "{\"dryRun\":true,\"body\":[1]}", 0, &a);
    CHECK_INT(a.status, 200);
    stop();
}

/* ---- Operators ---- */

static void test_keyed(void)
{
    static const char key[] = "Idempotency-Key: \"seven\"";
    char first[32];
    start_in("keyed");
    CHECK_INT(post("echo", key, "{\"a\":1}"), 202);
    CHECK(sscanf(a.body, "{\"runId\":\"%31[^\"]\"", first) == 1);
    for (int i = 0; i < 5; i++) {
        CHECK_INT(post("echo", key, i % 2 ? "{\"a\":1}" : " { \"a\" : 1 } "), 202);
        CHECK(strstr(a.body, first));
    }
    CHECK_INT(post("echo", key, "{\"a\":2}"), 422);
    CHECK_INT(post("kinds", key, "{\"a\":1}"), 202); /* another function's key */
    CHECK(!strstr(a.body, first));
    CHECK_INT(post("echo", "Idempotency-Key: \"seven", "1"), 400);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    start_with(NULL, NULL);
    CHECK_INT(post("echo", key, "{\"a\":1}"), 202);
    CHECK(strstr(a.body, first));
    CHECK_INT(post("omits", key, "{\"card\":{\"number\":1}}"), 202);
    CHECK(sscanf(a.body, "{\"runId\":\"%31[^\"]\"", first) == 1);
    CHECK_INT(post("omits", key, "{\"card\":{\"number\":2}}"), 202); /* what is left out tells nobody apart */
    CHECK(strstr(a.body, first));
    stop();
}

/* Its requests find its runs when it has left the program: another is refused, and begins nothing. */
static void test_keyed_gone(void)
{
    static const char key[] = "Idempotency-Key: \"eight\"";
    char first[32], fork_path[128];
    start_in("keyed_gone");
    CHECK_INT(post("echo", key, "{\"a\":1}"), 202);
    CHECK(sscanf(a.body, "{\"runId\":\"%31[^\"]\"", first) == 1);
    snprintf(fork_path, sizeof fork_path, "/_sw/runs/%s/fork", first);
    static const char fork_body[] = "{\"body\":\" {\\\"b\\\": 1} \"}";
    call("POST", server_url(fork_path), (const char *const[]){key, NULL}, fork_body, 0, &a);
    CHECK_INT(a.status, 202);
    CHECK(sscanf(a.body, "{\"runId\":\"%31[^\"]\"", id) == 1);
    stop();
    CHECK(setenv("WITHOUT_ECHO", "1", 1) == 0);
    start_with(NULL, NULL);
    CHECK(unsetenv("WITHOUT_ECHO") == 0);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(post("echo", key, i % 2 ? "{\"a\":1}" : " { \"a\" : 1 } "), 202);
        CHECK(strstr(a.body, first));
    }
    CHECK_INT(post("echo", key, "{\"a\":2}"), 422);
    CHECK_INT(post("echo", "Idempotency-Key: \"nine\"", "{\"a\":1}"), 404);
    CHECK(strstr(a.body, "no function of this name"));
    CHECK_INT(post("echo", NULL, "{\"a\":1}"), 404);
    CHECK_INT(post("none", key, "{\"a\":1}"), 404);
    CHECK_INT(post("POST%20%2Forders", key, "{\"a\":1}"), 404);
    call("POST", server_url(fork_path), (const char *const[]){key, NULL}, fork_body, 0, &a);
    CHECK_INT(a.status, 202);
    CHECK(strstr(a.body, id));
    call("POST", server_url(fork_path), (const char *const[]){key, NULL}, "{\"body\":\"{\\\"b\\\": 2}\"}", 0, &a);
    CHECK_INT(a.status, 422);
    CHECK_INT(server_metric("runs_started_total"), 0);
    stop();
}

static void test_hidden(void)
{
    in_folder("hidden");
    start_with("--redact", "json:/card/holder");
    CHECK_STR(result_of("omits", "{\"card\":{\"number\":4711,\"holder\":\"Ann\"}}"), "{\"card\":{\"holder\":\"Ann\"}}");
    CHECK(strstr(page("/_sw/runs/", id), "\"input\":{\"card\":{\"holder\":\"[redacted]\"}}"));
    CHECK(!strstr(a.body, "4711") && strstr(a.body, "\"inputRedacted\":true"));
    stop();
}

static void test_stopped(void)
{
    const char *setting = "/_sw/settings/endpoint:orders%2Fship.v2_A-b";
    start_in("stopped");
    call("PUT", server_url(setting), NULL, "{\"value\":{\"stopped\":true,\"retryAfter\":30}}", 0, &a);
    CHECK_INT(a.status, 200);
    CHECK_INT(post("orders/ship.v2_A-b", NULL, "{}"), 503);
    CHECK(strstr(a.body, "an operator has stopped this function"));
    CHECK_STR(answer_header(&a, "Retry-After", output_path, sizeof output_path), "30");
    CHECK_INT(post("echo", NULL, "{}"), 202);
    const char *listed = page("/_sw/endpoints", "");
    const char *at = strstr(listed, "{\"endpoint\":\"orders/ship.v2_A-b\",\"kind\":\"function\"");
    CHECK(at && strstr(at, "\"stopped\":{\"by\":"));
    CHECK(strstr(listed, "{\"endpoint\":\"POST /orders\",\"kind\":\"durable\""));
    call("DELETE", server_url(setting), NULL, NULL, 0, &a);
    seen->gone_on = 1;
    CHECK_STR(result_of("orders%2Fship.v2_A-b", "{\"n\":1}"), "[{\"n\":1},1]");
    stop();
}

static void test_scope(void)
{
    char ann[256], bob[256];
    in_folder("scope");
    operator_token(ann, "ann:view,act", "the-token-of-ann-is-long");
    operator_token(bob, "bob:start", "the-token-of-bob-is-long");
    served_start(&server, (const char *const[]){"--data", data, "--token", ann, "--token", bob, NULL});
    CHECK_INT(post("echo", NULL, "{}"), 401);
    CHECK_INT(post("none", NULL, "{}"), 401);
    CHECK_INT(post("echo", "Authorization: Bearer the-token-of-ann-is-long", "{}"), 403);
    CHECK(strstr(a.body, "starting a function needs scope start"));
    CHECK_INT(post("echo", "Authorization: Bearer the-token-of-bob-is-long", "{}"), 202);
    stop();
}

/* Where nobody could begin a run, the log says so at the start. */
static void test_no_door(void)
{
    static char said[8192];
    int code = 0;
    in_folder("no_door");
    const char *const closed[] = {"--data", data, NULL}, *const open[] = {"--data", data, "--admin-listen",
                                                                          "127.0.0.1:0", NULL};
    const char *const *const flags[] = {closed, open};
    served_admin_on_public = false;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        CHECK(served_try(&server, flags[i], said, sizeof said, &code));
        CHECK(!strstr(said, "nobody can begin a run of a function") == (flags[i] == open));
        stop();
    }
    served_admin_on_public = true;
}

static void test_cancelled(void)
{
    char run_path[512];
    start_in("cancelled");
    begin("sleeps", "{}");
    wait_for_state("sleeping");
    const char *path = strstr(output_path, "/_sw/"), *query = path ? strstr(path, "/output?") : NULL;
    CHECK(query);
    snprintf(run_path, sizeof run_path, "%.*s%s", (int)(query - path), path, query + 7);
    call("DELETE", server_url(run_path), NULL, NULL, 0, &a);
    CHECK(a.status == 200 || a.status == 202);
    (void)output(410);
    stop();
}

static const check_case cases[] = {{"what it is given comes back", test_results},
                                   {"what belongs to a request is misuse, with what to do", test_misuse},
                                   {"what is refused begins nothing", test_refused},
                                   {"mistakes are told at the start", test_mistakes},
                                   {"it fails as an endpoint does, is resumed, and has a deadline", test_failure},
                                   {"it survives kill -9 with its input, and is forked", test_killed},
                                   {"a fork has another input", test_forked},
                                   {"--check knows its input", test_checked},
                                   {"its key finds it again", test_keyed},
                                   {"its key finds it when the function has gone", test_keyed_gone},
                                   {"what is left out or hidden of its input", test_hidden},
                                   {"it is listed, and can be stopped", test_stopped},
                                   {"it needs scope start", test_scope},
                                   {"it needs an admin API", test_no_door},
                                   {"it is cancelled", test_cancelled}};

SERVED_MAIN_NOTES(serve, seen, cases)
