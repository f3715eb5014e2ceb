/* Results on their way to the run that has called: few are in memory, others are read when they are wanted; and one
 * that is lost fails its call. */
#include "runtime/recovery/settle.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/mailbox_core.h"
#include "runtime/run/reopen_core.h"
#include "runtime/run/returning.h"
#include "runtime/run/slot_core.h"
#include "storage/backend.h"
#include "storage/kin.h"
#include "tests/harness/turned.h"

enum { CHILDREN = 90, RESULT_BYTES = 128 * 1024, BRANCHES = 40 };

static struct {
    int worked, ended;
    bool in_order;
    char errors[2][256];
} seen;

/* ---- The program ---- */

/* Its first byte says whose it is. */
static sw_value on_large(sw_ctx *c, sw_value input)
{
    seen.worked++;
    char *bytes = sw_alloc(c, RESULT_BYTES);
    memset(bytes, '0' + (int)sw_as_int(input, 0), RESULT_BYTES);
    return sw_strn(c, bytes, RESULT_BYTES);
}

static bool is_of(sw_value result, size_t i)
{
    return result.type == MSGPACK_OBJECT_STR && result.via.str.size == RESULT_BYTES &&
           *result.via.str.ptr == (char)('0' + i);
}

static void on_fan(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    for (int i = 0; i < CHILDREN; i++) sw_group_call(g, "large", "large", sw_int(i));
    sw_group_call(g, "waits", "waits", sw_int(7)); /* the group is not looked at before this one has returned */
    sw_value results = sw_group_wait(g);
    seen.in_order = sw_len(results) == CHILDREN + 1;
    for (size_t i = 0; i < CHILDREN; i++) seen.in_order = seen.in_order && is_of(sw_at(results, i), i);
    seen.ended++;
    sw_reply_text(c, 200, "all");
}

static sw_value on_branch(sw_ctx *c, sw_value input)
{
    return sw_bool(is_of(sw_call(c, "large", "large", input), (size_t)sw_as_int(input, 0)));
}

/* Each is wanted by a strand of its own. */
static void on_branches(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    for (int i = 0; i < BRANCHES; i++) sw_group_branch(g, "branch", on_branch, sw_int(i));
    sw_value results = sw_group_wait(g);
    seen.in_order = sw_len(results) == BRANCHES;
    for (size_t i = 0; i < sw_len(results); i++) seen.in_order = seen.in_order && sw_as_bool(sw_at(results, i), false);
    seen.ended++;
    sw_reply_text(c, 200, "all");
}

static sw_value on_waits(sw_ctx *c, sw_value input)
{
    sw_value go = sw_nil();
    sw_wait_for(c, "go", &(sw_wait){.signal = "go"}, &go);
    return input;
}

static void on_two(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    sw_group_call(g, "large", "large", sw_int(1));
    sw_group_call(g, "waits", "waits", sw_int(2));
    sw_value results = sw_group_settle(g);
    seen.in_order = sw_as_int(sw_get(sw_at(results, 1), "value"), 0) == 2;
    for (int i = 0; i < 2; i++) {
        const char *error = sw_cstr(c, sw_get(sw_at(results, (size_t)i), "error"));
        (void)snprintf(seen.errors[i], sizeof seen.errors[i], "%s", error ? error : "none");
    }
    seen.ended++;
    sw_reply_text(c, 200, "two");
}

static void routes(sw_app *app)
{
    /* With a deadline that is nearer than --park-after it stays in memory. */
    sw_endpoint(app, "POST /fan", on_fan, &(sw_endpoint_options){.timeout_ms = 1800000});
    sw_endpoint(app, "POST /branches", on_branches, NULL);
    sw_endpoint(app, "POST /two", on_two, NULL);
    sw_function(app, "large", on_large, NULL);
    sw_function(app, "waits", on_waits, NULL);
}

static void open_with(const char *park_after)
{
    turned_open(routes, (const char *const[]){"--park-after", park_after, NULL});
}

static size_t held_bytes(const run_id *id)
{
    const mailbox *b = mailbox_of(turned_home(), id);
    return b ? b->held_bytes : 0;
}

static bool is_over(void)
{
    const home *h = turned_home();
    return seen.ended > 0 && h->runs.count == 0 && h->slots.count == 0 && h->mailboxes.count == 0;
}

/* ---- Tests ---- */

static bool slot_waits(const slot *s)
{
    return s->run ? strcmp(s->run->task.endpoint->route, "waits") == 0 : s->state == SLOT_PARKED && s->names[0];
}

/* The run that is not `but` and waits for a signal. */
static run_id waiting_run(const run_id *but)
{
    while (turned_turn())
        for (size_t i = 0; i < turned_home()->slots.bucket_count; i++)
            for (slot *s = turned_home()->slots.buckets[i]; s; s = s->next)
                if (!run_id_equal(&s->id, but) && slot_waits(s)) return s->id;
    CHECK(!"there is one");
    return *but;
}

/* How many results are on disk for the run. */
static size_t results_of(const run_id *id)
{
    const mailbox *b = mailbox_of(turned_home(), id);
    return b ? b->returns.count : 0;
}

/* Turns until all is over, and returns how many bytes of results were in memory at once. */
static size_t go_on(const run_id *id)
{
    size_t most = 0;
    while (!is_over()) {
        CHECK(turned_turn());
        if (held_bytes(id) > most) most = held_bytes(id);
    }
    CHECK(seen.in_order);
    return most;
}

static void go_through_fan(const char *park_after, bool is_in_memory)
{
    memset(&seen, 0, sizeof seen);
    open_with(park_after);
    run_id id = turned_begin("POST /fan")->id, waits = waiting_run(&id);
    TURN_UNTIL(results_of(&id) == CHILDREN);
    size_t most = held_bytes(&id);
    CHECK(is_in_memory ? most > RETURNS_HELD_BYTES / 2 && most <= RETURNS_HELD_BYTES : most == 0);
    turned_check(turned_send_signal(&waits, "go", NULL, "1"), 202, "");
    most = go_on(&id);
    CHECK_INT(seen.worked, CHILDREN);
    CHECK(most <= RETURNS_HELD_BYTES);
    turned_close();
}

static void test_in_memory(void) { go_through_fan("1h", true); }
static void test_parked(void) { go_through_fan("0", false); }

static void test_branches(void)
{
    memset(&seen, 0, sizeof seen);
    open_with("0");
    run_id id = turned_begin("POST /branches")->id;
    (void)go_on(&id);
    CHECK_INT(seen.worked, BRANCHES);
    turned_close();
}

/* The process ends behind all results; the next one finds their letters, and takes them. */
static void test_next_process(void)
{
    memset(&seen, 0, sizeof seen);
    open_with("0");
    run_id id = turned_begin("POST /fan")->id;
    TURN_UNTIL(results_of(&id) == CHILDREN);
    turned_end();
    CHECK_INT(seen.ended, 0);
    open_with("0");
    run_id waits = waiting_run(&id);
    CHECK_INT(results_of(&id), CHILDREN);
    turned_check(turned_send_signal(&waits, "go", NULL, "1"), 202, "");
    CHECK(go_on(&id) <= RETURNS_HELD_BYTES);
    CHECK_INT(seen.worked, CHILDREN);
    turned_close();
}

/* Deletes the row, or puts something else in its place. */
static void write_in_place(const uint8_t key[LETTER_KEY_BYTES], bool is_damaged)
{
    mail_letter *m = mail_new_missing(turned_home(), key);
    CHECK(m);
    mail_delete(m);
    m->row.value = (store_bytes){"x", 1};
    if (is_damaged) m->row.op = STORE_ROW_PUT;
    turned_writes = false;
    turned_often();
    store_hand_write(turned_app->store);
    m->row.op = STORE_ROW_DELETE; /* as what its home takes it for */
    turned_writes = true;
    turned_often();
}

/* Of the first call: gone from the disk, or something else in its place. */
static void go_without(bool is_damaged)
{
    uint8_t key[LETTER_KEY_BYTES];
    uint32_t number = 0;
    memset(&seen, 0, sizeof seen);
    open_with("0");
    run_id id = turned_begin("POST /two")->id, waits = waiting_run(&id);
    TURN_UNTIL(results_of(&id) == 1);
    CHECK(number_set_next(&mailbox_of(turned_home(), &id)->returns, &number));
    letter_write_key(&id, letter_of_call(0, number), key);
    write_in_place(key, is_damaged);
    turned_check(turned_send_signal(&waits, "go", NULL, "1"), 202, "");
    TURN_UNTIL(is_over());
    CHECK(strstr(seen.errors[0], "what it returned cannot be read"));
    CHECK_STR(seen.errors[1], "none");
    turned_close();
}

static void test_gone(void) { go_without(false); }
static void test_damaged(void) { go_without(true); }

/* The run that was called last has gone on since, and ended anew: its letter comes while the former one is being read,
 * and counts. */
static void test_anew(void)
{
    static const returned anew = {.outcome = ENTRY_FAILED, .error = {"it has ended anew", 17}};
    letter_call call = {.generation = 0};
    memset(&seen, 0, sizeof seen);
    open_with("0");
    run_id id = turned_begin("POST /two")->id, waits = waiting_run(&id);
    TURN_UNTIL(results_of(&id) == 1);
    turned_check(turned_send_signal(&waits, "go", NULL, "1"), 202, "");
    TURN_UNTIL(results_of(&id) == 2 && mailbox_of(turned_home(), &id)->reads_returns);
    while (store_hand_reads(turned_app->store) > 0) store_hand_read(turned_app->store, 0);
    while (number_set_next(&mailbox_of(turned_home(), &id)->returns, &call.number)) call.number++;
    call.number--;
    call.caller = id;
    mail_letter *m = returning_new(turned_home(), &call, &waits, &anew);
    CHECK(m && mailbox_arrive(turned_home(), m));
    TURN_UNTIL(is_over());
    CHECK_STR(seen.errors[0], "none");
    CHECK(strstr(seen.errors[1], "it has ended anew"));
    turned_close();
}

static size_t told(void)
{
    size_t count = 0;
    const reopening *q;
    LIST_FOREACH(q, &turned_home()->reopenings, in_home)
    count += q->state == REOPENING_WRITTEN && q->told_bytes > 0;
    return count;
}

/* A caller that was cancelled before it had taken the results is told of all of them again when it is resumed: no more
 * of them are queued than there is room for. */
/* A child that has ended, and waits for room to be told again. NULL: there is none. */
static slot *put_off_child(const run_id *caller, const run_id *waits)
{
    const slot_table *t = &turned_home()->slots;
    for (size_t i = 0; i < t->bucket_count; i++)
        for (slot *s = t->buckets[i]; s; s = s->next) {
            bool is_child = !run_id_equal(&s->id, caller) && !run_id_equal(&s->id, waits);
            if (is_child && s->state == SLOT_PARKED) return s;
        }
    return NULL;
}

static void test_told_again(void)
{
    enum { QUEUE_BYTES = 1024 * 1024 };
    memset(&seen, 0, sizeof seen);
    turned_open(routes, (const char *const[]){"--park-after", "0", "--journal-queue-max", "1MiB", NULL});
    run_id id = turned_begin("POST /fan")->id, waits = waiting_run(&id);
    TURN_UNTIL(results_of(&id) == CHILDREN);
    turned_check(turned_send_to("DELETE", &id, ""), 200, "");
    TURN_UNTIL(turned_home()->slots.count == 0 && turned_home()->mailboxes.count == 0);
    int asked = turned_ask_run("POST", &id, "/resume", "");
    TURN_UNTIL(told() > 0);
    turned_writes = false;
    turned_often();
    CHECK(told() * RESULT_BYTES <= QUEUE_BYTES + RESULT_BYTES);
    slot *put_off = NULL;
    TURN_UNTIL((put_off = put_off_child(&id, &waits)) != NULL);
    int reader = turned_send_to("GET", &put_off->id, "/output"); /* its client waits at the slot meanwhile */
    TURN_UNTIL(put_off->waiters);
    turned_writes = true;
    turned_check(asked, 202, "");
    turned_check(reader, 200, "");
    TURN_UNTIL(turned_home()->slots.count == 2 && turned_slot(&waits) && slot_waits(turned_slot(&waits)));
    turned_check(turned_send_signal(&waits, "go", NULL, "1"), 202, "");
    (void)go_on(&id);
    CHECK_INT(seen.worked, CHILDREN);
    turned_close();
}

/* Leaves nothing but the run's row in the live table, and whose child it is. */
static void make_unreadable(const run_id *id, const run_id *caller)
{
    char why[256];
    const char *wrong = NULL;
    kin_pair kin;
    backend *b = memory_open(turned_disk);
    CHECK(b->ops->delete_run(b, id, &wrong));
    store *s = store_open(&(store_options){.backend = b, .by_hand = true}, why, sizeof why);
    settling *desk = settle_open(s);
    CHECK(desk);
    kin_pair_fill(&kin, caller, KIN_CHILD, id);
    store_segment segment = {.run = *id, .live = STORE_LIVE_SET, .retain_ms = -1, .rows = kin.rows};
    CHECK(!settle_append(desk, &segment));
    settle_close(desk);
    store_close(s);
}

/* A process leaves a caller whose child cannot be read. */
static run_id leave_unreadable(void)
{
    memset(&seen, 0, sizeof seen);
    open_with("0");
    run_id id = turned_begin("POST /two")->id, waits = waiting_run(&id);
    TURN_UNTIL(results_of(&id) == 1);
    turned_end();
    make_unreadable(&waits, &id);
    return waits;
}

static void open_impatient(const run_id *waits)
{
    turned_open(routes, (const char *const[]){"--park-after", "0", "--retain-stopped", "1s", NULL});
    TURN_UNTIL(turned_slot(waits) && turned_slot(waits)->state == SLOT_STOPPED);
}

static void check_told(void)
{
    TURN_UNTIL(is_over());
    CHECK_STR(seen.errors[0], "none");
    CHECK(strstr(seen.errors[1], "could not be read, and was deleted"));
    CHECK_INT(seen.ended, 1);
    CHECK_INT(turned_rows(letter_table), 0);
}

static void test_unreadable(void)
{
    run_id waits = leave_unreadable();
    open_impatient(&waits);
    check_told();
    turned_close();
}

/* The write of the letter fails: it is made when the run is looked at again. */
static void test_unwritten(void)
{
    run_id waits = leave_unreadable();
    open_impatient(&waits);
    turned_often(); /* the caller has written what it had to */
    memory_fail(turned_disk, MEMORY_REFUSES, 0, false);
    check_told();
    turned_close();
}

static const check_case cases[] = {{"of a caller in memory", test_in_memory},
                                   {"of a caller outside memory", test_parked},
                                   {"of calls in branches", test_branches},
                                   {"found by the next process", test_next_process},
                                   {"one that is gone", test_gone},
                                   {"one that is damaged", test_damaged},
                                   {"one that comes anew while it is read", test_anew},
                                   {"told again to a caller that goes on", test_told_again},
                                   {"of a run that cannot be read", test_unreadable},
                                   {"a write that fails on the way", test_unwritten}};

CHECK_MAIN(cases)
