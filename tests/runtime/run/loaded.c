/* How many bytes of journals come to memory at a time (--journal-load-max): of runs that are due together, of a start,
 * also after an end for an unknown reason, and of runs that were asked for; in their order, and nobody waits for a run
 * that only waits itself. */
#include "runtime/run/letter.h"
#include "runtime/run/survey.h"
#include "runtime/run/suspects.h"
#include "tests/harness/clock_faults.h"
#include "tests/harness/turned.h"

enum {
    RUNS = 60,
    MANY = 600, /* more than one read is for */
    SMALL_BYTES = 8 * 1024,
    LARGE_BYTES = 200 * 1024,
    LOAD_BYTES = 64 * 1024,
    HEAD_BYTES = 512, /* of a journal, at most, beside what it keeps */
    NAP_MS = 60000    /* by the test's own clock */
};

static struct {
    int begun, worked, woken, ended;
    int order[2 * MANY];
} seen;

/* ---- The program ---- */

static sw_value keep(sw_ctx *c, sw_value bytes)
{
    size_t len = (size_t)sw_as_int(bytes, 0);
    char *kept = sw_alloc(c, len);
    seen.worked++;
    memset(kept, 'k', len);
    return sw_map(c, "number", sw_int(seen.begun++), "kept", sw_strn(c, kept, len));
}

static sw_value wake(sw_ctx *c, sw_value number)
{
    (void)c;
    seen.order[seen.woken++] = (int)sw_as_int(number, -1);
    return number;
}

/* Not by the journal: the run stays in memory. */
static sw_value linger(sw_ctx *c, sw_value number)
{
    seen.woken++;
    sw_sleep(c, "longer", NAP_MS);
    return number;
}

static void nap(sw_ctx *c, int64_t bytes, sw_step_fn then)
{
    sw_value kept = sw_step(c, "keep", keep, sw_int(bytes));
    sw_sleep(c, "nap", NAP_MS);
    sw_step(c, "then", then, sw_get(kept, "number"));
    seen.ended++;
    sw_reply_text(c, 200, "rested");
}

static void on_small(sw_ctx *c) { nap(c, SMALL_BYTES, wake); }
static void on_tiny(sw_ctx *c) { nap(c, 1, wake); }
static void on_large(sw_ctx *c) { nap(c, LARGE_BYTES, wake); }
static void on_lingers(sw_ctx *c) { nap(c, SMALL_BYTES, linger); }

static void on_ended(sw_ctx *c)
{
    (void)sw_step(c, "keep", keep, sw_int(LARGE_BYTES));
    sw_sleep(c, "nap", NAP_MS);
    sw_reply_text(c, 200, "over");
}

static void routes(sw_app *app)
{
    sw_endpoint(app, "POST /small", on_small, NULL);
    sw_endpoint(app, "POST /tiny", on_tiny, NULL);
    sw_endpoint(app, "POST /large", on_large, NULL);
    sw_endpoint(app, "POST /lingers", on_lingers, NULL);
    sw_endpoint(app, "POST /ended", on_ended, NULL);
}

static void open_loaded(void)
{
    turned_open(routes, (const char *const[]){"--park-after", "0", "--journal-load-max", "64KiB", NULL});
}

static void begin_test(void)
{
    static clocks_state passing;
    clocks = &passing;
    memset(&seen, 0, sizeof seen);
    open_loaded();
}

static void pass_nap(void)
{
    clocks->slept_ms += NAP_MS;
    clocks_tell();
}

/* Of journals of runs that have come back to memory. */
static size_t loaded_bytes(void)
{
    const slot_table *t = &turned_home()->slots;
    size_t bytes = 0;
    for (size_t i = 0; i < t->bucket_count; i++)
        for (const slot *s = t->buckets[i]; s; s = s->next)
            if (s->run && s->run->replay) bytes += s->run->state_bytes;
    return bytes;
}

static bool is_over(void)
{
    return seen.ended > 0 && turned_home()->runs.count == 0 && turned_home()->slots.count == 0;
}

/* Turns until all is over, and returns how many bytes were in memory at once. */
static size_t go_on(void)
{
    size_t most = 0;
    while (!is_over()) {
        CHECK(turned_turn());
        if (loaded_bytes() > most) most = loaded_bytes();
    }
    CHECK_INT(turned_home()->slots.quota.resumed_bytes, 0);
    CHECK_INT(turned_home()->slots.quota.reads, 0);
    return most;
}

/* Of a start: runs are due in the order of their ids. */
static void check_order(int count)
{
    CHECK_INT(seen.woken, count);
    for (int i = 0; i < count; i++) CHECK_INT(seen.order[i], i);
}

/* ---- Tests ---- */

static void park(int count)
{
    for (int i = 0; i < count; i++) (void)turned_park("POST /small");
}

/* What they go on with is not on disk yet: the others stay outside. */
static void check_waits(void)
{
    turned_writes = false;
    turned_often();
    CHECK(loaded_bytes() > LOAD_BYTES / 2 && loaded_bytes() <= LOAD_BYTES);
    CHECK(turned_home()->slots.due_count > RUNS / 2);
    turned_writes = true;
}

static void test_due(void)
{
    begin_test();
    park(RUNS);
    pass_nap();
    check_waits();
    size_t most = go_on();
    if (most > LOAD_BYTES) printf("# %zu bytes\n", most);
    CHECK(most <= LOAD_BYTES);
    CHECK_INT(seen.worked, RUNS);
    CHECK_INT(seen.ended, RUNS);
    turned_close();
}

static void open_next(void)
{
    turned_end();
    clocks->slept_ms += NAP_MS;
    open_loaded();
}

static void test_start(void)
{
    begin_test();
    park(RUNS);
    open_next();
    check_waits();
    CHECK(go_on() <= LOAD_BYTES);
    CHECK_INT(seen.worked, RUNS);
    check_order(RUNS);
    turned_close();
}

/* Each turn of the disk has the last read first. */
static bool turn_backwards(void)
{
    for (size_t n; (n = store_hand_reads(turned_app->store)) > 0;) store_hand_read(turned_app->store, n - 1);
    return turned_turn_unread();
}

/* More than one read is for: they keep their order, in whichever order the reads come back, and take few of the places
 * that requests want. */
static void test_many(void)
{
    size_t places_most = 0;
    bool is_first = true;
    begin_test();
    park(MANY);
    open_next();
    while (!is_over()) {
        CHECK(turn_backwards());
        if (seen.woken > 0) is_first = false; /* of the first journals nobody knows how large they are */
        if (!is_first && turned_home()->slots.places > places_most) places_most = turned_home()->slots.places;
        CHECK(loaded_bytes() <= LOAD_BYTES);
    }
    if (places_most > 2 * LOAD_BYTES / SMALL_BYTES) printf("# %zu places\n", places_most);
    CHECK(places_most > 0 && places_most <= 2 * LOAD_BYTES / SMALL_BYTES);
    CHECK_INT(turned_home()->slots.quota.due_reads, 0);
    check_order(MANY);
    turned_close();
}

/* Those that have room, however many, are read at once. */
static void test_many_small(void)
{
    size_t reads_most = 0;
    static clocks_state passing;
    clocks = &passing;
    memset(&seen, 0, sizeof seen);
    turned_open(routes, (const char *const[]){"--park-after", "0", NULL});
    for (int i = 0; i < 2 * MANY; i++) (void)turned_park("POST /tiny");
    pass_nap();
    while (!is_over()) {
        CHECK(turned_turn());
        if (turned_home()->slots.quota.due_reads > reads_most) reads_most = turned_home()->slots.quota.due_reads;
    }
    CHECK(reads_most > 1);
    CHECK_INT(seen.ended, 2 * MANY);
    turned_close();
}

/* Those larger than all that may be in memory are read alone, in their turn. */
static void test_large(void)
{
    begin_test();
    (void)turned_park("POST /large");
    park(RUNS / 2);
    (void)turned_park("POST /large");
    park(RUNS / 2);
    open_next();
    size_t most = go_on();
    if (most > LARGE_BYTES + HEAD_BYTES) printf("# %zu bytes\n", most);
    CHECK(most <= LARGE_BYTES + HEAD_BYTES);
    CHECK_INT(seen.worked, RUNS + 2);
    check_order(RUNS + 2);
    turned_close();
}

/* What only waits in memory keeps nobody outside. */
static void test_lingering(void)
{
    begin_test();
    for (int i = 0; i < RUNS; i++) (void)turned_park("POST /lingers");
    pass_nap();
    TURN_UNTIL(seen.woken == RUNS);
    CHECK(loaded_bytes() > 2 * LOAD_BYTES);
    pass_nap();
    (void)go_on();
    CHECK_INT(seen.ended, RUNS);
    turned_close();
}

/* Whoever asks for a run that has ended does not wait for those that are to go on; nor does whoever ends one. */
static void test_asked(void)
{
    begin_test();
    run_id ended = turned_park("POST /ended");
    pass_nap();
    TURN_UNTIL(turned_home()->slots.count == 0);
    park(RUNS);
    run_id last = turned_park("POST /small");
    pass_nap();
    check_waits();
    turned_writes = false;
    turned_check(turned_send_to("GET", &ended, "/output"), 200, "over");
    CHECK(turned_home()->slots.due_count > RUNS / 2);
    turned_writes = true;
    int fd = turned_send_to("DELETE", &last, "");
    while (turned_slot(&last)) CHECK(turned_turn());
    turned_check(fd, 200, "");
    (void)go_on();
    CHECK_INT(seen.ended, RUNS);
    turned_close();
}

/* The process before has died, and nobody knows of which run. */
static void open_after_end(void)
{
    open_next();
    home *h = turned_home();
    h->suspects = turned_app->suspects = suspects_start(
        turned_app->store,
        &(suspects_options){
            .unclean = true, .again = true, .how = "as the test says", .began_ms = clock_wall_ms() + 1, .loops = 1});
    CHECK(h->suspects);
    suspects_join(h);
}

/* Runs outside memory whose rows say that they are in memory, or are about to. */
static int raised_count(void)
{
    const slot_table *t = &turned_home()->slots;
    int count = (int)t->raising;
    for (size_t i = 0; i < t->bucket_count; i++)
        for (const slot *s = t->buckets[i]; s; s = s->next) count += !s->run && suspects_is_raised(s);
    return count;
}

/* What comes behind the first of them is not read to be put behind all others: it would be read for nothing, and
 * suspected without ever having been in memory. */
static void test_unclean(void)
{
    int raised_most = 0;
    begin_test();
    park(RUNS);
    open_after_end();
    while (!is_over()) {
        CHECK(turned_turn());
        if (raised_count() > raised_most) raised_most = raised_count();
        CHECK(loaded_bytes() <= LOAD_BYTES);
    }
    if (raised_most > LOAD_BYTES / SMALL_BYTES) printf("# %d runs\n", raised_most);
    CHECK(raised_most > 0 && raised_most <= LOAD_BYTES / SMALL_BYTES);
    CHECK_INT(turned_home()->slots.quota.raising_bytes, 0);
    CHECK_INT(seen.worked, RUNS);
    check_order(RUNS);
    turned_close();
}

/* A run that is asked for before it is known that it goes on does not go on beside all that may. */
static void test_asked_at_start(void)
{
    run_id ids[RUNS];
    int fds[RUNS];
    begin_test();
    for (int i = 0; i < RUNS; i++) ids[i] = turned_park("POST /small");
    open_next();
    for (int i = 0; i < RUNS; i++) fds[i] = turned_send_to("GET", &ids[i], "/output");
    while (turned_home()->slots.count < RUNS) CHECK(turned_turn_unread());
    CHECK(!turned_home()->slots.letters_read); /* nor is any row of a run */
    turned_writes = false;
    const slot_table *t = &turned_home()->slots;
    TURN_UNTIL(t->recovered && TAILQ_EMPTY(&t->asked) && t->loading == 0);
    check_waits();
    CHECK(go_on() <= LOAD_BYTES);
    for (int i = 0; i < RUNS; i++) turned_check(fds[i], 200, "rested");
    CHECK_INT(seen.worked, RUNS);
    turned_close();
}

/* The first that is due is larger than what has room: those behind it wait for that, and are said to. */
static void test_said(void)
{
    survey out;
    arena a;
    begin_test();
    (void)turned_park("POST /small");
    run_id large = turned_park("POST /large"), last = turned_park("POST /small");
    open_next();
    turned_writes = false;
    turned_often();
    arena_init(&a, turned_home()->arenas);
    CHECK(turned_slot(&large)->state == SLOT_DUE);
    CHECK(load_quota_has_room(&turned_home()->slots.quota, true));
    survey_take(turned_home(), &last, &a, &out);
    CHECK_INT(out.slot, SLOT_DUE);
    CHECK(out.loads_wait);
    arena_free(&a);
    turned_writes = true;
    (void)go_on();
    check_order(3);
    turned_close();
}

/* The process ends while journals are read, and others wait for that. */
static void test_drained(void)
{
    begin_test();
    park(RUNS);
    pass_nap();
    while (turned_home()->slots.loading == 0) CHECK(turned_turn_unread());
    turned_end();
    CHECK(seen.ended < RUNS);
    open_loaded();
    (void)go_on();
    CHECK_INT(seen.ended, RUNS);
    CHECK_INT(seen.worked, RUNS);
    turned_close();
}

static const check_case cases[] = {{"runs that are due together come back in parts", test_due},
                                   {"so do those of a start", test_start},
                                   {"more than one read is for keep their order", test_many},
                                   {"many that have room are read at once", test_many_small},
                                   {"a journal that is larger comes alone", test_large},
                                   {"nobody waits for a run that only waits", test_lingering},
                                   {"nor does who asks for a run that has ended", test_asked},
                                   {"nor do they come beside all others after an end", test_unclean},
                                   {"nor those that are asked for at a start", test_asked_at_start},
                                   {"behind a large one it is said what they wait for", test_said},
                                   {"a process ends while runs come back", test_drained}};

CHECK_MAIN(cases)
