/* Questions for whose answer nobody waits any more, since what asked or waited was given up: people are told so at
 * once, from memory and from the journal, until another wait has the question open again. */
#include "runtime/run/question.h"
#include "tests/harness/turned.h"

enum { URL_MAX = 512 };

static struct {
    unsigned executions, attempts;
    char url[URL_MAX]; /* the path of the question's URL, and its query */
    char got[64];      /* what the last wait has got */
} seen;
static char text[TURNED_TEXT];

/* ---- The program ---- */

static void ask(sw_ctx *c)
{
    const char *url = sw_signal_url(c, "ask", "approve", &(sw_question){.text = "Go?"});
    CHECK(strncmp(url, "http://", 7) == 0 && strchr(url + 7, '/'));
    (void)snprintf(seen.url, sizeof seen.url, "%s", strchr(url + 7, '/'));
}

static sw_value hold(sw_ctx *c, sw_value v)
{
    seen.attempts++;
    for (;;) sw_sleep(c, "poll", 1);
    return v;
}

static sw_value ask_alone(sw_ctx *c, sw_value v)
{
    ask(c);
    return sw_step(c, "hold", hold, v);
}

/* The branch that asks is in one that loses. */
static sw_value ask_within(sw_ctx *c, sw_value v)
{
    sw_group *g = sw_group_new(c);
    sw_group_branch(g, "inner", ask_alone, v);
    return sw_group_wait(g);
}

/* Behind what was given up: waits for any signal, then for an answer. */
static void go_on(sw_ctx *c)
{
    sw_value v = sw_nil();
    (void)sw_wait_for(c, "more", &(sw_wait){.signal = "more"}, NULL);
    (void)sw_wait_for(c, "wait", &(sw_wait){.signal = "approve"}, &v);
    (void)snprintf(seen.got, sizeof seen.got, "%s", sw_cstr(c, v));
    sw_reply_text(c, 200, "%s", seen.got);
}

static void on_lost(sw_ctx *c)
{
    seen.executions++;
    sw_group *g = sw_group_new(c);
    sw_group_branch(g, "asker", ask_within, sw_nil());
    sw_group_wait_for(g, "other", &(sw_wait){.signal = "other"});
    (void)sw_group_any(g, "first", NULL);
    go_on(c);
}

static sw_value fail(sw_ctx *c, sw_value v)
{
    (void)v;
    sw_fail_fatal(c, "no luck");
}

static sw_value ask_beside(sw_ctx *c, sw_value v)
{
    ask(c);
    sw_group *g = sw_group_new(c);
    sw_group_wait_for(g, "wait", &(sw_wait){.signal = "approve"});
    sw_group_step(g, "fail", fail, v);
    return sw_group_wait(g);
}

/* Returns, and the group that nobody has waited for is over. */
static sw_value ask_and_leave(sw_ctx *c, sw_value v)
{
    ask(c);
    sw_group_wait_for(sw_group_new(c), "wait", &(sw_wait){.signal = "approve"});
    return v;
}

static void in_branch(sw_ctx *c, sw_step_fn fn)
{
    seen.executions++;
    sw_group *g = sw_group_new(c);
    sw_group_branch(g, "asker", fn, sw_nil());
    (void)sw_group_settle(g);
    go_on(c);
}

static void on_failed(sw_ctx *c) { in_branch(c, ask_beside); }
static void on_left(sw_ctx *c) { in_branch(c, ask_and_leave); }

static void routes(sw_app *app)
{
    memset(&seen, 0, sizeof seen);
    sw_endpoint(app, "POST /lost", on_lost, NULL);
    sw_endpoint(app, "POST /failed", on_failed, NULL);
    sw_endpoint(app, "POST /left", on_left, NULL);
}

/* ---- Asking ---- */

static int send_to(const char *method, const char *url, const char *body)
{
    char request[2048];
    int fd = turned_connect();
    int len = snprintf(request, sizeof request,
                       "%s %s HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Type: application/json\r\n"
                       "Content-Length: %zu\r\n\r\n%s",
                       method, url, strlen(body), body);
    CHECK(len < (int)sizeof request);
    CHECK_INT(write(fd, request, (size_t)len), len);
    return fd;
}

static void open_it(void) { turned_open(routes, (const char *const[]){"--dev", "--public-url", "http://here", NULL}); }

static bool is_parked(const run_id *id)
{
    const slot *s = turned_slot(id);
    return s && s->state == SLOT_PARKED;
}

static void check_over(const run_id *id, const char *url)
{
    turned_check(send_to("GET", url, ""), 410, "the time for an answer is over");
    turned_check(send_to("POST", url, "\"yes\""), 409, "the time for an answer is over");
    turned_check(turned_ask_run("GET", id, "", ""), 200, "\"state\":\"over\"");
}

/* In this process and in the next one; then a wait comes, and gets the answer. */
static void go_through(const run_id *id)
{
    char url[URL_MAX];
    memcpy(url, seen.url, sizeof url);
    TURN_UNTIL(is_parked(id));
    check_over(id, url);
    turned_end();
    open_it();
    TURN_UNTIL(is_parked(id));
    check_over(id, url);
    CHECK_INT(turned_reply(turned_send_signal(id, "more", NULL, "1"), text), 202);
    TURN_UNTIL(seen.executions > 0 && is_parked(id));
    turned_check(send_to("GET", url, ""), 200, "<form");
    turned_check(send_to("POST", url, "\"yes\""), 202, "accepted");
    TURN_UNTIL(!turned_slot(id));
    CHECK_STR(seen.got, "yes");
    CHECK_INT(turned_home()->counters.results_unasked, 0);
    turned_close();
}

/* ---- Tests ---- */

static run_id begin_lost(void)
{
    open_it();
    run_id id = turned_begin("POST /lost")->id;
    TURN_UNTIL(seen.attempts == 1 && turned_slot(&id) && turned_home()->outbox.in_flight == 0);
    turned_check(send_to("GET", seen.url, ""), 200, "<form");
    return id;
}

static void test_lost(void)
{
    run_id id = begin_lost();
    CHECK_INT(turned_reply(turned_send_signal(&id, "other", NULL, "1"), text), 202);
    go_through(&id);
}

/* The decision is not on disk yet. */
static void test_lost_just_now(void)
{
    run_id id = begin_lost();
    int fd = turned_send_signal(&id, "other", NULL, "1");
    TURN_UNTIL(turned_slot(&id)->run->task.strand_count == 1);
    turned_writes = false;
    CHECK(run_commit_is_under_way(turned_slot(&id)->run->commit));
    turned_check(send_to("POST", seen.url, "\"yes\""), 409, "the time for an answer is over");
    turned_writes = true;
    CHECK_INT(turned_reply(fd, text), 202);
    turned_close();
}

/* The wait was given up without a decision: something beside it has failed, or its branch was over. */
static void given_up(const char *route)
{
    open_it();
    run_id id = turned_park(route);
    go_through(&id);
}

static void test_failed(void) { given_up("POST /failed"); }
static void test_left(void) { given_up("POST /left"); }

static const check_case cases[] = {{"a branch that loses before it waits", test_lost},
                                   {"one that has just lost", test_lost_just_now},
                                   {"a wait beside a failure", test_failed},
                                   {"a wait that its branch leaves", test_left}};
CHECK_MAIN(cases)
