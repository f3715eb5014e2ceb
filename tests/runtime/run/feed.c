/* feed: the ring is there while somebody listens, and a listener misses nothing that it is not told of. */
#include "runtime/run/feed.h"

#include "runtime/run/endpoint.h"
#include "runtime/run/run.h"
#include "runtime/run/step_spec.h"

#include "tests/harness/check.h"

static feed f;

static const feed_wish all = {.with_steps = true};

static void tell(unsigned count)
{
    run_id id = {{0}};
    for (unsigned i = 0; i < count; i++) {
        id.bytes[0] = (uint8_t)f.told;
        feed_tell_stopped(&f, &id, "test");
    }
}

/* Reads all that is there, in batches, and checks that it is what was told last. */
static size_t read_all(feed_cursor *cursor, uint64_t *lost)
{
    feed_event batch[64];
    size_t total = 0, n;
    *lost = 0;
    do {
        uint64_t more = 0;
        n = feed_read(&f, cursor, batch, 64, &more);
        *lost += more;
        for (size_t i = 0; i < n; i++) CHECK_INT(batch[i].run.bytes[0], (uint8_t)(cursor->told - n + i));
        total += n;
    } while (n > 0);
    return total;
}

static void test_nobody(void)
{
    CHECK(feed_init(&f));
    CHECK(!feed_is_heard(&f));
    tell(10);
    CHECK(!f.ring && f.told == 0);
    feed_destroy(&f);
}

static void test_cursors(void)
{
    feed_cursor a, b;
    uint64_t lost;
    CHECK(feed_init(&f) && feed_listen(&f, &all, &a));
    tell(100);
    CHECK(feed_listen(&f, &all, &b)); /* from now on */
    tell(50);
    CHECK_INT(read_all(&a, &lost), 150);
    CHECK_INT(lost, 0);
    CHECK_INT(read_all(&b, &lost), 50);
    CHECK_INT(lost, 0);
    CHECK_INT(read_all(&b, &lost), 0);
    feed_leave(&f, &all);
    tell(1);
    CHECK_INT(read_all(&a, &lost), 1); /* the other one still listens */
    feed_leave(&f, &all);
    CHECK(!feed_is_heard(&f) && !f.ring);
    tell(5);
    CHECK(feed_listen(&f, &all, &a));
    CHECK_INT(read_all(&a, &lost), 0); /* nothing outlives the last listener */
    feed_leave(&f, &all);
    feed_destroy(&f);
}

static void test_lost(void)
{
    feed_cursor a;
    uint64_t lost;
    CHECK(feed_init(&f) && feed_listen(&f, &all, &a));
    for (unsigned more = 0; more < 3; more++) {
        tell(FEED_RING_EVENTS + more);
        CHECK_INT(read_all(&a, &lost), FEED_RING_EVENTS);
        CHECK_INT(lost, more);
    }
    tell(10 * FEED_RING_EVENTS);
    CHECK_INT(read_all(&a, &lost), FEED_RING_EVENTS);
    CHECK_INT(lost, 9 * FEED_RING_EVENTS);
    feed_leave(&f, &all);
    feed_destroy(&f);
}

/* ---- Wishes ---- */

static const run_id mine = {{[13] = 1}}, other = {{[13] = 2}};

static size_t count_read(feed_cursor *cursor, uint64_t *lost)
{
    feed_event batch[64];
    return feed_read(&f, cursor, batch, 64, lost);
}

/* Who has a rate gets as many events as it has room for; the others are counted, and none of them is made. */
static void test_room(void)
{
    static const feed_wish few = {.rate = 20};
    feed_cursor a;
    uint64_t lost;
    CHECK(feed_init(&f) && feed_listen(&f, &few, &a));
    for (int look = 0; look < 3; look++) {
        feed_make_room(&f, &few, 5);
        feed_make_room(&f, &few, 3); /* another one's, who needs less */
        for (int i = 0; i < 100; i++) feed_tell_stopped(&f, &mine, "test");
        CHECK_INT(count_read(&a, &lost), 5);
        CHECK_INT(lost, 95);
    }
    CHECK_INT(f.told, 15);
    feed_leave(&f, &few);
    CHECK(!feed_is_heard(&f) && f.rated == 0);
    feed_destroy(&f);
}

/* Who wants one run alone gets all of it, whatever others leave out, and hears nothing of what others have lost. */
static void test_watched(void)
{
    static const feed_wish few = {.rate = 20}, one = {.has_run = true, .run = {{[13] = 1}}, .with_steps = true};
    feed_cursor a, b, c;
    uint64_t lost;
    CHECK(feed_init(&f) && feed_listen(&f, &one, &a));
    feed_tell_stopped(&f, &other, "test");
    CHECK_INT(f.told, 0);
    CHECK(feed_listen(&f, &one, &b) && feed_listen(&f, &few, &c));
    for (int i = 0; i < 50; i++) {
        feed_tell_stopped(&f, &mine, "test");
        feed_tell_stopped(&f, &other, "test");
    }
    CHECK_INT(count_read(&a, &lost), 50);
    CHECK_INT(lost, 0);
    CHECK_INT(count_read(&c, &lost), 50);
    CHECK_INT(lost, 50);
    feed_leave(&f, &one);
    feed_tell_stopped(&f, &mine, "test"); /* another one still watches */
    CHECK_INT(count_read(&b, &lost), 51);
    CHECK_INT(lost, 0);
    feed_leave(&f, &one);
    feed_tell_stopped(&f, &mine, "test");
    CHECK_INT(count_read(&c, &lost), 1);
    CHECK_INT(lost, 1);
    feed_leave(&f, &few);
    CHECK(f.watched == 0 && f.rated == 0 && f.whole == 0 && f.stepped == 0);
    feed_destroy(&f);
}

/* Who wants all makes room for all; when it goes, a rate counts again. */
static void test_whole(void)
{
    static const feed_wish few = {.rate = 20};
    feed_cursor a, b;
    uint64_t lost;
    CHECK(feed_init(&f) && feed_listen(&f, &few, &a) && feed_listen(&f, &all, &b));
    for (int i = 0; i < 50; i++) feed_tell_stopped(&f, &other, "test");
    CHECK_INT(count_read(&b, &lost), 50);
    CHECK_INT(lost, 0);
    feed_leave(&f, &all);
    feed_tell_stopped(&f, &other, "test");
    CHECK_INT(count_read(&a, &lost), 50);
    CHECK_INT(lost, 1);
    feed_leave(&f, &few);
    feed_destroy(&f);
}

/* Who wants steps too takes no room from who wants runs alone. */
static void test_steps(void)
{
    static const feed_wish runs = {.rate = 20}, steps = {.rate = 20, .with_steps = true};
    static endpoint of = {.route = "GET /"};
    static run r = {.task = {.endpoint = &of}, .commit = COMMIT_DURABLE};
    const step_spec spec = {.id = "pay"};
    feed_cursor a, b;
    feed_event batch[64];
    uint64_t lost;
    unsigned ended = 0;
    CHECK(feed_init(&f) && feed_listen(&f, &runs, &a) && feed_listen(&f, &steps, &b));
    feed_make_room(&f, &runs, 5);
    feed_make_room(&f, &steps, 5);
    for (uint32_t i = 1; i <= 50; i++) feed_tell_attempt(&f, &r, &spec, i);
    for (int i = 0; i < 50; i++) feed_tell_stopped(&f, &other, "test");
    size_t n = feed_read(&f, &a, batch, 64, &lost);
    for (size_t i = 0; i < n; i++) ended += batch[i].step[0] == 0;
    CHECK_INT(ended, 5);
    CHECK_INT(feed_read(&f, &b, batch, 64, &lost), 10);
    CHECK_INT(lost, 90);
    feed_leave(&f, &runs);
    feed_leave(&f, &steps);
    feed_destroy(&f);
}

/* ---- From several threads ---- */

enum { TELLERS = 3, TOLD_EACH = 20000 };

static void tell_much(void *arg)
{
    run_id id = {{0}};
    id.bytes[1] = *(uint8_t *)arg;
    for (unsigned i = 0; i < TOLD_EACH; i++) {
        id.bytes[2] = (uint8_t)i;
        feed_tell_stopped(&f, &id, "test");
    }
}

static void test_threads(void)
{
    uv_thread_t threads[TELLERS];
    uint8_t numbers[TELLERS];
    feed_cursor cursor;
    uint64_t lost, got = 0, all_lost = 0;
    feed_event batch[64];
    CHECK(feed_init(&f) && feed_listen(&f, &all, &cursor));
    for (uint8_t i = 0; i < TELLERS; i++) {
        numbers[i] = i;
        CHECK_INT(uv_thread_create(&threads[i], tell_much, &numbers[i]), 0);
    }
    while (got + all_lost < (uint64_t)TELLERS * TOLD_EACH) {
        got += feed_read(&f, &cursor, batch, 64, &lost);
        all_lost += lost;
    }
    for (int i = 0; i < TELLERS; i++) CHECK_INT(uv_thread_join(&threads[i]), 0);
    CHECK_INT(got + all_lost, (uint64_t)TELLERS * TOLD_EACH);
    CHECK_INT(feed_read(&f, &cursor, batch, 64, &lost) + lost, 0);
    feed_leave(&f, &all);
    feed_destroy(&f);
}

static const check_case cases[] = {{"nothing is kept for nobody", test_nobody},
                                   {"each listener has its own place", test_cursors},
                                   {"what was lost is counted", test_lost},
                                   {"a rate has so many events made for it", test_room},
                                   {"who wants steps takes no room from others", test_steps},
                                   {"who watches one run gets all of it", test_watched},
                                   {"who wants all gets all", test_whole},
                                   {"threads tell, and each event is read or counted", test_threads}};

int main(int argc, char **argv) { return check_run(cases, sizeof cases / sizeof cases[0], argc, argv); }
