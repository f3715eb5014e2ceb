/* Property: a run of selects in branches, groups and selects, drawn by a seed, is cut after any entry of its journal
 * and goes on. It ends; what the journal has is asked for and not made again; each decision stays; of what has lost
 * nothing begins, and nothing but what was given up is journaled. */
#include <endian.h>

#include "runtime/run/ctx.h"
#include "runtime/run/letter.h"
#include "storage/entry.h"
#include "tests/harness/store_desk.h"
#include "tests/harness/turned.h"

enum { SEEDS = 12, DEPTH_MAX = 3, FACTS_MAX = 2048 };

static uint64_t seed;
static uint64_t changed; /* not 0: the program is another one, in about every eighth place */
static bool calls;       /* the program calls functions, too */
static char text[TURNED_TEXT];

static unsigned given_up_seen;

/* ---- What the journal has ---- */

typedef struct fact {
    entry_kind kind;
    uint32_t attempt;
    uint64_t path, branch, winner;
    const char *losers;
    size_t losers_len, end; /* of the entry, in the bytes */
} fact;

typedef struct facts {
    char *data;
    size_t len, count;
    fact all[FACTS_MAX];
    bool is_read;
} facts;

static facts first, cut, again; /* of a run that nothing happens to; as far as it is left; of what that becomes */

static void facts_read(facts *f, const char *data, size_t len)
{
    const char *mistake = NULL;
    free(f->data);
    *f = (facts){.data = malloc(len), .len = len, .is_read = true};
    CHECK(f->data);
    memcpy(f->data, data, len);
    for (size_t at = 0, n; at < len; at += n) {
        entry e;
        n = entry_decode(f->data + at, len - at, &e, &mistake);
        CHECK(n > 0 && f->count < FACTS_MAX);
        f->all[f->count++] =
            (fact){e.kind, e.attempt, e.path, e.branch, e.winner, e.causes.data, e.kind == ENTRY_WON ? e.causes.len : 0,
                   at + n};
    }
}

static bool fact_names(const fact *won, uint64_t path)
{
    uint64_t big = htobe64(path);
    for (size_t at = 0; at < won->losers_len; at += sizeof big)
        if (memcmp(won->losers + at, &big, sizeof big) == 0) return true;
    return false;
}

static uint64_t parent_of(const facts *f, uint64_t branch)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->all[i].kind == ENTRY_BRANCH && f->all[i].path == branch) return f->all[i].branch;
    return 0;
}

/* Whether the path, or the branch around it, has lost by this decision. */
static bool facts_lose(const facts *f, const fact *won, uint64_t path, uint64_t branch)
{
    bool loses = fact_names(won, path);
    for (; branch && !loses; branch = parent_of(f, branch)) loses = fact_names(won, branch);
    return loses;
}

static const fact *facts_find(const facts *f, entry_kind kind, uint64_t path)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->all[i].kind == kind && f->all[i].path == path) return &f->all[i];
    return NULL;
}

/* ---- The program ---- */

static uint64_t mix(uint64_t x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdULL;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53ULL;
    return x ^ (x >> 33);
}

/* Of this place of the program, whichever execution comes to it. */
static unsigned draw(const sw_ctx *c, unsigned place, unsigned below)
{
    uint64_t here = c->path + place * 7919ULL;
    bool is_other = changed && mix(here + changed) % 8 == 0;
    return (unsigned)(mix((seed + is_other * changed) * 1000003 + here) % below);
}

/* Its input: what it does, and the branch around it. */
static sw_value work(sw_ctx *c, sw_value v)
{
    int64_t kind = sw_as_int(sw_at(v, 0), 0);
    uint64_t branch = (uint64_t)sw_as_int(sw_at(v, 1), 0);
    CHECK(!facts_find(&cut, ENTRY_STEP_DONE, c->path));
    for (size_t i = 0; i < cut.count; i++)
        CHECK(cut.all[i].kind != ENTRY_WON || !facts_lose(&cut, &cut.all[i], c->path, branch));
    if (kind % 3 == 1) sw_push_chunk(c, sw_int(kind));
    if (kind % 4 == 2) sw_sleep(c, "poll", 1 + kind % 3);
    if (kind % 11 == 7 && sw_as_bool(sw_at(v, 2), false)) sw_sleep(c, "poll", 200);
    if (kind % 7 == 5 && c->attempt == 1) sw_fail_after(c, 1, "once more");
    if (kind % 5 == 4) sw_fail_fatal(c, "it cannot be done");
    return v;
}

/* Only what lies deep in the handler's select may hold on until it is cut. */
static sw_value input(sw_ctx *c, unsigned kind, int64_t depth)
{
    return sw_array(c, 3, sw_int(kind), sw_int((int64_t)c->path), sw_bool(depth > 1));
}

/* A function that runs call. */
static sw_value on_child(sw_ctx *c, sw_value v)
{
    int64_t kind = sw_as_int(sw_at(v, 0), 0);
    if (kind % 5 == 1) sw_fail_fatal(c, "it cannot be done");
    if (kind % 5 == 2) sw_sleep(c, "nap", 1 + kind % 3);
    if (kind % 5 == 3) (void)sw_wait_for(c, "late", &(sw_wait){.signal = "never", .timeout_ms = 1 + kind % 30}, &v);
    if (kind % 5 == 4 && kind > 20)
        (void)sw_try_call(c, "deeper", "child", sw_array(c, 1, sw_int(kind / 3)), NULL, NULL);
    return v;
}

static sw_value part(sw_ctx *c, sw_value depth);

static void add_member(sw_ctx *c, sw_group *g, unsigned place, int64_t depth)
{
    unsigned kind = draw(c, place, 64);
    if (calls && draw(c, place + 5000, 4) == 0) {
        sw_group_call(g, "call", "child", input(c, kind, depth));
        return;
    }
    switch (draw(c, place + 1, depth > 0 ? 8 : 5)) {
    case 0:
    case 1:
        sw_group_step(g, "work", work, input(c, kind, depth));
        return;
    case 2:
        sw_group_sleep(g, "nap", 1 + kind % 4);
        return;
    case 3:
        sw_group_wait_for(g, "late", &(sw_wait){.signal = "never", .timeout_ms = 1 + kind % 3});
        return;
    case 4:
        sw_group_wait_for(g, "told", &(sw_wait){.signal = "told", .timeout_ms = 1 + kind % 8});
        return;
    default:
        sw_group_branch(g, "part", part, sw_int(depth - 1));
    }
}

static sw_group *make_group(sw_ctx *c, unsigned place, int64_t depth)
{
    unsigned members = 1 + draw(c, place, 4);
    sw_group *g = sw_group_new_with(c, &(sw_group_options){.parallel_max = draw(c, place + 1, 3)});
    for (unsigned i = 0; i < members; i++) add_member(c, g, place + 2 + 2 * i, depth);
    return g;
}

static sw_value fail(sw_ctx *c, sw_value v)
{
    if (sw_as_int(v, 0) % 2) sw_sleep(c, "poll", 1 + sw_as_int(v, 0) % 3);
    sw_fail_fatal(c, "no luck");
}

static sw_value fail_behind(sw_ctx *c, sw_value v)
{
    if (sw_as_int(v, 0) % 2) (void)sw_try(c, "work", work, input(c, 1, 1), NULL, NULL);
    if (sw_as_int(v, 0) % 4 == 2) sw_sleep(c, "nap", 2);
    return fail(c, v);
}

/* Something of the group fails, so what stands is given up, however long it would stand. */
static sw_value given_up(sw_ctx *c, sw_value depth)
{
    unsigned kind = draw(c, 0, 64);
    if (kind % 3 == 0) (void)sw_signal_url(c, "ask", "told", NULL);
    sw_group *g = make_group(c, 3, sw_as_int(depth, 0));
    sw_group_wait_for(g, "endless", &(sw_wait){.signal = "never"});
    sw_group_wait_for(g, "asked", &(sw_wait){.signal = "told"});
    sw_group_sleep(g, "long", 3600000);
    if (kind % 2)
        sw_group_branch(g, "fails", fail_behind, sw_int(kind / 2));
    else
        sw_group_step(g, "fails", fail, sw_int(kind / 2));
    return kind % 5 == 4 ? sw_nil() : sw_group_wait(g); /* it may be left, too */
}

static void act(sw_ctx *c, unsigned place, int64_t depth)
{
    sw_value v = sw_nil();
    unsigned kind = draw(c, place, 64), many = draw(c, place + 1, 3);
    if (calls && draw(c, place + 5001, 4) == 0)
        (void)sw_try_call(c, "call", "child", input(c, kind, depth), NULL, NULL);
    sw_group *other = many == 0 ? make_group(c, place + 40, depth) : NULL; /* nobody waits for it but the end */
    switch (draw(c, place + 2, 13)) {
    case 0:
        (void)sw_try(c, "work", work, input(c, kind, depth), NULL, NULL);
        break;
    case 1:
        sw_sleep(c, "nap", 1 + kind % 3);
        break;
    case 2:
        (void)sw_wait_for(c, "told", &(sw_wait){.signal = "told", .timeout_ms = 1 + kind % 5}, &v);
        break;
    case 3:
        sw_label(c, "part", sw_printf(c, "%u", kind));
        sw_push_chunk(c, sw_int((int64_t)(sw_random(c) % 1000)));
        break;
    case 4:
        (void)sw_group_settle(make_group(c, place + 3, depth));
        break;
    case 5:
        (void)sw_each_with(c, "each", work,
                           sw_array(c, 3, input(c, kind, depth), input(c, kind / 3, depth), input(c, kind / 5, depth)),
                           &(sw_each_options){.settle = true, .parallel_max = many});
        break;
    case 6:
        sw_group_join(make_group(c, place + 3, depth));
        break;
    case 7:
    case 8: {
        sw_group *g = sw_group_new(c);
        sw_group_branch(g, "given up", given_up, sw_int(depth));
        (void)sw_group_settle(g);
        break;
    }
    case 9:
        (void)sw_send_signal(c, "tell", sw_run_id(c), "told", sw_int(kind));
        break;
    default:
        (void)sw_group_any(make_group(c, place + 3, depth), "first", &v);
    }
    if (other && kind % 2) (void)sw_group_settle(other);
}

static sw_value part(sw_ctx *c, sw_value depth)
{
    unsigned acts = 1 + draw(c, 0, 3);
    for (unsigned i = 0; i < acts; i++) act(c, 100 * (i + 1), sw_as_int(depth, 0));
    return depth;
}

static void on_run(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    for (int i = 0; i < 3; i++) sw_group_branch(g, "part", part, sw_int(DEPTH_MAX));
    sw_group_sleep(g, "deadline", 60);
    size_t winner = sw_group_any(g, "outer", NULL);
    for (unsigned i = 0; i < 2; i++) act(c, 100 * (i + 1), 1);
    sw_reply_text(c, 200, "%zu", winner);
}

static void routes(sw_app *app)
{
    sw_endpoint(app, "POST /run", on_run, NULL);
    sw_function(app, "child", on_child, NULL);
    sw_endpoint(app, "POST /brief", on_run, &(sw_endpoint_options){.timeout_ms = 1 + (int64_t)(seed % 60)});
}

/* ---- Runs ---- */

static void on_facts(void *arg, store_journal *loaded, size_t count)
{
    CHECK(count == 1 && loaded->found && !loaded->live && !loaded->error);
    facts_read(arg, loaded->data, loaded->len);
}

/* Turns the run to its end, and sends it signals meanwhile. */
static void run_through(const run_id *id, facts *f)
{
    for (unsigned turns = 0; turned_slot(id) || turns == 0; turns++) {
        CHECK(turned_turn());
        if (turns % 64 == 8 && turns < 600 && turned_slot(id))
            (void)turned_reply(turned_send_signal(id, "told", NULL, "1"), text);
    }
    f->is_read = false;
    CHECK(store_load(turned_home()->port, id, 1, on_facts, f));
    TURN_UNTIL(f->is_read);
}

/* Leaves a disk on which the run's journal ends there. */
static void leave(const run_id *id, size_t len)
{
    desk d;
    store_options o = options_for("no folder");
    turned_disk = memory_disk_new();
    CHECK(turned_disk);
    o.backend = memory_open(turned_disk);
    o.by_hand = true;
    open_desk(&d, &o);
    store_segment s = {.run = *id, .live = STORE_LIVE_SET, .retain_ms = -1, .data = first.data, .len = len};
    store_append(d.port, &s);
    store_hand_write(d.store);
    while (d.committed == 0) (void)uv_run(&d.loop, UV_RUN_NOWAIT);
    close_desk(&d);
}

static bool may_follow_loss(entry_kind kind)
{
    return kind == ENTRY_ABANDONED || kind == ENTRY_ROLLBACK || kind == ENTRY_DIFFERS;
}

/* Behind a decision nothing of a loser comes, and no decision comes twice. */
static void check_decisions(const facts *f)
{
    for (size_t i = 0; i < f->count; i++) {
        const fact *won = &f->all[i];
        CHECK(won->kind != ENTRY_UNASKED);
        if (won->kind != ENTRY_WON) continue;
        CHECK(facts_find(f, ENTRY_WON, won->path) == won);
        for (size_t j = i + 1; j < f->count; j++) {
            const fact *e = &f->all[j];
            bool is_loss = e->path && facts_lose(f, won, e->path, e->branch);
            if (is_loss && !may_follow_loss(e->kind))
                printf("# seed %d: entry %zu, of kind %d, is of what has lost by entry %zu\n", (int)seed, j, e->kind,
                       i);
            CHECK(!is_loss || may_follow_loss(e->kind));
        }
    }
}

/* What was given up begins nothing more, and takes nothing. */
static void check_given_up(const facts *f)
{
    for (size_t i = 0; i < f->count; i++) {
        bool stood = f->all[i].kind == ENTRY_ABANDONED && f->all[i].attempt == 0;
        for (size_t j = i + 1; stood && j < f->count; j++) {
            bool is_it = f->all[j].path == f->all[i].path;
            if (is_it) printf("# seed %d: entry %zu is behind entry %zu, which gives it up\n", (int)seed, j, i);
            CHECK(!is_it);
        }
        if (stood) given_up_seen++;
    }
}

static void check_cut(const run_id *id, size_t entries)
{
    size_t len = first.all[entries - 1].end;
    leave(id, len);
    facts_read(&cut, first.data, len);
    turned_open(routes, NULL);
    TURN_UNTIL(turned_slot(id));
    run_through(id, &again);
    CHECK(again.count >= entries && memcmp(again.data, first.data, len) == 0);
    check_decisions(&again);
    check_given_up(&again);
    CHECK_INT(turned_home()->counters.results_unasked, 0);
    turned_close();
}

static void test_cuts(void)
{
    for (seed = 1; seed <= SEEDS; seed++) {
        cut.count = 0;
        turned_open(routes, NULL);
        run_id id = turned_begin("POST /run")->id;
        run_through(&id, &first);
        turned_close();
        check_decisions(&first);
        check_given_up(&first);
        for (size_t entries = 1; first.all[entries].kind != ENTRY_RESPONSE; entries++) check_cut(&id, entries);
    }
}

/* What comes of outside at any moment. */
static void meet(const run_id *id, unsigned what)
{
    if (what == 0) CHECK(turned_reply(turned_send_to("DELETE", id, ""), text) >= 200);
    if (what == 1) {
        CHECK(turned_reply(turned_send_stop(id, "look"), text) >= 200);
        turned_often();
        CHECK(turned_reply(turned_send_release(id), text) >= 200);
    }
    if (what == 2) {
        turned_end();
        turned_open(routes, NULL);
        TURN_UNTIL(turned_home()->slots.all_found);
    }
}

static void test_met(void)
{
    for (seed = 1; seed <= SEEDS; seed++)
        for (unsigned i = 0; i < 12; i++) {
            cut.count = 0;
            turned_open(routes, NULL);
            run_id id = turned_begin(i % 4 == 3 ? "POST /brief" : "POST /run")->id;
            unsigned turns = 1 + (unsigned)(mix(seed * 31 + i) % 150);
            for (unsigned n = 0; n < turns || (!turned_slot(&id) && n < 1000); n++) CHECK(turned_turn());
            for (unsigned n = 0; n < 1 + i / 6 && turned_slot(&id); n++) meet(&id, (i + n) % 3);
            run_through(&id, &again);
            check_decisions(&again);
            check_given_up(&again);
            CHECK_INT(turned_home()->counters.results_unasked, 0);
            turned_close();
        }
}

/* Whatever has been called is over, or cancelled; what has been resumed makes its calls again. */
static void meet_with_calls(unsigned i)
{
    const home *h;
    cut.count = 0;
    turned_open(routes, NULL);
    run_id id = turned_begin(i % 4 == 3 ? "POST /brief" : "POST /run")->id;
    unsigned turns = 1 + (unsigned)(mix(seed * 37 + i) % 200);
    for (unsigned n = 0; n < turns || (!turned_slot(&id) && n < 1000); n++) CHECK(turned_turn());
    for (unsigned n = 0; n < 1 + i / 6 && turned_slot(&id); n++) meet(&id, (i + n) % 3);
    run_through(&id, &again);
    check_decisions(&again);
    check_given_up(&again);
    CHECK_INT(turned_home()->counters.results_unasked, 0);
    CHECK(turned_reply(turned_ask_run("POST", &id, "/resume", ""), text) >= 200);
    run_through(&id, &again);
    check_decisions(&again);
    CHECK_INT(turned_home()->counters.results_unasked, 0);
    h = turned_home();
    TURN_UNTIL(h->runs.count == 0 && h->slots.count == 0 && h->mailboxes.count == 0);
    turned_often(); /* what came too late is deleted */
    if (turned_rows(letter_table) > 0) printf("# seed %d, %u\n", (int)seed, i);
    CHECK_INT(turned_rows(letter_table), 0);
    turned_close();
}

static void test_called(void)
{
    calls = true;
    for (seed = 1; seed <= SEEDS; seed++)
        for (unsigned i = 0; i < 12; i++) meet_with_calls(i);
    calls = false;
}

/* Another program goes on with the run: whatever becomes of that, it comes to an end, and the process goes on. */
static void test_changed(void)
{
    for (seed = 1; seed <= SEEDS; seed++) {
        cut.count = 0;
        turned_open(routes, NULL);
        run_id id = turned_begin("POST /run")->id;
        run_through(&id, &first);
        turned_close();
        for (uint64_t i = 1; i <= 10; i++) {
            leave(&id, first.all[first.count - 3 - (mix(seed + i) % (first.count - 3))].end);
            changed = i;
            turned_open(routes, NULL);
            TURN_UNTIL(turned_slot(&id));
            run_through(&id, &again);
            turned_close();
            changed = 0;
        }
    }
}

/* A fork from each thing that the run has done. Returns how many. */
static unsigned fork_all(void)
{
    unsigned forks = 0;
    cut.count = 0;
    turned_open(routes, NULL);
    run_id id = turned_begin("POST /run")->id, fork;
    run_through(&id, &first);
    for (size_t i = 1; i < first.count; i++) {
        char body[64], *name;
        const fact *f = &first.all[i];
        if (f->kind != ENTRY_STEP_DONE && f->kind != ENTRY_SLEEP && f->kind != ENTRY_WAIT && f->kind != ENTRY_CALLED)
            continue;
        snprintf(body, sizeof body, "{\"from\":\"%016llx\"}", (unsigned long long)f->path);
        CHECK_INT(turned_reply(turned_ask_run("POST", &id, "/fork", body), text), 202);
        CHECK((name = strstr(text, "\"runId\":\"")) && run_id_parse(name + 9, RUN_ID_TEXT, &fork));
        run_through(&fork, &again);
        check_decisions(&again);
        check_given_up(&again);
        forks++;
    }
    CHECK_INT(turned_home()->counters.results_unasked, 0);
    turned_close();
    return forks;
}

static void test_forks(void)
{
    unsigned forks = 0;
    for (seed = 1; seed <= SEEDS; seed++) {
        calls = seed % 2 == 0;
        forks += fork_all();
    }
    calls = false;
    printf("# %u forks, %u given up\n", forks, given_up_seen);
}

static const check_case cases[] = {{"a run of selects, cut after any entry", test_cuts},
                                   {"cancelled, stopped, drained, and too late, at any moment", test_met},
                                   {"with calls, and resumed", test_called},
                                   {"gone on with by another program", test_changed},
                                   {"forked from whatever it has done", test_forks}};
CHECK_MAIN(cases)
