/* What a run says of itself (sw_label, sw_status, sw_usage): journaled once, whatever is replayed; each attempt's usage
 * counts; the newest status of those before a commit is there; lists, pages and streams show it; what breaks a rule
 * fails the run with what to change. */
#include <stdint.h>

#include "runtime/stepwell.h"
#include "tests/harness/served.h"

typedef struct notes {
    volatile unsigned hold, begun;
} notes;
static notes *seen;

/* ---- The program ---- */

static sw_value hold(sw_ctx *c, sw_value input)
{
    __atomic_add_fetch(&seen->begun, 1, __ATOMIC_SEQ_CST);
    sw_status(c, sw_str(c, "holds"));
    sw_usage(c, &(sw_usage_of){.model = "waiting", .units = 100});
    while (__atomic_load_n(&seen->hold, __ATOMIC_SEQ_CST)) sw_sleep(c, "hold", 2);
    return input;
}

static sw_value branch(sw_ctx *c, sw_value input)
{
    sw_label(c, "branch", "yes");
    sw_usage(c, &(sw_usage_of){.model = "branch", .input_tokens = 1});
    sw_status(c, input);
    return sw_step(c, "hold", hold, input);
}

/* Says things before and behind what it waits for, in the handler and in branches of one id. */
static void on_work(sw_ctx *c)
{
    sw_label(c, "phase", "begun");
    sw_label(c, "customer", "Ann & Bob \xe2\x82\xac");
    sw_usage(c, &(sw_usage_of){.model = "handler", .input_tokens = 7, .output_tokens = 3});
    sw_status(c, sw_map(c, "done", sw_int(0)));
    sw_group *g = sw_group_new(c);
    for (int i = 0; i < 3; i++) sw_group_branch(g, "twig", branch, sw_int(i));
    (void)sw_group_wait(g);
    sw_label(c, "phase", "ended");
    sw_usage(c, &(sw_usage_of){.model = "handler", .input_tokens = 7, .output_tokens = 3});
    sw_status(c, sw_map(c, "done", sw_int(3)));
    sw_reply_text(c, 200, "done");
}

static sw_value fail_twice(sw_ctx *c, sw_value input)
{
    sw_label(c, "step", "tries");
    sw_status(c, sw_str(c, "trying"));
    sw_usage(c, &(sw_usage_of){.model = "m", .input_tokens = 10, .output_tokens = 1, .units = 2});
    if (sw_attempt(c) < 3) sw_fail_after(c, 1, "not yet");
    return input;
}

static void on_attempts(sw_ctx *c) { sw_reply_json(c, 200, sw_step(c, "tries", fail_twice, sw_int(1))); }

enum { STATUSES = 1000 };

static void on_many(sw_ctx *c)
{
    for (int i = 1; i <= STATUSES; i++) sw_status(c, sw_int(i));
    sw_reply_text(c, 200, "done");
}

static sw_value say_number(sw_ctx *c, sw_value input)
{
    sw_status(c, input);
    return input;
}

static void on_crowd(sw_ctx *c)
{
    sw_value inputs = sw_nil();
    for (int i = 0; i < 100; i++) sw_push(c, &inputs, sw_int(i));
    (void)sw_each(c, "say", say_number, inputs, 0);
    sw_status(c, sw_str(c, "over"));
    sw_reply_text(c, 200, "done");
}

static void on_sums(sw_ctx *c)
{
    sw_usage(c, &(sw_usage_of){.input_tokens = INT64_MAX, .output_tokens = INT64_MIN, .units = -1});
    sw_usage(c, &(sw_usage_of){.input_tokens = 1, .output_tokens = 5});
    sw_reply_text(c, 200, "done");
}

static sw_value large(sw_ctx *c, sw_value input)
{
    if (sw_as_int(input, 0) == 2) sw_label(c, "middle", "of a long journal");
    return sw_strn(c, sw_alloc(c, 100000), 100000);
}

static void on_long(sw_ctx *c)
{
    for (int i = 1; i <= 3; i++) (void)sw_step_with(c, "large", large, sw_int(i), &(sw_step_options){.sync = true});
    sw_status(c, sw_str(c, "replies"));
    sw_reply(c, 200, "text/plain", sw_alloc(c, 100000), 100000);
}

static void on_sleep(sw_ctx *c)
{
    sw_status(c, sw_str(c, "sleeps"));
    sw_usage(c, &(sw_usage_of){.units = 1});
    sw_sleep(c, "nap", 1500);
    sw_status(c, sw_str(c, "woke"));
    sw_reply_text(c, 200, "done");
}

static void on_chunks(sw_ctx *c)
{
    sw_status(c, sw_map(c, "at", sw_int(1)));
    (void)sw_step(c, "hold", hold, sw_nil());
    sw_push_chunk(c, sw_str(c, "chunk"));
    sw_status(c, sw_map(c, "at", sw_int(2)));
    sw_reply_text(c, 200, "done");
}

static void clean_up(void *arg) { sw_status(arg, sw_int(1)); }

/* What each of these says is against a rule. */
static void on_misuse(sw_ctx *c)
{
    static char long_text[70];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[65] = 0;
    int what = atoi(sw_param(c, "what"));
    if (what == 1) sw_label(c, "", "value");
    if (what == 2) sw_label(c, long_text, "value");
    if (what == 3) sw_label(c, "key", long_text);
    if (what == 4) sw_label(c, "a:b", "value");
    if (what == 5) sw_label(c, "key", "two\nlines");
    if (what == 6) sw_label(c, "key", "half \xe2\x82");
    if (what == 7) sw_label(c, NULL, "value");
    if (what == 8) sw_label(c, "key", NULL);
    for (int i = 0; what == 9 && i < 9; i++) sw_label(c, sw_printf(c, "key %d", i), "value");
    if (what == 10) sw_status(c, sw_strn(c, sw_alloc(c, 300), 300));
    if (what == 11) sw_status(c, sw_str(c, "half \xe2\x82"));
    if (what == 12) sw_usage(c, NULL);
    if (what == 13) sw_usage(c, &(sw_usage_of){.model = sw_printf(c, "%0300d", 1), .units = 1});
    if (what == 14) sw_defer(c, clean_up, c);
    if (what == 15) sw_label(c, "key", "next\xc2\x85line");
    sw_reply_text(c, 200, "no rule was broken");
}

static void on_plain(sw_ctx *c) { sw_label(c, "key", "value"); }

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("remarks");
    seen = served_notes(sizeof *seen);
    sw_endpoint(app, "POST /work", on_work, NULL);
    sw_endpoint(app, "POST /relaxed", on_work, &(sw_endpoint_options){.durability = SW_RELAXED});
    sw_endpoint(app, "GET /attempts", on_attempts, NULL);
    sw_endpoint(app, "GET /many", on_many, NULL);
    sw_endpoint(app, "GET /crowd", on_crowd, NULL);
    sw_endpoint(app, "GET /sums", on_sums, NULL);
    sw_endpoint(app, "GET /long", on_long, NULL);
    sw_endpoint(app, "GET /sleep", on_sleep, NULL);
    sw_endpoint(app, "GET /chunks", on_chunks, NULL);
    sw_endpoint(app, "GET /misuse/:what", on_misuse, NULL);
    sw_route(app, "GET /plain", on_plain);
    return sw_main(app, argc, argv);
}

/* ---- Looking ---- */

static answer a;

static void start(const char *name)
{
    static char data[128];
    if (name) snprintf(data, sizeof data, "%s/%s", root, name);
    const char *const flags[] = {"--data", data, "--loops", "1", "--dev", "--status-max", "256", NULL};
    served_start(&server, flags);
}

static void get(const char *path) { call(NULL, server_url(path), NULL, NULL, 20, &a); }

static const char *run_of(const char *output)
{
    static char id[27];
    snprintf(id, sizeof id, "%.26s", output + strlen("/_sw/runs/"));
    return id;
}

static void get_well(const char *path)
{
    get(path);
    if (a.status != 200) printf("# %s: %ld %.500s\n", path, a.status, a.body);
    CHECK_INT(a.status, 200);
}

static void get_page(const char *id)
{
    char path[64];
    snprintf(path, sizeof path, "/_sw/runs/%s", id);
    get_well(path);
}

static const char *last_id(void)
{
    static char id[64];
    return answer_header(&a, "X-Run-Id", id, sizeof id);
}

/* Of the page that was read last. */
static unsigned entries_of(const char *kind)
{
    char text[64];
    unsigned n = 0;
    snprintf(text, sizeof text, "{\"kind\":\"%s\"", kind);
    for (const char *at = a.body; (at = strstr(at, text)) != NULL; at++) n++;
    return n;
}

static void has(const char *text)
{
    if (!strstr(a.body, text)) printf("# not there: %s\n# in: %s\n", text, a.body);
    CHECK(strstr(a.body, text) != NULL);
}

static void until_begun(unsigned count)
{
    while (__atomic_load_n(&seen->begun, __ATOMIC_SEQ_CST) < count) usleep(2000);
}

/* Until the page has the text. */
static void until_page_has(const char *id, const char *text)
{
    for (int i = 0; i < 10000; i++) {
        get_page(id);
        if (strstr(a.body, text)) return;
        usleep(5000);
    }
    has(text);
}

/* ---- Tests ---- */

/* Killed in the middle, once or twice: what was said before is not said again, and each attempt's usage is there. */
static void said_once(const char *path)
{
    for (unsigned kills = 0; kills < 3; kills++) {
        char output[512], name[32];
        snprintf(name, sizeof name, "once-%s-%u", path + 1, kills);
        start(name);
        seen->begun = 0;
        seen->hold = 1;
        server_begin("POST", path, output, sizeof output);
        for (unsigned i = 0; i < kills; i++) {
            until_begun(3 * (i + 1));
            until_page_has(run_of(output), i == 0 ? "\"units\":300}" : "\"units\":600}");
            CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
            start(NULL);
        }
        until_begun(3 * (kills + 1));
        get_page(run_of(output));
        has("\"labels\":{\"phase\":\"begun\",\"customer\":\"Ann & Bob \xe2\x82\xac\",\"branch\":\"yes\"}");
        seen->hold = 0;
        get_well(output);
        until_page_has(run_of(output), "\"state\":\"succeeded\""); /* SW_RELAXED: it may be on disk only now */
        has("\"labels\":{\"phase\":\"ended\",\"customer\":\"Ann & Bob \xe2\x82\xac\",\"branch\":\"yes\"}");
        has(",\"status\":{\"done\":3},");
        CHECK_INT(entries_of("label"), 3 + 3); /* those of the handler, and one of each branch */
        char usage[96];
        snprintf(usage, sizeof usage, "\"usage\":{\"inputTokens\":17,\"outputTokens\":6,\"units\":%u}",
                 300 * (kills + 1));
        has(usage);
        CHECK_INT(entries_of("usage"), 2 + 3 + 3 * (kills + 1));
        CHECK_INT(served_stop(&server, SIGTERM), 0);
    }
}

static void said_once_by_all(void)
{
    said_once("/work");
    said_once("/relaxed");
}

static void each_attempt_is_paid(void)
{
    start("attempts");
    get_well("/attempts");
    get_page(last_id());
    has("\"usage\":{\"inputTokens\":30,\"outputTokens\":3,\"units\":6}");
    has("{\"kind\":\"usage\",\"at\":");
    has("\"model\":\"m\",\"attempt\":3,\"inputTokens\":10,\"outputTokens\":1,\"units\":2}");
    CHECK_INT(entries_of("usage"), 3);
    CHECK_INT(entries_of("label"), 1); /* said three times */
    CHECK_INT(entries_of("status"), 1);
    has("\"status\":\"trying\"");
    get_well("/sums");
    get_page(last_id());
    has("\"usage\":{\"inputTokens\":9223372036854775807,\"outputTokens\":5,\"units\":0}");
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static void only_the_last_status(void)
{
    start("many");
    get_well("/many");
    get_page(last_id());
    CHECK_INT(entries_of("status"), 1);
    has("\"status\":1000,");
    has("\"value\":1000}");
    get_well("/crowd");
    get_page(last_id());
    CHECK(entries_of("status") > 1 && entries_of("status") <= 101);
    has("\"status\":\"over\"");
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static void parked_and_woken(void)
{
    char output[512];
    start("sleep");
    server_begin("GET", "/sleep", output, sizeof output);
    until_page_has(run_of(output), "\"status\":\"sleeps\"");
    while (server_metric("runs_in_memory") > 0) usleep(5000);
    get_well(output);
    get_page(run_of(output));
    has("\"status\":\"woke\"");
    CHECK_INT(entries_of("status"), 2);
    CHECK_INT(entries_of("usage"), 1);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* The list reads both ends of a journal, and knows all of a run that has ended. */
static void lists_show_it(void)
{
    start("lists");
    get_well("/long");
    get_well("/_sw/runs");
    has("\"labels\":{\"middle\":\"of a long journal\"},\"status\":\"replies\"}");
    CHECK(!strstr(a.body, "stepsDone")); /* it was not read whole */
    get_well("/attempts");
    get_well("/_sw/runs?limit=1");
    has("\"labels\":{\"step\":\"tries\"},\"status\":\"trying\",\"usage\":{\"inputTokens\":30,");
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* The same frames at every reading, with a kill between. */
static void streams_show_it(void)
{
    static const char *const wants[] = {"Accept: text/event-stream", NULL};
    char output[512], stream[600];
    start("streams");
    seen->begun = 0;
    seen->hold = 1;
    server_begin("GET", "/chunks", output, sizeof output);
    stream_of_output(output, stream, sizeof stream);
    until_begun(1);
    until_page_has(run_of(output), "\"units\":100}");
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    start(NULL);
    until_begun(2);
    seen->hold = 0;
    for (int readings = 0; readings < 2; readings++) {
        call(NULL, server_url(stream), wants, NULL, 20, &a);
        has("id: 1\nevent: stepwell.status\ndata: {\"data\":{\"at\":1}}\n\nid: 2\nevent: stepwell.status\n"
            "data: {\"data\":\"holds\"}\n\nid: 3\nevent: inngest.stream\ndata: {\"data\":\"chunk\"}\n\n"
            "id: 4\nevent: stepwell.status\ndata: {\"data\":{\"at\":2}}\n\nid: 5\nevent: inngest.response\n");
        CHECK_INT(served_stop(&server, SIGTERM), 0);
        start(NULL);
    }
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static void rules_are_named(void)
{
    static const char *const says[] = {"",
                                       "a label's key is 1 to 64 bytes without a colon",
                                       "a label's key has 65 bytes: at most 64 are allowed",
                                       "a label's value has 65 bytes: at most 64 are allowed",
                                       "a label's key is 1 to 64 bytes without a colon",
                                       "a label's value is UTF-8 text without control characters",
                                       "a label's value is UTF-8 text without control characters",
                                       "sw_label without a key",
                                       "sw_label without a value",
                                       "label \\\"key 8\\\" is one more than the 8 labels a run may have",
                                       "(--status-max is 256 bytes)",
                                       "a status holds text that is not valid UTF-8",
                                       "sw_usage without what was used",
                                       "a model's name has 300 bytes: at most 256 are allowed",
                                       "sw_status in a clean-up (sw_defer), which must not wait",
                                       "a label's value is UTF-8 text without control characters"};
    start("misuse");
    for (size_t i = 1; i < sizeof says / sizeof says[0]; i++) {
        char path[32];
        snprintf(path, sizeof path, "/misuse/%zu", i);
        get(path);
        CHECK_INT(a.status, 500);
        has(says[i]);
    }
    get_well("/misuse/99");
    get("/plain");
    CHECK_INT(a.status, 500);
    has("sw_label in a plain route");
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static const check_case cases[] = {{"what was said is not said again by a replay", said_once_by_all},
                                   {"each attempt is paid for", each_attempt_is_paid},
                                   {"of statuses before a commit the last is there", only_the_last_status},
                                   {"a run that parks says nothing twice", parked_and_woken},
                                   {"lists show it, however long the journal is", lists_show_it},
                                   {"streams show statuses, the same at every reading", streams_show_it},
                                   {"what breaks a rule is told what to change", rules_are_named}};
SERVED_MAIN_NOTES(serve, seen, cases)
