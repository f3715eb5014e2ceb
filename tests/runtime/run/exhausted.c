/* Endpoints whose runs stop when a step has used its retries (.on_exhausted = SW_STOP): clients are told why, a release
 * gives those steps, and no others, their retries anew, and what was done stays done. */
#include "tests/harness/clock_faults.h"
#include "tests/harness/turned.h"

/* What the services that the steps call have seen. */
typedef struct notes {
    bool up;                                   /* the service of "charge" answers */
    unsigned plans, charges, mails, optionals; /* attempts */
    int attempt;                               /* the number of the last of "charge" */
    bool holds, go;                            /* its second attempt waits for `go` */
    char key[27];                              /* sw_step_key of "charge" */
} notes;
static notes seen;

static const sw_step_options twice = {.retries = 1, .backoff_ms = 1};

/* ---- The program ---- */

static sw_value plan(sw_ctx *c, sw_value v)
{
    (void)c;
    seen.plans++;
    return v;
}

static sw_value charge(sw_ctx *c, sw_value v)
{
    seen.charges++;
    seen.attempt = sw_attempt(c);
    if (!*seen.key) snprintf(seen.key, sizeof seen.key, "%s", sw_step_key(c));
    CHECK_STR(sw_step_key(c), seen.key);
    while (seen.holds && seen.attempt == 2 && !seen.go) sw_sleep(c, "hold", 1);
    if (!seen.up) sw_fail(c, "the bank says \"closed\"\nuntil Monday");
    return v;
}

static sw_value mail(sw_ctx *c, sw_value v)
{
    seen.mails++;
    if (!seen.up) sw_fail(c, "no post today");
    return v;
}

static sw_value optional(sw_ctx *c, sw_value v)
{
    seen.optionals++;
    if (seen.up) return v;
    sw_fail(c, "not now");
}

static sw_value refuse(sw_ctx *c, sw_value v)
{
    (void)v;
    sw_fail_fatal(c, "this card is stolen");
}

static void on_order(sw_ctx *c)
{
    sw_value out = sw_step(c, "plan", plan, sw_int(7));
    out = sw_step_with(c, "charge", charge, out, &twice);
    sw_reply_text(c, 200, "charged %lld", (long long)sw_as_int(out, 0));
}

static sw_value twig(sw_ctx *c, sw_value v) { return sw_step_with(c, "mail", mail, v, &twice); }

/* What was dealt with before is not asked again, whatever the service says meanwhile. */
static void on_group(sw_ctx *c)
{
    sw_value had = sw_nil();
    bool is_there = sw_try_with(c, "optional", optional, sw_nil(), &twice, &had, NULL);
    sw_group *g = sw_group_new(c);
    sw_group_step_with(g, "charge", charge, sw_int(1), &twice);
    sw_group_step(g, "plan", plan, sw_int(2));
    sw_group_branch(g, "twig", twig, sw_int(3));
    sw_reply_text(c, 200, "%s %zu", is_there ? "with" : "without", sw_len(sw_group_wait(g)));
}

static void on_each(sw_ctx *c)
{
    sw_value inputs = sw_array(c, 3, sw_int(1), sw_int(2), sw_int(3));
    sw_reply_text(c, 200, "%zu", sw_len(sw_each(c, "mail", mail, inputs, 2)));
}

static void on_fatal(sw_ctx *c) { (void)sw_step(c, "refuse", refuse, sw_nil()); }

/* One of its causes can never be mended. */
static void on_both(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    sw_group_step_with(g, "charge", charge, sw_int(1), &twice);
    sw_group_step(g, "refuse", refuse, sw_nil());
    (void)sw_group_wait(g);
}

static void on_settled(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    sw_group_step_with(g, "charge", charge, sw_int(1), &twice);
    sw_reply_json(c, 200, sw_group_settle(g));
}

/* The handler has taken the failure, and fails by itself. */
static void on_taken(sw_ctx *c)
{
    sw_error e;
    if (!sw_try_with(c, "charge", charge, sw_int(1), &twice, NULL, &e)) sw_fail(c, "not today: %s", e.message);
}

static void routes(sw_app *app)
{
    const sw_endpoint_options stops = {.on_exhausted = SW_STOP, .timeout_ms = 3600000};
    seen = (notes){.go = false};
    sw_endpoint(app, "POST /order", on_order, &stops);
    sw_endpoint(app, "POST /group", on_group, &stops);
    sw_endpoint(app, "POST /each", on_each, &stops);
    sw_endpoint(app, "POST /fatal", on_fatal, &stops);
    sw_endpoint(app, "POST /both", on_both, &stops);
    sw_endpoint(app, "POST /settled", on_settled, &stops);
    sw_endpoint(app, "POST /taken", on_taken, &stops);
    sw_endpoint(app, "POST /fails", on_order, NULL);
}

/* ---- Looking ---- */

static bool is_stopped(const run_id *id)
{
    const slot *s = slot_find(&turned_home()->slots, id);
    return s && s->state == SLOT_STOPPED && !s->run;
}

static void check_journal(const run_id *id, const char *text)
{
    turned_journal j;
    turned_load(id, &j);
    CHECK_STR(j.text, text);
}

static void check_output(const run_id *id, int status, const char *part)
{
    turned_check(turned_send_to("GET", id, "/output"), status, part);
}

static void release(const run_id *id)
{
    char text[TURNED_TEXT];
    int got = turned_reply(turned_send_to("POST", id, "/release"), text);
    if (got != 200) printf("# %s\n", text);
    CHECK_INT(got, 200);
    CHECK(strstr(text, "\"status\":\"released\""));
}

/* `answer`: --stopped-answer. */
static void open_with(const char *answer)
{
    const char *const flags[] = {"--hold", "100ms", "--stopped-answer", answer, NULL};
    turned_open(routes, flags);
}

static run_id begin_and_stop(const char *route)
{
    run_id id = turned_begin(route)->id;
    TURN_UNTIL(is_stopped(&id));
    CHECK_INT(slot_find(&turned_home()->slots, &id)->stop, STOP_EXHAUSTED);
    return id;
}

static const char detail[] =
    "\"reason\":\"exhausted\",\"detail\":\"step \\\"charge\\\" has used its retries (2 attempts): "
    "the bank says \\\"closed\\\"\\nuntil Monday\"";

/* ---- The cases ---- */

static void test_stops(void)
{
    char stream[TURNED_TEXT] = "", text[TURNED_TEXT];
    open_with("1h");
    int fd = turned_send("POST", "/order", "");
    CHECK_INT(turned_reply(fd, text), 303); /* its client has a URL to wait at */
    CHECK_INT(seen.charges, 2);
    CHECK_INT(turned_home()->slots.stopped, 1);
    CHECK_INT(turned_home()->counters.runs_failed, 0);
    run_id id;
    CHECK(run_id_parse(strstr(text, "/runs/") + strlen("/runs/"), RUN_ID_TEXT, &id) && is_stopped(&id));
    check_journal(&id, "started; step done plan; step failed charge; step failed charge; stopped");
    check_output(&id, 303, "/output"); /* it may go on: waiting is worth while */
    fd = turned_send_to("GET", &id, "/stream");
    while (!strstr(stream, "stepwell.stopped")) CHECK(turned_turn() && turned_read(fd, stream));
    if (!strstr(stream, detail)) printf("# %s\n", stream);
    CHECK(strstr(stream, "\"detail\":\"step \\\"charge\\\" has used its retries (2 attempts): "
                         "the bank says \\\"closed\\\"\\nuntil Monday\"}"));
    seen.up = true;
    release(&id); /* with the run's token */
    check_output(&id, 200, "charged 7");
    while (turned_read(fd, stream)) CHECK(turned_turn());
    CHECK(strstr(stream, "charged 7"));
    close(fd);
    CHECK_INT(seen.plans, 1);
    CHECK_INT(seen.charges, 3);
    CHECK_INT(seen.attempt, 1);
    check_journal(&id, "started; step done plan; step failed charge; step failed charge; stopped; released; "
                       "step done charge; response; ended");
    turned_close();
}

static void test_answer(void)
{
    char text[TURNED_TEXT];
    open_with("0");
    run_id id = begin_and_stop("POST /order");
    CHECK_INT(turned_reply(turned_send_to("GET", &id, "/output"), text), 503);
    CHECK(strstr(text, "\r\nRetry-After: 30\r\n") && strstr(text, "application/problem+json"));
    CHECK(strstr(text, "the bank says \\\"closed\\\"\\nuntil Monday\"") && strstr(text, "\"reason\":\"exhausted\""));
    CHECK_INT(seen.charges, 2);
    seen.up = true;
    release(&id);
    check_output(&id, 200, "charged 7");
    turned_close();
}

/* Whoever waits there when that time is over is told then, however long it would be held. */
static void told_in_time(bool is_first)
{
    static const char *const flags[] = {"--hold", "6h", "--stopped-answer", "1h", NULL};
    char text[TURNED_TEXT] = "";
    turned_open(routes, flags);
    run_id id = turned_begin("POST /order")->id;
    if (!is_first) TURN_UNTIL(is_stopped(&id));
    int fd = turned_send_to("GET", &id, "/output");
    TURN_UNTIL(is_stopped(&id));
    turned_often();
    CHECK(turned_read(fd, text));
    CHECK_STR(text, "");
    clocks->slept_ms += 3590000;
    timers_look(&turned_home()->timers);
    turned_often();
    CHECK(turned_read(fd, text));
    CHECK_STR(text, "");
    clocks->slept_ms += 10000;
    timers_look(&turned_home()->timers);
    turned_often();
    for (int i = 0; i < 100 && !*text; i++) CHECK(turned_turn() && turned_read(fd, text));
    CHECK(strstr(text, "HTTP/1.1 503 ") && strstr(text, "the bank says") && strstr(text, "\"reason\":\"exhausted\""));
    close(fd);
    clocks->slept_ms = 0;
    turned_close();
}

static void test_told(void) { told_in_time(true); }
static void test_told_later(void) { told_in_time(false); }

/* It wanted to wait for a while, as for a run that goes on. */
static void test_wait(void)
{
    char text[TURNED_TEXT];
    turned_open(routes, (const char *const[]){"--hold", "6h", NULL});
    CHECK_INT(turned_reply(turned_send("POST", "/order", "Prefer: wait=3600\r\n"), text), 202);
    CHECK_INT(seen.charges, 2);
    CHECK_INT(turned_home()->slots.stopped, 1);
    turned_close();
}

/* The service is still down: it stops again, after all its retries. */
static void test_again(void)
{
    open_with("1h");
    run_id id = begin_and_stop("POST /order");
    release(&id);
    TURN_UNTIL(is_stopped(&id));
    CHECK_INT(seen.charges, 4);
    CHECK_INT(seen.attempt, 2);
    turned_end(); /* and the next process knows it */
    open_with("1h");
    TURN_UNTIL(is_stopped(&id));
    CHECK_INT(seen.charges, 0);
    seen.up = true;
    release(&id);
    check_output(&id, 200, "charged 7");
    CHECK_INT(seen.plans, 0);
    CHECK_INT(seen.charges, 1);
    turned_close();
}

static void test_group(void)
{
    open_with("0");
    run_id id = begin_and_stop("POST /group");
    check_output(&id, 503, "has used its retries (2 attempts), and so have 1 others: ");
    CHECK_INT(seen.optionals, 2);
    CHECK_INT(seen.mails, 2);
    seen.up = true;
    release(&id);
    check_output(&id, 200, "without 3");
    CHECK_INT(seen.optionals, 2);
    CHECK_INT(seen.plans, 1);
    CHECK_INT(seen.charges, 3);
    CHECK_INT(seen.mails, 3);
    turned_close();
}

/* One that waited for its next attempt when another stopped the run does not wait any longer, nor count on. */
static void test_each(void)
{
    open_with("1h");
    run_id id = begin_and_stop("POST /each");
    unsigned before = seen.mails;
    CHECK(before >= 5 && before <= 10);
    seen.up = true;
    release(&id);
    check_output(&id, 200, "\r\n3");
    CHECK_INT(seen.mails, before + 3);
    turned_close();
}

/* What trying again cannot mend fails as ever, and so does what the handler has taken. */
static void test_fails(void)
{
    open_with("1h");
    static const struct {
        const char *route, *part;
        int status;
    } all[] = {{"POST /fatal", "this card is stolen", 500},
               {"POST /both", "the bank says", 500},
               {"POST /taken", "not today: the bank says", 500},
               {"POST /fails", "the bank says", 500},
               {"POST /settled", "\"ok\":false", 200}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        seen.key[0] = 0;
        run *r = turned_begin(all[i].route);
        run_id id = r->id;
        check_output(&id, all[i].status, all[i].part);
    }
    CHECK_INT(turned_home()->slots.stopped, 0);
    turned_close();
}

/* Its deadline stands still while it does. */
static void test_deadline(void)
{
    open_with("1h");
    run_id id = begin_and_stop("POST /order");
    clocks->slept_ms += 2 * 3600000;
    seen.up = true;
    release(&id);
    check_output(&id, 200, "charged 7");
    clocks->slept_ms = 0;
    turned_close();
}

static void test_cancelled(void)
{
    char text[TURNED_TEXT];
    open_with("1h");
    run_id id = begin_and_stop("POST /order");
    CHECK_INT(turned_reply(turned_send_to("DELETE", &id, ""), text), 200);
    check_output(&id, 410, "cancelled");
    CHECK_INT(seen.charges, 2);
    turned_close();
}

/* Its last attempt fails while the process drains: it stops, and the next one finds it so. */
static void test_drained(void)
{
    open_with("1h");
    run_id id = turned_begin("POST /order")->id;
    seen.holds = true;
    TURN_UNTIL(seen.charges == 2);
    turned_drain();
    turned_often();
    seen.go = true;
    turned_end();
    open_with("1h");
    TURN_UNTIL(is_stopped(&id));
    check_journal(&id, "started; step done plan; step failed charge; step failed charge; stopped");
    seen.up = true;
    release(&id);
    check_output(&id, 200, "charged 7");
    turned_close();
}

/* The machine dies between the last failure and the stop: the next process comes to the same. */
static void test_lost(void)
{
    open_with("1h");
    run *r = turned_begin("POST /order");
    run_id id = r->id;
    seen.holds = true;
    TURN_UNTIL(seen.charges == 2 && r->seq_durable == r->seq_next);
    turned_writes = false;
    seen.go = true;
    turned_often();
    memory_fail(turned_disk, MEMORY_REFUSES, 0, false);
    turned_writes = true;
    seen.charges = 0;
    TURN_UNTIL(is_stopped(&id)); /* what was refused is made again from what is on disk */
    CHECK_INT(seen.charges, 1);
    check_journal(&id, "started; step done plan; step failed charge; step failed charge; stopped");
    turned_close();
}

static const check_case cases[] = {
    {"the run stops, its clients are told why, and a release gives the step its retries anew", test_stops},
    {"its output URL answers 503 when --stopped-answer is over", test_answer},
    {"who waits there is told when that time is over", test_told},
    {"who comes while it is stopped, too", test_told_later},
    {"a request that waits for a while is told that it takes longer", test_wait},
    {"released in vain it stops again, also for the next process", test_again},
    {"of a group those that have failed are tried again, and what was dealt with stays", test_group},
    {"elements of sw_each that waited for their next attempt are tried again", test_each},
    {"what is fatal, or was taken by the handler, stops nothing", test_fails},
    {"its deadline stands still", test_deadline},
    {"a cancel ends it", test_cancelled},
    {"it comes to that while the process drains", test_drained},
    {"the entries of the last failure are lost", test_lost},
};

int main(int argc, char **argv)
{
    static clocks_state own;
    clocks = &own;
    return check_run(cases, sizeof cases / sizeof cases[0], argc, argv);
}
