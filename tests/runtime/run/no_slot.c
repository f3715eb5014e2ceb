/* A run for which there was no memory for a slot when it came to the disk: it is still one run. Whoever asks for it
 * finds it in memory, a drain does too, and it gets its slot as soon as there is memory. */
#include "tests/harness/turned.h"

static unsigned began;
static bool go, no_slots;

/* By the linker's --wrap: memory for slots, and nothing else, is short. */
void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes)
{
    return no_slots && count == 1 && bytes == sizeof(slot) ? NULL : __real_calloc(count, bytes);
}

static sw_value held(sw_ctx *c, sw_value v)
{
    began++;
    while (!go) sw_sleep(c, "poll", 1);
    return v;
}

static void on_held(sw_ctx *c)
{
    (void)sw_step(c, "held", held, sw_nil());
    (void)sw_step(c, "last", held, sw_nil());
    sw_reply_text(c, 200, "done");
}

static void on_nap(sw_ctx *c)
{
    sw_sleep(c, "nap", 3600000);
    sw_reply_text(c, 200, "rested");
}

static void routes(sw_app *app)
{
    began = 0;
    go = false;
    sw_endpoint(app, "POST /held", on_held, NULL);
    sw_endpoint(app, "POST /nap", on_nap, NULL);
}

/* On disk, and without a slot. */
static run *begin(const char *route)
{
    turned_open(routes, NULL);
    TURN_UNTIL(turned_home()->slots.recovered);
    no_slots = true;
    run *r = turned_begin(route);
    TURN_UNTIL(run_is_durable(r));
    CHECK(!r->slot);
    return r;
}

/* It is not loaded beside itself. */
static void test_asked_for(void)
{
    char text[TURNED_TEXT];
    run *r = begin("POST /held");
    run_id id = r->id;
    CHECK_INT(turned_reply(turned_send_to("GET", &id, "/output"), text), 503);
    no_slots = false;
    int fd = turned_send_to("GET", &id, "/output");
    TURN_UNTIL(r->waiters);
    CHECK(r->slot && r->slot->run == r);
    go = true;
    CHECK_INT(turned_reply(fd, text), 200);
    CHECK_INT(began, 2); /* each step once */
    CHECK_INT(turned_home()->counters.runs_resumed, 0);
    turned_close();
}

/* It gets one with its next commit. */
static void test_later(void)
{
    run *r = begin("POST /held");
    no_slots = false;
    turned_writes = false;
    go = true;
    TURN_UNTIL(began == 2 && r->state == RUN_ENDING);
    CHECK(!r->slot);
    run_lose(r); /* its response: it has to be loaded again, for which it needs a slot */
    turned_writes = true;
    run_id id = r->id;
    TURN_UNTIL(slot_find(&turned_home()->slots, &id));
    turned_journal j;
    do turned_load(&id, &j);
    while (j.live);
    turned_close();
}

static void test_drained(void)
{
    run *r = begin("POST /nap");
    run_id id = r->id;
    turned_drain();
    while (turned_turn()) continue;
    no_slots = false;
    by_hand_close(turned_app);
    turned_open(routes, NULL);
    TURN_UNTIL(turned_home()->slots.recovered);
    CHECK(slot_find(&turned_home()->slots, &id));
    turned_close();
}

/* One that leaves memory has a slot, whatever is short: nobody else would know of it until the next start. */
static void test_lost(void)
{
    run *r = begin("POST /nap");
    run_id id = r->id;
    run_lose(r);
    TURN_UNTIL(turned_home()->counters.runs_resumed == 1);
    const slot *s = slot_find(&turned_home()->slots, &id);
    CHECK(s && turned_home()->slots.spare);
    no_slots = false;
    turned_drain();
    turned_end();
    CHECK(s);
}

static const check_case cases[] = {
    {"whoever asks finds it in memory", test_asked_for},
    {"it gets a slot when it needs one", test_later},
    {"a drain finds it", test_drained},
    {"a run that is lost has one", test_lost},
};
CHECK_MAIN(cases)
