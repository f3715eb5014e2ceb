/* Waits and sleeps of a group that a failure has decided: they are given up, and the journal says so. They stand no
 * more in any execution, whatever has become due or come meanwhile; they begin anew where the failure counts no more.
 */
#include "tests/harness/clock_faults.h"
#include "tests/harness/store_desk.h"
#include "tests/harness/turned.h"

enum { HOUR_MS = 3600000, BYTES_MAX = 65536 };

static struct {
    unsigned executions, judged;
    bool succeeds; /* what has failed before: the program, or the world, is another one */
} seen;
static char text[TURNED_TEXT];

/* ---- The program ---- */

/* The failure has no entry: the branch has no step. */
static sw_value judge(sw_ctx *c, sw_value v)
{
    if (!seen.succeeds) sw_fail_fatal(c, "no luck");
    return v;
}

static sw_value judge_step(sw_ctx *c, sw_value v)
{
    seen.judged++;
    if (!seen.succeeds) sw_fail(c, "no luck");
    return v;
}

static sw_value both(sw_ctx *c, sw_value v)
{
    sw_group *g = sw_group_new(c);
    sw_group_wait_for(g, "wait", &(sw_wait){.signal = "a"});
    sw_group_sleep(g, "nap", HOUR_MS);
    sw_group_branch(g, "judge", judge, v);
    return sw_group_wait(g);
}

static sw_value echo(sw_ctx *c, sw_value v)
{
    (void)c;
    return v;
}

static void on_caught(sw_ctx *c)
{
    sw_value v = sw_nil();
    seen.executions++;
    sw_group *g = sw_group_new(c);
    sw_group_branch(g, "both", both, sw_nil());
    sw_value all = sw_group_settle(g);
    (void)sw_step(c, "behind", echo, v);
    (void)sw_wait_for(c, "more", &(sw_wait){.signal = "more"}, NULL);
    bool has_come = sw_wait_for(c, "again", &(sw_wait){.signal = "a", .timeout_ms = SW_NO_WAIT}, &v);
    sw_reply_json(c, 200, sw_array(c, 3, all, sw_bool(has_come), v));
}

/* The failure ends the run, or stops it. */
static void on_fatal(sw_ctx *c)
{
    seen.executions++;
    sw_group *g = sw_group_new(c);
    sw_group_wait_for(g, "wait", &(sw_wait){.signal = "a"});
    sw_group_sleep(g, "nap", HOUR_MS);
    sw_group_step_with(g, "judge", judge_step, sw_int(7), &(sw_step_options){.retries = 1, .backoff_ms = 1});
    sw_reply_json(c, 200, sw_group_wait(g));
}

static void routes(sw_app *app)
{
    bool succeeds = seen.succeeds;
    memset(&seen, 0, sizeof seen);
    seen.succeeds = succeeds;
    sw_endpoint(app, "POST /caught", on_caught, NULL);
    sw_endpoint(app, "POST /strict", on_caught, &(sw_endpoint_options){.on_difference = SW_STOP});
    sw_endpoint(app, "POST /fatal", on_fatal, NULL);
    sw_endpoint(app, "POST /exhausted", on_fatal, &(sw_endpoint_options){.on_exhausted = SW_STOP});
}

/* ---- Journals ---- */

static struct {
    char data[BYTES_MAX];
    size_t len, ends[64], count; /* where each entry ends */
    entry_kind kinds[64];
    bool is_read;
} was;

static void on_bytes(void *arg, store_journal *loaded, size_t count)
{
    const char *mistake = NULL;
    (void)arg;
    CHECK(count == 1 && loaded->found && !loaded->error && loaded->len <= sizeof was.data);
    memcpy(was.data, loaded->data, loaded->len);
    was.len = loaded->len;
    was.count = 0;
    for (size_t at = 0, n; at < was.len; at += n) {
        entry e;
        n = entry_decode(was.data + at, was.len - at, &e, &mistake);
        CHECK(n > 0 && was.count < 64);
        was.kinds[was.count] = e.kind;
        was.ends[was.count++] = at + n;
    }
    was.is_read = true;
}

static void read_bytes(const run_id *id)
{
    was.is_read = false;
    CHECK(store_load(turned_home()->port, id, 1, on_bytes, NULL));
    TURN_UNTIL(was.is_read);
}

static void check_journal(const run_id *id, const char *expected)
{
    turned_journal j;
    turned_load(id, &j);
    CHECK_STR(j.text, expected);
}

/* Leaves a disk on which the run has so many of the entries, without those of that kind. */
static void leave(const run_id *id, size_t entries, entry_kind without)
{
    char data[BYTES_MAX];
    size_t len = 0;
    desk d;
    store_options o = options_for("no folder");
    for (size_t i = 0, at = 0; i < entries; at = was.ends[i++]) {
        if (was.kinds[i] == without) continue;
        memcpy(data + len, was.data + at, was.ends[i] - at);
        len += was.ends[i] - at;
    }
    turned_disk = memory_disk_new();
    CHECK(turned_disk);
    o.backend = memory_open(turned_disk);
    o.by_hand = true;
    open_desk(&d, &o);
    store_segment s = {.run = *id, .live = STORE_LIVE_SET, .retain_ms = -1, .data = data, .len = len};
    store_append(d.port, &s);
    store_hand_write(d.store);
    while (d.committed == 0) (void)uv_run(&d.loop, UV_RUN_NOWAIT);
    close_desk(&d);
}

/* ---- Asking ---- */

static bool is_parked(const run_id *id)
{
    const slot *s = turned_slot(id);
    return s && s->state == SLOT_PARKED;
}

static void send_signal(const run_id *id, const char *name, const char *body)
{
    CHECK_INT(turned_reply(turned_send_signal(id, name, NULL, body), text), 202);
}

static void check_output(const run_id *id, int status, const char *part)
{
    TURN_UNTIL(!turned_slot(id));
    turned_check(turned_send_to("GET", id, "/output"), status, part);
}

/* All that the group waits for comes: the signal, and the time. */
static void take_all(const run_id *id, const char *output)
{
    static clocks_state own;
    send_signal(id, "a", "5");
    TURN_UNTIL(is_parked(id));
    clocks = &own;
    clocks->slept_ms = HOUR_MS;
    clocks_tell();
    check_output(id, 200, output);
    clocks->slept_ms = 0;
}

static const char caught[] = "started; other both; wait wait; sleep nap; other judge; abandoned wait; abandoned nap; "
                             "step done behind; wait more";
static const char no_luck[] = "[[{\"ok\":false,\"error\":\"no luck\"}],true,5]";

/* The signal comes first, and nobody but the last wait takes it. */
static void go_on(const run_id *id)
{
    TURN_UNTIL(is_parked(id));
    send_signal(id, "a", "5");
    send_signal(id, "more", "1");
    check_output(id, 200, no_luck);
    CHECK_INT(turned_home()->counters.results_unasked, 0);
}

static run_id park(const char *route)
{
    seen.succeeds = false;
    turned_open(routes, NULL);
    return turned_park(route);
}

/* ---- Tests ---- */

static void test_stays(void)
{
    run_id id = park("POST /caught");
    check_journal(&id, caught);
    turned_check(turned_ask_run("GET", &id, "", ""), 200, "\"signal\":\"more\"");
    go_on(&id);
    CHECK_INT(seen.executions, 2);
    turned_close();
}

/* Cut behind any entry; and one that a program wrote which knew no such entries. */
static void test_prefixes(void)
{
    run_id id = park("POST /caught");
    read_bytes(&id);
    turned_close();
    for (size_t n = 1; n <= was.count; n++)
        for (unsigned old = 0; old < 2; old++) {
            leave(&id, n, old ? ENTRY_ABANDONED : 0);
            turned_open(routes, NULL);
            TURN_UNTIL(turned_slot(&id));
            TURN_UNTIL(is_parked(&id));
            if (!old) check_journal(&id, caught);
            go_on(&id);
            turned_close();
        }
}

/* Nothing fails any more, and the code waits for what was given up. */
static void test_changed(void)
{
    run_id id = park("POST /caught");
    seen.succeeds = true;
    send_signal(&id, "a", "5");
    send_signal(&id, "more", "1");
    check_output(&id, 200, "\\\"wait\\\" was given up there");
    turned_close();
    id = park("POST /strict");
    seen.succeeds = true;
    send_signal(&id, "more", "1");
    TURN_UNTIL(turned_slot(&id)->state == SLOT_STOPPED);
    turned_check(turned_ask_run("GET", &id, "", ""), 200, "\\\"wait\\\" was given up there");
    seen.succeeds = false;
    CHECK_INT(turned_reply(turned_send_release(&id), text), 200);
    TURN_UNTIL(!turned_slot(&id));
    turned_close();
}

/* The step is made again, and so the wait begins anew; with a failure that comes again, it is given up again. */
static void test_resumed(void)
{
    seen.succeeds = false;
    turned_open(routes, NULL);
    run_id id = turned_begin("POST /fatal")->id;
    check_output(&id, 500, "no luck");
    turned_check(turned_ask_run("POST", &id, "/resume", ""), 202, "");
    check_output(&id, 500, "no luck");
    seen.succeeds = true;
    turned_check(turned_ask_run("POST", &id, "/resume", ""), 202, "");
    TURN_UNTIL(is_parked(&id));
    check_journal(&id, "started; wait wait; sleep nap; step failed judge; step failed judge; abandoned wait; abandoned "
                       "nap; response; ended; "
                       "other; wait wait; sleep nap; step failed judge; step failed judge; abandoned wait; abandoned "
                       "nap; response; ended; "
                       "other; wait wait; sleep nap; step done judge");
    turned_end();
    turned_open(routes, NULL);
    take_all(&id, "[5,null,7]");
    turned_close();
}

static void test_released(void)
{
    seen.succeeds = false;
    turned_open(routes, NULL);
    run_id id = turned_begin("POST /exhausted")->id;
    TURN_UNTIL(turned_slot(&id) && turned_slot(&id)->state == SLOT_STOPPED);
    seen.succeeds = true;
    CHECK_INT(turned_reply(turned_send_release(&id), text), 200);
    TURN_UNTIL(is_parked(&id));
    check_journal(
        &id,
        "started; wait wait; sleep nap; step failed judge; step failed judge; abandoned wait; abandoned nap; stopped; "
        "released; wait wait; sleep nap; step done judge");
    turned_end();
    turned_open(routes, NULL);
    take_all(&id, "[5,null,7]");
    turned_close();
}

static run_id fork_of(const run_id *id, const char *step)
{
    char body[64], *name;
    run_id fork;
    const char *mistake = NULL;
    entry e = {.path = 0};
    read_bytes(id);
    for (size_t i = 0, at = 0; i < was.count; at = was.ends[i++]) {
        CHECK(entry_decode(was.data + at, was.len - at, &e, &mistake) > 0);
        if (entry_text_is(e.id, step)) break;
    }
    CHECK(entry_text_is(e.id, step));
    (void)snprintf(body, sizeof body, "{\"from\":\"%016llx\"}", (unsigned long long)e.path);
    CHECK_INT(turned_reply(turned_ask_run("POST", id, "/fork", body), text), 202);
    CHECK((name = strstr(text, "\"runId\":\"")) && run_id_parse(name + 9, RUN_ID_TEXT, &fork));
    return fork;
}

/* A fork comes to the same failure, and gives up what it has begun; one that goes on otherwise waits. */
static void test_forked(void)
{
    run_id id = park("POST /caught");
    run_id fork = fork_of(&id, "behind");
    go_on(&fork);
    fork = fork_of(&id, "wait");
    go_on(&fork);
    go_on(&id);
    check_output(&id, 200, no_luck);
    turned_close();
    seen.succeeds = false;
    turned_open(routes, NULL);
    id = turned_begin("POST /fatal")->id;
    check_output(&id, 500, "no luck");
    seen.succeeds = true;
    fork = fork_of(&id, "judge");
    TURN_UNTIL(is_parked(&fork));
    take_all(&fork, "[5,null,7]");
    turned_close();
}

static const check_case cases[] = {{"it stays so", test_stays},
                                   {"behind any entry, and in older journals", test_prefixes},
                                   {"code that wants what was given up", test_changed},
                                   {"a run that goes on after its end", test_resumed},
                                   {"a run that goes on after its stop", test_released},
                                   {"forks", test_forked}};
CHECK_MAIN(cases)
