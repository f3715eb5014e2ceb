/* Several runs that end the process, beside slow innocents: all of them are found and stopped, and what they cost the
 * others is bounded. Who is known to have ended the process comes back last and alone, when the others have got on. */
#include "runtime/stepwell.h"
#include "tests/service/poisoned.h"

enum { INNOCENTS = 50, STEPS = 4, POISONS_MAX = 16, STEP_MS = 300 };

typedef struct notes {
    volatile bool armed, harmless, open;
    volatile unsigned made[INNOCENTS][STEPS]; /* how often each step of each innocent was begun */
} notes;
static notes *seen;

/* ---- The program ---- */

static volatile int zero;

static sw_value charge(sw_ctx *c, sw_value value)
{
    volatile int *nowhere = (volatile int *)(uintptr_t)zero;
    while (!seen->armed) sw_sleep(c, "arm", 20);
    sw_sleep(c, "moment", 100); /* others have the time to be loaded too */
    if (seen->harmless) return value;
    if (sw_as_int(value, 0) % 2) abort();
    *nowhere = 1;
    return value;
}

static void on_poison(sw_ctx *c)
{
    sw_step(c, "charge", charge, sw_int(strtoll(sw_query(c, "who"), NULL, 10)));
    sw_reply_text(c, 200, "harmless");
}

static sw_value work(sw_ctx *c, sw_value v)
{
    int64_t who = sw_as_int(sw_at(v, 0), 0), step = sw_as_int(sw_at(v, 1), 0);
    (void)__atomic_add_fetch(&seen->made[who][step], 1, __ATOMIC_SEQ_CST);
    sw_sleep(c, "work", STEP_MS);
    return sw_int(step);
}

static void on_innocent(sw_ctx *c)
{
    int64_t who = strtoll(sw_query(c, "who"), NULL, 10), sum = 0;
    for (int i = 0; i < STEPS; i++)
        sum += sw_as_int(sw_step(c, "work", work, sw_array(c, 2, sw_int(who), sw_int(i))), 0);
    sw_reply_text(c, 200, "innocent %lld: %lld", (long long)who, (long long)sum);
}

/* Its step ends when the test says so. */
static sw_value wait_for_it(sw_ctx *c, sw_value v)
{
    while (!seen->open) sw_sleep(c, "wait", 20);
    return v;
}

static void on_long(sw_ctx *c)
{
    sw_step(c, "wait", wait_for_it, sw_nil());
    sw_reply_text(c, 200, "waited");
}

static int serve(int argc, char **argv)
{
    seen = served_notes(sizeof *seen);
    sw_app *app = sw_app_new("poisons");
    sw_endpoint(app, "POST /poison", on_poison, NULL);
    sw_endpoint(app, "POST /innocent", on_innocent, NULL);
    sw_endpoint(app, "POST /long", on_long, NULL);
    return sw_main(app, argc, argv);
}

/* ---- The test ---- */

static char poisons[POISONS_MAX][1024], innocents[INNOCENTS][1024];
static answer a;
static unsigned restarts; /* of a server without supervisor */

static void in_folder(const char *name, bool supervised)
{
    snprintf(data, sizeof data, "%s/%s-%d", root, name, supervised);
    memset(seen, 0, sizeof *seen);
    is_supervised = supervised;
    restarts = 0;
    log_forget();
    start();
}

static unsigned deaths(void)
{
    restarts += restart_if_dead();
    /* A sanitizer ends a process by its own exit code. */
    return is_supervised ? log_count(" was ended by signal ") + log_count(" ended with code ") : restarts;
}

static void wait_deaths(unsigned count)
{
    for (int i = 0; deaths() < count; i++) {
        if (i == PATIENCE_MS / 20) log_show();
        CHECK(i < PATIENCE_MS / 20);
        nap();
    }
}

static void wait_state(const char *output, const char *state)
{
    for (int i = 0; i < PATIENCE_MS / 20; i++) {
        (void)deaths();
        if (is_in_state(output, state, &a)) return;
        nap();
    }
    log_show();
    CHECK(!"the run does not come to that state");
}

static void check_answer(const char *output, const char *body)
{
    bool answered = false;
    for (int i = 0; i < PATIENCE_MS / 20 && !answered; i++) {
        if (i > 0) nap();
        (void)deaths();
        answered = call_try(NULL, server_url(output), NULL, NULL, 0, &a) && a.status != 303;
    }
    CHECK(answered);
    CHECK_INT(a.status, 200);
    CHECK_STR(a.body, body);
}

static void release(const char *output)
{
    char path[160];
    snprintf(path, sizeof path, "%s/release", page_of(output));
    call("POST", server_url(path), NULL, "", 0, &a);
    CHECK_INT(a.status, 200);
    check_answer(output, "harmless");
}

/* How often a step was made, of the innocents: the most, and all together. */
static unsigned most_made(unsigned *all)
{
    unsigned most = 0;
    *all = 0;
    for (int who = 0; who < INNOCENTS; who++)
        for (int step = 0; step < STEPS; step++) {
            unsigned n = seen->made[who][step];
            CHECK(n >= 1);
            *all += n;
            if (n > most) most = n;
        }
    return most;
}

static const char STOPPED[] = "\"state\":\"stopped\",\"reason\":\"crashes\"";

/* The poisons begin between the innocents. */
static void beside_innocents(unsigned count, bool supervised)
{
    char path[64], body[64];
    unsigned all;
    in_folder(count > 4 ? "many" : "few", supervised);
    for (unsigned i = 0, p = 0; i < INNOCENTS; i++) {
        snprintf(path, sizeof path, "/innocent?who=%u", i);
        begin(path, innocents[i]);
        for (; p * INNOCENTS < count * (i + 1); p++) {
            snprintf(path, sizeof path, "/poison?who=%u", p);
            begin(path, poisons[p]);
        }
    }
    seen->armed = true;
    for (unsigned i = 0; i < count; i++) {
        wait_state(poisons[i], STOPPED);
        CHECK(strstr(a.body, i % 2 ? "by signal 6 in step \\\"charge\\\"" : "by signal 11 in step \\\"charge\\\""));
    }
    for (unsigned i = 0; i < INNOCENTS; i++) {
        snprintf(body, sizeof body, "innocent %u: %d", i, STEPS * (STEPS - 1) / 2);
        check_answer(innocents[i], body);
    }
    unsigned died = deaths(), most = most_made(&all);
    printf("# %u poisons: %u deaths; a step was made %u times at most, %.2f on average\n", count, died, most,
           (double)all / (INNOCENTS * STEPS));
    CHECK(died <= 3 * count);
    /* Each poison's first time may meet the same attempt. The other two find that others have got on: in what began
     * again they meet one attempt of it at most. On a machine too busy for that they do not wait for ever, as it says.
     */
    unsigned impatient = log_count("others have not got on");
    CHECK(most <= (impatient == 0 ? count + 2 : 1 + died));
    CHECK_INT(log_count("next start in 10000 ms") + log_count("are given up"), 0); /* by the supervisor */
    seen->harmless = true;
    for (unsigned i = 0; i < count; i++) release(poisons[i]);
    stop();
}

static void test_few(void) { beside_innocents(4, false); }
static void test_many_supervised(void) { beside_innocents(16, true); }

/* A run that was mended meanwhile, as by an upgrade, goes on at once when nobody else is there. */
static void alone(bool supervised)
{
    in_folder("alone", supervised);
    begin("/poison?who=0", poisons[0]);
    seen->armed = true;
    wait_deaths(1);
    seen->harmless = true;
    check_answer(poisons[0], "harmless");
    CHECK(log_count("nothing else is in memory") >= 1);
    CHECK_INT(log_count("have not got on"), 0);
    CHECK_INT(log_count("stopped ("), 0);
    stop();
}

static void test_alone(void) { alone(false); }
static void test_alone_supervised(void) { alone(true); }

/* It does not wait for ever for one that does not get on; meanwhile it is cancelled and not released like any other. */
static void test_long(void)
{
    char output[1024];
    in_folder("long", true);
    begin("/long", output);
    begin("/poison?who=0", poisons[0]);
    begin("/poison?who=1", poisons[1]);
    seen->armed = true;
    wait_deaths(2);
    seen->harmless = true;
    call("DELETE", server_url(page_of(poisons[1])), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    check_answer(poisons[0], "harmless");
    CHECK(log_count("others have not got on") >= 1);
    seen->open = true;
    check_answer(output, "waited");
    stop();
}

/* The long one runs where servers are as they are in production. */
#if defined(CORO_VALGRIND)
enum { IN_FULL = 0 };
#else
enum { IN_FULL = !SANITIZED };
#endif

static const check_case cases[] = {
    {"four at once", test_few},
    {"sixteen at once, supervised", IN_FULL ? test_many_supervised : NULL},
    {"one that is alone, and mended, goes on at once", test_alone},
    {"one that is alone, and mended, goes on at once, supervised", test_alone_supervised},
    {"one beside a run that does not get on", test_long},
};

SERVED_MAIN_NOTES(serve, seen, cases)
