/* Bulk actions: an operator stops, releases or cancels all runs that a filter means, by a durable run that goes on when
 * the process is killed, acts on each run once, leaves none out, and can be stopped and cancelled itself. */
#include <time.h>

#include "runtime/stepwell.h"
#include "storage/store.h"
#include "tests/harness/served.h"

enum { NAPS = 60, HOUR_MS = 3600000 };

static void on_nap(sw_ctx *c)
{
    sw_sleep(c, "nap", HOUR_MS);
    sw_reply_text(c, 200, "rested");
}

/* More than a list reads of a journal, in three parts; hidden on its page. */
static sw_value pad(sw_ctx *c, sw_value v)
{
    enum { PAD = 60000 };
    char *bytes = sw_alloc(c, PAD);
    (void)v;
    memset(bytes, 'x', PAD);
    return sw_map(c, "pad", sw_bin(c, bytes, PAD));
}

static sw_value pay(sw_ctx *c, sw_value v)
{
    if (!getenv("MENDED")) sw_fail_fatal(c, "a mistake of the program's");
    return v;
}

static void on_fail(sw_ctx *c)
{
    (void)sw_step(c, "pay", pay, sw_nil());
    sw_reply_text(c, 200, "paid");
}

static void on_fail_late(sw_ctx *c)
{
    for (int i = 0; i < 3; i++) (void)sw_step_with(c, "pad", pad, sw_nil(), &(sw_step_options){.sync = true});
    on_fail(c);
}

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("bulk");
    sw_endpoint(app, "POST /fail/late", on_fail_late, NULL);
    sw_endpoint(app, "POST /nap", on_nap, NULL);
    sw_endpoint(app, "POST /other", on_nap, NULL);
    sw_endpoint(app, "POST /fail", on_fail, NULL);
    return sw_main(app, argc, argv);
}

#define ANN "Authorization: Bearer ann-may-look-and-act"
#define EVE "Authorization: Bearer eve-may-look-alone"

static char data[128], token[2][256], naps[NAPS][32], other[32];
static answer a;

static void start(void)
{
    operator_token(token[0], "ann:view,act", "ann-may-look-and-act");
    operator_token(token[1], "eve:view", "eve-may-look-alone");
    const char *const flags[] = {"--data", data,      "--loops", "3",        "--park-after", "20ms", "--token",
                                 token[0], "--token", token[1],  "--redact", "json:pad",     NULL};
    served_start(&server, flags);
}

static void stop(void) { CHECK_INT(served_stop(&server, SIGTERM), 0); }
static void die(void) { CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL); }

static long ask(const char *method, const char *path, const char *who, const char *body)
{
    call(method, server_url(path), (const char *const[]){who, NULL}, body, 0, &a);
    return a.status;
}

static void take_id(char id[32])
{
    const char *at = strstr(a.body, "\"runId\":\"");
    CHECK(at && snprintf(id, 32, "%.26s", at + 9) == 26);
}

static void begin(const char *path, char id[32])
{
    call("POST", server_url(path), (const char *const[]){"Prefer: respond-async", NULL}, "", 0, &a);
    CHECK_INT(a.status, 202);
    take_id(id);
}

static void start_with_naps(const char *folder)
{
    snprintf(data, sizeof data, "%s/%s", root, folder);
    start();
    for (int i = 0; i < NAPS; i++) begin("/nap", naps[i]);
    begin("/other", other);
}

static void page_of(const char *id)
{
    char path[128];
    snprintf(path, sizeof path, "/_sw/runs/%s", id);
    CHECK_INT(ask(NULL, path, ANN, NULL), 200);
}

static int times(const char *part)
{
    int n = 0;
    for (const char *at = a.body; (at = strstr(at, part)); at++) n++;
    return n;
}

/* How many of the naps have as many such parts in their pages. */
static int naps_with(const char *part, int how_often)
{
    int n = 0;
    for (int i = 0; i < NAPS; i++) {
        page_of(naps[i]);
        n += times(part) == how_often;
    }
    return n;
}

static long bulk(const char *body) { return ask("POST", "/_sw/bulk", ANN, body); }

static void begin_bulk(const char *body, char id[32])
{
    if (bulk(body) != 202) printf("# %s\n", a.body);
    CHECK_INT(a.status, 202);
    take_id(id);
}

/* Waits until the bulk action's run says so. */
static void wait_for(const char *id, const char *part)
{
    for (int i = 0; i < PATIENCE_MS / 20; i++) {
        page_of(id);
        if (strstr(a.body, part)) return;
        usleep(20000);
    }
    printf("# %s\n", a.body);
    CHECK(!"the bulk action does not come to that");
}

/* Waits for the response, which is the last entry's but one. */
static void finish(const char *body, const char *part)
{
    char id[32], location[1024];
    begin_bulk(body, id);
    const char *path = strstr(answer_header(&a, "Location", location, sizeof location), "/_sw/");
    CHECK(path);
    call(NULL, server_url(path), NULL, NULL, 0, &a);
    if (a.status != 200 || !strstr(a.body, part)) printf("# %ld %s\n", a.status, a.body);
    CHECK_INT(a.status, 200);
    CHECK(strstr(a.body, part));
}

#define OF_NAPS "\"filter\":{\"endpoint\":\"POST /nap\"}"

static void test_actions(void)
{
    start_with_naps("actions");
    finish("{\"action\":\"stop\"," OF_NAPS ",\"perSecond\":1000,\"text\":\"for the night\"}",
           "{\"action\":\"stop\",\"done\":60,\"pending\":0,\"skipped\":{}}");
    CHECK_INT(naps_with("\"detail\":\"for the night\",\"stoppedBy\":\"ann\"", 1), NAPS);
    page_of(other);
    CHECK(strstr(a.body, "\"state\":\"sleeping\""));
    finish("{\"action\":\"stop\"," OF_NAPS ",\"perSecond\":1000}", "\"done\":0,\"pending\":0,\"skipped\":{\"stopped "
                                                                   "already\":60}");
    CHECK_INT(naps_with("\"kind\":\"stopped\",\"at\"", 1), NAPS);
    finish("{\"action\":\"release\",\"filter\":{\"state\":\"stopped\"},\"max\":7,\"perSecond\":1000}", "\"done\":7,");
    CHECK_INT(naps_with("\"kind\":\"released\",\"at\"", 1), 7);
    finish("{\"action\":\"release\"," OF_NAPS ",\"perSecond\":1000}", "\"done\":53,\"pending\":0,\"skipped\":{\"not "
                                                                      "stopped\":7}");
    CHECK_INT(naps_with("\"kind\":\"released\",\"at\"", 1), NAPS);
    finish("{\"action\":\"cancel\",\"filter\":{},\"perSecond\":1000}", "\"done\":61,");
    CHECK_INT(naps_with("\"state\":\"cancelled\",\"endpoint\"", 1), NAPS);
    CHECK(strstr(a.body, "\"by\":\"ann\""));
    finish("{\"action\":\"cancel\"," OF_NAPS "}", "\"done\":0,\"pending\":0,\"skipped\":{\"ended\":60}");
    stop();
}

static void test_requests(void)
{
    char body[256];
    long long as_of_ms;
    start_with_naps("requests");
    CHECK_INT(ask("POST", "/_sw/bulk", EVE, "{\"action\":\"stop\"," OF_NAPS "}"), 403);
    CHECK_INT(ask("POST", "/_sw/bulk", "X: y", "{\"action\":\"stop\"," OF_NAPS "}"), 401);
    static const char *const wrong[][2] = {
        {"", "\\\"action\\\""},
        {"{\"action\":\"pause\"," OF_NAPS "}", "cancel, stop, release or resume"},
        {"{\"action\":\"stop\"}", "\\\"filter\\\" is an object; {} means all runs"},
        {"{\"action\":\"stop\",\"filter\":{\"endpiont\":\"POST /nap\"}}", "no \\\"endpiont\\\""},
        {"{\"action\":\"stop\",\"filter\":{\"state\":\"asleep\"}}", "\\\"state\\\" is one or several"},
        {"{\"action\":\"stop\",\"filter\":{\"state\":true}}", "texts"},
        {"{\"action\":\"stop\"," OF_NAPS ",\"perSecond\":0}", "\\\"perSecond\\\" is 1 to 10000"},
        {"{\"action\":\"stop\"," OF_NAPS ",\"max\":0}", "\\\"max\\\""},
        {"{\"action\":\"stop\"," OF_NAPS ",\"max\":\"7\"}", "\\\"max\\\" has to be a whole number"},
        {"{\"action\":\"stop\"," OF_NAPS ",\"asOf\":-1}", "\\\"asOf\\\""},
        {"{\"action\":\"stop\"," OF_NAPS ",\"by\":\"bob\"}", "\\\"by\\\""},
        {"{\"action\":\"stop\",\"filter\":{\"error\":\"a\\u0000b\"}}", "U+0000"},
        {"{\"action\":\"stop\",\"filter\":{\"endpoint\\u0000s\":\"POST /nap\"}}", "U+0000"},
        {"{\"action\":\"stop\"," OF_NAPS ",\"text\":\"a\\u0000b\"}", "U+0000"},
        {"{\"action\":\"cancel\"," OF_NAPS ",\"text\":\"why\"}", "no other action takes it"},
        {"{\"action\":\"release\"," OF_NAPS ",\"text\":\"why\"}", "no other action takes it"},
        {"{\"action\":\"resume\"," OF_NAPS ",\"text\":\"why\",\"dryRun\":true}", "no other action takes it"},
        {"{\"action\":\"stop\"," OF_NAPS ",\"dryrun\":true}", "\\\"dryrun\\\""}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (bulk(wrong[i][0]) != 400 || !strstr(a.body, wrong[i][1])) printf("# %zu: %s\n", i, a.body);
        CHECK_INT(a.status, 400);
        CHECK(strstr(a.body, wrong[i][1]));
    }
    CHECK_INT(bulk("{\"action\":\"stop\"," OF_NAPS ",\"dryRun\":true}"), 200);
    CHECK(strstr(a.body, ",\"matches\":60,\"skipped\":{},\"sample\":[\"01"));
    CHECK_INT(times("\"01"), 10);
    CHECK_INT(bulk("{\"action\":\"release\"," OF_NAPS ",\"dryRun\":true}"), 200);
    CHECK(strstr(a.body, ",\"matches\":0,\"skipped\":{\"not stopped\":60},\"sample\":[]}"));
    CHECK_INT(bulk("{\"action\":\"cancel\",\"filter\":{},\"max\":20,\"dryRun\":true}"), 200);
    CHECK(strstr(a.body, ",\"matches\":20,\"more\":true,"));
    CHECK_INT(bulk("{\"action\":\"cancel\"," OF_NAPS ",\"max\":60,\"dryRun\":true}"), 200);
    CHECK(strstr(a.body, ",\"matches\":60,\"skipped")); /* all of them: no more */
    CHECK(sscanf(a.body, "{\"asOf\":%lld,", &as_of_ms) == 1);
    CHECK_INT(naps_with("\"state\":\"sleeping\",\"endpoint\"", 1), NAPS); /* nothing was done */
    usleep(100000); /* loops' clocks differ by some milliseconds */
    begin("/nap", other);
    snprintf(body, sizeof body, "{\"action\":\"stop\"," OF_NAPS ",\"asOf\":%lld,\"perSecond\":1000}", as_of_ms);
    finish(body, "\"done\":60,");
    page_of(other);
    CHECK(strstr(a.body, "\"state\":\"sleeping\"")); /* it began later */
    stop();
}

/* ---- The store, when no program has it ---- */

static void on_rows(void *arg, const store_table_row *rows, size_t count, bool end, const char *error)
{
    (void)rows;
    CHECK(end && !error);
    *(long *)arg = (long)count;
}

static void on_committed(void *arg, store_segment *list) { (void)arg, (void)list; }
static void on_closed(void *arg) { (void)arg; }

/* How many marks of letters are left. */
static long count_marks(void)
{
    char error[512];
    long count = -1;
    uv_loop_t loop;
    store *s = store_open(&(store_options){.path = data}, error, sizeof error);
    CHECK(s && uv_loop_init(&loop) == 0);
    store_port *p = store_port_open(s, &loop, on_committed, NULL);
    CHECK(store_scan(p, &(store_range){.table = "bulk", .rows_max = 1000}, on_rows, &count));
    while (count < 0) uv_run(&loop, UV_RUN_ONCE);
    store_port_close(p, on_closed, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop) == 0);
    store_close(s);
    return count;
}

/* Killed in the middle, several times. What was stopped is released and stopped again if a letter is written twice. */
static void test_killed(void)
{
    char id[32];
    start_with_naps("killed");
    begin_bulk("{\"action\":\"stop\"," OF_NAPS ",\"perSecond\":40}", id);
    for (int i = 0; i < 3; i++) {
        usleep(400000);
        die();
        start();
    }
    wait_for(id, "\"state\":\"succeeded\"");
    CHECK(strstr(a.body, "\"done\":60"));
    CHECK_INT(naps_with("\"kind\":\"stopped\",\"at\"", 1), NAPS);
    begin_bulk("{\"action\":\"release\"," OF_NAPS ",\"perSecond\":40}", id);
    usleep(700000);
    die();
    start();
    wait_for(id, "\"state\":\"succeeded\"");
    CHECK_INT(naps_with("\"kind\":\"released\",\"at\"", 1), NAPS);
    page_of(other);
    CHECK(!strstr(a.body, "\"kind\":\"stopped\",\"at\""));
    stop();
    CHECK_INT(count_marks(), 0);
}

static long bulk_keyed(const char *key, const char *body)
{
    call("POST", server_url("/_sw/bulk"), (const char *const[]){ANN, key, NULL}, body, 0, &a);
    return a.status;
}

/* Whoever has lost the answer asks again: the same action is meant, which acts once. */
static void test_keyed(void)
{
    static const char body[] = "{\"action\":\"stop\"," OF_NAPS "}", key[] = "Idempotency-Key: \"night\"";
    char first[32], id[32], header[64];
    start_with_naps("keyed");
    CHECK_INT(bulk_keyed(key, "{\"action\":\"stop\"," OF_NAPS ",\"dryRun\":true}"), 200);
    CHECK_INT(bulk_keyed(key, body), 202);
    CHECK_STR(answer_header(&a, "Idempotency-Replayed", header, sizeof header), "");
    take_id(first);
    for (int i = 0; i < 8; i++) {
        CHECK_INT(bulk_keyed(key, body), 202);
        CHECK_STR(answer_header(&a, "Idempotency-Replayed", header, sizeof header), "true");
        take_id(id);
        CHECK_STR(id, first);
    }
    wait_for(first, "\"state\":\"succeeded\"");
    CHECK_INT(bulk_keyed(key, "{\"action\":\"release\"," OF_NAPS "}"), 422);
    CHECK_INT(ask(NULL, "/_sw/runs?endpoint=POST%20/_sw/bulk", ANN, NULL), 200);
    CHECK_INT(times("\"runId\""), 1);
    CHECK_INT(naps_with("\"kind\":\"stopped\",\"at\"", 1), NAPS);
    stop();
}

/* Whoever may act cannot have another one's action done again, with a body of their own and in that one's name. */
static void test_not_forked(void)
{
    char id[32], path[128];
    start_with_naps("not forked");
    begin_bulk("{\"action\":\"release\"," OF_NAPS "}", id);
    wait_for(id, "\"state\":\"succeeded\"");
    CHECK(strstr(a.body, "\"begunBy\":\"ann\""));
    snprintf(path, sizeof path, "/_sw/runs/%s/fork", id);
    CHECK_INT(ask("POST", path, ANN, "{\"body\":{\"action\":\"cancel\",\"filter\":{},\"by\":\"bob\"}}"), 409);
    CHECK_INT(ask("POST", path, ANN, "{\"dryRun\":true}"), 409);
    CHECK_INT(ask("POST", path, ANN, ""), 409);
    CHECK_INT(naps_with("\"state\":\"sleeping\",\"endpoint\"", 1), NAPS);
    stop();
}

static int stopped_naps(void) { return naps_with("\"kind\":\"stopped\",\"at\"", 1); }

/* It is steered like any run. */
static void test_steered(void)
{
    char id[32], path[128];
    start_with_naps("steered");
    begin_bulk("{\"action\":\"stop\"," OF_NAPS ",\"perSecond\":20}", id);
    usleep(300000);
    snprintf(path, sizeof path, "/_sw/runs/%s/stop", id);
    CHECK_INT(ask("POST", path, ANN, "{\"text\":\"wait\"}"), 200);
    usleep(3000000); /* what is under way ends: a page of two seconds */
    int n = stopped_naps();
    CHECK(n > 0 && n < NAPS);
    usleep(500000);
    CHECK_INT(stopped_naps(), n);
    snprintf(path, sizeof path, "/_sw/runs/%s/release", id);
    CHECK_INT(ask("POST", path, ANN, ""), 200);
    wait_for(id, "\"state\":\"succeeded\"");
    CHECK_INT(stopped_naps(), NAPS);
    begin_bulk("{\"action\":\"release\"," OF_NAPS ",\"perSecond\":20}", id);
    usleep(300000);
    snprintf(path, sizeof path, "/_sw/runs/%s", id);
    CHECK_INT(ask("DELETE", path, ANN, NULL), 200);
    n = naps_with("\"kind\":\"released\",\"at\"", 1);
    CHECK(n < NAPS);
    usleep(1000000);
    CHECK_INT(naps_with("\"kind\":\"released\",\"at\"", 1), n);
    stop();
}

/* The program is mended, and all that had failed goes on, killed in the middle. */
static void test_resumed(void)
{
    char id[32];
    start_with_naps("resumed");
    for (int i = 0; i < NAPS; i++) begin("/fail", naps[i]);
    for (int i = 0; i < NAPS; i++) wait_for(naps[i], "\"state\":\"failed\"");
    stop();
    CHECK(setenv("MENDED", "1", 1) == 0);
    start();
    CHECK_INT(bulk("{\"action\":\"resume\",\"filter\":{\"state\":\"failed\"},\"dryRun\":true}"), 200);
    CHECK(strstr(a.body, ",\"matches\":60,"));
    begin_bulk("{\"action\":\"resume\",\"filter\":{\"endpoint\":\"POST /fail\"},\"perSecond\":40}", id);
    for (int i = 0; i < 2; i++) {
        usleep(500000);
        die();
        start();
    }
    wait_for(id, "\"state\":\"succeeded\"");
    CHECK(strstr(a.body, "\"done\":60"));
    for (int i = 0; i < NAPS; i++) wait_for(naps[i], "\"state\":\"succeeded\"");
    CHECK_INT(naps_with("\"kind\":\"reopened\",\"at\"", 1), NAPS);
    finish("{\"action\":\"resume\",\"filter\":{\"endpoint\":\"POST /fail\"}}",
           "\"done\":0,\"pending\":0,\"skipped\":{\"succeeded\":60}");
    finish("{\"action\":\"resume\",\"filter\":{\"endpoint\":\"POST /other\"}}",
           "\"done\":0,\"pending\":0,\"skipped\":{\"not ended\":1}");
    stop();
    CHECK(unsetenv("MENDED") == 0);
}

/* Of long journals, lists do not show how often their runs were resumed. What fails again at once is resumed once all
 * the same, however often the process dies. */
static void test_fails_again(void)
{
    char id[32];
    start_with_naps("fails again");
    for (int i = 0; i < NAPS; i++) begin("/fail/late", naps[i]);
    for (int i = 0; i < NAPS; i++) wait_for(naps[i], "\"state\":\"failed\"");
    begin_bulk("{\"action\":\"resume\",\"filter\":{\"endpoint\":\"POST /fail/late\"},\"perSecond\":40}", id);
    for (int i = 0; i < 4; i++) {
        usleep(350000);
        die();
        start();
    }
    wait_for(id, "\"state\":\"succeeded\"");
    CHECK(strstr(a.body, "\"done\":60"));
    for (int i = 0; i < NAPS; i++) wait_for(naps[i], "\"state\":\"failed\"");
    CHECK_INT(naps_with("\"kind\":\"reopened\",\"at\"", 1), NAPS);
    stop();
    CHECK_INT(count_marks(), 0);
}

static const check_case cases[] = {{"stop, release, cancel", test_actions},
                                   {"what is asked, dry runs, as of when", test_requests},
                                   {"the process is killed", test_killed},
                                   {"what had failed is resumed", test_resumed},
                                   {"no fork of a bulk action", test_not_forked},
                                   {"a key means one action", test_keyed},
                                   {"what fails again is resumed once", test_fails_again},
                                   {"a bulk action is stopped, released, cancelled", test_steered}};

SERVED_MAIN(serve, NULL, cases)
