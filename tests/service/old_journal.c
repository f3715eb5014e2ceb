/* A data folder that version 0.1.0 wrote (tests/service/journal-0.1.0.tar.gz) is opened: its ended runs answer as they
 * did, its unfinished ones go on, and no step that 0.1.0 finished runs again.
 *
 * `old_journal --make FOLDER`, built against the version in question, writes such a folder: it serves these handlers,
 * sends the requests below, and is killed while four of the runs are under way. What it was told lies in FOLDER/runs.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "runtime/stepwell.h"
#include "tests/harness/served.h"

enum { CASES_MAX = 16, TEXT_MAX = 512 };

static const char *gate_path; /* steps named "gate" pass once this file is there */

/* ---- The program ---- */

static bool gate_is_open(void)
{
    struct stat s;
    return stat(gate_path, &s) == 0;
}

/* Each attempt is noted in a file, so that the test sees what ran again. */
static void note(const char *what)
{
    char line[128];
    int fd = open(getenv("NOTES"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int n = snprintf(line, sizeof line, "%s\n", what);
    CHECK(fd >= 0 && write(fd, line, (size_t)n) == n);
    close(fd);
}

static sw_value done_once(sw_ctx *c, sw_value input)
{
    note("done_once");
    return sw_map(c, "was", input, "pi", sw_double(3.25), "big", sw_int(INT64_MAX), "text",
                  sw_str(c, "gr\xc3\xbc\xc3\x9f"), "none", sw_nil(), "bytes", sw_bin(c, "\0\1\2", 3), NULL);
}

static sw_value at_the_gate(sw_ctx *c, sw_value input)
{
    note("gate");
    while (!gate_is_open()) sw_sleep(c, "gate", 50);
    return input;
}

static sw_value fails_at_the_gate(sw_ctx *c, sw_value input)
{
    note("gate");
    if (!gate_is_open()) sw_fail_after(c, 2000, "the gate is shut");
    return input;
}

static sw_value always_fails(sw_ctx *c, sw_value input)
{
    (void)input;
    note("always_fails");
    sw_fail_fatal(c, "refused: %s", "no money");
}

static sw_value calls_nobody(sw_ctx *c, sw_value input)
{
    (void)sw_fetch(c, &(sw_request){.url = "http://127.0.0.1:1/"});
    return input;
}

static sw_value twig(sw_ctx *c, sw_value input)
{
    sw_group *g = sw_group_new(c);
    sw_group_step(g, "leaf", done_once, input);
    sw_group_step(g, "leaf", done_once, input);
    return sw_group_wait(g);
}

static sw_value results(sw_ctx *c)
{
    sw_value out = sw_nil();
    const sw_step_options once = {.retries = SW_NO_RETRIES};
    CHECK(!sw_try_with(c, "calls nobody", calls_nobody, sw_nil(), &once, NULL, NULL));
    sw_push(c, &out, sw_step(c, "first", done_once, sw_str(c, sw_query(c, "word"))));
    sw_push(c, &out, sw_step(c, "first", done_once, sw_int(-1)));
    if (!getenv("WITHOUT_BRANCHES")) {
        sw_group *g = sw_group_new(c);
        sw_group_branch(g, "twig", twig, sw_int(1));
        sw_group_branch(g, "twig", twig, sw_int(2));
        sw_push(c, &out, sw_group_wait(g));
    }
    sw_push(c, &out, sw_each(c, "each", done_once, sw_array(c, 3, sw_int(1), sw_int(2), sw_int(3)), 2));
    sw_error error;
    sw_push(c, &out, sw_bool(sw_try(c, "refused", always_fails, sw_nil(), NULL, &error)));
    sw_push(c, &out, sw_str(c, error.message));
    sw_push(c, &out, sw_int(sw_now(c)));
    sw_push(c, &out, sw_strf(c, "%llu", (unsigned long long)sw_random(c)));
    return out;
}

static void on_ended(sw_ctx *c)
{
    sw_reply_header(c, "X-Kind", "ended");
    sw_reply_json(c, 201, results(c));
}

static void on_failed(sw_ctx *c)
{
    (void)results(c);
    (void)sw_step(c, "refused", always_fails, sw_nil());
}

static void on_stream(sw_ctx *c)
{
    sw_push_chunk(c, sw_str(c, "before"));
    (void)sw_step(c, "first", done_once, sw_nil());
    sw_push_chunk(c, sw_str(c, "after"));
    sw_value v = sw_step(c, "gate", at_the_gate, sw_int(7));
    sw_push_chunk(c, v);
    sw_reply_json(c, 200, v);
}

static void on_gate(sw_ctx *c)
{
    sw_value out = results(c);
    (void)sw_step(c, "gate", at_the_gate, sw_int(7));
    sw_reply_json(c, 200, out);
}

static void on_retry(sw_ctx *c)
{
    sw_value out = results(c);
    (void)sw_step(c, "gate", fails_at_the_gate, sw_int(7));
    sw_reply_json(c, 200, out);
}

static void on_sleep(sw_ctx *c)
{
    sw_value out = results(c);
    sw_sleep(c, "a while", 2000);
    if (!gate_is_open()) sw_sleep(c, "longer", 3600000); /* 0.1.0 was killed long before this */
    sw_reply_json(c, 200, out);
}

static void on_late(sw_ctx *c)
{
    (void)sw_step(c, "first", done_once, sw_nil());
    sw_sleep(c, "for ever", 315360000000);
}

/* For previous_release.sh: newer.c has a handler for this that uses what 0.1.0 does not know. */
static void on_newer(sw_ctx *c)
{
    note("newer");
    sw_reply_text(c, 200, "it was executed");
}

static sw_value plain(sw_ctx *c, sw_value input)
{
    (void)c;
    note("plain");
    return input;
}

static void on_plain(sw_ctx *c)
{
    sw_value seven = sw_step(c, "first", plain, sw_int(7));
    sw_sleep(c, "nap", 2000);
    sw_reply_json(c, 200, seven);
}

static int serve(int argc, char **argv)
{
    gate_path = getenv("GATE");
    sw_app *app = sw_app_new("old_journal");
    sw_endpoint(app, "GET /ended", on_ended, NULL);
    sw_endpoint(app, "POST /ended", on_ended, NULL);
    sw_endpoint(app, "GET /failed", on_failed, NULL);
    sw_endpoint(app, "GET /stream", on_stream, NULL);
    sw_endpoint(app, "GET /gate", on_gate, NULL);
    sw_endpoint(app, "POST /gate/:id", on_gate, NULL);
    sw_endpoint(app, "GET /retry", on_retry, NULL);
    sw_endpoint(app, "GET /sleep", on_sleep, NULL);
    sw_endpoint(app, "GET /late", on_late, &(sw_endpoint_options){.timeout_ms = 4000});
    sw_endpoint(app, "GET /cancel", on_sleep, NULL);
    sw_endpoint(app, "GET /newer/:kind", on_newer, NULL);
    sw_endpoint(app, "GET /plain", on_plain, NULL);
    return sw_main(app, argc, argv);
}

/* ---- The runs ---- */

/* One run of the old folder, in a line of its file `runs`: name, path of its output URL, and what was answered. */
typedef struct old_run {
    char name[32], output[TEXT_MAX];
    long status; /* 0: it had not ended */
    char body[8192];
} old_run;

static const char *const wait_ahead[] = {"Prefer: respond-async", NULL};
static const char *const with_key[] = {"Prefer: respond-async", "Idempotency-Key: \"an old key\"", NULL};

static const struct request {
    const char *name, *method, *path, *body;
    const char *const *headers;
    bool ends;
} requests[] = {
    {"ended", "GET", "/ended?word=hello", NULL, NULL, true},
    {"failed", "GET", "/failed", NULL, NULL, true},
    {"ended with a key", "POST", "/ended", "{\"a\":1}", with_key, true},
    {"a stream under way", "GET", "/stream", NULL, wait_ahead, false},
    {"a step under way", "GET", "/gate?word=w%C3%B6rd", NULL, wait_ahead, false},
    {"a step under way, POST", "POST", "/gate/7", "{\"b\":[1,2,3]}", wait_ahead, false},
    {"a retry that waits", "GET", "/retry", NULL, wait_ahead, false},
    {"a sleep", "GET", "/sleep", NULL, wait_ahead, false},
    {"over its deadline", "GET", "/late", NULL, wait_ahead, false},
    {"cancelled", "GET", "/cancel", NULL, wait_ahead, true},
};
enum { REQUESTS = sizeof requests / sizeof requests[0] };

static void start_server(served *s, const char *data)
{
    const char *const flags[] = {"--data", data, "--loops", "2", "--retain", "3650d", "--park-after", "500ms", NULL};
    served_start(s, flags);
}

static void url_of(const served *s, const char *path, char out[TEXT_MAX * 2])
{
    snprintf(out, TEXT_MAX * 2, "%s%s", s->address, path);
}

static void send_request(const served *s, const struct request *q, FILE *runs)
{
    answer a;
    char url[TEXT_MAX * 2], output[TEXT_MAX] = "-";
    url_of(s, q->path, url);
    call(q->method, url, q->headers, q->body, 0, &a);
    if (q->headers) {
        CHECK_INT(a.status, 202);
        answer_header(&a, "Location", output, sizeof output);
        char *path = strstr(output, "/_sw/");
        CHECK(path != NULL);
        memmove(output, path, strlen(path) + 1);
        url_of(s, output, url);
        if (strcmp(q->name, "cancelled") == 0) {
            char cancel[TEXT_MAX * 2];
            snprintf(cancel, sizeof cancel, "%s", url);
            char *at = strstr(cancel, "/output");
            CHECK(at != NULL);
            memmove(at, at + 7, strlen(at + 7) + 1);
            call("DELETE", cancel, NULL, NULL, 0, &a);
            CHECK_INT(a.status, 200);
        }
        if (q->ends) call(NULL, url, NULL, NULL, 0, &a);
    }
    fprintf(runs, "%s\t%s\t%ld\t%s\n", q->name, output, q->ends ? a.status : 0, q->ends ? a.body : "");
}

static int make(const char *folder)
{
    char path[TEXT_MAX];
    served s;
    CHECK(mkdir(folder, 0700) == 0);
    snprintf(path, sizeof path, "%s/runs", folder);
    FILE *runs = fopen(path, "w");
    snprintf(path, sizeof path, "%s/notes", folder);
    CHECK(runs && setenv("NOTES", path, 1) == 0 && setenv("GATE", "/nonexistent/gate", 1) == 0);
    snprintf(path, sizeof path, "%s/data", folder);
    start_server(&s, path);
    for (size_t i = 0; i < REQUESTS; i++) send_request(&s, &requests[i], runs);
    CHECK(fclose(runs) == 0);
    usleep(1000000); /* what has begun is on disk, the sleepers are parked */
    CHECK_INT(served_stop(&s, SIGKILL), -SIGKILL);
    printf("made %s\n", folder);
    return 0;
}

/* ---- Reading it ---- */

static char folder[64], data[TEXT_MAX], notes[TEXT_MAX], gate[TEXT_MAX];
static old_run runs[CASES_MAX];
static size_t run_count;

static void chomp(char *text) { text[strcspn(text, "\n")] = 0; }

static void read_runs(void)
{
    char path[TEXT_MAX];
    static char line[16384];
    snprintf(path, sizeof path, "%s/runs", folder);
    FILE *f = fopen(path, "r");
    CHECK(f != NULL);
    run_count = 0;
    while (fgets(line, sizeof line, f)) {
        if (!strchr(line, '\t')) continue; /* the end of a problem's body */
        CHECK(run_count < CASES_MAX);
        old_run *r = &runs[run_count++];
        chomp(line);
        r->body[0] = 0;
        CHECK(sscanf(line, "%31[^\t]\t%511[^\t]\t%ld\t%8191[^\n]", r->name, r->output, &r->status, r->body) >= 3);
    }
    fclose(f);
    CHECK_INT(run_count, REQUESTS);
}

static const old_run *run_named(const char *name)
{
    for (size_t i = 0; i < run_count; i++)
        if (strcmp(runs[i].name, name) == 0) return &runs[i];
    CHECK(!"no such run");
    return NULL;
}

static int count_notes(const char *what)
{
    char line[128];
    int n = 0;
    FILE *f = fopen(notes, "r");
    if (!f) return 0;
    while (fgets(line, sizeof line, f)) {
        chomp(line);
        n += strcmp(line, what) == 0;
    }
    fclose(f);
    return n;
}

static void unpack(void)
{
    char command[4096];
    make_folder(folder);
    snprintf(command, sizeof command, "tar -xzf '%s' -C '%s' --strip-components=1", getenv("OLD_JOURNAL"), folder);
    CHECK_INT(system(command), 0);
    snprintf(data, sizeof data, "%s/data", folder);
    snprintf(notes, sizeof notes, "%s/new notes", folder);
    snprintf(gate, sizeof gate, "%s/gate", folder);
    CHECK(setenv("NOTES", notes, 1) == 0 && setenv("GATE", gate, 1) == 0);
    read_runs();
}

static void open_gate(void)
{
    int fd = open(gate, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    close(fd);
}

static void ask(const served *s, const old_run *r, answer *a)
{
    char url[TEXT_MAX * 2];
    url_of(s, r->output, url);
    call(NULL, url, NULL, NULL, 20, a);
    chomp(a->body);
}

static void ended_runs_answer_as_they_did(void)
{
    served s;
    answer a;
    unpack();
    start_server(&s, data);
    for (size_t i = 0; i < run_count; i++) {
        if (runs[i].status == 0 || runs[i].output[0] == '-') continue;
        ask(&s, &runs[i], &a);
        CHECK_INT(a.status, runs[i].status);
        CHECK_STR(a.body, runs[i].body);
    }
    CHECK_INT(count_notes("done_once"), 0);
    open_gate(); /* the drain waits for the steps under way */
    CHECK_INT(served_stop(&s, SIGTERM), 0);
    remove_tree(folder);
}

static void a_key_still_leads_to_its_run(void)
{
    served s;
    answer a;
    char url[TEXT_MAX * 2];
    const char *const same_key[] = {"Idempotency-Key: \"an old key\"", NULL};
    unpack();
    start_server(&s, data);
    url_of(&s, "/ended", url);
    call("POST", url, same_key, "{\"a\":1}", 20, &a);
    CHECK_INT(a.status, 201);
    CHECK_STR(a.body, run_named("ended with a key")->body);
    CHECK_INT(count_notes("done_once"), 0);
    call("POST", url, same_key, "{\"a\":2}", 20, &a);
    CHECK_INT(a.status, 422);
    open_gate();
    CHECK_INT(served_stop(&s, SIGTERM), 0);
    remove_tree(folder);
}

/* 0.1.0 had finished every step but those at the gate. */
static void unfinished_runs_go_on(void)
{
    static const char *const unfinished[] = {"a step under way", "a step under way, POST", "a retry that waits",
                                             "a sleep"};
    served s;
    answer a;
    unpack();
    open_gate();
    start_server(&s, data);
    for (size_t i = 0; i < sizeof unfinished / sizeof unfinished[0]; i++) {
        ask(&s, run_named(unfinished[i]), &a);
        CHECK_INT(a.status, 200);
        CHECK(strstr(a.body, "\"refused: no money\"") != NULL && strstr(a.body, "\"pi\":3.25") != NULL);
    }
    ask(&s, run_named("over its deadline"), &a);
    CHECK_INT(a.status, 504);
    CHECK_INT(count_notes("done_once"), 0);
    CHECK_INT(count_notes("always_fails"), 0);
    CHECK_INT(served_stop(&s, SIGTERM), 0);
    remove_tree(folder);
}

static void a_stream_is_read_from_its_beginning(void)
{
    static const char *const expected[] = {"\"before\"", "\"after\"", "\"data\":7", "inngest.response"};
    served s;
    answer a;
    char url[TEXT_MAX * 2];
    unpack();
    open_gate();
    start_server(&s, data);
    url_of(&s, run_named("a stream under way")->output, url);
    char *at = strstr(url, "/output");
    CHECK(at != NULL);
    memcpy(at, "/stream", 7); /* the same token opens both */
    call(NULL, url, NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    const char *from = a.body;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        from = strstr(from, expected[i]);
        CHECK(from != NULL);
    }
    CHECK_INT(count_notes("done_once"), 0);
    CHECK_INT(served_stop(&s, SIGTERM), 0);
    remove_tree(folder);
}

static const check_case cases[] = {
    {"ended runs answer as they did", ended_runs_answer_as_they_did},
    {"an Idempotency-Key still leads to its run", a_key_still_leads_to_its_run},
    {"unfinished runs go on, and no finished step runs again", unfinished_runs_go_on},
    {"a stream is read from its beginning", a_stream_is_read_from_its_beginning},
};

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--serve") == 0) {
        argv[1] = argv[0];
        return serve(argc - 1, argv + 1);
    }
    ssize_t n = readlink("/proc/self/exe", served_program, sizeof served_program - 1);
    CHECK(n > 0);
    if (argc > 2 && strcmp(argv[1], "--make") == 0) return make(argv[2]);
    CHECK(getenv("OLD_JOURNAL") != NULL);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    return check_run(cases, sizeof cases / sizeof cases[0], argc, argv);
}
