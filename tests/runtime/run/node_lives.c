/* Two nodes of a cluster on one memory, by a seed: runs begin at both, call functions, send signals to runs that they
 * have called, let the first of a signal, a sleep and a call win, and get signals that are sent at either node, while
 * nodes are killed, drained and opened with other slots, and writes fail. In the end each call has had one child, each
 * signal that was acknowledged was taken once, each race has had one winner, each run has its answer, and nothing is
 * left over.
 * With SEED=N in the environment that seed alone, with the log. */
#include <fcntl.h>
#include <sys/wait.h>

#include "runtime/run/notice.h"
#include "tests/harness/pair.h"

enum { SEEDS = SANITIZED ? 10 : 40, PARENTS = 6, CALLS = 4, SIGNALS = 2, OPS = 60, PATIENCE = 300000 };

static const char *const flags[] = {"--park-after", "0", NULL};

typedef struct parent {
    run_id id;
    unsigned sent; /* of its signals, those that were acknowledged */
    unsigned taken[SIGNALS];
    int64_t sum;
    int winner;               /* of its race, and 1, once that is on disk; 0: not yet */
    int heard;                /* what the run that it has told something has heard; 0: nothing yet */
    bool is_done, is_nowhere; /* not on disk: its node died first */
    char child[CALLS][RUN_ID_TEXT + 1];
} parent;

static parent parents[PARENTS];
static unsigned parent_count;
static uint64_t random_state;
static char text[TURNED_TEXT];

static unsigned draw(unsigned below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state % below);
}

/* ---- The program ---- */

static parent *parent_of(const char *id)
{
    char name[RUN_ID_TEXT + 1];
    for (unsigned i = 0; i < parent_count; i++) {
        run_id_format(&parents[i].id, name);
        if (strcmp(name, id) == 0) return &parents[i];
    }
    return NULL;
}

static void check_owner(sw_ctx *c)
{
    run_id id;
    CHECK(run_id_parse(sw_run_id(c), RUN_ID_TEXT, &id));
    CHECK(home_owns(turned_home(), &id));
}

static sw_value work(sw_ctx *c, sw_value input)
{
    parent *p = parent_of(sw_cstr(c, sw_get(input, "parent")));
    int64_t n = sw_as_int(sw_get(input, "n"), -1);
    CHECK(p && n >= 0 && n < CALLS);
    if (!*p->child[n]) strcpy(p->child[n], sw_run_id(c));
    CHECK_STR(p->child[n], sw_run_id(c)); /* of each call there is one child */
    return sw_int((n + 1) * 10);
}

static sw_value on_child(sw_ctx *c, sw_value input)
{
    check_owner(c);
    if (sw_as_int(sw_get(input, "n"), 0) % 2 == 1) sw_sleep(c, "nap", 3000);
    return sw_step(c, "work", work, input);
}

enum { TOLD = 7 };

static sw_value note_heard(sw_ctx *c, sw_value input)
{
    parent *p = parent_of(sw_cstr(c, sw_get(input, "parent")));
    CHECK(p);
    p->heard = (int)sw_as_int(sw_get(input, "told"), -1);
    CHECK_INT(p->heard, TOLD);
    return sw_nil();
}

/* Nobody waits for it. */
static sw_value on_listener(sw_ctx *c, sw_value input)
{
    sw_value told = sw_nil();
    check_owner(c);
    (void)sw_wait_for(c, "told", &(sw_wait){.signal = "told"}, &told);
    return sw_step(c, "heard", note_heard, sw_map(c, "parent", input, "told", told, NULL));
}

/* It loses, unless all others are slower. */
static sw_value on_slow(sw_ctx *c, sw_value input)
{
    check_owner(c);
    sw_sleep(c, "nap", 2500);
    return input;
}

static sw_value note_winner(sw_ctx *c, sw_value input)
{
    parent *p = parent_of(sw_run_id(c));
    int winner = (int)sw_as_int(input, -1) + 1;
    CHECK(p && winner > 0 && (p->winner == 0 || p->winner == winner)); /* the decision is on disk */
    p->winner = winner;
    return sw_nil();
}

static void tell_and_race(sw_ctx *c)
{
    sw_value of =
        sw_call_with(c, "listener", "listener", sw_str(c, sw_run_id(c)), &(sw_call_options){.detached = true});
    CHECK(sw_send_signal(c, "tell", sw_cstr(c, sw_get(of, "run")), "told", sw_int(TOLD)));
    sw_group *g = sw_group_new(c);
    sw_group_wait_for(g, "b", &(sw_wait){.signal = "b"});
    sw_group_sleep(g, "nap", 2500);
    sw_group_call(g, "slow", "slow", sw_int(0));
    size_t winner = sw_group_any(g, "race", NULL);
    (void)sw_step(c, "winner", note_winner, sw_int((int64_t)winner));
}

static void on_parent(sw_ctx *c)
{
    int64_t sum = 0;
    unsigned taken[SIGNALS] = {0};
    check_owner(c);
    tell_and_race(c);
    sw_group *g = sw_group_new(c);
    for (int i = 0; i < CALLS; i++)
        sw_group_call(g, "member", "child", sw_map(c, "parent", sw_str(c, sw_run_id(c)), "n", sw_int(i)));
    sw_value results = sw_group_wait(g);
    for (size_t i = 0; i < sw_len(results); i++) sum += sw_as_int(sw_at(results, i), 0);
    for (int i = 0; i < SIGNALS; i++) {
        sw_value v = sw_nil();
        (void)sw_wait_for(c, "wait", &(sw_wait){.signal = "a"}, &v);
        int64_t n = sw_as_int(v, -1);
        CHECK(n >= 0 && n < SIGNALS);
        taken[n]++;
    }
    parent *p = parent_of(sw_run_id(c));
    CHECK(p);
    memcpy(p->taken, taken, sizeof taken);
    p->sum = sum;
    p->is_done = true;
    sw_reply_json(c, 200, sw_int(sum));
}

static void routes(sw_app *app)
{
    sw_endpoint(app, "POST /parent", on_parent, NULL);
    sw_function(app, "child", on_child, NULL);
    sw_function(app, "listener", on_listener, NULL);
    sw_function(app, "slow", on_slow, NULL);
}

/* ---- What happens ---- */

static void turns(unsigned count)
{
    for (; count > 0; count--) CHECK(turned_turn());
}

static void begin_one(void)
{
    pair_use(draw(PAIR_NODES));
    if (parent_count == PARENTS || !turned_home()->slots.recovered || !store_writable(turned_home()->port)) return;
    parents[parent_count].id = turned_begin("POST /parent")->id;
    parent_count++;
}

/* The next signal to a run, at either node; who has no answer sends it again. */
static void send_to(parent *p)
{
    char key[16], body[16];
    if (p->sent == SIGNALS) return;
    pair_use(draw(PAIR_NODES));
    snprintf(key, sizeof key, "k%u", p->sent);
    snprintf(body, sizeof body, "%u", p->sent);
    int fd = turned_send_signal(&p->id, "a", key, body);
    if (draw(4) == 0) { /* the answer is lost */
        turns(draw(10));
        close(fd);
        return;
    }
    int status = turned_reply(fd, text);
    if (status == 202) p->sent++;
    if (status == 409) { /* the run has taken what was sent, and has ended, before the sender has heard of it */
        CHECK(p->is_done);
        p->sent = SIGNALS;
    }
}

/* What may decide its race: if it comes too late, it is dropped. */
static void decide(const parent *p)
{
    pair_use(draw(PAIR_NODES));
    int status = turned_reply(turned_send_signal(&p->id, "b", "b", "1"), text);
    CHECK(status == 202 || status == 404 || status == 409 || status == 503);
}

static void open_node(unsigned n) { pair_open_node(n, routes, flags); }

static void kill_one(void)
{
    unsigned n = draw(PAIR_NODES);
    if (pair_dead_count == PAIR_DEAD_MAX) return;
    pair_kill(n);
    for (unsigned left = draw(4); left > 0; left--) {
        turns(draw(20));
        pair_pass(draw(2000));
    }
    open_node(n);
}

/* Both end, one by a drain, and come back with other slots. */
static void open_anew(void)
{
    if (pair_dead_count == PAIR_DEAD_MAX) return;
    memory_fail(turned_disk, MEMORY_GOOD, 0, false);
    unsigned n = draw(PAIR_NODES);
    pair_kill(n);
    pair_end_node(1 - n);
    pair_slots = (pair_layout)draw(PAIR_LAYOUTS);
    for (unsigned i = 0; i < PAIR_NODES; i++) open_node(i);
}

static void happen(void)
{
    static const memory_fault faults[] = {MEMORY_REFUSES, MEMORY_LOSES, MEMORY_APPEARS};
    unsigned what = draw(100);
    if (what < 20)
        begin_one();
    else if (what < 25 && parent_count > 0)
        decide(&parents[draw(parent_count)]);
    else if (what < 50 && parent_count > 0)
        send_to(&parents[draw(parent_count)]);
    else if (what < 75)
        pair_pass(draw(1500));
    else if (what < 87)
        memory_fail(turned_disk, faults[draw(3)], draw(4), false);
    else if (what < 96)
        kill_one();
    else
        open_anew();
    turns(draw(25));
}

/* ---- The end ---- */

static bool all_done(void)
{
    for (unsigned i = 0; i < parent_count; i++)
        if (!(parents[i].is_done && parents[i].heard > 0) && !parents[i].is_nowhere) return false;
    return true;
}

/* Runs whose node died before they were on disk have never been. */
static void find_nowhere(void)
{
    turned_journal j;
    for (unsigned i = 0; i < parent_count; i++) {
        turned_load(&parents[i].id, &j);
        parents[i].is_nowhere = !j.found;
        CHECK(j.found || parents[i].sent == 0);
    }
}

static bool node_is_quiet(void)
{
    const home *h = turned_home();
    return h->slots.all_found && h->slots.count == 0 && h->runs.count == 0 && h->outbox.in_flight == 0 &&
           h->mailboxes.count == 0;
}

static bool is_quiet(void)
{
    bool is_quiet = node_is_quiet();
    pair_use(pair_other());
    is_quiet = is_quiet && node_is_quiet();
    pair_use(pair_other());
    return is_quiet;
}

#define WITHIN_PATIENCE(condition)                                                                                     \
    for (int n_ = 1; !(condition); n_++) {                                                                             \
        CHECK(n_ < PATIENCE);                                                                                          \
        turns(1);                                                                                                      \
        if (n_ % PAIR_LOOK_TURNS == 0) pair_pass(1000);                                                                \
    }

static void finish(void)
{
    memory_fail(turned_disk, MEMORY_GOOD, 0, false);
    turns(200);
    for (unsigned n = 0; n < PAIR_NODES; n++) { /* writes of unknown outcome are there now, or never were */
        pair_use(n);
        WITHIN_PATIENCE(turned_home()->slots.all_found && store_writable(turned_home()->port));
    }
    find_nowhere();
    for (unsigned i = 0; i < parent_count; i++)
        for (int n = 0; n < PATIENCE && !parents[i].is_nowhere && parents[i].sent < SIGNALS; n++) send_to(&parents[i]);
    WITHIN_PATIENCE(all_done());
    for (unsigned i = 0; i < parent_count; i++) {
        const parent *p = &parents[i];
        if (p->is_nowhere) continue;
        CHECK_INT(p->sum, 10 * CALLS * (CALLS + 1) / 2);
        for (int s = 0; s < SIGNALS; s++) CHECK_INT(p->taken[s], 1);
    }
    WITHIN_PATIENCE(is_quiet());
    pair_often();
    CHECK(is_quiet());
    CHECK_INT(turned_rows(letter_table), 0);
    CHECK_INT(turned_rows(notice_table), 0);
}

static void run_seed(uint64_t seed)
{
    static clocks_state passing;
    if (!getenv("SEED")) (void)dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
    clocks = &passing;
    random_state = seed * 2654435761U + 88172645463325252ULL;
    pair_slots = (pair_layout)draw(PAIR_LAYOUTS);
    pair_open(routes, flags);
    for (int i = 0; i < OPS; i++) happen();
    finish();
    _exit(0);
}

static void test_lives(void)
{
    const char *only = getenv("SEED");
    const uint64_t first = only ? strtoull(only, NULL, 10) : 1, end = only ? first + 1 : first + SEEDS;
    for (uint64_t seed = first; seed < end; seed++) {
        int status = 0;
        (void)fflush(stdout);
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) run_seed(seed);
        CHECK(waitpid(pid, &status, 0) == pid);
        if (status != 0) printf("# seed %llu\n", (unsigned long long)seed);
        CHECK_INT(status, 0);
    }
}

static const check_case cases[] = {
    {"whatever becomes of nodes and writes: one child, one taking, one winner, one answer", test_lives}};

int main(int argc, char **argv) { return check_run(cases, sizeof cases / sizeof *cases, argc, argv); }
