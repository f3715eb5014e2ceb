/* A start that waits for room on the disk: what is read of runs before the journal takes writes may be missing what the
 * start still writes to them, and nothing is deleted meanwhile. */
#include "runtime/recovery/settle.h"
#include "runtime/run/slot_core.h"
#include "tests/harness/turned.h"

static void on_nap(sw_ctx *c)
{
    sw_sleep(c, "nap", 3600000);
    sw_reply_text(c, 200, "rested");
}

static void routes(sw_app *app) { sw_endpoint(app, "POST /nap", on_nap, NULL); }

/* Leaves a run on disk; the next process knows its slot. */
static slot *reopen(const char *const *flags)
{
    char text[TURNED_TEXT];
    turned_open(routes, NULL);
    CHECK_INT(turned_reply(turned_send("POST", "/nap", ""), text), 303);
    turned_end();
    turned_open(routes, flags);
    TURN_UNTIL(turned_home()->slots.recovered);
    slot *s = turned_only_slot();
    CHECK(s && s->state == SLOT_PARKED && !s->is_known_here);
    return s;
}

/* It has been read, and its loop has not been told. */
static void read_ahead(slot *s)
{
    slot_wake(turned_home(), s);
    while (store_hand_reads(turned_app->store) == 0) CHECK(turned_turn_unread());
    CHECK(slot_is_loading(s));
    store_hand_read(turned_app->store, 0);
}

static void count_entries(void *arg, const store_journal *j)
{
    uint32_t *count = arg;
    const char *mistake = NULL;
    for (size_t at = 0, n; at < j->len; at += n, (*count)++) {
        entry e;
        n = entry_decode(j->data + at, j->len - at, &e, &mistake);
        CHECK(n > 0);
    }
}

/* The processes before have died of it: as the start writes that. */
static void write_stop(const run_id *id)
{
    uint32_t count = 0;
    msgpack_sbuffer entries;
    settling *s = settle_open(turned_app->store);
    CHECK(s);
    settle_load(s, id, count_entries, &count);
    CHECK(count > 0);
    msgpack_sbuffer_init(&entries);
    CHECK(entry_encode(&entries,
                       &(entry){.kind = ENTRY_STOPPED, .status = ENTRY_STOP_CRASHES, .at_ms = clock_wall_ms()}) == 0);
    store_segment segment = {.run = *id,
                             .seq = count,
                             .live = STORE_LIVE_SET,
                             .due_ms = STORE_DUE_STOPPED,
                             .retain_ms = -1,
                             .data = entries.data,
                             .len = entries.size};
    CHECK(!settle_append(s, &segment));
    settle_close(s);
    msgpack_sbuffer_destroy(&entries);
}

static void test_stopped(void)
{
    slot *s = reopen(NULL);
    const run_id id = s->id;
    s->has_live_row = false; /* as one that a client asks for before it is found: it is loaded with any gate */
    store_gate(turned_app->store);
    read_ahead(s);
    write_stop(&id);
    store_ungate(turned_app->store);
    TURN_UNTIL(slot_find(&turned_home()->slots, &id)->is_known_here);
    s = slot_find(&turned_home()->slots, &id);
    CHECK_INT(s->state, SLOT_STOPPED);
    CHECK_INT(s->stop, STOP_CRASHES);
    CHECK_INT(turned_home()->counters.runs_resumed, 0);
    turned_close();
}

/* Who asks for it is not told that it was deleted. It is, once it is known that no other run waits for its result. */
static void test_not_deleted(void)
{
    slot *s = reopen((const char *const[]){"--retain-stopped", "1s", NULL});
    const run_id id = s->id;
    memory_fail_reads(turned_disk, true);
    slot_wake(turned_home(), s);
    TURN_UNTIL(s->stop == STOP_UNREADABLE);
    s->since_ds -= 20;
    read_ahead(s);
    store_gate(turned_app->store);
    while (slot_find(&turned_home()->slots, &id) && slot_is_loading(s)) CHECK(turned_turn_unread());
    CHECK(slot_find(&turned_home()->slots, &id) == s);
    CHECK_INT(s->state, SLOT_STOPPED);
    store_ungate(turned_app->store);
    read_ahead(s); /* as its timer would */
    memory_fail_reads(turned_disk, false);
    TURN_UNTIL(s->caller_told);
    memory_fail_reads(turned_disk, true);
    TURN_UNTIL(!turned_only_slot());
    memory_fail_reads(turned_disk, false);
    turned_close();
}

static const check_case cases[] = {{"it is written that a run is stopped, after it was read", test_stopped},
                                   {"a run that cannot be read is not deleted", test_not_deleted}};
CHECK_MAIN(cases)
