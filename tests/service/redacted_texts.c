/* What --redact names is hidden in texts too: in errors that quote an answer, in the groups that are made of them, and
 * in each line of the log; the client of the run, and the journal, have all. */
#include "runtime/stepwell.h"
#include "tests/harness/served.h"

#define PIN "471147"
#define KEY "k9k9k9"

static sw_value ask(sw_ctx *c, sw_value input)
{
    (void)input;
    sw_log(c, "asks with {\"pin\": %s}", PIN);
    sw_fail(c, "answered 400: {\"pin\":\"%s\",\"tea\":true} at /x?a=1&key=%s", PIN, KEY);
}

static void on_ask(sw_ctx *c)
{
    const sw_step_options twice = {.retries = 1, .backoff_ms = 1, .backoff_max_ms = 1};
    sw_label(c, "pin", PIN);
    sw_label(c, "topic", "tea");
    sw_label(c, "from", "/x?key=" KEY);
    (void)sw_step_with(c, "ask", ask, sw_nil(), &twice);
}

/* Its answer is the request's body. */
static void on_echo(sw_ctx *c)
{
    sw_bytes body = sw_body(c);
    sw_reply_header(c, "X-From", "/x?key=" KEY);
    sw_reply(c, 200, "text/plain", body.data, body.len);
}

static sw_value on_confirm(sw_ctx *c, sw_value input)
{
    sw_value first = sw_nil(), end = sw_nil();
    sw_signal_url(c, "confirm", "confirm", NULL);
    sw_wait_for(c, "confirm", &(sw_wait){.signal = "confirm"}, &first);
    sw_wait_for(c, "end", &(sw_wait){.signal = "end"}, &end);
    return input;
}

/* Fails with the link of its question, and logs it. */
static void on_leak(sw_ctx *c)
{
    const char *url = sw_signal_url(c, "confirm", "confirm", NULL);
    sw_log(c, "mails %s", url);
    sw_fail_fatal(c, "nobody mails %s", url);
}

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("texts");
    sw_endpoint(app, "POST /ask", on_ask, NULL);
    sw_endpoint(app, "POST /leak", on_leak, NULL);
    sw_endpoint(app, "POST /echo", on_echo, NULL);
    sw_endpoint(app, "POST /stand", on_ask, &(sw_endpoint_options){.on_exhausted = SW_STOP});
    sw_function(app, "confirm", on_confirm, NULL);
    return sw_main(app, argc, argv);
}

/* ---- The test ---- */

static answer a;
static const char *folder = "data";

static void start(const char *keys, const char *format)
{
    char data[128];
    snprintf(data, sizeof data, "%s/%s", root, folder);
    served_start(&server, (const char *const[]){"--data", data, "--dev", "--loops", "1", "--redact", keys,
                                                "--log-format", format, NULL});
}

static const char *get(const char *path)
{
    call(NULL, server_url(path), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    return a.body;
}

static bool shows_secret(const char *text) { return strstr(text, PIN) || strstr(text, KEY); }

static void begin(const char *path, const char *body, char id[64])
{
    call("POST", server_url(path), NULL, body, 0, &a);
    answer_header(&a, "X-Run-Id", id, 64);
}

static const char *page_of(const char *id)
{
    char path[128];
    snprintf(path, sizeof path, "/_sw/runs/%s", id);
    return get(path);
}

/* What the log has said by the time at which it says `last`. */
static const char *read_log(const char *last)
{
    static char text[65536];
    size_t len = 0;
    do {
        ssize_t n = read(server.log, text + len, sizeof text - 1 - len);
        CHECK(n > 0);
        len += (size_t)n;
        text[len] = 0;
    } while (!strstr(text, last));
    return text;
}

/* The text as a value in a query. */
static void escape(const char *text, char *to)
{
    for (; *text; text++) to += sprintf(to, "%%%02x", (unsigned char)*text);
}

static void test_errors(void)
{
    static const char kind[] = "answered #: {\"pin\":\"[redacted]\",\"tea\":true} at /x?a=#&key=[redacted]";
    char id[64], path[1024] = "/_sw/runs?state=failed&kind=";
    start("json:pin,query:key", "text");
    begin("/ask", "", id);
    CHECK_INT(a.status, 500);
    CHECK(strstr(a.body, PIN) && strstr(a.body, KEY)); /* its client sees what it is told */
    const char *said = read_log("POST /ask failed");
    CHECK(strstr(said, "asks with {\"pin\": \"[redacted]\"}"));
    CHECK(strstr(said, "answered 400: {\"pin\":\"[redacted]\",\"tea\":true} at /x?a=1&key=[redacted]"));
    CHECK(!shows_secret(said));
    CHECK(!shows_secret(page_of(id)));
    CHECK(strstr(a.body, "answered 400: {\\\"pin\\\":\\\"[redacted]\\\",\\\"tea\\\":true} at /x?a=1&key=[redacted]"));
    CHECK(!shows_secret(get("/_sw/runs")) && strstr(a.body, "[redacted]"));
    CHECK(!shows_secret(get("/_sw/errors")) && strstr(a.body, "#: {\\\"pin\\\":\\\"[redacted]\\\""));
    escape(kind, path + strlen(path));
    CHECK(strstr(get(path), id)); /* the group as it is shown leads to its runs */
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static void test_json_lines(void)
{
    char id[64];
    start("json:/card/pin", "json");
    begin("/ask", "", id);
    const char *said = read_log("POST /ask failed");
    CHECK(strstr(said, "{\\\"pin\\\":\\\"[redacted]\\\",\\\"tea\\\":true}")); /* a text has no places */
    CHECK(!strstr(said, PIN) && strstr(said, KEY));
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static bool lists(const char *error, const char *id)
{
    char path[512] = "/_sw/runs?error=";
    escape(error, path + strlen(path));
    return strstr(get(path), id) != NULL;
}

/* Where nothing is to be hidden, tokens of runs are, but for the log of whoever develops the program. */
static void test_tokens(void)
{
    static const char shown[] = "/signals/confirm?token=s", hidden[] = "/signals/confirm?token=[redacted]";
    char data[128], id[64];
    snprintf(data, sizeof data, "%s/tokens", root);
    for (int dev = 0; dev < 2; dev++) {
        served_start(&server, (const char *const[]){"--data", data, "--loops", "1", dev ? "--dev" : NULL, NULL});
        begin("/leak", "", id);
        CHECK_INT(a.status, 500);
        CHECK(strstr(a.body, shown)); /* its client sees what it is told */
        const char *said = read_log("POST /leak failed: nobody mails ");
        CHECK(strstr(said, dev ? shown : hidden) && !strstr(said, dev ? hidden : shown));
        if (dev) CHECK(strstr(page_of(id), hidden) && !strstr(a.body, shown));
        if (dev) CHECK(lists(hidden, id) && lists("?token=", id) && !lists(shown, id)); /* nor found by trying */
        CHECK_INT(served_stop(&server, SIGTERM), 0);
    }
}

static void test_kept(void)
{
    start("json:none", "text");
    CHECK(strstr(get("/_sw/runs"), PIN) && strstr(a.body, KEY));
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* An operator who answers second is shown of the first answer what operators are shown. */
static void test_answer(void)
{
    char id[64], path[256], question[17];
    const char *at;
    start("json:pin", "text");
    begin("/_sw/functions/confirm", "null", id);
    CHECK_INT(a.status, 202);
    while (!(at = strstr(page_of(id), "\"questions\":[\n{\"path\":\""))) usleep(2000);
    snprintf(question, sizeof question, "%s", strchr(at, '{') + strlen("{\"path\":\""));
    snprintf(path, sizeof path, "/_sw/runs/%s/signals/confirm?question=%s", id, question);
    for (int status = 202; status >= 200; status -= 2) {
        call("POST", server_url(path), NULL, "{\"pin\":\"" PIN "\",\"yes\":true}", 0, &a);
        CHECK_INT(a.status, status);
        CHECK(strstr(a.body, "\"decision\":{\"pin\":\"[redacted]\",\"yes\":true}"));
    }
    CHECK(!shows_secret(page_of(id)));
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* The page of a run with this body has the members, in request and response. */
static void check_body(const char *body, const char *members)
{
    char id[64];
    begin("/echo", body, id);
    CHECK_INT(a.status, 200);
    CHECK_STR(a.body, body);
    const char *page = page_of(id), *at = strstr(page, members);
    if (!at || !strstr(at + 1, members)) printf("# %s\n", page);
    CHECK(at && strstr(at + 1, members));
    CHECK(!strstr(page, KEY));
}

/* With the key of a request that is shown whole, who may only look could be the run's client. */
static void test_key(void)
{
    static const char *const keyed[] = {"idempotency-KEY: order-4711", "Accept: idempotency-key", NULL};
    char id[64];
    start("json:none", "text");
    call("POST", server_url("/echo"), keyed, "b", 0, &a);
    CHECK_INT(a.status, 200);
    answer_header(&a, "X-Run-Id", id, sizeof id);
    CHECK(!strstr(page_of(id), "order-4711"));
    CHECK(strstr(a.body, "{\"name\":\"idempotency-KEY\",\"value\":\"[redacted]\"}"));
    CHECK(strstr(a.body, "{\"name\":\"Accept\",\"value\":\"idempotency-key\"}"));
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static void test_bodies(void)
{
    start("json:pin,query:key,header:x-key", "text");
    check_body("{\"a\":\"say \\\"/x?key=" KEY "\\\"\"}",
               "\"bodyRedacted\":true,\"body\":\"{\\\"a\\\":\\\"say \\\\\\\"/x?key=[redacted]\\\\\\\"\\\"}\"");
    check_body("{\"a\":\"X-Key: " KEY "\\nb\",\"X-KEY\":\"" KEY "\"}",
               "\"bodyRedacted\":true,\"body\":\"{\\\"a\\\":\\\"X-Key: "
               "[redacted]\\\\nb\\\",\\\"X-KEY\\\":\\\"[redacted]\\\"}\"");
    check_body("{ \"a\": 1.0 }", "\"bodyBytes\":12,\"body\":\"{ \\\"a\\\": 1.0 }\""); /* nothing is hidden */
    check_body("{\"a\":{\"pin\":\"" KEY
               "\"},\"a\":\"\\\":1\",\"b\":[{\"c\":2}]}", /* of equal members the last one counts */
               "\"bodyRedacted\":true,\"body\":\"{\\\"a\\\":\\\"\\\\\\\":1\\\",\\\"b\\\":[{\\\"c\\\":2}]}\"");
    check_body("{\"a\":1, \"a\":\"\\\":\"}", "\"bodyBytes\":18,\"body\":\"{\\\"a\\\":1, "); /* nothing is hidden */
    check_body("key=" KEY "&b=1", "\"bodyRedacted\":true,\"body\":\"key=[redacted]&b=1\"");
    check_body("\xff b", "\"bodyBytes\":3,\"bodyBase64\":\"/yBi\"");
    check_body("\xff key=" KEY, "\"bodyBytes\":12,\"bodyRedacted\":true}"); /* its bytes are not shown at all */
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* A parameter of a URL that is a parameter's value is hidden, too. */
static void test_target(void)
{
    char id[64];
    start("query:key", "text");
    begin("/echo?next=/x?key=" KEY "&key=" KEY "&b=1", "b", id);
    CHECK_INT(a.status, 200);
    CHECK(strstr(page_of(id), "\"target\":\"/echo?next=/x?key=[redacted]&key=[redacted]&b=1\""));
    CHECK(!strstr(a.body, "=" KEY "&") && !strstr(get("/_sw/runs"), "=" KEY "&"));
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* How many runs a list, and a bulk action's dry run, find by the filter. */
static size_t found(const char *name, const char *value)
{
    char path[512] = "/_sw/runs?", body[512], id[64];
    size_t listed = 0;
    sprintf(path + strlen(path), "%s=", name);
    escape(value, path + strlen(path));
    for (const char *at = get(path); (at = strstr(at, "{\"runId\":")) != NULL; at++) listed++;
    snprintf(body, sizeof body, "{\"action\":\"cancel\",\"dryRun\":true,\"filter\":{\"%s\":\"%s\"}}", name, value);
    begin("/_sw/bulk", body, id);
    CHECK_INT(a.status, 200);
    snprintf(body, sizeof body, "\"matches\":%d", listed > 0);
    CHECK(strstr(a.body, body)); /* the run that has failed is no longer to be cancelled */
    return listed;
}

/* What is hidden cannot be asked for: else it would be found out by trying. */
static void test_filters(void)
{
    char id[64];
    folder = "filtered";
    start("json:pin,query:key", "text");
    begin("/ask", "", id);
    call("POST", server_url("/stand"), (const char *const[]){"Prefer: respond-async", NULL}, "", 0, &a);
    answer_header(&a, "X-Run-Id", id, sizeof id);
    while (!strstr(page_of(id), "\"state\":\"stopped\"")) usleep(2000);
    for (size_t n = 1; n <= strlen(PIN); n++) {
        char part[16];
        snprintf(part, sizeof part, "%.*s", (int)n, PIN);
        CHECK_INT(found("error", part), n == 1 ? 2 : 0); /* its 4 is that of "answered 400" */
        snprintf(part, sizeof part, "%.*s", (int)n, KEY);
        CHECK_INT(found("error", part), n == 1 ? 2 : 0); /* its k is that of the key */
    }
    static const char *const shown[] = {"ANSWERED", "tea", "key=[redacted]", "redact", "]", "e"};
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) CHECK_INT(found("error", shown[i]), 2);
    CHECK_INT(found("label", "topic:tea"), 2);
    CHECK_INT(found("label", "topic:[redacted]"), 0);
    CHECK_INT(found("label", "pin:" PIN), 0);
    CHECK_INT(found("label", "pin:[redacted]"), 2);
    CHECK_INT(found("label", "from:/x?key=" KEY), 0);
    CHECK_INT(found("label", "from:/x?key=[redacted]"), 2);
    CHECK_INT(found("label", "none:[redacted]"), 0);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    start("json:none", "text");
    CHECK_INT(found("error", PIN), 2);
    CHECK_INT(found("label", "pin:" PIN), 2);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    folder = "data";
}

static const check_case cases[] = {{"tokens of runs", test_tokens},
                                   {"errors and log lines do not show what they quote", test_errors},
                                   {"nor do lines of JSON", test_json_lines},
                                   {"the journal has it all the same", test_kept},
                                   {"nor do bodies", test_bodies},
                                   {"nor do targets", test_target},
                                   {"nor is the key that leads to a run shown", test_key},
                                   {"nor do filters find it", test_filters},
                                   {"nor does the answer that was first", test_answer}};

SERVED_MAIN(serve, NULL, cases)
