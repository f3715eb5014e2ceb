/* A run that is stopped while it is in memory: attempts under way finish and count, nothing else begins, it stands
 * still and goes on when it is released; whatever else happens to it meanwhile. */
#include "tests/harness/turned.h"

typedef struct notes {
    unsigned longs, afters; /* attempts that began */
    bool go;
    unsigned chunks; /* of 8 KiB, that the step streams when it goes on */
} notes;
static notes seen;
static const char piece[8192];

static sw_value take_long(sw_ctx *c, sw_value v)
{
    seen.longs++;
    sw_push_chunk(c, sw_str(c, "under way"));
    while (!seen.go) sw_sleep(c, "poll", 1);
    for (unsigned i = 0; i < seen.chunks; i++) {
        sw_push_chunk(c, sw_strn(c, piece, sizeof piece));
        sw_sleep(c, "pace", 1); /* each is a segment */
    }
    return v;
}

static sw_value take_after(sw_ctx *c, sw_value v)
{
    (void)c;
    seen.afters++;
    return v;
}

static void on_work(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    sw_group_step(g, "long", take_long, sw_nil());
    (void)sw_group_wait(g);
    (void)sw_step(c, "after", take_after, sw_nil());
    sw_reply_text(c, 200, "worked");
}

static void on_nap(sw_ctx *c)
{
    sw_sleep(c, "nap", 3600000);
    sw_reply_text(c, 200, "rested");
}

static void routes(sw_app *app)
{
    seen = (notes){.go = false};
    sw_endpoint(app, "POST /work", on_work, NULL);
    sw_endpoint(app, "POST /nap", on_nap, NULL);
}

/* Its attempt is under way, and it is on disk. */
static run *begin_work(run_id *id)
{
    const char *const flags[] = {"--hold", "1h", NULL};
    turned_open(routes, flags);
    run *r = turned_begin("POST /work");
    *id = r->id;
    TURN_UNTIL(seen.longs == 1 && run_is_durable(r));
    return r;
}

static bool is_stopped(const run_id *id)
{
    const slot *s = slot_find(&turned_home()->slots, id);
    return s && s->state == SLOT_STOPPED && !s->run;
}

static void check_journal(const run_id *id, const char *text)
{
    turned_journal j;
    turned_load(id, &j);
    CHECK(j.found);
    CHECK_STR(j.text, text);
}

static void check_output(const run_id *id, int status, const char *part)
{
    turned_check(turned_send_to("GET", id, "/output"), status, part);
}

/* ---- The cases ---- */

static void test_stands(void)
{
    run_id id;
    char stream[TURNED_TEXT] = "", released[TURNED_TEXT];
    run *r = begin_work(&id);
    int fd = turned_send_to("GET", &id, "/stream");
    TURN_UNTIL(r->waiters);
    run_stop(r, STOP_DIFFERS, 7, "its input was another");
    turned_often();
    CHECK_INT(r->state, RUN_STOPPING); /* its attempt has its time */
    CHECK(!strstr(stream, "stepwell.stopped"));
    seen.go = true;
    TURN_UNTIL(is_stopped(&id));
    CHECK_INT(turned_home()->slots.stopped, 1);
    CHECK_INT(seen.afters, 0);
    check_journal(&id, "started; chunk long; stopped; step done long");
    while (!strstr(stream, "stepwell.stopped")) CHECK(turned_turn() && turned_read(fd, stream));
    CHECK(strstr(stream, "under way") && strstr(stream, "\"reason\":\"differs\""));
    close(fd);
    CHECK_INT(turned_reply(turned_send_release(&id), released), 200);
    check_output(&id, 200, "worked");
    CHECK_INT(seen.longs, 1);
    CHECK_INT(seen.afters, 1);
    check_journal(&id, "started; chunk long; stopped; step done long; released; step done after; response; ended");
    turned_close();
}

/* Its attempt streams more than a list reads of a journal. */
static void test_listed(void)
{
    run_id id;
    char list[TURNED_TEXT];
    run *r = begin_work(&id);
    run_stop(r, STOP_DIFFERS, 7, "its input was another");
    seen.chunks = 40;
    seen.go = true;
    TURN_UNTIL(is_stopped(&id));
    for (int i = 0; i < 2; i++) {
        CHECK_INT(turned_reply(turned_ask("GET", "/_sw/runs", ""), list), 200);
        if (!strstr(list, "\"state\":\"stopped\"")) printf("# %s\n", list);
        CHECK(strstr(list, "\"state\":\"stopped\"") && strstr(list, "its input was another"));
        if (i > 0) break;
        turned_end(); /* the next process says the same */
        turned_open(routes, NULL);
        TURN_UNTIL(is_stopped(&id));
    }
    char text[TURNED_TEXT];
    seen.go = true;
    CHECK_INT(turned_reply(turned_send_release(&id), text), 200);
    CHECK_INT(turned_reply(turned_ask("GET", "/_sw/runs", ""), list), 200);
    CHECK(!strstr(list, "\"state\":\"stopped\""));
    turned_close();
}

/* Nothing of it is at work: it leaves at once, without being loaded. */
static void test_asleep(void)
{
    const char *const flags[] = {"--park-after", "2h", NULL};
    turned_open(routes, flags);
    run *r = turned_begin("POST /nap");
    run_id id = r->id;
    TURN_UNTIL(run_is_durable(r));
    run_stop(r, STOP_OPERATOR, 0, "for a while");
    run_stop(r, STOP_EXHAUSTED, 0, "a second reason changes nothing");
    TURN_UNTIL(is_stopped(&id));
    CHECK_INT(slot_find(&turned_home()->slots, &id)->stop, STOP_OPERATOR);
    CHECK_INT(turned_home()->counters.runs_resumed, 0);
    check_journal(&id, "started; sleep nap; stopped");
    turned_close();
}

static void test_cancelled(void)
{
    run_id id;
    char text[TURNED_TEXT];
    run *r = begin_work(&id);
    run_stop(r, STOP_OPERATOR, 0, "stopped first");
    turned_often();
    CHECK_INT(turned_reply(turned_send_to("DELETE", &id, ""), text), 200);
    check_output(&id, 410, "cancelled");
    CHECK_INT(seen.afters, 0);
    check_journal(&id, "started; chunk long; stopped; cancel; response; ended");
    turned_close();
}

/* Whoever releases it before it stands is answered when it goes on, not sent away. */
static void test_released_early(void)
{
    run_id id;
    char text[TURNED_TEXT];
    run *r = begin_work(&id);
    CHECK_INT(turned_reply(turned_send_release(&id), text), 409); /* it has not been stopped */
    run_stop(r, STOP_OPERATOR, 0, "for a moment");
    int fd = turned_send_release(&id);
    TURN_UNTIL(r->waiters && r->slot->letters);
    CHECK_INT(r->state, RUN_STOPPING);
    seen.go = true;
    CHECK_INT(turned_reply(fd, text), 200);
    CHECK(strstr(text, "\"status\":\"released\""));
    check_output(&id, 200, "worked");
    CHECK_INT(seen.longs, 1);
    check_journal(&id, "started; chunk long; stopped; step done long; released; step done after; response; ended");
    turned_close();
}

/* What an operator has to look at, the holder of the run's token does not release; nor what may be such a run. */
static void test_client(void)
{
    run_id id;
    char text[TURNED_TEXT];
    run *r = begin_work(&id);
    run_stop(r, STOP_OPERATOR, 0, "for a look");
    CHECK_INT(turned_reply(turned_send_to("POST", &id, "/release"), text), 403);
    CHECK(strstr(text, "is released by an operator"));
    seen.go = true;
    TURN_UNTIL(is_stopped(&id));
    CHECK_INT(turned_reply(turned_send_to("POST", &id, "/release"), text), 403);
    turned_end();
    turned_open(routes, NULL);
    int fd = turned_send_to("POST", &id, "/release");
    text[0] = 0;
    while (turned_read(fd, text)) CHECK(turned_turn_unread()); /* nothing is read from the disk meanwhile */
    close(fd);
    CHECK(strstr(text, "HTTP/1.1 503 ") && strstr(text, "Retry-After: 1"));
    TURN_UNTIL(is_stopped(&id));
    CHECK_INT(turned_reply(turned_send_to("POST", &id, "/release"), text), 403);
    check_journal(&id, "started; chunk long; stopped; step done long");
    CHECK_INT(turned_reply(turned_send_release(&id), text), 200);
    check_output(&id, 200, "worked");
    turned_close();
}

/* The next process finds it stopped. */
static void test_drained(void)
{
    run_id id;
    char text[TURNED_TEXT];
    run *r = begin_work(&id);
    run_stop(r, STOP_OPERATOR, 0, "for the night");
    turned_drain();
    turned_often();
    seen.go = true;
    turned_end();
    turned_open(routes, NULL);
    TURN_UNTIL(is_stopped(&id));
    check_journal(&id, "started; chunk long; stopped; step done long");
    CHECK_INT(turned_reply(turned_send_release(&id), text), 200);
    check_output(&id, 200, "worked");
    CHECK_INT(seen.longs, 0);
    turned_close();
}

/* Too late, or in vain: a run that has its response, and one of which nothing gets to the disk. */
static void test_in_vain(void)
{
    run_id id;
    char text[TURNED_TEXT];
    run *r = begin_work(&id);
    turned_writes = false;
    seen.go = true;
    TURN_UNTIL(r->state == RUN_ENDING);
    run_stop(r, STOP_OPERATOR, 0, "too late");
    turned_writes = true;
    check_output(&id, 200, "worked");
    check_journal(&id, "started; chunk long; step done long; step done after; response; ended");
    memory_fail(turned_disk, MEMORY_REFUSES, 0, false);
    seen = (notes){.go = false};
    turned_writes = false;
    int fd = turned_send("POST", "/work", "");
    TURN_UNTIL(seen.longs == 1);
    r = TAILQ_FIRST(&turned_home()->runs.slotless);
    CHECK(r);
    run_stop(r, STOP_OPERATOR, 0, "of something that is not there");
    turned_writes = true;
    CHECK_INT(turned_reply(fd, text), 500);
    CHECK(strstr(text, "may have been done"));
    CHECK_INT(turned_home()->slots.stopped, 0);
    CHECK_INT(turned_home()->runs.count, 0);
    turned_close();
}

static const check_case cases[] = {
    {"a run stands still when its attempt is done, and goes on when it is released", test_stands},
    {"a list shows it, however much its attempts have streamed since", test_listed},
    {"a run that sleeps stands still at once", test_asleep},
    {"a cancel comes before it stands", test_cancelled},
    {"a release comes before it stands", test_released_early},
    {"a client does not release it", test_client},
    {"the process ends before it stands", test_drained},
    {"a stop that comes too late, or of which nothing is on disk", test_in_vain},
};
CHECK_MAIN(cases)
