/* What a run tells its listener, and in which order: without any client, on a program turned by hand. */
#include "runtime/run/run_listener.h"
#include "runtime/run/slot_core.h"
#include "tests/harness/turned.h"

static char told[1024]; /* what was told, "; " behind each; what is told again and again once */
static bool go;

static void forget(void)
{
    told[0] = 0;
    go = false;
}

static void tell(const char *what)
{
    char text[128];
    size_t len = strlen(told);
    (void)snprintf(text, sizeof text, "%s; ", what);
    bool repeats = strstr(what, "durable") || strstr(what, "waits");
    if (!repeats || !strstr(told, text)) (void)snprintf(told + len, sizeof told - len, "%s", text);
}

static void on_durable(run *r)
{
    CHECK(run_is_durable(r));
    tell("durable");
}

static void on_released(run *r)
{
    CHECK(run_is_durable(r));
    tell("released");
}

static void on_waits_long(run *r)
{
    CHECK(run_is_durable(r));
    tell("waits long");
}

static void on_over(run *r, run_over when)
{
    char text[64];
    entry response;
    CHECK(run_response_entry(r, &response));
    CHECK_INT(run_is_durable(r), when == RUN_OVER_DURABLE);
    (void)snprintf(text, sizeof text, "over %d%s", response.status, when == RUN_OVER_EARLY ? " early" : "");
    tell(text);
}

static void on_left(run *r, run_left where)
{
    static const char *const names[] = {
        [RUN_LEFT_TO_SLOT] = "left to slot", [RUN_LEFT_LOST] = "left lost", [RUN_LEFT_TO_NEXT] = "left to next"};
    CHECK(run_is_durable(r));
    tell(names[where]);
}

static void on_refused(run *r, run_refused how)
{
    static const char *const names[] = {[RUN_REFUSED_UNDONE] = "refused",
                                        [RUN_REFUSED_PARTLY] = "refused, partly done",
                                        [RUN_REFUSED_UNKNOWN] = "refused, unknown"};
    CHECK(!run_is_durable(r));
    tell(names[how]);
}

static void on_loaded(slot *s)
{
    CHECK(s->run);
    tell("loaded");
}

static void on_put_back(slot *s)
{
    CHECK(!s->run);
    tell("put back");
}

static void on_stopped(home *h, slot *s, const stop_cause *why, bool refuses)
{
    char text[64];
    CHECK(h == turned_home() && !s->run);
    (void)snprintf(text, sizeof text, "stopped, %s%s", stop_name(why->reason), refuses ? ", for good" : "");
    tell(text);
}

static void on_found_ended(home *h, slot *s, const store_journal *journal)
{
    CHECK(h == turned_home() && !s->run && journal->len > 0);
    tell("found ended");
}

static void on_not_found(slot *s, int status, const char *why)
{
    char text[64];
    CHECK(!s->run);
    (void)snprintf(text, sizeof text, "not found: %d, %s", status, why);
    tell(text);
}

static void on_denied(slot *s, letter_kind kind, int status, const char *why)
{
    char text[96];
    (void)s;
    (void)snprintf(text, sizeof text, "%s denied: %d, %s", kind == LETTER_CANCEL ? "cancel" : "release", status, why);
    tell(text);
}

static void on_promised(slot *s, letter_kind kind)
{
    (void)s;
    tell(kind == LETTER_CANCEL ? "cancel promised" : "release promised");
}

static bool is_awaited(const slot *s)
{
    (void)s;
    return false;
}

static const run_listener recorder = {.on_durable = on_durable,
                                      .on_released = on_released,
                                      .on_waits_long = on_waits_long,
                                      .on_over = on_over,
                                      .on_left = on_left,
                                      .on_refused = on_refused,
                                      .on_loaded = on_loaded,
                                      .on_put_back = on_put_back,
                                      .on_stopped = on_stopped,
                                      .on_found_ended = on_found_ended,
                                      .on_not_found = on_not_found,
                                      .on_denied = on_denied,
                                      .on_promised = on_promised,
                                      .is_awaited = is_awaited};

/* ---- The program ---- */

static sw_value held(sw_ctx *c, sw_value v)
{
    while (!go) sw_sleep(c, "poll", 1);
    return v;
}

static void on_quick(sw_ctx *c) { sw_reply_text(c, 201, "done"); }

static void on_held(sw_ctx *c)
{
    (void)sw_step(c, "held", held, sw_nil());
    (void)sw_step(c, "last", held, sw_nil());
    sw_reply_text(c, 202, "done");
}

static void on_nap(sw_ctx *c)
{
    sw_sleep(c, "nap", 3600000);
    sw_reply_text(c, 203, "rested");
}

static void routes(sw_app *app)
{
    sw_endpoint(app, "POST /quick", on_quick, NULL);
    sw_endpoint(app, "POST /held", on_held, NULL);
    sw_endpoint(app, "POST /nap", on_nap, NULL);
    sw_endpoint(app, "POST /relaxed", on_quick, &(sw_endpoint_options){.durability = SW_RELAXED});
}

static void start(void)
{
    turned_open(routes, NULL);
    turned_home()->listener = &recorder;
    forget();
}

/* All that it tells until it is no longer in memory. */
static void check_told(const char *text)
{
    TURN_UNTIL(turned_home()->runs.count == 0);
    CHECK_STR(told, text);
}

/* ---- The cases ---- */

static void test_over(void)
{
    start();
    (void)turned_begin("POST /quick");
    check_told("over 201; ");
    forget();
    (void)turned_begin("POST /relaxed");
    check_told("over 201 early; over 201; ");
    forget();
    const run *r = turned_begin("POST /held");
    TURN_UNTIL(run_is_durable(r));
    go = true;
    check_told("durable; over 202; ");
    turned_close();
}

static void test_left(void)
{
    start();
    (void)turned_begin("POST /nap");
    check_told("waits long; durable; left to slot; ");
    forget();
    run *r = turned_begin("POST /held");
    TURN_UNTIL(run_is_durable(r));
    forget();
    run_stop(r, STOP_OPERATOR, 0, "for a while");
    go = true;
    check_told("durable; left to slot; stopped, operator; ");
    forget();
    r = turned_begin("POST /held");
    TURN_UNTIL(run_is_durable(r));
    forget();
    memory_fail(turned_disk, MEMORY_REFUSES, 0, false);
    go = true;
    check_told("durable; left lost; put back; ");
    turned_close();
}

static void test_left_to_next(void)
{
    start();
    const run *r = turned_begin("POST /nap");
    turned_writes = false;
    TURN_UNTIL(r->waits_long);
    turned_drain();
    TURN_UNTIL(turned_home()->draining);
    turned_writes = true;
    while (turned_turn()) continue;
    CHECK_STR(told, "durable; left to next; ");
    by_hand_close(turned_app);
    memory_disk_free(turned_disk);
    turned_disk = NULL;
}

static void test_refused(void)
{
    start();
    memory_fail(turned_disk, MEMORY_REFUSES, 0, false);
    (void)turned_begin("POST /quick");
    check_told("refused; ");
    TURN_UNTIL(store_writable(turned_home()->port));
    forget();
    memory_fail(turned_disk, MEMORY_REFUSES, 0, false);
    go = true;
    (void)turned_begin("POST /held");
    check_told("refused, partly done; ");
    TURN_UNTIL(store_writable(turned_home()->port));
    forget();
    memory_fail(turned_disk, MEMORY_LOSES, 0, true);
    (void)turned_begin("POST /quick");
    turned_often();
    CHECK_STR(told, ""); /* nobody is told what nobody knows, before the process ends */
    store_give_up(turned_home()->port);
    check_told("refused, unknown; ");
    memory_fail(turned_disk, MEMORY_GOOD, 0, false);
    turned_close();
}

/* Somebody asks for the run, as by_id does, and what is said is all. */
static void ask(const run_id *id)
{
    slot *s = slot_find_or_add(turned_home(), id);
    forget();
    slot_wake(turned_home(), s);
    TURN_UNTIL(told[0]);
    turned_often();
}

static void test_slots(void)
{
    start();
    const run_id nobody = {{1}}, ended = turned_begin("POST /quick")->id;
    check_told("over 201; ");
    ask(&ended);
    CHECK_STR(told, "found ended; ");
    ask(&nobody);
    CHECK_STR(told, "not found: 404, no such run; ");
    const run_id naps = turned_begin("POST /nap")->id;
    TURN_UNTIL(turned_home()->runs.count == 0);
    ask(&naps);
    CHECK_STR(told, "loaded; waits long; durable; left to slot; ");
    forget();
    slot_deny_release(turned_home(), slot_find(&turned_home()->slots, &naps), "it naps");
    CHECK_STR(told, "release denied: 409, it naps; ");
    turned_close();
}

static const check_case cases[] = {
    {"a run is over", test_over},
    {"a run leaves memory", test_left},
    {"a run is left to the next process", test_left_to_next},
    {"a run that is refused", test_refused},
    {"a run that is not in memory", test_slots},
};
CHECK_MAIN(cases)
