/* A journal that can be read, with numbers that no run has written: its run ends as its code says, and the process goes
 * on. */
#include "runtime/recovery/settle.h"
#include "runtime/run/slot_core.h"
#include "tests/harness/turned.h"

static bool is_up;

static sw_value charge(sw_ctx *c, sw_value v)
{
    if (!is_up) sw_fail(c, "the bank says \"closed\"");
    return v;
}

static void on_order(sw_ctx *c)
{
    static const sw_step_options hourly = {.retries = 1, .backoff_ms = 3600000, .backoff_max_ms = 3600000};
    sw_step_with(c, "charge", charge, sw_nil(), &hourly);
    sw_reply_text(c, 200, "charged");
}

static void routes(sw_app *app) { sw_endpoint(app, "POST /order", on_order, NULL); }

/* ---- Journals ---- */

typedef struct journal {
    msgpack_sbuffer bytes;
    bool done;
} journal;

static void on_journal(void *arg, store_journal *loaded, size_t count)
{
    journal *j = arg;
    CHECK(count == 1 && loaded->found && loaded->live);
    msgpack_sbuffer_init(&j->bytes);
    CHECK(msgpack_sbuffer_write(&j->bytes, loaded->data, loaded->len) == 0);
    j->done = true;
}

/* Leaves a run that waits for the second attempt of its step. */
static run_id leave_run(journal *out)
{
    *out = (journal){.done = false};
    is_up = false;
    turned_open(routes, NULL);
    const run_id id = turned_begin("POST /order")->id;
    const slot *s = NULL;
    TURN_UNTIL((s = slot_find(&turned_home()->slots, &id)) && s->state == SLOT_PARKED);
    CHECK(store_load(turned_home()->port, &id, 1, on_journal, out));
    TURN_UNTIL(out->done);
    turned_close();
    return id;
}

/* Writes the run's journal to a disk of its own; the failed attempt has this number, and the next one is due. */
static void write_damaged(const run_id *id, const journal *j, uint32_t attempt)
{
    char why[256];
    const char *mistake = NULL;
    msgpack_sbuffer damaged;
    msgpack_sbuffer_init(&damaged);
    for (size_t at = 0, n; at < j->bytes.size; at += n) {
        entry e;
        CHECK((n = entry_decode(j->bytes.data + at, j->bytes.size - at, &e, &mistake)) > 0);
        if (e.kind == ENTRY_STEP_FAILED) e.attempt = attempt;
        if (e.kind == ENTRY_STEP_FAILED) e.due_ms = e.at_ms + 1;
        CHECK(entry_encode(&damaged, &e) == 0);
    }
    turned_disk = memory_disk_new();
    store *s = store_open(&(store_options){.backend = memory_open(turned_disk), .by_hand = true}, why, sizeof why);
    settling *desk = settle_open(s);
    CHECK(desk);
    store_segment segment = {
        .run = *id, .live = STORE_LIVE_SET, .retain_ms = -1, .data = damaged.data, .len = damaged.size};
    CHECK(!settle_append(desk, &segment));
    settle_close(desk);
    store_close(s);
    msgpack_sbuffer_destroy(&damaged);
}

/* ---- Tests ---- */

static void test_attempts(void)
{
    static const uint32_t numbers[] = {0, INT32_MAX, (uint32_t)INT32_MAX + 1, UINT32_MAX};
    for (size_t i = 0; i < 2 * sizeof numbers / sizeof *numbers; i++) {
        journal j;
        const run_id id = leave_run(&j);
        write_damaged(&id, &j, numbers[i / 2]);
        is_up = i % 2 == 0;
        turned_open(routes, NULL);
        const counters *n = &turned_home()->counters;
        bool begins_anew = numbers[i / 2] == 0; /* its first attempt again, behind which another one waits */
        if (is_up)
            TURN_UNTIL(n->runs_succeeded == 1);
        else
            TURN_UNTIL(begins_anew ? n->runs_parked == 1 : n->runs_failed == 1);
        msgpack_sbuffer_destroy(&j.bytes);
        turned_close();
    }
}

static const check_case cases[] = {{"an attempt of any number", test_attempts}};
CHECK_MAIN(cases)
