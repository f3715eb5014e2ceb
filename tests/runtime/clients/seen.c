/* A page of a question is shown again and again without a read of the run's journal, as long as nothing of the run is
 * written and the time is not over; and each that is shown is true. */
#include "runtime/run/question_seen.h"
#include "tests/harness/turned.h"

static char url[512], text[TURNED_TEXT];
static unsigned executions;

static void on_ask(sw_ctx *c)
{
    sw_value v = sw_nil();
    executions++;
    const char *at = sw_signal_url(c, "ask", "answer", &(sw_question){.text = "May it go on?"});
    snprintf(url, sizeof url, "%s", strchr(at + 7, '/'));
    (void)sw_wait_for(c, "early", &(sw_wait){.signal = "answer", .timeout_ms = 1}, NULL);
    (void)sw_wait_for(c, "more", &(sw_wait){.signal = "more"}, NULL);
    (void)sw_wait_for(c, "wait", &(sw_wait){.signal = "answer"}, &v);
    (void)sw_wait_for(c, "more", &(sw_wait){.signal = "more"}, NULL);
    sw_reply_json(c, 200, v);
}

static void routes(sw_app *app)
{
    executions = 0;
    sw_endpoint(app, "POST /ask", on_ask, NULL);
}

/* Looks at the page. Returns how many reads of the disk that took; the inbox is always read. */
static unsigned look(int status, const char *part)
{
    unsigned reads = 0;
    int fd = turned_send("GET", url, ""), came = 0;
    text[0] = 0;
    while (turned_read(fd, text)) {
        for (; store_hand_reads(turned_app->store) > 0; reads++) store_hand_read(turned_app->store, 0);
        CHECK(turned_turn_unread());
    }
    close(fd);
    CHECK(sscanf(text, "HTTP/1.1 %d", &came) == 1 && strstr(text, part));
    CHECK_INT(came, status);
    return reads;
}

static void go_on(const run_id *id, const char *name, unsigned to)
{
    turned_check(turned_send_signal(id, name, NULL, "\"yes\""), 202, "");
    TURN_UNTIL(executions == to && turned_slot(id)->state == SLOT_PARKED);
}

static void test_seen(void)
{
    turned_open(routes, NULL);
    run_id id = turned_park("POST /ask");
    CHECK_INT(look(410, "is over"), 2);
    CHECK_INT(look(410, "is over"), 1);
    go_on(&id, "more", executions + 1); /* another wait has the question open again */
    CHECK_INT(look(200, "<form"), 2);
    CHECK_INT(look(200, "<form"), 1);
    turned_check(turned_send_signal(&id, "other", NULL, "1"), 202, "");
    CHECK_INT(look(200, "<form"), 1);
    go_on(&id, "answer", executions + 1);
    CHECK_INT(look(200, "<strong>yes</strong>"), 2);
    CHECK_INT(look(200, "<strong>yes</strong>"), 1);
    turned_check(turned_send_signal(&id, "more", NULL, "1"), 202, "");
    TURN_UNTIL(!turned_slot(&id));
    turned_often();
    CHECK_INT(look(200, "<strong>yes</strong>"), 2);
    CHECK_INT(look(200, "<strong>yes</strong>"), 1);
    turned_close();
}

/* The run goes on and parks again while its journal is being read for a page: what was read is not known then. */
static void test_meanwhile(void)
{
    turned_open(routes, NULL);
    run_id id = turned_park("POST /ask");
    int fd = turned_send("GET", url, "");
    while (store_hand_reads(turned_app->store) == 0) CHECK(turned_turn_unread());
    store_hand_read(turned_app->store, 0); /* the inbox */
    while (store_hand_reads(turned_app->store) == 0) CHECK(turned_turn_unread());
    store_hand_read(turned_app->store, 0); /* the journal, of which the loop learns in its next turn */
    int more = turned_send_signal(&id, "more", NULL, "1");
    CHECK_INT(turned_reply(fd, text), 410);
    CHECK_INT(turned_reply(more, text), 202);
    TURN_UNTIL(executions == 2 && turned_slot(&id)->state == SLOT_PARKED);
    CHECK_INT(look(200, "<form"), 2);
    turned_close();
}

/* Whether what is known of the question of the path 7 is this state. */
static bool knows(const run_id *id, question_state state)
{
    arena a;
    question_found found;
    arena_init(&a, NULL);
    bool knows_it = question_seen_find(turned_home(), id, 7, &a, &found) && found.state == state;
    arena_free(&a);
    return knows_it;
}

/* A read that takes long may come back behind entries that it has not seen, while another one is under way. */
static void test_slow_read(void)
{
    const question_found old = {.is_there = true, .state = QUESTION_OPEN},
                         now = {.is_there = true, .state = QUESTION_OVER};
    turned_open(routes, NULL);
    const run_id id = turned_park("POST /ask");
    home *h = turned_home();
    const uint64_t slow = question_seen_begin(h, &id, 7);
    question_seen_drop(h, &id); /* entries are written */
    question_seen_note(h, &id, 7, slow, &old);
    CHECK(!knows(&id, QUESTION_OPEN));
    const uint64_t second = question_seen_begin(h, &id, 7), third = question_seen_begin(h, &id, 7);
    question_seen_note(h, &id, 7, slow, &old);
    question_seen_note(h, &id, 7, 0, &old); /* began while the run was in memory */
    CHECK(!knows(&id, QUESTION_OPEN));
    question_seen_note(h, &id, 7, third, &now);
    CHECK(knows(&id, QUESTION_OVER));
    question_seen_note(h, &id, 7, second, &old);
    CHECK(knows(&id, QUESTION_OVER)); /* one of them is enough */
    question_seen_drop(h, &id);
    (void)question_seen_begin(h, &id, 7);
    question_seen_note(h, &id, 7, third, &now);
    CHECK(!knows(&id, QUESTION_OVER));
    turned_close();
}

/* A read that fails leaves its place: whoever reads next tells. */
static void test_failed_read(void)
{
    const question_found now = {.is_there = true, .state = QUESTION_OVER};
    turned_open(routes, NULL);
    const run_id id = turned_park("POST /ask");
    (void)question_seen_begin(turned_home(), &id, 7);
    question_seen_note(turned_home(), &id, 7, question_seen_begin(turned_home(), &id, 7), &now);
    CHECK(knows(&id, QUESTION_OVER));
    turned_close();
}

/* Of many questions the oldest one goes. */
static void test_places(void)
{
    char first[sizeof url];
    turned_open(routes, NULL);
    (void)turned_park("POST /ask");
    snprintf(first, sizeof first, "%s", url);
    CHECK_INT(look(410, "is over"), 2);
    for (int i = 0; i < SEEN_MAX; i++) {
        (void)turned_park("POST /ask");
        CHECK_INT(look(410, "is over"), 2);
    }
    CHECK_INT(look(410, "is over"), 1);
    snprintf(url, sizeof url, "%s", first);
    CHECK_INT(look(410, "is over"), 2);
    turned_close();
}

static const check_case cases[] = {{"a page that is loaded again", test_seen},
                                   {"a run that goes on meanwhile", test_meanwhile},
                                   {"a read that is slower than what is written", test_slow_read},
                                   {"a read that fails", test_failed_read},
                                   {"many questions", test_places}};
CHECK_MAIN(cases)
