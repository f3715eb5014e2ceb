/* An operator stops a run, wherever it is: in memory, asleep, parked, being loaded, unreadable, about to end, lost,
 * ended; in this process or by a letter that the former one left. What was acknowledged holds. */
#include "tests/harness/turned.h"

typedef struct notes {
    unsigned longs, afters, naps; /* attempts and executions that began */
    bool go;
} notes;
static notes seen;
static char text[TURNED_TEXT];

static sw_value take_long(sw_ctx *c, sw_value v)
{
    seen.longs++;
    while (!seen.go) sw_sleep(c, "poll", 1);
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
    seen.naps++;
    sw_sleep(c, "nap", 3600000);
    sw_reply_text(c, 200, "rested");
}

static void routes(sw_app *app)
{
    seen = (notes){.go = false};
    sw_endpoint(app, "POST /work", on_work, NULL);
    sw_endpoint(app, "POST /nap", on_nap, NULL);
}

static void other_routes(sw_app *app) { sw_endpoint(app, "POST /work", on_work, NULL); }

static bool is_stopped(const run_id *id)
{
    const slot *s = turned_slot(id);
    return s && s->state == SLOT_STOPPED && !s->run;
}

static void check_journal(const run_id *id, const char *expected)
{
    turned_journal j;
    turned_load(id, &j);
    CHECK(j.found);
    CHECK_STR(j.text, expected);
}

static void check_page(const run_id *id, const char *part)
{
    turned_check(turned_ask_run("GET", id, "", ""), 200, part);
}

static void check_no_letters(void)
{
    turned_often();
    CHECK(!turned_home()->undeleted);
    CHECK_INT(turned_rows("inbox"), 0);
}

/* ---- In memory ---- */

static run *begin(const char *route, run_id *id)
{
    const char *const flags[] = {"--park-after", "2h", NULL};
    turned_open(routes, flags);
    run *r = turned_begin(route);
    *id = r->id;
    TURN_UNTIL(run_is_durable(r) && (seen.longs == 1 || seen.naps == 1));
    return r;
}

static void test_at_work(void)
{
    run_id id;
    run *r = begin("POST /work", &id);
    turned_check(turned_send_stop(&id, "wait for it"), 200, "\"status\":\"stopped\"");
    CHECK_INT(r->state, RUN_STOPPING); /* its attempt has its time */
    check_journal(&id, "started; stopped");
    turned_check(turned_send_stop(&id, "once more"), 200, "\"status\":\"stopped\""); /* the answer had got lost, say */
    seen.go = true;
    TURN_UNTIL(is_stopped(&id));
    CHECK_INT(seen.afters, 0);
    check_journal(&id, "started; stopped; step done long");
    check_page(&id, "\"state\":\"stopped\",\"reason\":\"operator\",\"detail\":\"wait for it\",\"stoppedBy\":\"admin\"");
    turned_check(turned_send_release(&id), 200, "released");
    turned_check(turned_send_to("GET", &id, "/output"), 200, "worked");
    CHECK_INT(seen.longs, 1);
    check_no_letters();
    turned_close();
}

static void test_asleep(void)
{
    run_id id;
    (void)begin("POST /nap", &id);
    turned_check(turned_send_stop(&id, ""), 200, "stopped");
    TURN_UNTIL(is_stopped(&id));
    CHECK_INT(seen.naps, 1); /* it was not loaded for that */
    check_journal(&id, "started; sleep nap; stopped");
    check_no_letters();
    turned_close();
}

/* It is about to stop for another reason. */
static void test_second(void)
{
    run_id id;
    run *r = begin("POST /work", &id);
    run_stop(r, STOP_DIFFERS, 0, "its input was another");
    TURN_UNTIL(run_stop_is_durable(r));
    turned_check(turned_send_stop(&id, ""), 409, "the run is stopped already (differs): its input was another");
    CHECK_INT(r->state, RUN_STOPPING);
    seen.go = true;
    TURN_UNTIL(is_stopped(&id));
    turned_check(turned_send_stop(&id, ""), 409, "the run is stopped already (differs): its input was another");
    check_journal(&id, "started; stopped; step done long");
    check_no_letters();
    turned_close();
}

/* While the letter is being written the run comes to stand for another reason: whoever wrote it learns that. */
static void test_overtaken(void)
{
    run_id id;
    run *r = begin("POST /work", &id);
    turned_writes = false;
    int fd = turned_send_stop(&id, "");
    TURN_UNTIL(r->slot->letters_in_flight != 0);
    run_stop(r, STOP_DIFFERS, 0, "its input was another");
    turned_often();
    turned_writes = true;
    TURN_UNTIL(letter_stops(r->slot->letters));
    seen.go = true;
    turned_check(fd, 409, "differs");
    TURN_UNTIL(is_stopped(&id));
    check_no_letters();
    turned_close();
}

/* Its response is on its way to the disk, and gets there or not. */
static void test_ending(void)
{
    run_id id;
    for (int lost = 0; lost < 2; lost++) {
        run *r = begin("POST /work", &id);
        turned_writes = false;
        seen.go = true;
        TURN_UNTIL(r->state == RUN_ENDING);
        int fd = turned_send_stop(&id, "too late?");
        TURN_UNTIL(r->slot->letters_in_flight != 0);
        if (lost) memory_fail(turned_disk, MEMORY_REFUSES, 0, false);
        turned_writes = true;
        if (lost)
            turned_check(fd, 503, "cannot be written"); /* the letter was in the same batch */
        else
            turned_check(fd, 409, "it succeeded");
        turned_check(turned_send_to("GET", &id, "/output"), 200, "worked");
        check_no_letters();
        turned_close();
    }
}

/* The entry is lost: the letter is not, and the run stands when it has been read again. */
static void test_lost(void)
{
    run_id id;
    run *r = begin("POST /work", &id);
    memory_fail(turned_disk, MEMORY_REFUSES, 1, false); /* the letter is written, the entry is not */
    int fd = turned_send_stop(&id, "stay");
    TURN_UNTIL(r->state == RUN_STOPPING);
    turned_check(fd, 200, "stopped");
    TURN_UNTIL(is_stopped(&id));
    check_journal(&id, "started; stopped");
    check_page(&id, "\"detail\":\"stay\",\"stoppedBy\":\"admin\"");
    CHECK_INT(seen.longs, 1);
    check_no_letters();
    turned_close();
}

/* ---- Not in memory ---- */

static void test_parked(void)
{
    const char *const flags[] = {"--park-after", "0", NULL};
    turned_open(routes, flags);
    run_id id = turned_begin("POST /nap")->id;
    TURN_UNTIL(turned_slot(&id) && turned_slot(&id)->state == SLOT_PARKED);
    turned_check(turned_send_stop(&id, "sleep on"), 200, "stopped");
    TURN_UNTIL(is_stopped(&id));
    CHECK_INT(seen.naps, 1); /* its handler was not called */
    check_journal(&id, "started; sleep nap; stopped");
    turned_check(turned_send_stop(&id, ""), 202, "stopping"); /* the same operator */
    turned_check(turned_send_to("DELETE", &id, ""), 200, "cancelled");
    turned_check(turned_send_stop(&id, ""), 409, "it was cancelled");
    check_no_letters();
    turned_close();
}

/* It waits for one of the places of --runs-max, which it does not need to stand. */
static void test_without_place(void)
{
    const char *const flags[] = {"--park-after", "0", "--runs-max", "1", NULL};
    turned_open(routes, flags);
    run_id id = turned_begin("POST /nap")->id;
    TURN_UNTIL(turned_slot(&id) && turned_slot(&id)->state == SLOT_PARKED);
    run *busy = turned_begin("POST /work");
    slot_wake(turned_home(), slot_find(&turned_home()->slots, &id));
    turned_often();
    CHECK_INT(turned_slot(&id)->state, SLOT_DUE);
    turned_check(turned_send_stop(&id, ""), 200, "stopped");
    TURN_UNTIL(is_stopped(&id));
    CHECK_INT(turned_home()->runs.count, 1);
    CHECK(busy->state == RUN_RUNNING);
    CHECK_INT(seen.naps, 1);
    turned_close();
}

/* A release asked for meanwhile is refused, and a stop while a release is on its way. */
static void test_contested(void)
{
    run_id id;
    run *r = begin("POST /nap", &id);
    turned_writes = false;
    int stop = turned_send_stop(&id, "");
    TURN_UNTIL(r->slot->letters_in_flight != 0);
    int release = turned_send_release(&id);
    text[0] = 0;
    while (turned_read(release, text)) CHECK(turned_turn());
    close(release);
    CHECK(strstr(text, " 503 ") && strstr(text, "about to be stopped") && strstr(text, "Retry-After: 1"));
    turned_writes = true;
    turned_check(stop, 200, "stopped");
    TURN_UNTIL(is_stopped(&id));
    turned_writes = false;
    release = turned_send_release(&id);
    TURN_UNTIL(turned_slot(&id)->letters_in_flight != 0);
    stop = turned_send_stop(&id, "");
    text[0] = 0;
    while (turned_read(stop, text)) CHECK(turned_turn());
    close(stop);
    CHECK(strstr(text, " 503 ") && strstr(text, "about to be released"));
    turned_writes = true;
    turned_check(release, 200, "released");
    check_journal(&id, "started; sleep nap; stopped; released");
    check_no_letters();
    turned_close();
}

static void test_unknown(void)
{
    run_id id = {{7}};
    turned_open(routes, NULL);
    turned_check(turned_send_stop(&id, ""), 404, "no such run");
    check_no_letters();
    memory_fail(turned_disk, MEMORY_REFUSES, 0, false);
    turned_check(turned_send_stop(&id, ""), 503, "cannot be written");
    TURN_UNTIL(!turned_slot(&id)); /* nobody asks for it any more */
    turned_close();
}

static void test_ended(void)
{
    run_id id;
    (void)begin("POST /work", &id);
    seen.go = true;
    turned_check(turned_send_to("GET", &id, "/output"), 200, "worked");
    TURN_UNTIL(!turned_slot(&id));
    turned_check(turned_send_stop(&id, ""), 409, "it succeeded");
    CHECK(!turned_slot(&id));
    check_no_letters();
    turned_close();
}

/* ---- The next process ---- */

/* The letter is on disk, and the process dies before the run has been told. */
static void leave_letter(run_id *id, bool *told)
{
    const char *const flags[] = {"--park-after", "0", NULL};
    turned_open(routes, flags);
    *id = turned_begin("POST /nap")->id;
    TURN_UNTIL(turned_slot(id) && turned_slot(id)->state == SLOT_PARKED);
    int fd = turned_send_stop(id, "by a former process");
    text[0] = 0;
    while (!turned_slot(id)->letters) CHECK(turned_turn_unread());
    *told = turned_read(fd, text) && strstr(text, "HTTP/1.1 2");
    turned_drain(); /* nothing is read any more */
    while (turned_turn()) continue;
    by_hand_close(turned_app);
    close(fd);
}

static void test_next_process(void)
{
    run_id id;
    bool told;
    leave_letter(&id, &told);
    CHECK(!told);
    turned_open(routes, NULL);
    TURN_UNTIL(is_stopped(&id));
    CHECK_INT(seen.naps, 0);
    check_journal(&id, "started; sleep nap; stopped");
    check_page(&id, "\"detail\":\"by a former process\",\"stoppedBy\":\"admin\"");
    check_no_letters();
    turned_end();
    turned_open(routes, NULL); /* it stands on */
    TURN_UNTIL(is_stopped(&id));
    turned_check(turned_send_release(&id), 200, "released");
    check_journal(&id, "started; sleep nap; stopped; released");
    turned_close();
}

/* Reasons that end by themselves: the operator's lasts longer. */
static void test_other_reasons(void)
{
    static const char *const no_resume[] = {"--no-resume", NULL};
    for (int i = 0; i < 2; i++) {
        run_id id;
        bool told;
        leave_letter(&id, &told);
        turned_open(i ? routes : other_routes, i ? no_resume : NULL);
        TURN_UNTIL(is_stopped(&id));
        CHECK_INT(turned_slot(&id)->stop, STOP_OPERATOR);
        check_journal(&id, "started; sleep nap; stopped");
        turned_end();
        turned_open(routes, NULL);
        TURN_UNTIL(is_stopped(&id));
        turned_check(turned_send_release(&id), 200, "released");
        turned_close();
    }
}

/* Its journal cannot be read for a while. */
static void test_unreadable(void)
{
    run_id id;
    const char *const flags[] = {"--park-after", "0", NULL};
    turned_open(routes, flags);
    id = turned_begin("POST /nap")->id;
    TURN_UNTIL(turned_slot(&id) && turned_slot(&id)->state == SLOT_PARKED);
    memory_fail_reads(turned_disk, true);
    turned_check(turned_send_stop(&id, "when it can be"), 202, "stopping");
    CHECK_INT(turned_slot(&id)->stop, STOP_UNREADABLE);
    CHECK(letter_stops(turned_slot(&id)->letters));
    memory_fail_reads(turned_disk, false);
    turned_check(turned_send_stop(&id, "again"), 200, "stopped");
    TURN_UNTIL(is_stopped(&id));
    check_journal(&id, "started; sleep nap; stopped");
    check_page(&id, "\"detail\":\"when it can be\"");
    check_no_letters();
    turned_close();
}

/* ---- Requests ---- */

static int send_raw(const run_id *id, const char *body) { return turned_ask_run("POST", id, "/stop", body); }

static void test_requests(void)
{
    run_id id;
    char longest[LETTER_TEXT_MAX + 1] = "", body[LETTER_TEXT_MAX + 32];
    run *r = begin("POST /nap", &id);
    turned_check(send_raw(&id, "no"), 400, "JSON");
    turned_check(send_raw(&id, "[]"), 400, "a JSON object");
    turned_check(send_raw(&id, "{\"text\":7}"), 400, "\\\"text\\\" has to be a string");
    turned_check(send_raw(&id, "{\"txet\":\"x\"}"), 400, "not known here: \\\"txet\\\"");
    memset(longest, 'x', LETTER_TEXT_MAX);
    (void)snprintf(body, sizeof body, "{\"text\":\"%sx\"}", longest);
    turned_check(send_raw(&id, body), 400, "at most 256 bytes");
    turned_check(turned_send_to("POST", &id, "/stop"), 401, "scope act"); /* the run's token is not enough */
    CHECK(r->state == RUN_RUNNING);
    (void)snprintf(body, sizeof body, "{\"text\":\"%s\"}", longest);
    turned_check(send_raw(&id, body), 200, "stopped");
    TURN_UNTIL(is_stopped(&id));
    check_page(&id, longest);
    turned_check(turned_send_release(&id), 200, "released");
    turned_check(send_raw(&id, ""), 200, "stopped"); /* nothing said */
    TURN_UNTIL(is_stopped(&id));
    check_page(&id, "\"detail\":\"\",\"stoppedBy\":\"admin\"");
    turned_close();
}

static const check_case cases[] = {
    {"a run whose attempt is under way", test_at_work},
    {"a run that sleeps in memory", test_asleep},
    {"a run that is stopped already", test_second},
    {"a run that stops for another reason meanwhile", test_overtaken},
    {"a run that is about to end", test_ending},
    {"a run that loses the entry", test_lost},
    {"a parked run", test_parked},
    {"a run that waits for a place", test_without_place},
    {"a stop and a release at the same time", test_contested},
    {"no such run", test_unknown},
    {"a run that has ended", test_ended},
    {"the next process finds the letter", test_next_process},
    {"a run that stands for a reason that ends by itself", test_other_reasons},
    {"a run that cannot be read", test_unreadable},
    {"what is asked", test_requests},
};
CHECK_MAIN(cases)
