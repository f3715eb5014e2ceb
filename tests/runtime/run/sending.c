/* Signals of runs to runs, turn by turn: to a parked one, to itself, on another loop, to one that ends meanwhile or is
 * not there; and each once, whatever becomes of the commit. */
#include "runtime/run/sending.h"

#include "tests/harness/turned.h"

typedef struct notes {
    unsigned senders, takers, attempts;
    char got[256];     /* what has been taken */
    char answers[256]; /* of the calls, '1' or '0' each */
    bool go;
} notes;
static notes seen;
static char target[64];
static int sends = 3;

/* ---- The program ---- */

static sw_value hold(sw_ctx *c, sw_value v)
{
    seen.attempts++;
    while (!seen.go) sw_sleep(c, "poll", 1);
    return v;
}

static void take(sw_ctx *c, int count)
{
    seen.takers++;
    seen.got[0] = 0;
    for (int i = 0; i < count; i++) {
        sw_value v = sw_nil();
        (void)sw_wait_for(c, "wait", &(sw_wait){.signal = "a"}, &v);
        size_t len = strlen(seen.got);
        snprintf(seen.got + len, sizeof seen.got - len, "%s%d", len ? " " : "", (int)sw_as_int(v, -1));
    }
}

static void on_take(sw_ctx *c)
{
    take(c, 3);
    sw_reply_text(c, 200, "%s", seen.got);
}

static void send_all(sw_ctx *c, const char *to)
{
    seen.senders++;
    seen.answers[0] = 0;
    for (int i = 0; i < sends; i++) {
        bool is_sent = sw_send_signal(c, "tell", to, "a", sw_int(i));
        size_t len = strlen(seen.answers);
        snprintf(seen.answers + len, sizeof seen.answers - len, "%d", is_sent);
    }
}

static void on_send(sw_ctx *c)
{
    send_all(c, target);
    sw_reply_text(c, 200, "%s", seen.answers);
}

/* Goes on behind them, so that a replay shows what was recorded. */
static void on_send_more(sw_ctx *c)
{
    send_all(c, target);
    (void)sw_step(c, "hold", hold, sw_nil());
    sw_reply_text(c, 200, "%s", seen.answers);
}

static void on_self(sw_ctx *c)
{
    send_all(c, sw_run_id(c));
    take(c, 3);
    sw_reply_text(c, 200, "%s", seen.got);
}

/* Ends with signals that it does not take. */
static void on_self_end(sw_ctx *c)
{
    send_all(c, sw_run_id(c));
    sw_reply_text(c, 200, "%s", seen.answers);
}

static sw_value send_in_step(sw_ctx *c, sw_value v)
{
    (void)sw_send_signal(c, "tell", "x", "a", v);
    return v;
}

static const char *wrong;

/* What may not be asked for. */
static void on_wrong(sw_ctx *c)
{
    sw_value large = sw_array(c, 0);
    for (int i = 0; i < 2000; i++) sw_push(c, &large, sw_int(1000000));
    if (strcmp(wrong, "id") == 0) sw_send_signal(c, "", "x", "a", sw_nil());
    if (strcmp(wrong, "target") == 0) sw_send_signal(c, "tell", NULL, "a", sw_nil());
    if (strcmp(wrong, "name") == 0) sw_send_signal(c, "tell", "x", "a\nb", sw_nil());
    if (strcmp(wrong, "step") == 0) sw_step(c, "step", send_in_step, sw_nil());
    if (strcmp(wrong, "large") == 0) sw_send_signal(c, "tell", sw_run_id(c), "a", large);
    sw_send_signal(c, "tell", sw_run_id(c), "a", sw_nil());
    sw_reply_text(c, 200, "went on");
}

static void on_end(sw_ctx *c)
{
    (void)sw_step(c, "hold", hold, sw_nil());
    sw_reply_text(c, 200, "over");
}

static void on_other(sw_ctx *c)
{
    (void)sw_wait_for(c, "wait", &(sw_wait){.signal = "other"}, NULL);
    sw_reply_text(c, 200, "over");
}

static void routes(sw_app *app)
{
    seen = (notes){.go = false};
    sw_endpoint(app, "POST /take", on_take, NULL);
    sw_endpoint(app, "POST /send", on_send, NULL);
    sw_endpoint(app, "POST /more", on_send_more, NULL);
    sw_endpoint(app, "POST /self", on_self, NULL);
    sw_endpoint(app, "POST /selfend", on_self_end, NULL);
    sw_endpoint(app, "POST /end", on_end, NULL);
    sw_endpoint(app, "POST /wrong", on_wrong, NULL);
    sw_endpoint(app, "POST /hasty", on_wrong, &(sw_endpoint_options){.durability = SW_RELAXED});
    sw_route(app, "POST /plain", on_wrong);
    sw_endpoint(app, "POST /other", on_other, NULL);
}

/* ---- Asking ---- */

static const char *const unpatient[] = {"--drain", "0", NULL};

static bool is_parked(const run_id *id)
{
    const slot *s = turned_slot(id);
    return s && s->state == SLOT_PARKED;
}

static long letters(void) { return turned_rows("inbox"); }

static void settled(void)
{
    TURN_UNTIL(turned_home()->mailboxes.count == 0 && turned_home()->outbox.in_flight == 0);
    CHECK_INT(letters(), 0);
}

static void check_journal(const run_id *id, const char *expected)
{
    turned_journal j;
    turned_load(id, &j);
    if (strcmp(j.text, expected) != 0) printf("# %s\n", j.text);
    CHECK_STR(j.text, expected);
}

static void open_with(const char *const *flags)
{
    sends = 3;
    turned_open(routes, flags);
}

/* ---- Tests ---- */

/* In order and once; the parked run is loaded for them. */
static void test_parked(void)
{
    open_with(NULL);
    run_id taker = turned_park("POST /take");
    run_id_format(&taker, target);
    run_id sender = turned_begin("POST /send")->id;
    TURN_UNTIL(!turned_slot(&taker) && !turned_slot(&sender));
    CHECK_STR(seen.answers, "111");
    CHECK_STR(seen.got, "0 1 2");
    check_journal(&sender, "started; sent tell; sent tell; sent tell; response; ended");
    settled();
    turned_close();
}

/* What is not there gets nothing, and that is recorded. */
static void test_nobody(void)
{
    static const char *const nobody[] = {"", "x", "01M8G6J2Z9AYZX8S0J52W6Y074", "01M8G6J2Z9AYZX8S0J52W6Y0740"};
    open_with(unpatient);
    run_id over = turned_begin("POST /selfend")->id;
    TURN_UNTIL(seen.senders == 1 && strlen(seen.answers) == 3 && !turned_slot(&over));
    for (size_t i = 0; i < 5; i++) {
        if (i < 4)
            snprintf(target, sizeof target, "%s", nobody[i]);
        else
            run_id_format(&over, target);
        seen.go = false;
        unsigned attempts = seen.attempts;
        run_id sender = turned_begin("POST /more")->id;
        TURN_UNTIL(seen.attempts == attempts + 1);
        CHECK_STR(seen.answers, "000");
        turned_end();
        run_id_format(&sender, target); /* the next execution would find this one */
        turned_open(routes, unpatient);
        TURN_UNTIL(seen.attempts == 1);
        CHECK_STR(seen.answers, "000");
        seen.go = true;
        TURN_UNTIL(!turned_slot(&sender));
        check_journal(&sender, "started; sent tell; sent tell; sent tell; step done hold; response; ended");
    }
    turned_close();
}

static void test_itself(void)
{
    open_with(NULL);
    run_id id = turned_begin("POST /self")->id;
    TURN_UNTIL(strlen(seen.got) == 5 && !turned_slot(&id));
    CHECK_STR(seen.got, "0 1 2");
    CHECK_STR(seen.answers, "111");
    settled();
    id = turned_begin("POST /selfend")->id;
    TURN_UNTIL(seen.senders == 2 && strlen(seen.answers) == 3 && !turned_slot(&id));
    settled();
    turned_close();
}

/* The other run's mailbox is full: the sender fails, and says which flag is to be changed. */
static void test_full(void)
{
    open_with((const char *const[]){"--signals-max", "2", NULL});
    run_id other = turned_park("POST /other");
    run_id_format(&other, target);
    run_id sender = turned_begin("POST /send")->id;
    TURN_UNTIL(strlen(seen.answers) == 2 && !turned_slot(&sender));
    turned_check(turned_send_to("GET", &sender, "/output"), 500, "2 signals that it has not taken (--signals-max)");
    check_journal(&sender, "started; sent tell; sent tell; response; ended");
    CHECK_INT(letters(), 2);
    CHECK(is_parked(&other));
    turned_close();
    open_with((const char *const[]){"--signals-bytes-max", "1024", NULL});
    other = turned_park("POST /other");
    run_id_format(&other, target);
    sends = 1000;
    sender = turned_begin("POST /send")->id;
    TURN_UNTIL(strlen(seen.answers) > 2 && !turned_slot(&sender));
    turned_check(turned_send_to("GET", &sender, "/output"), 500, "(--signals-bytes-max)");
    turned_close();
}

static void test_wrong(void)
{
    static const char *const refused[][3] = {{"/wrong", "id", "an empty id"},
                                             {"/wrong", "target", "without the id of a run"},
                                             {"/wrong", "name", "a signal's name is 1 to 128 bytes"},
                                             {"/wrong", "step", "send it behind the step"},
                                             {"/wrong", "large", "(--signal-max)"},
                                             {"/hasty", "", "use SW_SYNCED"},
                                             {"/plain", "", "in a plain route"}};
    open_with((const char *const[]){"--signal-max", "4096", NULL});
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        wrong = refused[i][1];
        turned_check(turned_send("POST", refused[i][0], ""), 500, refused[i][2]);
    }
    settled();
    turned_close();
}

/* Whatever becomes of a commit, each signal is taken once. */
static void test_faults(void)
{
    static const memory_fault faults[] = {MEMORY_REFUSES, MEMORY_LOSES, MEMORY_APPEARS};
    for (unsigned f = 0; f < 3; f++)
        for (unsigned skip = 0; skip < 8; skip++) {
            open_with(NULL);
            run_id taker = turned_park("POST /take");
            run_id_format(&taker, target);
            const run *r = turned_begin("POST /more");
            run_id sender = r->id;
            while (!run_is_durable(r)) CHECK(turned_turn());
            memory_fail(turned_disk, faults[f], skip, false);
            seen.go = true;
            TURN_UNTIL(!turned_slot(&taker) && strlen(seen.got) == 5 && !turned_slot(&sender));
            CHECK_STR(seen.got, "0 1 2");
            turned_close();
        }
}

/* The other run ends while the signal is being written: the letter goes with it. */
static void test_ends_meanwhile(void)
{
    open_with(NULL);
    run_id other = turned_begin("POST /end")->id;
    TURN_UNTIL(seen.attempts == 1 && turned_slot(&other));
    run_id_format(&other, target);
    sends = 1;
    run *sender = turned_begin("POST /more");
    TURN_UNTIL(run_is_durable(sender));
    turned_writes = false;
    seen.go = true;
    for (int i = 0; i < 50; i++) CHECK(turned_turn());
    turned_writes = true;
    TURN_UNTIL(!turned_slot(&other));
    TURN_UNTIL(strlen(seen.answers) == 1);
    settled();
    turned_close();
}

static bool turn_both(void)
{
    while (store_hand_reads(turned_app->store) > 0) store_hand_read(turned_app->store, 0);
    if (turned_writes && store_hand_write_due_ms(turned_app->store) == 0) store_hand_write(turned_app->store);
    bool first = uv_run(&turned_app->loops[0].uv, UV_RUN_NOWAIT) != 0;
    return (uv_run(&turned_app->loops[1].uv, UV_RUN_NOWAIT) != 0) && first;
}

static run *begin_on(unsigned loop, const char *route)
{
    static const run_origin nobody = {.key = NULL};
    const run_input none = {.method = {"POST", 4}, .target = {"/", 1}, .body = {"", 0}};
    run_refusal why;
    run *r =
        run_begin(&turned_app->loops[loop].home, app_endpoint(turned_app, route, strlen(route)), &none, &nobody, &why);
    CHECK(r);
    return r;
}

static slot *slot_on(unsigned loop, const run_id *id) { return slot_find(&turned_app->loops[loop].home.slots, id); }

/* The other run lives on another loop, which answers sooner or later. */
static void test_two_loops(void)
{
    turned_loops = 2;
    for (unsigned late = 0; late < 4; late++) {
        open_with(NULL);
        run_id taker = begin_on(1, "POST /take")->id;
        while (!slot_on(1, &taker) || slot_on(1, &taker)->state != SLOT_PARKED) CHECK(turn_both());
        run_id_format(&taker, target);
        run_id sender = begin_on(0, "POST /send")->id;
        for (unsigned i = 0; i < 10 * late; i++) CHECK(turned_turn()); /* the sender's loop alone */
        while (slot_on(1, &taker) || strlen(seen.got) < 5) CHECK(turn_both());
        CHECK_STR(seen.got, "0 1 2");
        while (slot_on(0, &sender)) CHECK(turn_both());
        CHECK_STR(seen.answers, "111");
        loop_drain(&turned_app->loops[0], LOOP_STOPPED);
        loop_drain(&turned_app->loops[1], LOOP_STOPPED);
        while (turn_both() || uv_loop_alive(&turned_app->loops[0].uv) || uv_loop_alive(&turned_app->loops[1].uv))
            continue;
        by_hand_close(turned_app);
        memory_disk_free(turned_disk);
        turned_disk = NULL;
    }
    turned_loops = 1;
}

/* The process ends while the other loop has not answered, or has lent room: the next one sends. */
static void test_drained(void)
{
    turned_loops = 2;
    for (unsigned turns = 0; turns < 6; turns++) {
        open_with(NULL);
        run_id taker = begin_on(1, "POST /take")->id;
        while (!slot_on(1, &taker) || slot_on(1, &taker)->state != SLOT_PARKED) CHECK(turn_both());
        run_id_format(&taker, target);
        run *sender = begin_on(0, "POST /more");
        while (!run_is_durable(sender)) CHECK(turned_turn());
        for (unsigned i = 0; i < turns; i++) CHECK(i % 2 ? turn_both() : turned_turn());
        seen.go = true;
        loop_drain(&turned_app->loops[0], LOOP_STOPPED);
        loop_drain(&turned_app->loops[1], LOOP_STOPPED);
        while (turn_both() || uv_loop_alive(&turned_app->loops[0].uv) || uv_loop_alive(&turned_app->loops[1].uv))
            continue;
        by_hand_close(turned_app);
        turned_open(routes, NULL);
        seen.go = true;
        while (slot_on(1, &taker) || strlen(seen.got) < 5) CHECK(turn_both());
        CHECK_STR(seen.got, "0 1 2");
        loop_drain(&turned_app->loops[0], LOOP_STOPPED);
        loop_drain(&turned_app->loops[1], LOOP_STOPPED);
        while (turn_both() || uv_loop_alive(&turned_app->loops[0].uv) || uv_loop_alive(&turned_app->loops[1].uv))
            continue;
        by_hand_close(turned_app);
        memory_disk_free(turned_disk);
        turned_disk = NULL;
    }
    turned_loops = 1;
}

static const check_case cases[] = {
    {"to a parked run", test_parked},        {"to nobody", test_nobody},    {"to itself", test_itself},
    {"a full mailbox", test_full},           {"misuse", test_wrong},        {"faults", test_faults},
    {"ends meanwhile", test_ends_meanwhile}, {"two loops", test_two_loops}, {"drained", test_drained}};

CHECK_MAIN(cases)
