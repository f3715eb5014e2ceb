/* A run counts as one of which the process may die only while it is in memory: not while it waits for others, for a
 * place, or stands still, however near it was to being loaded. Its row goes when the run has ended, whatever was short
 * or failed meanwhile. The program is turned by hand, on a disk of memory. */
#include "runtime/run/suspects.h"
#include "runtime/recovery/settle.h"
#include "runtime/run/comeback_core.h"
#include "runtime/run/letter.h"
#include "runtime/run/slot_core.h"
#include "tests/harness/turned.h"

static unsigned attempts, refused;
static bool go, lets_go, no_letters;

/* By the linker's --wrap: memory for letters, and nothing else, is short. */
void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes)
{
    bool refuses = no_letters && count == 1 && bytes == sizeof(letter) + LETTER_VALUE_MAX;
    refused += refuses;
    return refuses ? NULL : __real_calloc(count, bytes);
}

static sw_value works(sw_ctx *c, sw_value v)
{
    attempts++;
    while (!go) sw_sleep(c, "poll", 1);
    return v;
}

static void on_work(sw_ctx *c)
{
    (void)sw_step(c, "works", works, sw_nil());
    (void)sw_step(c, "works", works, sw_nil());
    sw_reply_text(c, 200, "done");
}

/* Says how far it is, streams, and works on. */
static sw_value speaks(sw_ctx *c, sw_value v)
{
    sw_status(c, sw_str(c, "half"));
    sw_push_chunk(c, sw_str(c, "words"));
    return works(c, v);
}

static sw_value holds(sw_ctx *c, sw_value v)
{
    while (!lets_go) sw_sleep(c, "poll", 1);
    return v;
}

static void on_speak(sw_ctx *c)
{
    (void)sw_step(c, "speaks", speaks, sw_nil());
    (void)sw_step(c, "holds", holds, sw_nil());
    sw_reply_text(c, 200, "done");
}

static void routes(sw_app *app)
{
    attempts = refused = 0;
    go = no_letters = false;
    sw_endpoint(app, "POST /work", on_work, NULL);
    sw_endpoint(app, "POST /other", on_work, NULL);
    sw_endpoint(app, "POST /speak", on_speak, NULL);
}

static void fewer_routes(sw_app *app)
{
    attempts = refused = 0;
    go = no_letters = false;
    sw_endpoint(app, "POST /other", on_work, NULL);
}

static const char *const hurries[] = {"--drain", "0", NULL};

/* The runs are under way when the process ends. */
static void leave_runs(run_id *ids, unsigned count)
{
    turned_open(routes, hurries);
    for (unsigned i = 0; i < count; i++) ids[i] = turned_begin("POST /work")->id;
    TURN_UNTIL(attempts == count);
    turned_end();
}

/* ---- What a start finds ---- */

static void on_counted(void *arg, const store_journal *j)
{
    uint32_t *entries = arg;
    const char *mistake = NULL;
    CHECK(!j->error && j->found && j->live);
    for (size_t at = 0, n; at < j->len; at += n, (*entries)++) {
        entry e;
        n = entry_decode(j->data + at, j->len - at, &e, &mistake);
        CHECK(n > 0);
    }
}

static void append(settling *s, const run_id *id, const entry *e)
{
    uint32_t entries = 0;
    msgpack_sbuffer data;
    msgpack_sbuffer_init(&data);
    CHECK(entry_encode(&data, e) == 0);
    settle_load(s, id, on_counted, &entries);
    store_segment segment = {
        .run = *id, .seq = entries, .live = STORE_LIVE_UNCHANGED, .retain_ms = -1, .data = data.data, .len = data.size};
    CHECK(settle_append(s, &segment) == NULL);
    msgpack_sbuffer_destroy(&data);
}

static void append_row(settling *s, const run_id *id)
{
    static const uint8_t tried_once[20] = {0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1};
    const store_row row = {.op = STORE_ROW_PUT,
                           .table = "tries",
                           .key = {id->bytes, RUN_ID_BYTES},
                           .value = {tried_once, sizeof tried_once}};
    store_segment segment = {.run = *id, .live = STORE_LIVE_UNCHANGED, .retain_ms = -1, .rows = &row};
    CHECK(settle_append(s, &segment) == NULL);
}

/* The process before has died, and nobody knows of which run. */
static void start(settling *s)
{
    settle_close(s);
    home *h = turned_home();
    h->suspects = turned_app->suspects = suspects_start(
        turned_app->store,
        &(suspects_options){
            .unclean = true, .again = true, .how = "as the test says", .began_ms = clock_wall_ms() + 1, .loops = 1});
    h->comeback = turned_app->comeback =
        comeback_new(&(comeback_options){.epoch = store_epoch(turned_app->store), .loops = 1});
    CHECK(h->suspects && h->comeback);
    h->comeback->quiet_ms = INT32_MAX; /* however slow this machine is: a solo begins when nothing else is in memory */
    suspects_join(h);
    comeback_join(h);
}

/* `found` (NULL: nothing) is what the start has found out of one of the runs. */
static void open_after_end(void (*routes_of)(sw_app *app), const char *const *flags, const run_id *id,
                           const entry *found)
{
    turned_open(routes_of, flags);
    settling *s = settle_open(turned_app->store);
    CHECK(s);
    if (found) append(s, id, found);
    start(s);
}

/* The run was in memory at the end before that one. */
static void open_with_row(const run_id *id)
{
    turned_open(routes, hurries);
    settling *s = settle_open(turned_app->store);
    CHECK(s);
    append_row(s, id);
    start(s);
}

typedef struct rows {
    bool done;
    unsigned count;
    run_id runs[8];
} rows;

static void on_rows(void *arg, const store_table_row *found, size_t count, bool end, const char *error)
{
    rows *r = arg;
    CHECK(!error && end && count <= 8);
    for (size_t i = 0; i < count; i++) memcpy(r->runs[i].bytes, found[i].key.data, RUN_ID_BYTES);
    r->count = (unsigned)count;
    r->done = true;
}

/* The run has a row in the table of those of which the process may die. */
static bool is_counted(const run_id *id)
{
    rows r = {.done = false};
    CHECK(store_scan(turned_home()->port, &(store_range){.table = "tries", .rows_max = 8}, on_rows, &r));
    TURN_UNTIL(r.done);
    for (unsigned i = 0; i < r.count; i++)
        if (run_id_equal(&r.runs[i], id)) return true;
    return false;
}

static const entry crashed = {.kind = ENTRY_CRASHED, .at_ms = 1, .status = 11, .attempt = 1};

static entry stopped_now(void)
{
    return (entry){
        .kind = ENTRY_STOPPED, .status = ENTRY_STOP_OPERATOR, .at_ms = clock_wall_ms(), .error = {"a test", 6}};
}

/* ---- The cases ---- */

static void test_behind(void)
{
    run_id ids[2];
    leave_runs(ids, 2);
    open_after_end(routes, hurries, &ids[0], &crashed);
    TURN_UNTIL(attempts == 1 && turned_slot(&ids[0])->state == SLOT_BEHIND);
    turned_often();
    CHECK(is_counted(&ids[1]));
    CHECK(!is_counted(&ids[0]));
    CHECK_INT(attempts, 1);
    go = true; /* the other one ends, and its turn has come */
    TURN_UNTIL(!turned_slot(&ids[1]));
    go = false;
    turned_writes = false;
    TURN_UNTIL(slot_is_loading(turned_slot(&ids[0])));
    turned_often();
    CHECK(!turned_slot(&ids[0])->run); /* not before its row is on disk */
    turned_writes = true;
    attempts = 0;
    TURN_UNTIL(attempts == 1);
    CHECK(turned_slot(&ids[0])->run && is_counted(&ids[0]));
    go = true;
    TURN_UNTIL(!turned_slot(&ids[0]));
    CHECK(!is_counted(&ids[0]));
    turned_close();
}

/* What an attempt says and streams is on disk, and the process may die of it the next moment: that is no progress. */
static void test_speaks(void)
{
    turned_open(routes, hurries);
    run_id id = turned_begin("POST /speak")->id;
    TURN_UNTIL(attempts == 1);
    turned_end();
    open_with_row(&id);
    TURN_UNTIL(attempts == 1);
    turned_often();
    const run *r = turned_slot(&id)->run;
    CHECK(r && r->seq_durable > 1 && is_counted(&id));
    CHECK_INT(r->seq_durable, r->seq_next);
    uint32_t said = r->seq_durable;
    go = true;
    TURN_UNTIL(r->seq_durable > said);
    turned_often();
    CHECK(turned_slot(&id)->run == r && !is_counted(&id)); /* the step's result is progress */
    lets_go = true;
    TURN_UNTIL(!turned_slot(&id));
    turned_close();
}

/* While the row of one is written, which takes as long as the disk does, there is more to come. */
static void test_behind_row(void)
{
    run_id ids[2];
    leave_runs(ids, 2);
    open_after_end(routes, hurries, &ids[0], &crashed);
    turned_writes = false;
    TURN_UNTIL(turned_slot(&ids[0]) && turned_slot(&ids[0])->state == SLOT_BEHIND);
    for (int i = 0; i < 20; i++) {
        (void)timers_skip(&turned_home()->timers);
        turned_often();
        CHECK(!turned_app->comeback->now && turned_slot(&ids[0])->state == SLOT_BEHIND);
    }
    CHECK(slot_is_loading(turned_slot(&ids[1])));
    turned_writes = true;
    TURN_UNTIL(attempts == 1);
    CHECK(turned_slot(&ids[1])->run);
    go = true;
    TURN_UNTIL(!turned_slot(&ids[0]) && !turned_slot(&ids[1]));
    turned_close();
}

/* No row of a run is written that stands still. */
static void stands(void (*routes_of)(sw_app *app), const entry *found, stop_reason why)
{
    run_id id;
    leave_runs(&id, 1);
    open_after_end(routes_of, hurries, &id, found);
    turned_writes = false;
    for (int i = 0; i < 10; i++) turned_often();
    CHECK(turned_slot(&id) && turned_slot(&id)->state == SLOT_STOPPED);
    CHECK_INT(turned_slot(&id)->stop, why);
    turned_writes = true;
    CHECK(!is_counted(&id));
    turned_close();
}

static void test_stopped(void)
{
    const entry stopped = stopped_now();
    stands(routes, &stopped, STOP_OPERATOR);
}

/* It stands, but could not be read yet: whoever releases it is not told that it is not stopped. */
static void test_stopped_short(void)
{
    const entry stopped = stopped_now();
    char text[TURNED_TEXT] = "";
    run_id id;
    leave_runs(&id, 1);
    open_after_end(routes, hurries, &id, &stopped);
    no_letters = true;
    TURN_UNTIL(refused > 0);
    turned_often();
    CHECK_INT(turned_slot(&id)->state, SLOT_PARKED);
    CHECK_INT(turned_slot(&id)->stop, STOP_NONE);
    no_letters = false;
    CHECK_INT(turned_reply(turned_send_release(&id), text), 200);
    TURN_UNTIL(attempts == 1);
    go = true;
    TURN_UNTIL(!turned_slot(&id));
    turned_close();
}

static void test_no_endpoint(void) { stands(fewer_routes, NULL, STOP_NO_ENDPOINT); }

/* A client asks for it before the start has found it, and another run has the only place. */
static void test_no_place(void)
{
    static const char *const one[] = {"--drain", "0", "--runs-max", "1", NULL};
    run_id id;
    leave_runs(&id, 1);
    open_after_end(routes, one, NULL, NULL);
    (void)turned_begin("POST /other");
    while (attempts == 0) CHECK(turned_turn_unread());
    int fd = turned_send_to("GET", &id, "/output");
    while (!turned_slot(&id)) CHECK(turned_turn_unread());
    CHECK(!turned_slot(&id)->has_live_row);
    TURN_UNTIL(turned_slot(&id) && turned_slot(&id)->state == SLOT_DUE);
    turned_often();
    CHECK_INT(turned_slot(&id)->state, SLOT_DUE);
    CHECK(!is_counted(&id));
    go = true;
    TURN_UNTIL(!turned_slot(&id));
    CHECK(!is_counted(&id));
    close(fd);
    turned_close();
}

/* Without memory for its letter a run is not loaded beside its row, which would be held against it for good. */
static void is_put_off(bool has_row)
{
    run_id id;
    leave_runs(&id, 1);
    if (has_row)
        open_with_row(&id);
    else
        open_after_end(routes, hurries, NULL, NULL);
    no_letters = true;
    TURN_UNTIL(refused > 0);
    turned_often();
    CHECK(!turned_slot(&id)->run);
    CHECK_INT(attempts, 0);
    no_letters = false;
    TURN_UNTIL(attempts == 1);
    CHECK(is_counted(&id));
    go = true;
    TURN_UNTIL(!turned_slot(&id));
    CHECK(!is_counted(&id));
    turned_close();
}

static void test_short(void) { is_put_off(false); }
static void test_short_with_row(void) { is_put_off(true); }

static const run_id ended = {{1, 2, 3}};

/* The row of a run that has ended: it cannot be deleted for want of memory. */
static void test_ended_short(void)
{
    open_with_row(&ended);
    no_letters = true;
    TURN_UNTIL(refused > 0);
    CHECK(!turned_home()->slots.recovered);
    CHECK(is_counted(&ended));
    no_letters = false;
    TURN_UNTIL(turned_home()->slots.recovered);
    turned_often();
    CHECK(!is_counted(&ended));
    turned_close();
}

/* A client asks for it before the start has found that it has ended; `is_short`: then there is no memory. */
static void is_asked_for(bool is_short)
{
    char text[TURNED_TEXT] = "";
    open_with_row(&ended);
    int fd = turned_send_to("GET", &ended, "/output");
    while (!turned_slot(&ended)) CHECK(turned_turn_unread());
    CHECK(!turned_home()->slots.recovered);
    no_letters = is_short;
    if (is_short) TURN_UNTIL(refused > 0);
    turned_often();
    no_letters = false;
    CHECK_INT(turned_reply(fd, text), 404);
    turned_often();
    CHECK(!is_counted(&ended));
    turned_close();
}

static void test_ended_asked(void) { is_asked_for(false); }
static void test_ended_asked_short(void) { is_asked_for(true); }

/* The journal fails when the row is deleted. */
static void test_ended_unwritten(void)
{
    open_with_row(&ended);
    memory_fail(turned_disk, MEMORY_REFUSES, 0, false);
    TURN_UNTIL(!gate_writable(turned_home()));
    TURN_UNTIL(gate_writable(turned_home()));
    turned_often();
    CHECK(!is_counted(&ended));
    turned_close();
}

static const check_case cases[] = {
    {"who waits until others have got on", test_behind},
    {"who waits while a row is written", test_behind_row},
    {"who says how far it is, and works on", test_speaks},
    {"who is stopped", test_stopped},
    {"who is stopped, could not be read, and is released", test_stopped_short},
    {"who has no endpoint", test_no_endpoint},
    {"who has no place", test_no_place},
    {"no memory to count one", test_short},
    {"no memory for a row that there is", test_short_with_row},
    {"a run that has ended, and no memory", test_ended_short},
    {"a run that has ended is asked for", test_ended_asked},
    {"a run that has ended is asked for, and no memory", test_ended_asked_short},
    {"a run that has ended, and a journal that fails", test_ended_unwritten},
};

int main(int argc, char **argv) { return check_run(cases, sizeof cases / sizeof cases[0], argc, argv); }
