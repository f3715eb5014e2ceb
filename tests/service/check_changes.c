/* --check: a program is tested against the runs that another one has made. Of each of the changes below it is known
 * whether runs bear it; --check says so, and where. It attempts no step, calls nothing, and changes nothing in the
 * folder. */
#include "runtime/stepwell.h"
#include "tests/harness/served.h"

typedef struct notes {
    unsigned attempts; /* of all steps */
    unsigned holding;  /* of those that hold */
    unsigned opened;   /* connections that the program opened at its start */
} notes;
static notes *seen;

static unsigned load(const unsigned *n) { return __atomic_load_n(n, __ATOMIC_SEQ_CST); }
static void count_up(unsigned *n) { __atomic_add_fetch(n, 1, __ATOMIC_SEQ_CST); }

/* ---- The program, with one change, by its name ---- */

static const char *change(void) { return getenv("CHANGE") ? getenv("CHANGE") : ""; }
static bool is(const char *name) { return strcmp(change(), name) == 0; }

/* A step that the request names holds for good: its run stands there. */
static sw_value work(sw_ctx *c, sw_value input)
{
    const char *held = sw_query(c, "hold"), *name = sw_arg(c);
    count_up(&seen->attempts);
    if (held && strcmp(held, name) == 0) {
        count_up(&seen->holding);
        sw_sleep(c, "hold", 3600000);
    }
    if (is("step function")) return sw_map(c, "other", input);
    return input;
}

static sw_value make(sw_ctx *c, const char *id, sw_value input)
{
    sw_step_options o = {.arg = (void *)(uintptr_t)id};
    if (is("step options")) o.retries = 7, o.timeout_ms = 60000, o.sync = true;
    return sw_step_with(c, id, work, input, &o);
}

static sw_value mail(sw_ctx *c, sw_value input) { return make(c, "send", input); }
static sw_value stock(sw_ctx *c, sw_value input) { return make(c, "take", input); }
static sw_value audit(sw_ctx *c, sw_value input) { return make(c, "log", input); }

static void fork_out(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    if (is("members swapped")) sw_group_branch(g, "stock", stock, sw_int(2));
    if (is("new branch")) sw_group_branch(g, "audit", audit, sw_int(3));
    sw_group_branch(g, "mail", mail, sw_int(1));
    if (!is("members swapped") && !is("branch gone")) sw_group_branch(g, "stock", stock, sw_int(2));
    (void)sw_group_wait(g);
    if (is("branch gone")) (void)make(c, "take", sw_int(2));
}

static void pause_of(sw_ctx *c)
{
    if (is("sleep becomes step")) (void)make(c, "pause", sw_nil());
    if (is("other length")) sw_sleep(c, "pause", 3600000);
    if (is("until")) sw_sleep_until(c, "pause", 4102444800000);
    if (!is("sleep becomes step") && !is("other length") && !is("until") && !is("sleep gone")) sw_sleep(c, "pause", 1);
}

static void lines(sw_ctx *c)
{
    sw_value inputs = sw_array(c, 3, sw_int(1), sw_int(2), sw_int(3));
    if (is("fewer elements")) inputs = sw_array(c, 2, sw_int(1), sw_int(2));
    const sw_each_options o = {.parallel_max = is("one at a time") ? 1 : 0, .step = {.arg = (void *)"line"}};
    (void)sw_each_with(c, "line", work, inputs, &o);
}

static void charge(sw_ctx *c, int64_t now)
{
    sw_value input = sw_map(c, "amount", sw_int(is("other input") ? 6 : 5), "at", sw_int(now));
    if (is("clock")) sw_set(c, &input, "at", sw_int((int64_t)getpid()));
    if (is("new step") || (is("patched step") && sw_patch(c, "tax"))) (void)make(c, "tax", sw_nil());
    if (is("swapped")) (void)make(c, "ship", sw_str(c, "lamp"));
    bool renamed = is("renamed") || (is("patched name") && sw_patch(c, "bill"));
    (void)make(c, renamed ? "bill" : "charge", input);
}

static void ship(sw_ctx *c)
{
    sw_error why;
    if (is("step gone") || is("swapped")) return;
    if (is("try"))
        (void)sw_try_with(c, "ship", work, sw_str(c, "lamp"), &(sw_step_options){.arg = (void *)"ship"}, NULL, &why);
    else
        (void)make(c, "ship", sw_str(c, "lamp"));
    if (is("last step")) (void)make(c, "thanks", sw_nil());
}

static void reply(sw_ctx *c, int64_t now)
{
    if (is("other error")) sw_fail_fatal(c, "answered 409: {\"price\":77}");
    if (is("other header")) sw_reply_header(c, "X-Shop", "two");
    if (is("other kind")) {
        static const char text[] = "sold out at /x?key=77";
        sw_reply(c, 200, "application/json", text, sizeof text - 1);
        return;
    }
    sw_value lamp = sw_map(c, "item", sw_str(c, "lamp"), "price", sw_int(is("other answer") ? 6 : 5));
    sw_reply_json(c, is("other status") ? 201 : 200, sw_map(c, "at", sw_int(now), "items", sw_array(c, 1, lamp)));
}

static void on_order(sw_ctx *c)
{
    int64_t now = sw_now(c);
    sw_log(c, "an order%s", is("log") ? ", and more of it" : "");
    if (is("another value")) (void)sw_random(c);
    if (is("fetch")) (void)sw_fetch(c, &(sw_request){.url = "http://127.0.0.1:1/"});
    if (is("abort")) abort();
    if (is("step becomes sleep"))
        sw_sleep(c, "price", 1);
    else
        (void)make(c, "price", sw_map(c, "item", sw_str(c, "lamp")));
    pause_of(c);
    lines(c);
    fork_out(c);
    sw_push_chunk(c, sw_str(c, "nearly"));
    charge(c, now);
    ship(c);
    if (is("last chunk")) sw_push_chunk(c, sw_str(c, "done"));
    reply(c, now);
}

static void on_fail(sw_ctx *c)
{
    (void)make(c, "first", sw_nil());
    if (is("fails no more")) sw_reply_text(c, 200, "fine");
    if (!is("fails no more")) sw_fail(c, "always");
}

static sw_value slow(sw_ctx *c, sw_value input) { return make(c, "slow", input); }

/* A branch loses, and then a signal is waited for. */
static void on_race(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    sw_group_branch(g, "loser", slow, sw_nil());
    sw_group_step_with(g, "fast", work, sw_nil(), &(sw_step_options){.arg = (void *)"fast"});
    if (is("waits for all"))
        (void)sw_group_wait(g);
    else if (!is("waits for none"))
        (void)sw_group_any(g, is("decision renamed") ? "other" : "first", NULL);
    (void)sw_wait_for(c, "more", &(sw_wait){.signal = "more"}, NULL);
    sw_reply_text(c, 200, "over");
}

static sw_value price(sw_ctx *c, sw_value input) { return make(c, "price", input); }

/* Its step has the id of one of the run that it calls, and so the path: each is of a run of its own. */
static void on_calls(sw_ctx *c)
{
    (void)make(c, "price", sw_int(1));
    sw_group *g = sw_group_new(c);
    if (is("new call")) sw_group_call(g, "new", "price", sw_int(2));
    (void)sw_group_wait(g);
    if (is("call becomes step")) (void)make(c, "ask", sw_int(3));
    if (is("call becomes wait")) (void)sw_wait_for(c, "ask", &(sw_wait){.signal = "ask"}, NULL);
    if (strncmp(change(), "call ", 5) != 0) (void)sw_call(c, "ask", "price", sw_int(3));
    if (!is("nothing told")) (void)sw_call_with(c, "tell", "price", sw_int(4), &(sw_call_options){.detached = true});
    if (is("later call")) (void)sw_call(c, "later", "price", sw_int(5));
    (void)sw_wait_for(c, "more", &(sw_wait){.signal = "more"}, NULL);
    sw_reply_text(c, 200, "over");
}

static const char *on_start(sw_app *app, void *arg)
{
    (void)arg;
    if (!sw_checking(app)) count_up(&seen->opened);
    return NULL;
}

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("shop");
    seen = served_notes(sizeof *seen);
    const sw_endpoint_options options = {.version = is("options") ? "2" : "1", .retain_ms = is("options") ? 1000 : 0};
    sw_endpoint(app, is("route gone") ? "GET /orders" : "GET /order", on_order, &options);
    sw_endpoint(app, "GET /fail", on_fail, &options);
    sw_endpoint(app, "GET /race", on_race, &options);
    sw_endpoint(app, "GET /calls", on_calls, &options);
    sw_function(app, "price", price, NULL);
    if (is("another endpoint")) sw_endpoint(app, "GET /more", on_order, NULL);
    sw_on_start(app, on_start, NULL);
    return sw_main(app, argc, argv);
}

/* ---- The test ---- */

static char data[128], backup[256];
static answer a;
static const char *const holds[] = {"price", "line", "take", "charge", "ship"};
enum { HOLDS = sizeof holds / sizeof *holds };
static char runs[HOLDS + 2][128]; /* one that stands at each of the steps; one that has ended; one that has failed */

static void start(void)
{
    const char *const flags[] = {"--data",       data, "--loops",          "1",   "--dev",
                                 "--backup-dir", root, "--redirect-after", "10s", NULL};
    CHECK_INT(unsetenv("CHANGE"), 0);
    served_start(&server, flags);
}

static void run_of(const char *path, char out[128])
{
    char output[1024];
    server_begin("GET", path, output, sizeof output);
    snprintf(out, 128, "%.*s", (int)(strstr(output, "/output") - output - strlen("/_sw/runs/")),
             output + strlen("/_sw/runs/"));
}

static void wait_page(const char *run, const char *words)
{
    char path[256];
    snprintf(path, sizeof path, "/_sw/runs/%s", run);
    do {
        call(NULL, server_url(path), NULL, NULL, 0, &a);
        usleep(2000);
    } while (!strstr(a.body, words));
}

static void make_runs(void)
{
    char path[64];
    snprintf(data, sizeof data, "%s/data", root);
    start();
    for (int i = 0; i < HOLDS; i++) {
        unsigned before = load(&seen->holding);
        snprintf(path, sizeof path, "/order?hold=%s", holds[i]);
        run_of(path, runs[i]);
        while (load(&seen->holding) == before) usleep(1000);
    }
    wait_page(runs[1], "\"kind\":\"sleep\"");
    wait_page(runs[2], "\"id\":\"send\"");
    wait_page(runs[3], "\"kind\":\"chunk\"");
    wait_page(runs[4], "\"id\":\"charge\"");
    run_of("/order", runs[HOLDS]);
    wait_page(runs[HOLDS], "\"state\":\"succeeded\"");
    run_of("/fail", runs[HOLDS + 1]);
    wait_page(runs[HOLDS + 1], "\"state\":\"failed\"");
    call("POST", server_url("/_sw/backup?name=copy"), NULL, "", 0, &a);
    CHECK_INT(a.status, 201);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
}

/* What the folder has: names, sizes, times of change. */
static void look_at(const char *folder, char *out, size_t size)
{
    char command[512];
    snprintf(command, sizeof command, "find '%s' -printf '%%p %%s %%T@ %%C@\\n' | sort", folder);
    FILE *f = popen(command, "r");
    CHECK(f);
    size_t n = fread(out, 1, size - 1, f);
    out[n] = 0;
    CHECK_INT(pclose(f), 0);
}

static char said[262144]; /* by the last --check: its standard output */
static char complained[8192];

/* Returns the exit code of the program with these flags. */
static int run_program(const char *changed, const char *flags)
{
    char command[5000], path[128];
    snprintf(path, sizeof path, "%s/complained", root);
    CHECK_INT(setenv("CHANGE", changed, 1), 0);
    snprintf(command, sizeof command, "'%s' --serve %s 2>'%s'", served_program, flags, path);
    FILE *f = popen(command, "r");
    CHECK(f);
    size_t n = fread(said, 1, sizeof said - 1, f);
    said[n] = 0;
    int status = pclose(f);
    FILE *errors = fopen(path, "r");
    CHECK(errors);
    n = fread(complained, 1, sizeof complained - 1, errors);
    complained[n] = 0;
    fclose(errors);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int check_folder(const char *changed, const char *folder, const char *more)
{
    char flags[512];
    snprintf(flags, sizeof flags, "--check '%s' %s", folder, more);
    return run_program(changed, flags);
}

/* The line of a run, zero-terminated. */
static const char *line_of(const char *run)
{
    static char line[2048];
    const char *at = strstr(said, run);
    CHECK(at);
    while (at > said && at[-1] != '\n') at--;
    snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n"), at);
    return line;
}

/* A change that runs do not bear: which ones differ, as a digit for each of `runs`, and what the last of them is told.
 */
typedef struct bad_change {
    const char *name, *differing, *words;
} bad_change;

static const bad_change bad[] = {
    {"renamed", "0000110",
     "\"at\":\"bill\",\"expected\":\"step \\\"charge\\\"\",\"got\":\"the new step \\\"bill\\\"\""},
    {"swapped", "0000110", "\"at\":\"ship\",\"expected\":\"step \\\"charge\\\"\",\"got\":\"step \\\"ship\\\"\""},
    {"new step", "0000110", "\"at\":\"tax\",\"expected\":\"step \\\"charge\\\"\",\"got\":\"the new step \\\"tax\\\"\""},
    {"new branch", "0000110", "\"at\":\"audit/log\",\"expected\":\"step \\\"charge\\\"\",\"got\":\"the new step"},
    {"branch gone", "0001110",
     "\"at\":\"take\",\"expected\":\"step \\\"stock/take\\\"\",\"got\":\"the new step \\\"take\\\"\""},
    {"other input", "0000110", "\"at\":\"charge, its input .amount\",\"expected\":\"5\",\"got\":\"6\""},
    {"clock", "0000110", "\"at\":\"charge, its input .at\""},
    {"sleep becomes step", "0111110",
     "\"at\":\"pause\",\"expected\":\"sleep \\\"pause\\\"\",\"got\":\"step \\\"pause\\\"\""},
    {"step becomes sleep", "0111110",
     "\"at\":\"price\",\"expected\":\"step \\\"price\\\"\",\"got\":\"sleep \\\"price\\\"\""},
    {"sleep gone", "0111110", "\"expected\":\"sleep \\\"pause\\\"\",\"got\":\"the end: 200\""},
    {"step gone", "0000010", "\"expected\":\"step \\\"ship\\\"\",\"got\":\"the end: 200\""},
    {"fewer elements", "0011110", "\"expected\":\"step \\\"line:2\\\"\",\"got\":\"the end: 200\""},
    {"fetch", "1111110", "sw_fetch outside a step, at "},
    {"other answer", "0000010", "\"at\":\"answer, its body .items[0].price\",\"expected\":\"5\",\"got\":\"6\""},
    {"other status", "0000010", "\"at\":\"answer\",\"expected\":\"200\",\"got\":\"201\""},
    {"other header", "0000010", "\"at\":\"answer, its headers\""},
    {"fails no more", "0000001", "\"at\":\"answer\",\"expected\":\"500: always\",\"got\":\"200\""},
    {"route gone", "1111110", "\"expected\":\"the endpoint \\\"GET /order\\\"\""},
    {"abort", "1111110", "the process dies of signal 6"},
};

static void check_bad(const bad_change *b)
{
    size_t differing = 0;
    const char *last = NULL;
    CHECK_INT(check_folder(b->name, data, "--check-json"), 1);
    for (size_t i = 0; i < HOLDS + 2; i++) {
        bool differs = strstr(line_of(runs[i]), "\"verdict\":\"differs\"") != NULL;
        if (differs != (b->differing[i] == '1')) printf("# %s, run %zu: %s\n", b->name, i, line_of(runs[i]));
        CHECK_INT(differs, b->differing[i] == '1');
        differing += differs;
        if (differs) last = runs[i];
    }
    CHECK(last);
    if (!strstr(line_of(last), b->words)) printf("# %s: %s\n", b->name, line_of(last));
    CHECK(strstr(line_of(last), b->words));
    char sum[64];
    snprintf(sum, sizeof sum, "\"differs\":%zu,\"unreadable\":0}", differing);
    CHECK(strstr(said, sum) && strstr(said, "{\"runs\":7,\"live\":5,"));
}

static void test_bad(void)
{
    static char before[65536], after[65536];
    if (!*data) make_runs();
    look_at(data, before, sizeof before);
    notes then = *seen;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) check_bad(&bad[i]);
    look_at(data, after, sizeof after);
    CHECK_STR(after, before);
    CHECK_INT(seen->attempts, then.attempts);
    CHECK_INT(seen->opened, then.opened);
}

/* A run whose group is decided: the decision has to be asked for, and no program dies of a loser. */
static void test_decided(void)
{
    static const char *const others[] = {"decision renamed", "waits for all", "waits for none"};
    char kept[sizeof data], run[128];
    memcpy(kept, data, sizeof kept);
    snprintf(data, sizeof data, "%s/raced", root);
    start();
    run_of("/race?hold=slow", run);
    wait_page(run, "\"kind\":\"wait\"");
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    CHECK_INT(check_folder("", data, "--check-json"), 0);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        CHECK_INT(check_folder(others[i], data, "--check-json"), 1);
        const char *line = line_of(run);
        if (!strstr(line, "\"expected\":\"decision \\\"first\\\"\"")) printf("# %s: %s\n", others[i], line);
        CHECK(strstr(line, "\"expected\":\"decision \\\"first\\\"\"") && !strstr(line, "signal 6"));
    }
    memcpy(data, kept, sizeof data);
}

/* A run that has called: what it has called is looked at by itself. */
static void test_calls(void)
{
    static const struct {
        const char *changed, *at, *says;
    } changes[] = {
        {"new call", "new", "\"expected\":\"call \\\"ask\\\"\",\"got\":\"the new call \\\"new\\\"\""},
        {"call becomes step", "ask", "\"expected\":\"call \\\"ask\\\"\",\"got\":\"step \\\"ask\\\"\""},
        {"call becomes wait", "ask", "\"expected\":\"call \\\"ask\\\"\",\"got\":\"wait \\\"ask\\\"\""},
        {"call gone", "more", "\"expected\":\"call \\\"ask\\\"\""},
        {"nothing told", "more", "\"expected\":\"call \\\"tell\\\"\""},
        {"later call", "later", "\"got\":\"the new call \\\"later\\\"\""},
    };
    char kept[sizeof data], run[128];
    memcpy(kept, data, sizeof kept);
    snprintf(data, sizeof data, "%s/called", root);
    start();
    run_of("/calls", run);
    wait_page(run, "\"kind\":\"wait\"");
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    CHECK_INT(check_folder("", data, "--check-json"), 0);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        CHECK_INT(check_folder(changes[i].changed, data, "--check-json"), 1);
        const char *line = line_of(run);
        char at[64];
        snprintf(at, sizeof at, "\"at\":\"%s\"", changes[i].at);
        bool ok = strstr(line, at) && strstr(line, changes[i].says);
        if (!ok) printf("# %s: %s\n", changes[i].changed, line);
        CHECK(ok);
    }
    memcpy(data, kept, sizeof data);
}

static void test_good(void)
{
    static const char *const good[] = {
        "",    "step function", "step options", "patched step",    "patched name",  "another value",
        "log", "last step",     "other length", "until",           "one at a time", "members swapped",
        "try", "last chunk",    "options",      "another endpoint"};
    if (!*data) make_runs();
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int code = check_folder(good[i], data, "--check-json");
        if (code != 0) printf("# %s: %s%s\n", good[i], said, complained);
        CHECK_INT(code, 0);
        bool ends_later = strcmp(good[i], "last step") == 0;
        CHECK(
            strstr(said, ends_later ? "\"ok\":6,\"newStep\":1,\"differs\":0" : "\"ok\":7,\"newStep\":0,\"differs\":0"));
        CHECK(!ends_later || strstr(line_of(runs[HOLDS]), "\"verdict\":\"new step\",\"at\":\"thanks\""));
    }
}

/* For people: one line for all runs that differ at one place. */
static void test_page(void)
{
    if (!*data) make_runs();
    CHECK_INT(check_folder("renamed", data, ""), 1);
    CHECK(strstr(said, "GET /order version 1: differs at bill: expected step \"charge\", got the new step \"bill\"\n"
                       "    2 runs: "));
    CHECK(strstr(said, "\n5 live and 2 ended runs: 5 ok, 0 at a new step, 2 differ\n"));
    CHECK_INT(check_folder("last step", data, ""), 0);
    CHECK(strstr(said, "GET /order version 1: stops at a new step at thanks\n    1 run: "));
    CHECK_INT(check_folder("renamed", data, "--check-ended 0"), 1);
    CHECK(strstr(said, "\n5 live and 0 ended runs: 4 ok, 0 at a new step, 1 differ\n"));
    CHECK_INT(check_folder("", data, "--check-ended 1"), 0);
    CHECK_STR(said, "5 live and 1 ended runs: 6 ok, 0 at a new step, 0 differ\n");
}

/* A backup says the same as the folder that it was made of. */
static void test_backup(void)
{
    static char before[65536], after[65536];
    if (!*data) make_runs();
    snprintf(backup, sizeof backup, "%s/copy", root);
    look_at(backup, before, sizeof before);
    CHECK_INT(check_folder("", backup, ""), 0);
    CHECK_STR(said, "5 live and 2 ended runs: 7 ok, 0 at a new step, 0 differ\n");
    CHECK_INT(check_folder("swapped", backup, ""), 1);
    look_at(backup, after, sizeof after);
    CHECK_STR(after, before);
}

/* --redact holds for what a CI log gets to see, too: where it differs is told, and not by what. */
static void test_redacted(void)
{
    static const char numbers[] = "\"expected\":\"5\",\"got\":\"6\"";
    static const char *const hidden[][4] = {
        {"other input", "json:amount", "\"at\":\"charge, its input .amount\"", numbers},
        {"other answer", "json:/items/*/price", "\"at\":\"answer, its body .items[0].price\"", numbers},
        {"other kind", "json:/items/*/price", "\"got\":\"sold out at", "price\\\":5"},
        {"other kind", "query:key", "\"got\":\"sold out at /x?key=", "key=77"},
        {"other error", "json:price", "\"got\":\"500: answered 409: {", "price\\\":77"},
        {"other header", "header:x-shop", "\"at\":\"answer, its headers\"", "two"}};
    char more[128];
    if (!*data) make_runs();
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++) {
        for (int keys = 0; keys < 2; keys++) {
            snprintf(more, sizeof more, "--check-json --redact '%s'",
                     keys ? "json:none,header:none,query:none" : hidden[i][1]);
            CHECK_INT(check_folder(hidden[i][0], data, more), 1);
            const char *line = line_of(runs[HOLDS]);
            const bool shows = strstr(line, hidden[i][3]) != NULL, hides = strstr(line, "[redacted]") != NULL;
            if (shows != keys || hides == keys) printf("# %s: %s\n", more, line);
            CHECK(strstr(line, hidden[i][2]) && shows == keys && hides != keys);
        }
    }
}

/* What keeps runs from going on where they are served does not keep them from being checked. */
static void test_not_resumed(void)
{
    if (!*data) make_runs();
    CHECK_INT(setenv("STEPWELL_NO_RESUME", "1", 1), 0);
    CHECK_INT(check_folder("", data, ""), 0);
    CHECK_STR(said, "5 live and 2 ended runs: 7 ok, 0 at a new step, 0 differ\n");
    CHECK_INT(unsetenv("STEPWELL_NO_RESUME"), 0);
    CHECK_INT(check_folder("", data, "--no-resume"), 0);
    CHECK_STR(said, "5 live and 2 ended runs: 7 ok, 0 at a new step, 0 differ\n");
}

static void refused(const char *changed, const char *flags, const char *why)
{
    CHECK_INT(run_program(changed, flags), 2);
    if (!strstr(complained, why)) printf("# %s: %s\n", flags, complained);
    CHECK(strstr(complained, why));
    CHECK_STR(said, "");
}

static void test_refusals(void)
{
    char flags[512], path[256];
    if (!*data) make_runs();
    snprintf(path, sizeof path, "%s/nothing", root);
    snprintf(flags, sizeof flags, "--check '%s'", path);
    refused("", flags, "is no data folder");
    CHECK(access(path, F_OK) != 0); /* it was not made */
    refused("", "--check-json", "--check-json goes with --check");
    snprintf(flags, sizeof flags, "--check '%s' --prove 'GET /order'", data);
    refused("", flags, "ask for one of them");
    snprintf(flags, sizeof flags, "--check '%s'", data);
    start();
    refused("", flags, "it is in use by process");
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    CHECK_INT(check_folder("", data, ""), 0);
}

static const check_case cases[] = {{"a group that is decided", test_decided},
                                   {"runs that call", test_calls},
                                   {"changes that runs do not bear are found", test_bad},
                                   {"others give no false alarm", test_good},
                                   {"the page is for people", test_page},
                                   {"a backup is checked, and stays as it is", test_backup},
                                   {"what --redact names is not shown", test_redacted},
                                   {"runs are checked that would not be resumed", test_not_resumed},
                                   {"what cannot be checked is said", test_refusals}};

SERVED_MAIN_NOTES(serve, seen, cases)
