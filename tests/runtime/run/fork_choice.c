/* What a fork begins with, compared with a plain model: runs are made by chance as a graph of operations, each of which
 * begins once those are finished that it depends on, and forked from each of their operations in turn. */
#include "runtime/run/fork_choice.h"

#include <endian.h>

#include "tests/harness/check.h"

enum { OPS_MAX = 24, ENTRIES_MAX = 400, ROUNDS = 3000, NOW_MS = 1000000, DEPENDS_MAX = 3 };

typedef struct op {
    entry_kind kind; /* STEP_DONE, SLEEP, WAIT, VALUE */
    uint64_t path;
    unsigned depends[DEPENDS_MAX], depend_count;
    bool begun, finished, failed;
    uint32_t began;
    uint32_t last; /* its last entry, and `first` its first; 0: none */
    uint32_t first;
    uint32_t chunks_from; /* its chunks from here on are of the attempt that is under way or has succeeded */
} op;

static op ops[OPS_MAX];
static unsigned op_count;
static msgpack_sbuffer journal;
static uint32_t entry_count;
static unsigned chunk_owner[ENTRIES_MAX]; /* of each entry that is a chunk: 1 + its operation; else 0 */
static unsigned wait_owner[ENTRIES_MAX], signal_owner[ENTRIES_MAX]; /* likewise, of *wait* or *called*, and *signal* */

static uint64_t drawn = 88172645463325252U;

static unsigned below(unsigned n)
{
    drawn ^= drawn << 13;
    drawn ^= drawn >> 7;
    drawn ^= drawn << 17;
    return (unsigned)(drawn >> 33) % n;
}

static void append(entry e, op *o)
{
    CHECK(entry_count < ENTRIES_MAX);
    CHECK_INT(entry_encode(&journal, &e), 0);
    const unsigned owner = o ? 1 + (unsigned)(o - ops) : 0;
    chunk_owner[entry_count] = e.kind == ENTRY_CHUNK ? owner : 0;
    wait_owner[entry_count] = e.kind == ENTRY_WAIT || e.kind == ENTRY_CALLED ? owner : 0;
    signal_owner[entry_count] = e.kind == ENTRY_SIGNAL ? owner : 0;
    if (e.kind == ENTRY_SIGNAL) o = NULL; /* it has no path: the wait's other entries stand for it */
    if (o && o->first == 0) o->first = entry_count;
    if (o) o->last = entry_count;
    entry_count++;
}

/* ---- A run ---- */

static bool may_begin(const op *o)
{
    for (unsigned i = 0; i < o->depend_count; i++)
        if (!ops[o->depends[i]].finished) return false;
    return !o->begun;
}

static void begin(op *o)
{
    entry e = {.kind = o->kind, .path = o->path, .id = entry_text_of("op"), .began = entry_count, .epoch = 1};
    o->begun = true;
    o->began = entry_count;
    o->chunks_from = entry_count;
    if (o->kind == ENTRY_STEP_DONE) return;
    e.detached = o->kind == ENTRY_CALLED && below(4) == 0;
    bool is_over = o->kind == ENTRY_VALUE || e.detached || (o->kind == ENTRY_SLEEP && below(3) > 0);
    e.due_ms = o->kind == ENTRY_SLEEP ? NOW_MS + (is_over ? -1 : 1) : 0;
    append(e, o);
    o->finished = is_over;
}

/* One thing happens to a step that is under way. */
static void go_on(op *o)
{
    entry e = {.path = o->path, .id = entry_text_of("op"), .began = o->began, .epoch = 1, .attempt = 1};
    switch (below(6)) {
    case 0:
    case 1:
        e.kind = ENTRY_CHUNK;
        break;
    case 2:
        e.kind = ENTRY_STEP_FAILED;
        e.due_ms = 77;
        break;
    case 3:
        e.kind = ENTRY_ROLLBACK;
        break;
    default:
        o->finished = true;
        o->failed = below(5) == 0;
        e.kind = o->failed ? ENTRY_STEP_FAILED : ENTRY_STEP_DONE;
    }
    append(e, o);
    if (e.kind == ENTRY_STEP_FAILED || e.kind == ENTRY_ROLLBACK) o->chunks_from = entry_count;
}

/* A wait gets its signal, or times out. */
static void decide(op *o)
{
    const uint64_t id[2] = {o->path, 7};
    entry e = {.path = o->path, .id = entry_text_of("op"), .began = o->began};
    o->finished = true;
    e.kind = below(3) ? ENTRY_TAKEN : ENTRY_TIMED_OUT;
    if (e.kind == ENTRY_TAKEN) {
        e.letter = (entry_text){(const char *)id, sizeof id};
        append((entry){.kind = ENTRY_SIGNAL, .letter = e.letter, .value = entry_text_of("\x01")}, o);
    }
    append(e, o);
}

/* A call returns, well or not. */
static void return_to(op *o)
{
    o->finished = true;
    o->failed = below(4) == 0;
    append((entry){.kind = ENTRY_RETURNED,
                   .path = o->path,
                   .id = entry_text_of("op"),
                   .began = o->began,
                   .status = o->failed ? ENTRY_FAILED : ENTRY_SUCCEEDED},
           o);
}

static bool is_needed(const op *o)
{
    for (unsigned i = 0; i < op_count; i++)
        for (unsigned d = 0; d < ops[i].depend_count; d++)
            if (ops[i].begun && &ops[ops[i].depends[d]] == o) return true;
    return false;
}

/* Some failures that nothing has followed from end the run; the fork makes them again. */
static void end(void)
{
    uint64_t causes[OPS_MAX];
    unsigned n = 0;
    for (unsigned i = 0; i < op_count; i++) {
        op *o = &ops[i];
        if (!o->failed || is_needed(o) || below(2)) continue;
        causes[n++] = htobe64(o->path);
        o->finished = false;
    }
    append((entry){.kind = ENTRY_RESPONSE, .status = 500}, NULL);
    append((entry){.kind = ENTRY_ENDED, .status = ENTRY_FAILED, .causes = {(const char *)causes, n * sizeof *causes}},
           NULL);
}

static void make_ops(void)
{
    static const entry_kind kinds[] = {ENTRY_STEP_DONE, ENTRY_STEP_DONE, ENTRY_STEP_DONE, ENTRY_SLEEP,
                                       ENTRY_WAIT,      ENTRY_CALLED,    ENTRY_VALUE};
    op_count = 2 + below(OPS_MAX - 2);
    for (unsigned i = 0; i < op_count; i++) {
        ops[i] =
            (op){.kind = kinds[below(sizeof kinds / sizeof *kinds)], .path = ((uint64_t)below(1U << 31) << 20 | i) + 1};
        ops[i].depend_count = i ? below(DEPENDS_MAX + 1) : 0;
        for (unsigned d = 0; d < ops[i].depend_count; d++) ops[i].depends[d] = below(i);
    }
}

static void make_run(void)
{
    journal.size = 0;
    entry_count = 0;
    make_ops();
    append((entry){.kind = ENTRY_STARTED, .function = entry_text_of("GET /")}, NULL);
    unsigned turns = below(200);
    for (unsigned t = 0; t < turns && entry_count < ENTRIES_MAX - 3; t++) {
        op *o = &ops[below(op_count)];
        if (may_begin(o))
            begin(o);
        else if (o->begun && !o->finished && o->kind == ENTRY_STEP_DONE)
            go_on(o);
        else if (o->begun && !o->finished && o->kind == ENTRY_WAIT)
            decide(o);
        else if (o->begun && !o->finished && o->kind == ENTRY_CALLED)
            return_to(o);
    }
    if (below(2)) end();
}

/* ---- The model ---- */

static bool depends_on(unsigned i, unsigned x)
{
    if (i == x) return true;
    for (unsigned d = 0; d < ops[i].depend_count; d++)
        if (depends_on(ops[i].depends[d], x)) return true;
    return false;
}

static bool is_copied(const op *o, const op *x)
{
    if (!o->finished || o == x) return false;
    return o->kind == ENTRY_VALUE ? o->last < x->first : o->began <= x->first;
}

static void check_op(const fork_choice *c, unsigned i, unsigned x)
{
    const op *o = &ops[i];
    bool copied = is_copied(o, &ops[x]);
    if (o->last == 0) return; /* it has left nothing */
    CHECK_INT(c->entries[o->last].fate, copied ? FORK_COPIED : FORK_AGAIN);
    if (copied) CHECK(!depends_on(i, x));
    for (unsigned d = 0; d < o->depend_count && copied; d++) CHECK(is_copied(&ops[o->depends[d]], &ops[x]));
    if (o->finished && i != x && o->last < ops[x].began) CHECK(copied);
}

static void check_entry(const fork_choice *c, uint32_t at, const op *x)
{
    fork_fate fate = c->entries[at].fate;
    uint32_t before = 0;
    for (uint32_t i = 0; i < at; i++) before += c->entries[i].fate == FORK_COPIED;
    CHECK_INT(c->places[at], before);
    CHECK_INT(fork_began(c, at), before + 1);
    if (chunk_owner[at]) {
        const op *o = &ops[chunk_owner[at] - 1];
        bool is_open = at == o->last; /* streamed last, and its attempt has not ended */
        bool counts = is_copied(o, x) && !o->failed && at >= o->chunks_from;
        CHECK_INT(fate, counts ? FORK_COPIED : is_open ? FORK_AGAIN : FORK_PASSED);
        return;
    }
    if (wait_owner[at]) CHECK_INT(fate, is_copied(&ops[wait_owner[at] - 1], x) ? FORK_COPIED : FORK_AGAIN);
    if (signal_owner[at]) CHECK_INT(fate, is_copied(&ops[signal_owner[at] - 1], x) ? FORK_COPIED : FORK_PASSED);
    if (wait_owner[at] || signal_owner[at]) return;
    bool is_last = false;
    for (unsigned i = 0; i < op_count; i++) is_last = is_last || (ops[i].last == at && at > 0);
    if (!is_last) CHECK_INT(fate, FORK_PASSED);
}

static void fork_from(arena *a, unsigned x)
{
    fork_choice c;
    fork_refusal no = {.why = NULL};
    const fork_point point = {.path = ops[x].path, .now_ms = NOW_MS};
    bool ok = fork_choose(a, (entry_text){journal.data, journal.size}, &point, &c, &no);
    if (ops[x].first == 0 || ops[x].kind == ENTRY_VALUE) {
        CHECK(!ok && no.why);
        CHECK_INT(no.status, 404);
        return;
    }
    CHECK(ok);
    CHECK_INT(c.count, entry_count);
    for (unsigned i = 0; i < op_count; i++) check_op(&c, i, x);
    for (uint32_t at = 0; at < entry_count; at++) check_entry(&c, at, &ops[x]);
}

static void it_is_what_the_model_says(void)
{
    msgpack_sbuffer_init(&journal);
    for (unsigned i = 0; i < ROUNDS; i++) {
        make_run();
        for (unsigned x = 0; x < op_count; x++) {
            arena a;
            arena_init(&a, NULL);
            fork_from(&a, x);
            arena_free(&a);
        }
    }
    msgpack_sbuffer_destroy(&journal);
}

/* ---- Cases ---- */

static fork_choice choose(arena *a, uint64_t from, int expected)
{
    fork_choice c;
    fork_refusal no = {.why = NULL};
    const fork_point at = {.path = from, .now_ms = NOW_MS};
    bool ok = fork_choose(a, (entry_text){journal.data, journal.size}, &at, &c, &no);
    CHECK_INT(ok ? 0 : no.status, expected);
    return c;
}

static void add(entry e)
{
    e.id = e.id.data ? e.id : entry_text_of("s");
    CHECK_INT(entry_encode(&journal, &e), 0);
}

static void from_the_beginning_nothing_is_copied(void)
{
    arena a;
    arena_init(&a, NULL);
    msgpack_sbuffer_init(&journal);
    add((entry){.kind = ENTRY_STARTED});
    add((entry){.kind = ENTRY_VALUE, .path = 5});
    add((entry){.kind = ENTRY_STEP_DONE, .path = 6, .began = 2, .epoch = 1});
    fork_choice c = choose(&a, 0, 0);
    CHECK_INT(c.copied, 0);
    CHECK(c.entries[1].fate == FORK_AGAIN && c.entries[2].fate == FORK_AGAIN);
    (void)choose(&a, 7, 404);
    (void)choose(&a, 5, 404); /* a value is no place to go another way */
    journal.size--;
    (void)choose(&a, 6, 409);
    msgpack_sbuffer_destroy(&journal);
    arena_free(&a);
}

/* Of entries that do not say when things began, those are copied that were there when X began. */
static void old_entries_count_by_their_place(void)
{
    arena a;
    arena_init(&a, NULL);
    msgpack_sbuffer_init(&journal);
    add((entry){.kind = ENTRY_STARTED});
    add((entry){.kind = ENTRY_STEP_DONE, .path = 5});
    add((entry){.kind = ENTRY_STEP_FAILED, .path = 6, .due_ms = 9, .began = 2, .epoch = 1});
    add((entry){.kind = ENTRY_STEP_DONE, .path = 7});
    add((entry){.kind = ENTRY_STEP_DONE, .path = 6, .began = 2, .epoch = 1});
    fork_choice c = choose(&a, 6, 0);
    CHECK(c.entries[1].fate == FORK_COPIED && c.entries[3].fate == FORK_AGAIN && c.entries[4].fate == FORK_AGAIN);
    (void)choose(&a, 5, 409);
    (void)choose(&a, 7, 409);
    msgpack_sbuffer_destroy(&journal);
    arena_free(&a);
}

/* What the handler itself has streamed, and branches, as far as X had no entry yet. */
static void a_handlers_chunks_and_branches_go_with_it(void)
{
    arena a;
    arena_init(&a, NULL);
    msgpack_sbuffer_init(&journal);
    add((entry){.kind = ENTRY_STARTED});
    add((entry){.kind = ENTRY_CHUNK, .path = 9, .id = entry_text_of("")});
    add((entry){.kind = ENTRY_BRANCH, .path = 8, .began = 2});
    add((entry){.kind = ENTRY_STEP_DONE, .path = 6, .began = 3, .epoch = 1});
    add((entry){.kind = ENTRY_CHUNK, .path = 9, .id = entry_text_of("")});
    add((entry){.kind = ENTRY_BRANCH, .path = 4, .began = 5});
    fork_choice c = choose(&a, 6, 0);
    CHECK(c.entries[1].fate == FORK_COPIED && c.entries[2].fate == FORK_COPIED);
    CHECK(c.entries[4].fate == FORK_PASSED && c.entries[5].fate == FORK_PASSED);
    c = choose(&a, 8, 0); /* a branch: what it holds is done again */
    CHECK(c.entries[1].fate == FORK_COPIED && c.entries[2].fate == FORK_PASSED && c.entries[3].fate == FORK_AGAIN);
    msgpack_sbuffer_destroy(&journal);
    arena_free(&a);
}

/* A failure that a release or a resume took back is none. */
static void a_failure_that_was_taken_back_is_not_copied(void)
{
    uint64_t cause = htobe64(5);
    arena a;
    arena_init(&a, NULL);
    msgpack_sbuffer_init(&journal);
    add((entry){.kind = ENTRY_STARTED});
    add((entry){.kind = ENTRY_STEP_FAILED, .path = 5, .began = 1, .epoch = 1});
    add((entry){.kind = ENTRY_STEP_FAILED, .path = 6, .began = 1, .epoch = 1});
    add((entry){.kind = ENTRY_STOPPED, .causes = {(const char *)&cause, sizeof cause}});
    add((entry){.kind = ENTRY_RELEASED});
    add((entry){.kind = ENTRY_STEP_DONE, .path = 7, .began = 1, .epoch = 1});
    fork_choice c = choose(&a, 7, 0);
    CHECK(c.entries[1].fate == FORK_AGAIN && c.entries[2].fate == FORK_COPIED);
    msgpack_sbuffer_destroy(&journal);
    arena_free(&a);
}

/* What an attempt says goes with its result, before and behind it. */
static void what_a_step_has_said_goes_with_its_result(void)
{
    arena a;
    arena_init(&a, NULL);
    msgpack_sbuffer_init(&journal);
    add((entry){.kind = ENTRY_STARTED});
    add((entry){.kind = ENTRY_LABEL, .path = 5, .attempt = 1});
    add((entry){.kind = ENTRY_STEP_FAILED, .path = 5, .attempt = 1, .due_ms = 9, .began = 1, .epoch = 1});
    add((entry){.kind = ENTRY_LABEL, .path = 5, .attempt = 2});
    add((entry){.kind = ENTRY_USAGE, .path = 5, .attempt = 2});
    add((entry){.kind = ENTRY_LABEL, .path = 9}); /* outside steps */
    add((entry){.kind = ENTRY_STEP_DONE, .path = 5, .attempt = 2, .began = 1, .epoch = 1});
    add((entry){.kind = ENTRY_STATUS, .path = 5, .attempt = 2});
    add((entry){.kind = ENTRY_LABEL, .path = 6, .attempt = 1});
    add((entry){.kind = ENTRY_STEP_DONE, .path = 6, .attempt = 1, .began = 7, .epoch = 1});
    add((entry){.kind = ENTRY_LABEL, .path = 7, .attempt = 1}); /* its attempt is under way */
    static const fork_fate expected[] = {FORK_PASSED, FORK_PASSED, FORK_PASSED, FORK_COPIED, FORK_PASSED, FORK_PASSED,
                                         FORK_COPIED, FORK_COPIED, FORK_PASSED, FORK_AGAIN,  FORK_PASSED};
    fork_choice c = choose(&a, 6, 0);
    for (uint32_t i = 0; i < c.count; i++) CHECK_INT(c.entries[i].fate, expected[i]);
    CHECK_INT(c.copied, 3);
    c = choose(&a, 0, 0);
    CHECK_INT(c.copied, 0);
    msgpack_sbuffer_destroy(&journal);
    arena_free(&a);
}

static const check_case cases[] = {
    {"it is what the model says", it_is_what_the_model_says},
    {"from the beginning nothing is copied", from_the_beginning_nothing_is_copied},
    {"old entries count by their place", old_entries_count_by_their_place},
    {"a handler's chunks and branches go with it", a_handlers_chunks_and_branches_go_with_it},
    {"what a step has said goes with its result", what_a_step_has_said_goes_with_its_result},
    {"a failure that was taken back is not copied", a_failure_that_was_taken_back_is_not_copied},
};

int main(int argc, char **argv) { return check_run(cases, sizeof cases / sizeof cases[0], argc, argv); }
