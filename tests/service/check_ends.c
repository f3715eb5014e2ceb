/* --check of runs in each of the ways in which they stand or have ended other than by their answer, and of folders that
 * cannot be read. */
#include <sys/stat.h>

#include "runtime/stepwell.h"
#include "storage/rocks/rocks.h"
#include "tests/harness/served.h"

typedef struct notes {
    unsigned armed;   /* the poison ends the process */
    unsigned mended;  /* the failing step succeeds */
    unsigned holding; /* attempts that hold */
} notes;
static notes *seen;

static unsigned load(const unsigned *n) { return __atomic_load_n(n, __ATOMIC_SEQ_CST); }
static void set(unsigned *n, unsigned value) { __atomic_store_n(n, value, __ATOMIC_SEQ_CST); }
static bool is(const char *name) { return getenv("CHANGE") && strcmp(getenv("CHANGE"), name) == 0; }

/* ---- The program ---- */

static sw_value give(sw_ctx *c, sw_value input)
{
    (void)c;
    return input;
}

static sw_value hold(sw_ctx *c, sw_value input)
{
    __atomic_add_fetch(&seen->holding, 1, __ATOMIC_SEQ_CST);
    if (load(&seen->armed)) sw_sleep(c, "until what came before is on disk", 200);
    if (load(&seen->armed)) abort();
    sw_sleep(c, "hold", 3600000);
    return input;
}

static sw_value fail(sw_ctx *c, sw_value input)
{
    if (!load(&seen->mended)) sw_fail(c, "not yet");
    return input;
}

static void begin(sw_ctx *c)
{
    const sw_value input = sw_int(is("other input") ? 2 : 1);
    (void)sw_step(c, is("renamed") ? "primo" : "first", give, input);
}

static void on_hold(sw_ctx *c)
{
    begin(c);
    (void)sw_step(c, "hold", hold, sw_nil());
    sw_reply_text(c, 200, "held");
}

static void on_late(sw_ctx *c)
{
    begin(c);
    sw_sleep(c, "month", 3600000);
    sw_reply_text(c, 200, "late");
}

static void on_failing(sw_ctx *c)
{
    begin(c);
    (void)sw_step_with(c, "pay", fail, sw_nil(), &(sw_step_options){.retries = SW_NO_RETRIES});
    sw_reply_text(c, 200, "paid");
}

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("ends");
    seen = served_notes(sizeof *seen);
    const sw_endpoint_options late = {.timeout_ms = 300}, strict = {.on_difference = SW_STOP, .on_exhausted = SW_STOP};
    sw_endpoint(app, "GET /hold", on_hold, NULL);
    sw_endpoint(app, "GET /late", on_late, &late);
    sw_endpoint(app, "GET /failing", on_failing, &strict);
    sw_endpoint(app, "GET /strict", on_hold, &strict);
    return sw_main(app, argc, argv);
}

/* ---- The test ---- */

static char data[128], said[65536], complained[8192];
static answer a;

static void start(void)
{
    const char *const flags[] = {"--data", data, "--loops", "1", "--dev", NULL};
    CHECK_INT(unsetenv("CHANGE"), 0);
    served_start(&server, flags);
}

static void new_folder(void)
{
    static unsigned count;
    memset(seen, 0, sizeof *seen);
    snprintf(data, sizeof data, "%s/%u", root, ++count);
    start();
}

static void run_of(const char *path, char run[128])
{
    char output[1024];
    server_begin("GET", path, output, sizeof output);
    snprintf(run, 128, "%.*s", (int)(strstr(output, "/output") - output), output);
}

static void wait_page(const char *run, const char *words)
{
    do {
        usleep(2000);
        call(NULL, server_url(run), NULL, NULL, 0, &a);
    } while (!strstr(a.body, words));
}

static void ask(const char *method, const char *run, const char *more)
{
    char path[256];
    snprintf(path, sizeof path, "%s%s", run, more);
    do call(method, server_url(path), NULL, NULL, 0, &a);
    while (a.status == 503);
    CHECK(a.status == 200 || a.status == 202);
}

static int check_data(const char *changed)
{
    char command[5000], path[128];
    snprintf(path, sizeof path, "%s/complained", root);
    CHECK_INT(setenv("CHANGE", changed, 1), 0);
    snprintf(command, sizeof command, "'%s' --serve --check '%s' 2>'%s'", served_program, data, path);
    FILE *f = popen(command, "r");
    CHECK(f);
    said[fread(said, 1, sizeof said - 1, f)] = 0;
    int status = pclose(f);
    FILE *errors = fopen(path, "r");
    CHECK(errors);
    complained[fread(complained, 1, sizeof complained - 1, errors)] = 0;
    fclose(errors);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* The only run of the folder fits its program, and neither one with another step nor one with another input. */
static void check_alone(const char *all, const char *one)
{
    if (check_data("") != 0 || strcmp(said, all) != 0) printf("# %s%s", said, complained);
    CHECK_STR(said, all);
    CHECK_INT(check_data("renamed"), 1);
    if (!strstr(said, one) || !strstr(said, "primo")) printf("# %s%s", said, complained);
    CHECK(strstr(said, one) && strstr(said, ": differs at primo: expected step \"first\", got "));
    CHECK_INT(check_data("other input"), 1);
    CHECK(strstr(said, ": differs at first, its input: expected 1, got 2\n"));
}

static const char live[] = "1 live and 0 ended runs: 1 ok, 0 at a new step, 0 differ\n";
static const char ended[] = "0 live and 1 ended runs: 1 ok, 0 at a new step, 0 differ\n";
static const char one_live[] = "1 live and 0 ended runs: 0 ok, 0 at a new step, 1 differ\n";
static const char one_ended[] = "0 live and 1 ended runs: 0 ok, 0 at a new step, 1 differ\n";

static void test_cancelled(void)
{
    char run[128];
    new_folder();
    run_of("/hold", run);
    wait_page(run, "\"id\":\"first\"");
    ask("DELETE", run, "");
    wait_page(run, "\"state\":\"cancelled\"");
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    check_alone(ended, one_ended);
}

static void test_late(void)
{
    char run[128];
    new_folder();
    run_of("/late", run);
    wait_page(run, "\"kind\":\"sleep\"");
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL); /* it is over its deadline when it is checked */
    usleep(300000);
    check_alone(live, one_live);
    start();
    wait_page(run, "\"state\":\"failed\"");
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    check_alone(ended, one_ended);
}

static void test_exhausted(void)
{
    char run[128];
    new_folder();
    run_of("/failing", run);
    wait_page(run, "\"reason\":\"exhausted\"");
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    check_alone(live, one_live);
    start();
    set(&seen->mended, 1);
    ask("POST", run, "/release");
    wait_page(run, "\"state\":\"succeeded\"");
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    check_alone(ended, one_ended);
}

/* A run that stands since it differed from a former program, and fits this one. */
static void test_differing(void)
{
    char run[128];
    const char *const flags[] = {"--data", data, "--loops", "1", "--dev", NULL};
    new_folder();
    run_of("/strict", run);
    wait_page(run, "\"id\":\"first\"");
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    CHECK_INT(setenv("CHANGE", "other input", 1), 0);
    served_start(&server, flags);
    wait_page(run, "\"reason\":\"differs\"");
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    check_alone(live, one_live);
}

static void test_crashed(void)
{
    char run[128];
    new_folder();
    set(&seen->armed, 1);
    (void)call_try(NULL, server_url("/hold"), NULL, NULL, 0, &a);
    CHECK_INT(served_stop(&server, 0), -SIGABRT);
    set(&seen->armed, 0);
    start();
    while (load(&seen->holding) < 2) usleep(1000);
    call(NULL, server_url("/_sw/runs"), NULL, NULL, 0, &a);
    const char *id = strstr(a.body, "\"runId\":\"");
    CHECK(id);
    snprintf(run, sizeof run, "/_sw/runs/%.26s", id + strlen("\"runId\":\""));
    wait_page(run, "\"kind\":\"crashed\"");
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    check_alone(live, one_live);
}

/* ---- What cannot be read ---- */

/* Adds a run with an entry of a kind that a later version may write. */
static void add_newer_run(void)
{
    static const char newer[] = "\x92\x3f\x01";
    char error[1024];
    msgpack_sbuffer b;
    msgpack_sbuffer_init(&b);
    const entry started = {.kind = ENTRY_STARTED, .at_ms = 1, .function = entry_text_of("GET /hold")};
    CHECK_INT(entry_encode(&b, &started), 0);
    CHECK_INT(msgpack_sbuffer_write(&b, newer, sizeof newer - 1), 0);
    backend *folder = rocks_open(data, false, error, sizeof error);
    CHECK(folder);
    store_segment s = {.run = {.bytes = {1}}, .live = STORE_LIVE_SET, .data = b.data, .len = b.size};
    CHECK_INT(folder->ops->commit(folder, &s, 1, error, sizeof error), STORE_DONE);
    folder->ops->close(folder);
    msgpack_sbuffer_destroy(&b);
}

static void test_newer(void)
{
    new_folder();
    call(NULL, server_url("/failing"), NULL, NULL, 0, &a);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    add_newer_run();
    CHECK_INT(check_data(""), 2);
    CHECK(strstr(said, "a run: cannot be checked: an entry of a kind that this version does not know"));
    CHECK(strstr(said, ", 1 cannot be checked\n"));
    CHECK_INT(check_data("renamed"), 1); /* that one differs is the greater news */
}

static void write_file(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", data, name);
    FILE *f = fopen(path, "w");
    CHECK(f && fputs(text, f) >= 0);
    CHECK_INT(fclose(f), 0);
}

static void test_folders(void)
{
    new_folder();
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    CHECK_INT(check_data(""), 0);
    CHECK_STR(said, "0 live and 0 ended runs: 0 ok, 0 at a new step, 0 differ\n");
    write_file("FORMAT", "9\n");
    CHECK_INT(check_data(""), 2);
    CHECK(strstr(complained, "it has format 9"));
    write_file("FORMAT", "1\n");
    write_file("journal/CURRENT", "MANIFEST-999999\n");
    CHECK_INT(check_data(""), 2);
    CHECK_STR(said, "");
    CHECK(strstr(complained, data));
}

static const check_case cases[] = {{"a run that was cancelled", test_cancelled},
                                   {"a run that is over its deadline", test_late},
                                   {"a run whose step had used its retries", test_exhausted},
                                   {"a run that stopped since it differed", test_differing},
                                   {"a run that has ended its process", test_crashed},
                                   {"a run of a newer program", test_newer},
                                   {"folders", test_folders}};

SERVED_MAIN_NOTES(serve, seen, cases)
