/* What handlers write every day: fan-out with a limit that tolerates failures, errors that say what failed, values of
 * any kind, texts that grow. What is said of a failure is the same in the execution that saw it and in the next. */
#include "runtime/stepwell.h"
#include "tests/harness/served.h"

typedef struct notes {
    int now, most, done, tries, executions, held, go_on; /* atomic */
} notes;
static notes *seen;

static int count_up(int *n) { return __atomic_add_fetch(n, 1, __ATOMIC_SEQ_CST); }
static void count_down(int *n) { (void)__atomic_sub_fetch(n, 1, __ATOMIC_SEQ_CST); }

/* ---- Fan-out ---- */

/* Every third fails for good, every fifth once. Of as many as may run at once each waits for the others. */
static sw_value item(sw_ctx *c, sw_value v)
{
    int now = count_up(&seen->now), n = (int)sw_as_int(v, 0);
    if (now > __atomic_load_n(&seen->most, __ATOMIC_SEQ_CST)) seen->most = now;
    sw_sleep(c, "work", 1);
    count_down(&seen->now);
    if (n % 3 == 0) sw_fail_fatal(c, "%d is a multiple of 3", n);
    if (n % 5 == 0 && sw_attempt(c) == 1) sw_fail_after(c, 1, "once more");
    count_up(&seen->done);
    return sw_int(n * 10);
}

static sw_value many(sw_ctx *c, int n)
{
    sw_value inputs = sw_nil();
    for (int i = 1; i <= n; i++) sw_push(c, &inputs, sw_int(i));
    return inputs;
}

static void on_each(sw_ctx *c)
{
    sw_each_options o = {.parallel_max = 4, .settle = sw_query(c, "settle") != NULL, .step = {.retries = 1}};
    sw_reply_json(c, 200, sw_each_with(c, "item", item, many(c, 20), &o));
}

static void on_each_plainly(sw_ctx *c) { sw_reply_json(c, 200, sw_each_with(c, "i", item, many(c, 2), NULL)); }

static sw_value branch(sw_ctx *c, sw_value v)
{
    return sw_step_with(c, "inner", item, v, &(sw_step_options){.retries = SW_NO_RETRIES});
}

/* Steps take the group's options unless they bring their own; branches count in its limit. */
static void on_group(sw_ctx *c)
{
    sw_group *g = sw_group_new_with(
        c, &(sw_group_options){.parallel_max = 2, .settle = true, .step = {.retries = SW_NO_RETRIES}});
    sw_group_step(g, "one", item, sw_int(1));
    sw_group_branch(g, "two", branch, sw_int(2));
    sw_group_step(g, "five", item, sw_int(5));
    sw_group_step_with(g, "ten", item, sw_int(10), &(sw_step_options){.retries = 1});
    sw_group_branch(g, "three", branch, sw_int(3));
    sw_reply_json(c, 200, sw_group_wait(g));
}

/* ---- Failures ---- */

static sw_value ask(sw_ctx *c, sw_value url)
{
    count_up(&seen->tries);
    return sw_fetch_json(c, &(sw_request){.url = sw_cstr(c, url)});
}

static sw_value say(sw_ctx *c, sw_error *e)
{
    return sw_map(c, "step", sw_str(c, e->step), "path", sw_str(c, e->path), "status", sw_int(e->status), "attempts",
                  sw_int(e->attempts), "retryable", sw_bool(e->retryable), "fatal", sw_bool(e->fatal));
}

static sw_value ask_in_branch(sw_ctx *c, sw_value url)
{
    sw_error e = {.step = NULL};
    sw_step_options once = {.retries = SW_NO_RETRIES};
    if (sw_try_with(c, "ask", ask, url, &once, NULL, &e)) abort();
    sw_value first = say(c, &e);
    if (sw_try_with(c, "ask", ask, url, &once, NULL, &e)) abort();
    return sw_array(c, 2, first, say(c, &e));
}

static sw_value refuse(sw_ctx *c, sw_value v)
{
    (void)v;
    sw_fail_fatal(c, "never");
}

static sw_value hold(sw_ctx *c, sw_value v)
{
    count_up(&seen->held);
    while (!__atomic_load_n(&seen->go_on, __ATOMIC_SEQ_CST)) sw_sleep(c, "poll", 2);
    return v;
}

/* The second execution has all of it from the journal: it is on disk when the last step begins. */
static void on_error(sw_ctx *c)
{
    sw_error e;
    sw_group *g = sw_group_new(c);
    sw_group_branch(g, "outer", ask_in_branch, sw_str(c, sw_query(c, "url")));
    sw_value all = sw_group_wait(g);
    if (sw_try(c, "refuse", refuse, sw_nil(), NULL, &e)) abort();
    sw_push(c, &all, say(c, &e));
    count_up(&seen->executions);
    sw_step_with(c, "hold", hold, sw_nil(), &(sw_step_options){.sync = true});
    sw_reply_json(c, 200, all);
}

static void on_busy(sw_ctx *c) { sw_reply_text(c, atoi(sw_query(c, "status")), "busy"); }

/* ---- Values and texts ---- */

static const char *kind_name(sw_value v)
{
    static const char *const names[] = {"nil", "bool", "int", "float", "string", "binary", "array", "map", "other"};
    return names[sw_type(v)];
}

static void on_values(sw_ctx *c)
{
    sw_value all =
        sw_map(c, "nil", sw_nil(), "bool", sw_bool(true), "int", sw_int(-1), "float", sw_double(0.5), "string",
               sw_str(c, "s"), "binary", sw_bin(c, "b", 1), "array", sw_array(c, 0), "map", sw_map(c, NULL));
    sw_set(c, &all, "int too", sw_int(7));
    sw_text t = {0};
    sw_value value;
    for (size_t i = 0; i < sw_len(all); i++) {
        const char *key = sw_cstr(c, sw_key_at(all, i, &value));
        sw_text_add(c, &t, "%s is %s; ", key, kind_name(value));
    }
    if (!sw_is_nil(sw_key_at(all, sw_len(all), &value)) || !sw_is_nil(value)) abort();
    if (!sw_is_nil(sw_key_at(sw_int(1), 0, NULL)) || !sw_is_nil(sw_key_at(all, SIZE_MAX, NULL))) abort();
    if (sw_type((sw_value){.type = MSGPACK_OBJECT_EXT}) != SW_OTHER) abort();
    sw_reply_text(c, 200, "%s", sw_text_str(&t));
}

/* The macro's NULL ends the arguments; one of the user's own, as programs have it, changes nothing. */
static void on_maps(sw_ctx *c)
{
    sw_value with = sw_map(c, "a", sw_int(1), "b", sw_map(c, "c", sw_nil(), NULL), NULL);
    sw_value without = sw_map(c, "a", sw_int(1), "b", sw_map(c, "c", sw_nil()));
    sw_value called = (sw_map)(c, "a", sw_int(1), "b", sw_map(c, "c", sw_nil()), NULL);
    if (!sw_equal(with, without) || !sw_equal(with, called) || sw_len(sw_map(c, NULL)) != 0) abort();
    sw_value empty = sw_str(c, ""), text = sw_str(c, "text"), zero = sw_strn(c, "te\0xt", 5);
    if (!sw_str_equal(text, "text") || sw_str_equal(text, "tex") || sw_str_equal(text, "texts")) abort();
    if (sw_str_equal(zero, "te") || sw_str_equal(sw_int(1), "1") || sw_str_equal(sw_bin(c, "x", 1), "x")) abort();
    if (!sw_str_equal(empty, "") || sw_str_equal(empty, NULL) || !sw_str_equal(sw_nil(), NULL)) abort();
    if (sw_str_equal(sw_nil(), "")) abort();
    sw_reply_text(c, 200, "as it should be");
}

static sw_value long_text(sw_ctx *c, sw_value v)
{
    static const char zero[] = {'a', 0, 'b'};
    sw_text t = {0};
    if (strcmp(sw_text_str(&t), "") != 0 || strcmp(sw_text_str(NULL), "") != 0) abort();
    sw_text_add(c, &t, "%s", "");
    if (strcmp(sw_text_str(&t), "") != 0 || t.len != 0) abort();
    sw_text_add_bytes(c, &t, NULL, 0);
    sw_text_add_bytes(c, &t, zero, sizeof zero);
    for (int i = 0; i < 100000; i++) sw_text_add(c, &t, "%d,", i % 10);
    sw_text_add(c, &t, "%0*d", 70000, 1);
    if (t.len != 3 + 200000 + 70000 || strlen(t.data + 3) != t.len - 3) abort();
    if (memcmp(t.data, zero, sizeof zero) != 0 || memcmp(t.data + 3, "0,1,2,", 6) != 0) abort();
    return sw_array(c, 2, v, sw_int((int64_t)t.len));
}

static void on_text(sw_ctx *c) { sw_reply_json(c, 200, sw_step(c, "write", long_text, sw_str(c, "x"))); }

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("everyday");
    seen = served_notes(sizeof *seen);
    sw_endpoint(app, "GET /each", on_each, NULL);
    sw_endpoint(app, "GET /each-plainly", on_each_plainly, NULL);
    sw_endpoint(app, "GET /group", on_group, NULL);
    sw_endpoint(app, "GET /error", on_error, NULL);
    sw_route(app, "GET /busy", on_busy);
    sw_endpoint(app, "GET /values", on_values, NULL);
    sw_endpoint(app, "GET /maps", on_maps, NULL);
    sw_endpoint(app, "GET /text", on_text, NULL);
    return sw_main(app, argc, argv);
}

/* ---- Tests ---- */

static char said[65536];
static answer a;

static void serve_on(void)
{
    static char data[128];
    snprintf(data, sizeof data, "%s/data", root);
    const char *const flags[] = {"--data", data, "--loops", "1", "--dev", NULL};
    served_start(&server, flags);
}

static void start(void)
{
    memset(seen, 0, sizeof *seen);
    serve_on();
}

static void stop(void)
{
    CHECK_INT(kill(server.pid, SIGTERM), 0);
    size_t len = 0;
    for (ssize_t n; (n = read(server.log, said + len, sizeof said - 1 - len)) > 0;) len += (size_t)n;
    said[len] = 0;
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static const char *get(const char *path)
{
    char url[1024];
    snprintf(url, sizeof url, "%s%s", server.address, path);
    call(NULL, url, NULL, NULL, 20, &a);
    return a.body;
}

static int times(const char *text, const char *part)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part)) n++;
    return n;
}

static void test_tolerance(void)
{
    start();
    get("/each?settle=1");
    CHECK_INT(a.status, 200);
    CHECK(strncmp(a.body, "[{\"ok\":true,\"value\":10},{\"ok\":true,\"value\":20},{\"ok\":false,\"error\":\"3 is a",
                  70) == 0);
    CHECK(strstr(a.body, "{\"ok\":true,\"value\":200}]"));
    CHECK_INT(times(a.body, "\"ok\":true"), 14);
    CHECK_INT(times(a.body, "\"ok\":false"), 6);
    CHECK_INT(seen->done, 14);
    CHECK_INT(seen->most, 4);
    stop();
}

static void test_strict(void)
{
    start();
    get("/each");
    CHECK_INT(a.status, 500);
    CHECK(strstr(a.body, "3 is a multiple of 3") && strstr(a.body, "\"step\":\"item\""));
    CHECK(seen->done < 14);
    CHECK_STR(get("/each-plainly"), "[10,20]");
    stop();
}

static void test_group(void)
{
    start();
    CHECK_STR(get("/group"),
              "[{\"ok\":true,\"value\":10},{\"ok\":true,\"value\":20},{\"ok\":false,\"error\":\"once more\"},"
              "{\"ok\":true,\"value\":100},{\"ok\":false,\"error\":\"3 is a multiple of 3\"}]");
    CHECK_INT(seen->most, 2);
    stop();
}

static void error_of(int status, bool retryable)
{
    char path[256], expected[1024];
    snprintf(path, sizeof path, "/error?url=%s/busy%%3Fstatus=%d", server.address, status);
    snprintf(
        expected, sizeof expected,
        "[[{\"step\":\"ask\",\"path\":\"outer/ask\",\"status\":%d,\"attempts\":1,\"retryable\":%s,\"fatal\":%s},"
        "{\"step\":\"ask\",\"path\":\"outer/ask:1\",\"status\":%d,\"attempts\":1,\"retryable\":%s,\"fatal\":%s}],"
        "{\"step\":\"refuse\",\"path\":\"refuse\",\"status\":0,\"attempts\":1,\"retryable\":false,\"fatal\":true}]",
        status, retryable ? "true" : "false", retryable ? "false" : "true", status, retryable ? "true" : "false",
        retryable ? "false" : "true");
    char url[512], location[512], output[512];
    memset(seen, 0, sizeof *seen);
    snprintf(url, sizeof url, "%s%s", server.address, path);
    call(NULL, url, (const char *const[]){"Prefer: respond-async", NULL}, NULL, 0, &a);
    CHECK_INT(a.status, 202);
    snprintf(output, sizeof output, "%s", strstr(answer_header(&a, "Location", location, sizeof location), "/_sw/"));
    while (!__atomic_load_n(&seen->held, __ATOMIC_SEQ_CST)) usleep(1000);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    __atomic_store_n(&seen->go_on, 1, __ATOMIC_SEQ_CST);
    serve_on();
    CHECK_STR(get(output), expected);
    CHECK_INT(seen->tries, 2);
    CHECK_INT(seen->executions, 2); /* what was said came from the journal */
}

static void test_errors(void)
{
    start();
    error_of(503, true);
    error_of(404, false);
    stop();
}

static void test_log(void)
{
    start();
    char path[256];
    get("/each?settle=1");
    seen->go_on = 1;
    snprintf(path, sizeof path, "/error?url=%s/busy%%3Fstatus=503", server.address);
    get(path);
    CHECK_INT(a.status, 200);
    stop();
    CHECK_INT(times(said, "failed:"), 12);
    CHECK_INT(times(said, "step \"item\": attempt 1 failed: once more; the next is made in "), 3); /* 5, 10, 20 */
    CHECK_INT(times(said, "step \"item\": attempt 1 failed: 3 is a multiple of 3; it was the last"), 1);
    CHECK_INT(times(said, "step \"ask\": attempt 1 failed: "), 2);
    CHECK_INT(times(said, "step \"refuse\": attempt 1 failed: never; it was the last"), 1);
}

static void test_values(void)
{
    start();
    CHECK_STR(get("/values"), "nil is nil; bool is bool; int is int; float is float; string is string; binary is "
                              "binary; array is array; map is map; int too is int; ");
    CHECK_STR(get("/maps"), "as it should be");
    CHECK_STR(get("/text"), "[\"x\",270003]");
    stop();
}

static const check_case cases[] = {{"sw_each_with: a limit and tolerance", test_tolerance},
                                   {"without tolerance the first failure decides", test_strict},
                                   {"sw_group_new_with: a limit for branches too, options for all steps", test_group},
                                   {"sw_error says status and path, also after a restart", test_errors},
                                   {"each failed attempt is logged once", test_log},
                                   {"kinds and keys of values, maps without NULL, long texts", test_values}};

SERVED_MAIN_NOTES(serve, seen, cases)
