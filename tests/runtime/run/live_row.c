/* The row of a run in the live table is written when its time changes, not with each segment of the run. */
#include "tests/harness/turned.h"

enum { CHUNKS = 5, SLEEP_MS = 300 };

static sw_value stream(sw_ctx *c, sw_value v)
{
    for (int i = 0; i < CHUNKS; i++) {
        sw_push_chunk(c, sw_int(i));
        sw_sleep(c, "until the next", 1);
    }
    return v;
}

static void on_stream(sw_ctx *c)
{
    (void)sw_step(c, "before", stream, sw_nil());
    sw_sleep(c, "long", SLEEP_MS);
    (void)sw_step(c, "after", stream, sw_nil());
    sw_reply_text(c, 200, "done");
}

static void routes(sw_app *app) { sw_endpoint(app, "POST /stream", on_stream, NULL); }

static uint32_t written; /* entries of the run that the store was told to write */

/* Waits until the run has given its next segment to the store, writes it, and returns what becomes of the row. */
static store_live write_segment(const run *r, int64_t *due_ms)
{
    TURN_UNTIL(run_commit_is_under_way(r->commit) && r->seq_sealed > written);
    written = r->seq_sealed;
    store_live live = r->segment.live;
    *due_ms = r->segment.due_ms;
    store_hand_write(turned_app->store);
    return live;
}

/* Writes segments until one says another time. */
static store_live write_until_due(const run *r, int64_t *due_ms)
{
    store_live live;
    while ((live = write_segment(r, due_ms)) == STORE_LIVE_UNCHANGED) CHECK_INT(*due_ms, 0);
    return live;
}

static void test_row(void)
{
    static const char *const flags[] = {"--park-after=1h", NULL};
    int64_t due_ms = 0;
    turned_open(routes, flags);
    run *r = turned_begin("POST /stream");
    turned_writes = false;
    written = 0;
    CHECK_INT(write_segment(r, &due_ms), STORE_LIVE_SET);
    CHECK_INT(due_ms, 0);
    CHECK_INT(write_segment(r, &due_ms), STORE_LIVE_UNCHANGED);
    CHECK_INT(write_until_due(r, &due_ms), STORE_LIVE_SET);
    CHECK(due_ms > 0); /* the sleep's end, which the next process has to know */
    CHECK_INT(write_segment(r, &due_ms), STORE_LIVE_SET);
    CHECK_INT(due_ms, 0); /* the run works again */
    CHECK_INT(write_segment(r, &due_ms), STORE_LIVE_UNCHANGED);
    CHECK_INT(write_until_due(r, &due_ms), STORE_LIVE_CLEAR);
    turned_writes = true;
    turned_close();
}

/* The next execution does not know what the row is, so it writes it with its first segment. */
static void test_resumed(void)
{
    static const char *const flags[] = {"--park-after=0", NULL};
    turned_open(routes, flags);
    run_id id = turned_begin("POST /stream")->id;
    slot *s = NULL;
    TURN_UNTIL((s = turned_only_slot()) && s->state == SLOT_PARKED);
    TURN_UNTIL(s->run);
    CHECK(run_id_equal(&s->id, &id));
    int64_t due_ms = 0;
    turned_writes = false;
    written = s->run->seq_durable;
    CHECK_INT(write_segment(s->run, &due_ms), STORE_LIVE_SET);
    CHECK_INT(due_ms, 0);
    CHECK_INT(write_segment(s->run, &due_ms), STORE_LIVE_UNCHANGED);
    turned_writes = true;
    turned_close();
}

static const check_case cases[] = {
    {"a run that streams writes its row in the live table when its time changes", test_row},
    {"a run that is loaded writes its row once", test_resumed}};
CHECK_MAIN(cases)
