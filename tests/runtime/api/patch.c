/* Code that changes while runs are alive: sw_patch answers a run by how far it is, once and for all, whatever order its
 * branches run in; sw_version tells with which program a run began; what the journal has and the code does not ask for,
 * or asks for with another input, is reported once for each pair of versions. */
#include "runtime/stepwell.h"
#include "tests/harness/served.h"

typedef struct notes {
    unsigned version; /* which code the program has: the old one is 1 */
    unsigned open;    /* steps named "hold" pass */
    unsigned holding; /* attempts of them */
    unsigned swapped; /* the group adds its branches in the other order */
} notes;
static notes *seen;

static unsigned load(const unsigned *n) { return __atomic_load_n(n, __ATOMIC_SEQ_CST); }
static void set(unsigned *n, unsigned value) { __atomic_store_n(n, value, __ATOMIC_SEQ_CST); }
static bool is_new(void) { return load(&seen->version) > 1; }

/* ---- The program ---- */

static sw_value give(sw_ctx *c, sw_value input)
{
    (void)c;
    return input;
}

static sw_value hold(sw_ctx *c, sw_value input)
{
    __atomic_add_fetch(&seen->holding, 1, __ATOMIC_SEQ_CST);
    while (!load(&seen->open)) sw_sleep(c, "hold", 2);
    return input;
}

static sw_value fail_once(sw_ctx *c, sw_value input)
{
    if (sw_attempt(c) == 1) sw_fail_after(c, 3600000, "comes back");
    return input;
}

static void pass(sw_ctx *c, const char *id) { (void)sw_step(c, id, give, sw_nil()); }
static void stay(sw_ctx *c) { (void)sw_step(c, "hold", hold, sw_nil()); }

/* "new" or "old": the way the run takes behind this place. The old code does not ask. */
static const char *way(sw_ctx *c, const char *id) { return is_new() && sw_patch(c, id) ? "new" : "old"; }

static void on_line(sw_ctx *c)
{
    pass(c, "first");
    const char *taken = way(c, "tax");
    pass(c, taken);
    stay(c);
    sw_reply_text(c, 200, "%s, and again %s", taken, way(c, "tax"));
}

static void on_before(sw_ctx *c)
{
    pass(c, "first");
    stay(c);
    sw_reply_text(c, 200, "%s", way(c, "tax"));
}

/* What the old code leaves behind the place is each time another kind of entry. */
static void on_trace(sw_ctx *c)
{
    const char *kind = sw_param(c, "kind"), *taken = way(c, "tax");
    if (strcmp(taken, "old") == 0) {
        if (strcmp(kind, "chunk") == 0) sw_push_chunk(c, sw_str(c, "some"));
        if (strcmp(kind, "sleep") == 0) sw_sleep(c, "nap", 1);
        if (strcmp(kind, "value") == 0) (void)sw_now(c);
        if (strcmp(kind, "retry") == 0 && !is_new()) {
            sw_group *g = sw_group_new(c);
            sw_group_step(g, "twice", fail_once, sw_nil());
            stay(c);
            (void)sw_group_wait(g);
        }
    }
    stay(c);
    sw_reply_text(c, 200, "%s", taken);
}

static sw_value twig(sw_ctx *c, sw_value input)
{
    int64_t number = sw_as_int(input, 0);
    if (number == 1) pass(c, "leaf");
    const char *taken = way(c, "twig");
    if (number == 1) stay(c);
    return sw_str(c, taken);
}

/* One branch has done a step before the place, the other nothing: neither has been behind it. */
static void on_group(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    bool swapped = load(&seen->swapped);
    sw_group_branch(g, swapped ? "two" : "one", twig, sw_int(swapped ? 2 : 1));
    sw_group_branch(g, swapped ? "one" : "two", twig, sw_int(swapped ? 1 : 2));
    sw_value out = sw_group_wait(g);
    sw_push(c, &out, sw_str(c, way(c, "behind")));
    sw_reply_json(c, 200, out);
}

/* A branch alone, begun and without a result, shows that the old code was there. */
static sw_value bare(sw_ctx *c, sw_value input)
{
    stay(c);
    return input;
}

static void on_branch(sw_ctx *c)
{
    const char *taken = way(c, "tax");
    sw_group *g = sw_group_new(c);
    sw_group_branch(g, taken, bare, sw_nil());
    (void)sw_group_wait(g);
    sw_reply_text(c, 200, "%s", taken);
}

/* Version 2 asks for one patch; version 3 does so no more, and asks for another one behind it. */
static void on_removed(sw_ctx *c)
{
    if (load(&seen->version) == 2) (void)sw_patch(c, "first patch");
    stay(c);
    sw_reply_text(c, 200, "%s", load(&seen->version) == 3 ? way(c, "second patch") : "none");
}

static void on_version(sw_ctx *c)
{
    stay(c);
    sw_reply_text(c, 200, "%s", sw_version(c));
}

static void on_unasked(sw_ctx *c)
{
    if (!is_new()) {
        pass(c, "gone");
        sw_sleep(c, "nap", 1);
        (void)sw_random(c);
    }
    if (!is_new()) stay(c);
    sw_reply_text(c, 200, "done");
}

/* Its step gets another input each time that the handler runs. */
static void on_fickle(sw_ctx *c)
{
    static unsigned runs;
    (void)sw_step(c, "fickle", give, sw_int((int64_t)getpid() * 1000 + ++runs));
    stay(c);
    sw_reply_text(c, 200, "done");
}

static sw_value ask_inside(sw_ctx *c, sw_value input)
{
    (void)sw_patch(c, "inside");
    return input;
}

static void on_misuse(sw_ctx *c)
{
    char long_id[300];
    const char *how = sw_param(c, "how");
    memset(long_id, 'x', sizeof long_id);
    long_id[299] = 0;
    if (strcmp(how, "step") == 0) (void)sw_step(c, "charge", ask_inside, sw_nil());
    if (strcmp(how, "empty") == 0) (void)sw_patch(c, "");
    if (strcmp(how, "null") == 0) (void)sw_patch(c, NULL);
    if (strcmp(how, "long") == 0) (void)sw_patch(c, long_id);
}

static void on_plain(sw_ctx *c)
{
    if (sw_query(c, "patch")) (void)sw_patch(c, "tax");
    sw_reply_text(c, 200, "[%s]", sw_version(c));
}

static int serve(int argc, char **argv)
{
    static char version[16];
    sw_app *app = sw_app_new("patch");
    seen = served_notes(sizeof *seen);
    snprintf(version, sizeof version, "%u", load(&seen->version));
    const sw_endpoint_options options = {.version = version};
    const struct {
        const char *route;
        sw_handler handler;
    } all[] = {{"GET /line", on_line},         {"GET /before", on_before},   {"GET /trace/:kind", on_trace},
               {"GET /group", on_group},       {"GET /branch", on_branch},   {"GET /removed", on_removed},
               {"GET /version", on_version},   {"GET /unasked", on_unasked}, {"GET /fickle", on_fickle},
               {"GET /misuse/:how", on_misuse}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) sw_endpoint(app, all[i].route, all[i].handler, &options);
    sw_route(app, "GET /plain", on_plain);
    return sw_main(app, argc, argv);
}

/* ---- The test ---- */

static char data[128], run[128], output[1024];
static answer a;

static char said[131072]; /* by the server since its start */

static void start(unsigned version)
{
    const char *const flags[] = {"--data", data, "--loops", "1", "--dev", "--hold", "100ms", NULL};
    int code = 0;
    set(&seen->version, version);
    CHECK(served_try(&server, flags, said, sizeof said, &code));
}

static void die(void) { CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL); }

static void ask(const char *path) { call(NULL, server_url(path), NULL, NULL, 0, &a); }

static void new_folder(void)
{
    static unsigned count;
    memset(seen, 0, sizeof *seen);
    snprintf(data, sizeof data, "%s/%u", root, ++count);
}

/* Until this many attempts of a hold have begun. */
static void wait_held(unsigned count)
{
    while (load(&seen->holding) < count) usleep(1000);
}

static void wait_page(const char *words)
{
    for (ask(run); !strstr(a.body, words); ask(run)) usleep(2000);
}

/* Begins a run with that version, and kills the process when the run holds and the journal has `journaled`. */
static void begin(unsigned version, const char *path, const char *journaled)
{
    unsigned before = load(&seen->holding);
    start(version);
    server_begin("GET", path, output, sizeof output);
    snprintf(run, sizeof run, "%.*s", (int)(strstr(output, "/output") - output), output);
    wait_held(before + 1);
    wait_page(journaled);
    die();
}

static size_t count_of(const char *text)
{
    size_t n = 0;
    for (const char *at = a.body; (at = strstr(at, text)); at++) n++;
    return n;
}

/* Lets the run end, and checks what it answers and how many answers of sw_patch it has journaled. */
static void end(const char *expected, size_t patches)
{
    set(&seen->open, 1);
    wait_page("\"state\":\"succeeded\"");
    if (count_of("\"kind\":\"patch\"") != patches) printf("# %s\n", a.body);
    CHECK_INT(count_of("\"kind\":\"patch\""), patches);
    ask(output);
    CHECK_INT(a.status, 200);
    CHECK_STR(a.body, expected);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* A kill between two replays changes no answer: that is in the journal. */
static void replay_and_end(const char *expected, size_t patches)
{
    unsigned before = load(&seen->holding);
    start(2);
    wait_held(before + 1);
    wait_page("\"kind\":\"patch\"");
    die();
    start(2);
    end(expected, patches);
}

static void test_new_runs(void)
{
    new_folder();
    begin(2, "/line", "\"kind\":\"patch\"");
    CHECK(strstr(a.body, "\"answer\":true"));
    replay_and_end("new, and again new", 1);
}

static void test_runs_behind(void)
{
    new_folder();
    begin(1, "/line", "\"id\":\"old\"");
    replay_and_end("old, and again old", 1);
}

static void test_runs_before(void)
{
    new_folder();
    begin(1, "/before", "\"id\":\"first\"");
    start(2);
    end("new", 1);
}

/* Each kind of entry tells that the old code has been behind the place, of a step also one that has only failed. */
static void test_traces(void)
{
    static const char *const kinds[][2] = {{"chunk", "\"kind\":\"chunk\""},
                                           {"sleep", "\"kind\":\"sleep\""},
                                           {"value", "\"kind\":\"value\""},
                                           {"retry", "\"kind\":\"step failed\""}};
    char path[64];
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        new_folder();
        snprintf(path, sizeof path, "/trace/%s", kinds[i][0]);
        begin(1, path, kinds[i][1]);
        start(2);
        end("old", 1);
    }
    new_folder();
    begin(1, "/branch", "\"kind\":\"branch\"");
    start(2);
    end("old", 1);
}

/* The answers are the same whichever branch asks first: those of the part as a whole. Behind it the run is on time. */
static void test_branches(void)
{
    for (unsigned swapped = 0; swapped < 2; swapped++) {
        new_folder();
        set(&seen->swapped, swapped);
        begin(1, "/group", "\"id\":\"leaf\"");
        start(2);
        end("[\"old\",\"old\",\"new\"]", 2);
        new_folder();
        set(&seen->swapped, swapped);
        begin(2, "/group", "\"kind\":\"patch\"");
        start(2);
        end("[\"new\",\"new\",\"new\"]", 2);
    }
}

/* A patch whose call is gone from the code holds no later one back, and is nothing to report. */
static void test_removed(void)
{
    new_folder();
    begin(2, "/removed", "\"kind\":\"patch\"");
    start(3);
    set(&seen->open, 1);
    wait_page("\"state\":\"succeeded\"");
    CHECK(!strstr(a.body, "unasked") && !strstr(a.body, "resultsUnasked"));
    end("new", 2);
}

static void test_version(void)
{
    new_folder();
    begin(1, "/version", "\"kind\":\"started\"");
    start(2);
    end("1", 0);
    start(2);
    ask("/plain");
    CHECK_STR(a.body, "[]");
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static void check_refused(const char *path, const char *why)
{
    ask(path);
    CHECK_INT(a.status, 500);
    if (!strstr(a.body, why)) printf("# %s\n", a.body);
    CHECK(strstr(a.body, why));
}

static void test_misuse(void)
{
    new_folder();
    start(2);
    check_refused("/misuse/step", "sw_patch \\\"inside\\\" inside step \\\"charge\\\": ask before the step");
    check_refused("/misuse/empty", "a patch with an empty id: an id is 1 to 256 bytes");
    check_refused("/misuse/null", "a patch with an empty id");
    check_refused("/misuse/long", "at most 256 are allowed");
    check_refused("/plain?patch=1", "sw_patch \\\"tax\\\" in a plain route: patches need sw_endpoint");
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* Counts what the server has said so far. */
static size_t lines_with(const char *words)
{
    size_t len = strlen(said), count = 0;
    ssize_t n;
    (void)fcntl(server.log, F_SETFL, O_NONBLOCK);
    while (len < sizeof said - 1 && (n = read(server.log, said + len, sizeof said - 1 - len)) > 0) len += (size_t)n;
    said[len] = 0;
    (void)fcntl(server.log, F_SETFL, 0);
    for (const char *at = said; (at = strstr(at, words)); at++) count++;
    return count;
}

/* Two runs: each has its entries, the metric counts both, the log says it once. */
static void test_unasked(void)
{
    static const char words[] = "did not ask for what the journal has of";
    char runs[2][sizeof run];
    new_folder();
    for (size_t i = 0; i < 2; i++) {
        begin(1, "/unasked", "\"kind\":\"value\"");
        memcpy(runs[i], run, sizeof run);
    }
    start(2);
    for (size_t i = 0; i < 2; i++) {
        memcpy(run, runs[i], sizeof run);
        wait_page("\"state\":\"succeeded\"");
        CHECK(strstr(a.body, "\"resultsUnasked\":3"));
        CHECK_INT(count_of("\"kind\":\"unasked\""), 3);
    }
    CHECK_INT(server_metric("results_unasked_total"), 6);
    CHECK_INT(lines_with(words), 3);
    CHECK_INT(lines_with("the journal has of a step"), 1);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* An input that each execution makes anew is reported once for each version of the program. */
static void test_fickle(void)
{
    static const char words[] = "is given another input";
    new_folder();
    begin(1, "/fickle", "\"id\":\"fickle\"");
    for (unsigned start_number = 0; start_number < 4; start_number++) {
        unsigned version = start_number < 2 ? 1 : 2, held = load(&seen->holding);
        bool first = start_number % 2 == 0;
        start(version);
        wait_held(held + 1);
        wait_page(version == 1 ? "\"inputsDiffered\":1" : "\"inputsDiffered\":2");
        CHECK_INT(server_metric("inputs_differed_total"), first ? 1 : 0);
        CHECK_INT(lines_with(words), first ? 1 : 0);
        if (start_number < 3) die();
    }
    end("done", 0);
}

static const check_case cases[] = {{"a run of the new code takes the new way", test_new_runs},
                                   {"a run that was behind the place takes the old one", test_runs_behind},
                                   {"a run that was not there yet takes the new one", test_runs_before},
                                   {"whatever a run has left there counts", test_traces},
                                   {"in branches the order changes nothing", test_branches},
                                   {"a patch that is gone holds none back", test_removed},
                                   {"a run keeps the version it began with", test_version},
                                   {"misuse is refused", test_misuse},
                                   {"what the handler did not ask for is reported", test_unasked},
                                   {"another input is reported once for a version", test_fickle}};

SERVED_MAIN_NOTES(serve, seen, cases)
