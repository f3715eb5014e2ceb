/* The trace that a request belongs to: taken from its headers, kept in the journal, told to the hosts of calls, and
 * named in log lines, also of a run that another process goes on with. */
#include "runtime/stepwell.h"
#include "tests/harness/served.h"
#include "tests/harness/wire.h"

#define TRACE     "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN      "00f067aa0ba902b7"
#define PARENT    "00-" TRACE "-" SPAN "-"
#define SAID      "traceparent: " PARENT
#define SAMPLED   SAID "01"
#define UNSAMPLED SAID "00"

/* ---- The program ---- */

static sw_value fetch(sw_ctx *c, sw_value headers)
{
    const char *own[] = {NULL, NULL, NULL};
    for (uint32_t i = 0; i < sw_len(headers) && i < 2; i++) own[i] = sw_cstr(c, sw_at(headers, i));
    sw_log(c, "the step says so");
    sw_response r = sw_fetch(c, &(sw_request){.url = getenv("UPSTREAM"), .headers = own});
    return sw_int(r.status);
}

static void on_call(sw_ctx *c)
{
    sw_log(c, "the handler says so");
    sw_step(c, "call", fetch, sw_nil());
    sw_reply_text(c, 200, "called");
}

static void on_own(sw_ctx *c)
{
    sw_step(c, "call", fetch, sw_array(c, 1, sw_str(c, "Traceparent: its own")));
    sw_reply_text(c, 200, "called");
}

static void on_late(sw_ctx *c)
{
    sw_sleep(c, "nap", 400);
    sw_step(c, "call", fetch, sw_nil());
    sw_reply_text(c, 200, "called");
}

static void on_plain(sw_ctx *c)
{
    (void)fetch(c, sw_nil());
    sw_reply_text(c, 200, "called");
}

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("traced");
    sw_endpoint(app, "POST /call", on_call, NULL);
    sw_endpoint(app, "POST /own", on_own, NULL);
    sw_endpoint(app, "POST /late", on_late, NULL);
    sw_route(app, "POST /plain", on_plain);
    return sw_main(app, argc, argv);
}

/* ---- The test ---- */

static bool answer_ok(int fd, const wire_request *r)
{
    static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    (void)r;
    wire_say(fd, ok, sizeof ok - 1);
    return true;
}

static answer a;
static char data_dir[128];

static void start(const char *flag, const char *value)
{
    char where[512];
    snprintf(where, sizeof where, "%s", wire_url("/"));
    CHECK(setenv("UPSTREAM", where, 1) == 0);
    snprintf(data_dir, sizeof data_dir, "%s/data", root);
    served_start(&server,
                 (const char *const[]){"--data", data_dir, "--loops", "1", "--park-after", "1ms", flag, value, NULL});
}

static void ask(const char *path, const char *const *headers)
{
    call("POST", server_url(path), headers, "", 4, &a);
    CHECK_INT(a.status, 200);
    CHECK_STR(a.body, "called");
}

/* The value of a header of the last request that the upstream got, with its name; "": it has none. */
static const char *heard(const char *name)
{
    static char line[2048];
    CHECK(wire_heard() > 0);
    const wire_request *r = wire.heard[wire_heard() - 1];
    char search[64];
    snprintf(search, sizeof search, "\r\n%s:", name);
    const char *at = strcasestr(r->head, search);
    CHECK(!at || !strcasestr(at + 2, search)); /* once at most */
    snprintf(line, sizeof line, "%.*s", at ? (int)strcspn(at + 2, "\r\n") : 0, at ? at + 2 : "");
    return line;
}

static const char *const all_headers[] = {SAMPLED, "tracestate: a=1", "TraceState: b=2 ", "baggage: user=alice;x",
                                          NULL};

/* Whoever calls may not decide what this service and those behind it record. */
static void test_told(void)
{
    wire_listen(answer_ok);
    start("--hold", "10s");
    ask("/call", all_headers);
    CHECK_STR(heard("traceparent"), UNSAMPLED);
    CHECK_STR(heard("tracestate"), "");
    CHECK_STR(heard("baggage"), "");
    ask("/plain", all_headers);
    CHECK_STR(heard("traceparent"), UNSAMPLED);
    ask("/call", (const char *const[]){"X: y", NULL});
    CHECK_STR(heard("traceparent"), "");
    ask("/own", all_headers);
    CHECK_STR(heard("traceparent"), "Traceparent: its own");
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    start("--trace-trust", "--trace-hosts=*");
    ask("/call", all_headers);
    CHECK_STR(heard("traceparent"), SAMPLED);
    CHECK_STR(heard("tracestate"), "tracestate: a=1,b=2");
    CHECK_STR(heard("baggage"), "baggage: user=alice;x");
    ask("/own", all_headers);
    CHECK_STR(heard("traceparent"), "Traceparent: its own");
    CHECK_STR(heard("baggage"), "");
    ask("/plain", (const char *const[]){UNSAMPLED, "tracestate: bad", "baggage: also bad", NULL});
    CHECK_STR(heard("traceparent"), UNSAMPLED);
    CHECK_STR(heard("tracestate"), "");
    CHECK_STR(heard("baggage"), "");
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    wire_shut();
}

static void test_hosts(void)
{
    wire_listen(answer_ok);
    start("--trace-hosts", "other.example,127.0.0.1");
    ask("/call", all_headers);
    CHECK_STR(heard("traceparent"), UNSAMPLED);
    CHECK_STR(heard("tracestate"), "tracestate: a=1,b=2");
    CHECK_STR(heard("baggage"), "baggage: user=alice;x");
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    start("--trace-hosts", "other.example");
    ask("/call", all_headers);
    CHECK_STR(heard("traceparent"), "");
    CHECK_STR(heard("tracestate"), "");
    CHECK_STR(heard("baggage"), "");
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    wire_shut();
}

/* Two traceparents, or one that is none, name no trace. */
static void test_refused(void)
{
    wire_listen(answer_ok);
    start("--trace-trust", "--trace-hosts=*");
    ask("/call", (const char *const[]){SAMPLED, UNSAMPLED, NULL});
    CHECK_STR(heard("traceparent"), "");
    ask("/call", (const char *const[]){SAMPLED "-more", "tracestate: a=1", NULL});
    CHECK_STR(heard("traceparent"), "");
    CHECK_STR(heard("tracestate"), "");
    ask("/call", (const char *const[]){"traceparent: 00-" TRACE "-0000000000000000-01", NULL});
    CHECK_STR(heard("traceparent"), "");
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    wire_shut();
}

/* A run that parks is loaded from its journal, and so is one whose process dies. */
static void test_journaled(void)
{
    char output[512];
    wire_listen(answer_ok);
    start("--trace-trust", "--trace-hosts=*");
    ask("/late", all_headers);
    CHECK_STR(heard("traceparent"), SAMPLED);
    CHECK_STR(heard("tracestate"), "tracestate: a=1,b=2");
    size_t before = wire_heard();
    const char *const async[] = {"Prefer: respond-async", all_headers[0], all_headers[1], all_headers[3], NULL};
    call("POST", server_url("/late"), async, "", 0, &a);
    CHECK_INT(a.status, 202);
    char location[2048];
    const char *found = strstr(answer_header(&a, "Location", location, sizeof location), "/_sw/");
    CHECK(found);
    snprintf(output, sizeof output, "%s", found);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    start("--trace-trust", "--trace-hosts=*");
    call(NULL, server_url(output), NULL, NULL, 9, &a);
    CHECK_STR(a.body, "called");
    CHECK_INT(wire_heard(), before + 1);
    CHECK_STR(heard("traceparent"), SAMPLED);
    CHECK_STR(heard("tracestate"), "tracestate: a=1");
    CHECK_STR(heard("baggage"), "baggage: user=alice;x");
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    wire_shut();
}

/* What the server has logged since it began to serve. */
static const char *logged(void)
{
    static char said[65536];
    size_t len = 0;
    for (ssize_t n; (n = read(server.log, said + len, sizeof said - 1 - len)) > 0;) len += (size_t)n;
    said[len] = 0;
    return said;
}

static void test_log(void)
{
    wire_listen(answer_ok);
    start("--log-format", "json");
    ask("/call", all_headers);
    CHECK(kill(server.pid, SIGTERM) == 0);
    const char *said = logged();
    CHECK(strstr(said, "\"trace_id\":\"" TRACE "\",\"span_id\":\"" SPAN "\",\"message\":\"the handler says so\"}"));
    CHECK(strstr(said, "\"trace_id\":\"" TRACE "\",\"span_id\":\"" SPAN "\",\"message\":\"the step says so\"}"));
    CHECK_INT(waitpid(server.pid, NULL, 0), server.pid);
    close(server.log);
    start("--log-format", "text");
    ask("/call", all_headers);
    ask("/call", NULL);
    CHECK(kill(server.pid, SIGTERM) == 0);
    said = logged();
    CHECK(strstr(said, " trace " TRACE " span " SPAN " the step says so\n"));
    const char *second = strstr(strstr(said, "the step says so\n") + 1, "the handler says so\n");
    CHECK(second && !strstr(second, " trace "));
    CHECK_INT(waitpid(server.pid, NULL, 0), server.pid);
    close(server.log);
    wire_shut();
}

static const check_case cases[] = {{"what calls are told", test_told},
                                   {"hosts that are told", test_hosts},
                                   {"headers that name no trace", test_refused},
                                   {"a trace in the journal", test_journaled},
                                   {"a trace in the log", test_log}};

SERVED_MAIN(serve, NULL, cases)
