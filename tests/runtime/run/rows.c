/* Two things happen to one run, in every pair and order, while its handler is at work and while only a member of it is:
 * a drain, the end of --drain, a cancel, a stop, a lost entry. Whatever becomes of it, its journal is whole, the next
 * process can go on with it, and who wanted it cancelled gets that. */
#include "tests/harness/turned.h"

typedef enum happening { DRAIN, HURRY, CANCEL, STOP, LOSS, HAPPENINGS } happening;
static const char *const names[HAPPENINGS] = {"drain", "hurry", "cancel", "stop", "loss"};

static unsigned attempts; /* of the blocking step, in this process; atomic */
static int go_on;         /* atomic */

static void set(int to) { __atomic_store_n(&go_on, to, __ATOMIC_SEQ_CST); }

/* On a thread that nothing interrupts: the run stays in its state until the test says so. */
static void *spin(void *arg)
{
    (void)__atomic_add_fetch(&attempts, 1, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&go_on, __ATOMIC_SEQ_CST)) usleep(100);
    return arg;
}

static sw_value block(sw_ctx *c, sw_value v)
{
    (void)sw_blocking(c, spin, NULL);
    return v;
}

static sw_value quick(sw_ctx *c, sw_value v)
{
    (void)c;
    return v;
}

static void on_alone(sw_ctx *c)
{
    (void)sw_step(c, "block", block, sw_nil());
    (void)sw_step(c, "last", quick, sw_nil());
    sw_reply_text(c, 200, "done");
}

/* Its handler sleeps while the member is at work: it can be unwound alone. */
static void on_apart(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    sw_group_step(g, "block", block, sw_nil());
    sw_sleep(c, "nap", 100);
    (void)sw_group_wait(g);
    (void)sw_step(c, "last", quick, sw_nil());
    sw_reply_text(c, 200, "done");
}

static void routes(sw_app *app)
{
    __atomic_store_n(&attempts, 0, __ATOMIC_SEQ_CST);
    sw_endpoint(app, "POST /alone", on_alone, NULL);
    sw_endpoint(app, "POST /apart", on_apart, NULL);
}

static void happen(run *r, happening what)
{
    switch (what) {
    case DRAIN:
        turned_drain();
        break;
    case HURRY:
        turned_drain();
        turned_often();
        turned_home()->hurried = true;
        run_drain(r);
        break;
    case CANCEL:
        run_cancel(r, ENTRY_CANCEL_ASKED);
        break;
    case STOP:
        run_stop(r, STOP_OPERATOR, 0, "in between");
        break;
    default:
        run_lose(r);
    }
    turned_often();
}

/* What is on disk: *started* first, *ended* last if it is there, and then no row in the live table. */
static bool check_journal(const run_id *id)
{
    turned_journal j;
    turned_load(id, &j);
    const char *ended = strstr(j.text, "; ended");
    CHECK(j.found && strncmp(j.text, "started", 7) == 0);
    CHECK(!ended || strcmp(ended, "; ended") == 0);
    CHECK_INT(j.live, !ended);
    return ended != NULL;
}

/* The next process: whoever is stopped is released, and all end. */
static int finish(const run_id *id)
{
    char text[TURNED_TEXT];
    turned_open(routes, NULL);
    while (!check_journal(id)) {
        const slot *s = slot_find(&turned_home()->slots, id);
        bool stands = s && s->state == SLOT_STOPPED;
        if (stands) CHECK_INT(turned_reply(turned_send_release(id), text), 200);
    }
    int status = turned_reply(turned_send_to("GET", id, "/output"), text);
    turned_close();
    return status;
}

static void try_pair(const char *route, happening first, happening second)
{
    bool cancels = first == CANCEL || second == CANCEL, loses = first == LOSS || second == LOSS;
    set(0);
    turned_open(routes, NULL);
    run *r = turned_begin(route);
    run_id id = r->id;
    TURN_UNTIL(run_is_durable(r) && __atomic_load_n(&attempts, __ATOMIC_SEQ_CST) == 1);
    happen(r, first);
    happen(r, second);
    CHECK_INT(turned_home()->runs.count, 1); /* a thread works for it */
    set(1);
    turned_end();
    int status = finish(&id);
    if (cancels && !loses ? status != 410 : !cancels && status != 200) {
        printf("# %s, %s and %s: %d\n", route, names[first], names[second], status);
        CHECK(!"a run that is cancelled ends so, any other as if nothing had happened");
    }
    CHECK(status == 200 || status == 410);
}

static void test_alone(void)
{
    for (happening first = 0; first < HAPPENINGS; first++)
        for (happening second = 0; second < HAPPENINGS; second++) try_pair("POST /alone", first, second);
}

static void test_apart(void)
{
    for (happening first = 0; first < HAPPENINGS; first++)
        for (happening second = 0; second < HAPPENINGS; second++) try_pair("POST /apart", first, second);
}

static const check_case cases[] = {
    {"two things happen while the handler is at work", test_alone},
    {"two things happen while a member is at work", test_apart},
};
CHECK_MAIN(cases)
