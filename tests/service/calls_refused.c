/* Calls of functions that are refused: where they may not be made, of what is not there, and beyond the limits. Each
 * fails the run that makes it, and nothing else. */
#include "tests/service/functions.h"

/* ---- The program ---- */

static sw_value echo(sw_ctx *c, sw_value input) { return (void)c, input; }

static sw_value call_in_step(sw_ctx *c, sw_value input) { return sw_call(c, "inner", "echo", input); }

static sw_value large(sw_ctx *c, sw_value input)
{
    char *text = sw_alloc(c, 100001);
    memset(text, 'x', 100000);
    (void)input;
    return sw_str(c, text);
}

static sw_value on_misuse(sw_ctx *c, sw_value input)
{
    const char *what = sw_cstr(c, input);
    if (strcmp(what, "step") == 0) return sw_step(c, "outer", call_in_step, input);
    if (strcmp(what, "unknown") == 0) return sw_call(c, "ship", "orders/shipp", input);
    if (strcmp(what, "endpoint") == 0) return sw_call(c, "ship", "POST /relaxed", input);
    if (strcmp(what, "none") == 0) return sw_call(c, "ship", NULL, input);
    if (strcmp(what, "id") == 0) return sw_call(c, "", "echo", input);
    if (strcmp(what, "many") == 0)
        for (int i = 0; i < 6; i++) (void)sw_call(c, "one", "echo", sw_int(i));
    if (strcmp(what, "result") == 0) return sw_call(c, "large", "large", sw_nil());
    if (strcmp(what, "circle") == 0) return sw_call(c, "again", "misuse", input);
    return sw_str(c, "fine");
}

/* Calls twice, and has its results before it waits. */
static sw_value on_remembers(sw_ctx *c, sw_value input)
{
    sw_value first = sw_call(c, "first", "leaves", input), second = sw_call(c, "second", "leaves", input), go;
    sw_wait_for(c, "go", &(sw_wait){.signal = "go"}, &go);
    return sw_array(c, 3, first, second, go);
}

static void on_relaxed(sw_ctx *c) { sw_reply_json(c, 200, sw_call(c, "echo", "echo", sw_nil())); }

static void on_plain(sw_ctx *c) { sw_reply_json(c, 200, sw_call(c, "echo", "echo", sw_nil())); }

static int serve(int argc, char **argv)
{
    seen = served_notes(sizeof *seen);
    sw_app *app = sw_app_new("calls_refused");
    sw_function(app, "echo", echo, NULL);
    sw_function(app, "large", large, NULL);
    sw_function(app, "misuse", on_misuse, NULL);
    sw_function(app, "remembers", on_remembers, NULL);
    if (!seen->gone_on) sw_function(app, "leaves", echo, NULL);
    sw_endpoint(app, "POST /relaxed", on_relaxed, &(sw_endpoint_options){.durability = SW_RELAXED});
    sw_route(app, "GET /plain", on_plain);
    return sw_main(app, argc, argv);
}

/* ---- Tests ---- */

static void start_here(const char *name)
{
    seen = served_notes(sizeof *seen);
    in_folder(name);
    served_start(&server,
                 (const char *const[]){"--data", data, "--dev", "--loops", "2", "--hold", "30s", "--children-max", "5",
                                       "--call-depth-max", "3", "--step-result-max", "64KiB", NULL});
}

static void test_refused(void)
{
    static const struct {
        const char *input, *says;
    } tries[] = {
        {"\"step\"", "sw_call \\\"inner\\\" inside step \\\"outer\\\""},
        {"\"unknown\"",
         "the program has no function \\\"orders/shipp\\\" (sw_function); it has: echo, large, misuse, remembers"},
        {"\"endpoint\"", "the program has no function \\\"POST /relaxed\\\""},
        {"\"none\"", "without the name of a function"},
        {"\"id\"", "a call with an empty id"},
        {"\"many\"", "one more than the 5 functions a run may call (--children-max)"},
        {"\"result\"", "its result cannot be given to its caller"},
        {"\"circle\"", "--call-depth-max"},
    };
    start_here("refused");
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        begin("misuse", tries[i].input);
        const char *body = output(500);
        if (!strstr(body, tries[i].says)) printf("# %s\n", body);
        CHECK(strstr(body, tries[i].says));
    }
    CHECK_STR(result_of("misuse", "\"fine\""), "\"fine\"");
    call("POST", server_url("/relaxed"), NULL, "", 0, &a);
    CHECK_INT(a.status, 500);
    CHECK(strstr(a.body, "SW_RELAXED"));
    call("GET", server_url("/plain"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 500);
    CHECK(strstr(a.body, "in a plain route"));
    stop();
}

/* What has been called needs no function any more, nor room under limits that are lower now. */
static void test_made_before(void)
{
    char path[128];
    start_here("made_before");
    begin("remembers", "7");
    snprintf(path, sizeof path, "/_sw/runs/%s", id);
    do {
        usleep(10000);
        call("GET", server_url(path), NULL, NULL, 0, &a);
    } while (!strstr(a.body, "\"signal\":\"go\""));
    stop();
    seen->gone_on = 1;
    served_start(&server, (const char *const[]){"--data", data, "--dev", "--loops", "2", "--hold", "30s",
                                                "--children-max", "1", NULL});
    snprintf(path, sizeof path, "/_sw/runs/%s/signals/go", id);
    call_patiently("POST", server_url(path), NULL, "42", &a);
    CHECK_INT(a.status, 202);
    CHECK_STR(output(200), "[7,7,42]");
    begin("remembers", "7");
    CHECK(strstr(output(500), "the program has no function"));
    stop();
}

static const check_case cases[] = {{"what is refused, and what it says", test_refused},
                                   {"what was called before is not refused", test_made_before}};

SERVED_MAIN(serve, NULL, cases)
